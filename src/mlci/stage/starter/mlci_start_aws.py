"""Reads a parameter of Parameter Store or a secret of Secrets Manager with the rights of the job's role.

GetParameter and GetSecretValue are all that it needs, so the two requests are signed here, and the image needs no SDK.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html;
https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
"""

import datetime
import hashlib
import hmac
import json
import os
import time
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener, urlopen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Mapping, Sequence, Tuple

_CONTAINER_HOST = "http://169.254.170.2"
_TIMEOUT_S = 10
_WAITS_S = (1, 2, 4, 8)
_TARGETS = {"ssm": "AmazonSSM.GetParameter", "secretsmanager": "secretsmanager.GetSecretValue"}
_ENDPOINTS = {"ssm": "AWS_ENDPOINT_URL_SSM", "secretsmanager": "AWS_ENDPOINT_URL_SECRETS_MANAGER"}
_MISSING = ("ParameterNotFound", "ResourceNotFoundException")


class Unreadable(Exception):
    """A secret can't be read; the text says why."""


def read(service: str, secret: str, environment: "Mapping[str, str]", folder: str) -> "Tuple[str, str]":
    """Return a secret's value, or "" and the reason why it can't be read."""
    try:
        return _read(service, secret, environment, folder), ""
    except Unreadable as error:
        return "", str(error)


def _read(service: str, secret: str, environment: "Mapping[str, str]", folder: str) -> str:
    region = secret.split(":")[3] if secret.startswith("arn:") else region_of(environment, folder)
    endpoint = environment.get(_ENDPOINTS[service]) or environment.get("AWS_ENDPOINT_URL")
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    url = (endpoint or "https://{}.{}.{}".format(service, region, suffix)).rstrip("/") + "/"
    if service == "ssm":
        payload: Dict[str, Any] = {"Name": secret, "WithDecryption": True}
        return str(call(service, region, url, payload, environment)["Parameter"]["Value"])
    value = call(service, region, url, {"SecretId": secret}, environment).get("SecretString")
    if value is None:
        raise Unreadable("it is binary, and a variable holds text")
    return str(value)


def region_of(environment: "Mapping[str, str]", folder: str) -> str:
    """Return the region in which a job runs. `folder` is that of its code.

    >>> region_of({"TRAINING_JOB_ARN": "arn:aws:sagemaker:eu-central-1:123456789012:training-job/x"}, "/opt/ml/code")
    'eu-central-1'
    """
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "SAGEMAKER_REGION"):
        if environment.get(name):
            return environment[name]
    arn = environment.get("TRAINING_JOB_ARN") or _processing_job_arn(folder)
    if arn.count(":") < 5:
        raise Unreadable("nothing says in which region the job runs")
    return arn.split(":")[3]


def _processing_job_arn(folder: str) -> str:
    """Return the ARN in the configuration that a processing job's container finds.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html
    """
    try:
        with open(os.path.join(folder, "../../../config/processingjobconfig.json"), encoding="utf-8") as stream:
            return str(json.load(stream)["ProcessingJobArn"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def call(
    service: str,
    region: str,
    url: str,
    payload: "Mapping[str, Any]",
    environment: "Mapping[str, str]",
    waits_s: "Sequence[float]" = _WAITS_S,
) -> "Dict[str, Any]":
    """Return the response of an operation; try again where the service is busy or not reached.

    Raises: Unreadable
    """
    body = json.dumps(payload).encode()
    for wait_s in (*waits_s, None):
        headers = signed(
            service, region, url, body, credentials(environment), datetime.datetime.now(datetime.timezone.utc)
        )
        try:
            with urlopen(Request(url, body, headers), timeout=_TIMEOUT_S) as response:
                answer: Dict[str, Any] = json.loads(response.read().decode())
                return answer
        except HTTPError as error:
            code, message = _failure(error)
            if wait_s is None or not (error.code >= 500 or error.code == 429 or "Throttl" in code):
                raise Unreadable(_reason(code, message, region)) from None
        except (OSError, ValueError) as error:
            if wait_s is None:
                raise Unreadable("{} is not reached: {}".format(url, getattr(error, "reason", error))) from None
        time.sleep(wait_s)
    raise AssertionError


def _failure(error: HTTPError) -> "Tuple[str, str]":
    """Return the code and the message of an error."""
    try:
        answer = json.loads(error.read().decode())
        code = str(answer.get("__type", error.code)).rpartition("#")[2]
        return code, str(answer.get("message") or answer.get("Message") or "")
    except (ValueError, AttributeError, OSError):
        return str(error.code), str(error.reason)


def _reason(code: str, message: str, region: str) -> str:
    if code in _MISSING:
        return "it does not exist in {}".format(region)
    if code == "AccessDeniedException":
        cure = "`mlci bootstrap` grants the base branch's jobs this right, and those of pull requests where the secret"
        return "the job's role may not read it. {} says pull_request: true. ({})".format(cure, message)
    return "{}: {}".format(code, message)


def credentials(environment: "Mapping[str, str]") -> "Dict[str, str]":
    """Return the credentials of the job's role: those in variables, or those that its container is given.

    Raises: Unreadable
    """
    if environment.get("AWS_ACCESS_KEY_ID") and environment.get("AWS_SECRET_ACCESS_KEY"):
        names = {"AccessKeyId": "AWS_ACCESS_KEY_ID", "SecretAccessKey": "AWS_SECRET_ACCESS_KEY"}
        keys = {key: environment[name] for key, name in names.items()}
        return dict(keys, Token=environment.get("AWS_SESSION_TOKEN", ""))
    relative = environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
    url = _CONTAINER_HOST + relative if relative else environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    if not url:
        raise Unreadable("the job has no credentials for AWS")
    headers = {"Authorization": _authorization(environment)} if _authorization(environment) else {}
    try:
        with build_opener(ProxyHandler({})).open(Request(url, headers=headers), timeout=_TIMEOUT_S) as response:
            given: Dict[str, str] = json.loads(response.read().decode())
            return given
    except (URLError, OSError, ValueError) as error:
        raise Unreadable("the credentials of the job's role can't be fetched: {}".format(error)) from None


def _authorization(environment: "Mapping[str, str]") -> str:
    file = environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
    if file:
        with open(file) as stream:
            return stream.read().strip()
    return environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")


def signed(
    service: str, region: str, url: str, body: bytes, keys: "Mapping[str, str]", now: datetime.datetime
) -> "Dict[str, str]":
    """Return a request's headers, with a signature of version 4."""
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "Host": urlsplit(url).netloc,
        "X-Amz-Date": stamp,
        "X-Amz-Target": _TARGETS[service],
    }
    if keys.get("Token"):
        headers["X-Amz-Security-Token"] = keys["Token"]
    names = ";".join(sorted(name.lower() for name in headers))
    lines = "".join("{}:{}\n".format(name.lower(), headers[name]) for name in sorted(headers, key=str.lower))
    path = urlsplit(url).path or "/"
    request = "\n".join(["POST", path, "", lines, names, hashlib.sha256(body).hexdigest()])
    scope = "/".join([stamp[:8], region, service, "aws4_request"])
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = ("AWS4" + keys["SecretAccessKey"]).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    form = "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}"
    return dict(headers, Authorization=form.format(keys["AccessKeyId"], scope, names, signature))
