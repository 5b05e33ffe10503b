"""Pages of plain lines on a screen: nothing is lost when they are folded, and labels are told from values."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockstrata_viewer.palette import DARK
from blockstrata_viewer.screens.pages import folded, labelled

LINE = "  qcow2       ·ZO    ·Z·O  bug row    40 KiB  bug: zeroes at an offset, but not this layer's"


def test_the_last_column_goes_on_under_itself():
    first, second = folded([LINE], 80)
    column = LINE.index("bug: ")
    assert second == " " * column + "this layer's"
    assert (first.rstrip() + " " + second.strip()) == LINE
    assert folded([LINE], len(LINE)) == [LINE]


def test_without_room_it_goes_on_at_the_left():
    lines = folded([LINE], 40)
    assert all(len(line) <= 40 for line in lines)
    assert lines[1].startswith(" " * 10)
    assert lines[1][10] != " "


@given(st.lists(st.text(" ab·", max_size=90)), st.integers(20, 60))
def test_no_word_is_lost(lines, width):
    found = folded(lines, width)
    assert "".join("".join(found).split()) == "".join("".join(lines).split())
    assert all(len(line) <= width or line in lines for line in found)


@pytest.mark.parametrize(
    ("line", "dimmed"),
    [
        ("fact     normal on data", "fact"),
        ("   L1     index 0", "L1"),
        ("         copied", ""),
        ("A" * 32 + "  x", ""),
    ],
)
def test_labels_are_dim(line, dimmed):
    text = labelled([line], DARK)
    assert text.plain == line
    assert "".join(line[span.start : span.end] for span in text.spans if span.style == DARK.dim) == dimmed


def test_headings_stand_out():
    text = labelled(["0  top.qcow2", "   rule  data"], DARK, re.compile("[0-9]"))
    assert text.plain == "0  top.qcow2\n   rule  data"
    assert [text.plain[span.start : span.end] for span in text.spans if span.style == "bold"] == [
        "0  top.qcow2"
    ]
