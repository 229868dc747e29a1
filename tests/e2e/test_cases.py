"""Cases of a flow, judged against those of the base branch: each verdict in every report."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from support.git_repositories import commit, git, repository
from support.project import Project

SCRIPT = """
import pathlib, shutil
source, target = pathlib.Path("/opt/ml/processing/input/tables"), pathlib.Path("/opt/ml/processing/output")
for file in source.iterdir():
    (target / "evaluation").mkdir(exist_ok=True)
    (target / "split").mkdir(exist_ok=True)
    shutil.copy(file, target / ("split" if file.name == "ids.csv" else "evaluation") / file.name)
"""
FLOW = """\
flow: cases
defaults: {image: 'mine.example/image:1', timeout: 1m}
steps:
  evaluate:
    uses: processing
    run: evaluate.py
    inputs: {tables: tables}
    outputs: [evaluation, split]
    cases: evaluation/cases.csv
gate:
"""
DROP = "  - {metric: evaluate.recall, max_drop: 0.02}\n"
HEAD = "id,label,predicted"


def table(rows: Iterable[tuple[object, ...]], head: str = HEAD) -> str:
    return "\n".join([head, *(",".join(map(str, row)) for row in rows)]) + "\n"


def positives(count: int, wrong: int, prefix: str = "c") -> list[tuple[object, ...]]:
    return [(f"{prefix}{place}", 1, int(place >= wrong)) for place in range(count)]


def ran(project: Project, *arguments: str, expected: int = 0) -> str:
    done = project.mlci(*(arguments or ("run",)))
    assert done.returncode == expected, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def tested(project: Project) -> Project:
    """A repository whose base branch has a run that tested 42 cases, two of them wrongly."""
    project.write("flow.yaml", FLOW + DROP)
    project.write("evaluate.py", SCRIPT)
    project.write("tables/cases.csv", table(positives(42, 2)))
    repository(project.root, **{".gitignore": ".mlci/\n"})
    return project


def based(project: Project) -> Project:
    """The same, on a branch, with the run of the base branch made."""
    ran(project)
    git(project.root, "checkout", "-q", "-b", "feature")
    return project


def judged(project: Project, expected: int = 0) -> Mapping[str, Any]:
    """The only rule of a run of what is committed now, as result.json has it."""
    commit(project.root)
    ran(project, expected=expected)
    [rule] = rules(project)
    return rule


def rules(project: Project) -> list[dict[str, Any]]:
    found = project.result()["rules"]
    assert isinstance(found, list)
    return found


@pytest.mark.slow
def test_every_report_shows_the_runs_own_metric_where_other_cases_were_compared(tested: Project) -> None:
    project = based(tested)
    project.write("tables/cases.csv", table([*positives(42, 1), *positives(14, 9, "new")]))
    rule = judged(project)
    own = project.result()["metrics"]["evaluate"]["recall"]
    assert (rule["value"], rule["baseline"]) == (own, pytest.approx(40 / 42)) == (46 / 56, pytest.approx(40 / 42))
    assert (rule["threshold"], rule["margin"]) == (None, None)
    assert rule["comparison"]["on"] == "on the 42 cases that both have"
    both = "on the 42 cases that both have: 0.952381 → 0.97619, rose by 0.0238 ("
    assert f"evaluate.recall 0.821429 (baseline 0.952381); {both}" in rule["text"]
    report = project.latest("report.md")
    assert "<code>evaluate.recall</code> | 0.821429 | max_drop 0.02 | 0.952381 | -0.13095 |" in report
    sentence = "evaluate.recall is 0.821429 (baseline 0.952381); on the 42 cases that both have, it rose by 0.0238095"
    assert sentence in report
    assert ">0.821429<" in project.latest("report.html")


@pytest.mark.slow
def test_from_the_first_run_to_a_broken_rule(tested: Project) -> None:
    said = ran(tested)
    assert "evaluate.recall 0.952381: no baseline to compare with yet" in said
    assert tested.result()["metrics"] == {"evaluate": {"recall": pytest.approx(40 / 42)}}
    git(tested.root, "checkout", "-q", "-b", "feature")
    tested.write("README.md", "no change of the model")
    same = judged(tested)
    assert (same["verdict"], same["held"]) == ("held", True)
    assert same["text"] == "evaluate.recall 0.952381 is as it was: no case changed"
    tested.write("tables/cases.csv", table(positives(42, 4)))
    unclear = judged(tested)
    assert (unclear["verdict"], unclear["held"], unclear["level"]) == ("unclear", True, "block")
    assert unclear["comparison"]["to_wrong"] == ["c2", "c3"]
    assert unclear["cases"] == 42
    assert unclear["interval"][0] < -0.02 < unclear["interval"][1]
    words = "evaluate.recall 0.904762 fell by 0.0476 (2 of 42 cases turned wrong, 0 right; 95 % interval "
    for report in ("report.md", "report.html", "junit.xml"):
        assert "the data can" in tested.latest(report), report
    assert words in unclear["text"]
    tested.write("tables/cases.csv", table(positives(42, 30)))
    broken = judged(tested, expected=1)
    assert (broken["verdict"], broken["held"]) == ("broken", False)
    assert ", and more than 0.02 in all of it" in broken["text"]
    assert tested.result()["reason"] == broken["text"]
    shown = ran(tested, "show", expected=0)
    assert broken["text"] in shown


@pytest.mark.slow
@pytest.mark.parametrize(("unclear", "expected"), [("fail", 1), ("warn", 0), ("pass", 0)])
def test_unclear(tested: Project, unclear: str, expected: int) -> None:
    tested.write("flow.yaml", FLOW + f"  - {{metric: evaluate.recall, max_drop: 0.02, unclear: {unclear}}}\n")
    commit(tested.root)
    based(tested)
    tested.write("tables/cases.csv", table(positives(42, 4)))
    found = judged(tested, expected)
    assert (found["verdict"], found["held"]) == ("unclear", expected == 0)


@pytest.mark.slow
def test_levels_and_slices(tested: Project) -> None:
    tested.write(
        "flow.yaml",
        FLOW
        + "  - {metric: evaluate.recall, slice: sex, max_gap: 0.05, level: warn}\n"
        + "  - {metric: evaluate.accuracy, min: 0.99, level: info}\n",
    )
    rows = [
        (f"{sex}{place}", 1, int(place >= wrong), sex) for sex, wrong in (("f", 50), ("m", 0)) for place in range(100)
    ]
    tested.write("tables/cases.csv", table(rows, f"{HEAD},sex"))
    commit(tested.root)
    said = ran(tested)
    found = [(rule["group"], rule["verdict"], rule["level"], rule["held"]) for rule in rules(tested)]
    assert found == [("f", "broken", "warn", True), ("m", "held", "warn", True), ("", "broken", "info", True)]
    assert 'evaluate.recall where sex is "f" 0.5 is 0.5 behind the others' in said
    root = ElementTree.fromstring(tested.latest("junit.xml"))
    assert root.get("failures") == "0"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cases", "message"),
    [
        (
            table([("a", 1, 1), ("b", 1, 1), ("a", 1, 1)]),
            'evaluation/cases.csv: line 4: the id "a" is in line 2 already',
        ),
        (table([("a", 1, 1), ("b", 1, "")]), 'evaluation/cases.csv: line 3 (id "b"): "predicted" is empty'),
        (table([("a", 1)], "id,label"), 'evaluation/cases.csv: it has no column "predicted". There are: "id", "label"'),
        (table([("a", 1, 1, "nan")], f"{HEAD},score"), 'evaluation/cases.csv: line 2 (id "a"): "score" is NaN'),
        (None, "the table is missing: there is no file evaluation/cases.csv; did you mean evaluation/case.csv?"),
    ],
)
def test_what_is_wrong_with_cases_breaks_their_rules(tested: Project, cases: str | None, message: str) -> None:
    metric = "auc" if cases and "score" in cases else "recall"
    tested.write("flow.yaml", FLOW + f"  - {{metric: evaluate.{metric}, max_drop: 0.02}}\n")
    tested.write("tables/cases.csv", cases or "")
    if cases is None:
        (tested.root / "tables/cases.csv").rename(tested.root / "tables/case.csv")
    found = judged(tested, expected=1)
    assert (found["verdict"], found["held"]) == ("broken", False)
    assert message in found["text"]


@pytest.mark.slow
def test_parquet_and_other_ids(tested: Project) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    tested.write("flow.yaml", FLOW.replace("cases.csv", "cases.parquet") + DROP)

    def write(first: int, wrong: int) -> None:
        out, count = io.BytesIO(), 60
        columns = {"id": range(first, first + count), "label": [True] * count}
        predicted = [place >= wrong for place in range(count)]
        parquet.write_table(pyarrow.table({**columns, "predicted": predicted}), out)
        (tested.root / "tables/cases.parquet").write_bytes(out.getvalue())

    write(0, 2)
    commit(tested.root)
    based(tested)
    write(1000, 40)
    found = judged(tested, expected=1)
    assert (found["verdict"], found["comparison"]["kind"]) == ("broken", "independent")
    assert "these are two samples: 0 of 60 cases are among the baseline's 60" in found["text"]


@pytest.mark.slow
def test_the_baselines_model_is_not_tested_on_what_it_was_trained_on(tested: Project) -> None:
    tested.write("flow.yaml", FLOW.replace("gate:", "    trained_on: split/ids.csv\ngate:") + DROP)
    tested.write("tables/ids.csv", "id\nt1\nc7\n")
    commit(tested.root)
    based(tested)
    scored = [(*row, 1) for row in positives(42, 4)]
    tested.write("tables/cases.csv", table(scored, f"{HEAD},baseline_predicted"))
    found = judged(tested, expected=1)
    assert "the baseline's model was trained on 1 of 42 cases, which it can't be tested on: \"c7\"" in found["text"]
    tested.write("tables/cases.csv", table((row for row in scored if row[0] != "c7"), f"{HEAD},baseline_predicted"))
    assert judged(tested)["comparison"]["kind"] == "paired"


@pytest.mark.slow
def test_a_run_without_work_imports_no_statistics(tested: Project) -> None:
    based(tested)
    tested.write("tables/cases.csv", table(positives(42, 4)))
    first = judged(tested)
    done = tested.mlci("run", PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0, done.stderr
    assert "mlci.gate.case_judgement" in done.stderr
    assert "scipy" not in done.stderr
    assert "numpy" not in done.stderr
    [again] = rules(tested)
    assert again == first


@pytest.mark.slow
def test_what_is_behind_the_gate_waits_for_the_verdict_on_cases(tested: Project) -> None:
    behind = "  publish:\n    uses: processing\n    run: publish.py\n    after: gate\ngate:"
    tested.write("flow.yaml", FLOW.replace("gate:", behind) + DROP)
    tested.write("publish.py", "print('published')\n")
    commit(tested.root)
    based(tested)
    steps: Any = tested.result()["steps"]
    assert steps["publish"]["status"] == "succeeded"
    tested.write("tables/cases.csv", table(positives(42, 30)))
    judged(tested, expected=1)
    steps = tested.result()["steps"]
    assert steps["publish"]["status"] == "skipped"
    assert tested.result()["schema"] == 2


def baseline_file(project: Project) -> Path:
    [found] = (project.root / ".mlci/store").glob("*/mlci/cases/baselines/main.json")
    return found


@pytest.mark.slow
def test_an_older_baseline_and_one_whose_cases_are_gone(tested: Project) -> None:
    based(tested)
    tested.write("tables/cases.csv", table(positives(42, 4)))
    commit(tested.root)
    kept = json.loads(baseline_file(tested).read_text())
    uri: str = kept["cases"]["evaluate"]
    bucket_and_key = uri.removeprefix("s3://")
    (tested.root / ".mlci/store" / bucket_and_key).unlink()
    ran(tested, expected=1)
    [gone] = rules(tested)
    assert (gone["verdict"], gone["held"]) == ("broken", False)
    assert f"the baseline's cases are not there any more: {uri}" in gone["text"]
    assert "mlci baseline reset" in gone["text"]
    older = {name: value for name, value in kept.items() if name not in ("cases", "trained_on", "gate", "params")}
    baseline_file(tested).write_text(json.dumps(older))
    for file in baseline_file(tested).parent.glob("main/*.json"):
        file.write_text(json.dumps(older))
    ran(tested)
    [number] = rules(tested)
    assert (number["verdict"], number["comparison"]["kind"]) == ("unclear", "number")
    assert "The baseline kept no cases" in number["text"]
    ran(tested, "baseline", "reset")
    ran(tested)
    [first] = rules(tested)
    assert (first["verdict"], first["comparison"]) == ("held", None)
    assert "no baseline to compare with yet" in first["text"]


SEEDS = """\
flow: cases
defaults: {image: 'mine.example/image:1', timeout: 1m}
steps:
  fit:
    uses: processing
    run: fit.py
    matrix: {seed: [1, 2, 3]}
    args: ["${{ matrix.seed }}"]
    outputs: [out]
    cases: out/cases.csv
    metrics: out/metrics.json
