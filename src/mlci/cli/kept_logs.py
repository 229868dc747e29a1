"""The logs of jobs that a build ran itself, which lie in S3 for machines that did not run them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlci.aws_settings import AwsSettingName
from mlci.cli.flow_file import load_flow, runs_of
from mlci.cli.output import echo
from mlci.errors import InputError

_RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")


def is_elsewhere(flow_file: Path, words: Sequence[str], cloud: str | None) -> bool:
    """Returns True if the words name a run on AWS that was not started here."""
    run = words[0] if words else ""
    return (
        cloud == "aws"
        and bool(_RUN_ID.fullmatch(run))
        and run not in [each.run_id for each in runs_of(flow_file).all()]
    )


def print_kept_logs(
    flow_file: Path, words: Sequence[str], aws: Mapping[AwsSettingName, str | None], is_protected: bool
) -> None:
    """Prints the logs of a run's steps, or of one of them, each line behind its step.

    Raises: InputError, if there are none.
    """
    from mlci.backends.aws.configure import checked_settings, open_cloud
    from mlci.backends.protocol import BackendOptions

    run, wanted = words[0], words[1] if len(words) > 1 else ""
    flow, home = load_flow(flow_file), runs_of(flow_file).home
    options = BackendOptions(flow, home, os.environ, aws, is_protected=is_protected)
    settings = checked_settings(flow, aws, os.environ)
    cloud = open_cloud(options, settings, lambda job: home, echo)
    prefix = f"s3://{settings['bucket']}/{cloud.target.names(flow.name).build_logs(run)}/"
    kept = {uri.removeprefix(prefix).removesuffix(".log"): uri for uri in cloud.list(prefix)}
    chosen = [step for step in kept if wanted in ("", step) or step.startswith(f"{wanted}(")]
    if not chosen:
        side = "Leave out --protected for a pull request's" if is_protected else "Add --protected for the base branch's"
        known = f"It has: {', '.join(kept)}" if kept else f"CloudWatch has the logs of jobs on SageMaker. {side}"
        of = f' of a step "{wanted}"' if wanted else ""
        raise InputError(f"S3 has no log{of} that the build of run {run} kept", known)
    for step in chosen:
        text = (cloud.read(kept[step]) or b"").decode("utf-8", "replace")
        for line in text.splitlines():
            echo(line if step == wanted else f"{step} | {line}")
