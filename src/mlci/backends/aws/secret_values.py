"""The values of a secret of Secrets Manager, and of a parameter of SSM, by their ARNs."""

from __future__ import annotations

from mlci.backends.aws.api_calls import Api
from mlci.errors import InputError


def read_secret(api: Api, arn: str) -> str:
    """Return the text of a secret of Secrets Manager.

    Source: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
    """
    value = api.call("get_secret_value", SecretId=arn).get("SecretString")
    if not isinstance(value, str):
        raise InputError(f"the secret {arn} holds bytes, and no text", "Store it as a text: --secret-string.")
    return value


def read_parameter(api: Api, arn: str) -> str:
    """Return the value of a parameter of SSM.

    Source: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html (Name takes an ARN)
    """
    return str(api.call("get_parameter", Name=arn, WithDecryption=True)["Parameter"]["Value"])
