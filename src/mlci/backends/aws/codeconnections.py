"""CodeConnections: whether the connection to GitHub can be used yet.

A connection that CloudFormation or an API made is PENDING until a person has shaken hands in the console: there is no
call for it. Source: https://docs.aws.amazon.com/dtconsole/latest/userguide/connections-update.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlci.backends.aws.api_calls import Api, AwsError
from mlci.errors import CloudError

ConnectionStatus = Literal["PENDING", "AVAILABLE", "ERROR"]
POLL_S = 5.0


@dataclass(frozen=True)
class Connection:
    """A connection as it is. `provider` is GitHub, or another host of repositories."""

    arn: str
    status: ConnectionStatus
    provider: str = "GitHub"


@dataclass(frozen=True)
class Connections:
    api: Api

    def find(self, arn: str) -> Connection | None:
        """The connection; None where there is none.

        Not every endpoint that stands in AWS's place has this service: there, a connection is taken to be available.
        Source: https://docs.aws.amazon.com/codeconnections/latest/APIReference/API_GetConnection.html
        """
        try:
            ask = self.api.call if self.api.is_aws else self.api.call_once
            told = ask("get_connection", ConnectionArn=arn)["Connection"]
        except AwsError as error:
            if error.code == "ResourceNotFoundException":
                return None
            if not self.api.is_aws:
                return Connection(arn, "AVAILABLE")
            raise
        return Connection(arn, _status(told["ConnectionStatus"]), told.get("ProviderType", "GitHub"))


def _status(told: str) -> ConnectionStatus:
    match told:
        case "PENDING" | "AVAILABLE" | "ERROR":
            return told
    raise CloudError(f"the connection has the status {told}, which mlci does not know")
