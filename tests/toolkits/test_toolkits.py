"""SageMaker's training toolkits run each layout and each hyperparameter, with the starter and without it.

Each test runs a real toolkit on an archive that mlci makes, and the same script by `python SCRIPT`, and compares what
the script sees. The tests without the starter record what the toolkits do alone. One of them that fails with a new
version of a toolkit shows that the starter has less to do.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from mlci.flow import load
from mlci.flow.models import Flow
from mlci.stage import Cache, CodeUnit, find_repository, stage
from mlci.stage.archive import source_archive
from mlci.stage.script_package import packaged
from mlci.step_types import hyperparameters as encoding
from mlci.step_types.script_start import STARTER, ScriptStart
from support.toolkit_cases import ALONE, BROKEN_BY_A_SHELL, ENDINGS, LAYOUTS, PROBE, SAME, VALUES, Layout
from support.training_toolkits import (
    INFERENCE,
    TOOLKITS,
    TRAINING_5_0,
    Image,
    Missing,
    Result,
    Toolkit,
    make_environment,
    write,
)

pytestmark = pytest.mark.toolkits

BY_SHELL = [toolkit for toolkit in TOOLKITS if not toolkit.quotes]
BY_SHELL_NAMES = [toolkit.name for toolkit in BY_SHELL]
WITHOUT_SHELL = [toolkit for toolkit in TOOLKITS if toolkit.quotes]
WITHOUT_SHELL_NAMES = [toolkit.name for toolkit in WITHOUT_SHELL]


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = os.environ.get("MLCI_TOOLKITS")
    return Path(folder) if folder else tmp_path_factory.mktemp("toolkits")


@pytest.fixture(params=TOOLKITS, ids=lambda toolkit: toolkit.name)
def image(request: pytest.FixtureRequest, environments: Path, tmp_path: Path) -> Image:
    toolkit: Toolkit = request.param
    image = Image(toolkit, tmp_path)
    try:
        image.build(environments)
    except Missing as missing:
        pytest.skip(str(missing))
    return image


def unit_of(folder: Path, script: str, files: Mapping[str, str], **keys: object) -> CodeUnit:
    """The code unit that mlci stages of a flow with one training step; `keys` are more of the step's."""
    write(folder, files)
    flow_text = {
        "flow": "table",
        "steps": {
            "train": {
                "uses": "training",
                "run": script,
                "image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/x:1",
                "instance": "ml.m5.large",
                "include": sorted({path.split("/")[0] for path in files}),
                **keys,
            }
        },
    }
    flow: Flow = load(json.dumps(flow_text).encode(), "flow.yaml", {}, {})
    (folder / "flow.yaml").write_text("")
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    return stage(flow, find_repository(folder / "flow.yaml"), "eu-west-1", Cache(None)).code["train"]


def with_starter(image: Image, unit: CodeUnit, hyperparameters: Mapping[str, str], args: Sequence[str] = ()) -> Result:
    sent = encoding.encode_hyperparameters(hyperparameters, args)
    return image.train(source_archive(unit.package), {**sent, "sagemaker_program": json.dumps(STARTER)})


def without_starter(image: Image, unit: CodeUnit, hyperparameters: Mapping[str, str]) -> Result:
    """Run the script as mlci would if there were no starter: by its path, and with a PYTHONPATH for its imports."""
    sent = {**hyperparameters, "sagemaker_program": json.dumps(unit.start.run["script"])}
    return image.train(source_archive(unit.files), sent, unit.start.import_roots)


def arguments_of(hyperparameters: Mapping[str, str]) -> list[str]:
    """The arguments that the toolkits promise in their documentation."""
    result = []
    for name, value in sorted(hyperparameters.items()):
        result += [f"--{name}" if len(name) > 1 else f"-{name}", encoding.argument(encoding.decoded(value))]
    return result


def view(result: Result) -> dict[str, object]:
    return {name: result.probe[name] for name in SAME if name in result.probe}


LAYOUT = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)


