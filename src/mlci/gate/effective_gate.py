"""The rules of the base branch's gate that stay in force beside a flow's own: those that it loosens or removes.

A flow that is not merged may tighten the gate, and that counts. It can't loosen what it is judged by. A rule of the
base's is kept unless one of the flow's own, on the same metric, is as strict in every respect. Those that compare
intervals are kept together, as the family that they are corrected in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

from mlci.flow.counted_steps import with_counted_steps
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
_OTHER_COMPARISONS = "the flow's gate has other comparisons, and all of a level are corrected together"


def with_base_gate(flow: Flow, base: Baseline) -> Flow:
    """Returns the flow with the rules of the base's gate that are in force beside its own."""
    return replace(flow, base_gate=tuple(base_rules(flow, base)))


def base_rules(flow: Flow, base: Baseline) -> Iterator[BaseRule]:
    """Yields the rules of the base's gate that the flow loosens or removes, on the steps and cells that it has."""
    behind = _behind_gate(flow)
    base_gate = written_rules(base.gate)
    gone = {rule: lacking for rule in base_gate if (lacking := _gone(rule, flow, behind))}
    loosened = _loosened_rules(flow, base, [rule for rule in base_gate if rule not in gone])
    families = _changed_families(flow, base, loosened)
    for rule in base_gate:
        if lacking := gone.get(rule) or _gone_cells(rule, flow, base):
            yield BaseRule(rule, lacking, is_removed=True)
        if rule in gone:
            continue
        reason, is_in_family = loosened[rule], rule.confidence is not None and rule.level in families
        for each, is_added in _of_cells(rule, flow, base) if reason or is_in_family else ():
            if reason or not is_added:
                yield BaseRule(each, reason or _OTHER_COMPARISONS, is_added=is_added)


def with_current_gate(chosen: Baseline, current: Baseline) -> Baseline:
    """Returns the baseline that a run compares with, with the rules that it is judged by: those of the branch's current
    one, as far as the chosen one's gate has them as well.

    Else, a branch would choose its gate by the commit that it starts from. A rule that the base branch has added since
    is left out: a branch from before has nothing to do with it. Where the chosen one's gate is not known, all count.
    """
    known = set(map(rule_identity, written_rules(chosen.gate)))
    gate = (rule for rule in current.gate if not chosen.is_gate_known or rule_identity(rule.as_written) in known)
    return replace(chosen, gate=tuple(gate), params=current.params, own=chosen)


