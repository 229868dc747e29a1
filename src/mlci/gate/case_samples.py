"""Tables of cases → the samples that a rule compares: the run's cases, and the baseline's, in pairs or not."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias, cast

from mlci.flow.models import CaseMetric, Rule
from mlci.gate import case_texts as texts
from mlci.gate.cases_file import Cases, InvalidCases, class_name, shown
from mlci.gate.statistics.outcomes import Outcomes
from mlci_dataclasses import dataclass

#: The metrics that compare values, and the one that ranks by scores.
_ERRORS = ("rmse", "mae")
_RANKS = "auc"
_DEFAULT_POSITIVE = "1"
_TRAINED_ON_SHOWN = 5
#: So many labels, or such a share of them, may have been corrected since the baseline.
_CORRECTED, _CORRECTED_SHARE = 2, 0.1

Kind: TypeAlias = Literal["paired", "independent"]


@dataclass(frozen=True)
class StepCases:
    """The tables of one step: the run's, the baseline's, and the ids that the baseline's models were trained on.

    A text stands for a file that can't be read, and says why. None: the baseline has none.
    """

    new: Cases | str
    base: Cases | str | None = None
    base_trained_on: frozenset[str] | str | None = None


class IncomparableBaseline(Exception):
    """The baseline's cases are no reason for a red gate, and can't be compared with."""


@dataclass(frozen=True)
class Sample:
    """The cases of one model: their ids, their outcomes, and the groups that they are in.

    Where it `has_classes`, the outcomes say of each whether it is right; elsewhere there are scores alone.
    """

    ids: tuple[str, ...]
    outcomes: Outcomes
    groups: tuple[str, ...] = ()
    has_classes: bool = True

    def __len__(self) -> int:
        return len(self.ids)

    def at(self, places: Sequence[int]) -> Sample:
        """Return some of the cases, in this order."""
        own = self.outcomes
        return Sample(
            tuple(self.ids[place] for place in places),
            Outcomes(
                [own.label[place] for place in places],
                [own.predicted[place] for place in places],
                [own.score[place] for place in places] if own.score else (),
            ),
            tuple(self.groups[place] for place in places) if self.groups else (),
            self.has_classes,
        )

    def where(self, is_in: Callable[[str], bool]) -> Sample:
        """Return the cases of some groups."""
        return self.at([place for place, group in enumerate(self.groups) if is_in(group)])


@dataclass(frozen=True)
class Samples:
    """The two samples of a comparison. Those in pairs have the same cases in one order, and the run's labels.

    `own_base` are all of the baseline's cases, with its own labels; None where they are not known. It `is_part` where
    either has cases that the other has not, and `is_relabelled` where some of their labels differ.
    """

    kind: Kind
    new: Sample
    base: Sample
    note: str = ""
    own_base: Sample | None = None
    is_part: bool = False
    is_relabelled: bool = False

    @property
    def on(self) -> str:
        """The cases that are compared, in words, for where they are not each model's own."""
        if not (self.is_part or self.is_relabelled):
            return "on this run's cases"
        common = f"on the {texts.cases(len(self.new))} that both have" if self.is_part else ""
        return ", ".join(filter(None, [common, "by this run's labels" if self.is_relabelled else ""]))

    def where(self, group: str) -> Samples:
        """Return the cases of one group. In pairs, the run's table says which they are.

        Raises: IncomparableBaseline, where the baseline's own table has to, and does not.
        """
        if self.kind == "independent":
            if not self.base.groups:
                raise IncomparableBaseline("the baseline's cases lack the column of the slice")
            base = self.base.where(group.__eq__)
            return replace(self, new=self.new.where(group.__eq__), base=base, own_base=base)
        places = [place for place, own in enumerate(self.new.groups) if own == group]
        has_groups = self.own_base is not None and bool(self.own_base.groups)
        own_base = self.own_base.where(group.__eq__) if self.own_base and has_groups else None
        return replace(self, new=self.new.at(places), base=self.base.at(places), own_base=own_base)


def metric_of(rule: Rule) -> CaseMetric:
    return cast(CaseMetric, rule.path[0])


def new_sample(tables: StepCases, rule: Rule) -> Sample:
    """Return the run's own cases.

    Raises: InvalidCases.
    """
    if isinstance(tables.new, str):
        raise InvalidCases(tables.new)
    return _of_run(tables.new, rule)


