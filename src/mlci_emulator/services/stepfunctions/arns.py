"""Parses and builds the ARNs of Step Functions, and checks names.

Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html (name), and the
recorded responses of LocalStack's tests test_sfn_api*.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from mlci_emulator.protocol.operations import ApiError

_FORBIDDEN = re.compile(r"[\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f\ufffe\uffff]|[\ud800-\udfff]")
_ARN = re.compile(
    r"arn:(?P<partition>[^:]*):states:(?P<region>[^:]*):(?P<account>[^:]*):(?P<kind>[^:]+):(?P<rest>.+)", re.DOTALL
)


class Arn(NamedTuple):
    """An ARN. `kind` is stateMachine, execution, express or activity; `parts` follow it."""

    text: str
    region: str
    account: str
    kind: str
    parts: tuple[str, ...]


def parse(text: str, *kinds: str) -> Arn:
    """Parse an ARN of one of these kinds.

    Raises: ApiError InvalidArn.
    """
    if not text.startswith("arn:"):
        raise invalid(f"Invalid ARN prefix: {text}")
    match = _ARN.fullmatch(text)
    if match is None:
        raise invalid(f"Invalid ARN: {text}")
    if match["kind"] not in kinds:
        raise invalid(f"Resource type not valid in this context: {match['kind']}")
    return Arn(text, match["region"], match["account"], match["kind"], tuple(match["rest"].split(":")))


def invalid(message: str) -> ApiError:
    return ApiError("InvalidArn", f"Invalid Arn: '{message}'")


def split_machine_arn(text: str) -> tuple[str, str | None]:
    """Return the state machine's own ARN, and the version number or alias name after it.

    Raises: ApiError InvalidArn.
    """
    arn = parse(text, "stateMachine")
    base = ":".join(text.split(":")[:7])
    if len(arn.parts) > 2 or "/" in text:
        raise invalid(f"Resource type not valid in this context: {text}")
    return base, arn.parts[1] if len(arn.parts) == 2 else None


def check_name(name: str) -> None:
    """Raises: ApiError InvalidName."""
    if _FORBIDDEN.search(name) or not 1 <= len(name) <= 80:
        raise ApiError("InvalidName", f"Invalid Name: '{name}'")


def machine_arn(region: str, account: str, name: str) -> str:
    return f"arn:aws:states:{region}:{account}:stateMachine:{name}"


def activity_arn(region: str, account: str, name: str) -> str:
    return f"arn:aws:states:{region}:{account}:activity:{name}"


def execution_arn(machine_arn: str, name: str) -> str:
    head, _, tail = machine_arn.partition(":stateMachine:")
    return f"{head}:execution:{tail}:{name}"


def express_arn(machine_arn: str, name: str, start: str) -> str:
    head, _, tail = machine_arn.partition(":stateMachine:")
    return f"{head}:express:{tail}:{name}:{start}"
