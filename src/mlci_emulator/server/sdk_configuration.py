"""Files that keep SageMaker's Python SDK on this server, and the variables that point the SDK at them.

The SDK passes botocore STS's public address, which precedes AWS_ENDPOINT_URL: default_bucket() and get_execution_role()
would send their request to AWS. botocore's rules for STS's addresses are a file that AWS_DATA_PATH precedes, so this
module writes rules that replace the public address by the server's. The SDK's own configuration turns off the reports
on its use, which the SDK sends to AWS.
Sources: https://github.com/aws/sagemaker-python-sdk, sagemaker/session.py, utils.py (sts_regional_endpoint) and
config/config.py; https://docs.aws.amazon.com/sdkref/latest/guide/feature-gen-config.html and botocore/loaders.py
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: STS's version in botocore, which is its only one.
_STS_RULES = Path("sts", "2011-06-15", "endpoint-rule-set-1.json")
_CONFIGURATION = "sagemaker.yaml"
SAGEMAKER_CONFIGURATION: Mapping[str, Any] = {
    "SchemaVersion": "1.0",
    "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}},
}
#: The role that the server's access key has; see GetCallerIdentity.
ROLE_NAME = "mlci"


def write_sdk_configuration(folder: Path, endpoint: str) -> dict[str, str]:
    """Write the files, and return the variables."""
    rules = folder / _STS_RULES
    rules.parent.mkdir(parents=True, exist_ok=True)
    rules.write_text(json.dumps(sts_rules(endpoint)), encoding="utf-8")
    configuration = folder / _CONFIGURATION  # JSON is YAML as well
    configuration.write_text(json.dumps(SAGEMAKER_CONFIGURATION), encoding="utf-8")
    return {"AWS_DATA_PATH": str(folder), "SAGEMAKER_USER_CONFIG_OVERRIDE": str(configuration)}


def sts_rules(endpoint: str) -> dict[str, Any]:
    """Return rules by which a client of STS finds the server, unless it has another address than STS's own."""
    is_set = [_call("isSet", {"ref": "Region"}), _call("isSet", {"ref": "Endpoint"})]
    own_addresses = ("https://sts.{Region}.amazonaws.com", "https://sts.amazonaws.com")
    rules = [
        _rule([*is_set, _call("stringEquals", {"ref": "Endpoint"}, address)], endpoint) for address in own_addresses
    ]
    rules.append(_rule([_call("isSet", {"ref": "Endpoint"})], {"ref": "Endpoint"}))
    rules.append(_rule([], endpoint))
    return {"version": "1.0", "parameters": _PARAMETERS, "rules": rules}


_PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "Region": {"builtIn": "AWS::Region", "required": False, "documentation": "The region.", "type": "String"},
    "Endpoint": {"builtIn": "SDK::Endpoint", "required": False, "documentation": "The address.", "type": "String"},
    **{
        name: {"builtIn": built_in, "required": True, "default": False, "documentation": "Unused.", "type": "Boolean"}
        for name, built_in in (
            ("UseDualStack", "AWS::UseDualStack"),
            ("UseFIPS", "AWS::UseFIPS"),
            ("UseGlobalEndpoint", "AWS::STS::UseGlobalEndpoint"),
        )
    },
}


def _call(function: str, *arguments: Any) -> dict[str, Any]:
    return {"fn": function, "argv": list(arguments)}


def _rule(conditions: list[dict[str, Any]], url: Any) -> dict[str, Any]:
    return {"conditions": conditions, "endpoint": {"url": url, "properties": {}, "headers": {}}, "type": "endpoint"}
