"""Imports of the SageMaker SDKs without their side effects: a banner, INFO lines, and the root logger's level."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

#: Source: https://docs.aws.amazon.com/boto3/latest/guide/configuration.html#using-environment-variables
_PROFILES = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")


@contextmanager
def quiet_sdk() -> Iterator[None]:
    """While in here, `sagemaker` and `stepfunctions` may be imported and used; afterwards, all is as before.

    The SDKs look for a profile when they are imported, and fail where AWS_PROFILE names none. Nothing here calls AWS,
    so they see none.
    """
    os.environ.setdefault("SAGEMAKER_SUPPRESS_V2_WARNING", "1")
    profiles = {name: os.environ.pop(name) for name in _PROFILES if name in os.environ}
    root = logging.getLogger()
    level, disabled = root.level, logging.root.manager.disable
    logging.disable(logging.INFO)  # sagemaker logs at import where it found no configuration
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.environ.update(profiles)
        logging.disable(disabled)
        root.setLevel(level)  # stepfunctions sets the root logger to ERROR
