"""The cases of two runs of a step: those that one model gets right and the other one does not, or, where the labels
are numbers, those whose error moved most. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from mlci_dataclasses import dataclass

#: So many different labels that are numbers are values, and not classes.
_CLASSES = 20
#: The cases whose error moved most that are kept.
_MOST_MOVED = 20


class CaseResult(NamedTuple):
    """The label of a case, and the class or the value that a model gave it."""

    label: str
    predicted: str

    @property
    def is_right(self) -> bool:
        return self.label == self.predicted

    @property
    def error(self) -> float:
        return abs(float(self.predicted) - float(self.label))


class CasePair(NamedTuple):
    """A case that both runs have, as each of them predicted it."""

    id: str
    before: CaseResult
    after: CaseResult

    @property
    def error_change(self) -> float:
        return self.after.error - self.before.error


@dataclass(frozen=True)
class CaseChanges:
    """The number of cases of a step that both runs have, and those that flipped.

    Of labels that are numbers, `moved` has the cases whose error changed most, and none is right or wrong; it is None
    for classes.
    """

    step: str
    common: int
    flips: tuple[CasePair, ...] = ()
    moved: tuple[CasePair, ...] | None = None

    @property
    def to_wrong(self) -> list[str]:
        return [flip.id for flip in self.flips if flip.before.is_right]

    @property
    def to_right(self) -> list[str]:
        return [flip.id for flip in self.flips if flip.after.is_right]


def case_changes(
    before: Mapping[str, Mapping[str, CaseResult]], after: Mapping[str, Mapping[str, CaseResult]]
) -> Iterator[CaseChanges]:
    """Yield the changes of each step's cases, of the steps that have some in both runs."""
    for step, cases in after.items():
        if step not in before:
            continue
        pairs = [CasePair(case, before[step][case], found) for case, found in cases.items() if case in before[step]]
        if are_values(each for pair in pairs for each in (pair.before, pair.after)):
            moved = sorted((pair for pair in pairs if pair.error_change), key=lambda pair: -abs(pair.error_change))
            yield CaseChanges(step, len(pairs), moved=tuple(moved[:_MOST_MOVED]))
        else:
            flips = (pair for pair in pairs if pair.before.is_right != pair.after.is_right)
            yield CaseChanges(step, len(pairs), tuple(flips))


def are_values(cases: Iterable[CaseResult]) -> bool:
    """Return True if the labels are numbers to come near to, and no classes: there are very many, or the predictions
    lie between them."""
    labels: set[float] = set()
    predicted: set[float] = set()
    for case in cases:
        try:
            labels.add(float(case.label))
            predicted.add(float(case.predicted))
        except ValueError:
            return False
    numbers = labels | predicted
    if not all(map(math.isfinite, numbers)):
        return False
    return len(labels) > _CLASSES or (not predicted <= labels and not all(map(float.is_integer, numbers)))
