"""Sizes as QEMU writes and reads them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from blockstrata.text.sizes import format_size, parse_size

some = settings(max_examples=100)

UNITS = {"B": 0, "KiB": 1, "MiB": 2, "GiB": 3, "TiB": 4, "PiB": 5, "EiB": 6}


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("65536", 65536),
        ("65536b", 65536),
        ("1.0B", 1),
        ("64k", 65536),
        ("64K", 65536),
        ("1M", 1 << 20),
        ("1.5G", 3 << 29),
        ("2t", 2 << 40),
        ("1P", 1 << 50),
        ("7E", 7 << 60),
        ("1.", 1),
        ("1.k", 1024),
        ("1.0", 1),
        ("1.0001k", 1024),
        ("0x10000", 65536),
        ("0XfF", 255),
        ("0x10B", 0x10B),
        ("9223372036854775807", 2**63 - 1),
        ("0x7fffffffffffffff", 2**63 - 1),
    ],
)
def test_what_qemu_takes(text: str, size: int):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "k",
        "-1",
        "+1",
        "1 k",
        "1kk",
        "1KiB",
        "1_000",
        "1e3",
        "0x",
        "0xg",
        "x10",
        "1,5G",
        "inf",
        "nan",
        "٣",
        "1\n",
    ],
)
def test_what_is_no_size_says_how_to_write_one(text: str):
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize("text", ["1.5", "0.1", "1.5B", "0.9b"])
def test_parts_of_a_byte_are_refused(text: str):
    with pytest.raises(ValueError, match="is not a whole number of bytes"):
        parse_size(text)


@pytest.mark.parametrize(
    "text", ["9223372036854775808", "0x8000000000000000", "8E", "9E", "99999999999999999999k"]
)
def test_eight_exbibytes_are_too_many(text: str):
    with pytest.raises(ValueError, match="8 EiB or more"):
        parse_size(text)


@some
@given(st.integers(0, 2**63 - 1))
def test_numbers_mean_themselves(size: int):
    assert parse_size(str(size)) == parse_size(f"{size}B") == parse_size(hex(size)) == size


@some
@given(st.integers(0, 2**20), st.integers(0, 999), st.sampled_from(list("kMGT")))
def test_fractions_are_exact_and_rounded_down(whole: int, thousandths: int, suffix: str):
    scale = 1024 ** ("kMGT".index(suffix) + 1)
    assert parse_size(f"{whole}.{thousandths:03}{suffix}") == (whole * 1000 + thousandths) * scale // 1000


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (512, "512 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.50 KiB"),
        (65536, "64 KiB"),
        (10 * 1024 + 512, "10.5 KiB"),
        (1_000_448, "977 KiB"),
        (3 << 29, "1.50 GiB"),
        (1 << 53, "8 PiB"),
        (2**63 - 512, "8.00 EiB"),
    ],
)
def test_sizes_for_people(size: int, text: str):
    assert format_size(size) == text


@some
@given(st.integers(0, 63).flatmap(lambda bits: st.integers(0, (1 << bits) - 1 if bits else 0)))
@example(1024**2 - 1)
def test_what_people_read_is_near_the_size(size: int):
    number, unit = format_size(size).split()
    value = Fraction(number) * 1024 ** UNITS[unit]
    assert abs(value - size) * 100 <= size
    assert size == 0 or Fraction(number) >= 1
    if unit != "EiB":
        assert Fraction(number) < 1024, "the next unit would do"
    if "." not in number and size % 1024 ** UNITS[unit] == 0:
        assert value == size, "whole numbers stay whole"
