"""The files that `mlci init` writes: a sample in an empty repository, and what fits where there is code already.

    planned_files.py        files to write, and writing them: none that exists is changed
    ci_files.py             the buildspec of CodeBuild, and the workflow of GitHub Actions
    repository_survey.py    the files of a repository, and what they tell
    drafting.py             a survey → the text of flow.yaml
    draft_flow.py           a drafted flow, and its text
    dvc_stages.py           dvc.yaml → its stages, one by one
    dvc_interpolation.py    variables in dvc.yaml
    dvc_flow.py             stages of dvc.yaml → steps
    mlproject_flow.py       entry points of an MLproject → steps
    script_flow.py          scripts that nothing orders → steps
    shell_command.py        a command line → what a step starts

The folder `files` holds what is written as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from mlci.errors import InputError
from mlci.flow import schema
from mlci.scaffold.ci_files import BUILDSPEC, FILES, CiSystem, buildspec, ci_files, image_files
from mlci.scaffold.drafting import draft
from mlci.scaffold.planned_files import PlannedFile, Scaffold, appended, planned, preview, write
from mlci.scaffold.repository_survey import Survey, survey

__all__ = ["CiSystem", "Scaffold", "buildspec", "plan_image", "plan_scaffold", "preview", "write"]

_IGNORED = ".mlci/"
_FLOW, _PIPELINE = Path("flow.yaml"), Path("pipeline.py")
_NAMES_REQUIREMENTS = re.compile(r"^\s*requirements:", re.MULTILINE)
#: What the first line of flow.yaml points editors to.
SCHEMA = Path(".github/flow.schema.json")
#: What a review should see: a pull request that changes them could lower its own gate.
_CODEOWNERS = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")


def plan_image(folder: Path) -> Scaffold:
    """Returns the files of an image for builds.

    Raises: InputError, for a folder that holds something: an image is made from all of its folder.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(
            f'the folder "{folder}" is not empty', "Name a new one: an image is made from all that it holds."
        )
    return planned(folder, image_files())


def plan_scaffold(folder: Path, system: CiSystem | None, base_branch: str) -> Scaffold:
    """Returns what `mlci init` would do in a folder; `system` is None if no option names one.

    Raises: InputError, where there is nothing to do, or nothing that a flow could be drafted from.
    """
    found = survey(folder)
    exists = (folder / _FLOW).exists()
    drafted = draft(found, flow_name(folder), str(SCHEMA)) if found.has_code and not exists else ("", [])
    flow = found.text(str(_FLOW)) if exists else drafted[0]
    # Where the steps name their requirements, mlci installs them.
    requirements = () if _NAMES_REQUIREMENTS.search(flow) else found.requirements
    files = [*ci_files(system or "codebuild", base_branch, requirements), *_support(folder, found)]
    if exists:
        if system is None:
            raise InputError(
                f"already there: {folder / _FLOW}",
                "`mlci init` changes no file. `mlci init --ci github` or `--ci codebuild` adds what runs the flow.",
            )
        return planned(folder, files)
    if not found.has_code:
        return planned(folder, [*_sample(folder), *files])
    return planned(folder, [PlannedFile(_FLOW, flow.encode()), *files], drafted[1])


def _sample(folder: Path) -> Iterator[PlannedFile]:
    """Yields the sample: a small flow with its scripts and its data.

    Raises: InputError, where a file of it exists.
    """
    names = [
        source.relative_to(FILES)
        for source in sorted(FILES.rglob("*"))
        if source.is_file() and "__pycache__" not in source.parts and source.parent != FILES
    ]
    taken = [str(folder / name) for name in names if (folder / name).exists()]
    if taken:
        raise InputError(
            f"already there: {', '.join(taken)}",
            "`mlci init` changes no file: name another folder, or move these away.",
        )
    text = (FILES / _FLOW).read_text(encoding="utf-8").replace("FLOW_NAME", flow_name(folder))
    yield PlannedFile(_FLOW, text.encode())
    for name in names:
        yield PlannedFile(name, (FILES / name).read_bytes())


def _support(folder: Path, found: Survey) -> Iterator[PlannedFile]:
    """Yields what each repository with a flow has: an entry point, the schema, lines of .gitignore and CODEOWNERS."""
    yield PlannedFile(_PIPELINE, (FILES / _PIPELINE).read_bytes())
    yield PlannedFile(SCHEMA, (json.dumps(schema(), indent=2) + "\n").encode())
    yield from appended(folder, ".gitignore", [_IGNORED])
    yield from _owned(folder, found)


def _owned(folder: Path, found: Survey) -> Iterator[PlannedFile]:
    """Yields the addition to a CODEOWNERS that names owners of everything: the gate's files get them by name."""
    name = next((name for name in _CODEOWNERS if (folder / name).is_file()), None)
    if name is None:
        return
    owners = re.search(r"^\*\s+(\S.*)$", found.text(name) or (folder / name).read_text(encoding="utf-8"), re.MULTILINE)
    if owners:
        who = owners[1].partition("#")[0].strip()
        yield from appended(folder, name, [f"/{file} {who}" for file in (_FLOW, BUILDSPEC, ".github/")])


def flow_name(folder: Path) -> str:
    """Returns the folder's name as the name of a flow."""
    plain = re.sub(r"[^a-zA-Z0-9]+", "-", folder.resolve().name).strip("-")[:40].rstrip("-")
    return plain if re.match(r"[a-zA-Z]", plain) else f"flow-{plain}".rstrip("-")
