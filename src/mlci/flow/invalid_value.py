"""The exception that the readers of values raise; their callers know the place in the file, and report it."""

from __future__ import annotations


class InvalidValue(ValueError):
    """A text is not a valid value: `what` says why, `hint` what to write instead."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what, hint)
        self.what, self.hint = what, hint
