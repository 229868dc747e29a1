"""The plots of a report: charts of files and of cases, and what is drawn of them."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.report.plots.case_curves import TestedCases, case_charts
from mlci.report.plots.chart_files import MAX_POINTS, NotAChart, parse_chart
from mlci.report.plots.charts import Chart, CountChart, Curve, CurveChart, CurveKind
from mlci.report.plots.drawing import draw
from mlci.report.plots.pictures import picture_address
from support.examples import examples

TestedCases.__test__ = False  # type: ignore[attr-defined]  # no test, whatever its name


def scored(count: int, seed: int = 1) -> TestedCases:
    generator = random.Random(seed)
    labels = [str(generator.randint(0, 1)) for _ in range(count)]
    scores = [min(1.0, max(0.0, generator.gauss(0.3 + 0.4 * int(label), 0.2))) for label in labels]
    return TestedCases(tuple(labels), tuple("1" if score >= 0.5 else "0" for score in scores), tuple(scores))


def charts(cases: TestedCases, baseline: TestedCases | None = None) -> dict[str, Chart]:
    return {chart.title.partition(": ")[2]: chart for chart in case_charts("evaluate", cases, baseline)}


def test_a_binary_classifier_with_scores_has_four_charts() -> None:
    found = charts(scored(200), scored(100, seed=2))
    assert list(found) == ["ROC", "precision and recall", "calibration", "confusion"]
    roc = found["ROC"]
    assert isinstance(roc, CurveChart)
    assert [(line.label, line.is_baseline) for line in roc.lines] == [("baseline", True), ("this run", False)]


def test_the_area_under_the_curve_is_the_chance_that_a_positive_scores_higher() -> None:
    cases = scored(300)
    roc = charts(cases)["ROC"]
    assert isinstance(roc, CurveChart)
    assert cases.scores is not None
    [line] = roc.lines
    pairs = list(zip(cases.labels, cases.scores, strict=True))
    positive = [score for label, score in pairs if label == "1"]
    negative = [score for label, score in pairs if label == "0"]
    higher = sum((one > other) + (one == other) / 2 for one in positive for other in negative)
    assert np.trapezoid(line.y, line.x) == pytest.approx(higher / len(positive) / len(negative))
    assert (line.x[0], line.y[0], line.x[-1], line.y[-1]) == (0, 0, 1, 1)


def test_precision_and_recall_and_calibration_of_a_few_cases() -> None:
    cases = TestedCases(("1", "0", "1", "0"), ("1", "1", "0", "0"), (0.95, 0.93, 0.32, 0.38))
    found = charts(cases)
    curve, calibration = found["precision and recall"], found["calibration"]
    assert isinstance(curve, CurveChart)
    assert isinstance(calibration, CurveChart)
    assert curve.lines[0].x == (0.5, 0.5, 0.5, 1.0)
    assert curve.lines[0].y == pytest.approx((1, 1 / 2, 1 / 3, 1 / 2))
    assert calibration.lines[0].x == pytest.approx((0.35, 0.94))
    assert calibration.lines[0].y == (0.5, 0.5)


def test_scores_that_are_no_probabilities_are_not_calibrated() -> None:
    cases = TestedCases(("1", "0"), ("1", "0"), (4.0, -3.0))
    assert list(charts(cases)) == ["ROC", "precision and recall", "confusion"]


def test_the_confusion_has_all_classes_of_both_runs() -> None:
    found = charts(TestedCases(("a", "b", "b"), ("a", "a", "b"), None), TestedCases(("a", "c"), ("a", "a"), None))
    assert found["confusion"] == CountChart(
        "evaluate: confusion",
        "label",
        "predicted",
        ("a", "b", "c"),
        ((1, 0, 0), (1, 1, 0), (0, 0, 0)),
        ((1, 0, 0), (0, 0, 0), (1, 0, 0)),
    )


def test_a_regressor_has_residuals() -> None:
    labels = tuple(str(number / 2) for number in range(50))
    found = charts(TestedCases(labels, tuple(str(number / 2 + 1) for number in range(50)), None))
    assert list(found) == ["residuals"]
    residuals = found["residuals"]
    assert isinstance(residuals, CurveChart)
    [line] = residuals.lines
    assert set(line.y) == {1.0}
    assert residuals.y_reach == 1.0
    worse = charts(TestedCases(labels, tuple(str(number / 2 + 3) for number in range(50)), None))["residuals"]
    assert isinstance(worse, CurveChart)
    assert worse.y_reach == 5.0


def test_epochs_have_whole_ticks_and_a_legend_has_a_frame_or_stands_beside_points() -> None:
    curves = [Curve(name, (1, 2, 3), (0.5, 0.25, 0.2)) for name in ("loss", "loss, baseline")]
    drawn = draw(CurveChart("x", "epoch", "", tuple(curves)))
    assert not re.search(r">[123]\.[05]</text>", drawn.partition('id="matplotlib.axis_2"')[0])
    assert "#7d8590" in drawn.partition('id="legend_1"')[2].partition("</g>")[0]
    points = draw(CurveChart("x", "label", "", tuple(replace(each, kind="points") for each in curves), y_reach=2))
    heights = [(float(y), text) for y, text in re.findall(r'<text[^>]* y="([\d.]+)"[^>]*>([^<]*)<', points)]
    assert [text for _, text in sorted(heights)[:2]] == ["loss", "loss, baseline"]


@given(st.lists(st.tuples(st.sampled_from("01"), st.sampled_from("01"), st.floats(0, 1)), min_size=1, max_size=40))
def test_the_order_of_cases_changes_no_chart(rows: list[tuple[str, str, float]]) -> None:
    def of(some: list[tuple[str, str, float]]) -> dict[str, Chart]:
        labels, predicted, scores = zip(*some, strict=True)
        return charts(TestedCases(labels, predicted, scores))

    assert list(of(rows)) == list(of(rows[::-1]))
    assert of(rows).get("ROC") == of(rows[::-1]).get("ROC")
    assert of(rows).get("confusion") == of(rows[::-1]).get("confusion")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", "epoch,loss,note\n1,0.5,x\n2,0.25,y\n"),
        ("a.csv", "loss,x\n0.5,1\n0.25,2\n"),
        ("a.json", json.dumps({"epoch": [1, 2], "loss": [0.5, 0.25], "name": "x"})),
        ("a.json", json.dumps([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}])),
    ],
)
def test_columns_of_numbers_are_curves_over_the_first(name: str, data: str) -> None:
    chart = parse_chart(data.encode(), name, data.encode())
    assert [(line.label, line.x, line.y) for line in chart.lines] == [
        ("loss, baseline", (1, 2), (0.5, 0.25)),
        ("loss", (1, 2), (0.5, 0.25)),
    ]


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("a.csv", "", "no rows below a head"),
        ("a.csv", "a,b\n1\n", "not all as long as its head"),
        ("a.csv", "a,b\nx,y\n", "no column of numbers"),
        ("a.csv", "a\n1\n", 'the column "a" alone'),
        ("a.csv", 'a,b\n"1,2\n', "can't be read"),
        ("a.csv", "a,b\n1,nan\n", 'the column "a" alone'),
        ("a.json", "{", "can't be read"),
        ("a.json", "3", "neither an object of lists"),
        ("a.json", '{"a": [1], "b": [1, 2]}', "not of one length"),
        ("a.json", '{"a": [], "b": []}', "no rows"),
        ("a.json", "[" * 100_000, "can't be read"),
    ],
)
def test_a_file_without_curves_says_why(name: str, data: str, what: str) -> None:
    with pytest.raises(NotAChart, match=what):
        parse_chart(data.encode(), name)


def test_a_bad_file_of_the_baseline_is_left_out() -> None:
    assert len(parse_chart(b"a,b\n1,2\n", "a.csv", b"nothing").lines) == 1


def test_of_many_points_some_are_drawn() -> None:
    rows = "".join(f"{number},{number}\n" for number in range(3 * MAX_POINTS + 1))
    assert len(parse_chart(f"x,y\n{rows}".encode(), "a.csv").lines[0].x) <= MAX_POINTS


def test_the_same_chart_gives_the_same_bytes_and_asks_for_nothing() -> None:
    hostile = CurveChart("t", "$x$ <script>", "a & b", (Curve("<b>$", (0.0, 1.0), (0.0, 1.0)),) * 2)
    for chart in (*charts(scored(60), scored(60, 2)).values(), hostile):
        svg = draw(chart)
        assert svg == draw(chart)
        root = ElementTree.fromstring(svg)
        assert root.tag.endswith("svg")
        assert not [each for each in root.iter() if each.tag.endswith(("script", "image", "foreignObject"))]
        links = re.findall(r'(?:href|src)="([^"#][^"]*)"', svg)
        assert not [link for link in links if not link.startswith("http://purl.org")]


def test_a_picture_is_known_by_its_bytes() -> None:
    assert (picture_address(b"\x89PNG\r\n\x1a\nxx") or "").startswith("data:image/png;base64,")
    assert (picture_address(b"<?xml version='1.0'?><svg/>") or "").startswith("data:image/svg+xml;base64,")
    assert picture_address(b"GIF89a") is None


NUMBERS = st.sampled_from((0.0, 1e308, -1e308, 5e-324, 3.0)) | st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.slow
@settings(max_examples=examples(25), deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=5), st.sampled_from(["line", "points"]), st.booleans(), st.text())
def test_all_numbers_and_texts_can_be_drawn(
    points: list[tuple[float, float]], kind: CurveKind, is_unit: bool, text: str
) -> None:
    x, y = tuple(one for one, _ in points), tuple(other for _, other in points)
    svg = draw(CurveChart("t", text, "y", (Curve(text, x, y, kind),) * 2, is_unit, diagonal=is_unit))
    ElementTree.fromstring(svg)
