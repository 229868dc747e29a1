"""Operations on Map Runs. There are none here, because CreateStateMachine rejects a Distributed Map.

Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListMapRuns.html, API_DescribeMapRun.html and
API_UpdateMapRun.html (errors ExecutionDoesNotExist, ResourceNotFound, InvalidArn).
"""

from __future__ import annotations

from mlci_emulator.protocol.operations import ApiError, Request, Response
from mlci_emulator.services.stepfunctions import arns
from mlci_emulator.services.stepfunctions.executions import Executions
from mlci_emulator.services.stepfunctions.pagination import page


class MapRuns:
    """Map Runs of executions, which must exist."""

    def __init__(self, executions: Executions) -> None:
        self._executions = executions

    def list(self, request: Request) -> Response:
        arn = self._executions.find(str(request["executionArn"]))["arn"]
        none: tuple[Response, ...] = ()
        return page(none, request, f"map runs {arn}", "mapRuns", dict)

    def find(self, request: Request) -> Response:
        """DescribeMapRun and UpdateMapRun.

        Raises: ApiError, always.
        """
        text = str(request["mapRunArn"])
        arns.parse(text, "mapRun")
        raise ApiError("ResourceNotFound", f"Resource not found: '{text}'")