@LAYOUT
def test_a_script_sees_what_it_sees_when_a_person_starts_it(image: Image, layout: Layout, tmp_path: Path) -> None:
    unit = unit_of(tmp_path / "repository", layout.script, layout.files)
    person = image.person(layout.command(["--eta", "0.1"]), layout.files, unit.start.import_roots)
    result = with_starter(image, unit, {"eta": "0.1"})
    assert person.exit_code == 0, person.log
    assert view(person), "the script wrote nothing of itself"
    assert (result.exit_code, view(result)) == (0, view(person)), result.log


def outcome(result: Result, person: Result) -> str:
    """ "same" as for a person, "differs" in what the script sees, or "fails"."""
    if result.exit_code != 0 or not view(result):
        return "fails"
    return "same" if view(result) == view(person) else "differs"


@LAYOUT
def test_the_toolkits_alone_start_fewer_layouts(image: Image, layout: Layout, tmp_path: Path) -> None:
    unit = unit_of(tmp_path / "repository", layout.script, layout.files)
    person = image.person(layout.command(["--eta", "0.1"]), layout.files, unit.start.import_roots)
    result = without_starter(image, unit, {"eta": "0.1"})
    name = next(name for name, listed in LAYOUTS.items() if listed is layout)
    expected = dict(zip([toolkit.name for toolkit in TOOLKITS], ALONE[name].split(), strict=True))
    assert outcome(result, person) == expected[image.toolkit.name], (view(person), view(result), result.log)


@pytest.mark.parametrize("source", ENDINGS.values(), ids=ENDINGS)
def test_a_script_fails_with_the_exit_code_and_the_text_that_a_person_gets(
    image: Image, source: str, tmp_path: Path
) -> None:
    person = image.person(["python", "train.py"], {"train.py": source}, ())
    files = unit_of(tmp_path / "repository", "ok.py", {"ok.py": "", "train.py": source}).files
    start = ScriptStart({"script": "train.py"})
    unit = CodeUnit(start, files, packaged(files, start, "archive"))
    result = with_starter(image, unit, {})
    assert person.exit_code != 0
    assert result.exit_code != 0
    assert lines(person.log) == "" or lines(person.log) in lines(result.log)
    assert "mlci_start.py" not in "".join(line for line in result.log.splitlines() if line.startswith("  File"))
    if image.toolkit.environment.package == "sagemaker_training":
        by_shell = not image.toolkit.quotes and person.exit_code < 0  # a shell gives 128 and the signal's number
        assert f"ExitCode {128 - person.exit_code if by_shell else person.exit_code}\n" in result.failure


def lines(text: str) -> str:
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())


def test_every_value_arrives_exact_in_everything_that_scripts_read(image: Image, tmp_path: Path) -> None:
    reader = (
        "\nimport json, os\nfile = os.path.join(os.environ['SM_INPUT_CONFIG_DIR'], 'hyperparameters.json')\n"
        "IMPORTED = json.load(open(file, encoding='utf-8'))\n"
    )
    unit = unit_of(tmp_path / "repository", "src/train.py", {"src/train.py": reader + PROBE})
    result = with_starter(image, unit, VALUES)
    meant = {name: encoding.decoded(value) for name, value in VALUES.items()}
    assert result.exit_code == 0, result.log
    assert result.probe["argv"] == ["src/train.py", *arguments_of(VALUES)]
    assert result.probe["user_args"] == arguments_of(VALUES)
    assert result.probe["hps"] == result.probe["training_env"] == meant
    variables = result.probe["hyperparameters"]
    assert isinstance(variables, dict)
    assert variables["SM_HP_WORDS"] == "a b"
    assert variables["SM_HP_LIST"] == "[1,2]"
    assert variables["SM_HP_LINES"] == "one\ntwo\r\n\tthree"
    assert (result.probe["entry_point"], result.probe["module"]) == ("src/train.py", "src/train")
    file = result.probe["imported"]
    assert isinstance(file, dict)
    assert {name: value for name, value in file.items() if not name.startswith("sagemaker_")} == VALUES
    assert file["sagemaker_program"] == '"src/train.py"'
    assert not list(tmp_path.rglob("PWNED*"))


