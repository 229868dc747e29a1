"""Copies that S3 makes, in parts where an object is large."""

from __future__ import annotations

from mlci.backends.aws.object_copies import copy_objects
from mlci.backends.protocol import ObjectCopy
from support.aws_builds import Builder
from support.fake_aws import BUCKET

#: The least that S3 takes as a part which is not the last.
PART_BYTES = 5 << 20


def test_a_large_object_is_copied_in_parts(builder: Builder) -> None:
    objects = builder.cloud(builder.flow()).objects
    folder, data = f"s3://{BUCKET}/mlci/small/parts/", bytes(range(256)) * (2 * PART_BYTES // 256) + b"end"
    objects.write(f"{folder}large", data)
    objects.write(f"{folder}small", b"small")
    copies = [
        ObjectCopy(uri, f"{uri}.copy", size_bytes, tag) for uri, (size_bytes, tag) in objects.versions(folder).items()
    ]
    done: list[int] = []
    copy_objects(objects.api, objects.owner, copies, done.append, PART_BYTES)
    assert sorted(done) == [3, 5, PART_BYTES, PART_BYTES]
    assert objects.read(f"{folder}large.copy") == data
    assert objects.read(f"{folder}small.copy") == b"small"
    _, tag = objects.versions(f"{folder}large.copy")[f"{folder}large.copy"]
    assert tag.endswith("-3")
