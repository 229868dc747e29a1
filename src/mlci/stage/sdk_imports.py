"""Imports of the SageMaker SDKs without their side effects: a banner, INFO lines, and the root logger's level."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING

from mlci.errors import InputError, SdkMissing

if TYPE_CHECKING:
    from importlib.metadata import Distribution

#: Source: https://docs.aws.amazon.com/boto3/latest/guide/configuration.html#using-environment-variables
_PROFILES = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")
_PKG_RESOURCES = "pkg_resources"


@contextmanager
def quiet_sdk() -> Iterator[None]:
    """While in here, `sagemaker` and `stepfunctions` may be imported and used; afterwards, all is as before.

    The SDKs look for a profile when they are imported, and fail where AWS_PROFILE names none. Nothing here calls AWS,
    so they see none.

    Raises: SdkMissing, if the environment holds no SDKs; InputError, if it holds others than mlci needs.
    """
    os.environ.setdefault("SAGEMAKER_SUPPRESS_V2_WARNING", "1")
    profiles = {name: os.environ.pop(name) for name in _PROFILES if name in os.environ}
    root = logging.getLogger()
    level, disabled = root.level, logging.root.manager.disable
    logging.disable(logging.INFO)  # sagemaker logs at import where it found no configuration
    try:
        with warnings.catch_warnings(), _pkg_resources():
            warnings.simplefilter("ignore")
            yield
    except ImportError as error:
        if find_spec("stepfunctions") is None and find_spec("sagemaker") is None:
            raise SdkMissing(f"the SageMaker SDKs are not installed in {sys.prefix}", _ALL_DEPENDENCIES) from error
        raise InputError(_conflict(error), _OWN_ENVIRONMENT) from error
    finally:
        os.environ.update(profiles)
        logging.disable(disabled)
        root.setLevel(level)  # stepfunctions sets the root logger to ERROR


_ALL_DEPENDENCIES = "Install mlci with all of its dependencies: pip install mlci."
_OWN_ENVIRONMENT = (
    "Install mlci in an environment of its own, by pipx or `uv tool install`: jobs run in the project's all the same."
)


def _conflict(error: ImportError) -> str:
    """Return why the SDKs can't be imported: another package changed their versions, or they are gone."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version("sagemaker")
    except PackageNotFoundError:
        found = ""
    if found and not found.startswith("2."):
        return f"mlci needs version 2 of the package sagemaker, and its environment {sys.prefix} holds {found}"
    return f"the SageMaker SDKs can't be imported in {sys.prefix}: {error}"


@contextmanager
def _pkg_resources() -> Iterator[None]:
    """Stand in for `pkg_resources` while stepfunctions 2.3.0 is imported, which asks it for its own version.

    setuptools has no such module from version 82 on, and a new environment has no setuptools.
    """
    try:
        is_missing = _PKG_RESOURCES not in sys.modules and find_spec(_PKG_RESOURCES) is None
    except (ImportError, ValueError):
        is_missing = True
    if not is_missing:
        yield
        return
    stand_in = ModuleType(_PKG_RESOURCES)
    stand_in.__dict__["require"] = _require
    sys.modules[_PKG_RESOURCES] = stand_in
    try:
        yield
    finally:
        if sys.modules.get(_PKG_RESOURCES) is stand_in:
            del sys.modules[_PKG_RESOURCES]


def _require(name: str) -> list[Distribution]:
    """Return the distribution of that name, as `pkg_resources.require` returns it first."""
    from importlib.metadata import distribution

    return [distribution(name)]