def arguments(result: Result) -> list[str] | None:
    """The arguments that the script got; None if it did not run to its end."""
    argv = result.probe.get("argv")
    return argv[1:] if isinstance(argv, list) and result.exit_code == 0 else None


#: What a shell, a toolkit or a parser of arguments could change.
ARGUMENTS = [
    "fit",
    "model.depth=[2, 3]",
    "+trainer={a: 1}",
    "--flag",
    "-x",
    "--",
    "it's",
    "$HOME `x` *",
    "",
    "a\nb",
    "ü",
]


def test_arguments_arrive_exact_and_before_hyperparameters(image: Image, tmp_path: Path) -> None:
    unit = unit_of(tmp_path / "repository", "train.py", {"train.py": PROBE})
    result = with_starter(image, unit, {"eta": "0.1"}, ARGUMENTS)
    assert arguments(result) == [*ARGUMENTS, "--eta", "0.1"], result.log
    assert result.probe["user_args"] == [*ARGUMENTS, "--eta", "0.1"]


def test_a_module_runs_as_python_m_does(image: Image, tmp_path: Path) -> None:
    module = {"src/pkg/__init__.py": "X = 1", "src/pkg/train.py": "from . import X\nIMPORTED = X\n" + PROBE}
    result = with_starter(image, unit_of(tmp_path / "module", "-m pkg.train", module), {})
    assert (result.exit_code, result.probe["imported"]) == (0, 1), result.log


def test_a_script_in_a_source_folder_reads_and_writes_relative_paths(image: Image, tmp_path: Path) -> None:
    files = {"job/train.py": PROBE + "\nopen('models/m.txt', 'w').write(open('conf/a').read())\n", "job/conf/a": "text"}
    keys = {"source": "job", "include": [], "outputs": {"model": "models/m.txt"}}
    result = with_starter(image, unit_of(tmp_path / "source", "train.py", files, **keys), {})
    assert result.exit_code == 0, result.log
    assert [path.read_text() for path in tmp_path.rglob("model/m.txt")] == ["text"]


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("image", BY_SHELL, ids=BY_SHELL_NAMES, indirect=True)
def test_a_toolkit_with_a_shell_breaks_values(image: Image, name: str, tmp_path: Path) -> None:
    given = {name: VALUES[name]}
    unit = unit_of(tmp_path / "repository", "train.py", {"train.py": PROBE})
    result = without_starter(image, unit, given)
    assert (arguments(result) != arguments_of(given)) == (name in BROKEN_BY_A_SHELL), (result.probe, result.log)


@pytest.mark.parametrize("image", WITHOUT_SHELL, ids=WITHOUT_SHELL_NAMES, indirect=True)
def test_the_other_toolkits_break_no_value(image: Image, tmp_path: Path) -> None:
    unit = unit_of(tmp_path / "repository", "train.py", {"train.py": PROBE})
    result = without_starter(image, unit, VALUES)
    assert arguments(result) == arguments_of(VALUES), result.log


@pytest.mark.parametrize("image", WITHOUT_SHELL, ids=WITHOUT_SHELL_NAMES, indirect=True)
def test_version_5_0_strips_quotes_from_the_last_argument(image: Image, tmp_path: Path) -> None:
    unit = unit_of(tmp_path / "repository", "train.py", {"train.py": PROBE})
    result = without_starter(image, unit, {"quoted": VALUES["quoted"]})
    strips = image.toolkit.environment is TRAINING_5_0
    assert arguments(result) == ["--quoted", "whole" if strips else '"whole"'], result.log


def test_requirements_are_installed_by_the_toolkits_that_do(image: Image, tmp_path: Path) -> None:
    files = {"train.py": PROBE, "requirements.txt": "there-is-no-such-package-of-mlci==1\n"}
    result = with_starter(image, unit_of(tmp_path / "repository", "train.py", files), {})
    assert result.exit_code != 0
    assert "there-is-no-such-package-of-mlci" in result.log


