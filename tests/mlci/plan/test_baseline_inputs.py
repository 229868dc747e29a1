"""Inputs that are outputs of the baseline: their URIs, what stands for those that are not there, and their keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from mlci.flow import load
from mlci.flow.models import Json
from mlci.plan import NO_BASELINE, Baseline, Plan, ReusedResult, S3Uri, Target, plan
from mlci.reuse.differences import explain
from mlci.reuse.step_keys import step_keys
from mlci.stage.models import CodeUnit, Staged, StagedFile
from mlci.step_types.script_start import ScriptStart

FLOW = b"""
flow: small
defaults: {image: "mine.example/image:7"}
steps:
  fit: {uses: training, run: fit.py, inputs: {own: "${{ baseline.steps.fit.outputs.model }}"}}
  score:
    uses: processing
    run: score.py
    args: ["${{ inputs.previous }}"]
    inputs: {model: "${{ steps.fit.outputs.model }}", previous: "${{ baseline.steps.fit.outputs.model }}"}
    outputs: [scores]
"""
KEPT = "s3://b/mlci/small/baselines/outputs/20261101-000000-aaaaaa/fit/model/"
LATER = "s3://b/mlci/small/baselines/outputs/20261102-000000-bbbbbb/fit/model/"
BASELINE = Baseline(run_id="20261101-000000-aaaaaa", outputs={"fit": {"model": KEPT}})
CONTENT: dict[str, Json] = {"model.tar.gz": [3, "tag"]}


def planned(baseline: Baseline = NO_BASELINE, reused: dict[str, ReusedResult] | None = None) -> Plan:
    flow = load(FLOW, "flow.yaml", {}, {})
    files = (StagedFile("a.py", "0" * 64, 0, Path("a.py"), b""),)
    code = {name: CodeUnit(ScriptStart({"script": "a.py"}), files, files) for name in flow.steps}
    staged = Staged(code, {}, dict.fromkeys(flow.steps, "i"))
    return plan(flow, staged, Target("b", "jobs", "20261123-101530-3f9c2a"), baseline, reused=reused)


def uris(made: Plan) -> list[str]:
    """The URIs that both steps read for it."""
    training, processing = cast(Any, made.steps["fit"].request), cast(Any, made.steps["score"].request)
    [channel] = [each for each in training["InputDataConfig"] if each["ChannelName"] == "own"]
    [read] = [each for each in processing["ProcessingInputs"] if each["InputName"] == "previous"]
    return [channel["DataSource"]["S3DataSource"]["S3Uri"], read["S3Input"]["S3Uri"]]


def test_the_input_is_what_the_baseline_keeps() -> None:
    made = planned(BASELINE)
    assert uris(made) == [KEPT, KEPT]
    assert made.empty_inputs == {}
    assert not any(".mlci-empty" in upload.uri for upload in made.uploads)
    arguments = cast(Any, made.steps["score"].request)["AppSpecification"]["ContainerArguments"]
    assert "/opt/ml/processing/input/previous" in arguments


@pytest.mark.parametrize(
    ("baseline", "why"),
    [
        (NO_BASELINE, "there is no baseline yet"),
        (Baseline(origin="reset"), "the baseline was reset"),
        (Baseline(run_id="20261101-000000-aaaaaa"), "the baseline, run 20261101-000000-aaaaaa, has no output "),
        (Baseline(run_id="20261101-000000-aaaaaa", outputs={"fit": {"logs": KEPT}}), "the baseline, run 2026"),
    ],
)
def test_an_input_that_the_baseline_has_nothing_for_is_a_folder_with_one_hidden_file(
    baseline: Baseline, why: str
) -> None:
    made = planned(baseline)
    assert {name: text.startswith(why) for name, text in made.empty_inputs.items()} == {
        "fit.own": True,
        "score.previous": True,
    }
    [upload] = [upload for upload in made.uploads if upload.uri.endswith("/.mlci-empty")]
    assert uris(made) == [upload.unit, upload.unit]
    assert upload.unit.startswith("s3://b/mlci/small/data/")
    assert upload.files[0].content


def test_nothing_is_uploaded_for_steps_that_are_reused() -> None:
    results = {name: ReusedResult("r", {output: S3Uri("s3://b/o/")}) for name, output in OUTPUTS.items()}
    made = planned(reused=results)
    assert made.empty_inputs.keys() == {"fit.own", "score.previous"}
    assert not any(".mlci-empty" in upload.uri for upload in made.uploads)


OUTPUTS = {"fit": "model", "score": "scores"}


def test_it_counts_in_the_key_by_its_content_and_not_by_its_run() -> None:
    first = step_keys(planned(BASELINE), objects={KEPT: CONTENT})
    again = step_keys(
        planned(Baseline(run_id="20261102-000000-bbbbbb", outputs={"fit": {"model": LATER}})), objects={LATER: CONTENT}
    )
    assert first.steps == again.steps
    other = step_keys(planned(BASELINE), objects={KEPT: {"model.tar.gz": [3, "other"]}})
    none = step_keys(planned(), objects={})
    assert len({keys.steps["fit"].key for keys in (first, other, none)}) == 3
    assert step_keys(planned(BASELINE), objects={}).steps == {}
    assert explain("fit", other, [("20261101-000000-cccccc", first)]).changes == (
        "input own: 1 object of fit.model of the baseline changed",
    )
    assert explain("fit", first, [("20261101-000000-cccccc", none)]).changes == (
        "input own: 1 object of fit.model of the baseline changed",
    )
