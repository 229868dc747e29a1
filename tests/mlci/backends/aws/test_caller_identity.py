"""Wrong credentials, regions and endpoints, each told in a sentence, before anything else is asked."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import EndpointConnectionError, NoCredentialsError

from mlci.backends.aws.caller_identity import identify
from mlci.backends.aws.session import default_region, open_session
from mlci.errors import InputError
from support.fake_aws import ACCOUNT, REGION, PretendAws, response

_XML = "<ErrorResponse><Error><Code>{}</Code><Message>{}</Message></Error></ErrorResponse>"


def test_who_calls(pretended: PretendAws) -> None:
    who = identify(pretended.session())
    assert (who.account, who.partition) == (ACCOUNT, "aws")
    assert who.state_machine(REGION, "mlci-x") == f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:mlci-x"


def refuse(code: str, message: str) -> Callable[[str], AWSResponse]:
    return lambda name: response(403, _XML.format(code, message))


def fail(error: Exception) -> Callable[[str], AWSResponse]:
    def put(name: str) -> AWSResponse:
        raise error

    return put


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (fail(NoCredentialsError()), "Unable to locate credentials.*aws configure"),
        (refuse("InvalidClientTokenId", "The security token included in the request is invalid."), "access key"),
        (refuse("ExpiredToken", "The security token included in the request is expired"), "have expired"),
        (refuse("SignatureDoesNotMatch", "The request signature we calculated"), "clock is wrong"),
        (
            fail(EndpointConnectionError(endpoint_url="https://sts.eu-west-9.amazonaws.com")),
            'can\'t be reached in the region "eu-west-1".*sts.eu-west-9',
        ),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(
    pretended: PretendAws, fault: Callable[[str], AWSResponse], words: str
) -> None:
    pretended.fault = fault
    with pytest.raises(InputError, match=words) as raised:
        identify(pretended.session())
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("region", ["Ireland", "eu-west", "eu_west_1", "eu-west-1; rm"])
def test_a_region_that_can_be_none_is_refused_unasked(region: str) -> None:
    with pytest.raises(InputError, match="is no AWS region"):
        open_session(region)


def test_a_region_that_is_nearly_right_is_guessed() -> None:
    with pytest.raises(InputError, match='Did you mean "eu-west-1"'):
        open_session("eu-west1")


def test_a_profile_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(InputError, match=r"nobody.*list-profiles"):
        open_session("eu-west-1")
    with pytest.raises(InputError, match="nobody"):
        default_region({})
    assert default_region({}, needs_profile=False) is None


def test_the_region_that_the_sdks_would_take(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_region({"AWS_DEFAULT_REGION": "a", "AWS_REGION": "b"}) == ("a", "AWS_DEFAULT_REGION")
    assert default_region({"AWS_REGION": "b"}) == ("b", "AWS_REGION")
    assert default_region({}) is None