gate:
  - {metric: fit.loss, max_rise: 0.1, aggregate: mean, confidence: 95%}
  - {metric: fit.accuracy, min: 0.5, aggregate: min}
  - {metric: fit.accuracy, max_drop: 0.2}
"""
FIT = """
import json, pathlib, sys
seed, loss = int(sys.argv[1]), LOSS
out = pathlib.Path("/opt/ml/processing/output/out")
rows = [f"c{place},1,{int(place > seed)}" for place in range(40)]
(out / "cases.csv").write_text("id,label,predicted\\n" + "\\n".join(rows) + "\\n")
(out / "metrics.json").write_text(json.dumps({"loss": loss[seed - 1]}))
"""


@pytest.mark.slow
def test_cells_by_their_spread_and_each_by_its_cases(tested: Project) -> None:
    tested.write("flow.yaml", SEEDS)
    tested.write("fit.py", FIT.replace("LOSS", "[0.3, 0.32, 0.31]"))
    commit(tested.root)
    based(tested)
    tested.write("fit.py", FIT.replace("LOSS", "[0.5, 0.35, 0.4]"))
    commit(tested.root)
    ran(tested)
    mean, least, *each = rules(tested)
    assert (mean["metric"], mean["verdict"], mean["comparison"]["method"]) == ("mean(fit.loss)", "unclear", "paired t")
    assert (least["metric"], least["verdict"], least["value"]) == ("min(fit.accuracy)", "held", 0.9)
    assert [(rule["metric"], rule["verdict"]) for rule in each] == [
        (f"fit(seed={seed}).accuracy", "held") for seed in (1, 2, 3)
    ]
    tested.write("fit.py", FIT.replace("LOSS", "[0.6, 0.62, 0.6]"))
    commit(tested.root)
    ran(tested, expected=1)
    assert rules(tested)[0]["verdict"] == "broken"
