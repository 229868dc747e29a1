"""The example as a project of each peer: the same scripts and data, run by the same interpreter, each as a process.

Each project is what the peer's own documentation shows for such a pipeline. Telemetry and checks for updates are off:
they would be measured, too.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from overhead import copy_of_example
from timing import installed_version

STEPS = ("preprocess", "train", "evaluate")
SCRIPTS = "src/breast_cancer"

#: Each step as a command of a shell. `depth` stands for what the tool writes there.
COMMANDS: Mapping[str, str] = {
    "preprocess": (
        f"{{python}} {SCRIPTS}/preprocess.py --input=data/breast_cancer.csv --train=out/train --test=out/test"
    ),
    "train": (
        f"{{python}} {SCRIPTS}/train.py --train out/train --model-dir out/model --max_depth {{depth}} --num_round 100"
        " && tar -czf out/model.tar.gz -C out/model ."
    ),
    "evaluate": f"{{python}} {SCRIPTS}/evaluate.py --model=out/model.tar.gz --test=out/test --output=out/evaluation",
}
#: A file that each step writes, by which it is seen that the step ran.
OUTPUTS: Mapping[str, str] = {
    "preprocess": "out/train/train.csv",
    "train": "out/model.tar.gz",
    "evaluate": "out/evaluation/metrics.json",
}


@dataclass(frozen=True)
class Commands:
    """The command of a tool in each case."""

    cold: Sequence[str]
    unchanged: Sequence[str]
    evaluate: Sequence[str]
    param: Callable[[int], Sequence[str]]


@dataclass
class Project:
    """A project in a folder. `left` is all that a run leaves, and `set_depth` changes a param that a file holds."""

    folder: Path
    commands: Commands
    left: Sequence[str]
    set_depth: Callable[[int], None] = lambda depth: None
    env: Mapping[str, str] = field(default_factory=dict)

    def clear(self) -> None:
        """Removes all that runs left."""
        for name in self.left:
            path = self.folder / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def edit(self, number: int) -> None:
        """Changes evaluate.py, but not what it does."""
        with (self.folder / SCRIPTS / "evaluate.py").open("a", encoding="utf-8") as file:
            file.write(f"# edit {number}\n")

    def written(self) -> dict[str, int]:
        """The times at which the steps' outputs were written."""
        files = {step: self.folder / name for step, name in OUTPUTS.items()}
        return {step: file.stat().st_mtime_ns for step, file in files.items() if file.exists()}

    def ran(self, before: Mapping[str, int]) -> set[str]:
        """The steps that ran since their outputs were written as `before` says."""
        return {step for step, time in self.written().items() if before.get(step) != time}


class MlciProject(Project):
    """mlci's outputs lie in its store; which steps ran is in the result."""

    def ran(self, before: Mapping[str, int]) -> set[str]:
        steps = json.loads((self.folder / ".mlci" / "latest" / "result.json").read_text())["steps"]
        return {name for name, step in steps.items() if step["status"] == "succeeded"}


def command(step: str, depth: str = "4") -> str:
    return COMMANDS[step].format(python=sys.executable, depth=depth)


def _write(folder: Path, name: str, text: str) -> None:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(text).lstrip(), encoding="utf-8")


def _example(folder: Path) -> None:
    copy_of_example(folder)
    (folder / ".gitignore").write_text("/out/\n.mlci/\n__pycache__/\n")


# --- A shell ---


def shell(folder: Path, programs: Path) -> Project:
    """The scripts by a shell: what all tools are compared with."""
    _example(folder)

    def lines(steps: Sequence[str], depth: int = 4) -> Sequence[str]:
        return ("sh", "-ec", "\n".join(command(step, str(depth)) for step in steps))

    commands = Commands(
        lines(STEPS), lines(()), lines(("evaluate",)), lambda depth: lines(("train", "evaluate"), depth)
    )
    return Project(folder, commands, ("out",))


# --- mlci ---


