"""The emulator starts a hand-written training job as the toolkit in its image does, or refuses it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlci.step_types import hyperparameters as runner
from mlci_emulator.jobs import image_toolkits
from mlci_emulator.jobs.requests import UnsupportedRequest, training
from support.local_jobs import JobHarness, sourcedir, training_request
from support.toolkit_cases import ALONE, BROKEN_BY_A_SHELL, LAYOUTS, VALUES

REGISTRY = "683313688378.dkr.ecr.us-east-1.amazonaws.com"
#: The images that `ALONE` has a column for, by its number.
IMAGES = {
    0: f"{REGISTRY}/sagemaker-xgboost:1.7-1",
    1: f"{REGISTRY}/sagemaker-scikit-learn:1.2-1-cpu-py3",
    2: "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.1-cpu-py310",
}
#: Layouts on which a toolkit fails because of its `pip install .`, or of a module that hides one of its own. The
#: emulator installs nothing, says so in the log of the first kind, and has no toolkit in the script's environment.
NOT_SEEN_HERE = {
    "setup.py that fails",
    "pyproject.toml of another builder",
    "modules at the root that are the toolkits'",
    "modules at the root that are Python's",
    "a name of Python's own, at the root",
}


def request(image: str, program: str, values: dict[str, str] | None = None, **changes: Any) -> dict[str, Any]:
    fixed = {"sagemaker_program": json.dumps(program), "sagemaker_submit_directory": '"s3://b/sourcedir.tar.gz"'}
    algorithm = {"TrainingImage": image, "TrainingInputMode": "File"}
    changes = {"AlgorithmSpecification": algorithm, "HyperParameters": {**(values or {}), **fixed}, **changes}
    return training_request(**changes)


@pytest.fixture
def harness(tmp_path: Path) -> JobHarness:
    return JobHarness(tmp_path)


def outcome(harness: JobHarness, image: str, name: str) -> str:
    """Returns "runs", "fails", or "refused": what comes of a layout that is started without mlci's starter."""
    layout = LAYOUTS[name]
    harness.store.put_bytes(sourcedir(layout.files), "s3://b/sourcedir.tar.gz")
    environment = {"PROBE_FILE": str(harness.root / "probe.json"), "PYTHONPATH": "/opt/ml/code/src:/opt/ml/code"}
    asked = request(image, layout.script, {"eta": "0.1"}, Environment=environment)
    try:
        training(asked)
    except UnsupportedRequest:
        return "refused"
    with harness.jobs() as jobs:
        described = harness.run("CreateTrainingJob", asked, jobs)
    return "runs" if described["TrainingJobStatus"] == "Completed" else "fails"


def expected(column: int, name: str) -> set[str]:
    return {"fails", "refused"} if ALONE[name].split()[column] == "fails" else {"runs"}


QUICK = {"script in a folder": 0, "script at the root": 0, "a space in the name": 2, "setup.py, script in a folder": 1}


@pytest.mark.parametrize(("name", "column"), QUICK.items())
def test_a_layout_starts_where_the_toolkit_of_the_image_starts_it(name: str, column: int, harness: JobHarness) -> None:
    assert outcome(harness, IMAGES[column], name) in expected(column, name)


@pytest.mark.slow
@pytest.mark.parametrize("column", IMAGES)
@pytest.mark.parametrize("name", sorted(LAYOUTS.keys() - NOT_SEEN_HERE))
def test_every_layout_starts_where_its_toolkit_starts_it(name: str, column: int, harness: JobHarness) -> None:
    assert outcome(harness, IMAGES[column], name) in expected(column, name)


def test_the_xgboost_image_says_that_there_is_no_such_module(harness: JobHarness) -> None:
    harness.store.put_bytes(sourcedir({"src/m/train.py": "print('ran')"}), "s3://b/sourcedir.tar.gz")
    with harness.jobs() as jobs:
        described = harness.run("CreateTrainingJob", request(IMAGES[0], "src/m/train.py"), jobs)
    assert described["TrainingJobStatus"] == "Failed"
    assert "No module named src/m/train" in described["FailureReason"]


