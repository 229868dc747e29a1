"""Managed warm pools: what DescribeTrainingJob says of the machines that a job leaves, and of those it started on.

No machine is kept here: jobs are processes. A pool is the record of a job whose `WarmPoolStatus` is Available, until a
matching job takes it, or its time is over by the service's clock.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/train-warm-pools.html;
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_WarmPoolStatus.html
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from mlci_emulator.protocol.operations import Request, Response
from mlci_emulator.services.sagemaker.errors import invalid, job_not_found
from mlci_emulator.services.sagemaker.job_status import TRAINING
from mlci_emulator.services.sagemaker.records import Record, SageMakerRecords
from mlci_emulator.services.timestamps import Clock

AVAILABLE, IN_USE, REUSED, TERMINATED = "Available", "InUse", "Reused", "Terminated"
#: "If the training job fails due to an algorithm or client error, a warm pool is still retained."
_HEALTHY_FAILURES = ("AlgorithmError", "ClientError")
#: The last status message of a job whose machines are kept, as logs of such jobs show it.
_RETAINED = "Resource retained for reuse"
_CLUSTER = ("InstanceCount", "InstanceType", "VolumeKmsKeyId", "VolumeSizeInGB")
_NETWORK = ("SecurityGroupIds", "Subnets")
_WAITING = "kind = ? AND json_extract(body, '$.WarmPoolStatus.Status') = ?"


class WarmPools:
    """The pools of all training jobs. `quota` is the number of instances of each type that may wait, None for any.

    Records are changed and saved under one lock, so that a pool goes to one job, and the quota holds.
    """

    def __init__(self, records: SageMakerRecords, now: Clock, quota: int | None) -> None:
        self._records, self._now, self._quota = records, now, quota
        self._lock = threading.Lock()

    def start(self, record: Record) -> None:
        """Give a new job the pool that matches it, the one that has waited longest."""
        if self._quota == 0:
            return
        with self._lock:
            found = next((each for each in self._waiting(record.region) if _criteria(each) == _criteria(record)), None)
            if found is None:
                return
            self._end(found, REUSED, self._now(), ReusedByJob=record.name)
            record.body["WarmPoolStatus"] = {"Status": IN_USE}
            self._records.save(record)

    def finish(self, record: Record) -> None:
        """Keep the machines of a job that has ended, if it asked for that, and if the quota has room for them.

        "If a warm pool fails to provision, the warm pool status is Terminated."
        """
        if not _keep_alive_s(record) and "WarmPoolStatus" not in record.body:
            return
        with self._lock:
            is_kept = _keep_alive_s(record) > 0 and _is_healthy(record) and self._has_room(record)
            record.body["WarmPoolStatus"] = {"Status": AVAILABLE if is_kept else TERMINATED}
            if is_kept and record.status == "Completed":
                record.body["SecondaryStatusTransitions"][-1]["StatusMessage"] = _RETAINED
            self._records.save(record)

    def described(self, record: Record) -> Record:
        """Return the record of a job as it is now: its pool may be over, or have waited longer."""
        if _status(record) != AVAILABLE:
            return record
        with self._lock:
            record = self._records.get(record.kind, record.region, record.name) or record
            return self._aged(record)

    def end_expired(self, region: str) -> None:
        """Terminate the pools of a region whose time is over, before its jobs are listed."""
        with self._lock:
            self._waiting(region)

    def update(self, request: Request, region: str) -> Response:
        """Return the response of UpdateTrainingJob, which may change the time that a pool waits, or end it.

        Raises: ApiError
        """
        others = request.keys() - {"TrainingJobName", "ResourceConfig"}
        if others:
            raise invalid(f"the local cloud updates a warm pool's KeepAlivePeriodInSeconds, and no {min(others)}")
        with self._lock:
            record = self._records.get(TRAINING.kind, region, request["TrainingJobName"])
            if record is None:
                raise job_not_found(TRAINING, request["TrainingJobName"])
            record = self._aged(record) if _status(record) == AVAILABLE else record
            if _status(record) != AVAILABLE:
                raise invalid(f"the warm pool of the training job {record.name} is not Available")
            seconds = (request.get("ResourceConfig") or {}).get("KeepAlivePeriodInSeconds")
            if seconds == 0:
                self._end(record, TERMINATED, self._now())
            elif seconds is not None:
                record.body["ResourceConfig"] = {**record.body["ResourceConfig"], "KeepAlivePeriodInSeconds": seconds}
                self._records.save(record)
        return {"TrainingJobArn": record.arn}

    def _waiting(self, region: str) -> list[Record]:
        """Return the jobs of a region whose pools wait, and terminate those whose time is over."""
        records = self._records.select(f"{_WAITING} AND region = ?", [TRAINING.kind, AVAILABLE, region], "modified")
        return [each for each in map(self._aged, records) if _status(each) == AVAILABLE]

    def _aged(self, record: Record) -> Record:
        """Return the record of a job whose pool was available, at the current time."""
        ends = _ended(record) + timedelta(seconds=_keep_alive_s(record))
        if self._now() >= ends:
            self._end(record, TERMINATED, ends)
        else:
            record.body["WarmPoolStatus"] = {"Status": AVAILABLE, **_billed(record, self._now())}
        return record

    def _end(self, record: Record, status: str, at: datetime, **fields: str) -> None:
        record.body["WarmPoolStatus"] = {"Status": status, **_billed(record, at), **fields}
        self._records.save(record)

    def _has_room(self, record: Record) -> bool:
        cluster = record.body["ResourceConfig"]
        in_use = (each.body["ResourceConfig"] for each in self._waiting(record.region))
        same = sum(int(each["InstanceCount"]) for each in in_use if each["InstanceType"] == cluster["InstanceType"])
        return self._quota is None or same + int(cluster["InstanceCount"]) <= self._quota


def _status(record: Record) -> str:
    return str((record.body.get("WarmPoolStatus") or {}).get("Status", ""))


def _keep_alive_s(record: Record) -> int:
    return int((record.body.get("ResourceConfig") or {}).get("KeepAlivePeriodInSeconds") or 0)


def _is_healthy(record: Record) -> bool:
    """Return whether a job that has ended left machines that work: it had started, and did not fail by SageMaker."""
    reason = str(record.body.get("FailureReason", ""))
    return "TrainingStartTime" in record.body and (record.status != "Failed" or reason.startswith(_HEALTHY_FAILURES))


def _ended(record: Record) -> datetime:
    ended: datetime = record.body.get("TrainingEndTime") or record.modified
    return ended


def _billed(record: Record, at: datetime) -> dict[str, int]:
    return {"ResourceRetainedBillableTimeInSeconds": max(0, round((at - _ended(record)).total_seconds()))}


def _criteria(record: Record) -> tuple[Any, ...]:
    """Return what two jobs must have in common for the pool of the one to be taken by the other."""
    body = record.body
    cluster: Mapping[str, Any] = body.get("ResourceConfig") or {}
    network: Mapping[str, Any] = body.get("VpcConfig") or {}
    return (
        body.get("RoleArn"),
        *(cluster.get(name) for name in _CLUSTER),
        *(network.get(name) for name in _NETWORK),
        bool(body.get("EnableInterContainerTrafficEncryption")),
        bool(body.get("EnableNetworkIsolation")),
    )
