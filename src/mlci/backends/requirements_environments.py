"""Python environments that hold a requirements file, kept in the user's cache folder by what they are made of.

    <cache>/environments/
        <key>.lock    locked by whoever makes the environment (alone) or runs with it (with others)
        <key>/        the environment
        <key>/mlci-environment.json    written last: an environment without it is half-made, and made again

An environment is made in its own place, because the programs in it hold its path.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field
from pathlib import Path

from mlci.stage.models import Requirements
from mlci_dataclasses import dataclass

FOLDER = "environments"
_MARKER = "mlci-environment.json"
_POLL_S = 0.1
#: The version of this layout: environments of another one are never used.
_LAYOUT = 1


class EnvironmentFailed(Exception):
    """An environment can't be made; the text says why."""


@dataclass(frozen=True)
class EnvironmentBase:
    """The Python that an environment is made from: its version, and the folders of packages that lie below.

    `origin` says in words what it is.
    """

    executable: str
    version: str
    sites: tuple[str, ...]
    origin: str


@dataclass(frozen=True)
class StoredEnvironment:
    """An environment in the cache, as `mlci clean` lists it. `used` is when it was last used, in seconds."""

    folder: Path
    requirements: str
    python: str
    size_bytes: int
    used: float


class EnvironmentStore:
    """The environments of a cache folder. `make(base, folder)` makes an empty one and returns its executable.

    `environment` has the variables of the installer. Each environment that is used stays locked until `close`.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        make: Callable[[EnvironmentBase, Path], Path],
        log: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._folder, self._environment, self._make, self._log = folder, environment, make, log
        self._locks: list[int] = []

    def get(
        self, requirements: Requirements, base: EnvironmentBase, log_file: Path, is_stopped: Callable[[], bool]
    ) -> Path | None:
        """Returns the interpreter of the environment that holds these requirements; None if the run was stopped.

        What the installer prints goes to the log.

        Raises: EnvironmentFailed
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder = self._folder / environment_key(requirements, base)
            lock = os.open(f"{folder}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise EnvironmentFailed(f"{error.filename}: {error.strerror}") from error
        self._locks.append(lock)  # closed, and so freed, by `close`
        while not _lock_shared(lock, folder / _MARKER):
            if _lock_alone(lock):
                shutil.rmtree(folder, ignore_errors=True)
                try:
                    is_made = self._fill(folder, requirements, base, log_file, is_stopped)
                except EnvironmentFailed:
                    fcntl.flock(lock, fcntl.LOCK_UN)  # jobs that wait for it try for themselves, or stop
                    raise
                if not is_made:
                    return None
            elif is_stopped():
                return None
            else:
                time.sleep(_POLL_S)  # another job or run makes it
        with contextlib.suppress(OSError):
            os.utime(folder / _MARKER)
        return folder / "bin" / "python"

    def close(self) -> None:
        """Frees the environments."""
        for lock in self._locks:
            os.close(lock)
        self._locks.clear()

    def _fill(
        self,
        folder: Path,
        requirements: Requirements,
        base: EnvironmentBase,
        log_file: Path,
        is_stopped: Callable[[], bool],
    ) -> bool:
        """Makes an environment; False if the run was stopped. What is not whole is removed."""
        started = time.monotonic()
        self._log(
            f"{requirements.file}: making an environment with Python {base.version}, {base.origin}; once, "
            "its progress is in the step's log"
        )
        try:
            python = self._make(base, folder)
            copies = _copy(requirements, folder / "requirements")
            ways = _ways(python, copies.name, base, self._environment)
            code = self._install(ways, copies.parent, log_file, is_stopped)
            if code is None:
                return False
            if code:
                raise EnvironmentFailed(f"{requirements.file} could not be installed: see the step's log")
            marker = {"requirements": requirements.file, "python": base.version, "base": base.executable}
            _write_whole(folder / _MARKER, json.dumps(marker))
        except OSError as error:
            raise EnvironmentFailed(f"{requirements.file} could not be installed: {error}") from error
        finally:
            if not (folder / _MARKER).is_file():
                shutil.rmtree(folder, ignore_errors=True)
        self._log(f"{requirements.file}: environment made in {time.monotonic() - started:.0f} s")
        return True

    def _install(
        self, ways: Iterable[InstallCommands], folder: Path, log_file: Path, is_stopped: Callable[[], bool]
    ) -> int | None:
        """Installs in the first way that works here. Returns the last exit code, None if the run was stopped."""
        code: int | None = 1
        for way in ways:
            code = _run(way.first, folder, self._environment, log_file, is_stopped)
            if code == 0 and way.then:
                return _run(way.then, folder, self._environment, log_file, is_stopped)
            if not code:
                break
        return code


@dataclass(frozen=True)
class InstallCommands:
    """A way to install. Where the first command fails, it does not work here, and another one is tried."""

    first: list[str]
    then: list[str] = field(default_factory=list)


def installer_environment(host: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables of an installer: those that a job sees, and the settings of pip and uv.

    A package's own set-up may run with them, so they hold no other secrets. Settings that lead elsewhere are left out.
    """
    settings = {name: value for name, value in environment.items() if name.startswith(("PIP_", "UV_", "XDG_"))}
    for name in ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_PYTHON", "UV_PYTHON", "UV_SYSTEM_PYTHON"):
        settings.pop(name, None)
    return {**host, **settings}


def environment_key(requirements: Requirements, base: EnvironmentBase) -> str:
    """Returns the name of an environment: the hash of what it is made of.

    The packages below count by their folders, not by what these hold: an installer takes from there what is there.
    """
    parts = [_LAYOUT, requirements.digest, os.path.realpath(base.executable), base.version, list(base.sites)]
    return hashlib.sha256(json.dumps(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]


def stored_environments(cache: Path | None) -> list[StoredEnvironment]:
    """Returns the environments in a cache folder, the one that was used last first. Half-made ones count as well."""
    found = []
    for folder in _folders(cache):
        try:
            marker = json.loads((folder / _MARKER).read_text(encoding="utf-8"))
            used = (folder / _MARKER).stat().st_mtime
        except (OSError, ValueError):
            marker, used = {}, 0.0
        size = sum(_size(Path(parent, name)) for parent, _, names in os.walk(folder) for name in names)
        found.append(
            StoredEnvironment(folder, str(marker.get("requirements", "")), str(marker.get("python", "")), size, used)
        )
    return sorted(found, key=lambda each: -each.used)


def remove_environment(environment: StoredEnvironment) -> bool:
    """Removes an environment; False if it is in use, or can't be removed. Its empty lock file stays."""
    try:
        lock = os.open(f"{environment.folder}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (environment.folder / _MARKER).unlink(missing_ok=True)  # first, so that half of it is never used
        shutil.rmtree(environment.folder)
    except OSError:
        return False
    finally:
        os.close(lock)
    return True


def _folders(cache: Path | None) -> Iterator[Path]:
    try:
        entries = sorted((cache / FOLDER).iterdir()) if cache else []
    except OSError:
        return
    yield from (entry for entry in entries if entry.is_dir() and not entry.is_symlink())


def _size(file: Path) -> int:
    try:
        return file.lstat().st_size
    except OSError:
        return 0


def _lock_shared(lock: int, marker: Path) -> bool:
    """Locks a whole environment together with others, so that nobody removes it; False if there is none."""
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    if marker.is_file():
        return True
    fcntl.flock(lock, fcntl.LOCK_UN)
    return False


def _lock_alone(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _copy(requirements: Requirements, folder: Path) -> Path:
    """Writes the files as they were hashed, below a folder, and returns the first one."""
    for file in requirements.files:
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content or b"")
    return folder / requirements.file


def _ways(python: Path, file: str, base: EnvironmentBase, environment: Mapping[str, str]) -> Iterator[InstallCommands]:
    """Yields ways to install a requirements file, the best first.

    uv is fast, and sees neither pip's own settings nor the packages below; where there are some, pip comes first. Where
    no pip is at hand, Python brings one.
    """
    install = ["install", "--disable-pip-version-check", "--no-input", "-r", file]
    pip = [str(python), "-I", "-m", "pip"]
    uv = shutil.which("uv", path=environment.get("PATH"))
    if base.sites:
        yield InstallCommands([*pip, "--version"], [*pip, *install])
    if uv:
        yield InstallCommands([uv, "pip", "install", "--no-progress", "--python", str(python), "-r", file])
    if not base.sites:
        other = [base.executable, "-I", "-m", "pip", "--python", str(python)]  # from pip 22.3 on
        yield InstallCommands([*other, "--version"], [*other, *install])
    yield InstallCommands([str(python), "-I", "-m", "ensurepip"], [*pip, *install])


def _run(
    command: list[str], folder: Path, environment: Mapping[str, str], log_file: Path, is_stopped: Callable[[], bool]
) -> int | None:
    """Runs a command in a folder, with its output in a log. Returns its exit code; None if the run was stopped."""
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
        while True:
            try:
                return process.wait(_POLL_S)
            except subprocess.TimeoutExpired:
                if is_stopped():
                    _kill(process)
                    return None


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kills a command and what it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    process.wait()


def _write_whole(file: Path, text: str) -> None:
    temporary = file.with_name(f".{file.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, file)
