"""One call to AWS. This is the only module that translates botocore's exceptions, and it retries transient errors.

botocore retries first (its `standard` mode, a few attempts within seconds). Beyond that, `RetryPolicy` says for how
long throttling, 5xx and lost connections are retried, so that they fail no build.
Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from typing import Any, TypeVar  # requests and responses have the API's own shapes

from mlci.backends.stop_signal import StopSignal
from mlci.errors import CloudError
from mlci_dataclasses import dataclass

T = TypeVar("T")

#: Error codes that are worth a retry, as is any status of 500 and above.
#: Source: botocore.retries.standard, ThrottledRetryableChecker and TransientRetryableChecker.
_TRANSIENT_CODES = frozenset(
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
#: The error codes of a missing permission.
DENIED_CODES = frozenset({"AccessDenied", "AccessDeniedException"})
RIGHTS_HINT = "`mlci policy` prints the policy that each role needs for this flow; `mlci bootstrap` creates such roles."
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 20.0
#: The wait that is logged; shorter ones are not worth a line.
_LOGGED_WAIT_S = 4.0


class AwsError(CloudError):
    """AWS rejected a call, or could not be reached. `code` is the error code of the response, or the name of botocore's
    exception if there was none."""

    def __init__(self, operation: str, code: str, message: str, is_transient: bool = False, hint: str = "") -> None:
        super().__init__(f"{operation}: {code}: {message}", hint=hint)
        self.operation, self.code, self.message, self.is_transient = operation, code, message, is_transient


@dataclass(frozen=True)
class Clock:
    """Time and waiting. `wait` returns early, and True, when the signal is set."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    wait: Callable[[StopSignal, float], bool] = StopSignal.wait


@dataclass(frozen=True)
class RetryPolicy:
    """Retries of transient errors, for `max_wait_s` per call in all. `log` receives a line about a longer wait."""

    clock: Clock = field(default_factory=Clock)
    max_wait_s: float = 180.0
    log: Callable[[str], None] = lambda text: None

    def call(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, and retry it while it raises transient errors.

        Raises: AwsError, at once if it is not transient, and the last one when `max_wait_s` is over.
        """
        end, wait_s = self.clock.monotonic() + self.max_wait_s, _FIRST_WAIT_S
        while True:
            try:
                return work()
            except AwsError as error:
                if not error.is_transient or self.clock.monotonic() + wait_s > end:
                    raise
                if wait_s == _LOGGED_WAIT_S:
                    self.log(f"{error.operation}: AWS does not respond ({error.code}); retrying")
            self.clock.sleep(wait_s * random.uniform(0.75, 1.25))  # many builds are throttled at the same moment
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)


@dataclass(frozen=True)
class Api:
    """The boto3 client of one service, with retries."""

    client: Any
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)

    @property
    def is_aws(self) -> bool:
        """True if the endpoint is AWS, and not a replacement such as AWS_ENDPOINT_URL."""
        return str(self.client.meta.endpoint_url).endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))

    def call(self, operation: str, **request: Any) -> Mapping[str, Any]:
        """Return the response of an operation, named as in boto3: `describe_execution`.

        Raises: AwsError.
        """
        return self.retry_policy.call(lambda: self.call_once(operation, **request))

    def call_once(self, operation: str, **request: Any) -> Mapping[str, Any]:
        """Return the response of an operation, without retries beyond botocore's."""
        with translate_errors(operation):
            response: Mapping[str, Any] = getattr(self.client, operation)(**request)
            return response

    def pages(self, operation: str, tokens: tuple[str, str], **request: Any) -> Iterator[Mapping[str, Any]]:
        """Yield every page of a list, and retry each by itself. `tokens` names the token of a request, and of a page.

        botocore's own paginators start again at the first page, and know only some of the lists.
        """
        request_token, page_token = tokens
        while True:
            page = self.call(operation, **request)
            yield page
            if not page.get(page_token):
                return
            request = {**request, request_token: page[page_token]}


@contextmanager
def translate_errors(operation: str) -> Iterator[None]:
    """A context in which botocore's exceptions become AwsError."""
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
        raise _aws_error(name, error.response) from error
    except (ConnectionError, HTTPClientError, IncompleteReadError, ResponseStreamingError) as error:
        raise AwsError(name, type(error).__name__, str(error), is_transient=True) from error
    except (BotoCoreError, Boto3Error) as error:
        raise AwsError(name, type(error).__name__, str(error)) from error


def _aws_error(operation: str, response: Mapping[str, Any]) -> AwsError:
    error = response.get("Error", {})
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    code = str(error.get("Code") or status)
    message = str(error.get("Message") or "AWS gave no reason")
    is_transient = status >= 500 or status == 429 or code in _TRANSIENT_CODES
    return AwsError(operation, code, message, is_transient, RIGHTS_HINT if code in DENIED_CODES else "")
