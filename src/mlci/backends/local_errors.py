"""The emulator's errors as mlci's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mlci.errors import CloudError, InputError, Problem
from mlci_emulator.errors import ConfigurationError, EmulatorError


@contextmanager
def translate_emulator_errors(file: str = "definition") -> Iterator[None]:
    """Turns the emulator's errors into mlci's own. `file` is the name of a definition in errors.

    Raises: InputError, for a wrong option, setting or definition; CloudError, for any other error of the emulator.
    """
    try:
        yield
    except ConfigurationError as error:
        raise InputError(error.what, error.hint) from error
    except EmulatorError as error:
        from mlci_emulator.embedded import InvalidDefinition

        if isinstance(error, InvalidDefinition):
            raise InputError(Problem(file, 0, 0, str(problem)) for problem in error.problems) from error
        raise CloudError(error.what, hint=error.hint) from error