def mlci(folder: Path, programs: Path) -> Project:
    _example(folder)
    run = (sys.executable, "pipeline.py")
    param = lambda depth: (*run, "--param", f"max_depth={depth}")  # noqa: E731
    return MlciProject(folder, Commands(run, run, run, param), (".mlci",))


# --- DVC: https://dvc.org/doc/user-guide/pipelines/defining-pipelines ---

_DVC_STAGES = """
stages:
  preprocess:
    cmd: {preprocess}
    deps:
      - data/breast_cancer.csv
      - {scripts}/features.py
      - {scripts}/preprocess.py
    outs:
      - out/train
      - out/test
  train:
    cmd: {train}
    params:
      - max_depth
    deps:
      - {scripts}/features.py
      - {scripts}/train.py
      - out/train
    outs:
      - out/model.tar.gz
  evaluate:
    cmd: {evaluate}
    deps:
      - {scripts}/features.py
      - {scripts}/evaluate.py
      - out/model.tar.gz
      - out/test
    metrics:
      - out/evaluation/metrics.json:
          cache: false
"""


def dvc(folder: Path, programs: Path) -> Project:
    _example(folder)
    steps = {step: command(step, "${max_depth}") for step in STEPS}
    _write(folder, "dvc.yaml", _DVC_STAGES.format(scripts=SCRIPTS, **steps))
    _write(folder, "params.yaml", "max_depth: 4\n")
    for words in (("init", "-q"), ("config", "core.analytics", "false"), ("config", "core.check_update", "false")):
        subprocess.run([programs / "dvc", *words], cwd=folder, check=True, capture_output=True)
    repro = (str(programs / "dvc"), "repro", "--quiet")
    return Project(
        folder,
        Commands(repro, repro, repro, lambda depth: repro),
        ("out", "dvc.lock", ".dvc/cache", ".dvc/tmp"),
        lambda depth: _write(folder, "params.yaml", f"max_depth: {depth}\n"),
    )


# --- Snakemake: https://snakemake.readthedocs.io/en/stable/snakefiles/rules.html ---

_SNAKEFILE = """
configfile: "config.yaml"

rule all:
    input: "out/evaluation/metrics.json"

rule preprocess:
    input: "data/breast_cancer.csv", "{scripts}/features.py", "{scripts}/preprocess.py"
    output: "out/train/train.csv", "out/test/test.csv"
    shell: "{preprocess}"

rule train:
    input: "out/train/train.csv", "{scripts}/features.py", "{scripts}/train.py"
    output: "out/model.tar.gz"
    params: max_depth=config["max_depth"]
    shell: "{train}"

rule evaluate:
    input: "out/model.tar.gz", "out/test/test.csv", "{scripts}/features.py", "{scripts}/evaluate.py"
    output: "out/evaluation/metrics.json"
    shell: "{evaluate}"
"""


def snakemake(folder: Path, programs: Path) -> Project:
    _example(folder)
    steps = {step: command(step, "{params.max_depth}") for step in STEPS}
    _write(folder, "Snakefile", _SNAKEFILE.format(scripts=SCRIPTS, **steps))
    _write(folder, "config.yaml", "max_depth: 4\n")
    run = (str(programs / "snakemake"), "--cores", "1", "--quiet", "all")
    return Project(
        folder,
        Commands(run, run, run, lambda depth: run),
        ("out", ".snakemake"),
        lambda depth: _write(folder, "config.yaml", f"max_depth: {depth}\n"),
    )


# --- Kedro: https://docs.kedro.org/en/stable/ ---

