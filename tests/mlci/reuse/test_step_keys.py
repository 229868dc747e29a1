"""Keys of steps: equal where nothing that counts differs, and different where anything does."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlci.flow import load
from mlci.flow.part import Part, choose_steps
from mlci.plan import Plan, Target, plan
from mlci.reuse.key_document import RunKeys
from mlci.reuse.step_keys import step_keys
from mlci.stage.models import CodeUnit, DataUnit, ImageContext, Requirements, Staged, StagedFile
from mlci.step_types.script_start import ScriptStart

FLOW = """
flow: small
params: {depth: 4}
defaults: {image: "mine.example/image:7"}
secrets: {token: {from: "ssm:/team/token"}}
steps:
  prepare:
    uses: processing
    run: src/prepare.py
    args: ["--raw", "${{ inputs.raw }}", "--size", "0.2"]
    env: {MODE: fast, TOKEN: "${{ secrets.token }}"}
    inputs: {raw: data/x.csv}
    outputs: [table, rest]
  train:
    uses: training
    run: src/train.py
    inputs: {train: "${{ steps.prepare.outputs.table }}", extra: "s3://elsewhere/data/"}
    hyperparameters: {depth: "${{ params.depth }}", rate: 0.5}
    request: {AlgorithmSpecification: {TrainingInputMode: File}}
  evaluate:
    uses: processing
    run: src/evaluate.py
    inputs: {model: "${{ steps.train.outputs.model }}", rest: "${{ steps.prepare.outputs.rest }}"}
    outputs: [scores]
    metrics: scores/m.json
