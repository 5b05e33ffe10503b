"""Offsets on the ruler: exact, always."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockstrata_viewer.draw.units import counted, exact_size, short_count

POWERS = {"B": 0, "KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40, "PiB": 50, "EiB": 60}


@pytest.mark.parametrize(
    ("offset", "text"),
    [
        (0, "0"),
        (512, "512 B"),
        (1536, "1.5 KiB"),
        (65536, "64 KiB"),
        (31104 << 10, "30.375 MiB"),
        (30380 << 10, "30380 KiB"),
        (1 << 40, "1 TiB"),
        ((1 << 40) + 1, "0x10000000001"),
    ],
)
def test_examples(offset, text):
    assert exact_size(offset) == text


@given(st.one_of(st.integers(0, 1 << 20), st.integers(0, 2**63 - 1)))
def test_nothing_is_rounded(offset):
    text = exact_size(offset)
    if text.startswith("0x"):
        assert int(text, 16) == offset
    elif text == "0":
        assert offset == 0
    else:
        number, unit = text.split()
        assert Fraction(number) * 2 ** POWERS[unit] == offset
    assert len(text) <= 18


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (999_999, "999,999"),
        (1_000_000, "1.0M"),
        (1_066_000, "1.1M"),
        (24_276_481, "24M"),
        (999_499_999, "999M"),
        (999_500_000, "1.0G"),
        (1_070_000_000, "1.1G"),
    ],
)
def test_counts(count, text):
    assert short_count(count) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 runs"), (1, "1 run"), (2, "2 runs"), (1_048_576, "1,048,576 runs")]
)
def test_counts_have_a_noun(count, text):
    assert counted(count, "run") == text
