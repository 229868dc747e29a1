"""The lines about a long upload."""

from __future__ import annotations

from mlci.backends.upload_progress import UploadProgress


def test_a_long_upload_is_reported_from_time_to_time() -> None:
    now, lines = [0.0], list[str]()
    progress = UploadProgress(4, 400_000_000, lines.append, lambda: now[0])
    for seconds in (2.0, 4.0, 13.0):
        now[0] = seconds
        progress.add_object(100_000_000)
    assert lines == ["uploading: 2 of 4 objects, 200 of 400 MB, about 4 s left"]
    now[0] = 20.0
    progress.add_bytes(50_000_000)
    assert lines[1:] == ["uploading: 3 of 4 objects, 350 of 400 MB, about 3 s left"]
    now[0] = 30.0
    progress.add_object(50_000_000)
    assert lines[2:] == ["uploading: 4 of 4 objects, 400 of 400 MB"]


def test_a_short_upload_is_not_reported() -> None:
    lines: list[str] = []
    progress = UploadProgress(1000, 1000, lines.append, lambda: 0.0)
    for _ in range(1000):
        progress.add_object(1)
    assert lines == []


def test_an_upload_without_bytes_has_an_estimate() -> None:
    now, lines = [0.0], list[str]()
    progress = UploadProgress(10, 0, lines.append, lambda: now[0])
    now[0] = 5.0
    progress.add_object()
    assert lines == ["uploading: 1 of 10 objects, 0 of 0 MB, about 45 s left"]
