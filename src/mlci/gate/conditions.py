"""Judges the condition of a step: rules that must all hold, and conditions of rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mlci.flow.models import Condition
from mlci.gate.metrics_file import Metrics
from mlci.gate.verdict import RuleVerdict, judge
from mlci.plan.models import Bound


def missed_texts(
    when: Sequence[Bound], conditions: Sequence[Condition], metrics: Mapping[str, Metrics]
) -> Iterator[str]:
    """Yield what does not hold of a step's `if`, in words; nothing where it holds."""
    verdicts = judge(when, metrics).rules
    yield from (judged.text for judged in verdicts if not judged.held and not judged.bound.rule.place)
    by_place = {judged.bound.rule.place: judged for judged in verdicts}
    yield from (missed_text(each, by_place) for each in conditions if not holds(each, by_place))


def holds(condition: Condition | int, verdicts: Mapping[int, RuleVerdict]) -> bool:
    """Return whether a condition holds, by the verdicts on its rules. A metric that is missing makes none hold."""
    if isinstance(condition, int):
        return verdicts[condition].held
    parts = (holds(part, verdicts) for part in condition.parts)
    return any(parts) if condition.kind == "any" else all(parts)


def missed_text(condition: Condition | int, verdicts: Mapping[int, RuleVerdict]) -> str:
    """Return why a condition does not hold. What has no verdict is left out."""
    if isinstance(condition, int):
        return verdicts[condition].text
    known = [part for part in condition.parts if _is_known(part, verdicts) and not holds(part, verdicts)]
    texts = [missed_text(part, verdicts) for part in known]
    if condition.kind == "all" or len(texts) == 1:
        return "; ".join(texts)
    return f"none of these holds: ({'), ('.join(texts)})"


def simplified(condition: Condition | int, verdicts: Mapping[int, RuleVerdict]) -> Condition | int | bool:
    """Return what is left of a condition where some of its rules are judged; a bool where nothing is.

    >>> simplified(Condition("any", (1, Condition("all", (2, 3)))), {})
    Condition(kind='any', parts=(1, Condition(kind='all', parts=(2, 3))))
    """
    if isinstance(condition, int):
        return verdicts[condition].held if condition in verdicts else condition
    parts = [simplified(part, verdicts) for part in condition.parts]
    decisive = condition.kind == "any"
    if any(part is decisive for part in parts):
        return decisive
    left = tuple(part for part in parts if not isinstance(part, bool))
    return Condition(condition.kind, left) if left else not decisive


def _is_known(condition: Condition | int, verdicts: Mapping[int, RuleVerdict]) -> bool:
    places = condition.places if isinstance(condition, Condition) else (condition,)
    return all(place in verdicts for place in places)
