"""The descriptions of AWS's services, megabytes of JSON, which each session of botocore's would read anew."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import botocore.loaders
import botocore.session


def share_between_sessions() -> None:
    """Makes sessions with the same search paths share what they have read and listed."""
    caches: defaultdict[tuple[str, ...], dict[Any, Any]] = defaultdict(dict)

    def create_loader(search_path_string: str | None = None) -> Any:
        loader = botocore.loaders.create_loader(search_path_string)
        # moto forgets boto3's session before each test, and with it what that has read.
        loader._cache = caches[tuple(loader.search_paths)]
        return loader

    botocore.session.create_loader = create_loader