def test_the_xgboost_image_starts_a_module_without_its_suffix(harness: JobHarness) -> None:
    harness.store.put_bytes(sourcedir({"m/train.py": "open('/opt/ml/model/x', 'w')"}), "s3://b/sourcedir.tar.gz")
    with harness.jobs() as jobs:
        described = harness.run("CreateTrainingJob", request(IMAGES[0], "m.train"), jobs)
    assert described["TrainingJobStatus"] == "Completed", described


def test_a_shell_script_needs_no_first_line_and_gets_exact_arguments(harness: JobHarness) -> None:
    script = 'echo "$0|$*" >&2; exit 3'
    harness.store.put_bytes(sourcedir({"train.sh": script}), "s3://b/sourcedir.tar.gz")
    with harness.jobs() as jobs:
        described = harness.run("CreateTrainingJob", request("mine:1", "train.sh", {"words": '"a  $b"'}), jobs)
    assert "./train.sh|--words a  $b" in described["FailureReason"]


def test_a_setup_that_is_not_installed_is_named_in_the_log(harness: JobHarness) -> None:
    harness.store.put_bytes(sourcedir({"train.py": "", "setup.py": ""}), "s3://b/sourcedir.tar.gz")
    with harness.jobs() as jobs:
        assert harness.run("CreateTrainingJob", request("mine:1", "train.py"), jobs)["TrainingJobStatus"] == "Completed"
    assert "setup.py is installed by the container on SageMaker. Here it is not" in harness.log("job").read_text()


@pytest.mark.parametrize("name", VALUES)
def test_a_value_that_a_shell_changes_is_refused_on_images_with_a_shell(name: str) -> None:
    values = {name: VALUES[name]}
    assert image_toolkits.refusal(IMAGES[1], "train.py", values) is None
    refused = image_toolkits.refusal(IMAGES[2], "train.py", values)
    if name in BROKEN_BY_A_SHELL:
        assert refused is not None
        assert name in refused
    elif name not in ("ünïcode", "-dash"):  # a shell leaves them alone; refusing them costs nothing
        assert refused is None
    sent = runner.encode_hyperparameters(values, "train.py")
    assert image_toolkits.refusal(IMAGES[2], "mlci_start.py", sent) is None


@pytest.mark.parametrize("name", sorted(runner.DISTRIBUTED))
@pytest.mark.parametrize("image", ["mine:1", *IMAGES.values()])
def test_several_processes_are_refused_and_settings_that_are_off_are_not(name: str, image: str) -> None:
    with pytest.raises(UnsupportedRequest, match=f"{name} starts several processes"):
        training(request(image, "train.py", {name: "true"}))
    assert training(request(image, "train.py", {name: "false"})).program == "train.py"


def test_the_runner_and_the_emulator_refuse_the_same_settings() -> None:
    assert image_toolkits.DISTRIBUTED == runner.DISTRIBUTED


@pytest.mark.parametrize("arguments", [["--a", '"whole"'], ["--a", "plain"], []])
def test_the_scikit_learn_image_strips_quotes_from_the_last_argument(arguments: list[str]) -> None:
    toolkit = image_toolkits.image_toolkit(IMAGES[1])
    command = image_toolkits.start_command(toolkit, "python", "train.py", arguments, has_setup=False)
    assert command == ("python", "train.py", *[argument.strip('"') for argument in arguments])


@pytest.mark.parametrize(
    ("image", "toolkit"),
    [
        ("sagemaker-xgboost", image_toolkits.ImageToolkit(runs_modules=True)),
        (f"{REGISTRY}/sagemaker-xgboost@sha256:00", image_toolkits.ImageToolkit(runs_modules=True)),
        ("x/huggingface-pytorch-training:2", image_toolkits.ImageToolkit(has_shell=True)),
        ("x/tensorflow-training:2", image_toolkits.ImageToolkit(has_shell=True)),
        ("x/my-xgboost:2", image_toolkits.ImageToolkit()),
        ("localhost:5000/mine", image_toolkits.ImageToolkit()),
    ],
)
def test_an_image_is_known_by_its_repository(image: str, toolkit: image_toolkits.ImageToolkit) -> None:
    assert image_toolkits.image_toolkit(image) == toolkit
