"""Metrics from files and lines: what is collected, and what is said where there is nothing to collect."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.flow.models import Json
from mlci.gate import METRICS_MAX_BYTES, METRICS_MAX_DEPTH, parse_metrics
from mlci.stage.starter import mlci_start_metrics as metrics
from mlci.stage.starter.mlci_start import ScriptJob
from support.examples import examples

Run = Callable[..., bytes]


def python(version: str) -> str:
    """The interpreter of a version; skips where the machine has none."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for candidate in (*map(str, versions.glob(f"{version}.*/bin/python")), shutil.which(f"python{version}")):
        if candidate and subprocess.run([candidate, "-c", ""], check=False, capture_output=True).returncode == 0:
            return candidate
    pytest.skip(f"Python {version} is not on this machine")


@pytest.fixture
def collect(tmp_path: Path) -> Run:
    """Collects metrics of a job whose script writes `files` below /opt/ml, prints `lines`, and finds `before` there."""

    def collect(
        *entries: Mapping[str, str],
        files: Mapping[str, str | bytes] | None = None,
        lines: list[str] | None = None,
        definitions: Mapping[str, str] | None = None,
        before: Mapping[str, str | bytes] | None = None,
    ) -> bytes:
        code = tmp_path / "code"
        code.mkdir(exist_ok=True)
        job = ScriptJob(str(code), str(code), [], {})
        _write(tmp_path, before or {})
        named = [{"name": name, "regex": regex} for name, regex in (definitions or {}).items()]
        metrics.prepare({"files": list(entries), "definitions": named, "target": "../mlci-metrics"}, job)
        _write(tmp_path, files or {})
        for line in lines or []:
            for each in job.filters:
                assert each(line.encode()) == line.encode()
        for action in job.after:
            action()
        return (tmp_path / "mlci-metrics" / "metrics.json").read_bytes()

    return collect


def _write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def file(pattern: str, name: str = "", **where: str) -> dict[str, str]:
    return {"pattern": pattern, **({"name": name} if name else {}), **where}


@pytest.mark.parametrize(
    ("entries", "files", "expected"),
    [
        (
            [file("m.json")],
            {"code/m.json": '{"auc": 0.90, "n": 9007199254740993}'},
            {"auc": 0.9, "n": 9007199254740993},
        ),
        ([file("a.json"), file("b.json")], {"code/a.json": '{"a": 1}', "code/b.json": '{"b": 2}'}, {"a": 1, "b": 2}),
        ([file("s/*.json")], {"code/s/a.json": '{"a": 1}', "code/s/b.json": '{"b": [true]}'}, {"a": 1, "b": [True]}),
        ([file("s/**/m.json")], {"code/s/x/y/m.json": '{"a": 1}'}, {"a": 1}),
        ([file("out/m.json", root="../output")], {"output/out/m.json": '{"a": 1}'}, {"a": 1}),
        (
            [file("a.json", "train"), file("b.json", "test")],
            {"code/a.json": '{"auc": 1}', "code/b.json": '{"auc": 0}'},
            {"train": {"auc": 1}, "test": {"auc": 0}},
        ),
        (
            [file("*.json", "all")],
            {"code/a.json": '{"a": 1}', "code/b.json": '{"b": 2}', "code/mlci_start.json": '{"a": 1}'},
            {"all": {"a": 1, "b": 2}},
        ),
        ([file("a.json", "folds")], {"code/a.json": "[1, 2]"}, {"folds": [1, 2]}),
        ([file("a.json")], {"code/a.json": '[{"auc": 1}]'}, [{"auc": 1}]),
        ([file("m[1].json")], {"code/m[1].json": '{"a": 1}'}, {"a": 1}),
        (
            [file("m.csv")],
            {"code/m.csv": "name,auc,ok\r\nforest,0.90,False\r\n"},
            {"name": "forest", "auc": 0.9, "ok": False},
        ),
        ([file("m.csv")], {"code/m.csv": ",auc\n0,0.5\n\n"}, {"auc": 0.5}),
        ([file("m.tsv")], {"code/m.tsv": "auc\tf1\n1e-3\t.5\n"}, {"auc": 0.001, "f1": 0.5}),
        (
            [file("m.yaml")],
            {"code/m.yaml": "auc: 0.90\nok: yes\nfolds: [1, 1e-3, 0x1F, 1_000]\n"},
            {"auc": 0.9, "ok": True, "folds": [1, 0.001, 31, 1000.0]},
        ),
        (
            [file("m.yml")],
            {"code/m.yml": "1: 2\nwhen: 2026-01-01\nn: null\ntext: '0.5'\n"},
            {"1": 2, "when": "2026-01-01", "n": None, "text": "0.5"},
        ),
        (
            [file("m.yaml")],
            {"code/m.yaml": "a: .nan\nb: -.inf\nc: .inf\n"},
            {"a": "NaN", "b": "-Infinity", "c": "Infinity"},
        ),
        ([file("m.json")], {"code/m.json": '{"a": NaN, "b": -Infinity}'}, {"a": "NaN", "b": "-Infinity"}),
        ([file("m.csv")], {"code/m.csv": "a,b\nnan,inf\n"}, {"a": "NaN", "b": "Infinity"}),
        ([file("m.json")], {"code/m.json": b'\xef\xbb\xbf{"\xc3\xa9": 1, "\\ud800": 2}'}, {"é": 1, "\ud800": 2}),
        ([file("m.txt")], {"code/m.txt": '{"a": 1}'}, {"a": 1}),
    ],
)
def test_files_become_one_document(
    collect: Run, entries: list[dict[str, str]], files: dict[str, str], expected: Json
) -> None:
    assert json.loads(collect(*entries, files=files)) == expected


