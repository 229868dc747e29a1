"""The guards of conftest.py do guard."""

from __future__ import annotations

import gc
import os
import socket

import pytest


def test_another_machine_is_out_of_reach(outgoing: list[str]) -> None:
    with socket.socket() as client, pytest.raises(ConnectionRefusedError, match=r"192\.0\.2\.1:80"):
        client.connect(("192.0.2.1", 80))  # an address that is kept free for examples: RFC 5737
    assert outgoing == ["192.0.2.1:80"]
    outgoing.clear()


def test_this_machine_is_in_reach() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getpeername() == server.getsockname()


def test_no_account_is_in_reach() -> None:
    found = {name for name in os.environ if name.startswith(("AWS_", "MLCI_", "CODEBUILD_"))}
    assert found == {"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED"}


def test_garbage_is_collected_and_not_among_test_modules() -> None:
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
