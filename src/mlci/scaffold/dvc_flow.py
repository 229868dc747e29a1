"""The stages of a dvc.yaml → a drafted flow: each becomes a processing step that runs the same script.

Scripts keep their relative paths: an input has the path that the script reads, an output that which it writes, and
the working folder is the stage's.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mlci.scaffold.draft_flow import DraftStep, DraftValue, name_for
from mlci.scaffold.dvc_stages import DvcPipeline, DvcStage
from mlci.scaffold.repository_survey import Survey
from mlci.scaffold.shell_command import parse_command

_MAX_INPUTS, _MAX_OUTPUTS = 9, 10
_CODE_ENDINGS = (".py", ".sh", ".ipynb", ".r", ".R", ".yaml", ".yml", ".toml", ".cfg", ".ini")


@dataclass(frozen=True)
class _Output:
    """An output of a step, at a path of the repository."""

    step: str
    name: str
    path: str


@dataclass
class _Keys:
    """The keys of a step while it is translated, and what could not be."""

    inputs: dict[str, DraftValue] = field(default_factory=dict)
    include: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def dvc_steps(pipeline: DvcPipeline, survey: Survey) -> tuple[list[DraftStep], list[str]]:
    """Returns the steps of a pipeline, in its order, and the metrics that rules could name."""
    names: dict[str, str] = {}
    for stage in pipeline.stages:
        names[stage.name] = name_for(stage.name, names.values())
    outputs = [output for stage in pipeline.stages for output in _outputs(stage, names[stage.name])]
    steps = [_step(stage, names[stage.name], outputs, pipeline, survey) for stage in pipeline.stages]
    metrics = [f"{step.name}.{name}" for step in steps if "metrics" in step.keys for name in _numbers(step, survey)]
    return steps, metrics


def _outputs(stage: DvcStage, step: str) -> Iterator[_Output]:
    taken: list[str] = []
    for path in stage.outs:
        name = name_for(posixpath.splitext(posixpath.basename(posixpath.normpath(path)))[0], taken, fallback="out")
        taken.append(name)
        yield _Output(step, name, _in_repository(stage, path))


def _step(stage: DvcStage, name: str, outputs: Sequence[_Output], pipeline: DvcPipeline, survey: Survey) -> DraftStep:
    own = [output for output in outputs if output.step == name]
    start = parse_command(stage.commands, lambda path: _in_repository(stage, path) in survey.files)
    keys = _Keys(remarks=list(stage.remarks))
    script = "" if start.run.startswith("-m ") or start.run == "sh" else _in_repository(stage, start.run)
    for path in stage.deps:
        _translate_dep(stage, path, script, [output for output in outputs if output.step != name], survey, keys)
    keys.include += [_in_repository(stage, path) for path in stage.params]
    if len(own) > _MAX_OUTPUTS:
        keys.remarks.append(f"A processing job has {_MAX_OUTPUTS} outputs. Left out: {_listed(own[_MAX_OUTPUTS:])}")
    metrics = _metrics(stage, own[:_MAX_OUTPUTS], pipeline)
    folder = posixpath.normpath(stage.working_dir)
    written: dict[str, DraftValue] = {
        "uses": "processing",
        "run": script if script in survey.files else start.run,
        "args": [_literal(argument) for argument in start.args],
        "working_dir": "" if folder == "." else folder,
        "env": dict(start.env),
        "inputs": keys.inputs,
        "outputs": {each.name: _relative(stage, each.path) for each in own[:_MAX_OUTPUTS]},
        "metrics": metrics[0] if len(metrics) == 1 else metrics,
        "include": list(dict.fromkeys(keys.include)),
    }
    description = (stage.description,) if stage.description else ()
    comments = (*description, *keys.notes, *(f"Not translated: {remark}" for remark in keys.remarks))
    return DraftStep(name, {key: value for key, value in written.items() if value}, comments)


def _translate_dep(
    stage: DvcStage, path: str, script: str, others: Iterable[_Output], survey: Survey, keys: _Keys
) -> None:
    """Adds what a dependency becomes: an input for data and outputs of other stages, and `include` for code."""
    if "://" in path:
        if path.startswith("s3://"):
            _add_input(path.removeprefix("s3://"), path, keys)
        else:
            keys.remarks.append(f"the dependency {path}: the script has to fetch it itself")
        return
    place = _in_repository(stage, path)
    produced = [output for output in others if _is_within(place, output.path) or _is_within(output.path, place)]
    for output in produced:
        source = f"${{{{ steps.{output.step}.outputs.{output.name} }}}}"
        _add_input(output.path, {"from": source, "path": _relative(stage, output.path)}, keys)
    if produced or place == script:
        return
    if place.startswith("../"):
        keys.remarks.append(f"the dependency {path}: it lies outside of the repository")
    elif survey.is_code(place) or place.endswith(_CODE_ENDINGS):
        keys.include.append(f"{place}/**" if place in survey.folders else place)
    else:
        if place not in survey.files and place not in survey.folders:
            keys.notes.append(f'"{place}" is not here: `dvc pull` fetches it, before a run.')
        _add_input(place, {"from": place, "path": _relative(stage, place)}, keys)


def _add_input(place: str, source: DraftValue, keys: _Keys) -> None:
    if len(keys.inputs) == _MAX_INPUTS:
        keys.remarks.append(f"a processing job has {_MAX_INPUTS} inputs. Left out: {place}")
        return
    base = posixpath.splitext(posixpath.basename(posixpath.normpath(place)))[0]
    keys.inputs[name_for(base, [*keys.inputs, "code"], fallback="in")] = source


def _metrics(stage: DvcStage, outputs: Iterable[_Output], pipeline: DvcPipeline) -> list[str]:
    """Returns the stage's metrics files, as paths in its outputs: its own, and those of the top level in them."""
    own = [_in_repository(stage, path) for path in stage.metrics]
    top = [posixpath.normpath(path) for path in pipeline.metrics]
    found = []
    for output in outputs:
        for path in dict.fromkeys([*own, *top]):
            if path == output.path:
                found.append(f"{output.name}/{posixpath.basename(path)}")
            elif _is_within(path, output.path):
                found.append(f"{output.name}/{posixpath.relpath(path, output.path)}")
    return [path for path in found if path.endswith(".json")]


def _numbers(step: DraftStep, survey: Survey) -> Iterator[str]:
    """Yields the metrics that a step wrote when it was run last, where its file is in the repository."""
    outputs, metrics = step.keys.get("outputs"), step.keys["metrics"]
    if not isinstance(outputs, Mapping):
        return
    folder = str(step.keys.get("working_dir") or ".")
    for path in [metrics] if isinstance(metrics, str) else metrics if isinstance(metrics, Sequence) else []:
        name, _, rest = str(path).partition("/")
        output = posixpath.normpath(posixpath.join(folder, str(outputs[name])))
        here = output if posixpath.basename(output) == rest else f"{output}/{rest}"
        yield from survey.numbers(here)


def _in_repository(stage: DvcStage, path: str) -> str:
    return posixpath.normpath(posixpath.join(stage.working_dir, path))


def _relative(stage: DvcStage, place: str) -> str:
    return posixpath.relpath(place, posixpath.normpath(stage.working_dir))


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/") or folder == "."


def _literal(argument: str) -> str:
    """Returns an argument as a flow writes it: `${{` would begin a reference."""
    return argument.replace("${{", "$ {{")


def _listed(outputs: Iterable[_Output]) -> str:
    return ", ".join(output.path for output in outputs)
