"""report.html and report.md of large flows, and the drawings of the page."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci.backends.progress import StepState
from mlci.flow.models import Position, Rule
from mlci.gate import Metrics
from mlci.gate.comparison import Comparison, Interval
from mlci.gate.verdict import RuleVerdict
from mlci.plan.models import Baseline, Bound
from mlci.pull_request.safe_markdown import safe_markdown
from mlci.report.flow_graph import Edge, FlowGraph, Node
from mlci.report.html import page
from mlci.report.html.graph import MAX_NODES, graph_svg
from mlci.report.links import Links
from mlci.report.markdown import MAX_CHARS, markdown
from mlci.report.result import Result, Status, to_json
from mlci.report.run_phases import RunPhase, run_phases

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


def test_the_waterfall_has_the_build_and_the_phases_of_the_run_around_its_steps() -> None:
    phases = run_phases(
        (
            RunPhase("build", at(-100), START),
            RunPhase("planning", START, at(10)),
            RunPhase("running", at(10), at(96)),
            RunPhase("reporting", at(96), at(100)),
        ),
        {"fit": StepState("succeeded", at(20), at(90))},
    )
    made = replace(result(), steps={"fit": StepState("succeeded", at(20), at(90))}, phases=phases)
    shown = page(made)
    assert re.findall(r'<div class="bar (\w+)[^"]*" style="left:([\d.]+)%;width:([\d.]+)%"', shown) == [
        ("phase", "0.00", "50.00"),
        ("phase", "50.00", "5.00"),
        ("phase", "55.00", "5.00"),
        ("running", "60.00", "35.00"),
        ("phase", "98.00", "2.00"),
    ]
    line = (
        "Time: the build before mlci 1 min 40 s, planning 10.0 s, deploying 10.0 s, steps 1 min 16 s, reporting 4.0 s."
    )
    assert line in markdown(made)
    document: Any = to_json(made)["phases"]
    assert [(each["name"], each["seconds"]) for each in document][:2] == [("build", 100.0), ("planning", 10.0)]


def test_a_run_with_nothing_to_run_has_no_waterfall_and_deployed_nothing() -> None:
    steps = {"fit": StepState("reused", reused_from="r1")}
    phases = run_phases((RunPhase("planning", START, at(1)), RunPhase("running", at(1), at(2))), steps)
    assert [phase.name for phase in phases] == ["planning"]
    assert 'id="time"' not in page(replace(result(), steps=steps, phases=phases))
    failed = run_phases((RunPhase("running", at(1), at(2)),), {"fit": StepState("skipped")})
    assert [phase.name for phase in failed] == ["deploying"]


def test_the_steps_of_a_run_that_a_build_attached_to_began_before_it() -> None:
    phases = (RunPhase("running", START, at(50)), RunPhase("judging", at(50), at(100)))
    shown = page(replace(result(), steps={"fit": StepState("succeeded", at(-100), at(50))}, phases=phases))
    assert re.findall(r'<div class="bar (\w+)[^"]*" style="left:([\d.]+)%;width:([\d.]+)%"', shown) == [
        ("running", "0.00", "75.00"),
        ("phase", "75.00", "25.00"),
    ]


LINKS = Links(
    "https://github.com/octo/model",
    "https://github.com/octo/model/pull/7",
    "https://eu-west-1.console.aws.amazon.com/codesuite/codebuild/1/projects/x/build/x%3A1/?region=eu-west-1",
    "https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/arn:aws:states:x:y",
    "https://eu-west-1.console.aws.amazon.com/s3/object/b?region=eu-west-1&prefix=mlci/x/report.html",
)


def test_a_report_links_what_is_around_the_run() -> None:
    judged = result().rules[0]
    placed = replace(judged.bound.rule, position=Position("flow.yaml", 12, 3))
    made = replace(
        result(),
        links=LINKS,
        rules=(replace(judged, bound=replace(judged.bound, rule=placed)),),
        baseline=Baseline(run_id="r0", commit="d" * 40),
    )
    linked = re.findall(r'<a href="([^"]+)" rel="noreferrer">', page(made))
    assert [unescape(each) for each in linked] == [
        f"https://github.com/octo/model/commit/{'c' * 40}",
        LINKS.pull_request,
        LINKS.build,
        LINKS.execution,
        LINKS.reports,
        f"https://github.com/octo/model/blob/{'c' * 40}/flow.yaml#L12",
        f"https://github.com/octo/model/commit/{'d' * 40}",
    ]
    text = markdown(made)
    assert (
        f"[build log]({LINKS.build}) · [execution]({LINKS.execution}) · [reports in S3, once uploaded]({LINKS.reports})"
        in text
    )
    assert "github.com" not in text  # a comment that an App posts links none but the console
    assert f"[build log]({LINKS.build})" in safe_markdown(text, MAX_CHARS)
    assert "#L12" not in page(replace(made, is_dirty=True))


@given(st.text())
def test_no_address_ends_a_link(text: str) -> None:
    hostile = Links(f"https://github.com/{text}", text, f"https://x/{text}", f"https://x/{text}", f"https://{text}")
    made = replace(result(), links=hostile)
    for address in re.findall(r'<a href="([^"]*)"', page(made)):
        assert re.fullmatch(r"https?://[^\s<>'\"()]+", unescape(address))
    assert "](" not in markdown(made)


def test_a_graph_that_is_too_large_to_look_at_is_left_out() -> None:
    nodes = tuple(Node(f"n{number}", "step", "x") for number in range(MAX_NODES + 1))
    assert graph_svg(FlowGraph(nodes)) == ""
    assert graph_svg(FlowGraph(nodes[:MAX_NODES])) != ""
