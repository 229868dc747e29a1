"""Checks of the flow's values that become part of an ARN or of an IAM condition.

In a policy, `*` and `?` are wildcards and `${…}` is a variable, and in a template `${…}` is a reference. A value with
one of them would grant more than it names, so it is rejected.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html and
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html; the patterns are those of
API_VpcConfig.html (SageMaker), API_CreateRepository.html (ECR) and API_CreateAlias.html (KMS).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

ValueKind = Literal["S3 URI", "image", "KMS key", "subnet", "security group", "Lambda function"]

_VALUES: Mapping[ValueKind, tuple[str, str]] = {
    "S3 URI": (r"s3://[a-z0-9.-]+(/((?!\$\{)[^*?])*)?", "It may not contain *, ? or ${, which IAM reads as wildcards"),
    "image": (r"[A-Za-z0-9][A-Za-z0-9._/:@-]*", "It has letters, digits, and . _ / : @ -"),
    "KMS key": (
        r"(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:)?(key/[A-Za-z0-9-]+|alias/[A-Za-z0-9/_-]+|(?<!:)[A-Za-z0-9-]+)",
        "Use a key ID, alias/…, or the ARN of a key or an alias",
    ),
    "subnet": (r"[A-Za-z0-9-]{1,32}", "Use a subnet ID, subnet-…"),
    "Lambda function": (
        r"(arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:function:)?[A-Za-z0-9_-]+(:(\$LATEST|[A-Za-z0-9_-]+))?",
        "Use its name, name:alias, or its ARN",
    ),
    "security group": (r"[A-Za-z0-9-]{1,32}", "Use a security group ID, sg-…"),
}


def problem_of(kind: ValueKind, value: str) -> tuple[str, str] | None:
    """Return what is wrong with a value, and a hint; None if it is safe in an ARN.

    >>> problem_of("KMS key", "alias/models")
    >>> problem_of("KMS key", "*")
    ('"*" is not a valid KMS key', 'Use a key ID, alias/…, or the ARN of a key or an alias')
    """
    pattern, hint = _VALUES[kind]
    if re.fullmatch(pattern, value):
        return None
    return f'"{value}" is not a valid {kind}', hint
