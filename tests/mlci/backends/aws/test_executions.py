"""Runs among the executions of a state machine, which has cleaners as well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from mlci.backends.aws.api_calls import Api
from mlci.backends.aws.executions import Executions

RUN = "20261123-101530-3f9c2a"


@dataclass
class FakeApi:
    """The API of a state machine with these executions, the newest first."""

    names: list[str]

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        assert operation == "list_executions"
        found = [{"name": name, "executionArn": f"arn:{name}"} for name in self.names]
        return {"executions": found[: request["maxResults"]]}


def newest(*names: str) -> str | None:
    return Executions(cast(Api, FakeApi(list(names)))).newest_succeeded("machine")


def test_the_newest_run_is_no_cleaner() -> None:
    assert newest(f"{RUN}-cleaner-2", f"{RUN}-cleaner-1", RUN, "older") == f"arn:{RUN}"
    assert newest(f"{RUN}-cleaner-1") is None
    assert newest() is None
