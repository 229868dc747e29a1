"""Checks references against the steps: each must name an input, an output or a metric that exists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mlci.flow.models import BaselineOutput, InputPath, MetricValue, OutputPath, SecretValue, StepOutput
from mlci.flow.names import written_name
from mlci.flow.problems import Candidates, Problems, listed
from mlci.flow.references import UsedReference, format_reference
from mlci.flow.yaml_document import Path
from mlci.step_types import all_keys
from mlci_dataclasses import dataclass


@dataclass(frozen=True)
class StepInterface:
    """The names of a step that references use. None stands for a part that is wrong, and was reported.

    A step that `may_write_metrics` is of a type that has a key for it. One that `has_cases` writes a table of what it
    tested.
    """

    inputs: tuple[str, ...] | None
    outputs: tuple[str, ...] | None
    writes_metrics: bool | None
    has_cells: bool = False
    may_write_metrics: bool = True
    has_cases: bool = False


#: Under these keys of a step a run's values may stand, and nowhere else.
_TAKE_OUTPUTS = tuple(name for name, key in all_keys().items() if key.takes_outputs)
_TAKE_METRICS = tuple(name for name, key in all_keys().items() if key.takes_metrics)
_OTHERS_OUTPUT = "${{ steps.<step>.outputs.<output> }}"


def check_references(
    uses: Iterable[UsedReference],
    steps: Mapping[str, StepInterface],
    secrets: tuple[str, ...] | None,
    problems: Problems,
) -> None:
    """Reports every reference that is not allowed in its place, or that names nothing.

    `secrets` are the names of the secrets; None if they are wrong, and were reported.
    """
    for use in uses:
        if problems.is_suspect(use.path[:3]):
            continue  # the step or the key around it is wrong, so nothing is known about the place
        match use.target:
            case StepOutput() as target:
                _check_step_output(use, target, steps, problems)
            case BaselineOutput() as target:
                _check_baseline_output(use, target, steps, problems)
            case MetricValue() as target:
                _check_metric_value(use, target, steps, problems)
            case InputPath(name) | OutputPath(name) as target:
                _check_own(use, name, isinstance(target, InputPath), steps, problems)
            case SecretValue(name):
                _check_secret(use, name, secrets, problems)


def check_step(
    path: Path, ordinal: int | None, name: str, reader: str, steps: Mapping[str, StepInterface], problems: Problems
) -> bool:
    """Checks that a step exists; `reader` begins the sentence if it does not: `step "a" reads an output of`."""
    if name in steps:
        return True
    if not steps:
        return False  # a flow without steps is reported as such
    what = f'{reader} step "{name}", which does not exist'
    choices = tuple(steps)
    hint = f"The steps are {listed(choices)}"
    if ordinal is None:
        problems.at(path, what, hint, Candidates(name, choices))
    else:
        problems.at_reference(path, ordinal, what, hint, Candidates(name, choices))
    return False


def metrics_hint(name: str, step: StepInterface) -> str:
    """Return what to do about a metric of a step that writes none."""
    if step.may_write_metrics:
        return f'Give "{name}" a "metrics: <output>/<file>.json"'
    return f'A step of that type has no metrics: name one that reads what "{name}" leaves, and writes "metrics"'


def _check_step_output(
    use: UsedReference, target: StepOutput, steps: Mapping[str, StepInterface], problems: Problems
) -> None:
    key, step = _key_and_step(use.path)
    if step is None or key not in _TAKE_OUTPUTS:
        what = f'"{format_reference(target)}" cannot stand here: it is known only while the flow runs'
        hint = f"Outputs of steps can be read in {listed(_TAKE_OUTPUTS)}"
        problems.at_reference(use.path, use.ordinal, what, hint)
        return
    if not check_step(use.path, use.ordinal, target.step, f'step "{step}" reads an output of', steps, problems):
        return
    if target.step == step:
        hint = "In args, ${{ outputs.<name> }} is where a step writes" if key == "args" else ""
        problems.at_reference(use.path, use.ordinal, f'step "{step}" reads its own output', hint)
        return
    outputs = steps[target.step].outputs
    if outputs is not None and target.output not in outputs:
        what = f'step "{target.step}" has no output "{target.output}"'
        _report_unknown(use, what, "outputs", target.output, outputs, problems)


def _check_baseline_output(
    use: UsedReference, target: BaselineOutput, steps: Mapping[str, StepInterface], problems: Problems
) -> None:
    """Checks an output of the baseline, which a step may have made that this flow still has."""
    key, step = _key_and_step(use.path)
    if step is None or key != "inputs":
        what = f'"{format_reference(target)}" cannot stand here: it is the source of an input'
        hint = "Write it in the inputs of a step, and in args ${{ inputs.<name> }}"
        problems.at_reference(use.path, use.ordinal, what, hint)
        return
    reader = f'step "{step}" reads an output of the baseline, of'
    if not check_step(use.path, use.ordinal, target.step, reader, steps, problems):
        return
    found = steps[target.step]
    if found.has_cells:
        what = f'{reader} step "{target.step}", which has a matrix, and so an output for each of its cells'
        problems.at_reference(use.path, use.ordinal, what, "Name a step without a matrix that reads these cells")
    elif found.outputs is not None and target.output not in found.outputs:
        what = f'step "{target.step}" has no output "{target.output}"'
        _report_unknown(use, what, "outputs", target.output, found.outputs, problems)


def _check_metric_value(
    use: UsedReference, target: MetricValue, steps: Mapping[str, StepInterface], problems: Problems
) -> None:
    """Checks a metric, which only a text that is made while the flow runs may hold."""
    key, step = _key_and_step(use.path)
    if step is None or key not in _TAKE_METRICS:
        what = f'"{format_reference(target)}" cannot stand here: it is known only while the flow runs'
        hint = f"Metrics can be read in {listed(_TAKE_METRICS)}, and compared in rules"
        problems.at_reference(use.path, use.ordinal, what, hint)
        return
    reader = f'step "{step}" reads a metric of'
    if not check_step(use.path, use.ordinal, target.step, reader, steps, problems):
        return
    found = steps[target.step]
    if found.writes_metrics is False:
        hint = metrics_hint(target.step, found) if target.step != step else ""
        problems.at_reference(use.path, use.ordinal, f'{reader} step "{target.step}", which writes none', hint)
    elif found.has_cells:
        what = f'{reader} step "{target.step}", which has a matrix, and so a metric for each of its cells'
        problems.at_reference(use.path, use.ordinal, what, "Name a step without a matrix that reads these cells")


def _check_own(
    use: UsedReference, name: str, is_input: bool, steps: Mapping[str, StepInterface], problems: Problems
) -> None:
    """Checks a path inside the container, which only a step's own arguments may hold."""
    key, step = _key_and_step(use.path)
    kind = "inputs" if is_input else "outputs"
    if step is None or key != "args":
        what = f'"${{{{ {kind}.{name} }}}}" cannot stand here: it is a path inside the container, for args'
        problems.at_reference(use.path, use.ordinal, what, f"For another step's output, write {_OTHERS_OUTPUT}")
        return
    reach = steps.get(step)
    if reach is None:
        return
    known = reach.inputs if is_input else reach.outputs
    if known is not None and name not in known:
        what = f'step "{step}" has no {kind.removesuffix("s")} "{name}"'
        _report_unknown(use, what, kind, name, known, problems)


