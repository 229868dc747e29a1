"""Step Functions: the state machine of a flow. It is updated only if it differs, and only its versions are started.

A version is a snapshot: another build that updates the state machine in the meantime does not affect this one.
Sources: API_UpdateStateMachine.html, API_PublishStateMachineVersion.html and API_CreateStateMachine.html under
https://docs.aws.amazon.com/step-functions/latest/apireference/
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import datetime, timedelta, timezone
from typing import Any

from mlci import __version__
from mlci.backends.aws.api_calls import Api, AwsError
from mlci.backends.protocol import VersionArn
from mlci.errors import CloudError, InputError
from mlci.plan.names import FLOW_TAG, REPOSITORY_TAG, VERSION_TAG
from mlci_dataclasses import dataclass

#: A state machine has at most 1,000 versions, so all but the newest are deleted. A version that is younger than a day
#: stays: a build may have published it, and not yet started it.
#: Source: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
KEPT_VERSIONS = 100
MIN_AGE = timedelta(days=1)
#: DeleteStateMachineVersion allows one call a second, after a burst of 100.
MAX_DELETIONS = 50
#: How often a build retries an update that collides with another build's.
ATTEMPTS = 30
#: The revision ID of a state machine that was never updated.
_INITIAL = "INITIAL"
_LATER = ("ConflictException", "StateMachineAlreadyExists", "StateMachineDeleting")


@dataclass(frozen=True)
class DesiredStateMachine:
    """The state machine that a run needs. `log_group` is None if its logging is left unchanged."""

    arn: str
    definition: str
    role: str
    tags: Mapping[str, str]
    log_group: str | None = None

    @property
    def name(self) -> str:
        return self.arn.rpartition(":")[2]

    @property
    def logging(self) -> dict[str, Any]:
        destination = {"cloudWatchLogsLogGroup": {"logGroupArn": f"{self.log_group}"}}
        return {"level": "ALL", "includeExecutionData": False, "destinations": [destination]}


@dataclass(frozen=True)
class StateMachine:
    """A state machine in the account."""

    definition: str
    role: str
    revision: str
    logging: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    is_standard: bool = True

    def differs(self, desired: DesiredStateMachine) -> tuple[str, ...]:
        """Return the names of the fields that differ from the desired state machine."""
        same = {
            "definition": _is_same(self.definition, desired.definition),
            "role": self.role == desired.role,
            "logging": desired.log_group is None or dict(self.logging) == desired.logging,
            "tags": desired.tags.items() <= self.tags.items(),
        }
        return tuple(name for name, is_same in same.items() if not is_same)


@dataclass(frozen=True)
class StateMachines:
    """State machines. `log` receives errors that do not affect the run."""

    api: Api
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)
    log: Callable[[str], None] = lambda text: None

    def find(self, arn: str) -> StateMachine | None:
        """Return the state machine, or None if there is none."""
        try:
            response = self.api.call("describe_state_machine", stateMachineArn=arn)
            tags = self.api.call("list_tags_for_resource", resourceArn=arn)["tags"]
        except AwsError as error:
            if error.code in ("StateMachineDoesNotExist", "ResourceNotFound"):
                return None
            raise
        return StateMachine(
            definition=response["definition"],
            role=response["roleArn"],
            revision=response.get("revisionId") or _INITIAL,
            logging=response.get("loggingConfiguration", {}),
            tags={tag["key"]: tag["value"] for tag in tags},
            is_standard=response["type"] == "STANDARD",
        )

    def check_owner(self, current: StateMachine, desired: DesiredStateMachine) -> None:
        """Raise InputError if the state machine is not this flow's, so that it is not overwritten."""
        subject = f'the state machine "{desired.name}"'
        if FLOW_TAG not in current.tags or not current.is_standard:
            hint = f"Rename the flow, or tag the state machine with {FLOW_TAG} to let mlci manage it."
            raise InputError(f"{subject} exists already, and mlci did not create it", hint)
        repository, owner = desired.tags.get(REPOSITORY_TAG), current.tags.get(REPOSITORY_TAG)
        if repository and owner and repository != owner:
            hint = f"Rename the flow. If the repository has moved, change the tag {REPOSITORY_TAG}."
            raise InputError(f"{subject} belongs to the repository {owner}, and this is {repository}", hint)

    def publish(self, desired: DesiredStateMachine) -> VersionArn:
        """Create or update the state machine if needed, and return a version with exactly this definition.

        Raises: InputError, if it belongs to another flow, or AWS rejects the role or the definition.
        """
        for attempt in range(ATTEMPTS):
            current = self.find(desired.arn)
            if current is not None:
                self.check_owner(current, desired)
            try:
                version = self._create(desired) if current is None else self._update(current, desired)
                if self._is_version_of(version, desired):
                    return version
            except AwsError as error:
                if error.code == "ServiceQuotaExceededException":
                    self.prune(desired.arn, min_age=timedelta(hours=1))
                elif error.code not in _LATER:
                    raise _refusal(error, desired) from error
            self.api.retry_policy.clock.sleep(min(0.5 * (attempt + 1), 5.0))  # another build updates it now
        raise CloudError(
            f'other builds keep updating the state machine "{desired.name}"', hint="Run again in a few minutes."
        )

    def _is_version_of(self, version: VersionArn, desired: DesiredStateMachine) -> bool:
        """Return True if a version has this definition and role. Another build may have updated the state machine
        between this build's update and its publication."""
        response = self.api.call("describe_state_machine", stateMachineArn=version)
        return _is_same(response["definition"], desired.definition) and response["roleArn"] == desired.role

    def _create(self, desired: DesiredStateMachine) -> VersionArn:
        created = self.api.call(
            "create_state_machine",
            name=desired.name,
            definition=desired.definition,
            roleArn=desired.role,
            type="STANDARD",
            tags=_tag_list(desired.tags),
            publish=True,
            versionDescription=_description(desired.definition),
            **({"loggingConfiguration": desired.logging} if desired.log_group else {}),
        )
        return VersionArn(created["stateMachineVersionArn"])

    def _update(self, current: StateMachine, desired: DesiredStateMachine) -> VersionArn:
        differs = current.differs(desired)
        if "tags" in differs:
            self.api.call("tag_resource", resourceArn=desired.arn, tags=_tag_list(desired.tags))
        if set(differs) <= {"tags"}:
            # Returns the existing version of this revision, and raises a conflict if the revision is not the newest.
            response = self.api.call(
                "publish_state_machine_version", stateMachineArn=desired.arn, revisionId=current.revision
            )
            return VersionArn(response["stateMachineVersionArn"])
        response = self.api.call(
            "update_state_machine",
            stateMachineArn=desired.arn,
            definition=desired.definition,
            roleArn=desired.role,
            publish=True,
            versionDescription=_description(desired.definition),
            **({"loggingConfiguration": desired.logging} if "logging" in differs else {}),
        )
        self.prune(desired.arn)
        return VersionArn(response["stateMachineVersionArn"])

    def delete(self, arn: str) -> None:
        """Delete the state machine with its versions. A missing one is no error.

        Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_DeleteStateMachine.html
        """
        self.api.call("delete_state_machine", stateMachineArn=arn)

    def prune(self, arn: str, min_age: timedelta = MIN_AGE) -> int:
        """Delete old versions that no execution uses and no alias names, and return their number. Never raises."""
        try:
            old = self._old_versions(arn, min_age)
            if not old:
                return 0
            running = self._running_versions(arn)
            deleted = [self._delete_version(version) for version in old if version not in running]
            return sum(deleted)
        except AwsError as error:
            self.log(f"old versions of the state machine could not be deleted: {error}")
            return 0

    def _old_versions(self, arn: str, min_age: timedelta) -> list[str]:
        pages = self.api.pages("list_state_machine_versions", ("nextToken", "nextToken"), stateMachineArn=arn)
        versions = [version for page in pages for version in page["stateMachineVersions"]]
        versions.sort(key=lambda version: int(version["stateMachineVersionArn"].rpartition(":")[2]), reverse=True)
        return [
            version["stateMachineVersionArn"]
            for version in versions[KEPT_VERSIONS:]
            if self.now() - version["creationDate"] > min_age
        ][-MAX_DELETIONS:]

    def _running_versions(self, arn: str) -> set[str]:
        pages = self.api.pages(
            "list_executions", ("nextToken", "nextToken"), stateMachineArn=arn, statusFilter="RUNNING"
        )
        return {entry.get("stateMachineVersionArn", "") for page in pages for entry in page["executions"]}

    def _delete_version(self, version: str) -> bool:
        try:
            self.api.call("delete_state_machine_version", stateMachineVersionArn=version)
        except AwsError as error:
            if error.code == "ConflictException":
                return False  # an alias names it
            raise
        return True


