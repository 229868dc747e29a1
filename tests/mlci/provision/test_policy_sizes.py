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
_STATEMENTS = st.lists(_ARNS, min_size=1, max_size=12).map(
    lambda lists: [Statement(f"Read{number}", ("s3:GetObject",), tuple(arns)) for number, arns in enumerate(lists)]
)


@given(_STATEMENTS)
def test_each_policy_fits_and_all_rights_are_there_once(statements: list[Statement]) -> None:
    policies = divided(statements)
    assert all(size_chars(policy) <= POLICY_MAX_CHARS for policy in policies)
    assert all(policies)
    sids = [statement.sid for statement in itertools.chain(*policies)]
    assert len(set(sids)) == len(sids)
    kept = [arn for statement in itertools.chain(*policies) for arn in statement.resources]
    assert kept == [arn for statement in statements for arn in statement.resources]


_PREFIXES = st.lists(st.integers(1, 900).map(lambda size: "x" * size + "*"), min_size=1, max_size=60)


@given(_PREFIXES)
def test_prefixes_of_one_bucket_are_divided_too(prefixes: list[str]) -> None:
    condition: dict[str, dict[str, object]] = {
        "StringEquals": {"aws:ResourceAccount": "123456789012"},
        "StringLike": {"aws:UserAgent": ["x"], "s3:prefix": prefixes},
    }
    statement = Statement("ListOutside1", ("s3:ListBucket",), ("arn:aws:s3:::lake",), condition)
    policies = divided([statement])
    assert all(size_chars(policy) <= POLICY_MAX_CHARS for policy in policies)
    parts = list(itertools.chain(*policies))
    assert len({part.sid for part in parts}) == len(parts)
    assert [prefix for part in parts for prefix in listed(part)] == prefixes
    assert all(listed(part) for part in parts)
    for part in parts:
        whole = {**part.condition, "StringLike": {**part.condition["StringLike"], "s3:prefix": prefixes}}
        assert replace(part, sid=statement.sid, condition=whole) == statement


def listed(statement: Statement) -> list[str]:
    prefixes = statement.condition["StringLike"]["s3:prefix"]
    assert isinstance(prefixes, list)
    return prefixes


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


def test_many_inputs_of_one_bucket_have_policies_that_iam_takes() -> None:
    inputs = tuple(f"s3://lake/raw/measurements-of-the-year/and-of-the-place/number-{number}/" for number in range(120))
    resources = yaml.safe_load(template(replace(SMALL, outside=inputs, outside_of_build=inputs)))["Resources"]
    parts = [
        statement
        for name, each in resources.items()
        if name.startswith("JobsPolicy")
        for statement in each["Properties"]["PolicyDocument"]["Statement"]
        if statement["Sid"].startswith("ListOutside")
    ]
    assert max(len(json.dumps(part, separators=(",", ":"))) for part in parts) < POLICY_MAX_CHARS
    prefixes = [part["Condition"]["StringLike"]["s3:prefix"] for part in parts]
    assert list(itertools.chain(*prefixes)) == [f"{each.removeprefix('s3://lake/')}*" for each in inputs]


def test_a_statement_that_no_policy_has_room_for_is_an_error() -> None:
    keys = tuple(f"alias/the-key-of-the-team-number-{number}" for number in range(200))
    with pytest.raises(
        InputError,
        match=r'the right "UseKeysByAlias" of \w+Role and \w+Role takes \d,\d{3} characters; IAM accepts 6,144',
    ) as error:
        template(replace(SMALL, keys=keys))
    assert "kms:ResourceAliases" in str(error.value.problems[0].hint)


def test_more_policies_than_a_role_may_have_are_an_error() -> None:
    inputs = tuple(f"s3://lake-{number}/raw/of-the-year-{number}/" for number in range(1000))
    with pytest.raises(InputError, match=r"the rights of \w+Role take \d\d policies; IAM attaches 10 to a role"):
        template(replace(SMALL, outside=inputs))
