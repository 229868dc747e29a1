"""Statements divided into policies that IAM takes, without one right more or less."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mlci.errors import InputError
from mlci.provision.access_requirements import AccessRequirements
from mlci.provision.policy_sizes import POLICY_MAX_CHARS, divided, size_chars
from mlci.provision.policy_statements import Statement
from mlci.provision.template import template
from mlci.step_types import STEP_TYPES

SMALL = AccessRequirements("iris", frozenset(["processing"]), has_rules=True, reads_outputs=True)
_ARNS = st.lists(st.integers(1, 900).map(lambda size: "arn:" + "x" * size), min_size=1, max_size=30)
_STATEMENTS = st.lists(
    st.builds(Statement, st.just("Read"), st.just(("s3:GetObject",)), _ARNS.map(tuple)), min_size=1, max_size=12
)


@given(_STATEMENTS)
def test_each_policy_fits_and_all_rights_are_there_once(statements: list[Statement]) -> None:
    policies = divided(statements)
    assert all(size_chars(policy) <= POLICY_MAX_CHARS for policy in policies)
    assert all(policies)
    kept = [arn for statement in itertools.chain(*policies) for arn in statement.resources]
    assert kept == [arn for statement in statements for arn in statement.resources]


def test_a_reference_counts_as_long_as_its_value_may_be() -> None:
    short, long = (Statement("Read", ("s3:GetObject",), (text,)) for text in ("", "${BucketName}"))
    assert size_chars([long]) - size_chars([short]) == 63


def test_statements_that_fit_are_one_policy() -> None:
    assert divided([]) == [[]]
    assert len(divided([Statement("Read", ("s3:GetObject",), ("arn",))] * 5)) == 1


def test_a_large_flow_has_policies_that_iam_takes_and_builds_wait_for_all_of_them() -> None:
    inputs = tuple(f"s3://lake-{number}/raw/of-the-year-{number}/" for number in range(40))
    large = replace(SMALL, uses=frozenset(STEP_TYPES), outside=inputs, outside_of_build=inputs, runs_in_build=True)
    resources = yaml.safe_load(template(large))["Resources"]
    names = {name for name, each in resources.items() if each["Type"] == "AWS::IAM::ManagedPolicy"}
    assert {"BuildsPolicy2", "JobsPolicy2"} <= names
    waits_for = set(resources["BaseProject"]["DependsOn"])
    assert {name for name in names if name.startswith(("BaseBuildPolicy", "BuildsPolicy"))} == waits_for & names
    written = json.dumps(resources)
    assert all(f"lake-{number}/raw" in written for number in range(40))


def test_more_policies_than_a_role_may_have_are_an_error() -> None:
    inputs = tuple(f"s3://lake-{number}/raw/of-the-year-{number}/" for number in range(1000))
    with pytest.raises(InputError, match=r"the rights of \w+Role take \d\d policies; IAM attaches 10 to a role"):
        template(replace(SMALL, outside=inputs))
