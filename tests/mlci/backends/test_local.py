"""The local cloud's store: nothing in it is used before its hash was verified."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlci.backends.local_cloud import LocalCloud, open_local
from mlci.backends.stop_signal import StopSignal
from mlci.plan.models import S3Uri, Upload
from mlci.stage.repository import read_code
from mlci_emulator.jobs.job import JobSettings
from support.staged_files import staged_data

UNIT = S3Uri("s3://bucket/mlci/small/code/d1/")


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[LocalCloud]:
    settings = JobSettings(tmp_path / "work", lambda job: tmp_path / job, sys.executable, environment=dict(os.environ))
    with open_local(tmp_path / "store", lambda: settings) as cloud:
        yield cloud


@pytest.fixture
def uploads(tmp_path: Path) -> list[Upload]:
    """A file of data, a file of code, and an archive of code, all of one unit."""
    (tmp_path / "a.py").write_bytes(b"code")
    (tmp_path / "b.csv").write_bytes(b"data")
    code, data = read_code(tmp_path / "a.py", "a.py"), staged_data(tmp_path / "b.csv", "b.csv")
    return [
        Upload(S3Uri(UNIT + "b.csv"), UNIT, (data,)),
        Upload(S3Uri(UNIT + "a.py"), UNIT, (code,)),
        Upload(S3Uri(UNIT + "sourcedir.tar.gz"), UNIT, (code,), is_archive=True),
    ]


def test_an_object_that_is_not_what_its_hash_says_is_replaced(cloud: LocalCloud, uploads: list[Upload]) -> None:
    cloud.upload(uploads, StopSignal())
    whole = [cloud.read(upload.uri) for upload in uploads]
    for upload in uploads:
        cloud.write(upload.uri, b"evil")
    assert cloud.missing(uploads) == uploads
    assert cloud.upload(uploads, StopSignal()) == 3
    assert [cloud.read(upload.uri) for upload in uploads] == whole
    assert cloud.missing(uploads) == []


def test_an_object_that_changes_in_its_place_is_noticed(tmp_path: Path, uploads: list[Upload]) -> None:
    settings = JobSettings(tmp_path / "work", lambda job: tmp_path / job, sys.executable, environment=dict(os.environ))
    for _ in range(2):
        with open_local(tmp_path / "store", lambda: settings, cache=tmp_path / "cache") as cloud:
            cloud.upload(uploads, StopSignal())
    with open_local(tmp_path / "store", lambda: settings, cache=tmp_path / "cache") as cloud:
        assert cloud.missing(uploads) == []
        file = tmp_path / "store" / UNIT.removeprefix("s3://") / "b.csv"
        before = file.stat()
        file.write_bytes(b"evil")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert cloud.missing(uploads) == uploads[:1]


def test_a_unit_shares_what_has_not_changed_with_the_one_before(tmp_path: Path) -> None:
    settings = JobSettings(tmp_path / "work", lambda job: tmp_path / job, sys.executable, environment=dict(os.environ))
    for name in ("same", "changed"):
        (tmp_path / name).write_text("one")
    units: list[list[Upload]] = []
    for content in ("one", "two", "new"):
        (tmp_path / "changed").write_text(content)
        unit = S3Uri(f"s3://bucket/data/{content}/")
        files = [staged_data(tmp_path / name, name) for name in ("same", "changed")]
        units.append([Upload(S3Uri(unit + file.path), unit, (file,)) for file in files])
        with open_local(tmp_path / "store", lambda: settings, cache=tmp_path / "cache") as cloud:
            assert cloud.upload(units[-1], StopSignal()) == 2
            assert cloud.missing(units[-1]) == []
    folder = tmp_path / "store" / "bucket" / "data"
    assert {(folder / name / "same").stat().st_nlink for name in ("one", "two", "new")} == {3}
    (folder / "new" / "same").unlink()
    (folder / "new" / "same").write_text("evl")
    (tmp_path / "changed").write_text("4th")
    unit = S3Uri("s3://bucket/data/4th/")
    files = [staged_data(tmp_path / name, name) for name in ("same", "changed")]
    units.append([Upload(S3Uri(unit + file.path), unit, (file,)) for file in files])
    with open_local(tmp_path / "store", lambda: settings, cache=tmp_path / "cache") as cloud:
        cloud.upload(units[-1], StopSignal())
        assert cloud.missing(units[0]) == cloud.missing(units[1]) == cloud.missing(units[3]) == []
        assert cloud.missing(units[2]) == units[2][:1]


def test_an_object_that_is_none_of_the_unit_is_removed(cloud: LocalCloud, uploads: list[Upload]) -> None:
    neighbour = "s3://bucket/mlci/small/code/d2/sitecustomize.py"
    cloud.write(neighbour, b"another unit")
    cloud.write(UNIT + "sitecustomize.py", b"evil")
    cloud.write(UNIT + "package/__init__.py", b"evil")
    cloud.upload(uploads, StopSignal())
    assert cloud.read(UNIT + "sitecustomize.py") is None
    assert cloud.read(UNIT + "package/__init__.py") is None
    assert cloud.read(neighbour) == b"another unit"
