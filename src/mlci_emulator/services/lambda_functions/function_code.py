"""The code and configuration of Lambda functions, and the names and ARNs that identify them.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html (FunctionName: name, name with qualifier, ARN,
partial ARN).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path
from typing import NamedTuple, Protocol

from mlci_dataclasses import dataclass
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
    """A parsed FunctionName. `region` and `account` are "", and `qualifier` is None, where the name lacks them."""

    name: str
    qualifier: str | None = None
    region: str = ""
    account: str = ""


@dataclass(frozen=True)
class FunctionCode:
    """A function that can run here: the folder that is /var/task on AWS, and the handler in it."""

    name: str
    folder: Path
    handler: str
    timeout_s: float = MAX_TIMEOUT_S
    memory_mb: int = 128
    environment: Mapping[str, str] = field(default_factory=dict)
    version: str = LATEST
    #: The interpreter; None means the one that runs mlci.
    python: str | None = None


class Functions(Protocol):
    """Finds functions. Safe to call from any thread."""

    def find(self, name: str, region: str) -> FunctionCode | None:
        """Return the function that a name or an ARN identifies, or None if it does not exist.

        Raises: ApiError if the function can't run here (another runtime, an image, layers); it says what to do.
        """
        ...


class FunctionFiles:
    """Functions from files on this machine, by name. They exist in every region."""

    def __init__(self, functions: Iterable[FunctionCode] = ()) -> None:
        self._functions = {code.name: code for code in functions}

    def find(self, name: str, region: str) -> FunctionCode | None:
        parsed = parse_function_name(name)
        return self._functions.get(parsed.name) if parsed is not None else None


def parse_function_name(text: str) -> FunctionName | None:
    """Parse a FunctionName or a function's ARN; return None if the text is neither.

    >>> parse_function_name("arn:aws:lambda:us-east-1:000000000000:function:train:prod")
    FunctionName(name='train', qualifier='prod', region='us-east-1', account='000000000000')
    >>> parse_function_name("train:$LATEST")
    FunctionName(name='train', qualifier='$LATEST', region='', account='')
    >>> parse_function_name("a function")
    """
    match = _NAME.fullmatch(text)
    if match is None:
        return None
    account = match["arn_account"] or match["account"] or ""
    return FunctionName(match["name"], match["qualifier"], match["region"] or "", account)


def function_option(text: str) -> FunctionCode:
    """Return the function of an option `NAME=FILE.py:HANDLER`. HANDLER defaults to `handler`.

    Raises: ConfigurationError.
    """
    name, equals, handler_path = text.partition("=")
    file, colon, handler = handler_path.rpartition(":")
    if not colon:
        file, handler = handler_path, "handler"
    parsed = parse_function_name(name)
    if not equals or parsed is None or parsed != FunctionName(parsed.name) or not handler.isidentifier():
        raise ConfigurationError(
            f'"{text}" is no function', "It is NAME=FILE.py:HANDLER, such as train=lambdas/train.py:main."
        )
    path = Path(file)
    if path.suffix != ".py" or not path.is_file():
        raise ConfigurationError(f'the function "{name}" has no code: there is no Python file "{file}"')
    return FunctionCode(name, path.absolute().parent, f"{path.stem}.{handler}")
