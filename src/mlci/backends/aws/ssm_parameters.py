"""SSM: the settings that `mlci bootstrap` wrote for a flow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlci.backends.aws.api_calls import Api
from mlci_dataclasses import dataclass

#: GetParameters accepts ten names.
#: Source: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html
_MAX_NAMES = 10


@dataclass(frozen=True)
class Parameters:
    api: Api

    def get(self, names: Sequence[str]) -> Mapping[str, str]:
        """Return the values of the parameters that exist."""
        found: dict[str, str] = {}
        for first in range(0, len(names), _MAX_NAMES):
            page = self.api.call("get_parameters", Names=list(names[first : first + _MAX_NAMES]), WithDecryption=True)
            found.update({entry["Name"]: entry["Value"] for entry in page.get("Parameters", ())})
        return found
