"""Offsets on the ruler: exact, always."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockstrata_viewer.draw.units import (
    counted,
    exact_size,
    in_parts,
    percents,
    short_count,
    sizes,
    unit_of,
)

POWERS = {"B": 0, "KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40, "PiB": 50, "EiB": 60}


@pytest.mark.parametrize(
    ("offset", "text"),
    [
        (0, "0"),
        (512, "512 B"),
        (1536, "1.5 KiB"),
        (65536, "64 KiB"),
        (31104 << 10, "30.375 MiB"),
        (30380 << 10, "30,380 KiB"),
        (1 << 40, "1 TiB"),
        (50_000_384, "48,828.5 KiB"),
        ((1 << 40) + 1, "1,099,511,627,777 B"),
    ],
)
def test_examples(offset, text):
    assert exact_size(offset) == text


@given(st.one_of(st.integers(0, 1 << 20), st.integers(0, 2**63 - 1)))
def test_nothing_is_rounded(offset):
    text = exact_size(offset)
    if text == "0":
        assert offset == 0
    else:
        number, unit = text.replace(",", "").split()
        assert Fraction(number) * 2 ** POWERS[unit] == offset


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


@pytest.mark.parametrize(
    ("offsets", "texts"),
    [
        ((0x127C30000, 0x128000000, 0x3D0000), ("4,732.1875 MiB", "4,736 MiB", "3.8125 MiB")),
        ((0, 1 << 16), ("0 KiB", "64 KiB")),
        ((1 << 40, 1 << 16), ("1,048,576 MiB", "0.0625 MiB")),
        ((1 << 20, 512), ("1,024 KiB", "0.5 KiB")),
        ((1 << 20, 1), ("1,048,576 B", "1 B")),
        ((0,), ("0 B",)),
    ],
)
def test_offsets_of_a_panel_have_one_unit(offsets, texts):
    assert tuple(map(unit_of(offsets).write, offsets)) == texts


def test_a_span_names_its_unit_once():
    span = (3_729_920, 4_002_560)
    assert unit_of(span).span(*span) == "3,642.5 – 3,908.75 KiB"
    assert unit_of((0, 1 << 15)).span(0, 1 << 15) == "0 – 32 KiB"


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=4))
def test_no_unit_rounds(offsets):
    unit = unit_of(offsets)
    for offset in offsets:
        number, name = unit.write(offset).replace(",", "").split()
        assert name == unit.name
        assert Fraction(number) * 2 ** POWERS[name] == offset
        assert len(number.partition(".")[2]) <= 4


@given(st.lists(st.integers(0, 2**63 - 1), max_size=9), st.integers(0, 100_000))
def test_parts_add_up(amounts, parts):
    found = in_parts(amounts, parts)
    assert sum(found) == (parts if sum(amounts) else 0)
    for part, amount in zip(found, amounts, strict=True):
        assert sum(amounts) == 0 or abs(part - Fraction(amount * parts, sum(amounts))) < 1


def test_shares_add_up_as_they_are_shown():
    assert percents([1, 1, 1]) == ["33.4%", "33.3%", "33.3%"]
    assert percents([999_999, 1, 0]) == ["100.0%", "<0.1%", "0.0%"]
    assert sizes([5 << 20, 1 << 18, 1]) == ("5.25 MiB", ["5.00 MiB", "0.25 MiB", "<0.01 MiB"])
    assert sizes([21 << 20, 43 << 20]) == ("64 MiB", ["21 MiB", "43 MiB"])
    assert sizes([]) == ("0 B", [])


@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=6))
def test_sizes_add_up_as_they_are_shown(amounts):
    whole, parts = sizes(amounts)

    def number(text):
        return Fraction(0) if text.startswith("<") else Fraction(text.replace(",", "").split()[0])

    assert sum(map(number, parts)) == number(whole)
    assert len({text.split()[1] for text in (whole, *parts)}) == 1
