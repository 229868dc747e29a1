"""`mlci history`: a metric over the runs of the base branch."""

from __future__ import annotations

import itertools
import json
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from mlci.cli.baseline import json_option, session_options
from mlci.cli.options import RunOptions
from mlci.cli.output import echo, echo_document
from mlci.cli.run_context import open_run
from mlci.errors import InputError

if TYPE_CHECKING:
    from mlci.baseline import Baseline

#: An error lists so many metrics.
_LISTED = 8


@click.command("history")
@click.argument("metric", metavar="METRIC", required=False)
@session_options(
    json_option,
    click.option(
        "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Show at most so many runs."
    ),
)
def command(options: RunOptions, metric: str | None, is_json: bool, limit: int) -> int:
    """Draw a metric over the runs of the base branch that passed, the newest first.

    METRIC is named as in a rule: evaluate.auc.

    \b
    Examples:
      mlci history evaluate.recall
      mlci history evaluate.recall --cloud aws --json
    """
    from mlci.baseline import former_baselines
    from mlci.flow.invalid_value import InvalidValue
    from mlci.flow.metric_paths import parse_metric
    from mlci.report.metric_history import history_text, metric_points

    with open_run(options, out=sys.stderr) as session:
        target = session.context.target
        former = list(itertools.islice(former_baselines(session.flow.name, target, session.cloud), limit))
    branch = target.base_branch or ""
    if metric is None:
        raise InputError("no metric is named", _known_metrics("", former))
    try:
        points = metric_points(former, *parse_metric(metric))
    except InvalidValue as error:
        raise InputError(error.what, _known_metrics(metric, former) if former else error.hint) from None
    if former and all(point.value is None for point in points):
        raise InputError(f'no run of {branch} has a metric "{metric}"', _known_metrics(metric, former))
    if is_json:
        document = {"metric": metric, "branch": branch, "runs": [point.to_json() for point in points]}
        echo_document(json.dumps({"schema": 1, **document}, indent=2) + "\n")
    elif not former:
        echo(f"No run of {branch} has earned the baseline yet. One that passes on a clean commit of it does: mlci run")
    else:
        echo(history_text(metric, branch, points, shutil.get_terminal_size().columns))
    return 0


def _known_metrics(metric: str, former: Sequence[Baseline]) -> str:
    """Return the metric that was likely meant, or else those that there are."""
    from mlci.flow.problems import nearest
    from mlci.report.metrics_table import metric_values

    if not former:
        return "Name it as in a rule: mlci history evaluate.auc"
    known = list(metric_values(former[0].metrics))
    near = next((name for name in known if metric and name.endswith(f".{metric}")), None) or nearest(metric, known)
    if near:
        return f"Did you mean {near}?"
    more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    return f"The newest run has: {', '.join(known[:_LISTED])}{more}" if known else "The newest run has no metric."
