"""CRCs against the catalogue's check values, and whole checksums from those of parts."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlci_emulator.services.s3 import checksums
from mlci_emulator.services.s3.errors import S3Error

#: Of "123456789". Source: https://reveng.sourceforge.io/crc-catalogue/all.htm
CHECKS = {"CRC32": "cbf43926", "CRC32C": "e3069283", "CRC64NVME": "ae8b14860a799888"}


def checksum(algorithm: str, *parts: bytes) -> bytes:
    digest = checksums.new(algorithm)
    for part in parts:
        digest.update(part)
    return digest.digest()


@pytest.mark.parametrize("algorithm", CHECKS)
def test_check_values(algorithm: str) -> None:
    assert checksum(algorithm, b"123456789").hex() == CHECKS[algorithm]
    assert checksum(algorithm, b"1", b"2345", b"", b"6789").hex() == CHECKS[algorithm]


@given(data=st.binary(max_size=300))
def test_the_way_without_c_agrees_with_zlib(data: bytes) -> None:
    assert checksums._crc("CRC32", data, 0) == zlib.crc32(data)


@pytest.mark.parametrize("size", [16_383, 16_384, 16_385])
def test_much_and_little_data_take_other_tables_to_the_same_result(size: int) -> None:
    data = bytes(number * 7 % 256 for number in range(size))
    assert checksums._crc("CRC32", data, 0) == zlib.crc32(data)
    assert checksums._crc("CRC32", data[9_000:], checksums._crc("CRC32", data[:9_000], 0)) == zlib.crc32(data)


@given(algorithm=st.sampled_from(sorted(CHECKS)), parts=st.lists(st.binary(max_size=40), min_size=1, max_size=5))
def test_parts_make_up_the_whole(algorithm: str, parts: list[bytes]) -> None:
    each = [(checksums.text(checksum(algorithm, part)), len(part)) for part in parts]
    assert checksums.combined(algorithm, "FULL_OBJECT", each) == checksums.text(checksum(algorithm, b"".join(parts)))


def test_missing_and_unknown_algorithms_are_rejected() -> None:
    for algorithm, code in (("XXHASH64", "NotImplemented"), ("CRC16", "InvalidRequest")):
        with pytest.raises(S3Error) as error:
            checksums.new(algorithm)
        assert error.value.code == code
    assert set(checksums.ALGORITHMS) < set(checksums._SIZES)
