"""The first arrow of the line, imported late: to read YAML and to check it takes more modules than all that follows."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mlci.flow.models import Flow

_NOTHING: Mapping[str, str] = MappingProxyType({})


def load(
    text: bytes,
    file: str,
    overrides: Mapping[str, str] = _NOTHING,
    override_origins: Mapping[str, str] = _NOTHING,
    environment: Mapping[str, str] = _NOTHING,
) -> Flow:
    """The flow that this text describes, with params overridden and filled in. `file` is its name in messages.

    `overrides` and `override_origins` are what `param_overrides` gives. `environment` has the variables that
    `${{ env.NAME }}` reads.

    Raises:
        InputError: with every problem that the text and the overrides have.
    """
    from mlci.flow.loading import loaded

    return loaded(text, file, overrides, override_origins, environment)
