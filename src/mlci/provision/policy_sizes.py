"""Statements divided into managed policies, each within IAM's limit.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html (white space does not count)
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from mlci.provision.policy_statements import Statement, document

POLICY_MAX_CHARS = 6_144
#: "Managed policies attached to an IAM role", where the account has no higher quota.
ROLE_MAX_POLICIES = 10
#: The longest values that a template's references get. Those of others, such as the ARN of a role, have fewer than 110.
_LONGEST = {
    "AWS::Partition": "aws-us-gov",
    "AWS::Region": "ap-southeast-1",
    "AWS::AccountId": "123456789012",
    "AWS::URLSuffix": "amazonaws.com.cn",
    "BucketName": "b" * 63,
    "GitHubSecret": "s" * 600,
}
_REFERENCE = re.compile(r"\$\{([\w:.]+)\}")


def divided(statements: Iterable[Statement]) -> list[list[Statement]]:
    """Return the statements in their order, in as many lists as it takes policies; one if there are none. A policy of
    one statement that can't be divided further may be over the limit."""
    policies: list[list[Statement]] = [[]]
    for statement in statements:
        for part in _parts(statement):
            if policies[-1] and size_chars([*policies[-1], part]) > POLICY_MAX_CHARS:
                policies.append([])
            policies[-1].append(part)
    return policies


def size_chars(statements: Iterable[Statement]) -> int:
    """Return the size of a policy with these statements, where each reference has the longest value."""
    text = json.dumps(document(statements), separators=(",", ":"))
    return len(_REFERENCE.sub(lambda match: _LONGEST.get(match[1], "r" * 110), text))


def _parts(statement: Statement) -> Iterator[Statement]:
    """Yield the statement, or several with a part of what it allows each, if it alone is too large for a policy.

    Two small parts may come into one policy, so each has a Sid of its own.
    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_sid.html
    """
    halves = None if size_chars([statement]) <= POLICY_MAX_CHARS else _halves(statement)
    if halves is None:
        yield statement
        return
    for letter, half in zip("AB", halves, strict=True):
        yield from _parts(replace(half, sid=f"{statement.sid}{letter}"))


def _halves(statement: Statement) -> tuple[Statement, Statement] | None:
    """Return two statements that together allow the same: each has half of the resources or, of a single resource,
    half of the prefixes that may be listed, any of which meets the condition. None if there is one of both."""
    resources = statement.resources
    if len(resources) > 1:
        middle = len(resources) // 2
        return replace(statement, resources=resources[:middle]), replace(statement, resources=resources[middle:])
    likes = statement.condition.get("StringLike", {})
    prefixes = likes.get("s3:prefix")
    if not isinstance(prefixes, list) or len(prefixes) == 1:
        return None
    middle = len(prefixes) // 2
    first, second = (
        replace(statement, condition={**statement.condition, "StringLike": {**likes, "s3:prefix": half}})
        for half in (prefixes[:middle], prefixes[middle:])
    )
    return first, second
