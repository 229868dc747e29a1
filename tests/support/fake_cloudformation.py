"""CloudFormation as AWS has it, where moto differs: operations take a while, each resource tells its events, what fails
is undone or deleted, and what is to be retained stays. CodeConnections, which moto lacks, is beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import boto3
import yaml
from botocore.exceptions import ClientError

from support.fake_aws import ACCOUNT, REGION

_STACK = "AWS::CloudFormation::Stack"


def refusal(operation: str, code: str, message: str, status: int = 400) -> ClientError:
    told = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(told, operation)


@dataclass
class FormationStack:
    """A stack. `work` is what is still to be done: each look at the stack does one step of it."""

    id: str
    name: str
    status: str
    template: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    resources: dict[str, dict[str, str]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    work: Iterator[None] = field(default_factory=lambda: iter(()))


@dataclass
class Formation:
    """`fails` are resources that can't be made, changed or deleted, with the reason; `on_make` and `on_remove` make and
    remove the real thing behind a resource; `at` is called at each look at a stack; `change_set_fault` is why change
    sets fail, and `early` what validation before them found."""

    fails: dict[str, str] = field(default_factory=dict)
    refuses: dict[str, ClientError] = field(default_factory=dict)
    on_make: Callable[[str, str], None] = lambda kind, name: None
    on_remove: Callable[[str, str], None] = lambda kind, name: None
    at: Callable[[FormationStack], None] = lambda stack: None
    change_set_fault: str = ""
    early: dict[str, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    stacks: dict[str, FormationStack] = field(default_factory=dict)
    change_sets: dict[str, dict[str, Any]] = field(default_factory=dict)
    endpoint: str = f"https://cloudformation.{REGION}.amazonaws.com"
    page: int = 3

    @property
    def meta(self) -> SimpleNamespace:
        return SimpleNamespace(endpoint_url=self.endpoint)

    @property
    def living(self) -> list[FormationStack]:
        return [stack for stack in self.stacks.values() if stack.status != "DELETE_COMPLETE"]

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith(("describe_", "create_", "delete_", "execute_", "cancel_", "list_")):
            self.calls.append(name)
            if name in self.refuses:
                raise self.refuses[name]
        return found

    def _find(self, key: str) -> FormationStack:
        for stack in self.stacks.values():
            if stack.id == key or (stack.name == key and stack.status != "DELETE_COMPLETE"):
                return stack
        raise refusal("DescribeStacks", "ValidationError", f"Stack with id {key} does not exist")

    def _event(self, stack: FormationStack, resource: str, status: str, reason: str = "") -> None:
        of_stack = resource == stack.name
        told = {"ResourceStatusReason": reason} if reason else {}
        stack.events.append(
            {
                "StackId": stack.id,
                "StackName": stack.name,
                "EventId": f"{stack.id}-{len(stack.events)}",
                "LogicalResourceId": resource,
                "PhysicalResourceId": stack.id if of_stack else stack.resources.get(resource, {}).get("id", ""),
                "ResourceType": _STACK if of_stack else stack.template["Resources"][resource]["Type"],
                "ResourceStatus": status,
                **told,
            }
        )
        if of_stack:
            stack.status = status
        elif resource in stack.resources:
            stack.resources[resource]["status"] = status

    # What boto3's client has.

    def describe_stacks(self, StackName: str) -> Mapping[str, Any]:
        stack = self._find(StackName)
        self.at(stack)
        next(stack.work, None)
        outputs = {
            name: output["Value"] if isinstance(output["Value"], str) else stack.resources[output["Value"]["Ref"]]["id"]
            for name, output in stack.template.get("Outputs", {}).items()
            if not isinstance(output["Value"], dict) or output["Value"]["Ref"] in stack.resources
        }
        return {
            "Stacks": [
                {
                    "StackId": stack.id,
                    "StackName": stack.name,
                    "StackStatus": stack.status,
                    "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in stack.parameters.items()],
                    "Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in outputs.items()],
                    "Tags": [{"Key": k, "Value": v} for k, v in stack.tags.items()],
                }
            ]
        }

    def describe_stack_events(self, StackName: str, NextToken: str = "0") -> Mapping[str, Any]:
        events, first = self._find(StackName).events[::-1], int(NextToken)
        later = {"NextToken": str(first + self.page)} if first + self.page < len(events) else {}
        return {"StackEvents": events[first : first + self.page], **later}

    def describe_stack_resource(self, StackName: str, LogicalResourceId: str) -> Mapping[str, Any]:
        found = self._find(StackName).resources.get(LogicalResourceId)
        if found is None:
            raise refusal("DescribeStackResource", "ValidationError", f"Resource {LogicalResourceId} does not exist")
        return {"StackResourceDetail": {"PhysicalResourceId": found["id"], "ResourceStatus": found["status"]}}

    def list_stack_resources(self, StackName: str) -> Mapping[str, Any]:
        stack = self._find(StackName)
        return {
            "StackResourceSummaries": [
                {
                    "LogicalResourceId": name,
                    "ResourceType": stack.template["Resources"][name]["Type"],
                    "ResourceStatus": resource["status"],
                }
                for name, resource in stack.resources.items()
            ]
        }

    def create_change_set(self, StackName: str, ChangeSetName: str, ChangeSetType: str, **given: Any) -> Any:
        if ChangeSetType == "CREATE":
            if any(stack.name == StackName and stack.status != "REVIEW_IN_PROGRESS" for stack in self.living):
                raise refusal("CreateChangeSet", "ValidationError", f"Stack [{StackName}] already exists")
            stack_id = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{StackName}/{len(self.stacks)}"
            self.stacks[stack_id] = stack = FormationStack(stack_id, StackName, "REVIEW_IN_PROGRESS")
            self._event(stack, StackName, "REVIEW_IN_PROGRESS")
        else:
            assert "OnStackFailure" not in given
            stack = self._find(StackName)
        text = given["TemplateBody"] if "TemplateBody" in given else self._read(given["TemplateURL"])
        assert "TemplateURL" in given or len(text.encode()) <= 51_200
        template = yaml.safe_load(text)
        values = {
            entry["ParameterKey"]: stack.parameters[entry["ParameterKey"]]
            if entry.get("UsePreviousValue")
            else entry["ParameterValue"]
            for entry in given["Parameters"]
        }
        made = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:changeSet/{ChangeSetName}/1"
        tags = {tag["Key"]: tag["Value"] for tag in given["Tags"]}
        self.change_sets[made] = {"stack": stack, "template": template, "values": values, "type": ChangeSetType}
        self.change_sets[made] |= {"tags": tags, "failure": given.get("OnStackFailure"), "looks": 0}
        return {"Id": made, "StackId": stack.id}

    def _read(self, url: str) -> str:
        """The template in a bucket, by the path of its URL."""
        self.urls.append(url)
        bucket, _, key = urlsplit(url).path.lstrip("/").partition("/")
        body: bytes = boto3.client("s3", region_name=REGION).get_object(Bucket=bucket, Key=key)["Body"].read()
        return body.decode()

    def _wanted(self, template: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, dict[str, Any]]:
        """The resources whose condition, where they have one, holds: `Is<Parameter>`, which is `true`."""
        return {
            name: resource
            for name, resource in template["Resources"].items()
            if "Condition" not in resource or values.get(resource["Condition"].removeprefix("Is")) == "true"
        }

    def describe_change_set(self, ChangeSetName: str, StackName: str, NextToken: str = "0") -> Mapping[str, Any]:
        if ChangeSetName not in self.change_sets:
            raise refusal("DescribeChangeSet", "ChangeSetNotFound", "no such change set", 404)
        change_set = self.change_sets[ChangeSetName]
        change_set["looks"] += 1
        if change_set["looks"] == 1:
            return {"Status": "CREATE_IN_PROGRESS", "ExecutionStatus": "UNAVAILABLE"}
        if self.change_set_fault:
            return {"Status": "FAILED", "StatusReason": self.change_set_fault}
        changes = self._changes(change_set)
        stack = change_set["stack"]
        if not changes and change_set["values"] == stack.parameters and change_set["template"] == stack.template:
            reason = "The submitted information didn't contain changes. Submit different information to create one."
            return {"Status": "FAILED", "StatusReason": reason}
        first = int(NextToken)
        later = {"NextToken": str(first + self.page)} if first + self.page < len(changes) else {}
        return {"Status": "CREATE_COMPLETE", "Changes": changes[first : first + self.page], **later}

    def describe_events(self, ChangeSetName: str) -> Mapping[str, Any]:
        faults = [
            {"LogicalResourceId": name, "ValidationStatus": "FAILED", "ValidationStatusReason": reason}
            for name, reason in self.early.items()
        ]
        return {"OperationEvents": [{"EventType": "STACK_EVENT"}, *faults]}

    def _changes(self, change_set: Mapping[str, Any]) -> list[dict[str, Any]]:
        stack, wanted = change_set["stack"], self._wanted(change_set["template"], change_set["values"])
        old = self._wanted(stack.template, stack.parameters) if stack.template else {}
        changed = {name for name, value in change_set["values"].items() if stack.parameters.get(name) != value}
        told: list[tuple[str, str, str]] = [("Add", name, wanted[name]["Type"]) for name in wanted if name not in old]
        told += [("Remove", name, old[name]["Type"]) for name in old if name not in wanted]
        for name in wanted:
            text = json.dumps(wanted[name])
            used = any(f'{{"Ref": "{parameter}"}}' in text for parameter in changed)
            if name in old and (wanted[name] != old[name] or used):
                told.append(("Modify", name, wanted[name]["Type"]))
        return [
            {
                "Type": "Resource",
                "ResourceChange": {
                    "Action": action,
                    "LogicalResourceId": name,
                    "ResourceType": kind,
                    **({"Replacement": "False"} if action == "Modify" else {}),
                },
            }
            for action, name, kind in told
        ]

    def delete_change_set(self, ChangeSetName: str, StackName: str) -> None:
        if self.change_sets.pop(ChangeSetName, None) is None:
            raise refusal("DeleteChangeSet", "ChangeSetNotFound", "no such change set", 404)

    def execute_change_set(self, ChangeSetName: str, StackName: str, **given: Any) -> None:
        change_set = self.change_sets.pop(ChangeSetName)
        stack: FormationStack = change_set["stack"]
        if change_set["type"] == "CREATE":
            assert "DisableRollback" not in given, "it can't stand beside OnStackFailure"
            stack.work = self._create(stack, change_set)
        else:
            stack.work = self._update(stack, change_set)

    def _make(self, stack: FormationStack, name: str) -> Iterator[bool]:
        stack.resources[name] = {"id": "", "status": ""}
        self._event(stack, name, "CREATE_IN_PROGRESS")
        yield True
        if name in self.fails:
            self._event(stack, name, "CREATE_FAILED", self.fails[name])
            yield False
            return
        kind = stack.template["Resources"][name]["Type"]
        stack.resources[name]["id"] = f"{stack.name}-{name}-1a2b".lower()
        if "Connection" in name:
            stack.resources[name]["id"] = f"arn:aws:codeconnections:{REGION}:{ACCOUNT}:connection/{'0' * 36}"
        self._event(stack, name, "CREATE_IN_PROGRESS", "Resource creation Initiated")
        self.on_make(kind, stack.resources[name]["id"])
        self._event(stack, name, "CREATE_COMPLETE")

    def _create(self, stack: FormationStack, change_set: Mapping[str, Any]) -> Iterator[None]:
        yield  # that it has begun is seen late
        stack.template, stack.parameters = change_set["template"], change_set["values"]
        stack.tags = change_set["tags"]
        self._event(stack, stack.name, "CREATE_IN_PROGRESS", "User Initiated")
        for name in self._wanted(stack.template, stack.parameters):
            for is_made in self._make(stack, name):
                if not is_made:
                    self._event(stack, "GitHubConnection", "CREATE_FAILED", "Resource creation cancelled")
                    assert change_set["failure"] == "DELETE"
                    stack.work = self._delete(stack)
                    return
                yield
        self._event(stack, stack.name, "CREATE_COMPLETE")

    def _update(self, stack: FormationStack, change_set: Mapping[str, Any]) -> Iterator[None]:
        yield
        before = (stack.template, stack.parameters)
        stack.template, stack.parameters = change_set["template"], change_set["values"]
        self._event(stack, stack.name, "UPDATE_IN_PROGRESS", "User Initiated")
        yield
        new = [name for name in self._wanted(stack.template, stack.parameters) if name not in stack.resources]
        for name in new:
            for is_made in self._make(stack, name):
                yield
                if not is_made or stack.status != "UPDATE_IN_PROGRESS":
                    yield from self._set_back(stack, name, before)
                    return
        self._event(stack, stack.name, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        yield
        self._event(stack, stack.name, "UPDATE_COMPLETE")

    def _set_back(self, stack: FormationStack, name: str, before: tuple[Any, dict[str, str]]) -> Iterator[None]:
        self._event(stack, stack.name, "UPDATE_ROLLBACK_IN_PROGRESS", "The update failed")
        stack.resources.pop(name)
        yield
        stack.template, stack.parameters = before
        self._event(stack, stack.name, "UPDATE_ROLLBACK_COMPLETE")

    def delete_stack(self, StackName: str, **given: Any) -> None:
        try:
            stack = self._find(StackName)
        except ClientError:
            return
        stack.work = self._delete(stack)

    def _delete(self, stack: FormationStack) -> Iterator[None]:
        yield
        self._event(stack, stack.name, "DELETE_IN_PROGRESS")
        yield
        for name, resource in list(stack.resources.items())[::-1]:
            described = stack.template["Resources"][name]
            if described.get("DeletionPolicy") == "Retain":
                self._event(stack, name, "DELETE_SKIPPED")
            elif name in self.fails and resource["status"] != "CREATE_FAILED":
                self._event(stack, name, "DELETE_FAILED", self.fails[name])
                self._event(
                    stack, stack.name, "DELETE_FAILED", f"The following resource(s) failed to delete: [{name}]."
                )
                return
            else:
                self.on_remove(described["Type"], resource["id"])
                self._event(stack, name, "DELETE_COMPLETE")
        self._event(stack, stack.name, "DELETE_COMPLETE")

    def cancel_update_stack(self, StackName: str) -> None:
        stack = self._find(StackName)
        if stack.status != "UPDATE_IN_PROGRESS":
            raise refusal("CancelUpdateStack", "ValidationError", "CancelUpdateStack cannot be called")
        self._event(stack, stack.name, "UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated")


@dataclass
class CodeConnections:
    """`statuses` are told one after the other, the last for ever."""

    statuses: list[str] = field(default_factory=lambda: ["AVAILABLE"])
    provider: str = "GitHub"
    refuses: ClientError | None = None
    endpoint: str = f"https://codeconnections.{REGION}.amazonaws.com"
    asked: int = 0

    @property
    def meta(self) -> SimpleNamespace:
        return SimpleNamespace(endpoint_url=self.endpoint)

    def get_connection(self, ConnectionArn: str) -> Mapping[str, Any]:
        self.asked += 1
        if self.refuses is not None:
            raise self.refuses
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return {
            "Connection": {
                "ConnectionArn": ConnectionArn,
                "ConnectionStatus": status,
                "ProviderType": self.provider,
            }
        }
