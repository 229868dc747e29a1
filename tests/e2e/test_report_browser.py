"""report.html in a real browser: read on any screen, sorted, unfolded, and walked through with the keyboard."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from mlci.backends.progress import StepState
from mlci.flow.models import Rule
from mlci.gate import Metrics
from mlci.gate.comparison import Comparison, Interval
from mlci.gate.verdict import RuleVerdict
from mlci.plan.models import Baseline, Bound, GatedMetrics
from mlci.report.baseline_changes import BaselineChanges
from mlci.report.case_changes import CaseResult
from mlci.report.flow_graph import Edge, FlowGraph, Node
from mlci.report.html import page
from mlci.report.html.run_diff import diff_page
from mlci.report.links import Links
from mlci.report.plots.pictures import picture_address
from mlci.report.result import Result, Status
from mlci.report.run_diff import RunSide, run_diff
from mlci.report.run_phases import RunPhase
from mlci.report.value_changes import ValueChange
from support.webdriver import DRIVER, ENTER, TAB, Browser, browser

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(DRIVER is None or sys.platform != "linux", reason="there is no chromedriver on the PATH"),
]

START = datetime(2026, 11, 23, 10, 15, 30, tzinfo=timezone.utc)
LONG = "a-name-without-any-place-to-break-it-" * 20


def result(status: Status) -> Result:
    rule = Rule("evaluate", ("recall",), "max_drop", 0.02)
    compared = Comparison("paired", "McNemar", Interval(-0.1, 0.05), 0.95, 1, 42, ("case-7",), ("case-9",))
    judged = RuleVerdict(Bound(rule, 0.93, 0.95), 0.92, "unclear", f"the data can't decide {LONG}", compared)
    held = RuleVerdict(Bound(Rule("evaluate", ("auc",), "min", 0.9), 0.9), 0.99, "held", "evaluate.auc 0.99 ≥ 0.9")
    metrics = {judged.bound.rule.metric: 0.9 for judged in (held, judged)}
    history = tuple(GatedMetrics(f"r{number}", "d" * 40, START, metrics) for number in range(20))
    nodes = tuple(Node(f"n{number}", "step", LONG, "training", "succeeded") for number in range(12))
    return Result(
        flow=LONG,
        run_id="20261123-101530-3f9c2a",
        cloud="aws",
        commit="c" * 40,
        status=status,
        started=START,
        seconds=100,
        steps={
            name: StepState("succeeded", START, START + timedelta(seconds=seconds), reason=LONG)
            for name, seconds in (("ten", 10), ("nine", 9), ("hundred", 100))
        },
        rules=(held, judged),
        metrics={"evaluate": Metrics({LONG: 1.5, "small": 9, "large": 10})},
        execution="arn",
        reason=LONG,
        params={LONG: LONG, "depth": 4},
        log_tails={"ten": f"one\n{LONG}"},
        links=Links("https://github.com/octo/model", build=f"https://console.aws.amazon.com/codesuite/{LONG}"),
        baseline=Baseline(run_id="r0", commit="d" * 40, history=history),
        since_baseline=BaselineChanges("r0", "d" * 40, (ValueChange(LONG, LONG, LONG),), (), {LONG: (LONG, LONG)}),
        phases=(RunPhase("build", START - timedelta(minutes=1), START), RunPhase("planning", START, START)),
        graph=FlowGraph(nodes, tuple(Edge(f"n{number}", f"n{number + 1}") for number in range(11))),
    )


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture
def report(chromium: Browser, tmp_path: Path) -> Browser:
    """The page of a run that failed, open in the browser."""
    chromium.resize(1200, 900)
    file = tmp_path / "report.html"
    file.write_text(page(result(Status.FAILED)), encoding="utf-8")
    chromium.open(file)
    return chromium


@pytest.mark.parametrize("width", [320, 390, 800, 1600])
@pytest.mark.parametrize("status", list(Status))
def test_nothing_overflows_sideways(chromium: Browser, tmp_path: Path, status: Status, width: int) -> None:
    file = tmp_path / "report.html"
    file.write_text(page(result(status)), encoding="utf-8")
    chromium.resize(max(width, 500), 900)
    # A window has a least width; a page is made narrower by its root element.
    chromium.open(file)
    chromium.run(f"document.documentElement.style.width = '{width}px'")
    assert chromium.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


@pytest.mark.parametrize("width", [320, 1600])
def test_two_runs_side_by_side_fit_any_screen(chromium: Browser, tmp_path: Path, width: int) -> None:
    right, wrong = CaseResult(LONG, LONG), CaseResult(LONG, "0")
    picture = picture_address(b"<svg xmlns='http://www.w3.org/2000/svg' width='900' height='700'/>") or ""
    one, other = (
        RunSide(LONG, LONG, LONG, {LONG: {LONG: 1}}, {LONG: LONG}, None, {LONG: {LONG: case}}, {LONG: picture + end})
        for case, end in ((right, ""), (wrong, "AAAA"))
    )
    file = tmp_path / "diff.html"
    file.write_text(diff_page(LONG, run_diff(one, other)), encoding="utf-8")
    chromium.resize(max(width, 500), 900)
    chromium.open(file)
    chromium.run(f"document.documentElement.style.width = '{width}px'")
    assert chromium.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    places = chromium.run("return [...document.querySelectorAll('figure')].map(each => each.offsetTop)")
    assert (places[0] == places[1]) is (width == 1600)


@pytest.mark.parametrize("table", ["#changes", "#time", "#steps", "#gate"])
def test_each_table_is_sorted_by_its_first_column(report: Browser, table: str) -> None:
    report.run(f"document.querySelector('{table} th button').click()")
    shown = report.run(f"return [...document.querySelectorAll('{table} th')].map(head => head.ariaSort)")
    assert shown[0] == "ascending"


def test_the_waterfall_is_sorted_by_when_a_lane_begins(report: Browser) -> None:
    head = "document.querySelectorAll('#time th button')[1]"
    report.run(f"{head}.click()")
    assert column(report, "#time", 0)[0].startswith("the build before")
    report.run(f"{head}.click()")
    assert column(report, "#time", 0)[-1].startswith("the build before")


def test_the_metrics_of_the_base_branch_are_drawn_and_named(report: Browser) -> None:
    labels = report.run("return [...document.querySelectorAll('#history svg')].map(svg => svg.ariaLabel)")
    assert [label.partition(" over ")[2] for label in labels] == [
        "20 runs of the base branch: 0.9 to 0.9; this run 0.99",
        "20 runs of the base branch: 0.9 to 0.9; this run 0.92",
    ]


def column(chromium: Browser, table: str, number: int) -> list[str]:
    rows = f"[...document.querySelectorAll('{table} tbody tr')]"
    cells: list[str] = chromium.run(f"return {rows}.map(row => row.cells[{number}].innerText.trim())")
    return cells


def test_a_click_on_a_head_sorts_by_the_numbers_of_its_column(report: Browser) -> None:
    head = "document.querySelectorAll('#steps th button')[2]"
    report.run(f"{head}.click()")
    assert column(report, "#steps", 0) == ["nine", "ten", "hundred"]
    report.run(f"{head}.click()")
    assert column(report, "#steps", 0) == ["hundred", "ten", "nine"]
    assert report.run("return document.querySelectorAll('#steps th')[2].getAttribute('aria-sort')") == "descending"


def test_the_keyboard_reaches_heads_and_folds(report: Browser) -> None:
    report.run("document.querySelector('#metrics th button').focus()")
    report.press(TAB + ENTER)  # the head of the values
    assert column(report, "#metrics", 1) == ["1.5", "9", "10"]
    focused = []
    for _ in range(20):
        report.press(TAB)
        focused.append(report.run("return document.activeElement.tagName"))
    assert "SUMMARY" in focused


def test_a_fold_opens_and_names_the_cases(report: Browser) -> None:
    fold = "document.querySelector('#gate details')"
    assert report.run(f"return {fold}.open") is False
    report.run(f"{fold}.querySelector('summary').focus()")
    report.press(ENTER)
    assert "case-7" in report.run(f"return {fold}.innerText")
    assert report.run(f"return {fold}.open") is True


def test_nothing_is_asked_of_the_network_and_no_policy_is_broken(report: Browser) -> None:
    assert report.run("return performance.getEntriesByType('resource').length") == 0
    blocked = report.run(
        "return new Promise(done => { addEventListener('securitypolicyviolation', () => done(true)); "
        "new Image().src = 'https://example.com/x.png'; setTimeout(() => done(false), 5000); })"
    )
    assert blocked is True


def test_dark_is_dark(report: Browser) -> None:
    background = "return getComputedStyle(document.body).backgroundColor"
    assert report.run(background) == "rgb(255, 255, 255)"
    report.emulate_media("prefers-color-scheme", "dark")
    assert report.run(background) == "rgb(13, 17, 23)"
    report.emulate_media("prefers-color-scheme", "")