gate: [{metric: evaluate.auc, min: 0.9}]
"""
STEPS = ("prepare", "train", "evaluate")
AFTER = {"prepare": {"prepare", "train", "evaluate"}, "train": {"train", "evaluate"}, "evaluate": {"evaluate"}}
TARGET = Target("bucket", "arn:aws:iam::000000000000:role/jobs", "20261123-101530-3f9c2a", cores=2)


def file(path: str, text: str = "") -> StagedFile:
    return StagedFile(path, hashlib.sha256((path + text).encode()).hexdigest(), 3, Path(path), b"abc")


def unit(*files: StagedFile, requirements: Requirements | None = None, start: str = "") -> CodeUnit:
    own = ScriptStart({"script": files[0].path}, working_dir=start)
    return CodeUnit(own, files, (file("mlci_start.py"), *files), requirements)


def staged(
    changes: Mapping[str, str] | None = None,
    code: Mapping[str, CodeUnit] | None = None,
    images: Mapping[str, str] | None = None,
    contexts: Mapping[str, ImageContext] | None = None,
) -> Staged:
    """Return what staging makes of the flow; `changes` are texts of files by their paths."""
    texts = changes or {}
    units = {step: unit(file(path := f"src/{step}.py", texts.get(path, ""))) for step in STEPS}
    return Staged(
        {**units, **(code or {})},
        {"data/x.csv": DataUnit("data/x.csv", (file("x.csv", texts.get("data/x.csv", "")),), is_folder=False)},
        dict.fromkeys(STEPS, "mine.example/image:7") | dict(images or {}),
        contexts or {},
    )


def planned(text: str = FLOW, found: Staged | None = None, target: Target = TARGET, **params: str) -> Plan:
    return plan(load(text.encode(), "flow.yaml", params, {}), found or staged(), target)


def keys(text: str = FLOW, found: Staged | None = None, target: Target = TARGET, **params: str) -> RunKeys:
    return step_keys(planned(text, found, target, **params), {"python": "3.12.3", "numpy": "2.1.0"})


def changed(after: RunKeys) -> set[str]:
    """The steps whose keys are not those of the flow as it is."""
    before = keys()
    assert before.steps.keys() == after.steps.keys() == set(STEPS)
    return {name for name in STEPS if before.steps[name].key != after.steps[name].key}


def edited(old: str, new: str) -> str:
    assert FLOW.count(old) == 1
    return FLOW.replace(old, new)


@pytest.mark.parametrize(
    "target",
    [
        Target("other", "arn:aws:iam::000000000000:role/other", "20270101-000000-ffffff", cores=4),
        Target("bucket", TARGET.job_role, TARGET.run_id, "f" * 40, "main", True, "build:7", True, cores=8, poll_s=60),
    ],
)
def test_the_run_the_branch_and_the_account_do_not_count(target: Target) -> None:
    assert changed(keys(target=target)) == set()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("flow: small", "flow: another"),
        ("    run: src/train.py\n", "    run: src/train.py\n    instance: ml.m5.4xlarge\n"),
        ("    run: src/train.py\n", "    run: src/train.py\n    timeout: 3h\n    volume_gb: 90\n"),
        ("    run: src/train.py\n", "    run: src/train.py\n    keep_alive: 30m\n"),
        ("    run: src/train.py\n", "    run: src/train.py\n    spot: true\n    max_wait: 3d\n"),
        ("request: {", "request: {Tags: [{Key: a, Value: b}], RoleArn: 'arn:aws:iam::000000000000:role/x', "),
        ("TrainingInputMode: File}", "TrainingInputMode: File}, ResourceConfig: {InstanceType: ml.m5.4xlarge}"),
        ('"ssm:/team/token"', '"ssm:/another/token"'),
        ("min: 0.9", "min: 0.5"),
        ("    run: src/evaluate.py\n", "    run: src/evaluate.py\n    after: [prepare]\n"),
    ],
)
def test_machines_names_roles_time_limits_tags_secrets_and_conditions_do_not_count(old: str, new: str) -> None:
    assert changed(keys(edited(old, new))) == set()


def test_the_names_of_steps_do_not_count() -> None:
    renamed = keys(FLOW.replace("prepare:", "clean:").replace("steps.prepare.", "steps.clean."), clean_staged())
    assert [renamed.steps[name].key for name in ("clean", "train", "evaluate")] == [
        keys().steps[name].key for name in STEPS
    ]


def clean_staged() -> Staged:
    found = staged()
    return Staged(
        {**found.code, "clean": found.code["prepare"]}, found.data, {**found.images, "clean": found.images["prepare"]}
    )


@pytest.mark.parametrize(
    ("old", "new", "step"),
    [
        ('"0.2"', '"0.3"', "prepare"),
        ('"0.2"', "0.2, more", "prepare"),
        ('"--size"', '"${{ outputs.rest }}"', "prepare"),
        ("MODE: fast", "MODE: slow", "prepare"),
        ("MODE: fast", "MODE: fast, MORE: ''", "prepare"),
        ("[table, rest]", "[table, rest, third]", "prepare"),
        ("rate: 0.5", "rate: 0.6", "train"),
        ("rate: 0.5", "rate: '0.5'", "train"),
        ("{depth: 4}", "{depth: 5}", "train"),
        ("outputs.table", "outputs.rest", "train"),
        ("s3://elsewhere/data/", "s3://elsewhere/more/", "train"),
        ("TrainingInputMode: File", "TrainingInputMode: Pipe", "train"),
        ("    run: src/train.py\n", "    run: src/train.py\n    instance_count: 2\n", "train"),
        ("    run: src/train.py\n", "    run: src/train.py\n    checkpoints: true\n", "train"),
        ("    run: src/train.py\n", "    run: src/train.py\n    network_isolation: true\n", "train"),
        (
            "    run: src/train.py\n",
            "    run: src/train.py\n    metric_definitions: [{name: auc, regex: 'auc=(.*)'}]\n",
            "train",
        ),
        ("scores/m.json", "scores/n.json", "evaluate"),
        ("{model:", "{other:", "evaluate"),
    ],
)
def test_any_edit_of_the_flow_that_counts_changes_the_keys_of_its_step_and_of_those_after(
    old: str, new: str, step: str
) -> None:
    assert changed(keys(edited(old, new))) == AFTER[step]


def test_a_param_counts_by_its_value() -> None:
    assert changed(keys(depth="5")) == AFTER["train"]
    assert changed(keys(depth="4")) == set()


REQUIREMENTS = Requirements("requirements.txt", (file("requirements.txt"),))
CONTEXT = ImageContext("docker", "Dockerfile", {}, (file("Dockerfile"),))


@pytest.mark.parametrize(
    ("found", "step"),
    [
        (staged({"src/prepare.py": "x"}), "prepare"),
        (staged({"data/x.csv": "x"}), "prepare"),
        (staged({"src/evaluate.py": "x"}), "evaluate"),
        (staged(code={"train": unit(file("src/train.py"), file("src/lib.py"))}), "train"),
        (staged(code={"train": unit(file("src/train.py"), requirements=REQUIREMENTS)}), "train"),
        (staged(code={"train": unit(file("src/train.py"), start="src")}), "train"),
        (staged(images={"train": "mine.example/image:8"}), "train"),
        (staged(contexts={"train": CONTEXT}), "train"),
    ],
)
def test_any_edit_of_a_file_or_an_image_changes_the_keys_of_its_step_and_of_those_after(
    found: Staged, step: str
) -> None:
    assert changed(keys(found=found)) == AFTER[step]


def test_an_image_that_is_built_counts_by_what_it_is_built_from() -> None:
    def key(target: Target, folder: str, *files: StagedFile) -> str:
        context = ImageContext(folder, "Dockerfile", {}, files)
        return keys(target=target, found=staged(contexts={"train": context})).steps["train"].key

    protected = Target("bucket", "role", "20270101-000000-ffffff", is_protected=True, registry="other.example", cores=2)
    assert key(TARGET, "docker", file("Dockerfile")) == key(protected, "images", file("Dockerfile"))
    assert key(TARGET, "docker", file("Dockerfile")) != key(TARGET, "docker", file("Dockerfile", "other"))


@pytest.mark.parametrize("software", [{"python": "3.11.9", "numpy": "2.1.0"}, {"python": "3.12.3"}, {}])
def test_what_jobs_run_with_on_this_machine_counts(software: dict[str, str]) -> None:
    assert changed(step_keys(planned(), software)) == set(STEPS)


def test_objects_below_an_s3_uri_count_as_far_as_they_are_known() -> None:
    def key(objects: Mapping[str, str]) -> str:
        return step_keys(planned(), objects={"s3://elsewhere/data/": dict(objects)}).steps["train"].key

    assert key({"a.csv": "etag-1 10"}) == key({"a.csv": "etag-1 10"})
    assert len({key({}), key({"a.csv": "etag-1 10"}), key({"a.csv": "etag-2 10"}), key({"b.csv": "etag-1 10"})}) == 4


def test_a_step_that_reads_objects_which_are_not_known_has_no_key_nor_have_those_behind_it() -> None:
    found = step_keys(planned(), objects={})
    assert set(found.steps) == {"prepare"}
    assert found.without_key == tuple(name for name in STEPS if name != "prepare")
    assert set(step_keys(planned(), objects={"s3://elsewhere/data/": {}}).steps) == set(STEPS)
    assert set(step_keys(planned()).steps) == set(STEPS)
    assert step_keys(planned()).without_key == ()


def test_no_secret_name_run_or_uri_of_this_run_is_in_the_document() -> None:
    text = json.dumps(keys().to_json())
    for part in ("token", TARGET.run_id, "bucket", "role/jobs", "s3://bucket"):
        assert part not in text, part


MATRIX = """
flow: small
defaults: {image: "mine.example/image:7"}
steps:
  fit:
    uses: training
    run: src/train.py
    matrix: {depth: [1, 2]}
    hyperparameters: {depth: "${{ matrix.depth }}"}
  score:
    uses: processing
    run: src/evaluate.py
    matrix: {depth: [1, 2]}
    inputs: {model: "${{ steps.fit.outputs.model }}"}
    outputs: [scores]
    metrics: scores/m.json
  use:
    uses: processing
    run: src/prepare.py
    inputs: {model: {from: "${{ steps.fit.outputs.model }}", select: {metric: score.r2, best: max}}}
  read:
    uses: processing
    run: src/prepare.py
    inputs: {models: "${{ steps.fit.outputs.model }}"}
