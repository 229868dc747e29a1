"""The caller's identity, from STS. It is the first call, so that an error in the credentials is reported as such."""

from __future__ import annotations

from mlci.backends.aws.api_calls import AwsError
from mlci.backends.aws.session import Session, region_hint
from mlci.errors import InputError
from mlci_dataclasses import dataclass

#: How long the first call is retried.
_MAX_WAIT_S = 5.0

_NO_CREDENTIALS_HINT = (
    "Set up a profile (`aws configure`, AWS_PROFILE), or export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
)
_HINTS = {
    "NoCredentialsError": _NO_CREDENTIALS_HINT,
    "PartialCredentialsError": _NO_CREDENTIALS_HINT,
    "CredentialRetrievalError": "The credential source of the profile returned none.",
    "TokenRetrievalError": "Sign in again: aws sso login",
    "UnauthorizedSSOTokenError": "Sign in again: aws sso login",
    "SSOTokenLoadError": "Sign in: aws sso login",
    "ExpiredToken": "They have expired. Sign in again, or get new ones.",
    "ExpiredTokenException": "They have expired. Sign in again, or get new ones.",
    "InvalidClientTokenId": "AWS does not know the access key, or the region is not enabled for the account.",
    "UnrecognizedClientException": "AWS does not know the access key, or the region is not enabled for the account.",
    "SignatureDoesNotMatch": "The secret key does not belong to the access key, or this machine's clock is wrong.",
    "AccessDenied": "A policy denies sts:GetCallerIdentity.",
}


@dataclass(frozen=True)
class Identity:
    """The caller's account and ARN. `partition` is `aws`, `aws-cn` or `aws-us-gov`."""

    account: str
    arn: str
    partition: str

    @property
    def role(self) -> str:
        """The caller's ARN without the name of its session, which differs from build to build.

        Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html

        >>> Identity("1", "arn:aws:sts::1:assumed-role/builds/AWSCodeBuild-5f", "aws").role
        'arn:aws:sts::1:assumed-role/builds'
        >>> Identity("1", "arn:aws:iam::1:user/team/ann", "aws").role
        'arn:aws:iam::1:user/team/ann'
        """
        return self.arn.rpartition("/")[0] if ":assumed-role/" in self.arn else self.arn

    def state_machine(self, region: str, name: str) -> str:
        return f"arn:{self.partition}:states:{region}:{self.account}:stateMachine:{name}"

    def registry(self, region: str) -> str:
        """Return the host of the account's registry of images.

        Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html
        """
        ending = ".cn" if self.partition == "aws-cn" else ""
        return f"{self.account}.dkr.ecr.{region}.amazonaws.com{ending}"

    def execution(self, region: str, machine: str, name: str) -> str:
        return f"arn:{self.partition}:states:{region}:{self.account}:execution:{machine}:{name}"


def identify(session: Session) -> Identity:
    """Return the identity of the caller.

    Raises: InputError, if there are no credentials, AWS rejects them, or the region does not exist.
    Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
    """
    try:
        response = session.with_max_wait(_MAX_WAIT_S).api("sts").call("get_caller_identity")
    except AwsError as error:
        if error.is_transient:
            what = f'AWS can\'t be reached in the region "{session.region}": {error.message}'
            raise InputError(what, region_hint(session.region, session.boto)) from error
        hint = _HINTS.get(error.code, "Try `aws sts get-caller-identity`.")
        raise InputError(f"AWS rejected the credentials: {error.message}", hint) from error
    arn = str(response["Arn"])
    return Identity(str(response["Account"]), arn, arn.split(":")[1])
