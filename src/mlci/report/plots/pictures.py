"""Pictures as a page holds them: in the page itself, each beside that of the baseline.

A picture from a step is shown as an image, in which a browser runs no script and loads nothing.

Source: https://developer.mozilla.org/docs/Web/SVG/Guides/SVG_as_an_image
"""

from __future__ import annotations

import base64
from typing import Literal

from mlci_dataclasses import dataclass

MediaType = Literal["image/png", "image/svg+xml"]
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Picture:
    """A picture with its title. `baseline` is the address of the baseline's own, where that is another picture."""

    title: str
    address: str
    baseline: str | None = None


def picture_address(data: bytes) -> str | None:
    """Return a picture as an address that holds it; None for what is neither PNG nor SVG."""
    media: MediaType
    if data.startswith(_PNG):
        media = "image/png"
    elif b"<svg" in data[:4_096]:
        media = "image/svg+xml"
    else:
        return None
    return f"data:{media};base64,{base64.b64encode(data).decode()}"
