"""`mlci buildspec`: the build that CodeBuild runs on each pull request."""

from __future__ import annotations

import click

from mlci.cli.options import debug_option
from mlci.cli.output import echo_document


@click.command("buildspec")
@debug_option
def command() -> int:
    """Print the buildspec that CodeBuild runs for each pull request.

    Save it at the top of the repository: mlci buildspec > buildspec.yaml
    """
    from mlci.scaffold import buildspec

    echo_document(buildspec())
    return 0
