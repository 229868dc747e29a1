"""The stages of a dvc.yaml → a drafted flow: each becomes a processing step that runs the same script.

Scripts keep their relative paths: an input has the path that the script reads, an output that which it writes, and
the working folder is the stage's.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field

from mlci.scaffold.draft_flow import RESERVED, DraftStep, DraftValue, name_for
from mlci.scaffold.dvc_stages import DvcPipeline, DvcStage
from mlci.scaffold.repository_survey import Survey
from mlci.scaffold.shell_command import parse_command
from mlci_dataclasses import dataclass

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
    places: list[str] = field(default_factory=list)
    include: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Draft:
    """A stage on its way to a step."""

    name: str
    stage: DvcStage
    keys: _Keys
    outputs: list[_Output]


def dvc_steps(pipeline: DvcPipeline, survey: Survey) -> tuple[list[DraftStep], list[str]]:
    """Returns the steps of a pipeline, in its order, and the metrics that rules could name."""
    drafts: list[_Draft] = []
    outputs: list[_Output] = []
    for stage in pipeline.stages:
        name = name_for(stage.name, [RESERVED, *(each.name for each in drafts)])
        keys = _Keys(remarks=list(stage.remarks))
        own = list(_outputs(stage, name, keys.remarks))
        drafts.append(_Draft(name, stage, keys, own))
        outputs += own
    steps = [_step(each, outputs, pipeline, survey) for each in drafts]
    metrics = [f"{step.name}.{name}" for step in steps if "metrics" in step.keys for name in _numbers(step, survey)]
    return steps, metrics


def _outputs(stage: DvcStage, step: str, remarks: list[str]) -> Iterator[_Output]:
    """Yields the outputs of a stage; a remark tells of those that a step can't have."""
    taken: list[str] = []
    places: list[str] = []
    for path in stage.outs:
        place = _in_repository(stage, path)
        if place in places:
            continue
        if not _is_below(stage, place):
            remarks.append(f"the output {path}: it does not lie below the working folder")
        elif any(_overlaps(place, other) for other in places):
            remarks.append(f"the output {path}: it lies in another output, or around it")
        elif len(places) == _MAX_OUTPUTS:
            remarks.append(f"the output {path}: a processing job has {_MAX_OUTPUTS} outputs")
        else:
            base = posixpath.splitext(posixpath.basename(place))[0]
            name = name_for(base, taken, fallback="out")
            taken.append(name)
            places.append(place)
            yield _Output(step, name, place)


def _step(draft: _Draft, outputs: Sequence[_Output], pipeline: DvcPipeline, survey: Survey) -> DraftStep:
    stage, keys, own = draft.stage, draft.keys, draft.outputs
    start = parse_command(stage.commands, lambda path: _in_repository(stage, path) in survey.files)
    script = "" if start.run.startswith("-m ") or start.run == "sh" else _in_repository(stage, start.run)
    for path in stage.deps:
        _translate_dep(draft, path, script, [output for output in outputs if output.step != draft.name], survey)
    keys.include += [_in_repository(stage, path) for path in stage.params]
    metrics = _metrics(stage, own, pipeline)
    folder = posixpath.normpath(stage.working_dir)
    written: dict[str, DraftValue] = {
        "uses": "processing",
        "run": script if script in survey.files else start.run,
        "args": [_literal(argument) for argument in start.args],
        "working_dir": "" if folder == "." else folder,
        "env": dict(start.env),
        "inputs": keys.inputs,
        "outputs": {each.name: _relative(stage, each.path) for each in own},
        "metrics": metrics[0] if len(metrics) == 1 else metrics,
        "include": list(dict.fromkeys(keys.include)),
    }
    description = (stage.description,) if stage.description else ()
    comments = (*description, *keys.notes, *(f"Not translated: {remark}" for remark in keys.remarks))
    return DraftStep(draft.name, {key: value for key, value in written.items() if value}, comments)


def _translate_dep(draft: _Draft, path: str, script: str, others: Iterable[_Output], survey: Survey) -> None:
    """Adds what a dependency becomes: an input for data and outputs of other stages, and `include` for code."""
    keys = draft.keys
    if "://" in path:
        if path.startswith("s3://"):
            _add_input(draft, path.removeprefix("s3://"), path)
        else:
            keys.remarks.append(f"the dependency {path}: the script has to fetch it itself")
        return
    place = _in_repository(draft.stage, path)
    produced = [output for output in others if _overlaps(place, output.path)]
    for output in produced:
        _add_place(draft, output.path, f"${{{{ steps.{output.step}.outputs.{output.name} }}}}")
    if produced or place == script:
        return
    if place.startswith("../") or place == "..":
        keys.remarks.append(f"the dependency {path}: it lies outside of the repository")
    elif survey.is_code(place) or place.endswith(_CODE_ENDINGS) or not _is_below(draft.stage, place):
        keys.include.append(f"{place}/**" if place in survey.folders else place)
    else:
        if place not in survey.files and place not in survey.folders:
            keys.notes.append(f'"{place}" is not here: `dvc pull` fetches it, before a run.')
        _add_place(draft, place, place)


def _add_place(draft: _Draft, place: str, source: str) -> None:
    """Adds an input at the path that the script reads, unless a job can't have it there."""
    keys, stage = draft.keys, draft.stage
    if place in keys.places:
        return
    if not _is_below(stage, place):
        keys.remarks.append(f"the dependency {place}: it does not lie below the working folder")
    elif any(_overlaps(place, other) for other in (*keys.places, *(output.path for output in draft.outputs))):
        keys.remarks.append(f"the dependency {place}: it lies in another input or output, or around it")
    elif _add_input(draft, place, {"from": source, "path": _relative(stage, place)}):
        keys.places.append(place)


def _add_input(draft: _Draft, place: str, source: DraftValue) -> bool:
    keys = draft.keys
    if source in keys.inputs.values():
        return True
    if len(keys.inputs) == _MAX_INPUTS:
        keys.remarks.append(f"the dependency {place}: a processing job has {_MAX_INPUTS} inputs")
        return False
    base = posixpath.splitext(posixpath.basename(posixpath.normpath(place)))[0]
    keys.inputs[name_for(base, [*keys.inputs, "code"], fallback="in")] = source
    return True


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


def _overlaps(path: str, other: str) -> bool:
    return _is_within(path, other) or _is_within(other, path)


def _is_below(stage: DvcStage, place: str) -> bool:
    """Says whether a place of the repository lies below the stage's working folder."""
    relative = _relative(stage, place)
    return relative not in (".", "..") and not relative.startswith("../")


def _literal(argument: str) -> str:
    """Returns an argument as a flow writes it: `${{` would begin a reference."""
    return argument.replace("${{", "$ {{")
