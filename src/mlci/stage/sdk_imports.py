"""Using the SageMaker SDKs without what they say and set: a banner, INFO lines, and the root logger's level."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_sdk() -> Iterator[None]:
    """While in here, `sagemaker` and `stepfunctions` may be imported and used; logging is as before afterwards."""
    os.environ.setdefault("SAGEMAKER_SUPPRESS_V2_WARNING", "1")
    root = logging.getLogger()
    level, disabled = root.level, logging.root.manager.disable
    logging.disable(logging.INFO)  # sagemaker tells where it found no configuration, at import
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        root.setLevel(level)  # stepfunctions sets the root logger to ERROR
