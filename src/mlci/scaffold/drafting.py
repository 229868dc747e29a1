"""The flow.yaml of a repository that has code already: drafted from dvc.yaml, MLproject, or the scripts' names."""

from __future__ import annotations

from collections.abc import Mapping

from mlci.errors import InputError
from mlci.flow import load
from mlci.flow.models import Scalar
from mlci.report.formatting import count
from mlci.scaffold.draft_flow import DraftFlow, DraftStep, DraftValue, render_flow
from mlci.scaffold.dvc_flow import dvc_steps
from mlci.scaffold.dvc_stages import read_pipeline
from mlci.scaffold.mlproject_flow import mlproject_steps
from mlci.scaffold.repository_survey import Survey
from mlci.scaffold.script_flow import script_steps

_FROM_DVC = "from dvc.yaml"  # whose stages name the files that they read
_ABOUT = (
    "Drafted by `mlci init` {source}: read it once.",
    "`mlci validate` checks it, `mlci plan` shows what would run, and `mlci run` runs it. docs/porting.md and",
    "docs/flow.md of mlci tell what else a step can have.",
)


def draft(survey: Survey, name: str, schema: str) -> tuple[str, list[str]]:
    """Returns the text of a flow.yaml that fits the repository, and remarks for the user.

    Raises: InputError, where nothing in the repository tells what a step could be.
    """
    flow = _drafted(survey, name)
    text = render_flow(flow, schema)
    remarks = [f"{count(len(flow.steps), 'step')}: {', '.join(step.name for step in flow.steps)}"]
    if any("Not translated" in comment for step in flow.steps for comment in step.comments) or any(
        "not translated" in comment for comment in flow.comments
    ):
        remarks.append("some of it has no translation: the comments in flow.yaml say what")
    try:
        load(text.encode(), "flow.yaml", {}, {})
    except InputError as error:
        remarks.append(f"flow.yaml needs your hand before it is valid:\n{error}")
    return text, remarks


def _drafted(survey: Survey, name: str) -> DraftFlow:
    comments: list[str] = []
    if "dvc.yaml" in survey.files:
        pipeline = read_pipeline(survey.yaml("dvc.yaml"), survey.yaml)
        steps, metrics = dvc_steps(pipeline, survey)
        comments += pipeline.remarks
        if steps:
            return _flow(survey, name, _FROM_DVC, steps, comments, metrics=metrics)
    if "MLproject" in survey.files:
        steps, params = mlproject_steps(survey.yaml("MLproject"), survey)
        if steps:
            return _flow(survey, name, "from MLproject", steps, comments, params)
    steps, others = script_steps(survey)
    if not steps:
        raise InputError(
            "no script was found that looks like a step: none is called prepare, train or evaluate, and reads like one",
            "Write flow.yaml by hand (docs/flow.md; docs/porting.md has notebooks, too), or begin with the sample, in "
            "an empty folder: mlci init sample.",
        )
    if others:
        comments.append(f"Scripts that were left out: {', '.join(others)}")
    return _flow(survey, name, "from the names of scripts", steps, comments)


def _flow(
    survey: Survey,
    name: str,
    source: str,
    steps: list[DraftStep],
    comments: list[str],
    params: Mapping[str, Scalar] | None = None,
    metrics: list[str] | None = None,
) -> DraftFlow:
    defaults: dict[str, DraftValue] = {
        "image": survey.image,
        "instance": "ml.m5.large",
        "timeout": "1h",
        "working_dir": ".",
    }
    files = [name for name in survey.requirements if name.endswith(".txt")]
    if files:
        defaults["requirements"] = files[0]
    if survey.config and source != _FROM_DVC:
        defaults["include"] = survey.config
    about = tuple(line.format(source=source) for line in _ABOUT)
    return DraftFlow(name, tuple(steps), params or {}, defaults, (*about, *comments), tuple(metrics or ()))
