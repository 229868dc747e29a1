"""The announcements of what the build is to do for a state machine, as the event of a task and the object with its
token have them: a job that it runs itself, and the verdict on the gate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from typing import TypeAlias

from mlci.flow.models import Json
from mlci.step_types.gate_judgement import JUDGED, JUDGES
from mlci_dataclasses import dataclass


@dataclass(frozen=True)
class JobAnnouncement:
    """A job that the build is to run. `uri` is the place of the object with the token, and `job` the job's name.

    A sign of life is due within `heartbeat_s`.
    """

    uri: str
    step: str
    job: str
    token: str = field(repr=False)
    heartbeat_s: float
    request: Mapping[str, Json] = field(repr=False)

    @property
    def name(self) -> str:
        return self.step


@dataclass(frozen=True)
class GateAnnouncement:
    """The question whether the gate holds. `uri` is the place of the object with the token."""

    uri: str
    token: str = field(repr=False)

    @property
    def name(self) -> str:
        return JUDGED


Announcement: TypeAlias = "JobAnnouncement | GateAnnouncement"


def parse_announcement(details: Mapping[str, Json]) -> Announcement | None:
    """Return what the details of a TaskScheduled event announce; None if they announce nothing for the build."""
    try:
        parameters = json.loads(str(details["parameters"]))
        uri = f"s3://{parameters['Bucket']}/{parameters['Key']}"
        return announcement_of(parameters["Body"], uri)
    except (ValueError, RecursionError, KeyError, TypeError):
        return None


def read_announcement(data: bytes | None, uri: str) -> Announcement | None:
    """Return what an object announces; None if it is not there, or damaged."""
    try:
        return announcement_of(json.loads(data or b""), uri)
    except (ValueError, RecursionError):
        return None


def announcement_of(body: Json, uri: str) -> Announcement | None:
    """Return what a document announces; None if it is no announcement."""
    if not isinstance(body, dict) or not isinstance(token := body.get("token"), str):
        return None
    if body.get(JUDGES) == JUDGED:
        return GateAnnouncement(uri, token)
    step, job, request = (body.get(name) for name in ("step", "job", "request"))
    heartbeat_s = body.get("heartbeat_s")
    if not (isinstance(step, str) and isinstance(job, str) and isinstance(request, dict)):
        return None
    if isinstance(heartbeat_s, bool) or not isinstance(heartbeat_s, (int, float)) or heartbeat_s <= 0:
        return None
    return JobAnnouncement(uri, step, job, token, float(heartbeat_s), request)
