"""`mlci noise`: how far the metrics of a flow move where only the seed changes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from mlci.cli.flow_file import check_writable, load_flow, runs_of
from mlci.cli.options import RunOptions, json_option, run_options
from mlci.cli.output import echo, echo_document
from mlci.cli.run_context import open_run
from mlci.errors import CloudError, InputError

if TYPE_CHECKING:
    from mlci.flow.models import Flow
    from mlci.noise import MetricNoise
    from mlci.report.result import Result

#: Of fewer runs, the spread says nothing.
LEAST_SEEDS = 3


@click.command("noise")
@run_options(
    click.option("--seeds", type=int, default=10, show_default=True, help="Run with so many seeds: 1, 2, 3 and so on."),
    click.option("--keep-going", "keeps_going", is_flag=True, help="Go on with the other seeds where one fails."),
    json_option,
)
def command(options: RunOptions, seeds: int, keeps_going: bool, as_json: bool) -> int:
    """Run the flow against itself with other seeds, and print how far each metric moves.

    --param NAME, without a value, is the param that holds the seed; others may have values, as in `mlci run`. The
    steps that the gate's metrics need run once for each seed, and a step that does not depend on the seed once. Nothing
    behind the gate runs, and no baseline is written.

    A gate that allows less than `max_drop` is red in more than 5 % of comparisons of a model with itself.

    \b
    Examples:
      mlci noise --param seed
      mlci noise --param seed --seeds 30 --param max_depth=6
      mlci noise --param seed --cloud aws --keep-going --json
    """
    from mlci.noise import measured_noise, noise_json

    name, others = _seed_param(options.params)
    if seeds < LEAST_SEEDS:
        raise InputError(f"{seeds} seeds tell no spread", f"Take at least {LEAST_SEEDS}: --seeds 10")
    flow = _checked(options, name, others)
    check_writable(runs_of(options.flow_file).home)
    results = list(_runs(replace(options, params=others), name, seeds, keeps_going, as_json))
    passed = {seed: values for seed, result in results if (values := _values(result))}
    if len(passed) < LEAST_SEEDS:
        raise CloudError(f"{len(passed)} of {seeds} seeds gave metrics, too few for a spread: {_reason(results)}")
    noise = measured_noise(flow, list(passed.values()))
    if as_json:
        document = {"schema": 1, "flow": flow.name, "param": name, "seeds": [*passed], "metrics": noise_json(noise)}
        echo_document(json.dumps(document, indent=2) + "\n")
    else:
        _print(noise, name, len(passed))
    return 0 if len(passed) == seeds else CloudError.exit_code


def _seed_param(params: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The name of the param that holds the seed, and the other params.

    Raises: InputError.
    """
    names = [param for param in params if "=" not in param]
    others = tuple(param for param in params if "=" in param)
    if len(names) != 1:
        what = "no param is named whose value is the seed" if not names else f"{len(names)} params are named as seeds"
        raise InputError(what, "Name one, without a value: mlci noise --param seed")
    if any(param.partition("=")[0] == names[0] for param in others):
        raise InputError(f'"{names[0]}" has a value, and is to have each seed', f"Remove --param {names[0]}=…")
    return names[0], others


def _checked(options: RunOptions, name: str, others: tuple[str, ...]) -> Flow:
    """The flow with the first seed, where the seed is a whole number that the gate's metrics depend on.

    Raises: InputError.
    """
    from mlci.flow.problems import listed, nearest
    from mlci.noise import check_seed

    plain = load_flow(options.flow_file, others)
    if name not in plain.params:
        near = nearest(name, plain.params)
        hint = f'Did you mean "{near}"?' if near else f"It has {listed(tuple(plain.params))}."
        hint = hint if plain.params else "Add params: {seed: 1}, and pass it to the script that draws."
        raise InputError(f'{options.flow_file} has no param "{name}"', hint)
    default = plain.params[name]
    if isinstance(default, bool) or not isinstance(default, int):
        what = f'the param "{name}" is {json.dumps(default)}, and a seed is a whole number'
        raise InputError(what, f"Write {name}: 1 under params")
    one, other = (load_flow(options.flow_file, (*others, f"{name}={seed}")) for seed in (1, 2))
    check_seed(name, one, other)
    return one


def _runs(options: RunOptions, name: str, seeds: int, keeps_going: bool, as_json: bool) -> Iterator[tuple[int, Result]]:
    """Yields the result of the run with each seed. A run that is stopped is the last, as is one that fails."""
    from mlci.noise import noise_flow
    from mlci.partial import PartialRun
    from mlci.report.console import summary
    from mlci.report.result import Status
    from mlci.run import run

    out = sys.stderr if as_json else sys.stdout
    for seed in range(1, seeds + 1):
        with open_run(replace(options, params=(*options.params, f"{name}={seed}")), attaches=False, out=out) as session:
            session.context.reporter.log(f"seed {seed} of {seeds}")
            flow = noise_flow(session.flow)
            result = run(flow, replace(session.context, part=PartialRun(flow)), session.cloud)
        if result.status is not Status.PASSED:
            session.context.reporter.log(summary(result, os.path.relpath(session.context.folder.path)))
        yield seed, result
        if result.status is Status.STOPPED or (result.status is not Status.PASSED and not keeps_going):
            return


def _values(result: Result) -> dict[str, float]:
    """The metrics of a run; none of one that did not pass."""
    from mlci.report.metrics_table import metric_values
    from mlci.report.result import Status

    if result.status is not Status.PASSED:
        return {}
    judged = {verdict.bound.rule.metric: float(verdict.value) for verdict in result.rules if verdict.value is not None}
    return {**metric_values({step: metrics.document for step, metrics in result.metrics.items()}), **judged}


def _reason(results: Sequence[tuple[int, Result]]) -> str:
    seed, result = next((seed, result) for seed, result in results if not _values(result))
    return f"the run with seed {seed} {result.status.value.replace('_', ' ')}: {result.reason}"


def _print(noise: Sequence[MetricNoise], name: str, seeds: int) -> None:
    from mlci.report.console import table
    from mlci.report.noise_table import NOISE_HEAD, noise_note, noise_row

    table(NOISE_HEAD, [noise_row(each) for each in noise], sys.stdout)
    echo(noise_note(noise, name, seeds))
