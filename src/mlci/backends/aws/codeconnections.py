"""CodeConnections: the status of the connection to GitHub.

A connection that CloudFormation or an API created is PENDING until a user completes its handshake in the console; no
API does that. Source: https://docs.aws.amazon.com/dtconsole/latest/userguide/connections-update.html
"""

from __future__ import annotations

from typing import Literal

from mlci.backends.aws.api_calls import Api, AwsError
from mlci.errors import CloudError
from mlci_dataclasses import dataclass

ConnectionStatus = Literal["PENDING", "AVAILABLE", "ERROR"]
POLL_S = 5.0


@dataclass(frozen=True)
class Connection:
    """A connection. `provider` is GitHub, or another host of repositories; "" if it is not known."""

    arn: str
    status: ConnectionStatus
    provider: str = "GitHub"


@dataclass(frozen=True)
class Connections:
    api: Api

    def find(self, arn: str) -> Connection | None:
        """Return the connection, or None if it does not exist.

        Replacements of AWS's endpoint may lack this service; there, every connection counts as available.
        Source: https://docs.aws.amazon.com/codeconnections/latest/APIReference/API_GetConnection.html
        """
        try:
            call = self.api.call if self.api.is_aws else self.api.call_once
            response = call("get_connection", ConnectionArn=arn)["Connection"]
        except AwsError as error:
            if error.code == "ResourceNotFoundException":
                return None
            if not self.api.is_aws:
                return Connection(arn, "AVAILABLE", provider="")
            raise
        return Connection(arn, _status(response["ConnectionStatus"]), response.get("ProviderType", "GitHub"))


def _status(text: str) -> ConnectionStatus:
    match text:
        case "PENDING" | "AVAILABLE" | "ERROR":
            return text
    raise CloudError(f"the connection has the unknown status {text}")
