"""The metrics and params of two runs, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlci.flow.models import Scalar
from mlci_dataclasses import dataclass


@dataclass(frozen=True)
class ValueChange:
    """A metric or a param of two runs; None where one has none."""

    name: str
    before: float | str | None
    after: float | str | None

    @property
    def change(self) -> float | None:
        """The difference of two numbers."""
        if isinstance(self.before, float) and isinstance(self.after, float):
            return self.after - self.before
        return None


def value_changes(before: Mapping[str, float | str], after: Mapping[str, float | str]) -> Iterator[ValueChange]:
    """Yield the values of both runs, those that are the same as well."""
    for name in dict.fromkeys([*after, *before]):
        yield ValueChange(name, _number(before.get(name)), _number(after.get(name)))


def param_changes(before: Mapping[str, Scalar], after: Mapping[str, Scalar]) -> tuple[ValueChange, ...]:
    """Return the params that two runs have not in common, with their values as a flow writes them."""
    return tuple(each for each in value_changes(_texts(before), _texts(after)) if each.before != each.after)


def _texts(params: Mapping[str, Scalar]) -> dict[str, str]:
    return {name: scalar(value) for name, value in params.items()}


def _number(value: float | str | None) -> float | str | None:
    return float(value) if isinstance(value, int | float) else value


def scalar(value: Scalar) -> str:
    """A param's value as a flow writes it.

    >>> scalar(True), scalar(0.5), scalar("x")
    ('true', '0.5', 'x')
    """
    return str(value).lower() if isinstance(value, bool) else str(value)
