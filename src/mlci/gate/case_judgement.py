"""The verdicts on the rules that need more than a step's metrics file, apart from those on the others.

They are computed once for the same tables: as JSON, they are remembered, and scipy is not imported again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from mlci.flow.models import Json
from mlci.gate.comparison import Comparison, Interval
from mlci.gate.metrics_file import Metrics
from mlci.gate.verdict import RuleVerdict, judge_number, numbers_of_cells
from mlci.plan.models import Baseline, Bound
from mlci.plan.thresholds import baseline_numbers
from mlci_dataclasses import dataclass

if TYPE_CHECKING:
    from mlci.gate.case_samples import StepCases


@dataclass(frozen=True)
class CaseJudgement:
    """The verdicts by the rule's place in the gate, and the metrics of cases that rules ask for, by step."""

    verdicts: Mapping[int, tuple[RuleVerdict, ...]] = field(default_factory=dict)
    numbers: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def needs_cases(bound: Bound) -> bool:
    """Return True if a rule compares cases, or an interval: the metrics file alone does not judge it."""
    return (bound.rule.reads_cases or bound.rule.confidence is not None) and not bound.is_removed


def judge_cases(
    gate: Sequence[Bound], metrics: Mapping[str, Metrics], tables: Mapping[str, StepCases], baseline: Baseline
) -> CaseJudgement:
    """Return the verdicts on the rules of the gate that need cases or an interval, and the metrics of the cases."""
    from mlci.gate.case_verdicts import case_numbers, case_problem, judge_intervals

    numbers = case_numbers(gate, tables)
    of_cases = {step: Metrics(dict(found)) for step, found in numbers.items()}
    verdicts: dict[int, tuple[RuleVerdict, ...]] = {}
    compared: dict[int, Bound] = {}
    means: dict[Bound, tuple[dict[str, float], dict[str, float]]] = {}
    for place, bound in enumerate(gate):
        rule = bound.rule
        if not needs_cases(bound):
            continue
        if problem := case_problem(rule, tables) if rule.reads_cases else "":
            verdicts[place] = (RuleVerdict(bound, None, "broken", problem),)
            continue
        source = of_cases if rule.reads_cases else metrics
        if rule.confidence is None:
            verdicts[place] = (judge_number(bound, source),)
            continue
        if rule.aggregate:
            cells = numbers_of_cells(bound, source)
            if isinstance(cells, RuleVerdict):
                verdicts[place] = (cells,)
                continue
            means[bound] = cells, baseline_numbers(rule, baseline.metrics)
        compared[place] = bound
    judged = judge_intervals(list(compared.values()), tables, means)
    verdicts |= {place: tuple(each) for place, each in zip(compared, judged, strict=True)}
    return CaseJudgement(
        {place: tuple(map(_in_one_line, verdicts[place])) for place in sorted(verdicts)},
        numbers,
    )


def _in_one_line(judged: RuleVerdict) -> RuleVerdict:
    """Return a verdict whose text is one line: ids and groups hold whatever a script wrote."""
    return replace(judged, statement="".join(char if char.isprintable() else " " for char in judged.statement))


def with_case_numbers(metrics: Mapping[str, Metrics], judgement: CaseJudgement) -> dict[str, Metrics]:
    """Return the metrics of steps with those of their cases among them, which later runs compare with."""
    found = dict(metrics)
    for step, numbers in judgement.numbers.items():
        own = metrics.get(step)
        document = own.document if own and isinstance(own.document, dict) else {}
        found[step] = Metrics({**document, **numbers}, own.problem if own else "")
    return found


def different_numbers(metrics: Mapping[str, Metrics], judgement: CaseJudgement) -> list[str]:
    """Return a line for each metric of cases that is another number in the step's metrics file."""
    lines = []
    for step, numbers in judgement.numbers.items():
        own = metrics.get(step)
        document = own.document if own and isinstance(own.document, dict) else {}
        for name, number in numbers.items():
            written = document.get(name)
            is_number = isinstance(written, int | float) and not isinstance(written, bool)
            if is_number and abs(float(written) - number) > _ROUNDING:  # type: ignore[arg-type]  # it is a number
                lines.append(
                    f"{step}.{name} is {number:.6g} by its cases, and {written} in its metrics file: the cases count"
                )
    return lines


#: Scripts write metrics with a few digits.
_ROUNDING = 1e-3


def render_judgement(judgement: CaseJudgement) -> Json:
    """Return a judgement as JSON, which `parse_judgement` reads."""
    return {
        "numbers": {step: dict(numbers) for step, numbers in judgement.numbers.items()},
        "verdicts": {str(place): [_rendered(each) for each in judged] for place, judged in judgement.verdicts.items()},
    }


def parse_judgement(document: Json, gate: Sequence[Bound]) -> CaseJudgement:
    """Return the judgement that a document has of this gate.

    Raises: LookupError, TypeError or ValueError, for a document that `render_judgement` did not make of it.
    """
    found: Any = document
    return CaseJudgement(
        {
            int(place): tuple(_parsed(each, gate[int(place)]) for each in judged)
            for place, judged in found["verdicts"].items()
        },
        found["numbers"],
    )


def _rendered(judged: RuleVerdict) -> dict[str, Json]:
    compared = judged.comparison
    return {
        "threshold": judged.bound.threshold,
        "baseline": judged.bound.baseline,
        "value": judged.value,
        "verdict": judged.verdict,
        "statement": judged.statement,
        "group": judged.group,
        "comparison": rendered_comparison(compared) if compared else None,
    }


def rendered_comparison(compared: Comparison) -> dict[str, Json]:
    """Return a comparison as JSON: a field for each of its own."""
    return {
        "kind": compared.kind,
        "method": compared.method,
        "interval": [compared.interval.low, compared.interval.high] if compared.interval else None,
        "confidence": compared.confidence,
        "corrected_for": compared.corrected_for,
        "cases": compared.cases,
        "to_wrong": list(compared.to_wrong),
        "to_right": list(compared.to_right),
        "smallest_drop": compared.smallest_drop,
        "note": compared.note,
        "on": compared.on,
        "value": compared.value,
        "baseline": compared.baseline,
    }


def _parsed(document: Any, bound: Bound) -> RuleVerdict:
    compared = document["comparison"]
    return RuleVerdict(
        replace(bound, threshold=document["threshold"], baseline=document["baseline"]),
        document["value"],
        document["verdict"],
        document["statement"],
        None if compared is None else _parsed_comparison(compared),
        document["group"],
    )


def _parsed_comparison(document: Any) -> Comparison:
    interval, to_wrong, to_right = document["interval"], document["to_wrong"], document["to_right"]
    return Comparison(
        **{
            **document,
            "interval": Interval(*interval) if interval else None,
            "to_wrong": tuple(to_wrong),
            "to_right": tuple(to_right),
        }
    )