def samples(tables: StepCases, rule: Rule) -> Samples | None:
    """Return the samples that a rule compares; None if the baseline has no cases.

    The baseline's model, scored on the run's own cases, comes before what the baseline keeps.

    Raises:
        InvalidCases: the run's table, or that of the ids, is wrong.
        IncomparableBaseline: the baseline's table lacks what the rule needs.
    """
    new = new_sample(tables, rule)
    assert isinstance(tables.new, Cases)
    if tables.new.has_values("baseline_score" if metric_of(rule) == _RANKS else "baseline_predicted"):
        note = _check_training(tables)
        return Samples("paired", new, _of_run(tables.new, rule, "baseline_"), note)
    if isinstance(tables.base, str):
        raise InvalidCases(tables.base)
    if tables.base is None:
        return None
    try:
        base = _sample(tables.base, rule if _has_groups(tables.base, rule) else replace(rule, slice=None))
    except InvalidCases as invalid:
        raise IncomparableBaseline(f"the baseline's cases do not allow it: {invalid}") from invalid
    return _aligned(new, base)


def _has_groups(cases: Cases, rule: Rule) -> bool:
    return rule.slice is not None and cases.has_values(rule.slice)


def _aligned(new: Sample, base: Sample) -> Samples:
    """Return two samples in pairs of equal ids.

    They are independent where fewer than half of the cases of either have a pair, and where so many pairs have
    different labels that equal ids do not name the same cases, as row numbers of other data.
    """
    places = {case: place for place, case in enumerate(base.ids)}
    common = [place for place, case in enumerate(new.ids) if case in places]
    if 2 * len(common) < max(len(new), len(base)):
        note = f"these are two samples: {len(common)} of {len(new)} cases are among the baseline's {len(base)}"
        return Samples("independent", new, base, note, base)
    paired = new.at(common)
    own = base.at([places[case] for case in paired.ids])
    relabelled = _relabelled(paired.outcomes.label, own.outcomes.label)
    if relabelled > _most_corrected(paired.outcomes.label, own.outcomes.label):
        what = f"{relabelled} of {len(common)} equal ids have another label than in the baseline"
        note = f"these are two samples, for ids do not name the same cases: {what}"
        return Samples("independent", new, base, note, base)
    others = replace(own, outcomes=replace(own.outcomes, label=paired.outcomes.label))
    is_whole = len(common) == len(new) == len(base)
    both = texts.cases(len(common))
    some = f"compared on the {both} that both have, of {len(new)} and the baseline's {len(base)}"
    have, count = ("has", "counts") if relabelled == 1 else ("have", "count")
    corrected = f"{texts.cases(relabelled)} {have} another label than in the baseline, and this run's {count}"
    notes = [*([] if is_whole else [some]), *([corrected] if relabelled else [])]
    return Samples("paired", paired, others, "; ".join(notes), base, not is_whole, bool(relabelled))


def _relabelled(new: Sequence[object], base: Sequence[object]) -> int:
    """Return how many pairs of labels differ. Numbers may be written with fewer digits."""
    return sum(one != other and not _is_close(one, other) for one, other in zip(new, base, strict=True))


def _is_close(one: object, other: object) -> bool:
    return isinstance(one, float) and isinstance(other, float) and math.isclose(one, other, rel_tol=1e-6)


def _most_corrected(new: Sequence[object], base: Sequence[object]) -> float:
    """Return how many labels may have been corrected: two, or a tenth, or half as many as chance would change."""
    counts, before = Counter(new), Counter(base)
    agreeing = sum(counts[label] * before[label] for label in counts) / (len(new) * len(base))
    return max(_CORRECTED, len(new) * min(_CORRECTED_SHARE, (1 - agreeing) / 2))


def _check_training(tables: StepCases) -> str:
    """Return a note if nothing says on which cases the baseline's model was trained.

    Raises: InvalidCases, if some of the cases are among them.
    """
    assert isinstance(tables.new, Cases)
    match tables.base_trained_on:
        case None:
            return "nothing says on which cases the baseline's model was trained: its flow has no trained_on"
        case str(problem):
            raise InvalidCases(problem)
        case trained_on:
            overlap = [case for case in tables.new.ids if case in trained_on]
    if not overlap:
        return ""
    ids = ", ".join(f'"{case[:40]}"' for case in overlap[:_TRAINED_ON_SHOWN])
    more = f" and {len(overlap) - _TRAINED_ON_SHOWN} more" if len(overlap) > _TRAINED_ON_SHOWN else ""
    what = f"the baseline's model was trained on {len(overlap)} of {len(tables.new)} cases, which it can't be tested on"
    raise InvalidCases(
        f"{tables.new.file}: {what}: {ids}{more}. Keep these out of the test, or leave baseline_predicted empty"
    )


