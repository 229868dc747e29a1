"""`mlci list`, `show`, `logs` and `stop` on folders of runs, in this process."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest

from mlci.cli import main
from mlci.report.result import RunStart
from mlci.runs.run_folder import Runs
from mlci.runs.run_lock import RunLock

STARTED = datetime(2026, 11, 23, 10, 15, 30, tzinfo=timezone.utc)
FLOW = "flow: {}\nsteps: {{train: {{uses: training, run: t.py, image: 'i.example/i:1'}}}}\n"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """The folders of three runs of two flows, none of which has a result."""
    monkeypatch.chdir(tmp_path)
    for flow in ("iris", "wine"):
        Path(f"{flow}.yaml").write_text(FLOW.format(flow))
    runs = Runs(tmp_path / ".mlci")
    for number, flow in enumerate(("iris", "wine", "iris")):
        folder = runs.folder(f"20261123-101530-{number}aaaa{number}")
        steps = ("prepare", "train")
        folder.start("{}", "{}", RunStart(flow, folder.run_id, "local", STARTED, steps=steps))
        folder.log("prepare").write_text(f"prepared {number}\n10 %\r20 %\n")
        for fold in range(2):
            folder.log(f"train(fold={fold})").write_text(f"::fold {fold}\n")
    return runs


def output(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0
    return capsys.readouterr().out


def test_a_list_names_the_flow_of_each_run_and_shows_one_flow_where_asked(
    runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    def flows(*arguments: str) -> list[str]:
        return [run["flow"] for run in json.loads(output(capsys, "list", "--json", *arguments))["runs"]]

    assert flows() == ["iris", "wine", "iris"]
    assert flows("--flow", "iris.yaml") == ["iris", "iris"]
    assert flows("--flow", "wine.yaml") == ["wine"]
    assert main(["list", "--flow", "none.yaml"]) == 2


def test_a_run_whose_lock_is_held_is_running(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    lock = RunLock()
    lock.acquire(runs.find(None).start_file)
    try:
        assert [run["status"] for run in json.loads(output(capsys, "list", "--json"))["runs"]] == [
            "running",
            "killed",
            "killed",
        ]
    finally:
        lock.release()
    assert json.loads(output(capsys, "show", "--json"))["status"] == "killed"


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (["prepare"], ["prepared 2", "10 %\r20 %"]),  # as it is
        (["0aaaa0", "prepare"], ["prepared 0", "10 %\r20 %"]),
        (["-f", "prepare"], ["prepared 2", "20 %"]),
        (["train"], ["train(fold=0) | ::fold 0", "train(fold=1) | ::fold 1"]),
        (["train(fold=1)"], ["::fold 1"]),
        (["-f", "train(fold=1)"], [": :fold 1"]),
        (
            ["1aaaa1"],
            ["prepare | prepared 1", "prepare | 20 %", "train(fold=0) | ::fold 0", "train(fold=1) | ::fold 1"],
        ),
        (
            ["-f"],
            ["prepare | prepared 2", "prepare | 20 %", "train(fold=0) | ::fold 0", "train(fold=1) | ::fold 1"],
        ),
    ],
)
def test_logs_are_chosen_by_run_and_step(
    runs: Runs, capfdbinary: pytest.CaptureFixture[bytes], words: list[str], lines: list[str]
) -> None:
    assert main(["logs", *words]) == 0
    assert capfdbinary.readouterr().out.decode().removesuffix("\n").split("\n") == lines


@pytest.mark.parametrize("words", [["tune"], ["0aaaa0", "tune"], ["-f", "tune"], ["a", "b", "c"], ["nosuchrun", "x"]])
def test_logs_that_are_not_there_are_refused(runs: Runs, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert main(["logs", *words]) == 2
    error = capsys.readouterr().err
    assert "It has: prepare, train" in error or "a run and a step" in error or "there is no run" in error


def test_a_local_run_whose_process_is_gone_is_no_matter_of_aws(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    assert "its process is gone, and nothing of it runs" in output(capsys, "stop", "0aaaa0")
