"""Pages of plain lines on a screen: nothing is lost when they are folded, and labels are told from values."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pilots import opened, screen_text

from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.draw.palette import DARK
from blockstrata_viewer.screens.reports import folded, labelled

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


@pytest.mark.parametrize("key", ["a", "T", "B", "L", "question_mark", "enter"])
@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_nothing_stands_beside_a_page(demo_image, key, size):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=size) as pilot:
        await opened(app, pilot)
        await pilot.press(key)
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert app.screen is not app.main
        page = app.screen.query_one(".dialog").region
        lines = screen_text(app).splitlines()
    for y, line in enumerate(lines):
        beside = line[: page.x] + line[page.right :] if page.y <= y < page.bottom else line
        assert not beside.strip(), (y, line)
    assert any(line.strip() for line in lines)


async def test_a_page_is_folded_once(demo_image):
    """Folded for more room than there is, lines would be broken again, at their left."""
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        await pilot.press("a")
        await app.workers.wait_for_complete()
        await pilot.pause()
        page = app.screen.query_one(".page")
        told = page.visual.plain.splitlines() if hasattr(page.visual, "plain") else []
        assert told
        assert page.virtual_size.height == len(told)


async def test_every_key_of_the_help_stands_off_its_words(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 80)) as pilot:
        await opened(app, pilot)
        await pilot.press("question_mark")
        await pilot.pause()
        text = screen_text(app)
    assert "q ctrl-c ctrl-q quit" in text
    assert "20l" in text
