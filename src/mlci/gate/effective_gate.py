"""The rules of the base branch's gate that stay in force beside a flow's own: those that it loosens or removes.

A flow that is not merged may tighten the gate, and that counts. It can't loosen what it is judged by. A rule of the
base's is kept unless one of the flow's own, on the same metric, is as strict in every respect.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from mlci.flow.measured import with_measured_steps
from mlci.flow.models import BaseRule, Flow, Level, Rule, Scalar, Step, Unclear
from mlci.flow.names import written_name
from mlci.flow.params import variable_of
from mlci.flow.part import with_later
from mlci.plan import Baseline
from mlci.plan.thresholds import exact

#: The steps of `level` and `unclear`, the softest first.
_LEVELS: tuple[Level, ...] = ("info", "warn", "block")
_UNCLEAR: tuple[Unclear, ...] = ("pass", "warn", "fail")
#: The rules whose larger limit is the stricter one.
_MORE_IS_STRICTER = frozenset(["min"])


def with_base_gate(flow: Flow, base: Baseline) -> Flow:
    """Returns the flow with the rules of the base's gate that are in force beside its own."""
    return replace(flow, base_gate=tuple(base_rules(flow, base)))


def base_rules(flow: Flow, base: Baseline) -> Iterator[BaseRule]:
    """Yields the rules of the base's gate that the flow loosens or removes, on the steps and cells that it has."""
    own = {_identity(rule): rule for rule in written_rules(flow.gate)}
    behind = _behind_gate(flow)
    base_gate = written_rules(base.gate)
    added = [own[each] for each in own.keys() - set(map(_identity, base_gate))]
    for rule in base_gate:
        match = own.get(_identity(rule))
        loosened = tuple(_loosened(match, rule, flow, base)) if match else ("removed from the gate",)
        if not loosened and any(_widens(each, rule) for each in added):
            loosened = ("the flow's own is corrected for rules that the base's gate does not have",)
        if not loosened:
            continue
        if gone := _gone(rule, flow, behind):
            yield BaseRule(rule, gone, is_removed=True)
            continue
        for each in _of_cells(rule, flow):
            yield BaseRule(each, "; ".join(loosened))


