"""`mlci history`: a metric over the runs of the base branch."""

from __future__ import annotations

import itertools
import json

import click

from mlci.cli.baseline import json_option, session_options
from mlci.cli.options import RunOptions
from mlci.cli.output import echo, echo_document
from mlci.cli.run_context import open_run
from mlci.errors import InputError


@click.command("history")
@click.argument("metric", metavar="METRIC")
@session_options(
    json_option,
    click.option(
        "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Show at most so many runs."
    ),
)
def command(options: RunOptions, metric: str, is_json: bool, limit: int) -> int:
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
    from mlci.flow.problems import nearest
    from mlci.report.metric_history import history_text, metric_points
    from mlci.report.metrics_table import metric_values

    try:
        step, path = parse_metric(metric)
    except InvalidValue as error:
        raise InputError(error.what, error.hint) from None
    with open_run(options) as session:
        target = session.context.target
        former = list(itertools.islice(former_baselines(session.flow.name, target, session.cloud), limit))
    points = metric_points(former, step, path)
    if former and all(point.value is None for point in points):
        known = list(metric_values(former[0].metrics))
        near = nearest(metric, known)
        hint = f"Did you mean {near}?" if near else f"The newest has: {', '.join(known[:8])}"
        raise InputError(f'no run of {target.base_branch} has a metric "{metric}"', hint)
    if is_json:
        document = {"metric": metric, "branch": target.base_branch, "runs": [point.to_json() for point in points]}
        echo_document(json.dumps({"schema": 1, **document}, indent=2) + "\n")
    elif not former:
        echo(f"No run of {target.base_branch} has earned the baseline yet.")
    else:
        echo(history_text(metric, target.base_branch or "", points))
    return 0
