"""Fixtures of every test: none of them sees the developer's AWS account, settings of mlci, or the network."""

from __future__ import annotations

import gc
import os
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support import service_models
from support.examples import load_profile

load_profile()
service_models.share_between_sessions()

# Where the variable is set, each process compiles every module that it imports: a quarter of the CPU time of a run.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A collection of garbage looks at every object that the test modules hold, of which there are a million: a third of the
# CPU time of a run. `pytest_collection_finish` sets them apart.
gc.disable()

#: Variables that change what mlci, boto3 or the example's scripts do. CODEBUILD_BUILD_ID alone turns the cloud to AWS.
_PREFIXES = ("AWS_", "MLCI_", "CODEBUILD_", "GITHUB_", "SM_", "SAGEMAKER_")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two processes for each core: a test that starts the command waits for a third of its time."""
    return 2 * (os.cpu_count() or 1)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With `--dist loadgroup`, tests that share a fixture of their module run in one process, which makes it once."""
    for item in items:
        definitions = item._fixtureinfo.name2fixturedefs.values() if isinstance(item, pytest.Function) else ()
        if any(each[-1].scope == "module" for each in definitions):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


def pytest_collection_finish() -> None:
    """Garbage is collected from here on, among what the tests make."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No AWS, no CodeBuild and no option of mlci in the environment, and no file of AWS settings to be found."""
    for name in [name for name in os.environ if name.startswith(_PREFIXES) or name == "CI"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(autouse=True)
def outgoing(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The connections to other machines that the test tried. It fails where there is one, also if nobody noticed."""
    tried: list[str] = []
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name), tried))
    yield tried
    assert not tried, f"the test tried to reach {', '.join(tried)}"


def _guarded(connect: Callable[..., Any], tried: list[str]) -> Callable[..., Any]:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family != getattr(socket, "AF_UNIX", None) and not _is_here(str(address[0])):
            tried.append(f"{address[0]}:{address[1]}")
            raise ConnectionRefusedError(f"tests reach no other machine, and this one tried {tried[-1]}")
        return connect(self, address)

    return guarded


def _is_here(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")
