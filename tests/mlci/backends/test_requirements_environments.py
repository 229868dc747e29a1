"""Environments that hold a requirements file: made once, whole or not at all, and removed when nobody uses them."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mlci.backends.requirements_environments import (
    FOLDER,
    EnvironmentBase,
    EnvironmentFailed,
    EnvironmentStore,
    environment_key,
    installer_environment,
    remove_environment,
    stored_environments,
)
from mlci.stage.models import Requirements, StagedFile

BASE = EnvironmentBase("/usr/bin/python3", "3.11.2", (), "without other packages")
#: Stands for uv: it notes each call, and fails or waits where its file of requirements says so.
UV = """#!/bin/sh
for file; do :; done
echo "$file" >> "$CALLS"
echo "installing $(cat "$file")"
case "$(cat "$file")" in
  broken*) exit 1;;
  slow*) sleep 60;;
esac
"""


def requirements(text: str, path: str = "requirements.txt") -> Requirements:
    content = text.encode()
    digest = hashlib.sha256(content).hexdigest()
    return Requirements(path, (StagedFile(path, digest, len(content), Path("/nowhere"), content),))


def make(base: EnvironmentBase, folder: Path) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").write_text("#!/bin/sh\nexit 1\n")
    (folder / "bin" / "python").chmod(0o755)
    return folder / "bin" / "python"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "uv").write_text(UV)
    (tmp_path / "bin" / "uv").chmod(0o755)
    return tmp_path / "cache"


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def store(cache: Path, told: list[str]) -> Callable[[], EnvironmentStore]:
    environment = {
        "PATH": f"{cache.parent / 'bin'}:{os.environ['PATH']}",
        "CALLS": str(cache.parent / "calls"),
    }
    return lambda: EnvironmentStore(cache / FOLDER, environment, make, told.append)


def calls(cache: Path) -> int:
    file = cache.parent / "calls"
    return len(file.read_text().splitlines()) if file.exists() else 0


def get(store: EnvironmentStore, cache: Path, text: str = "numpy\n", base: EnvironmentBase = BASE) -> Path | None:
    return store.get(requirements(text), base, cache.parent / "logs" / "train.log", lambda: False)


def test_an_environment_is_made_once_with_its_progress_in_the_log(
    store: Callable[[], EnvironmentStore], cache: Path, told: list[str]
) -> None:
    first = store()
    python = get(first, cache)
    assert python is not None
    assert python.is_relative_to(cache / FOLDER)
    assert (python.parents[1] / "requirements" / "requirements.txt").read_text() == "numpy\n"
    first.close()
    assert get(store(), cache) == python
    assert calls(cache) == 1
    assert "making an environment with Python 3.11.2, without other packages" in told[0]
    assert "environment made in" in told[1]
    assert len(told) == 2
    assert "installing numpy" in (cache.parent / "logs" / "train.log").read_text()


def test_content_python_and_packages_below_make_another_one() -> None:
    keys = [
        environment_key(requirements("numpy\n"), BASE),
        environment_key(requirements("numpy<2\n"), BASE),
        environment_key(requirements("numpy\n"), replace(BASE, version="3.12.1")),
        environment_key(requirements("numpy\n"), replace(BASE, executable="/usr/bin/env")),
        environment_key(requirements("numpy\n"), replace(BASE, sites=("/project/site-packages",))),
    ]
    assert len(set(keys)) == len(keys)
    assert environment_key(requirements("numpy\n", "other/file.txt"), replace(BASE, origin="x")) == keys[0]


def test_a_half_made_environment_is_made_again(store: Callable[[], EnvironmentStore], cache: Path) -> None:
    killed = store()
    python = get(killed, cache)
    killed.close()
    assert python is not None
    (python.parents[1] / "mlci-environment.json").unlink()  # as if mlci was killed before
    (python.parents[1] / "left").touch()
    assert get(store(), cache) == python
    assert calls(cache) == 2
    assert not (python.parents[1] / "left").exists()


def test_a_file_that_can_not_be_installed_leaves_nothing(store: Callable[[], EnvironmentStore], cache: Path) -> None:
    with pytest.raises(EnvironmentFailed, match=r"requirements\.txt could not be installed: see the step's log"):
        get(store(), cache, "broken\n")
    assert [path for path in (cache / FOLDER).iterdir() if path.is_dir()] == []
    assert stored_environments(cache) == []


def test_a_failure_lets_the_jobs_that_wait_try_for_themselves(
    store: Callable[[], EnvironmentStore], cache: Path
) -> None:
    failing = store()
    for _ in range(2):  # the first job's lock stays open as long as the run
        with pytest.raises(EnvironmentFailed):
            failing.get(requirements("broken\n"), BASE, cache / "log", iter([False] * 50 + [True] * 50).__next__)


def test_a_stop_ends_the_installation_and_leaves_nothing(store: Callable[[], EnvironmentStore], cache: Path) -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    log = cache.parent / "log"
    assert store().get(requirements("slow\n"), BASE, log, stop.is_set) is None
    assert stored_environments(cache) == []


def test_two_jobs_at_once_make_one(store: Callable[[], EnvironmentStore], cache: Path) -> None:
    one, two = store(), store()
    found: list[Path | None] = []
    threads = [threading.Thread(target=lambda each=each: found.append(get(each, cache))) for each in (one, one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 3
    assert len(set(found)) == 1
    assert calls(cache) == 1


def test_an_environment_in_use_is_not_removed(store: Callable[[], EnvironmentStore], cache: Path) -> None:
    used = store()
    python = get(used, cache)
    (listed,) = stored_environments(cache)
    assert (listed.requirements, listed.python) == ("requirements.txt", "3.11.2")
    assert listed.size_bytes > 0
    assert not remove_environment(listed)
    assert python is not None
    assert python.exists()
    used.close()
    assert remove_environment(listed)
    assert stored_environments(cache) == []
    assert stored_environments(None) == []
    assert get(store(), cache) == python


def test_an_installer_sees_the_settings_of_pip_and_no_other_secrets() -> None:
    environment = {"PIP_INDEX_URL": "u", "UV_CACHE_DIR": "c", "PIP_TARGET": "t", "AWS_SECRET_ACCESS_KEY": "s", "A": "b"}
    assert installer_environment({"PATH": "p"}, environment) == {
        "PATH": "p",
        "PIP_INDEX_URL": "u",
        "UV_CACHE_DIR": "c",
    }
