"""`${{ env.NAME }}`: values from the environment that mlci runs in.

They are no secrets: requests, logs and reports show them.
"""

from __future__ import annotations

import re

from mlci.flow.invalid_value import InvalidValue
from mlci.flow.params import NOT_TEXT

#: Words that tell a secret by its variable's name, such as API_TOKEN or AWS_SECRET_ACCESS_KEY.
_SECRET_WORD = re.compile(r"apikey|credentials?|keys?|passphrase|passwd|passwords?|secrets?|tokens?", re.IGNORECASE)


def is_like_secret(name: str) -> bool:
    """Return True if a variable's name looks like a secret's.

    >>> is_like_secret("WANDB_API_KEY"), is_like_secret("githubToken"), is_like_secret("MONKEY"), is_like_secret("PATH")
    (True, True, False, False)
    """
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return any(_SECRET_WORD.fullmatch(word) for word in words)


def check_variable(name: str, value: str | None) -> None:
    """Raise InvalidValue if a flow can't have the value of this variable. None: it is not set."""
    if is_like_secret(name):
        what = f'the variable "{name}" looks like a secret, and its value would stand in requests and reports'
        hint = 'Declare it in "secrets", and write ${{ secrets.<name> }} in "env"; or give the variable another name'
        raise InvalidValue(what, hint)
    if value is None:
        hint = "Set it, or use a param, which has a default and is overridden by MLCI_PARAM_<NAME>"
        raise InvalidValue(f'the environment variable "{name}" is not set', hint)
    if "${{" in value:
        raise InvalidValue(f'the value of the environment variable "{name}" cannot hold a reference')
    if NOT_TEXT.search(value):
        raise InvalidValue(f'the value of the environment variable "{name}" is not valid UTF-8 text')
