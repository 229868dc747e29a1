"""The store: a directory in place of S3.

From URIs down to files:

    directory.py      reads, writes and lists objects by their URIs
    object_batch.py   reads and writes many objects one after the other
    s3_uris.py        splits S3 URIs
    object_paths.py   maps a URI to the names of its bucket, folders and file
    object_keys.py    maps a key to the path of its file, and back
    key_order.py      lists objects in S3's order
    hashed_copies.py  copies files, and hashes the copy
    atomic_files.py   creates and renames files atomically
"""