def _refusal(error: AwsError, desired: DesiredStateMachine) -> CloudError | InputError:
    """Return an InputError if the input is at fault, or else the error itself."""
    what = f'AWS rejected the state machine "{desired.name}": {error.message}'
    if error.code == "AccessDeniedException" and "PassRole" in error.message:
        return InputError(what, f"The caller needs iam:PassRole on {desired.role}.")
    if error.code == "AccessDeniedException" and "assume" in error.message:
        return InputError(what, "The workflow role must trust states.amazonaws.com.")
    if error.code == "AccessDeniedException":
        return InputError(what, f"The caller needs states:{error.operation} on {desired.arn}.")
    if error.code in ("InvalidArn", "InvalidDefinition", "ValidationException", "InvalidLoggingConfiguration"):
        return InputError(what, f"It was deployed with the role {desired.role}.")
    return error


def _is_same(one: str, other: str) -> bool:
    """Return True if two definitions are equal, apart from white space and the order of keys."""
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return one == other


def _description(definition: str) -> str:
    return f"mlci {__version__}, definition {hashlib.sha256(definition.encode()).hexdigest()[:16]}"


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def state_machine_tags(flow: str, repository: str | None) -> dict[str, str]:
    """Return the tags of a flow's state machine. Characters that a tag can't have are replaced.

    Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_Tag.html
    """
    tags = {FLOW_TAG: flow, VERSION_TAG: __version__}
    if repository:
        tags[REPOSITORY_TAG] = re.sub(r"[^\w .:/=+@-]", "-", repository)[:256]
    return tags
