"""The statements by which a job's role reads the flow's secrets: each secret by itself, and each key for it alone.

The AWS managed keys need no statement: they decrypt for whoever may read the parameter or the secret.

Sources: https://docs.aws.amazon.com/systems-manager/latest/userguide/ps-restrict-decryption.html;
https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html (the encryption context is
PARAMETER_ARN); https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html (it is SecretARN);
https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_examples.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mlci.flow.models import Secret
from mlci.provision.policy_statements import AccountScope, Statement

#: Six characters that Secrets Manager adds to a secret's name in its ARN, behind a hyphen.
_ANY_SUFFIX = "-??????"
_CONTEXT = {"ssm": "PARAMETER_ARN", "secretsmanager": "SecretARN"}


def secret_statements(secrets: Iterable[Secret], scope: AccountScope, is_protected: bool) -> Iterator[Statement]:
    """Yield the statements of a job's role. A role of pull requests reads those secrets only that allow it."""
    readable = [secret for secret in secrets if is_protected or secret.allows_pull_requests]
    parameters = tuple(secret_arn(secret, scope) for secret in readable if secret.service == "ssm")
    if parameters:
        yield Statement("ReadParameters", ("ssm:GetParameter",), parameters)
    others = tuple(secret_arn(secret, scope) for secret in readable if secret.service == "secretsmanager")
    if others:
        yield Statement("ReadSecrets", ("secretsmanager:GetSecretValue",), others)
    for number, secret in enumerate((each for each in readable if each.kms_key), 1):
        yield _decrypt(f"DecryptSecret{number}", secret, scope)


def secret_arn(secret: Secret, scope: AccountScope) -> str:
    """Return the ARN of a parameter or a secret, as a policy names it."""
    if secret.id.startswith("arn:"):
        return secret.id
    if secret.service == "ssm":
        return scope.arn("ssm", f"parameter/{secret.id.lstrip('/')}")
    return scope.arn("secretsmanager", f"secret:{secret.id}{_ANY_SUFFIX}")


def _decrypt(sid: str, secret: Secret, scope: AccountScope) -> Statement:
    """Return the statement for a secret's own key. AWS decrypts under the ARN of what it decrypts."""
    key = secret.kms_key or ""
    condition: dict[str, dict[str, object]] = {
        "StringLike": {f"kms:EncryptionContext:{_CONTEXT[secret.service]}": secret_arn(secret, scope)}
    }
    if "alias/" in key:
        condition["ForAnyValue:StringEquals"] = {"kms:ResourceAliases": [key.rpartition(":")[2]]}
        arn = scope.arn("kms", "key/*")
    else:
        arn = key if key.startswith("arn:") else scope.arn("kms", key if key.startswith("key/") else f"key/{key}")
    return Statement(sid, ("kms:Decrypt",), (arn,), condition)
