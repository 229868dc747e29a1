"""The files of cases and of ids that a baseline names: among the outputs that it keeps, or beside them."""

from __future__ import annotations

from collections.abc import Mapping

from mlci.backends.protocol import Cloud
from mlci.backends.stop_signal import StopSignal
from mlci.flow.models import BaselineOutput, RepositoryPath, S3Location, StepOutput
from mlci.plan import Plan, S3Uri, Upload
from mlci.plan.names import baseline_outputs
from mlci.plan.requests import output_uri
from mlci.s3_uris import output_file_uri

#: The folder of the files of the repository that a step trained on. No output's name begins like this.
_INPUTS_FOLDER = "_inputs"


def cases_files(planned: Plan, outputs: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the URI of each step's file of cases among these outputs, which are kept."""
    written = {name: step.cases for name, step in planned.flow.steps.items() if step.cases}
    return {name: uri for name, file in written.items() if (uri := _own_file(name, file, outputs))}


def id_files(
    planned: Plan, outputs: Mapping[str, Mapping[str, str]], chosen: Mapping[str, str], cloud: Cloud
) -> dict[str, str]:
    """Return the URI of the file of the ids that each step trained on. Where the repository holds it, it is uploaded.

    `chosen` has the cell that each input of the best cell is of, by `<step>.<input>`.

    Raises: CloudError; OSError.
    """
    written = {name: step.trained_on for name, step in planned.flow.steps.items() if step.trained_on}
    found = {name: _id_file(planned, name, file, outputs, chosen, cloud) for name, file in written.items()}
    return {name: uri for name, uri in found.items() if uri}


def _id_file(
    planned: Plan,
    step: str,
    written: str,
    outputs: Mapping[str, Mapping[str, str]],
    chosen: Mapping[str, str],
    cloud: Cloud,
) -> str:
    """Return the URI of the file `<output>/<file>` or `<input>/<file>` of a step; empty if it is not kept."""
    folder, _, file = written.partition("/")
    match planned.flow.steps[step].inputs.get(folder):
        case RepositoryPath(path):
            return _uploaded(planned, step, path, file, cloud)
        case StepOutput(output=output) if folder in planned.flow.steps[step].selections:
            cell = chosen.get(f"{step}.{folder}")
            return _file_of(StepOutput(cell, output), file, outputs) if cell else ""
        case StepOutput() as source:
            return _file_of(source, file, outputs)
        case BaselineOutput(maker, output):
            kept = planned.baseline.outputs.get(maker, {}).get(output)
            return f"{kept}{file}" if kept else ""
        case S3Location(uri):
            return f"{uri.rstrip('/')}/{file}"
        case None:
            return _own_file(step, written, outputs)


def _own_file(step: str, file: str, outputs: Mapping[str, Mapping[str, str]]) -> str:
    """Return the URI of `<output>/<file>` of a step; empty if the output is not kept."""
    return output_file_uri(outputs.get(step, {}), file) or ""


def _file_of(source: StepOutput, file: str, outputs: Mapping[str, Mapping[str, str]]) -> str:
    """Return the URI of a file in an output, or in the folder that has a folder for each cell; empty if not kept."""
    kept = {(step, name): S3Uri(uri) for step, uris in outputs.items() for name, uri in uris.items()}
    is_kept = all((step, source.output) in kept for step in source.steps)
    return f"{output_uri(source, kept)}{file}" if is_kept else ""


def _uploaded(planned: Plan, step: str, path: str, file: str, cloud: Cloud) -> str:
    """Upload a file of the repository, and return its URI; empty if the input does not have it."""
    staged = next((each for each in planned.data[path].files if each.path == file), None)
    if staged is None:
        return ""
    target = planned.target
    folder = S3Uri(
        f"s3://{target.bucket}/{baseline_outputs(planned.flow.name, target.run_id)}/{step}/{_INPUTS_FOLDER}/"
    )
    uri = S3Uri(f"{folder}{file}")
    cloud.upload((Upload(uri, folder, (staged,)),), StopSignal())
    return uri
