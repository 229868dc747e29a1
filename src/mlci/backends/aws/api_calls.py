"""One call to AWS: what botocore raises is translated here and nowhere else, and what passes by itself is waited for.

botocore retries by itself first (its `standard` mode, a few attempts within seconds). Beyond that, throttling, 5xx and
lost connections are outlived for as long as `Patience` says, so that they fail no build.
Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar  # requests and answers are in the API's own shapes

from mlci.backends.stop_signal import StopSignal
from mlci.errors import CloudError

T = TypeVar("T")

#: Refusals that say "later". Beside them, any status of 500 and above passes.
#: Source: botocore.retries.standard, ThrottledRetryableChecker and TransientRetryableChecker.
_PASSING_CODES = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottledException",
        "RequestThrottled",
        "TooManyRequestsException",
        "ProvisionedThroughputExceededException",
        "TransactionInProgressException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "SlowDown",
        "PriorRequestNotComplete",
        "EC2ThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "ServiceUnavailable",
    }
)
#: Refusals for want of a right.
DENIED_CODES = frozenset({"AccessDenied", "AccessDeniedException"})
RIGHTS_HINT = "`mlci policy` prints what each role may do for this flow; `mlci bootstrap` gives its roles just that."
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 20.0
#: The wait at which it is told that there is one: what passes sooner is not worth a word.
_TOLD_WAIT_S = 4.0


class AwsError(CloudError):
    """AWS refused a call, or could not be reached: `code` is the name of the exception that it answered with, or of
    botocore's where there was no answer."""

    def __init__(self, operation: str, code: str, message: str, is_passing: bool = False, hint: str = "") -> None:
        super().__init__(f"{operation}: {code}: {message}", hint=hint)
        self.operation, self.code, self.message, self.is_passing = operation, code, message, is_passing


@dataclass(frozen=True)
class Clock:
    """What waiting needs. `wait` returns early, and True, where the signal is set."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    wait: Callable[[StopSignal, float], bool] = StopSignal.wait


@dataclass(frozen=True)
class Patience:
    """How long what passes by itself is waited for, in all, per call. `tell` hears of a call that has to wait."""

    clock: Clock = field(default_factory=Clock)
    longest_s: float = 180.0
    tell: Callable[[str], None] = lambda text: None

    def outlive(self, work: Callable[[], T]) -> T:
        """What `work` returns, tried again while AWS says "later" or can't be reached.

        Raises: AwsError, any other refusal at once, and the last one when `longest_s` is over.
        """
        end, wait_s = self.clock.monotonic() + self.longest_s, _FIRST_WAIT_S
        while True:
            try:
                return work()
            except AwsError as error:
                if not error.is_passing or self.clock.monotonic() + wait_s > end:
                    raise
                if wait_s == _TOLD_WAIT_S:
                    self.tell(f"{error.operation}: AWS does not answer ({error.code}); it is asked again")
            self.clock.sleep(wait_s * random.uniform(0.75, 1.25))  # many builds are throttled at the same moment
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)


@dataclass(frozen=True)
class Api:
    """One service's boto3 client, with patience."""

    client: Any
    patience: Patience = field(default_factory=Patience)

    @property
    def is_aws(self) -> bool:
        """Whether it is AWS itself that answers, and no endpoint that somebody set in its place."""
        return str(self.client.meta.endpoint_url).endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))

    def call(self, operation: str, **request: Any) -> Mapping[str, Any]:
        """What an operation answers; its name is boto3's, such as `describe_execution`.

        Raises: AwsError.
        """
        return self.patience.outlive(lambda: self.call_once(operation, **request))

    def call_once(self, operation: str, **request: Any) -> Mapping[str, Any]:
        """The same without patience: for callers that have something better to do than to wait."""
        with translated(operation):
            answer: Mapping[str, Any] = getattr(self.client, operation)(**request)
            return answer

    def pages(self, operation: str, tokens: tuple[str, str], **request: Any) -> Iterator[Mapping[str, Any]]:
        """Every page of a list, each with patience of its own. `tokens` names the token of a request, and of a page.

        botocore's own paginators would start again at the first page, and know only some of the lists.
        """
        sent, told = tokens
        while True:
            page = self.call(operation, **request)
            yield page
            if not page.get(told):
                return
            request = {**request, sent: page[told]}


@contextmanager
def translated(operation: str) -> Iterator[None]:
    """While in here, what botocore raises comes out as AwsError."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        ConnectionError,
        HTTPClientError,
        IncompleteReadError,
        ResponseStreamingError,
    )

    name = "".join(part.capitalize() for part in operation.split("_"))
    try:
        yield
    except ClientError as error:
        raise _refused(name, error.response) from error
    except (ConnectionError, HTTPClientError, IncompleteReadError, ResponseStreamingError) as error:
        raise AwsError(name, type(error).__name__, str(error), is_passing=True) from error
    except (BotoCoreError, Boto3Error) as error:
        raise AwsError(name, type(error).__name__, str(error)) from error


def _refused(operation: str, response: Mapping[str, Any]) -> AwsError:
    told = response.get("Error", {})
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    code = str(told.get("Code") or status)
    message = str(told.get("Message") or "AWS gave no reason")
    is_passing = status >= 500 or status == 429 or code in _PASSING_CODES
    return AwsError(operation, code, message, is_passing, RIGHTS_HINT if code in DENIED_CODES else "")
