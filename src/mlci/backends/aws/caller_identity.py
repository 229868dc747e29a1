"""Who calls AWS, asked before anything else, so that whatever is wrong with the credentials is told in a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from mlci.backends.aws.api_calls import AwsError
from mlci.backends.aws.session import Session, near
from mlci.errors import InputError

#: A first look fails after this long.
_LOOK_S = 5.0

_NO_CREDENTIALS = "Set up a profile (`aws configure`, AWS_PROFILE), or export AWS_ACCESS_KEY_ID and its kin."
_HINTS = {
    "NoCredentialsError": _NO_CREDENTIALS,
    "PartialCredentialsError": _NO_CREDENTIALS,
    "CredentialRetrievalError": "The profile's source of credentials does not give any.",
    "TokenRetrievalError": "Sign in again: aws sso login",
    "UnauthorizedSSOTokenError": "Sign in again: aws sso login",
    "SSOTokenLoadError": "Sign in: aws sso login",
    "ExpiredToken": "They have expired: sign in again, or fetch new ones.",
    "ExpiredTokenException": "They have expired: sign in again, or fetch new ones.",
    "InvalidClientTokenId": "AWS does not know the access key, or the account has not enabled this region.",
    "UnrecognizedClientException": "AWS does not know the access key, or the account has not enabled this region.",
    "SignatureDoesNotMatch": "The secret key is not the access key's, or this machine's clock is wrong.",
    "AccessDenied": "A policy forbids even sts:GetCallerIdentity.",
}


@dataclass(frozen=True)
class Identity:
    """Who calls, as STS says; `partition` is `aws`, `aws-cn` or `aws-us-gov`."""

    account: str
    arn: str
    partition: str

    def state_machine(self, region: str, name: str) -> str:
        return f"arn:{self.partition}:states:{region}:{self.account}:stateMachine:{name}"

    def execution(self, region: str, machine: str, name: str) -> str:
        return f"arn:{self.partition}:states:{region}:{self.account}:execution:{machine}:{name}"


def identify(session: Session) -> Identity:
    """Who calls.

    Raises: InputError, where nobody does: no credentials, ones that AWS refuses, or a region that isn't there.
    Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
    """
    try:
        told = session.impatient(_LOOK_S).api("sts").call("get_caller_identity")
    except AwsError as error:
        if error.is_passing:
            what = f'AWS can\'t be reached in the region "{session.region}": {error.message}'
            raise InputError(what, near(session.region, session.boto)) from error
        what = f"AWS takes no credentials of ours: {error.message}"
        raise InputError(what, _HINTS.get(error.code, "Try `aws sts get-caller-identity`.")) from error
    arn = str(told["Arn"])
    return Identity(str(told["Account"]), arn, arn.split(":")[1])
