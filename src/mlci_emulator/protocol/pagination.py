"""Page tokens: opaque texts that tell a List… operation where its next page begins.

Each service defines the position that its tokens hold, and words the error for a token that is not one of them.
"""

from __future__ import annotations

import base64
import json
from typing import Any


class InvalidTokenError(Exception):
    """A text is no page token."""


def encode_token(position: Any) -> str:
    """Return the token of a position, which is any JSON value.

    >>> decode_token(encode_token([7, "name"]))
    [7, 'name']
    """
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode("ascii")


def decode_token(token: object) -> Any:
    """Return the position that a token holds.

    Raises: InvalidTokenError
    """
    try:
        return json.loads(base64.b64decode(str(token), altchars=b"-_", validate=True))
    except ValueError as error:  # binascii.Error, UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise InvalidTokenError(str(token)) from error
