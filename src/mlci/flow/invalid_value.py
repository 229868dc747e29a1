"""The one exception inside the package: a text that is not what it should be, before anyone knows where it stands."""

from __future__ import annotations


class InvalidValue(ValueError):
    """A text that is not what it should be: `what` says so, `hint` what to write instead."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what, hint)
        self.what, self.hint = what, hint