def _check_secret(use: UsedReference, name: str, secrets: tuple[str, ...] | None, problems: Problems) -> None:
    """Checks a secret, which only variables of a step's environment may hold: all else stands in the request."""
    is_variable = use.path[:2] == ("defaults", "env") or (use.path[0], use.path[2:3]) == ("steps", ("env",))
    if not is_variable:
        what = f'"{format_reference(SecretValue(name))}" cannot stand here: requests, logs and reports would show it'
        hint = 'Write it in "env" of the step, and read the variable in the script'
        problems.at_reference(use.path, use.ordinal, what, hint)
    elif secrets is not None and name not in secrets:
        hint = f"The secrets are {listed(secrets)}" if secrets else f'Add secrets: {{{name}: "ssm:/<path>"}}'
        what = f'the secret "{name}" is not declared'
        problems.at_reference(use.path, use.ordinal, what, hint, Candidates(name, secrets))


def _report_unknown(
    use: UsedReference, what: str, kind: str, name: str, known: tuple[str, ...], problems: Problems
) -> None:
    """Names what there is, and the nearest where there is too much to see it."""
    hint = f"Its {kind} are {listed(known)}" if known else f"It has no {kind}"
    if len(known) == 1:
        hint = f'Its only {kind.removesuffix("s")} is "{known[0]}"'
    problems.at_reference(use.path, use.ordinal, what, hint, Candidates(name, known) if len(known) > 12 else None)


def _key_and_step(path: Path) -> tuple[str, str | None]:
    """The key and the step that a path is in."""
    if len(path) > 2 and path[0] == "steps":
        return str(path[2]), written_name(str(path[1]))
    return str(path[0]), None
