"""Maps an object's key to the path of its file below the bucket's folder, and back: mostly the plain path.

A key of S3 is any text, and a path is not. These are the exceptions, whose names all begin with `.mlci-`; every other
key is the path of its file.

| key | file | for instance |
| --- | --- | --- |
| a part is empty, `.`, `..`, or begins with `.mlci-` | `.mlci-part-<part>` | a console's `a/`: `a/.mlci-part-` |
| a part has more than 230 bytes | `.mlci-long-<its beginning>/<its end>` | file systems end at 255 |
| `a`, when there is a folder `a` | `.mlci-at-a` | both `a` and `a/b` are objects |

The mapping is reversible: a file whose name differs from the one that its key maps to is no object, and lists omit it.
On file systems that do not distinguish `A` and `a` (macOS), these keys are one object.
"""

from __future__ import annotations

RESERVED = ".mlci-"
#: The prefix of a file that is being written, which is never an object.
TEMPORARY = f"{RESERVED}tmp-"
_PART = f"{RESERVED}part-"
_LONG = f"{RESERVED}long-"
_AT = f"{RESERVED}at-"

#: File systems allow names of 255 bytes; the rest is for the prefixes.
MAX_NAME_BYTES = 230


def path_parts(key: str) -> list[str]:
    """Return the names of the folders and of the file of a key.

    >>> path_parts("raw/x.csv"), path_parts("raw/"), path_parts("../x")
    (['raw', 'x.csv'], ['raw', '.mlci-part-'], ['.mlci-part-..', 'x'])
    """
    return [name for part in key.split("/") for name in _part_names(part)]


def folder_parts(prefix: str) -> list[str]:
    """Return the names of the folders that contain all keys with this prefix, which ends in "/" or is empty."""
    return path_parts(prefix)[:-1]


def alternate_name(name: str) -> str:
    """Return the name of a file whose own name is taken by a folder."""
    return _AT + name


def key_text(name: str, is_folder: bool) -> str | None:
    """Return the text that a folder's or a file's name adds to a key; None if the name belongs to no object.

    >>> key_text("raw", True), key_text(".mlci-part-", False), key_text(".mlci-tmp-1", False)
    ('raw/', '', None)
    """
    try:
        size_bytes = len(name.encode())
    except UnicodeEncodeError:  # a file name that is not UTF-8 has no key
        return None
    if not name.startswith(RESERVED):
        text = name if size_bytes <= MAX_NAME_BYTES else None
    elif is_name_fragment(name):
        # A character has up to four bytes, and is never cut.
        return name.removeprefix(_LONG) if is_folder and size_bytes - len(_LONG) > MAX_NAME_BYTES - 4 else None
    else:
        text = _escaped(name if is_folder else name.removeprefix(_AT))
    return f"{text}/" if is_folder and text is not None else text


def _escaped(name: str) -> str | None:
    text = name.removeprefix(_PART)
    return text if _part_names(text) == [name] else None


def is_alternate_name(name: str) -> bool:
    return name.startswith(_AT)


def is_name_fragment(name: str) -> bool:
    """Return True if a folder's name is only the beginning of a part of a key, which continues without a slash."""
    return name.startswith(_LONG)


def _part_names(part: str) -> list[str]:
    names = []
    while len(part.encode()) > MAX_NAME_BYTES:
        start = part.encode()[:MAX_NAME_BYTES].decode(errors="ignore")
        names.append(_LONG + start)
        part = part[len(start) :]
    is_plain = part not in ("", ".", "..") and not part.startswith(RESERVED)
    return [*names, part if is_plain else _PART + part]