_KEDRO_FILES: Mapping[str, str] = {
    "pyproject.toml": """
        [tool.kedro]
        package_name = "tumours"
        project_name = "Tumours"
        kedro_init_version = "{version}"
        """,
    "src/tumours/__init__.py": "",
    "src/tumours/settings.py": "",
    "src/tumours/pipeline_registry.py": """
        import json
        import subprocess
        from pathlib import Path

        from kedro.pipeline import Pipeline, node


        def preprocess(raw):
            run({preprocess!r})
            return {{"train": "out/train", "test": "out/test"}}


        def train(split, max_depth):
            run({train!r}.replace("DEPTH", str(max_depth)))
            return {{"model": "out/model.tar.gz"}}


        def evaluate(model, split):
            run({evaluate!r})
            return json.loads(Path("out/evaluation/metrics.json").read_text())


        def run(command):
            subprocess.run(command, shell=True, check=True)


        def register_pipelines():
            nodes = [
                node(preprocess, "raw", "split", name="preprocess"),
                node(train, ["split", "params:max_depth"], "model", name="train"),
                node(evaluate, ["model", "split"], "metrics", name="evaluate"),
            ]
            return {{"__default__": Pipeline(nodes)}}
        """,
    "conf/base/parameters.yml": "max_depth: 4\n",
    "conf/base/catalog.yml": """
        raw:
          type: text.TextDataset
          filepath: data/breast_cancer.csv
        split:
          type: json.JSONDataset
          filepath: out/kedro/split.json
        model:
          type: json.JSONDataset
          filepath: out/kedro/model.json
        metrics:
          type: json.JSONDataset
          filepath: out/kedro/metrics.json
        """,
    "conf/local/credentials.yml": "",
}


def kedro(folder: Path, programs: Path) -> Project:
    """Kedro knows no changes: what is to run is told by options."""
    _example(folder)
    steps = {step: command(step, "DEPTH") for step in STEPS}
    for name, text in _KEDRO_FILES.items():
        _write(
            folder, name, text.format(version=installed_version(programs, "kedro"), **steps) if text.lstrip() else ""
        )
    run = (str(programs / "kedro"), "run")
    return Project(
        folder,
        Commands(
            run,
            (*run, "--only-missing-outputs"),
            (*run, "--from-nodes", "evaluate"),
            lambda depth: (*run, "--from-nodes", "train", "--params", f"max_depth={depth}"),
        ),
        ("out",),
        env={"KEDRO_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"},
    )


# --- Metaflow: https://docs.metaflow.org/metaflow/debugging ---

_METAFLOW = """
import subprocess

from metaflow import FlowSpec, Parameter, step


class Tumours(FlowSpec):
    max_depth = Parameter("max_depth", default=4)

    @step
    def start(self):
        run({preprocess!r})
        self.next(self.train)

    @step
    def train(self):
        run({train!r}.replace("DEPTH", str(self.max_depth)))
        self.next(self.end)

    @step
    def end(self):
        run({evaluate!r})


def run(command):
    subprocess.run(command, shell=True, check=True)


if __name__ == "__main__":
    Tumours()
"""


def metaflow(folder: Path, programs: Path) -> Project:
    """Metaflow resumes a run from a step that is named; a run with another param runs all steps."""
    _example(folder)
    _write(folder, "flow.py", _METAFLOW.format(**{step: command(step, "DEPTH") for step in STEPS}))
    flow = (str(programs / "python"), "flow.py", "--quiet", "--no-pylint")
    home = folder / "home"
    home.mkdir()
    env = {"METAFLOW_DEFAULT_METADATA": "local", "METAFLOW_DEFAULT_DATASTORE": "local", "METAFLOW_USER": "benchmark"}
    return Project(
        folder,
        Commands(
            (*flow, "run"),
            (*flow, "resume"),
            (*flow, "resume", "end"),
            lambda depth: (*flow, "run", "--max_depth", str(depth)),
        ),
        ("out", ".metaflow"),
        env={**env, "METAFLOW_HOME": str(home), "HOME": str(home)},
    )


#: What pip installs for each peer.
REQUIREMENTS: Mapping[str, Sequence[str]] = {
    "DVC": ("dvc",),
    "Snakemake": ("snakemake",),
    "Kedro": ("kedro", "kedro-datasets"),
    "Metaflow": ("metaflow",),
}
PROJECTS: Mapping[str, Callable[[Path, Path], Project]] = {
    "shell": shell,
    "mlci": mlci,
    "DVC": dvc,
    "Snakemake": snakemake,
    "Kedro": kedro,
    "Metaflow": metaflow,
}


def environment_folder(peers: Path, name: str) -> Path:
    return peers / name.lower()
