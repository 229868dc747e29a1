"""Step Functions: the state machine of a flow. It is changed only where it differs, and only its versions are started.

A version is a snapshot, so what another build makes of the state machine in the meantime changes nothing for this one.
Sources: API_UpdateStateMachine.html, API_PublishStateMachineVersion.html and API_CreateStateMachine.html under
https://docs.aws.amazon.com/step-functions/latest/apireference/
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from mlci import __version__
from mlci.backends.aws.api_calls import Api, AwsError
from mlci.backends.protocol import VersionArn
from mlci.errors import CloudError, InputError

#: A state machine has at most 1,000 versions; older ones than these newest are deleted, once they are a day old, for
#: until then a build may have published one and not yet started it.
#: Source: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
KEPT_VERSIONS = 100
MIN_AGE = timedelta(days=1)
#: DeleteStateMachineVersion may be called once a second, after a burst of 100.
MAX_DELETIONS = 50
#: How often builds that change the state machine at the same moment try again.
ATTEMPTS = 30
#: The revision of a state machine that was never updated.
_INITIAL = "INITIAL"
_LATER = ("ConflictException", "StateMachineAlreadyExists", "StateMachineDeleting")
FLOW_TAG, REPOSITORY_TAG, VERSION_TAG = "mlci:flow", "mlci:repository", "mlci:version"


@dataclass(frozen=True)
class Wanted:
    """The state machine as a run needs it. `log_group` is None where its logging is to be left as it is."""

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
class Found:
    """A state machine as it is."""

    definition: str
    role: str
    revision: str
    logging: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    is_standard: bool = True

    def differs(self, wanted: Wanted) -> tuple[str, ...]:
        """What of it is not as wanted."""
        same = {
            "definition": _is_same(self.definition, wanted.definition),
            "role": self.role == wanted.role,
            "logging": wanted.log_group is None or dict(self.logging) == wanted.logging,
            "tags": wanted.tags.items() <= self.tags.items(),
        }
        return tuple(name for name, is_same in same.items() if not is_same)


@dataclass(frozen=True)
class StateMachines:
    """`tell` hears of what went wrong and does not matter."""

    api: Api
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)
    tell: Callable[[str], None] = lambda text: None

    def find(self, arn: str) -> Found | None:
        """The state machine; None where there is none."""
        try:
            told = self.api.call("describe_state_machine", stateMachineArn=arn)
            tags = self.api.call("list_tags_for_resource", resourceArn=arn)["tags"]
        except AwsError as error:
            if error.code in ("StateMachineDoesNotExist", "ResourceNotFound"):
                return None
            raise
        return Found(
            definition=told["definition"],
            role=told["roleArn"],
            revision=told.get("revisionId") or _INITIAL,
            logging=told.get("loggingConfiguration", {}),
            tags={tag["key"]: tag["value"] for tag in tags},
            is_standard=told["type"] == "STANDARD",
        )

    def check_owner(self, found: Found, wanted: Wanted) -> None:
        """Raises InputError, where the state machine is not this flow's, so that nothing of others is overwritten."""
        where = f'the state machine "{wanted.name}"'
        if FLOW_TAG not in found.tags or not found.is_standard:
            hint = f"Name the flow otherwise, or, if it is yours to give, tag it with {FLOW_TAG}."
            raise InputError(f"{where} exists already, and mlci did not make it", hint)
        ours, theirs = wanted.tags.get(REPOSITORY_TAG), found.tags.get(REPOSITORY_TAG)
        if ours and theirs and ours != theirs:
            hint = f"Name the flow otherwise; where the repository has moved, change the tag {REPOSITORY_TAG}."
            raise InputError(f"{where} belongs to the repository {theirs}, and this is {ours}", hint)

    def publish(self, wanted: Wanted) -> VersionArn:
        """A version that runs exactly this definition. Makes or changes the state machine where it has to.

        Raises: InputError, where it is someone else's, or the role or the definition is refused.
        """
        for attempt in range(ATTEMPTS):
            found = self.find(wanted.arn)
            if found is not None:
                self.check_owner(found, wanted)
            try:
                version = self._create(wanted) if found is None else self._brought_up_to_date(found, wanted)
                if self._runs(version, wanted):
                    return version
            except AwsError as error:
                if error.code == "ServiceQuotaExceededException":
                    self.prune(wanted.arn, min_age=timedelta(hours=1))
                elif error.code not in _LATER:
                    raise _refusal(error, wanted) from error
            self.api.patience.clock.sleep(min(0.5 * (attempt + 1), 5.0))  # another build changes it at this moment
        raise CloudError(
            f'the state machine "{wanted.name}" is changed by others all the time', hint="Run again in a few minutes."
        )

    def _runs(self, version: VersionArn, wanted: Wanted) -> bool:
        """Whether a version runs this definition: nothing promises that updating and publishing are one step, between
        which no other build updates."""
        told = self.api.call("describe_state_machine", stateMachineArn=version)
        return _is_same(told["definition"], wanted.definition) and told["roleArn"] == wanted.role

    def _create(self, wanted: Wanted) -> VersionArn:
        made = self.api.call(
            "create_state_machine",
            name=wanted.name,
            definition=wanted.definition,
            roleArn=wanted.role,
            type="STANDARD",
            tags=_tag_list(wanted.tags),
            publish=True,
            versionDescription=_description(wanted.definition),
            **({"loggingConfiguration": wanted.logging} if wanted.log_group else {}),
        )
        return VersionArn(made["stateMachineVersionArn"])

    def _brought_up_to_date(self, found: Found, wanted: Wanted) -> VersionArn:
        differs = found.differs(wanted)
        if "tags" in differs:
            self.api.call("tag_resource", resourceArn=wanted.arn, tags=_tag_list(wanted.tags))
        if set(differs) <= {"tags"}:
            # Answers with the version that this revision has already, and with a conflict where it is not the newest.
            told = self.api.call("publish_state_machine_version", stateMachineArn=wanted.arn, revisionId=found.revision)
            return VersionArn(told["stateMachineVersionArn"])
        told = self.api.call(
            "update_state_machine",
            stateMachineArn=wanted.arn,
            definition=wanted.definition,
            roleArn=wanted.role,
            publish=True,
            versionDescription=_description(wanted.definition),
            **({"loggingConfiguration": wanted.logging} if "logging" in differs else {}),
        )
        self.prune(wanted.arn)
        return VersionArn(told["stateMachineVersionArn"])

    def remove(self, arn: str) -> None:
        """Deletes the state machine, with its versions; one that isn't there is fine.

        Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_DeleteStateMachine.html
        """
        self.api.call("delete_state_machine", stateMachineArn=arn)

    def prune(self, arn: str, min_age: timedelta = MIN_AGE) -> int:
        """Deletes old versions, but none that an execution runs or an alias names; says how many. Never fails."""
        try:
            old = self._old_versions(arn, min_age)
            if not old:
                return 0
            running = self._running_versions(arn)
            deleted = [self._delete(version) for version in old if version not in running]
            return sum(deleted)
        except AwsError as error:
            self.tell(f"old versions of the state machine stay, for now: {error}")
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

    def _delete(self, version: str) -> bool:
        try:
            self.api.call("delete_state_machine_version", stateMachineVersionArn=version)
        except AwsError as error:
            if error.code == "ConflictException":
                return False  # an alias names it
            raise
        return True


