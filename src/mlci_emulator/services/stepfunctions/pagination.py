"""Lists in pages: a token says where the next one begins, and which list it is of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from mlci_emulator.protocol.operations import ApiError, Request, Response
from mlci_emulator.protocol.pagination import InvalidTokenError, decode_token, encode_token

_DEFAULT, _MOST = 100, 1000
T = TypeVar("T")


def bounds(request: Request, of: str) -> tuple[int, int]:
    """Return the start and the size of a page. `of` names the list, so that tokens are not mixed up.

    Raises: ApiError InvalidToken.
    """
    size = int(request.get("maxResults") or _DEFAULT)
    token = request.get("nextToken")
    if not token:
        return 0, min(size, _MOST)
    try:
        offset, name = decode_token(token)
    except (InvalidTokenError, TypeError, ValueError):
        offset, name = None, None
    if name != of or not isinstance(offset, int):
        raise ApiError("InvalidToken", "Invalid Token: 'Invalid token'")
    return offset, min(size, _MOST)


def token(offset: int, of: str) -> str:
    return encode_token([offset, of])


def page(items: Sequence[T], request: Request, of: str, member: str, show: Any) -> Response:
    """The answer of a List… operation."""
    offset, size = bounds(request, of)
    answer: Response = {member: [show(item) for item in items[offset : offset + size]]}
    if offset + size < len(items):
        answer["nextToken"] = token(offset + size, of)
    return answer
