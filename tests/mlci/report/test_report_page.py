"""report.html and report.md of large flows, and the drawings of the page."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci.backends.progress import StepState
from mlci.flow.models import Rule
from mlci.gate import Metrics
from mlci.gate.comparison import Comparison, Interval
from mlci.gate.verdict import RuleVerdict
from mlci.plan.models import Bound
from mlci.report.flow_graph import Edge, FlowGraph, Node
from mlci.report.html import page
from mlci.report.html.graph import MAX_NODES, graph_svg
from mlci.report.markdown import MAX_CHARS, markdown
from mlci.report.result import Result, Status

START = datetime(2026, 11, 23, 10, 15, 30, tzinfo=timezone.utc)


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def result(steps: int = 1, rules: int = 1, text: str = "x") -> Result:
    rule = Rule("evaluate", ("recall",), "max_drop", 0.02)
    compared = Comparison("paired", "McNemar", Interval(-0.1, 0.05), 0.95, 1, 42, ("case-7",), ("case-9",))
    judged = RuleVerdict(Bound(rule, 0.93, 0.95), 0.92, "unclear", text, compared)
    phases = (("starting", at(1), at(61)), ("running", at(61), at(90)))
    step = StepState("failed", START, at(95), "job", text, phases=phases)  # type: ignore[arg-type]
    return Result(
        flow="case",
        run_id="r",
        cloud="aws",
        commit="c" * 40,
        status=Status.FAILED,
        started=START,
        seconds=100,
        steps={f"step-{number}": step for number in range(steps)},
        rules=(judged,) * rules,
        metrics={"evaluate": Metrics({f"metric-{number}": number for number in range(rules)})},
        execution="arn",
        reason=text,
        params={f"param-{number}": text for number in range(steps)},
        log_tails={f"step-{number}": text for number in range(steps)},
        graph=FlowGraph(tuple(Node(f"s{number}", "step", f"step-{number}") for number in range(steps))),
    )


@pytest.mark.parametrize(("steps", "rules", "text"), [(1, 1, "x"), (500, 500, "y" * 5_000), (3, 2, "`" * 200_000)])
def test_the_report_fits_in_a_comment(steps: int, rules: int, text: str) -> None:
    shown = markdown(result(steps, rules, text))
    assert 0 < len(shown) <= MAX_CHARS
    assert "💥 case: failed" in shown
    assert ("and 497 more" in shown or "and 488 more" in shown) == (steps == 500)


def test_no_request_leaves_the_page() -> None:
    shown = page(result(3, 3))
    assert "default-src 'none'" in shown
    assert not re.search(r"https?://|@import|url\((?!#)", shown)


def test_the_script_of_the_page_is_the_one_that_its_policy_names() -> None:
    shown = page(result())
    assert shown.count("<script>") == 1
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/]{43}='", shown)


def test_the_page_draws_the_interval_and_names_the_cases() -> None:
    shown = page(result())
    assert "change between -0.1 and 0.05 at 95 % confidence, limit -0.02, 42 cases" in shown
    assert "<code>case-7</code>" in shown
    assert "<code>case-9</code>" in shown


def test_the_waterfall_shows_where_the_time_of_a_step_went() -> None:
    shown = page(result())
    widths = re.findall(r'<div class="bar (\w+) failed" style="left:([\d.]+)%;width:([\d.]+)%"', shown)
    assert widths == [
        ("between", "0.00", "1.00"),
        ("starting", "1.00", "60.00"),
        ("running", "61.00", "29.00"),
        ("between", "90.00", "5.00"),
    ]


def test_the_clock_of_a_job_may_differ_from_that_of_the_state_machine() -> None:
    early = replace(result().steps["step-0"], phases=(("running", at(-50), at(500)),))
    shown = page(replace(result(), steps={"step-0": early}))
    assert 'class="bar running failed" style="left:0.00%;width:95.00%"' in shown


class Placed(HTMLParser):
    """The rectangles of an SVG picture."""

    def __init__(self, svg: str) -> None:
        super().__init__()
        self.rectangles: list[tuple[float, float]] = []
        self.feed(svg)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "rect":
            found = dict(attrs)
            self.rectangles.append((float(found["x"] or 0), float(found["y"] or 0)))


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=30))
def test_each_node_stands_right_of_those_before_it_and_none_on_another(pairs: list[tuple[int, int]]) -> None:
    nodes = tuple(Node(f"n{number}", "step", f"step {number}") for number in range(13))
    edges = tuple(Edge(f"n{min(pair)}", f"n{max(pair)}") for pair in dict.fromkeys(pairs) if pair[0] != pair[1])
    placed = Placed(graph_svg(FlowGraph(nodes, edges))).rectangles
    places = dict(zip((node.id for node in nodes), placed, strict=True))
    assert len(set(placed)) == len(nodes)
    assert all(places[edge.source][0] < places[edge.target][0] for edge in edges)


def test_a_graph_that_is_too_large_to_look_at_is_left_out() -> None:
    nodes = tuple(Node(f"n{number}", "step", "x") for number in range(MAX_NODES + 1))
    assert graph_svg(FlowGraph(nodes)) == ""
    assert graph_svg(FlowGraph(nodes[:MAX_NODES])) != ""
