"""Paths of the repository and locations in S3, as inputs, scripts and image folders name them."""

from __future__ import annotations

import posixpath
import re

from mlci.flow import limits
from mlci.flow.invalid_value import InvalidValue
from mlci.flow.models import RepositoryPath, S3Location
from mlci.s3_uris import split_s3_uri

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_DRIVE = re.compile(r"[A-Za-z]:($|[\\/])")
_RELATIVE_HINT = "Paths are relative to the flow file's folder"


def source(text: str) -> RepositoryPath | S3Location:
    """Returns the path or the location that an input names. Raises InvalidValue if it is neither."""
    scheme = _SCHEME.match(text)
    if scheme and scheme[1] == "s3":
        return s3_location(text)
    if scheme and scheme[1].lower() == "s3":
        raise InvalidValue(f'"{text}" is neither a path nor an s3:// URI', "Write s3:// in lower case")
    return RepositoryPath(repository_path(text))


def repository_path(text: str) -> str:
    """The path, normalised. Whether it leaves the repository is seen when it is staged.

    >>> repository_path("./data//x.csv")
    'data/x.csv'

    Raises:
        InvalidValue: it is empty, absolute, a URL or a path of Windows.
    """
    if not text.strip():
        raise InvalidValue("the path is empty", _RELATIVE_HINT)
    if _SCHEME.match(text):
        raise InvalidValue(f'"{text}" is neither a path nor an s3:// URI', _RELATIVE_HINT)
    if _DRIVE.match(text) or "\\" in text:
        raise InvalidValue(f'"{text}" is a path of Windows', f"{_RELATIVE_HINT}, and are written with /")
    if text.startswith(("/", "~/")) or text == "~":
        raise InvalidValue(f'"{text}" lies outside of the repository', _RELATIVE_HINT)
    if not text.isprintable():
        raise InvalidValue(f'the path "{text}" holds a character that cannot be printed', _RELATIVE_HINT)
    return posixpath.normpath(text)


def s3_location(text: str) -> S3Location:
    """The location. Raises InvalidValue where S3 could not have it."""
    bucket = bucket_name(split_s3_uri(text)[0])
    if len(text) > limits.MAX_S3_URI_CHARS or not text.isprintable():
        raise InvalidValue(
            f'the location in bucket "{bucket}" is no S3 URI',
            f"One has at most {limits.MAX_S3_URI_CHARS} characters, all printable",
        )
    return S3Location(text)


def bucket_name(text: str) -> str:
    """The name. Raises InvalidValue where S3 would."""
    if limits.BUCKET_NAME.fullmatch(text) and ".." not in text:
        return text
    hint = "It has 3 to 63 lower-case letters, digits, . and -, and begins and ends with a letter or digit"
    raise InvalidValue(f'"{text[:80]}" cannot be an S3 bucket\'s name', hint)
