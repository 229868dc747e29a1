"""Maps the URI of an object to the names of its bucket, folders and file, or rejects it."""

from __future__ import annotations

from mlci_emulator.errors import OperationError
from mlci_emulator.store import object_keys
from mlci_emulator.store.s3_uris import split_s3_uri

#: The limit of folders in a key: each is held open while the next one is opened.
MAX_FOLDERS = 200


def bucket_and_names(uri: str) -> tuple[str, list[str]]:
    """Return the bucket of a URI, and the names of the folders and the file below it.

    Raises: OperationError: the bucket or the key can't be a path.
    """
    bucket, key = split_s3_uri(uri)
    if bucket in ("", ".", "..") or bucket.startswith(object_keys.RESERVED) or not _is_path_text(bucket):
        raise OperationError(f'the local store can\'t hold "{uri}": "{bucket}" can\'t be part of a path')
    if not _is_path_text(key) or key.count("/") >= MAX_FOLDERS:
        raise OperationError(f"the local store can't hold {uri!r}: its key has no path")
    return bucket, object_keys.path_parts(key) if key else []


def bucket_and_object_names(uri: str) -> tuple[str, list[str]]:
    """Return the same for the URI of an object, which needs a key.

    Raises: OperationError
    """
    bucket, parts = bucket_and_names(uri)
    if not parts:
        raise OperationError(f'the local store can\'t hold "{uri}": an object needs a key')
    return bucket, parts


def _is_path_text(text: str) -> bool:
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
