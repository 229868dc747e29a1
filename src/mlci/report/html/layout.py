"""The parts that each page has: the document, whose policy keeps a browser from any request, and its sections."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from mlci.report.untrusted_text import html_text

_FOLDER = Path(__file__).parent


def html_document(title: str, sections: Iterable[str], css: str = "") -> str:
    """Return a document that needs nothing else. `title` and `sections` are HTML, and `css` is the class of its body.

    The policy in it keeps a browser from any request, whatever stands in the page.

    Source: https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Content-Security-Policy
    """
    style, script = (_FOLDER.joinpath(name).read_text(encoding="utf-8") for name in ("style.css", "page.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{title}</title><style>{style}</style></head>"
        f'<body class="{css}"><main>\n' + "\n".join(sections) + f"\n</main><script>{script}</script></body></html>\n"
    )


def section(anchor: str, title: str, body: str) -> str:
    """Return a section with its heading."""
    return f'<section id="{anchor}"><h2>{title}</h2>{body}</section>'


def facts(values: Mapping[str, str]) -> str:
    """Return names with their values, which are HTML, in a line. Those without a value are left out."""
    listed = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in values.items() if value)
    return f"<dl>{listed}</dl>"


def pictures(groups: Iterable[Iterable[tuple[str, str]]]) -> str:
    """Return pictures, each a title and an address; those of one group stand side by side."""
    return f'<div class="plots">{"".join(map(_group, groups))}</div>'


def _group(images: Iterable[tuple[str, str]]) -> str:
    shown = [
        f'<figure><img src="{address}" alt="{name}"><figcaption>{name}</figcaption></figure>'
        for name, address in ((html_text(title), address) for title, address in images)
    ]
    return f'<div class="pair{" both" if len(shown) > 1 else ""}">{"".join(shown)}</div>'