def _refusal(error: AwsError, wanted: Wanted) -> CloudError | InputError:
    """A refusal in our words, where it is the input's fault."""
    what = f'AWS refuses the state machine "{wanted.name}": {error.message}'
    if error.code == "AccessDeniedException" and "PassRole" in error.message:
        return InputError(what, f"Whoever runs mlci needs iam:PassRole on {wanted.role}.")
    if error.code == "AccessDeniedException" and "assume" in error.message:
        return InputError(what, "The workflow role has to trust states.amazonaws.com.")
    if error.code == "AccessDeniedException":
        return InputError(what, f"Whoever runs mlci needs states:{error.operation} on {wanted.arn}.")
    if error.code in ("InvalidArn", "InvalidDefinition", "ValidationException", "InvalidLoggingConfiguration"):
        return InputError(what, f"It was deployed with the role {wanted.role}.")
    return error


def _is_same(one: str, other: str) -> bool:
    """Whether two definitions say the same; spaces and the order of keys do not count."""
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return one == other


def _description(definition: str) -> str:
    return f"mlci {__version__}, definition {hashlib.sha256(definition.encode()).hexdigest()[:16]}"


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def tags_of(flow: str, repository: str | None) -> dict[str, str]:
    """The tags of a flow's state machine. Characters that a tag can't have are replaced.

    Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_Tag.html
    """
    tags = {FLOW_TAG: flow, VERSION_TAG: __version__}
    if repository:
        tags[REPOSITORY_TAG] = re.sub(r"[^\w .:/=+@-]", "-", repository)[:256]
    return tags
