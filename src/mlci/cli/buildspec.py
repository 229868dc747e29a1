"""`mlci buildspec`: the build that CodeBuild runs on each pull request."""

from __future__ import annotations

from pathlib import Path

import click

from mlci.cli.options import debug_option
from mlci.cli.output import echo, echo_document


@click.command("buildspec")
@click.option(
    "--image",
    "image_folder",
    metavar="FOLDER",
    envvar="MLCI_IMAGE",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the files of an image for builds, a Dockerfile among them, into a new folder. Builds in that image "
    "install nothing.",
)
@debug_option
def command(image_folder: Path | None) -> int:
    """Print the buildspec that CodeBuild runs for each pull request.

    Save it at the top of the repository: mlci buildspec > buildspec.yaml
    """
    from mlci.scaffold import buildspec, plan_image, write

    if image_folder is None:
        echo_document(buildspec())
        return 0
    for line in write(plan_image(image_folder)):
        echo(line)
    echo(f"Next: docker build -t IMAGE {image_folder}, push it, and mlci bootstrap --build-image IMAGE")
    return 0