@pytest.mark.parametrize(
    ("entries", "files", "problem"),
    [
        (
            [file("out/n.json", root="../output")],
            {"output/out/m.json": "{}", "output/out/plot.png": "", "output/other/x.json": "{}"},
            "missing: there is no file out/n.json; did you mean out/m.json? There are in out: out/m.json",
        ),
        (
            [file("reports/m.json")],
            {"code/README.md": ""},
            "missing: there is no file reports/m.json. There is no JSON, YAML or CSV file",
        ),
        (
            [file("data/m.json", root="..", prefix="/opt/ml/output/")],
            {},
            "missing: there is no file /opt/ml/output/data/m.json. There is no JSON, YAML or CSV file",
        ),
        (
            [file("*.csv")],
            {"code/a.json": "", "code/mlci_start.json": ""},
            "missing: there is no file *.csv. There are: a.json",
        ),
        (
            [file("a.json"), file("b.json")],
            {"code/a.json": '{"auc": 1}', "code/b.json": '{"auc": 1}'},
            'ambiguous: "auc" is in a.json and in b.json. Give each a name of its own, as in metrics: {train:',
        ),
        (
            [file("s/*.json", "all")],
            {"code/s/a.json": '{"auc": 1}', "code/s/b.json": '{"auc": 1}'},
            'ambiguous: "all.auc" is in s/a.json and in s/b.json. Give each a name of its own, as in metrics: {',
        ),
        ([file("m.json")], {"code/m.json": ""}, "unreadable: m.json: Expecting value: line 1 column 1 (char 0)"),
        ([file("m.json")], {"code/m.json": "[" * 9999}, "unreadable: m.json is nested more than 100 levels deep"),
        (
            [file("m.json")],
            {"code/m.json": '{"a": ' + "[" * 101 + "]" * 101 + "}"},
            "unreadable: nested more than 100 levels deep",
        ),
        (
            [file("m.json")],
            {"code/m.json": '"a text"'},
            "unreadable: m.json holds no object (names with values) on top",
        ),
        (
            [file("m.json"), file("n.json")],
            {"code/m.json": "[1]", "code/n.json": "{}"},
            "unreadable: m.json holds no object (names with values) on top",
        ),
        (
            [file("m.json")],
            {"code/m.json": b"\xff"},
            "unreadable: m.json: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
        ),
        (
            [file("m.csv")],
            {"code/m.csv": "a,b\n1,2\n3,4\n"},
            "unreadable: m.csv: a table of metrics has one row below its head, and this one has 2 rows",
        ),
        (
            [file("m.csv")],
            {"code/m.csv": "a,b\n"},
            "unreadable: m.csv: a table of metrics has one row below its head, and this one has none",
        ),
        ([file("m.csv")], {"code/m.csv": "a,b\n1\n"}, "unreadable: m.csv: its head has 2 columns, and its row 1"),
        ([file("m.csv")], {"code/m.csv": "a,a\n1,2\n"}, 'unreadable: m.csv: its head has "a" twice'),
        ([file("m.yaml")], {"code/m.yaml": "a: [1"}, "unreadable: m.yaml: not YAML:"),
        ([file("m.yaml")], {"code/m.yaml": "a: !!python/object:os.system x"}, "unreadable: m.yaml: not YAML:"),
        ([file("m.yaml")], {"code/m.yaml": "a: &x [*x]"}, "unreadable: nested more than 100 levels deep"),
        (
            [file("m.yaml")],
            {
                "code/m.yaml": "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
                + "".join(
                    f"{n}: &{n} [{','.join([f'*{p}'] * 10)}]\n" for p, n in zip("abcdefg", "bcdefgh", strict=True)
                )
            },
            "too large: the state machine reads at most 65,536 bytes",
        ),
        (
            [file("m.json")],
            {"code/m.json": json.dumps({str(number): number for number in range(9000)})},
            "too large: the state machine reads at most 65,536 bytes",
        ),
        ([file("m.json")], {"code/m.json": " " * 1_100_000}, "too large: m.json has more than 1,048,576 bytes"),
    ],
)
def test_a_problem_is_written_in_the_place_of_metrics(
    collect: Run, capsys: pytest.CaptureFixture[str], entries: list[dict[str, str]], files: dict[str, str], problem: str
) -> None:
    written = json.loads(collect(*entries, files=files))
    assert isinstance(written, str)
    assert written.startswith(problem)
    assert capsys.readouterr().err == f"mlci: the metrics are {written}\n"


