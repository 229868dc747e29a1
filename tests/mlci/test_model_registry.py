"""The model registry of the local cloud, through the same calls as SageMaker's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from mlci.backends.local_registry import REGISTRY, LocalRegistry, open_local_registry
from mlci.errors import CloudError, InputError
from mlci.model_registry import ModelRegistry
from mlci_emulator.identity import REGION
from mlci_emulator.services.sagemaker.registry import open_registry
from support.registered_models import register

NOW = datetime(2026, 12, 1, 10, 30, tzinfo=timezone.utc)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[ModelRegistry]:
    register(tmp_path, "churn", 13)
    register(tmp_path, "fraud")
    with open_local_registry(tmp_path) as api:
        yield ModelRegistry(api)


def test_all_groups_and_versions_are_read_page_by_page(registry: ModelRegistry, tmp_path: Path) -> None:
    assert [group.name for group in registry.groups()] == ["fraud", "churn"]
    assert registry.newest("churn") == 13
    assert [version.version for version in registry.versions("churn", 12)] == list(range(13, 1, -1))
    with open_registry(tmp_path / REGISTRY) as service:
        for number in range(25):
            service.call("CreateModelPackageGroup", {"ModelPackageGroupName": f"more-{number}"}, REGION)
    assert len(list(registry.groups())) == 27


def test_a_version_says_which_run_made_it(registry: ModelRegistry) -> None:
    version = registry.version("churn", 2)
    assert (version.flow, version.run, version.commit) == ("small", "20261123-101530-3f9c2a", "c" * 40)
    assert (version.params, version.metrics) == ({"depth": "6"}, {"auc": 0.75})
    assert (version.approval, version.decision) == ("PendingManualApproval", "")
    assert version.arn.endswith(":model-package/churn/2")


def test_a_decision_keeps_who_made_it_when_and_why(registry: ModelRegistry) -> None:
    decided = registry.decide(registry.version("churn", 2), "Approved", "as good as by hand", NOW)
    assert decided.approval == "Approved"
    assert decided.decision == f"approved by {registry.api.caller} at 2026-12-01 10:30:00 UTC: as good as by hand"
    assert registry.decide(decided, "Rejected", "", NOW).decision.startswith("rejected by ")
    assert registry.version("churn", 1).approval == "PendingManualApproval"
    with pytest.raises(InputError, match="characters too long"):
        registry.decide(decided, "Rejected", "x" * 1_024, NOW)


@pytest.mark.parametrize("content", [b"[1]", b"{", b""])
def test_metrics_that_cannot_be_read_are_none(tmp_path: Path, content: bytes) -> None:
    register(tmp_path, "churn", 1, content)
    with open_local_registry(tmp_path) as api:
        version = ModelRegistry(api).version("churn", 1)
    assert (version.metrics, version.metrics_uri) == (None, "s3://b/metrics.json")


def test_what_is_not_there_is_an_error_of_the_input(registry: ModelRegistry) -> None:
    with pytest.raises(InputError, match=r'no model package group "chrn"\. Did you mean "churn"\?'):
        registry.version("chrn", 1)
    with pytest.raises(InputError, match='the group "churn" has no version 14'):
        registry.version("churn", 14)
    with pytest.raises(CloudError, match="does not exist"):
        registry.api.call("describe_model_package_group", ModelPackageGroupName="nobody")


def test_an_empty_registry_makes_no_file(tmp_path: Path) -> None:
    with open_local_registry(tmp_path) as api:
        assert list(ModelRegistry(api).groups()) == []
    assert not (tmp_path / REGISTRY).exists()


def test_two_processes_that_register_at_once_get_different_versions(tmp_path: Path) -> None:
    register(tmp_path, "churn")
    with open_registry(tmp_path / REGISTRY) as one, open_registry(tmp_path / REGISTRY) as other:
        request = {"ModelPackageGroupName": "churn"}
        arns = [service.call("CreateModelPackage", request, REGION)["ModelPackageArn"] for service in (one, other, one)]
    assert [arn.rpartition("/")[2] for arn in arns] == ["2", "3", "4"]


def test_a_damaged_registry_is_said_to_be_damaged(tmp_path: Path) -> None:
    (tmp_path / REGISTRY).write_bytes(b"no database at all" * 100)
    with open_local_registry(tmp_path) as api, pytest.raises(CloudError, match=r"can't be read.*Restore it"):
        list(ModelRegistry(api).groups())


def test_the_caller_has_a_name(tmp_path: Path) -> None:
    with open_local_registry(tmp_path) as api:
        assert isinstance(api, LocalRegistry)
        assert api.caller
