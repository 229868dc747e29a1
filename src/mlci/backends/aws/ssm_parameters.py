"""SSM: settings that `mlci bootstrap` wrote for a flow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlci.backends.aws.api_calls import Api

#: GetParameters takes ten names.
#: Source: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html
_MOST_NAMES = 10


@dataclass(frozen=True)
class Parameters:
    api: Api

    def get(self, names: Sequence[str]) -> Mapping[str, str]:
        """The values of those that there are."""
        found: dict[str, str] = {}
        for first in range(0, len(names), _MOST_NAMES):
            page = self.api.call("get_parameters", Names=list(names[first : first + _MOST_NAMES]), WithDecryption=True)
            found.update({entry["Name"]: entry["Value"] for entry in page.get("Parameters", ())})
        return found