def written_rules(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Returns rules as a flow writes them: one on a step with a matrix is one, and not one for each cell.

    >>> cells = [Rule(f"fit(k={k})", ("f1",), "min", 0.5) for k in (1, 2)]
    >>> [rule.step for rule in written_rules(cells)]
    ['fit']
    """
    return tuple(dict.fromkeys(replace(rule.as_written, cells=()) for rule in rules))


def limit_text(rule: Rule) -> str:
    """Returns the limit of a rule as a flow writes it.

    >>> limit_text(Rule("evaluate", ("auc",), "max_drop", 0.02, is_relative=True))
    '2%'
    """
    return f"{_number(float(exact(rule.limit) * 100))}%" if rule.is_relative else _number(rule.limit)


def _identity(rule: Rule) -> tuple[object, ...]:
    return (rule.step, rule.path, rule.op, rule.aggregate, rule.slice)


def _of_cells(rule: Rule, flow: Flow) -> Iterator[Rule]:
    """Yields a rule for each cell of its step, or one for all where they are judged as one number."""
    matrix = flow.matrices.get(rule.judged_step)
    if matrix is None:
        yield from with_measured_steps(replace(flow, gate=(rule,))).gate
    elif rule.aggregate:
        yield replace(rule, cells=matrix.cells)
    else:
        yield from (rule.of_step(cell) for cell in matrix.cells)


def _behind_gate(flow: Flow) -> frozenset[str]:
    """Returns the steps that run only after the gate, as the flow writes their names."""
    behind = (name for name, step in flow.steps.items() if step.is_after_gate)
    return frozenset(map(written_name, with_later(behind, replace(flow, base_gate=()))))


def _gone(rule: Rule, flow: Flow, behind: Collection[str]) -> str:
    """Returns what the flow lacks to judge a rule of another; empty if it has all."""
    name = rule.judged_step
    if rule.is_budget and not name:
        return ""
    matrix = flow.matrices.get(name)
    step = flow.steps.get(matrix.cells[0] if matrix else name)
    if step is None:
        return f'step "{name}" is gone'
    if rule.is_budget:
        return ""
    if name in behind:
        return f'step "{name}" runs behind the gate now'
    if rule.aggregate and matrix is None:
        return f'step "{name}" has no matrix any more'
    return "" if _writes(step, rule) else f'step "{name}" writes no {_read_by(rule)} any more'


def _writes(step: Step, rule: Rule) -> bool:
    return step.cases is not None if rule.reads_cases else step.collects_metrics or bool(step.metrics)


def _read_by(rule: Rule) -> str:
    return "cases" if rule.reads_cases else "metrics"


def _loosened(own: Rule, base: Rule, flow: Flow, baseline: Baseline) -> Iterator[str]:
    """Yields each respect in which the flow's own rule is looser than the base's, or can't be compared with it."""
    if own.reads_cases != base.reads_cases:
        yield f"judged by its {_read_by(own)}, and not by its {_read_by(base)}"
    if own.is_relative != base.is_relative:
        yield f"{base.op} changed from {limit_text(base)} to {limit_text(own)}"
    elif exact(own.limit) != exact(base.limit):
        is_higher = exact(own.limit) > exact(base.limit)
        if is_higher != (base.op in _MORE_IS_STRICTER):
            name, place = _origin(own, base, flow, baseline)
            yield f"{name} {_moved(is_higher)} from {limit_text(base)} to {limit_text(own)}{place}"
    if _LEVELS.index(own.level) < _LEVELS.index(base.level):
        yield f"level lowered from {base.level} to {own.level}"
    if base.confidence is not None and _UNCLEAR.index(own.unclear) < _UNCLEAR.index(base.unclear):
        yield f"unclear changed from {base.unclear} to {own.unclear}"
    elif _evidence(own) < _evidence(base):
        yield f"confidence changed from {_confidence(base)} to {_confidence(own)}"
    if base.slice is not None and own.min_cases > base.min_cases:
        yield f"min_cases raised from {base.min_cases} to {own.min_cases}"
    if own.positive != base.positive or isinstance(own.positive, bool) != isinstance(base.positive, bool):
        yield f"positive changed from {_scalar(base.positive)} to {_scalar(own.positive)}"


def _evidence(rule: Rule) -> float:
    """Returns how easily a rule blocks: the larger, the more easily, on the same numbers.

    A number that is beyond the limit blocks (0). With a confidence, the whole interval must be beyond it, and the wider
    the interval, the rarer that is; where what is unclear fails, all of it must be within.
    """
    if rule.confidence is None:
        return 0.0
    return rule.confidence if rule.unclear == _UNCLEAR[-1] else -rule.confidence


def _widens(added: Rule, rule: Rule) -> bool:
    """Returns True if one more comparison widens the interval of a rule: all of one level are corrected together."""
    is_compared = added.confidence is not None and rule.confidence is not None
    return is_compared and added.level == rule.level and rule.unclear != _UNCLEAR[-1]


def _origin(own: Rule, base: Rule, flow: Flow, baseline: Baseline) -> tuple[str, str]:
    """Returns what was changed: the param that both limits come from, where there is one, else the limit itself."""
    names = [
        name
        for name, value in baseline.params.items()
        if _is_number(value, base.limit) and _is_number(flow.params.get(name), own.limit)
    ]
    if len(names) != 1:
        return base.op, ""
    by_hand = f" by --param or {variable_of(names[0])}"
    return names[0], by_hand if names[0] in flow.overridden else f" in {flow.file}"


def _is_number(value: Scalar | None, number: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and exact(value) == exact(number)


def _moved(is_higher: bool) -> str:
    return "raised" if is_higher else "lowered"


def _confidence(rule: Rule) -> str:
    return "none" if rule.confidence is None else f"{_number(float(exact(rule.confidence) * 100))}%"


def _scalar(value: Scalar | None) -> str:
    return "the default" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _number(value: float) -> str:
    """Returns a number with all of its digits.

    >>> _number(0.97), _number(3.0), _number(0.9700001)
    ('0.97', '3', '0.9700001')
    """
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))
