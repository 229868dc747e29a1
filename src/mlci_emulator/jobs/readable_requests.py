"""Reads the requests that a state machine will make together, before it is started: what can't run here is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mlci_emulator.jobs import requests


def read_requests(
    sent: Mapping[str, Mapping[str, Any]], runs_in_image: Callable[[str], bool] = lambda image: False
) -> int:
    """Read requests by their operations, as far as this machine runs them, and return the number of a job's instances.

    A transform job comes with its model.

    Raises: InvalidRequest, MalformedRequest, UnsupportedRequest
    """
    if "CreateProcessingJob" in sent:
        return requests.processing(dict(sent["CreateProcessingJob"]), runs_in_image).instance_count
    if "CreateTrainingJob" in sent:
        return requests.training(dict(sent["CreateTrainingJob"]), runs_in_image).instance_count
    if "CreateHyperParameterTuningJob" in sent:
        from mlci_emulator.jobs.tuning_request import tuning  # late: most runs have none

        return tuning(dict(sent["CreateHyperParameterTuningJob"])).instance_count
    if "CreateModel" in sent:
        from mlci_emulator.jobs import transform_request  # late: most runs have no model, and are to start soon

        model = transform_request.model_files(sent["CreateModel"])
        if "CreateTransformJob" in sent:
            transform_request.transform(sent["CreateTransformJob"], model)
    return 1
