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
    """Return the statements in their order, in as many lists as it takes policies; one if there are none."""
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
    """Yield the statement, or several with a part of its resources each, if it alone is too large for a policy."""
    if size_chars([statement]) <= POLICY_MAX_CHARS or len(statement.resources) == 1:
        yield statement
        return
    middle = len(statement.resources) // 2
    for part in (statement.resources[:middle], statement.resources[middle:]):
        yield from _parts(replace(statement, resources=part))