def test_a_file_that_the_script_did_not_write_is_none_of_its_metrics(collect: Run) -> None:
    stale = {"code/m.json": '{"auc": 1}'}
    problem = "missing: the script did not write m.json; a file of that name came with its code"
    assert json.loads(collect(file("m.json"), before=stale)) == problem
    assert json.loads(collect(file("m.json"), before=stale, files={"code/m.json": '{"auc": 0}'})) == {"auc": 0}
    assert json.loads(collect(file("*.json"), before=stale, files={"code/n.json": '{"auc": 2}'})) == {"auc": 2}


@pytest.mark.parametrize(("host", "is_collected"), [("algo-1", True), ("algo-2", False)])
def test_metrics_are_those_of_the_first_host(tmp_path: Path, host: str, is_collected: bool) -> None:
    """All instances have one place for their metrics: the others would overwrite those of the first."""
    hosts = {"SM_HOSTS": '["algo-1","algo-2"]', "SM_CURRENT_HOST": host}
    job = ScriptJob(str(tmp_path), str(tmp_path), [], hosts)
    definitions = [{"name": "loss", "regex": "loss=(.*)"}]
    metrics.prepare({"definitions": definitions, "target": "../mlci-metrics"}, job)
    assert bool(job.filters) == bool(job.after) == is_collected


def test_a_target_that_cannot_be_written_fails_the_job(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "mlci-metrics").write_text("")
    job = ScriptJob(str(tmp_path / "code"), str(tmp_path / "code"), [], {})
    metrics.prepare({"files": [], "target": "../mlci-metrics"}, job)
    with pytest.raises(SystemExit, match="can't be written"):
        job.after[0]()


