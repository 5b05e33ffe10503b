"""Where "go to" goes: what each form means, up to the last byte, and what is refused."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockstrata_viewer.model.offsets import parse_offset

SIZE = 10 << 20
CLUSTER = 64 << 10


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("0", 0),
        ("0x10000", 0x10000),
        ("1.5M", 3 << 19),
        (" 512 ", 512),
        ("cluster:3", 3 * CLUSTER),
        (" Cluster : 0x10 ", 16 * CLUSTER),
        ("cluster:0X10", 16 * CLUSTER),
        ("sector:0xf", 15 * 512),
        ("sector:1k", 1024 * 512),
        ("sector:20479", SIZE - 512),
        ("0%", 0),
        ("50%", SIZE // 2),
        ("37.5 %", SIZE * 3 // 8),
        ("100%", SIZE - 1),
        (str(SIZE - 1), SIZE - 1),
    ],
)
def test_a_place_is_the_byte_that_it_says(text, offset):
    assert parse_offset(text, SIZE, CLUSTER) == offset


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "write one of"),
        ("  ", "write one of 0x10000"),
        (str(SIZE), "is past the end of the disk, 0xa00000"),
        ("cluster:160", "cluster:160 is past the end"),
        ("sector:20480", "is past the end"),
        ("page:1", "'page' is neither cluster nor sector"),
        (":1", "'' is neither cluster nor sector"),
        ("cluster:", "'' is not a whole number"),
        ("sector:-1", "'-1' is not a whole number"),
        ("sector:0x", "'0x' is not a whole number"),
        ("x%", "'x%' is not a share"),
        ("1/4%", "'1/4%' is not a share"),
        ("1e999999999%", "'1e999999999%' is not a share"),
        ("-1%", "'-1%' is not in 0% to 100%"),
        ("100.1%", "'100.1%' is not in"),
        ("somewhere", "not a size"),
    ],
)
def test_what_is_no_place_is_refused_with_the_reason(text, what):
    with pytest.raises(ValueError, match=what):
        parse_offset(text, SIZE, CLUSTER)


def test_a_layer_without_clusters_has_no_cluster_to_go_to():
    assert parse_offset("sector:2", SIZE, None) == 1024
    with pytest.raises(ValueError, match="the selected layer has no clusters"):
        parse_offset("cluster:0", SIZE, None)


@given(st.integers(0, 10000), st.integers(1, 2**63 - 512))
def test_a_share_is_exact_on_any_disk(hundredths, size):
    text = f"{hundredths // 100}.{hundredths % 100:02}%"
    assert parse_offset(text, size, None) == min(int(Fraction(hundredths, 10000) * size), size - 1)


def test_a_disk_of_no_bytes_has_no_place():
    for text in ("0", "0%", "100%"):
        with pytest.raises(ValueError, match="past the end"):
            parse_offset(text, 0, None)