def written_rules(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Returns rules as a flow writes them: one on a step with a matrix is one, and not one for each cell.

    >>> cells = [Rule(f"fit(k={k})", ("f1",), "min", 0.5) for k in (1, 2)]
    >>> [rule.step for rule in written_rules(cells)]
    ['fit']
    """
    return tuple(dict.fromkeys(replace(rule.as_written, cells=()) for rule in rules))


def base_rule_notes(flow: Flow, branch: str) -> list[str]:
    """Returns the rules of the base branch that are in force beside the flow's own, in words."""
    return [
        f"{each.rule.metric} {each.rule.op} {limit_text(each.rule)} of {branch} is in force: {each.reason}"
        for each in flow.base_gate
    ]


def limit_text(rule: Rule) -> str:
    """Returns the limit of a rule as a flow writes it.

    >>> limit_text(Rule("evaluate", ("auc",), "max_drop", 0.02, is_relative=True))
    '2%'
    """
    return f"{_number(float(exact(rule.limit) * 100))}%" if rule.is_relative else _number(rule.limit)


def rule_identity(rule: Rule) -> tuple[object, ...]:
    """Returns what a rule limits, whatever the limit is."""
    return (rule.step, rule.path, rule.op, rule.aggregate, rule.slice)


def _of_cells(rule: Rule, flow: Flow, base: Baseline) -> Iterator[tuple[Rule, bool]]:
    """Yields a rule for each cell of its step, or one for all where they are judged as one number.

    Says of each whether it is on a cell that the baseline does not have. The spread of cells is that of the baseline's:
    others would turn a comparison in pairs into one of two samples.
    """
    matrix, known = flow.matrices.get(rule.judged_step), _known_cells(rule, base)
    if matrix is None:
        for each in with_counted_steps(replace(flow, gate=(rule,))).gate:
            yield each, bool(known) and rule.judged_step not in known
    elif rule.aggregate:
        kept = tuple(cell for cell in matrix.cells if cell in known) if rule.confidence is not None else ()
        yield replace(rule, cells=kept or matrix.cells), False
    else:
        yield from ((rule.of_step(cell), bool(known) and cell not in known) for cell in matrix.cells)


def _known_cells(rule: Rule, base: Baseline) -> frozenset[str]:
    """Returns the cells of a rule's step that the baseline has, or the step itself; none for what no baseline has."""
    if rule.is_budget:
        return frozenset()
    return frozenset(step for step in (*base.metrics, *base.cases) if written_name(step) == rule.step)


def _gone_cells(rule: Rule, flow: Flow, base: Baseline) -> str:
    """Returns which cells of a rule's step the baseline has, and the flow has not; empty if it has all.

    What they are compared with is then compared with nothing, or a mean is of the better ones alone.
    """
    gone = sorted(_known_cells(rule, base) - flow.steps.keys())
    if not gone:
        return ""
    if rule.step in gone:
        return f'step "{rule.step}" has a matrix now'
    more = f", and {len(gone) - 1} more" if len(gone) > 1 else ""
    return f'cell "{gone[0]}" is gone{more}'


def _loosened_rules(flow: Flow, base: Baseline, rules: Iterable[Rule]) -> dict[Rule, str]:
    """Returns how the flow loosens each of the base's rules; empty for those that it does not loosen."""
    own = {rule_identity(rule): rule for rule in written_rules(flow.gate)}
    matches = {rule: own.get(rule_identity(rule)) for rule in rules}
    return {
        rule: "; ".join(_loosened(match, rule, flow, base)) if match else "removed from the gate"
        for rule, match in matches.items()
    }


def _changed_families(flow: Flow, base: Baseline, loosened: Mapping[Rule, str]) -> frozenset[Level]:
    """Returns the levels at which the flow compares other intervals than the base's gate, or has loosened a limit.

    All of one level are corrected together. So one more comparison widens the intervals of all others, and so does a
    limit that is easier to keep; one less makes them narrower, by which less fails as unclear.
    """
    of_base = _families(each for rule in loosened for each, is_added in _of_cells(rule, flow, base) if not is_added)
    own = _families(flow.gate)
    changed = {rule.level for rule, reason in loosened.items() if reason and rule.confidence is not None}
    return frozenset(changed | {level for level in _LEVELS if not _is_as_corrected(own[level], of_base[level])})


#: The confidence of each comparison, by what tells it from others. The first part of that is its rule's identity.
_Family: TypeAlias = dict[tuple[object, ...], float]


def _families(rules: Iterable[Rule]) -> dict[Level, _Family]:
    """Returns what rules with a confidence compare, by their level."""
    families: dict[Level, _Family] = {level: {} for level in _LEVELS}
    for rule in rules:
        if rule.confidence is not None:
            groups = rule.min_cases if rule.slice is not None else None
            compared = (rule_identity(rule.as_written), rule.step, rule.cells, groups, rule.positive, rule.reads_cases)
            families[rule.level][compared] = rule.confidence
    return families


def _is_as_corrected(own: _Family, base: _Family) -> bool:
    """Returns True if the base's comparisons are corrected among the flow's as among themselves.

    The confidence of a rule has its weight among others. One that is alone is compared with the base's by itself.
    """
    is_one_rule = len({compared[0] for compared in base}) == 1
    return own == base or not base or (is_one_rule and own.keys() <= base.keys())


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


def _origin(own: Rule, base: Rule, flow: Flow, baseline: Baseline) -> tuple[str, str]:
    """Returns what was changed: the param that the limit is, if it was the base's limit there, else the limit."""
    name = own.param
    if not name or not _is_limit(baseline.params.get(name), base):
        return base.op, ""
    return name, f" by --param or {variable_of(name)}" if name in flow.overridden else f" in {flow.file}"


def _is_limit(value: Scalar | None, rule: Rule) -> bool:
    if isinstance(value, str):
        return value.replace(" ", "") == limit_text(rule)
    if value is None or isinstance(value, bool):
        return False
    return exact(value) == exact(rule.limit) * (100 if rule.is_relative else 1)


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
