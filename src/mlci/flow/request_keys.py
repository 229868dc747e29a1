"""The request of a step as its flow writes it: the keys that become fields of it, and `request:` over them.

So whoever looks for a field looks in one place, however the flow has it.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from mlci.flow.durations import format_duration, parse_duration
from mlci.flow.invalid_value import InvalidValue
from mlci.flow.key_reader import KeyReader
from mlci.flow.models import Json
from mlci.flow.yaml_document import Path
from mlci.step_types.keys import Key
from mlci.step_types.request_parts import merged
from mlci.step_types.warm_pools import KEEP_ALIVE_FIELD, MAX_KEEP_ALIVE_S, keep_alive_s


def _stopping_condition(request: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return the time limits in a request, wherever it has those of its jobs."""
    for name, value in request.items():
        if isinstance(value, dict) and (found := value if name == "StoppingCondition" else _stopping_condition(value)):
            return found
    return {}


class RequestKeys(KeyReader):
    """The keys of one step that become fields of its request."""

    def request(self, timeout_s: int) -> dict[str, Json]:
        """Return the fields of all keys, with `request:` over them. What a type has no key for is empty."""
        key = self.step.key("request")
        own: dict[str, Json] = self.step.written("request") or {}
        if key is not None and not self.problems.is_partly_suspect(self.path("request")):
            self.check_value(key, own)
        request = self._merged("request", own)
        self._check_spot(request, timeout_s)
        self._check_warm_pool(request)
        return request

    def further_requests(self) -> dict[str, dict[str, Json]]:
        """Return the same for the step's other requests, by the keys that are merged over them."""
        others = {key.merges_into for key in self.step.step_type.keys} - {"request"}
        found = {}
        for name in sorted(others):
            key, own = self.step.key(name), self.step.written(name) or {}
            if key is not None and not self.problems.is_partly_suspect(self.path(name)):
                self.check_value(key, own)
            found[name] = self._merged(name, own)
        return found

    def _merged(self, name: str, own: Mapping[str, Json]) -> dict[str, Json]:
        """Return the fields of all keys that merge into a key's value, with that value over them."""
        request: dict[str, Json] = {}
        for each in self.step.step_type.keys:
            if each.becomes is None or each.merges_into != name:
                continue
            if (part := self._value(each)) is not None:
                request = merged(request, each.becomes(part))
        return merged(request, own)

    def keeps_checkpoints(self) -> bool:
        key = self.step.key("checkpoints")
        return key is not None and self.effective(key)[0] is True

    def place(self, key: str, *rest: str | int) -> Path:
        """Return the place of a field: in `request:` if it stands there, or else that of the key."""
        path = self.path("request", *rest)
        at: Json = dict(self.step.raw)
        for name in ("request", *rest):
            at = at.get(str(name)) if isinstance(at, dict) else None
        written = self.step.key(key)
        return path if at is not None or written is None else self.effective(written)[1]

    def _value(self, key: Key) -> Json:
        """Return the value of a key as a request has it; None if nothing is to be sent."""
        value, path = self.effective(key)
        if value is None or value is False or self.problems.is_partly_suspect(path):
            return None
        if key.name == "max_wait" and not self._is_spot():
            if "max_wait" in self.step.raw:
                what = f'"max_wait" is for spot machines, and step "{self.step.name}" has none'
                self.problems.at_key(path, what, 'Add "spot: true", or remove it')
            return None
        if key.name == "keep_alive" and "keep_alive" not in self.step.raw and self.step.written("spot") is True:
            return None  # the step's own spot machines win over a default: SageMaker keeps none of those
        value = value.model_dump() if isinstance(value, BaseModel) else value
        for rest, what, hint in key.problems(value) if key.problems else ():
            self.problems.at((*path, *rest), what, hint)
        if key.kind != "duration":
            return value
        try:
            return parse_duration(str(value))
        except InvalidValue as invalid:
            self.report(path, invalid)
            return None

    def _is_spot(self) -> bool:
        key = self.step.key("spot")
        return key is not None and self.effective(key)[0] is True

    def _check_spot(self, request: Mapping[str, Json], timeout_s: int) -> None:
        """Report a job on spot machines that may not wait, or for less than its run.

        Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_StoppingCondition.html ("It must be equal
        to or greater than MaxRuntimeInSeconds")
        """
        key, wait = self.step.key("spot"), self.step.key("max_wait")
        if key is None or wait is None or not self._is_spot():
            return
        if any(self.problems.is_suspect(path) for path in (self.path("max_wait"), ("defaults", "max_wait"))):
            return
        limits = _stopping_condition(request)
        (_, path), (written, wait_path) = self.effective(key), self.effective(wait)
        wait_s, run_s = limits.get("MaxWaitTimeInSeconds"), limits.get("MaxRuntimeInSeconds", timeout_s)
        if wait_s is None and written is None:
            what = f'step "{self.step.name}" runs on spot machines, and has no "max_wait"'
            example = format_duration(2 * timeout_s)
            self.problems.at_key(path, what, f'Add how long it may take at most, such as "max_wait: {example}"')
        elif isinstance(wait_s, int) and isinstance(run_s, int) and wait_s < run_s:
            what = f'"max_wait" is {written or f"{wait_s} s"}, and the job may run for {format_duration(run_s)}'
            self.problems.at(wait_path, what, "It counts the wait and the run: make it at least as long")

    def _check_warm_pool(self, request: Mapping[str, Json]) -> None:
        """Report machines that SageMaker does not keep after the job, or not for so long.

        Source: https://docs.aws.amazon.com/sagemaker/latest/dg/train-warm-pools.html#train-warm-pools-considerations
        """
        key, kept_s = self.step.key("keep_alive"), keep_alive_s(request)
        if key is None or kept_s == 0:
            return
        path = self.place("keep_alive", *KEEP_ALIVE_FIELD)
        if self.problems.is_suspect(path):
            return
        if not 0 < kept_s <= MAX_KEEP_ALIVE_S:
            most = format_duration(MAX_KEEP_ALIVE_S)
            what = f"the machines would be kept for {format_duration(kept_s) if kept_s > 0 else f'{kept_s} s'}"
            self.problems.at(path, what, f"SageMaker keeps them for at most {most}")
        cluster = request.get("ResourceConfig")
        if request.get("EnableManagedSpotTraining") is True:
            what = f'step "{self.step.name}" runs on spot machines, which SageMaker does not keep for the next job'
            self.problems.at_key(path, what, 'Remove "keep_alive", or "spot"')
        elif isinstance(cluster, dict) and cluster.get("InstanceGroups"):
            what = f'step "{self.step.name}" has groups of instances, which SageMaker does not keep for the next job'
            self.problems.at_key(path, what, 'Remove "keep_alive", or write "instance" and "instance_count"')