def test_the_starter_collects_metrics_under_each_toolkit(image: Image, tmp_path: Path) -> None:
    script = """
import os, pathlib, sys
pathlib.Path("reports").mkdir()
pathlib.Path("reports/m.json").write_text('{"auc": 0.90}')
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "row.csv").write_text("f1\\n0.5\\n")
print("loss=0.5"), print("loss=0.25", file=sys.stderr)
"""
    unit = unit_of(
        tmp_path / "repository",
        "src/train.py",
        {"src/train.py": script},
        metrics=["reports/m.json", "/opt/ml/output/data/row.csv"],
        metric_definitions=[{"name": "loss", "regex": "loss=([0-9.]+)"}],
    )
    result = with_starter(image, unit, {})
    assert result.exit_code == 0, result.log
    collected = json.loads((image.folder / "ml" / "mlci-metrics" / "metrics.json").read_text())
    assert collected.pop("loss") in (0.5, 0.25)
    assert collected == {"auc": 0.9, "f1": 0.5}


SERVED = {
    "src/app/train.py": "import os\nopen(os.environ['SM_MODEL_DIR'] + '/weights.txt', 'w').write('2')\n",
    "src/app/inference.py": (
        "import near\nfrom pkg.rows import rows\n\n\ndef model_fn(folder):\n"
        "    return float(open(folder + '/weights.txt').read())\n\n\ndef input_fn(data, content_type):\n"
        "    return rows(data)\n\n\ndef predict_fn(values, model):\n    return near.scaled(values, model)\n\n\n"
        "def output_fn(values, accept):\n    return str(values)\n"
    ),
    "src/app/near.py": "def scaled(values, model):\n    return [value * model for value in values]\n",
    "src/pkg/__init__.py": "",
    "src/pkg/rows.py": "def rows(text):\n    return [float(line) for line in text.split()]\n",
}
#: The call by which the images of XGBoost and scikit-learn load a script:
#: sagemaker-containers, _modules.py: import_module, and _server.py: start.
IMPORTED = """
from sagemaker_containers.beta.framework import env, modules
serving = env.ServingEnv()
script = modules.import_module(serving.module_dir, serving.module_name)
print("answer", script.output_fn(script.predict_fn(script.input_fn("1 2", ""), script.model_fn(env.model_dir)), ""))
"""
#: The call of the servers of XGBoost and PyTorch, which have the model's code on PYTHONPATH:
#: sagemaker-inference-toolkit, transformer.py.
TRANSFORMED = """
from sagemaker_inference import environment
from sagemaker_inference.transformer import Transformer
transformer = Transformer()
transformer.validate_and_initialize(environment.model_dir)
print("answer", transformer._default_transform_fn(transformer._model, "1 2", "text/csv", "text/csv"))
"""


def test_the_images_serve_a_model_by_the_script_in_it(image: Image, environments: Path, tmp_path: Path) -> None:
    """Its imports are found where a toolkit copies the code, installs it, or takes it as it is, without an index."""
    unit = unit_of(tmp_path / "repository", "src/app/train.py", SERVED, inference="src/app/inference.py", include=[])
    result = with_starter(image, unit, {})
    assert result.exit_code == 0, result.log
    base = image.folder / "ml"
    variables = {
        "PATH": os.defpath,
        "HOME": str(tmp_path),
        "SAGEMAKER_BASE_DIR": str(base),
        "SAGEMAKER_PROGRAM": "inference.py",
        "SAGEMAKER_SUBMIT_DIRECTORY": str(base / "model" / "code"),
        "PIP_NO_INDEX": "1",
    }
    served = {make_environment(INFERENCE, environments): (TRANSFORMED, {"PYTHONPATH": str(base / "model" / "code")})}
    if image.toolkit.environment.package == "sagemaker_containers":
        shutil.rmtree(base / "code")  # that of the training, which no serving container has
        served[image.python] = (IMPORTED, {})
    for python, (statements, more) in served.items():
        command = [str(python), "-c", statements]
        done = subprocess.run(command, env={**variables, **more}, cwd="/", capture_output=True, text=True, timeout=120)
        assert "answer [2.0, 4.0]" in done.stdout, done.stdout + done.stderr
