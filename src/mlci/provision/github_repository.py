"""The numeric ID of a public GitHub repository."""

from __future__ import annotations

import json
import urllib.request

_TIMEOUT_S = 5.0


def public_repository_id(name: str) -> str | None:
    """Return the ID of a repository, named owner/name, or None if it is not public or GitHub can't be reached.

    Source: https://docs.github.com/en/rest/repos/repos#get-a-repository
    """
    request = urllib.request.Request(
        f"https://api.github.com/repos/{name}", headers={"Accept": "application/vnd.github+json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
            repository = json.load(response)
    except (OSError, ValueError):
        return None
    number = repository.get("id") if isinstance(repository, dict) else None
    return str(number) if isinstance(number, int) else None
