"""A build of CodeBuild, and the reports that it wrote into the bucket, as the reporter reads them.

Source: https://docs.aws.amazon.com/codebuild/latest/APIReference/API_BatchGetBuilds.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any  # a build has the shape of the API

from mlci.backends.aws.api_calls import Api
from mlci.backends.aws.console_urls import build_link, object_link
from mlci.backends.aws.s3_objects import Objects
from mlci.backends.aws.session import open_session
from mlci.errors import CloudError, InputError
from mlci_dataclasses import dataclass

_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):codebuild:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):"
    r"build/(?P<id>[A-Za-z0-9_-]+:[A-Za-z0-9-]+)"
)
_FOLDER = re.compile(r"s3://(?P<bucket>[a-z0-9.-]+)/mlci/(?P<flow>[A-Za-z0-9-]+)/reports/")
#: The time in which a build that has begun learns its commit.
_SOURCE_WAIT_S, _SOURCE_POLL_S = 30.0, 5.0


@dataclass(frozen=True)
class CodeBuildReports:
    """The reports of the build with this ID, in the folder of a flow's reports."""

    codebuild: Api
    objects: Objects
    arn: str
    id: str
    flow: str
    bucket: str
    partition: str
    region: str

    @staticmethod
    def open(arn: str, folder: str) -> CodeBuildReports:
        """Return the reports of a build.

        Raises: InputError, if the ARN or the folder is none.
        """
        build, reports = _ARN.fullmatch(arn), _FOLDER.fullmatch(folder)
        if build is None:
            raise InputError(f'"{arn}" is no ARN of a build', "The reporter's rule puts it into MLCI_BUILD.")
        if reports is None:
            raise InputError(f'"{folder}" is no folder of reports', "The reporter's project sets MLCI_REPORTS.")
        session = open_session(build["region"])
        return CodeBuildReports(
            session.api("codebuild"),
            Objects(session.api("s3"), build["account"]),
            arn,
            build["id"],
            reports["flow"],
            reports["bucket"],
            build["partition"],
            build["region"],
        )

    def build(self) -> Mapping[str, Any]:
        """Return the build. One that has just begun is asked about again, until its commit is known.

        Raises: CloudError, if there is no such build.
        """
        clock = self.codebuild.retry_policy.clock
        end = clock.monotonic() + _SOURCE_WAIT_S
        while True:
            builds = self.codebuild.call("batch_get_builds", ids=[self.id]).get("builds", [])
            if not builds:
                raise CloudError(f"there is no build {self.id}")
            build: Mapping[str, Any] = builds[0]
            is_known = bool(build.get("resolvedSourceVersion")) or build.get("buildStatus") != "IN_PROGRESS"
            if is_known or clock.monotonic() >= end:
                return build
            clock.sleep(_SOURCE_POLL_S)

    @property
    def build_url(self) -> str:
        return build_link(self.arn)

    @property
    def page_url(self) -> str:
        """The address of report.html."""
        return object_link(self.bucket, f"{self._prefix}report.html", self.partition, self.region)

    def names(self) -> frozenset[str]:
        """Return the names of the reports that the build has written."""
        folder = f"s3://{self.bucket}/{self._prefix}"
        return frozenset(uri.removeprefix(folder) for uri in self.objects.list(folder, 100))

    def read(self, name: str, max_bytes: int) -> bytes | None:
        """Return the first bytes of a report."""
        return self.objects.read(f"s3://{self.bucket}/{self._prefix}{name}", max_bytes)

    @property
    def _prefix(self) -> str:
        return f"mlci/{self.flow}/reports/{self.id}/"
