"""EventBridge as far as a rule of the template goes: the pattern, the input transformer, the request to the target.

moto matches the pattern. Its transformer leaves texts without the quotes that EventBridge puts around them.
Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import botocore.session
from botocore.validate import ParamValidator
from moto.events.models import EventPattern


def state_change(build: str, project: str, status: str) -> dict[str, Any]:
    """The event of a build's change, in the shape of AWS's sample.

    Source: https://docs.aws.amazon.com/codebuild/latest/userguide/sample-build-notifications-ref.html
    """
    return {
        "version": "0",
        "id": "c030038d-8c4d-6141-9545-00ff7b7153EX",
        "detail-type": "CodeBuild Build State Change",
        "source": "aws.codebuild",
        "account": build.split(":")[4],
        "time": "2026-11-23T10:15:28Z",
        "region": build.split(":")[3],
        "resources": [build],
        "detail": {
            "build-status": status,
            "project-name": project,
            "build-id": build,
            "additional-information": {
                "artifact": {"location": ""},
                "environment": {
                    "image": "aws/codebuild/standard:7.0",
                    "privileged-mode": False,
                    "compute-type": "BUILD_GENERAL1_SMALL",
                    "type": "LINUX_CONTAINER",
                    "environment-variables": [],
                },
                "timeout-in-minutes": 120,
                "build-complete": status != "IN_PROGRESS",
                "initiator": "GitHub-Hookshot/0000000",
                "build-start-time": "Nov 23, 2026 10:15:00 AM",
                "source": {"location": "https://github.example.com/octo/model.git", "type": "GITHUB_ENTERPRISE"},
                "source-version": "pr/7",
                "logs": {"group-name": f"/aws/codebuild/{project}", "stream-name": build.rpartition(":")[2]},
                "phases": [{"phase-context": [], "phase-type": "SUBMITTED", "phase-status": "SUCCEEDED"}],
            },
            "current-phase": "SUBMITTED" if status == "IN_PROGRESS" else "COMPLETED",
            "current-phase-context": "[]",
            "version": "1",
        },
    }


def started_builds(rule: Mapping[str, Any], event: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The requests of StartBuild, one for each target of a rule that matches the event, as the API takes them."""
    if not EventPattern(None, rule["EventPattern"]).matches_event(event):  # type: ignore[arg-type]
        return
    for target in rule["Targets"]:
        transformer = target["InputTransformer"]
        values = {name: _at(event, path) for name, path in transformer["InputPathsMap"].items()}
        text = transformer["InputTemplate"]
        for name, value in values.items():
            text = text.replace(f"<{name}>", json.dumps(value))
        request = {"projectName": "p", **json.loads(text)}
        shape = botocore.session.Session().get_service_model("codebuild").operation_model("StartBuild").input_shape
        report = ParamValidator().validate(request, shape)
        assert not report.has_errors(), report.generate_report()
        assert request.keys() <= shape.members.keys()
        yield request


def _at(event: Any, path: str) -> Any:
    for name in path.removeprefix("$.").split("."):
        event = event[name]
    return event
