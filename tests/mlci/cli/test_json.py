"""`--json`: documents for other programs, alone on standard output."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlci.cli import main

FLOW = """
flow: small
params: {least: 0.9}
defaults: {image: 'i.example/i:1'}
steps:
  train: {uses: processing, run: a.py, outputs: [out], metrics: out/m.json}
  publish: {uses: processing, run: a.py, after: gate}
gate: [{metric: train.auc, min: "${{ params.least }}"}]
"""


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLCI_CACHE", str(tmp_path / "cache"))
    Path("flow.yaml").write_text(FLOW)
    Path("a.py").write_text("print(1)")
    return tmp_path


def document(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    assert main([*arguments, "--json"]) == code
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == 1
    return found


def test_a_plan(capsys: pytest.CaptureFixture[str]) -> None:
    plan = document(capsys, "plan")
    assert (plan["flow"], plan["cloud"], plan["running"]) == ("small", "local", [])
    assert plan["objects"] == len(plan["uploads"]) > 0
    assert {upload["uri"].rpartition("/")[2] for upload in plan["uploads"]} >= {"a.py", "mlci_start.py"}
    assert plan["state_machine"] == {"name": "mlci-small", "change": "none kept", "differs": []}
    assert plan["gate"] == [
        {
            "metric": "train.auc",
            "op": "min",
            "limit": 0.9,
            "relative": False,
            "threshold": 0.9,
            "baseline": None,
            "level": "block",
            "confidence": None,
            "slice": None,
        }
    ]
    assert plan["asks_mlci"] is False
    assert [(name, step["behind_gate"]) for name, step in plan["steps"].items()] == [
        ("train", False),
        ("publish", True),
    ]
    assert plan["steps"]["train"]["request"]["AppSpecification"]["ImageUri"] == "i.example/i:1"
    assert plan["steps"]["train"]["outputs"]["out"].endswith("/train/out/")
    assert not Path(".mlci/runs").exists()


def test_a_validation_with_and_without_problems(capsys: pytest.CaptureFixture[str]) -> None:
    assert document(capsys, "validate") == {
        "schema": 1,
        "file": "flow.yaml",
        "valid": True,
        "flow": "small",
        "steps": ["train", "publish"],
        "rules": 1,
        "problems": [],
        "notes": [],
    }
    Path("flow.yaml").write_text(FLOW.replace("outputs:", "outptus:"))
    broken = document(capsys, "validate", code=2)
    assert (broken["valid"], broken["flow"]) == (False, None)
    assert broken["problems"][0]["line"] == 6
    assert broken["problems"][0]["hint"] == 'Did you mean "outputs"?'


def test_the_notes_of_a_validation_have_codes_and_places(capsys: pytest.CaptureFixture[str]) -> None:
    Path("flow.yaml").write_text(FLOW.replace("train: {uses", "train: {runs-on: build, timeout: 9h, uses"))
    notes = {note["code"]: note for note in document(capsys, "validate")["notes"]}
    assert set(notes) == {"build-time", "build-role"}
    assert (notes["build-role"]["where"], notes["build-time"]["where"]) == ("flow.yaml:6:20", "flow.yaml:6:36")
    assert 'step "train" runs in the build' in notes["build-time"]["text"]
    assert main(["validate"]) == 0
    said = capsys.readouterr().out
    for note in notes.values():
        assert f"note, for builds: {note['where']}: {note['text']}\n" in said


def test_settings(capsys: pytest.CaptureFixture[str]) -> None:
    settings = document(capsys, "config", "--bucket", "mine")["settings"]
    assert settings["bucket"] == {"value": "mine", "from": "--bucket"}
    assert settings["region"]["value"] is None
    assert settings["cloud"] == {"value": "local", "from": "the default outside of CodeBuild"}
