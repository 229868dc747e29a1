"""Code units: what `run` may name, where a script starts, and which files go with it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mlci.errors import InputError
from mlci.flow import load
from mlci.stage import Cache, CodeUnit, find_repository, stage

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:7"
FILES = {
    ".gitignore": "*.bin\nbuild/\n",
    "train.py": "import helper\n",
    "helper.py": "",
    "src/pkg/__init__.py": "from pkg import names\n",
    "src/pkg/names.py": "",
    "src/pkg/train.py": "import helper\nfrom . import tools\n",
    "src/pkg/tools.py": "",
    "src/pkg/app/__init__.py": "",
    "src/pkg/app/__main__.py": "",
    "tools/report": "#!/usr/bin/env python3\nimport lib\n",
    "tools/lib.py": "",
    "tools/plot.R": "#!/usr/bin/Rscript --vanilla\n",
    "tools/run.sh": "echo\n",
    "tools/plain": "text\n",
    "tools/windows.sh": "#!/bin/sh\r\necho\r\n",
    "job/entry.py": "import own\n",
    "job/own.py": "",
    "job/conf/a.yaml": "",
    "job/model.bin": "",
    "conf/a.yaml": "",
    "data/a.bin": "",
    "data/b.bin": "",
    "data/kept.csv": "",
    ".env": "TOKEN=1\n",
    "build/x.txt": "",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(text.encode())
    return tmp_path


def unit(root: Path, uses: str = "processing", **keys: object) -> CodeUnit:
    flow = {"flow": "x", "steps": {"one": {"uses": uses, "image": IMAGE, **keys}}}
    text = json.dumps(flow)
    (root / "flow.yaml").write_text(text)
    loaded = load(text.encode(), "flow.yaml", {}, {})
    return stage(loaded, find_repository(root / "flow.yaml"), "us-east-1", Cache(None)).code["one"]


def refusal(root: Path, **keys: object) -> str:
    with pytest.raises(InputError) as caught:
        unit(root, **keys)  # type: ignore[arg-type]
    return str(caught.value)


def paths(found: CodeUnit) -> set[str]:
    return {file.path for file in found.files}


def document(found: CodeUnit) -> Mapping[str, Any]:
    value: Mapping[str, Any] = json.loads(found.start.document())
    return value


def test_a_module_starts_as_python_m_does_with_what_it_imports(root: Path) -> None:
    found = unit(root, run="-m pkg.train")
    packages = {f"src/pkg/{name}.py" for name in ("__init__", "names", "train", "tools")}
    assert paths(found) == {*packages, "helper.py"}
    assert document(found) == {"run": {"module": "pkg.train"}, "import_roots": ["src"]}


def test_a_package_starts_by_its_main_module(root: Path) -> None:
    found = unit(root, run="-m pkg.app")
    assert {"src/pkg/app/__main__.py", "src/pkg/app/__init__.py", "src/pkg/__init__.py"} <= paths(found)


def test_a_module_of_another_package_is_the_images(root: Path) -> None:
    found = unit(root, run="-m papermill", args=["a.ipynb", "b.ipynb"])
    assert (paths(found), document(found)["run"]) == (set(), {"module": "papermill"})


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (
            "-m pkg.trian",
            'no module "pkg.trian" that `python -m` can run is in the repository. Did you mean "pkg.train"?',
        ),
        ("-m pkg", 'no module "pkg" that `python -m` can run is in the repository'),
        ("trian.py", '"trian.py" does not exist. Did you mean "train.py"?'),
        ("scripts/report", '"scripts/report" does not exist. Did you mean "tools/report"?'),
        ("tools", '"tools" is a folder. `run` names one script'),
        ("tools/plain", '"tools/plain" is neither a .py nor a .sh file, and has no first line `#!`'),
        ("tools/windows.sh", 'the lines of "tools/windows.sh" end as on Windows'),
        ("python train.py --fast 1", "`run` names one script. Write run: train.py, args: [--fast, 1]"),
        ("python -m pkg.train -x", "Write run: -m pkg.train, args: [-x]"),
        ("dvc repro", "Write run: dvc, args: [repro]"),
    ],
)
def test_what_is_not_there_is_refused_with_the_nearest(root: Path, run: str, message: str) -> None:
    assert message in refusal(root, run=run)


def test_a_name_without_a_file_is_a_program_of_the_image(root: Path) -> None:
    found = unit(root, run="dvc", args=["repro"])
    assert (found.start.command, found.start.needs_starter, paths(found)) == (("dvc",), False, set())
    assert document(unit(root, "training", run="dvc"))["run"] == {"command": ["dvc"]}


def test_a_script_with_another_name_runs_with_the_program_in_its_first_line(root: Path) -> None:
    assert unit(root, run="tools/plot.R").start.command == ("/usr/bin/Rscript", "--vanilla", "./tools/plot.R")
    found = unit(root, run="tools/report")
    assert (found.start.command, paths(found)) == ((), {"tools/report", "tools/lib.py"})
    (root / "tools/lib.sh").write_text("")
    assert unit(root, run="tools/run.sh", working_dir="tools").start.command == ("bash", "./run.sh")
    assert unit(root, run="tools/run.sh", working_dir="conf").start.command == ("bash", "../tools/run.sh")


def test_a_working_dir_is_where_the_script_starts(root: Path) -> None:
    found = unit(root, run="train.py", working_dir="conf")
    assert (document(found)["working_dir"], paths(found)) == ("conf", {"train.py", "helper.py"})
    assert "working_dir" not in document(unit(root, run="train.py", working_dir="."))
    assert '"config" does not exist' in refusal(root, run="train.py", working_dir="config")
    assert '"train.py" is a file. `working_dir` names a folder' in refusal(root, run="train.py", working_dir="train.py")


def test_a_source_is_sent_whole_but_for_what_git_ignores_and_is_the_root(root: Path) -> None:
    found = unit(root, "training", source="job", run="entry.py")
    assert paths(found) == {"entry.py", "own.py", "conf/a.yaml"}
    assert document(found) == {"run": {"script": "entry.py"}, "import_roots": []}
    named = unit(root, "training", source="job", run="entry.py", include=["job/model.bin"])
    assert paths(named) == {"entry.py", "own.py", "conf/a.yaml", "model.bin"}
    outside = refusal(root, source="job", run="entry.py", include=["conf/*.yaml"])
    assert '"conf/a.yaml" in `include` lies outside of `source`' in outside
    assert '"../train.py" lies outside of `source`' in refusal(root, source="job", run="../train.py")


def test_include_takes_what_git_does_not_ignore(root: Path) -> None:
    assert paths(unit(root, run="train.py", include=["data/*"])) == {"train.py", "helper.py", "data/kept.csv"}
    assert paths(unit(root, run="train.py", include=["data"])) == {"train.py", "helper.py", "data/kept.csv"}
    named = unit(root, run="train.py", include=["data/a.bin", "build/x.txt"])
    assert paths(named) == {"train.py", "helper.py", "data/a.bin", "build/x.txt"}
    ignored = refusal(root, run="train.py", include=["data/*.bin"])
    assert '"data/*.bin" in `include` matches only files that git ignores: data/a.bin, data/b.bin' in ignored
    assert "Name each of them that is needed" in ignored


def test_include_never_takes_variables_and_what_runs_left(root: Path) -> None:
    (root / ".mlci").mkdir()
    (root / ".mlci/x").write_text("")
    found = paths(unit(root, run="train.py", include=["**"]))
    assert {path for path in found if path.startswith((".env", ".git/", ".mlci"))} == set()
    assert "which is never staged" in refusal(root, run="train.py", include=[".env"])


def test_an_input_that_is_not_there_says_the_nearest(root: Path) -> None:
    assert '"data/kpet.csv" does not exist. Did you mean "data/kept.csv"?' in refusal(
        root, run="train.py", inputs={"a": "data/kpet.csv"}
    )
    assert "Paths are relative to" in refusal(root, run="train.py", inputs={"a": "nothing/like/it"})


def test_places_stand_in_the_document(root: Path) -> None:
    step = {
        "run": "tools/run.sh",
        "inputs": {"raw": {"from": "data/kept.csv", "path": "input/raw.csv"}, "plain": "conf"},
        "outputs": {"report": "out/report.txt"},
    }
    found = unit(root, **step)  # type: ignore[arg-type]
    assert document(found)["places"] == {
        "inputs": [{"name": "raw", "folder": "../raw", "path": "input/raw.csv", "names": ["raw.csv", "kept.csv"]}],
        "outputs": [{"name": "report", "folder": "../../output/report", "path": "out/report.txt"}],
    }
    names = {file.path for file in found.package}
    assert {"mlci_start.py", "mlci_start.json", "mlci_start_places.py", "mlci_start_supervise.py"} <= names
    assert found.start.needs_starter


def test_all_problems_of_a_step_are_said_at_their_keys(root: Path) -> None:
    text = (
        f"flow: x\ndefaults: {{image: '{IMAGE}', working_dir: cnof}}\nsteps:\n"
        "  a:\n    uses: processing\n    run: trian.py\n    working_dir: conf\n    include: ['*.none']\n"
        "    inputs: {i: {from: daat}}\n"
        "  b: {uses: training, run: train.py}\n"
        "  c: {uses: training, run: train.py, source: jbo}\n"
    )
    (root / "flow.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        stage(load(text.encode(), "flow.yaml", {}, {}), find_repository(root / "flow.yaml"), "us-east-1", Cache(None))
    assert str(caught.value).splitlines() == [
        'flow.yaml:2:87: step "b": "cnof" does not exist. Did you mean "conf"?',
        'flow.yaml:6:10: step "a": "trian.py" does not exist. Did you mean "train.py"?',
        'flow.yaml:8:14: step "a": "*.none" in `include` matches no file. Patterns are like `src/shared/**/*.json`.',
        'flow.yaml:9:17: step "a": "daat" does not exist. Did you mean "data"?',
        'flow.yaml:11:46: step "c": "jbo" does not exist. Did you mean "job"?',
    ]


def test_a_model_is_served_by_a_script_with_what_it_imports(root: Path) -> None:
    (root / "src/pkg/serve.py").write_text("import helper\nfrom pkg import names\n")
    found = unit(root, "training", run="train.py", inference="src/pkg/serve.py")
    files = ["helper.py", "src/pkg/__init__.py", "src/pkg/names.py", "src/pkg/serve.py"]
    assert found.start.features["inference"] == {
        "folder": "../model/code",
        "script": "src/pkg/serve.py",
        "files": files,
        "import_roots": [".", "src"],
    }
    assert {file.path for file in found.files} == {"train.py", *files}
    assert "mlci_start_inference.py" in {file.path for file in found.package}
    assert "mlci_start_inference.py" not in {file.path for file in unit(root, "training", run="train.py").package}


def test_the_serving_script_of_a_source_is_relative_to_it(root: Path) -> None:
    found = unit(root, "training", source="job", run="entry.py", inference="own.py")
    assert found.start.features["inference"] == {
        "folder": "../model/code",
        "script": "own.py",
        "files": ["own.py"],
        "import_roots": [],
    }


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"inference": "src/pkg/tool.py"}, '"src/pkg/tool.py" does not exist. Did you mean "src/pkg/tools.py"?'),
        ({"inference": "../serve.py"}, "leaves the repository"),
        ({"inference": "tools/run.sh"}, '"tools/run.sh" is no path of a Python script'),
        ({"inference": "/serve.py"}, '"/serve.py" is no path of a Python script'),
        ({"inference": "src/pkg/broken.py"}, "The script does not parse"),
    ],
)
def test_a_script_that_cannot_serve_is_refused(root: Path, keys: dict[str, str], expected: str) -> None:
    (root / "src/pkg/broken.py").write_text("def (\n")
    with pytest.raises(InputError) as raised:
        unit(root, "training", run="train.py", **keys)
    assert expected in str(raised.value)
