"""Where a Lambda function's code is, and which function a name or an ARN means.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html (FunctionName: name, name with qualifier, ARN,
partial ARN).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from mlci_emulator.errors import ConfigurationError

#: Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_TIMEOUT_S = 900
LATEST = "$LATEST"

_NAME = re.compile(
    r"(?:arn:(?P<partition>[a-z-]+):lambda:(?P<region>[a-z0-9-]+):(?P<arn_account>\d{12}):function:"
    r"|(?P<account>\d{12}):function:)?"
    r"(?P<name>[A-Za-z0-9_-]{1,140})(?::(?P<qualifier>\$LATEST(?:\.PUBLISHED)?|[A-Za-z0-9_-]{1,128}))?"
)


class FunctionName(NamedTuple):
    """What FunctionName says. `region` and `account` are empty, and `qualifier` is None, where it doesn't say."""

    name: str
    qualifier: str | None = None
    region: str = ""
    account: str = ""


@dataclass(frozen=True)
class FunctionCode:
    """A function that can run here: the folder that AWS has as /var/task, and the handler in it."""

    name: str
    folder: Path
    handler: str
    timeout_s: float = MAX_TIMEOUT_S
    memory_mb: int = 128
    environment: Mapping[str, str] = field(default_factory=dict)
    version: str = LATEST
    #: The interpreter; None is the one that runs mlci.
    python: str | None = None


class Functions(Protocol):
    """Finds functions. Safe to call from any thread."""

    def find(self, name: str, region: str) -> FunctionCode | None:
        """The function that a name or an ARN means, or None where there is none.

        Raises: ApiError, for one that can't run here (another runtime, an image, layers): say what to do.
        """
        ...


class FunctionFiles:
    """Functions from files on this machine, by their names; the same in each region."""

    def __init__(self, functions: Iterable[FunctionCode] = ()) -> None:
        self._functions = {code.name: code for code in functions}

    def find(self, name: str, region: str) -> FunctionCode | None:
        read = read_name(name)
        return self._functions.get(read.name) if read is not None else None


def read_name(text: str) -> FunctionName | None:
    """What a FunctionName or a function's ARN means; None where it is neither.

    >>> read_name("arn:aws:lambda:us-east-1:000000000000:function:train:prod")
    FunctionName(name='train', qualifier='prod', region='us-east-1', account='000000000000')
    >>> read_name("train:$LATEST")
    FunctionName(name='train', qualifier='$LATEST', region='', account='')
    >>> read_name("a function")
    """
    match = _NAME.fullmatch(text)
    if match is None:
        return None
    account = match["arn_account"] or match["account"] or ""
    return FunctionName(match["name"], match["qualifier"], match["region"] or "", account)


def function_option(text: str) -> FunctionCode:
    """The function of an option `NAME=FILE.py:HANDLER`; HANDLER is `handler` where it is left out.

    Raises: ConfigurationError.
    """
    name, equals, place = text.partition("=")
    file, colon, handler = place.rpartition(":")
    if not colon:
        file, handler = place, "handler"
    read = read_name(name)
    if not equals or read is None or read != FunctionName(read.name) or not handler.isidentifier():
        raise ConfigurationError(
            f'"{text}" is no function', "It is NAME=FILE.py:HANDLER, such as train=lambdas/train.py:main."
        )
    path = Path(file)
    if path.suffix != ".py" or not path.is_file():
        raise ConfigurationError(f'the function "{name}" has no code: there is no Python file "{file}"')
    return FunctionCode(name, path.absolute().parent, f"{path.stem}.{handler}")