def _of_run(cases: Cases, rule: Rule, prefix: str = "") -> Sample:
    """Return the cases of the run's own table, whose name is in the problem with it.

    Raises: InvalidCases.
    """
    try:
        return _sample(cases, rule, prefix)
    except InvalidCases as invalid:
        raise InvalidCases(f"{cases.file}: {invalid}") from invalid


def _sample(cases: Cases, rule: Rule, prefix: str = "") -> Sample:
    """Return the cases as a rule needs them. The predictions are in the columns with the prefix."""
    metric = metric_of(rule)
    groups = tuple(map(_group, cases.column(rule.slice))) if rule.slice is not None else ()
    predicted, score = f"{prefix}predicted", f"{prefix}score"
    if metric in _ERRORS:
        return Sample(cases.ids, Outcomes(cases.numbers("label"), cases.numbers(predicted)), groups, has_classes=False)
    labels = cases.classes("label")
    # A ranking needs no classes; where there are some, they say which cases turned wrong.
    has_classes = metric != _RANKS or cases.has_values(predicted)
    classes = cases.classes(predicted) if has_classes else ()
    if has_classes and not set(classes) & set(labels):
        what = f'no case has a label that is in "{predicted}": the labels are {shown(sorted(set(labels)))}'
        raise InvalidCases(f'{what}, and "{predicted}" has {shown(sorted(set(classes)))}')
    scores = cases.numbers(score) if metric == _RANKS else ()
    if metric == "accuracy":
        return Sample(cases.ids, Outcomes(labels, classes), groups)
    positive = _DEFAULT_POSITIVE if rule.positive is None else class_name(rule.positive)
    if positive not in {*labels, *classes}:
        what = f'no case is of the class "{positive}", which counts as positive: there are {shown(sorted(set(labels)))}'
        raise InvalidCases(f'{what}. Name the class in the rule: "positive: <class>"')
    is_positive = [label == positive for label in labels]
    guesses = [each == positive for each in classes] if has_classes else is_positive
    return Sample(cases.ids, Outcomes(is_positive, guesses, scores), groups, has_classes)


def _group(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def flips(metric: CaseMetric, found: Samples) -> tuple[int, tuple[str, ...], tuple[str, ...]]:
    """Return how many cases a metric is about, and the ids of those that turned wrong, and right.

    Recall is about cases that are positive, and precision about those that either model takes for positive.
    """
    new, base = found.new.outcomes, found.base.outcomes
    rows = list(zip(found.new.ids, new.label, new.predicted, base.predicted, strict=True))
    if not (found.new.has_classes and found.base.has_classes):
        return len(rows), (), ()
    if metric == "recall":
        rows = [row for row in rows if row[1]]
    elif metric == "precision":
        rows = [row for row in rows if row[2] or row[3]]
    to_wrong = tuple(case for case, label, now, before in rows if before == label != now)
    to_right = tuple(case for case, label, now, before in rows if before != label == now)
    return len(rows), to_wrong, to_right


def counted(metric: CaseMetric, sample: Sample) -> int:
    """Return how many of a model's cases a metric is about."""
    outcomes = sample.outcomes
    if metric == "recall":
        return sum(map(bool, outcomes.label))
    return sum(map(bool, outcomes.predicted)) if metric == "precision" else len(sample)


def are_equal(found: Samples) -> bool:
    """Return True if both models say the same of each case."""
    new, base = found.new.outcomes, found.base.outcomes
    is_same = list(new.predicted) == list(base.predicted) and list(new.score) == list(base.score)
    return found.kind == "paired" and is_same


def group_sizes(sample: Sample) -> Mapping[str, int]:
    """Return the number of cases in each group, in the order of their names."""
    sizes: dict[str, int] = {}
    for group in sample.groups:
        sizes[group] = sizes.get(group, 0) + 1
    return dict(sorted(sizes.items()))
