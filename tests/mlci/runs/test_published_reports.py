"""The reports of a build in its bucket: of builds on AWS alone, and without a say in the verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from mlci.backends.protocol import Cloud
from mlci.errors import CloudError
from mlci.plan import Target
from mlci.runs.published_reports import publish_reports
from mlci.runs.run_folder import RunFolder

BUILD = "mlci-iris-pull-request:8f2c"


@dataclass
class InMemoryObjects:
    """The part of a cloud that reports are written by."""

    name: str = "aws"
    error: Exception | None = None
    objects: dict[str, tuple[bytes, str | None]] = field(default_factory=dict)

    def write(self, uri: str, data: bytes, content_type: str | None = None) -> None:
        if self.error:
            raise self.error
        self.objects[uri] = (data, content_type)


def published(
    cloud: InMemoryObjects, folder: Path, build: str | None, is_protected: bool = False
) -> tuple[str | None, list[str]]:
    for name in ("report.html", "report.md", "result.json", "junit.xml"):
        (folder / name).write_text(name)
    log: list[str] = []
    target = Target("models", "role", "r1", build=build, is_protected=is_protected)
    return publish_reports("iris", target, RunFolder(folder), cast(Cloud, cloud), log.append), log


@pytest.mark.parametrize(("is_protected", "prefix"), [(False, "mlci/iris"), (True, "mlci/iris/protected")])
def test_a_builds_reports_lie_under_its_id(is_protected: bool, prefix: str, tmp_path: Path) -> None:
    cloud = InMemoryObjects()
    key, log = published(cloud, tmp_path, BUILD, is_protected)
    assert (key, log) == (f"{prefix}/reports/{BUILD}/report.html", [])
    folder = f"s3://models/{prefix}/reports/{BUILD}"
    assert cloud.objects == {
        f"{folder}/report.html": (b"report.html", "text/html; charset=utf-8"),
        f"{folder}/report.md": (b"report.md", "text/markdown; charset=utf-8"),
        f"{folder}/result.json": (b"result.json", "application/json"),
    }


def test_the_keys_of_steps_are_written_where_they_are_known(tmp_path: Path) -> None:
    cloud = InMemoryObjects()
    (tmp_path / "keys.json").write_text("{}")
    published(cloud, tmp_path, BUILD)
    assert cloud.objects[f"s3://models/mlci/iris/reports/{BUILD}/keys.json"] == (b"{}", "application/json")


@pytest.mark.parametrize(("cloud", "build"), [("local", BUILD), ("aws", None)])
def test_other_runs_publish_nothing(cloud: str, build: str | None, tmp_path: Path) -> None:
    objects = InMemoryObjects(cloud)
    assert published(objects, tmp_path, build) == (None, [])
    assert objects.objects == {}


@pytest.mark.parametrize("error", [CloudError("PutObject: AccessDenied: no"), OSError("gone")])
def test_reports_that_can_not_be_written_are_said(error: Exception, tmp_path: Path) -> None:
    key, log = published(InMemoryObjects(error=error), tmp_path, BUILD)
    assert key is None
    assert log == [f"the reports were not written to the bucket: {error}"]
