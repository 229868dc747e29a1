"""Installs packages that a flow turns out to need where a slim install lacks them, by a lock with hashes.

They go into a folder of their own in the user's cache, which is put in place whole: a process that is killed leaves no
half of one, and of two at once either may win.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable
from pathlib import Path

from mlci.errors import InputError
from mlci_dataclasses import dataclass

LOCKS = Path(__file__).parent.parent / "locks"
#: The folders of installs that go on. After so long, their process was killed.
_TEMPORARY, _LEFT_S = ".installing-", 86_400
_PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--require-hashes")


@dataclass(frozen=True)
class PackageSet:
    """Packages that are installed together when they are needed, by a lock of theirs."""

    lock: Path
    #: The modules that are imported of them.
    modules: tuple[str, ...]
    #: The packages, as messages name them.
    title: str
    #: Why they are needed, and how long it takes to install them.
    reason: str
    #: The command that installs them beside mlci.
    cure: str
    #: The lock of what builds those of them that have no wheel; None where all have.
    build_lock: Path | None = None
    #: The time after which pip is given up, in seconds.
    timeout_s: int = 900

    @property
    def is_installed(self) -> bool:
        """True where all of them can be imported. Does not import them."""
        return all(importlib.util.find_spec(module) is not None for module in self.modules)

    @property
    def hint(self) -> str:
        return f"Install {self.cure}, or let this machine reach a package index."


SDKS = PackageSet(
    LOCKS / "sdk.txt",
    ("sagemaker", "stepfunctions"),
    "the SageMaker SDKs",
    "which compile a flow whose structure is new: a minute or two, once",
    "mlci with all of its dependencies (pip install mlci)",
    LOCKS / "build.txt",
)
STATISTICS = PackageSet(
    LOCKS / "stats.txt",
    ("numpy", "scipy"),
    "numpy and scipy",
    "which judge the cases of steps: some seconds, once",
    'what judges cases (pip install "mlci[stats]")',
)
PARQUET = PackageSet(
    LOCKS / "parquet.txt",
    ("pyarrow",),
    "pyarrow",
    "which reads cases in Parquet: some seconds, once",
    'what reads Parquet (pip install "mlci[parquet]"), or write the cases as CSV',
)
PLOTS = PackageSet(
    LOCKS / "plots.txt",
    ("matplotlib",),
    "matplotlib",
    "which draws the plots of the report: some seconds, once",
    'what draws plots (pip install "mlci[plots]")',
    timeout_s=120,
)
#: A run asks for what draws plots while its jobs run, and once more at its end.
_PROVIDING = threading.Lock()
_FAILED: dict[PackageSet, InputError] = {}


def provide_sdk(cache: Path | None, log: Callable[[str], None]) -> None:
    """Make the SDKs importable; install them where no earlier run did. `cache` is the user's cache folder, if any.

    Raises: InputError, if they can't be installed.
    """
    provide(SDKS, cache, log)


def provide_statistics(cache: Path | None, log: Callable[[str], None]) -> None:
    """Make numpy and scipy importable; install them where neither the environment nor an earlier run has them.

    Raises: InputError, if they can't be installed.
    """
    _provide_missing(STATISTICS, cache, log)


def provide_parquet(cache: Path | None, log: Callable[[str], None]) -> None:
    """Make pyarrow importable; install it where neither the environment nor an earlier run has it.

    Raises: InputError, if it can't be installed.
    """
    _provide_missing(PARQUET, cache, log)


def provide_plots(cache: Path | None, log: Callable[[str], None]) -> None:
    """Make matplotlib importable; install it where neither the environment nor an earlier run has it.

    Raises: InputError, if it can't be installed.
    """
    _provide_missing(PLOTS, cache, log)


def _provide_missing(packages: PackageSet, cache: Path | None, log: Callable[[str], None]) -> None:
    """Provide packages that are not installed, once in a process: whoever asks again waits, and gets the same error."""
    with _PROVIDING:
        if packages in _FAILED:
            raise _FAILED[packages]
        if not packages.is_installed:
            try:
                provide(packages, cache, log)
            except InputError as error:
                _FAILED[packages] = error
                raise


def provide(packages: PackageSet, cache: Path | None, log: Callable[[str], None]) -> None:
    """Make packages importable, behind all that is installed; install them where no earlier run did.

    Raises: InputError, if they can't be installed.
    """
    folder = install_folder(packages, cache)
    if not folder.is_dir():
        log(f"installing {packages.title}, {packages.reason}")
        install(packages, folder)
    sys.path.append(str(folder))
    importlib.invalidate_caches()


def install_folder(packages: PackageSet, cache: Path | None) -> Path:
    """Return the folder of the packages of a lock, for this Python on this platform."""
    import tempfile  # late: a run asks here, and hardly ever installs

    digest = hashlib.sha256(packages.lock.read_bytes())
    digest.update(f"{sys.implementation.cache_tag} {sysconfig.get_platform()}".encode())
    root = cache if cache is not None else Path(tempfile.mkdtemp(prefix="mlci-"))
    return root / packages.lock.stem / digest.hexdigest()[:32]


def install(packages: PackageSet, folder: Path) -> None:
    """Install packages into a folder that does not exist yet.

    Raises: InputError, with the last lines of pip's output.
    """
    import tempfile

    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in folder.parent.glob(f"{_TEMPORARY}*"):
            if left.stat().st_mtime < time.time() - _LEFT_S:
                shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=_TEMPORARY, dir=folder.parent) as temporary:
            tools, installed = Path(temporary, "tools"), Path(temporary, "installed")
            how: tuple[str, ...] = ("--only-binary", ":all:")
            if packages.build_lock is not None:
                _pip(packages, "--target", str(tools), "-r", str(packages.build_lock))
                how = ("--no-build-isolation",)
            _pip(packages, "--target", str(installed), *how, "-r", str(packages.lock), tools=tools)
            try:
                os.rename(installed, folder)
            except OSError:
                if not folder.is_dir():  # else another process was faster
                    raise
    except OSError as error:
        what = f"{packages.title} can't be installed into {folder}: {error.strerror}"
        raise InputError(what, packages.hint) from error


def _pip(packages: PackageSet, *arguments: str, tools: Path | None = None) -> None:
    """Run pip. `tools` holds what builds packages from source.

    `PIP_USE_PEP517` has pip build by the tools that the lock names, for setup.py alone, too.
    """
    environment = {**os.environ, "PIP_USE_PEP517": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("PIP_TARGET", None)
    if tools is not None:
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(tools), os.environ.get("PYTHONPATH", ""))))
    try:
        done = subprocess.run(
            [sys.executable, *_PIP, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=packages.timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"{packages.title} were not installed within {packages.timeout_s} seconds", packages.hint
        ) from error
    if done.returncode != 0:
        lines = done.stdout.strip().splitlines()[-3:]
        raise InputError(f"{packages.title} can't be installed: {' '.join(lines)}", packages.hint)