"""


def matrix_keys(text: str) -> RunKeys:
    flow = load(text.encode(), "flow.yaml", {}, {})
    code = {name: unit(file(step.run or "")) for name, step in flow.steps.items()}
    return step_keys(plan(flow, Staged(code, {}, dict.fromkeys(flow.steps, "i.example/i:1")), TARGET))


def test_each_cell_of_a_matrix_has_a_key() -> None:
    found = matrix_keys(MATRIX).steps
    cells = {"fit(depth=1)", "fit(depth=2)", "score(depth=1)", "score(depth=2)"}
    assert set(found) == cells | {"use", "read"}
    assert len({found[name].key for name in cells}) == 4


@pytest.mark.parametrize(
    ("old", "new", "steps"),
    [
        ("best: max", "best: min", {"use"}),
        ("score.r2", "score.mae", {"use"}),
        ("scores/m.json", "scores/n.json", {"use"}),
        ("[1, 2]", "[1, 3]", {"use", "read"}),
        ("uses: training", "uses: training\n    instance: ml.m5.4xlarge", set()),
    ],
)
def test_the_best_of_the_cells_and_all_of_them_count_by_the_keys_of_cells(old: str, new: str, steps: set[str]) -> None:
    before, after = matrix_keys(MATRIX).steps, matrix_keys(MATRIX.replace(old, new)).steps
    assert {name for name in ("use", "read") if before[name].key != after[name].key} == steps


def test_a_key_of_a_partial_run_needs_those_of_the_steps_that_are_taken() -> None:
    flow = load(FLOW.encode(), "flow.yaml", {}, {})
    names = choose_steps(flow, Part(("evaluate",))).steps
    kept = {name: flow.steps[name] for name in names}
    part = replace(flow, steps=kept, gate=(), left_out={name: flow.steps[name] for name in ("prepare", "train")})
    taken = {("train", "model"): "s3://bucket/m/", ("prepare", "rest"): "s3://bucket/r/"}
    found = plan(part, staged(), TARGET, taken=taken)  # type: ignore[arg-type]
    whole = step_keys(planned())
    assert not step_keys(found).steps
    known = {name: whole.steps[name] for name in ("prepare", "train")}
    assert step_keys(found, known=known).steps["evaluate"] == whole.steps["evaluate"]


_SCALARS = st.one_of(st.booleans(), st.integers(-9, 9), st.floats(-1, 1), st.text("ab1.", max_size=3))
_VALUES = st.dictionaries(st.sampled_from(["a", "b", "c"]), _SCALARS, max_size=3)


def _flow(hyperparameters: Mapping[str, object], env: Mapping[str, object]) -> str:
    variables = {f"V_{name}": str(value) for name, value in env.items()}
    return edited(
        '{depth: "${{ params.depth }}", rate: 0.5}', f"{json.dumps(hyperparameters)}\n    env: {json.dumps(variables)}"
    )


@settings(max_examples=25, deadline=None)
@given(_VALUES, _VALUES, _VALUES, _VALUES)
def test_two_settings_have_one_key_exactly_if_they_are_written_alike(
    left: dict[str, object], left_env: dict[str, object], right: dict[str, object], right_env: dict[str, object]
) -> None:
    is_same = json.dumps([left, {k: str(v) for k, v in left_env.items()}], sort_keys=True) == json.dumps(
        [right, {k: str(v) for k, v in right_env.items()}], sort_keys=True
    )
    one, two = keys(_flow(left, left_env)).steps, keys(_flow(right, right_env)).steps
    assert (one["train"].key == two["train"].key) is is_same
    assert one["prepare"].key == two["prepare"].key


_SCRIPT = """
import json, sys
from pathlib import Path
from mlci.flow import load
from mlci.plan import Target, plan
from mlci.reuse.step_keys import step_keys
from mlci.stage import Cache, find_repository, stage
file = Path(sys.argv[1], "flow.yaml")
flow = load(file.read_bytes(), str(file), {}, {})
found = stage(flow, find_repository(file), "eu-west-1", Cache(Path(sys.argv[2])))
keys = step_keys(plan(flow, found, Target("b", "r", sys.argv[3])))
print(json.dumps(keys.to_json()))
"""


def test_another_clone_another_process_and_another_hash_seed_have_the_same_keys(tmp_path: Path) -> None:
    texts = []
    for seed, folder, run in (("0", "one", "20261123-101530-3f9c2a"), ("7", "two/deep er", "20270101-000000-ffffff")):
        root = tmp_path / folder
        for step in STEPS:
            (root / "src").mkdir(parents=True, exist_ok=True)
            (root / "src" / f"{step}.py").write_text("import lib\n")
        (root / "src/lib.py").write_text("x = 1\n")
        (root / "data").mkdir()
        (root / "data/x.csv").write_text("1\n")
        (root / "flow.yaml").write_text(FLOW)
        done = subprocess.run(
            [sys.executable, "-c", _SCRIPT, str(root), str(tmp_path / "cache"), run],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        texts.append(done.stdout)
    assert texts[0] == texts[1]
    assert "src/lib.py" in texts[0]