def test_yaml_without_pyyaml_says_what_to_install(collect: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    written = json.loads(collect(file("m.yaml"), files={"code/m.yaml": "auc: 1"}))
    assert written.startswith("unreadable: m.yaml: reading YAML needs PyYAML, which the job's Python (")
    assert written.endswith(") lacks; install it, or write JSON")


@pytest.mark.parametrize(
    ("regex", "lines", "expected"),
    [
        ("auc=([0-9.]+)", ["auc=0.5\n", "epoch 2 auc=0.90\n", "auc=\n"], 0.9),
        ("auc=(.*?);", ["auc=0.5; auc=0.7;\r"], 0.7),
        ("[0-9.]+$", ["loss 0.25"], 0.25),
        ("loss: (.*)", ["loss: 0.5\n", "loss: nan\n"], "NaN"),
        ("loss: (.*)", ["loss: 0.5\n", "loss: high\n"], 0.5),
        ("a(b)?=(1)?", ["a=1"], None),
        ("é=(.*)", ["é=1"], 1),
        ("x=(.*)", ["x=" + "9" * 400], int("9" * 400)),
        ("never", ["x"], None),
    ],
)
def test_the_last_value_in_the_output_counts(collect: Run, regex: str, lines: list[str], expected: Json) -> None:
    written = json.loads(collect(definitions={"val:auc": regex}, lines=lines))
    assert written == ({} if expected is None else {"val:auc": expected})


def test_lines_and_files_are_merged_and_never_shadow_each_other(collect: Run) -> None:
    files = {"code/m.json": '{"auc": 1}'}
    assert json.loads(collect(file("m.json"), files=files, definitions={"loss": "loss (.*)"}, lines=["loss 2"])) == {
        "auc": 1,
        "loss": 2,
    }
    written = collect(file("m.json"), files=files, definitions={"auc": "auc (.*)"}, lines=["auc 2"])
    assert json.loads(written).startswith('ambiguous: "auc" is in m.json and in the output.')


@pytest.mark.parametrize("number", ["0.1000000000000000000001", "9007199254740993", "1e-999999999", "9" * 400, "-0.0"])
def test_numbers_stay_as_they_are_written(collect: Run, number: str) -> None:
    files = {"code/m.json": f'{{"a": {number}}}', "code/m.csv": f"b\n{number}\n", "code/m.yaml": f"c: {number}\n"}
    written = collect(file("m.json"), file("m.csv"), file("m.yaml"), files=files)
    assert written.decode() == f'{{"a": {number}, "b": {number}, "c": {number}}}'


values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(st.text(max_size=3), values, max_size=4), min_size=1, max_size=4))
@settings(max_examples=examples(200), deadline=None)
def test_any_documents_merge_to_what_mlci_reads_or_to_a_problem(documents: list[dict[str, Any]]) -> None:
    keys = [key for document in documents for key in document]
    sources = [_Written(f"{number}.json", document) for number, document in enumerate(documents)]
    if len(keys) != len(set(keys)):
        with pytest.raises(metrics.MetricsProblem, match=r"^ambiguous"):
            metrics.collected(sources, metrics.Lines([]))  # type: ignore[arg-type]
        return
    read = parse_metrics(metrics.dumps(metrics.collected(sources, metrics.Lines([]))))  # type: ignore[arg-type]
    assert read.problem == ""
    assert read.document == {key: _named(item) for document in documents for key, item in document.items()}


class _Written:
    """A source that holds one document."""

    def __init__(self, shown: str, document: dict[str, Any]) -> None:
        self.shown, self.document = shown, json.dumps(document)

    def read(self) -> list[tuple[str, Any]]:
        return [
            (
                self.shown,
                json.loads(self.document, parse_int=metrics.Number, parse_float=metrics.Number, parse_constant=str),
            )
        ]


def _named(value: Any) -> Any:
    """The value with the names of numbers that JSON does not know."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: _named(item) for key, item in value.items()}
    return [_named(item) for item in value] if isinstance(value, list) else value


def test_the_bounds_are_those_of_mlci() -> None:
    assert (metrics.MAX_BYTES, metrics.MAX_DEPTH) == (METRICS_MAX_BYTES, METRICS_MAX_DEPTH)
    depth = METRICS_MAX_DEPTH - 1
    deep = '{"a": ' * depth + "1" + "}" * depth
    assert parse_metrics(metrics.dumps(json.loads(deep))).problem == ""
    with pytest.raises(metrics.MetricsProblem):
        metrics.dumps(json.loads(f'{{"a": {deep}}}'))


COLLECT = """
import json, sys
sys.path.insert(0, sys.argv[1])
import mlci_start, mlci_start_metrics
job = mlci_start.ScriptJob(sys.argv[2], sys.argv[2], [], {})
files = [{"pattern": "*.csv"}, {"pattern": "m.json", "name": "n"}, {"pattern": "missing.json"}]
for some in (files[:2], files):
    definitions = [{"name": "l", "regex": "l=(.*)"}]
    mlci_start_metrics.prepare({"files": some, "definitions": definitions, "target": "target"}, job)
open(sys.argv[2] + "/a.csv", "w").write("a,b\\n1,2.50\\n")
open(sys.argv[2] + "/m.json", "w").write("[1e-3, true]")
for action, line in zip(job.after, job.filters):
    line(b"l=0.5\\n")
    action()
    print(open(sys.argv[2] + "/target/metrics.json").read())
"""


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13"])
def test_metrics_are_collected_by_every_python(version: str, tmp_path: Path) -> None:
    command = [python(version), "-B", "-c", COLLECT, str(Path(metrics.__file__).parent), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    first, second = map(json.loads, done.stdout.splitlines())
    assert first == {"a": 1, "b": 2.5, "n": [0.001, True], "l": 0.5}
    assert second.startswith("missing: there is no file missing.json; did you mean m.json? There are: "), done.stderr
