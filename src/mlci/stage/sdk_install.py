"""Installs the SDKs that compile a definition where a slim install lacks them, by a lock with hashes.

They go into a folder of their own in the user's cache, which is put in place whole: a process that is killed leaves no
half of one, and of two at once either may win.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from mlci.errors import InputError

LOCKS = Path(__file__).parent.parent / "locks"
#: The SDKs with what they need beside a slim install, and what builds those of them that have no wheel.
SDK_LOCK, BUILD_LOCK = LOCKS / "sdk.txt", LOCKS / "build.txt"
_SECONDS = 900
#: The folders of installs that go on. After so long, their process was killed.
_TEMPORARY, _LEFT_S = ".installing-", 86_400
_PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--require-hashes")
_HINT = "Install mlci with all of its dependencies (pip install mlci), or let this machine reach a package index."


def provide_sdk(cache: Path | None, log: Callable[[str], None]) -> None:
    """Makes the SDKs importable; installs them where no earlier run did. `cache` is the user's cache folder, if any.

    Raises: InputError, if they can't be installed.
    """
    folder = sdk_folder(cache)
    if not folder.is_dir():
        log("installing the SageMaker SDKs, which compile a flow whose structure is new: a minute or two, once")
        install_sdk(folder)
    sys.path.append(str(folder))  # behind all that is installed
    importlib.invalidate_caches()


def sdk_folder(cache: Path | None, lock: Path = SDK_LOCK) -> Path:
    """Returns the folder of the SDKs of a lock, for this Python on this platform."""
    digest = hashlib.sha256(lock.read_bytes())
    digest.update(f"{sys.implementation.cache_tag} {sysconfig.get_platform()}".encode())
    root = cache if cache is not None else Path(tempfile.mkdtemp(prefix="mlci-"))
    return root / "sdk" / digest.hexdigest()[:32]


def install_sdk(folder: Path, lock: Path = SDK_LOCK, build_lock: Path = BUILD_LOCK) -> None:
    """Installs a lock into a folder that does not exist yet.

    Raises: InputError, with the last lines of pip's output.
    """
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in folder.parent.glob(f"{_TEMPORARY}*"):
            if left.stat().st_mtime < time.time() - _LEFT_S:
                shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=_TEMPORARY, dir=folder.parent) as temporary:
            tools, installed = Path(temporary, "tools"), Path(temporary, "installed")
            _pip("--target", str(tools), "-r", str(build_lock))
            _pip("--target", str(installed), "--no-build-isolation", "-r", str(lock), tools=tools)
            try:
                os.rename(installed, folder)
            except OSError:
                if not folder.is_dir():  # else another process was faster
                    raise
    except OSError as error:
        raise InputError(f"the SageMaker SDKs can't be installed into {folder}: {error.strerror}", _HINT) from error


def _pip(*arguments: str, tools: Path | None = None) -> None:
    """Runs pip. `tools` holds what builds packages from source.

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
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(f"the SageMaker SDKs were not installed within {_SECONDS} seconds", _HINT) from error
    if done.returncode != 0:
        lines = done.stdout.strip().splitlines()[-3:]
        raise InputError(f"the SageMaker SDKs can't be installed: {' '.join(lines)}", _HINT)
