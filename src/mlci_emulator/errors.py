"""The errors of the emulator: what is wrong, and what to do. An embedding program translates them into its own."""

from __future__ import annotations


class EmulatorError(Exception):
    """Base of every error that the emulator raises for its embedder or user to read."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what, hint)  # args stay whole, so repr, pickle and logs do too
        self.what, self.hint = what, hint

    def __str__(self) -> str:
        """
        >>> str(EmulatorError("port 80 is taken", "Pass another one.")), str(EmulatorError("port 80 is taken"))
        ('port 80 is taken. Pass another one.', 'port 80 is taken')
        """
        if not self.hint:
            return self.what
        return f"{self.what}{'' if self.what.endswith(('.', '?', '!', ':')) else '.'} {self.hint}"


class ConfigurationError(EmulatorError):
    """An option or a setting is wrong: nothing was started."""


class OperationError(EmulatorError):
    """The emulator cannot do something with an object, a URI or a job."""
