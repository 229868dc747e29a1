"""Two runs side by side: as text, Markdown, JSON and a page."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from mlci.report.case_changes import CaseResult, are_values
from mlci.report.html.run_diff import diff_page
from mlci.report.run_diff import RunSide, diff_json, diff_markdown, diff_text, run_diff
from mlci.reuse.key_document import RunKeys, StepKey

RIGHT, WRONG = CaseResult("1", "1"), CaseResult("1", "0")
PICTURE, OTHER = "data:image/svg+xml;base64,AAAA", "data:image/svg+xml;base64,BBBB"
BEFORE = RunSide(
    "the baseline of main",
    "20261123-101530-3f9c2a",
    "a" * 40,
    {"evaluate": {"auc": 0.9, "f1": 0.5}},
    {"depth": 4, "kept": True},
    None,
    {"evaluate": {"a": RIGHT, "b": WRONG, "c": RIGHT, "gone": RIGHT}},
    {"evaluate: ROC": PICTURE, "evaluate: loss": PICTURE, "old": PICTURE},
)
AFTER = RunSide(
    "run 20261124-101530-3f9c2b",
    "20261124-101530-3f9c2b",
    "b" * 40,
    {"evaluate": {"auc": 0.8, "f1": 0.5, "new": 1}},
    {"depth": 5, "kept": True},
    None,
    {"evaluate": {"a": WRONG, "b": RIGHT, "c": RIGHT, "came": WRONG}},
    {"evaluate: ROC": OTHER, "evaluate: loss": PICTURE, "new": OTHER},
    "gate_missed",
    True,
)
DIFF = run_diff(BEFORE, AFTER)


class Tags(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.images: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs)["alt"] or "")

    def handle_data(self, data: str) -> None:
        self.text += data


def test_only_cases_that_both_have_flip() -> None:
    [changes] = DIFF.cases
    assert (changes.common, changes.to_wrong, changes.to_right) == (3, ["a"], ["b"])


def test_the_text_names_status_and_uncommitted_changes() -> None:
    first, second, *_ = diff_text(DIFF).splitlines()
    assert first == "the baseline of main: run 20261123-101530-3f9c2a, commit aaaaaaaaaaaa"
    assert second == "run 20261124-101530-3f9c2b (gate missed), commit bbbbbbbbbbbb*"
    assert "  evaluate.new    – → 1" in diff_text(DIFF).splitlines()


def test_markdown_lists_flips() -> None:
    assert "cases of evaluate: 3 cases in both\n\n- 1 turned wrong: a\n- 1 turned right: b\n" in diff_markdown(DIFF)


def test_a_step_without_a_key_in_one_run_has_neither_come_nor_gone() -> None:
    whole = RunKeys("iris", {name: StepKey(name, {}) for name in ("load", "train")})
    partly = RunKeys("iris", {"load": StepKey("load", {})}, without_key=("train",))
    less = replace(partly, without_key=())
    for before, after, steps in [
        (whole, partly, {}),
        (partly, whole, {}),
        (whole, less, {"train": ("is gone",)}),
        (less, whole, {"train": ("is new",)}),
        (whole, None, None),
    ]:
        assert run_diff(replace(BEFORE, keys=before), replace(AFTER, keys=after)).steps == steps
    unknown = run_diff(replace(BEFORE, keys=whole), replace(AFTER, keys=partly))
    assert diff_text(unknown).splitlines()[-1] == "code and data: nothing that mlci knows of has changed"


def test_json_has_what_other_programs_read() -> None:
    document = json.loads(json.dumps(diff_json(DIFF)))
    assert document["after"] == {
        "name": "run 20261124-101530-3f9c2b",
        "run_id": "20261124-101530-3f9c2b",
        "commit": "b" * 40,
        "dirty": True,
        "partial": False,
        "status": "gate_missed",
    }
    assert document["before"]["status"] == "passed"
    assert document["cases"] == [{"step": "evaluate", "common": 3, "to_wrong": ["a"], "to_right": ["b"], "moved": None}]


NUMBERS = {f"{number:02}": CaseResult(str(number), str(number)) for number in range(30)}


def test_numbers_are_neither_right_nor_wrong() -> None:
    after = {case: CaseResult(each.label, f"{float(each.label) * 1.5 + 1e-9}") for case, each in NUMBERS.items()}
    diff = run_diff(replace(BEFORE, cases={"evaluate": NUMBERS}), replace(AFTER, cases={"evaluate": after}))
    text, shown = diff_text(diff), Tags(diff_page("iris", diff)).text
    lines = text.splitlines()
    place = lines.index("cases of evaluate: 30 cases in both, whose errors moved most in")
    assert lines[place + 1] == "  29: label 29, predicted 29 → 43.5, error +14.5"
    assert lines[place + 6] == ""
    assert "change of the error" in shown
    for each in (text, shown, diff_markdown(diff)):
        assert "turned" not in each
        assert "wrong" not in each
    moved = json.loads(json.dumps(diff_json(diff)))["cases"][0]["moved"]
    assert (len(moved), moved[0]) == (20, {"id": "29", "label": "29", "before": "29", "after": "43.500000001"})
    same = run_diff(replace(BEFORE, cases={"evaluate": NUMBERS}), replace(AFTER, cases={"evaluate": NUMBERS}))
    assert "cases of evaluate: 30 cases in both, each with the same error" in diff_text(same)
    assert "30 cases in both, each with the same error." in Tags(diff_page("iris", same)).text


@pytest.mark.parametrize(
    ("labels", "predicted", "is_number"),
    [
        (["1.5", "2"], ["1.7", "2"], True),
        (["1", "2"], ["1.5", "2"], True),
        (["1", "2"], ["2", "3"], False),
        (["0.5", "1"], ["1", "0.5"], False),
        (["a", "b"], ["1", "2"], False),
        (["1", "nan"], ["1.5", "2"], False),
        ([], [], False),
    ],
)
def test_labels_are_numbers_where_predictions_come_near_to_them(
    labels: list[str], predicted: list[str], is_number: bool
) -> None:
    assert are_values(map(CaseResult, labels, predicted)) is is_number


def test_a_partial_run_has_no_verdict_and_no_steps_that_it_was_not_asked_for() -> None:
    def keys(*steps: str) -> RunKeys:
        return RunKeys("iris", {step: StepKey(f"key of {step}", {}) for step in steps})

    whole = replace(BEFORE, keys=keys("train", "evaluate"))
    part = replace(AFTER, keys=keys("train"), metrics={"train": {"loss": 1}}, status="passed", is_partial=True)
    diff = run_diff(whole, part)
    assert diff.steps == {}
    assert diff_text(diff).splitlines()[1] == "run 20261124-101530-3f9c2b (partial run), commit bbbbbbbbbbbb*"
    assert [each.name for each in diff.metrics] == ["train.loss"]
    assert run_diff(part, whole).steps == {}
    assert run_diff(whole, replace(part, is_partial=False)).steps == {"evaluate": ("is gone",)}
    assert "partial run" in Tags(diff_page("iris", diff)).text
    assert "(partial run, failed)" in diff_text(run_diff(whole, replace(part, status="failed")))


def test_a_page_shows_what_changed_and_the_plots_of_both() -> None:
    shown = Tags(diff_page("iris", DIFF))
    assert "2 of 3 metrics changed; 1 param changed; 1 case turned wrong and 1 right" in shown.text
    assert "3 cases in both: 1 turned wrong, 1 right." in shown.text
    assert "Not known, for the keys of one of the runs are not here." in shown.text
    assert shown.images == [
        "evaluate: ROC, before",
        "evaluate: ROC, after",
        "evaluate: loss, the same in both",
        "new, after",
        "old, before",
    ]


def test_runs_that_are_equal_say_so() -> None:
    same = run_diff(BEFORE, replace(BEFORE, label="run x", run_id="x"))
    shown = Tags(diff_page("iris", same)).text
    assert "0 of 2 metrics changed; 0 cases turned wrong and 0 right" in shown
    assert "4 cases in both, and none turned wrong or right." in shown
    assert "params" not in shown.lower()


def test_runs_without_anything_make_a_page() -> None:
    empty = replace(BEFORE, metrics={}, params={}, cases={}, plots={})
    assert Tags(diff_page("iris", run_diff(empty, empty))).images == []


@pytest.mark.parametrize(
    "text", ["<img src=x onerror=alert(1)>", '"><script>alert(1)</script>', "\x1b[31m\n::error::x"]
)
def test_text_from_outside_stays_text(text: str) -> None:
    outside = RunSide(
        text,
        text,
        text,
        {text: {text: 1}},
        {text: text},
        None,
        {text: {text: CaseResult(text, text)}},
        {text: PICTURE},
        text,
    )
    other = replace(outside, params={text: "x"}, cases={text: {text: CaseResult(text, "x")}}, plots={text: OTHER})
    shown = Tags(diff_page(text, run_diff(outside, other)))
    assert shown.tags.count("script") == 1
    assert shown.tags.count("img") == 2
    assert "\x1b" not in shown.text
    assert "<img" not in diff_markdown(run_diff(outside, other))


def test_no_request_leaves_the_page() -> None:
    page = diff_page("iris", DIFF)
    assert "default-src 'none'" in page
    assert not re.search(r"(?:src|href)=[\"'](?!data:)", page)


def test_a_page_names_the_first_of_very_many_flips() -> None:
    cases = {str(number): RIGHT for number in range(700)}
    many = run_diff(
        replace(BEFORE, cases={"evaluate": cases}), replace(AFTER, cases={"evaluate": dict.fromkeys(cases, WRONG)})
    )
    shown = Tags(diff_page("iris", many))
    assert "and 200 more" in shown.text
    assert shown.tags.count("tr") < 520
