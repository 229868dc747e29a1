"""Which file an object's key means, and back: below its bucket's folder, the file of that very path.

S3's keys are any text; paths are not. These exceptions, which all begin with `.mlci-`, are what a folder can't hold as
it is; everything else is the plain file that its key says.

| key | file | for instance |
| --- | --- | --- |
| a part is empty, `.`, `..`, or begins with `.mlci-` | `.mlci-part-<part>` | a console's `a/`: `a/.mlci-part-` |
| a part has more than 230 bytes | `.mlci-long-<its beginning>/<its end>` | file systems end at 255 |
| `a`, when there is a folder `a` | `.mlci-at-a` | both `a` and `a/b` are objects |

The mapping goes both ways: a file whose name isn't the one that its key would get is no object, and lists leave it out.
On file systems that take `A` and `a` for one name (macOS), such keys are one object, too.
"""

from __future__ import annotations

RESERVED = ".mlci-"
#: A file that is being written; never an object.
TEMPORARY = f"{RESERVED}tmp-"
_PART = f"{RESERVED}part-"
_LONG = f"{RESERVED}long-"
_AT = f"{RESERVED}at-"

#: Leaves room for the prefixes below the 255 bytes that file systems allow.
LONGEST_BYTES = 230


def path_parts(key: str) -> list[str]:
    """The names of the folders and of the file for a key.

    >>> path_parts("raw/x.csv"), path_parts("raw/"), path_parts("../x")
    (['raw', 'x.csv'], ['raw', '.mlci-part-'], ['.mlci-part-..', 'x'])
    """
    return [name for part in key.split("/") for name in _names(part)]


def folder_parts(prefix: str) -> list[str]:
    """The names of the folders in which all keys with that prefix lie; the prefix ends in "/" or is empty."""
    return path_parts(prefix)[:-1]


def beside(name: str) -> str:
    """Where a file lies whose own name is a folder's."""
    return _AT + name


def key_text(name: str, is_folder: bool) -> str | None:
    """What a folder's or a file's name adds to the key of what is there; None for what is no object or leads to none.

    >>> key_text("raw", True), key_text(".mlci-part-", False), key_text(".mlci-tmp-1", False)
    ('raw/', '', None)
    """
    try:
        size_bytes = len(name.encode())
    except UnicodeEncodeError:  # a file name that is no UTF-8, which no key can say
        return None
    if not name.startswith(RESERVED):
        text = name if size_bytes <= LONGEST_BYTES else None
    elif is_unfinished(name):
        # A character has up to four bytes, and is never cut.
        return name.removeprefix(_LONG) if is_folder and size_bytes - len(_LONG) > LONGEST_BYTES - 4 else None
    else:
        text = _escaped(name if is_folder else name.removeprefix(_AT))
    return f"{text}/" if is_folder and text is not None else text


def _escaped(name: str) -> str | None:
    text = name.removeprefix(_PART)
    return text if _names(text) == [name] else None


def is_beside(name: str) -> bool:
    return name.startswith(_AT)


def is_unfinished(name: str) -> bool:
    """Whether the folder holds only a beginning: what is in it has no slash before it."""
    return name.startswith(_LONG)


def _names(part: str) -> list[str]:
    names = []
    while len(part.encode()) > LONGEST_BYTES:
        start = part.encode()[:LONGEST_BYTES].decode(errors="ignore")
        names.append(_LONG + start)
        part = part[len(start) :]
    is_plain = part not in ("", ".", "..") and not part.startswith(RESERVED)
    return [*names, part if is_plain else _PART + part]
