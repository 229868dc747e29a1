"""`mlci init`: the files by which a repository has a flow, and a CI system that runs it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlci.cli.options import debug_option
from mlci.cli.output import echo

if TYPE_CHECKING:
    from mlci.scaffold import CiSystem


@click.command("init")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=".")
@click.option(
    "--ci",
    "system",
    type=click.Choice(["codebuild", "github", "none"]),
    help="What runs the flow for each pull request: CodeBuild on AWS, GitHub Actions without AWS, or nothing yet. "
    "Default: codebuild.",
)
@click.option("--dry-run", "is_dry", is_flag=True, help="Say what would be written, and write nothing.")
@debug_option
def command(folder: Path, system: CiSystem | None, is_dry: bool) -> int:
    """Give a repository a flow, and a CI system that runs it.

    In an empty one, it is a small sample that is ready for `mlci run`. Where there is code, flow.yaml is drafted from
    dvc.yaml, MLproject or the scripts that it finds, and no sample is written. In a repository that has a flow, --ci
    adds a CI system. FOLDER defaults to the working directory.

    Existing files are never overwritten: .gitignore and CODEOWNERS get a few lines more, which the output names.
    """
    from mlci.scaffold import plan_scaffold, preview, write

    folder.absolute()  # raises if the working directory is gone, which `main` explains
    scaffold = plan_scaffold(folder, system, _base_branch(folder))
    for path in scaffold.kept:
        echo(f"kept {folder / path}, which is there already")
    for line in preview(scaffold) if is_dry else write(scaffold):
        echo(line)
    for remark in scaffold.remarks:
        echo(remark)
    where = "" if folder == Path() else f"cd {folder} && "
    ready = "Drafted. Next: read flow.yaml, then" if scaffold.remarks else "Ready. Next:"
    echo("Nothing was written." if is_dry else f"{ready} {where}mlci run")
    return 0


def _base_branch(folder: Path) -> str:
    """The branch that pull requests go to: MLCI_BASE_BRANCH, else what git says, else main."""
    from mlci.build_environment.git import git_state

    named = os.environ.get("MLCI_BASE_BRANCH", "").strip()
    return named or (folder.is_dir() and git_state(folder.resolve()).base_branch) or "main"
