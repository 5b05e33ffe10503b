"""Pages of plain lines on a screen: nothing is lost when they are folded, and labels are told from values."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pilots import opened, screen_text

from blockstrata.formats.qcow2.author import Data, Image, write_image
from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.app.bindings import GROUPS, help_keys
from blockstrata_viewer.app.commands import commands_of
from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.draw.palette import DARK
from blockstrata_viewer.export.capture import capture
from blockstrata_viewer.model.aim import Aim
from blockstrata_viewer.reports.told import Spot
from blockstrata_viewer.screens.read_page import ReadPage
from blockstrata_viewer.screens.reports import folded, labelled
from blockstrata_viewer.widgets.dialog import ScrolledDialog

LINE = "  qcow2       ·ZO    ·Z·O  bug row    40 KiB  bug: zeroes at an offset, but not this layer's"


def test_the_last_column_goes_on_under_itself():
    first, second = folded(LINE, 80)
    column = LINE.index("bug: ")
    assert second == " " * column + "this layer's"
    assert (first.rstrip() + " " + second.strip()) == LINE
    assert folded(LINE, len(LINE)) == [LINE]


def test_without_room_it_goes_on_at_the_left():
    lines = folded(LINE, 40)
    assert all(len(line) <= 40 for line in lines)
    assert lines[1].startswith(" " * 10)
    assert lines[1][10] != " "


@given(st.text(" ab·", max_size=90), st.integers(20, 60))
def test_no_word_is_lost(line, width):
    found = folded(line, width)
    assert "".join("".join(found).split()) == "".join(line.split())
    assert all(len(part) <= width for part in found)


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
    text = labelled(line, DARK)
    assert text.plain == line
    assert "".join(line[span.start : span.end] for span in text.spans if span.style == DARK.dim) == dimmed


def test_headings_stand_out():
    pattern = re.compile("[0-9]+ ")
    assert labelled("0  top.qcow2", DARK, pattern).style == "bold"
    assert labelled("   rule  data", DARK, pattern).style == ""


@pytest.mark.parametrize("key", ["a", "T", "B", "L", "question_mark", "o", "g", "e", "slash", "Y"])
@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 50)])
async def test_the_screen_stays_visible_around_a_page(demo_image, key, size):
    """Dimmed, with a frame that has a title and says how to leave."""
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=size) as pilot:
        await opened(app, pilot)
        before = screen_text(app).splitlines()
        await pilot.press(key)
        await app.workers.wait_for_complete()
        await pilot.pause()
        box = app.screen.query_one(".dialog")
        page, lines = box.region, screen_text(app).splitlines()
        shot = capture(app.screen, DARK, "dark")
    assert page.x > 0
    assert page.y > 0
    assert page.right < size[0]
    # the table of extents is seen above the question that filters it
    assert page.bottom < size[1] + (key == "slash")
    for y, line in enumerate(lines):
        if not page.y <= y < page.bottom:
            assert line == before[y]
    assert lines[page.y][page.x + 2 :].strip("╭─╮ ")
    assert "esc closes" in lines[page.bottom - 1]
    # what is around it is dimmed: the accent of the title bar is none any more
    assert DARK.accent not in {cell.fg for cell in shot.rows[0]}


PLACES = {
    "T": lambda scene: (scene.selected, scene.disk.is_file),
    "a": lambda scene: scene.cursor,
    "o": lambda scene: scene.cursor,
}


@pytest.mark.parametrize("key", PLACES)
async def test_lines_that_name_a_place_lead_there(demo_image, key):
    app = ViewerApp(Setup([demo_image], aim=Aim(at=30 << 20)))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        await pilot.press(key)
        await app.workers.wait_for_complete()
        await pilot.pause()
        page = app.screen.query_one(ReadPage)
        spots = [line.spot for line in page._lines if line.spot]
        assert len(spots) > 1
        await pilot.press("down", "down", "enter")
        await pilot.pause()
        assert app.screen is app.main
        assert app.scene.cursor == spots[1].offset
        assert app.scene.selected == spots[1].depth
        if spots[1].semantics:
            assert app.scene.semantics.name == spots[1].semantics
        await pilot.press("less_than_sign")
        assert app.scene.cursor == 30 << 20


async def test_a_trace_leads_into_the_file(demo_image):
    app = ViewerApp(Setup([demo_image], aim=Aim(at=30 << 20)))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        await pilot.press("T")
        await app.workers.wait_for_complete()
        await pilot.pause()
        page = app.screen.query_one(ReadPage)
        nth, spot = next(
            (nth, line.spot) for nth, line in enumerate(page._lines) if line.spot and line.spot.in_file
        )
        box = app.screen.query_one(ScrolledDialog)
        box.scroll_to(y=page._tops[nth], animate=False)
        await pilot.pause()
        await pilot.click(ReadPage, offset=(4, page._tops[nth]))
        await pilot.pause()
        assert app.scene.disk.is_file
        assert (app.scene.file_depth, app.scene.cursor) == (spot.depth, spot.offset)


async def test_a_trace_of_a_file_leads_into_the_file(demo_image):
    app = ViewerApp(Setup([demo_image], aim=Aim(at=30 << 20)))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        await pilot.press("down", "v", "end", "left")
        inside = app.scene
        assert (inside.disk.is_file, inside.file_depth) == (True, 1)
        await pilot.press("T")
        await app.workers.wait_for_complete()
        await pilot.pause()
        spots = [line.spot for line in app.screen.query_one(ReadPage)._lines if line.spot]
        assert spots == [Spot(1, inside.cursor, in_file=True)] * 2
        await pilot.press("down", "enter")
        await pilot.pause()
        assert (app.scene.disk.is_file, app.scene.file_depth, app.scene.cursor) == (True, 1, inside.cursor)


async def test_the_frame_says_where_there_is_more(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        await pilot.press("question_mark")
        await pilot.pause()
        assert "↓ more" in screen_text(app)
        await pilot.press("end")
        await pilot.pause(0.6)
        assert "↓ more" not in screen_text(app)


def test_every_key_has_a_group():
    assert {key.group for key in help_keys({})} == set(GROUPS)


async def test_the_palette_says_each_thing_once(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        commands = list(commands_of(app.main.pane))
    assert len({each.action for each in commands}) == len(commands)
    assert len({each.name for each in commands}) == len(commands)
    assert set() == app.COMMANDS


@pytest.mark.parametrize("typed", ["", "zoom"])
async def test_leaving_while_the_palette_searches(demo_image, typed):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        app.action_command_palette()
        await pilot.pause()
        await pilot.press(*typed)
        app.action_quit_viewer()
    assert app.return_code == 0


async def test_a_page_is_folded_once(demo_image):
    """Folded for more room than there is, lines would be broken again, at their left."""
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        await pilot.press("a")
        await app.workers.wait_for_complete()
        await pilot.pause()
        page = app.screen.query_one(ReadPage)
        told = page.visual.plain.splitlines() if hasattr(page.visual, "plain") else []
        assert told
        assert page.virtual_size.height == len(told)


@pytest.mark.parametrize("size", [(80, 24), (22, 30)])
async def test_rows_are_counted_in_cells_and_made_once_for_a_width(tmp_path, monkeypatch, size):
    """A wide name is folded where it ends on the screen, so that each row is where a click finds it."""
    image = tmp_path / ("磁盘映像文件名字很长" * 4 + ".qcow2")
    write_image(image, Image(1 << 20), {0: Data(b"x")})
    app = ViewerApp(Setup([str(image)]))
    async with app.run_test(size=size) as pilot:
        await opened(app, pilot)
        await pilot.press("T")
        await app.workers.wait_for_complete()
        await pilot.pause()
        page = app.screen.query_one(ReadPage)
        assert page.virtual_size.height == page._tops[-1]
        assert max(row.cell_len for row in page._rows) <= page.size.width
        shown = "".join(row.plain for row in page._rows).replace("›", "")
        assert "".join(shown.split()) == "".join(page.text.split())
        monkeypatch.setattr(page, "_fold", None)
        await pilot.press("down", "down")
        await pilot.pause()
        rows = [page.render_line(y) for y in range(page._tops[-1])]
        marked = [y for y, row in enumerate(rows) if any(each.style.reverse for each in row if each.style)]
        assert marked == list(range(page.chosen_row, page._tops[page.chosen + 1]))


async def test_every_key_of_the_help_stands_off_its_words(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(200, 160)) as pilot:
        await opened(app, pilot)
        await pilot.press("question_mark")
        await pilot.pause()
        text = screen_text(app)
    assert "q ctrl-c ctrl-q  quit" in text
    assert "20l" in text
    for key in help_keys({}):
        assert key.keys in text
