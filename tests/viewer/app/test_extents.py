"""The extent table as a person uses it: in full height and filtered, by keys and by mouse."""

from __future__ import annotations

import pytest
from pilots import opened, screen_text, until

from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.draw import extent_rows
from blockstrata_viewer.draw.layout import CHAIN_LEAST
from blockstrata_viewer.model.aim import Aim
from blockstrata_viewer.model.asking import NOT_YET
from blockstrata_viewer.model.scene import GUEST
from blockstrata_viewer.process.memory import TOO_LARGE
from blockstrata_viewer.scenarios import SCENARIOS
from blockstrata_viewer.widgets import extent_table as widget
from blockstrata_viewer.widgets.chain_view import ChainView
from blockstrata_viewer.widgets.extent_table import ExtentTable

SIZES = [(80, 24), (120, 36), (200, 50)]


def table_of(app):
    return app.main.query_one(ExtentTable)


def row_starts(app):
    """Return where the rows on the screen start."""
    table, track = table_of(app), app.scene.track
    found = table.found_in(app.scene)
    room = extent_rows.room_for(table.size.height, is_full=table.is_full)
    return [track.bounds(run)[0] for run in found.runs(table._first, table._first + room)]


@pytest.mark.parametrize("size", SIZES)
async def test_enter_goes_where_a_row_is_and_escape_comes_back(demo_image, size):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=size) as pilot:
        await opened(app, pilot)
        await pilot.press("shift+right")
        before, track = app.scene, app.scene.track
        await pilot.press("E")
        table, text = table_of(app), screen_text(app)
        assert table.is_full
        assert table.has_focus
        assert f"EXTENTS  {len(track)} · 64 MiB" in text
        for words in ("guest sees", "web01-active.qcow2", "start", "length", "state", "host", "go there"):
            assert words in text
        assert all(len(line) == size[0] for line in text.splitlines())
        assert table.at == before.run
        assert before.track.bounds(before.run)[0] in row_starts(app)

        await pilot.press("down", "down", "up")
        # the drill is where the row is
        assert app.scene.cursor == track.bounds(before.run + 1)[0]
        await pilot.press("end", "escape")
        assert (app.scene.cursor, app.scene.viewport) == (before.cursor, before.viewport)
        assert (table.is_full, table.has_focus) == (False, False)
        await pilot.press("E", "down", "down", "enter")
        assert app.scene.cursor == track.bounds(before.run + 2)[0]
        assert not table.is_full
        # the keys are the screen's again, and one of them leads back
        await pilot.press("<")
        assert app.scene.cursor == before.cursor
        await pilot.press("down")
        assert app.scene.selected == 1


async def test_moving_and_sorting(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        await pilot.press("up", "E")
        table, track = table_of(app), app.scene.track
        assert app.scene.selected == GUEST
        last = len(track) - 1
        page = extent_rows.room_for(table.size.height, is_full=True) - 1
        ends = {"end": last, "down": last, "home": 0, "up": 0, "pagedown": page, "pageup": 0}
        for key, row in ends.items():
            await pilot.press(key)
            assert table.at == row, key
        await pilot.press(">")
        assert "▾length" in screen_text(app)
        # the drill is where the first row is
        assert (table.at, table.found_in(app.scene).row_of(app.scene.run)) == (0, 0)
        lengths = [track.bounds(run)[1] - track.bounds(run)[0] for run in range(len(track))]
        await pilot.press("enter")
        start, end = track.bounds(app.scene.run)
        assert (app.scene.cursor, end - start) == (start, max(lengths))
        await pilot.press("E", "o", "home", "enter")
        start, end = track.bounds(app.scene.run)
        assert end - start == min(lengths)


async def test_a_filter_shows_some_and_says_how_many(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        await pilot.press("/", *"size>much", "enter")
        assert "'much' is not a size" in screen_text(app)
        await pilot.press(*["backspace"] * 4, *"1M state:zero", "enter")
        table, track, semantics = table_of(app), app.scene.track, app.scene.semantics
        runs = [
            run
            for run in range(len(track))
            if track.bounds(run)[1] - track.bounds(run)[0] > 1 << 20
            and "zero" in track.state_at(run, semantics).short
        ]
        assert 0 < len(runs) < len(track)
        assert f"EXTENTS  {len(runs)} of {len(track)} match · " in screen_text(app)
        assert "/ size>1M state:zero" in screen_text(app)
        assert row_starts(app) == [track.bounds(run)[0] for run in runs]
        await pilot.press("home", "enter")
        assert app.scene.run == runs[0]

        # thought better of it: it stays; an empty one is none
        await pilot.press("/", "x", "escape", "E")
        assert f"{len(runs)} of" in screen_text(app)
        await pilot.press("/", "ctrl+u", "enter")
        assert f"EXTENTS  {len(track)} · " in screen_text(app)
        assert table.at == app.scene.run


async def test_nothing_matches(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        before = app.scene.cursor
        await pilot.press("E", "escape", "/", *"layer:9", "enter", "down", "end", "pageup", "enter")
        assert "EXTENTS  0 of 130 match · 0 B" in screen_text(app)
        assert app.scene.cursor == before


async def test_clicks_on_heads_and_rows(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        await pilot.press("E")
        table, track = table_of(app), app.scene.track
        columns = {each.key: each for each in extent_rows.columns_of(app.scene, table.size.width)}
        for times, arrow in ((1, "▾"), (2, "▴")):
            await pilot.click(table, offset=(columns["length"].x + 2, 1))
            assert f"{arrow}length" in screen_text(app), times
        await pilot.click(table, offset=(columns["host"].x + 2, 1))
        assert "▴host" in screen_text(app)
        hosts = track.view.extents.host
        wanted = row_starts(app)[3]
        assert track.host_of(wanted) == sorted(hosts[hosts >= 0].tolist())[3]
        await pilot.click(table, offset=(40, extent_rows.HEAD + 3))
        assert app.scene.cursor == wanted
        assert not table.is_full


async def test_the_table_follows_what_is_changed_beside_it(demo_image):
    """Layer, flags and cursor; the table in full height is of what is selected."""
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        await pilot.press("E")
        table = table_of(app)
        for key in ("s", "j", "g", ">", "k", "s"):
            await pilot.press(key)
            if key == "g":
                await pilot.press(*"48M", "enter")
            scene = app.scene
            assert f"EXTENTS  {len(scene.track)} · " in screen_text(app)
            assert table.at == table.found_in(scene).row_of(scene.run)
            assert scene.track.state_at(scene.run, scene.semantics).short in screen_text(app)
        assert app.scene.selected == 0


async def test_of_many_extents_no_more_are_looked_at_than_there_are_rows(demo_image, monkeypatch):
    """However many there are; and they are looked for in a worker."""
    asked = []
    row_of = extent_rows.row_of

    def count(track, run, semantics):
        asked.append(run)
        return row_of(track, run, semantics)

    monkeypatch.setattr(extent_rows, "row_of", count)
    monkeypatch.setattr(widget, "AT_ONCE", 10)
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        await pilot.press("E")
        table, track = table_of(app), app.scene.track
        room = extent_rows.room_for(table.size.height, is_full=True)
        assert 0 < len(asked) <= room < len(track)
        asked.clear()
        await pilot.press("end")
        assert 0 < len(asked) <= 2 * room
        asked.clear()
        await pilot.press("up")
        # what was drawn stays
        assert len(asked) <= 2

        await pilot.press(">", "/", *"state:data", "enter")
        await until(pilot, lambda: not table.found_in(app.scene).progress)
        assert (table.at, table.found_in(app.scene).row_of(app.scene.run)) == (0, 0)
        longest = max(
            track.bounds(run)[1] - track.bounds(run)[0]
            for run in range(len(track))
            if "data" in track.state_at(run, app.scene.semantics).short
        )
        start, end = track.bounds(table.found_in(app.scene).runs(0, 1)[0])
        assert end - start == longest


async def test_a_lesson_that_goes_on_takes_the_full_height_back(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        guide, table = app.main.pane.guide, table_of(app)
        await pilot.press("L", "enter")
        await until(pilot, lambda: guide.course and guide.is_arrived)
        await pilot.press("E", "down", "down")
        assert table.is_full
        await pilot.press(".")
        assert (table.is_full, table.has_focus, guide.course.at) == (False, False, 1)
        await pilot.press(",", "E")
        assert table.is_full
        app.main.action_leave_lesson()
        await pilot.pause()
        assert (table.is_full, table.has_focus) == (False, False)


async def test_while_a_lesson_asks_the_table_does_not_tell(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        app.main.pane.change(lambda scene: scene.drawn(asking="row"))
        for key in ("E", "/"):
            await pilot.press(key)
            assert NOT_YET in screen_text(app)
            assert not table_of(app).is_full
        lines = extent_rows.draw_extents(
            app.scene, extent_rows.Look(table_of(app).wanted, table_of(app)._found), 80, 9
        )
        assert [line.text().split() for line in lines] == [["EXTENTS", *extent_rows.WITHHELD.split()]]


async def test_where_there_is_no_memory_to_sort_it_is_said(demo_image, monkeypatch):
    def find(*_):
        raise MemoryError

    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        await pilot.press("E")
        monkeypatch.setattr(widget, "AT_ONCE", 10)
        monkeypatch.setattr(widget, "find", find)
        await pilot.press(">")
        await until(pilot, lambda: TOO_LARGE in screen_text(app))
        # the rows are those of the disk
        assert row_starts(app)[:2] == [app.scene.track.bounds(run)[0] for run in (0, 1)]


@pytest.mark.parametrize("size", [(120, 50), (200, 67)])
async def test_under_the_chain_it_follows_the_cursor(demo_image, size):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=size) as pilot:
        await opened(app, pilot)
        table = table_of(app)
        assert f"EXTENTS  {len(app.scene.track)} · " in screen_text(app)
        assert not table.is_full
        assert not table.can_focus
        for key in ("end", "home", "shift+right", "n", "down", "up", "up"):
            await pilot.press(key)
            starts, track = row_starts(app), app.scene.track
            assert track.bounds(app.scene.run)[0] in starts
            assert f"EXTENTS  {len(track)} · " in screen_text(app)

        columns = {each.key: each for each in extent_rows.columns_of(app.scene, table.size.width)}
        await pilot.click(table, offset=(columns["length"].x + 2, 1))
        assert "▾length" in screen_text(app)
        wanted = row_starts(app)[1]
        await pilot.click(table, offset=(40, extent_rows.HEAD + 1))
        assert app.scene.cursor == wanted
        # the keys stay the screen's
        await pilot.press("down")
        assert app.scene.selected == 0


async def test_a_short_table_leaves_its_rows_to_the_chain(tmp_path):
    images = SCENARIOS["every-row"].build(tmp_path)
    app = ViewerApp(Setup(images))
    async with app.run_test(size=(120, 50)) as pilot:
        await opened(app, pilot)
        await pilot.press("E")
        table = table_of(app)
        assert table.size.height >= extent_rows.rows_for(len(app.scene.track), is_full=True)
        assert app.main.query_one(ChainView).size.height > 2 * CHAIN_LEAST
        assert table.at == 0
        await pilot.press("end")
        assert app.scene.run == len(app.scene.track) - 1


async def test_keys_that_come_in_one_burst_are_all_counted(demo_image):
    """What an earlier one has said of its row must not lead back there."""
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        await pilot.press("E", "home")
        table, track = table_of(app), app.scene.track
        for _ in range(60):
            table.action_move(1)
        app.main.pane.go_to_extent(ExtentTable.Chosen(track.bounds(1)[0], goes_there=False))
        table.action_move(1)
        await pilot.pause()
        assert (table.at, app.scene.run) == (61, 61)


@pytest.mark.parametrize("size", [(120, 36), (200, 67)])
async def test_a_filter_begins_near_the_cursor(demo_image, size):
    app = ViewerApp(Setup([demo_image], aim=Aim(at=0x2000000)))
    async with app.run_test(size=size) as pilot:
        await opened(app, pilot)
        run = app.scene.run
        await pilot.press("/", *"state:data", "enter")
        await pilot.pause()
        table = table_of(app)
        assert table.at == table.found_in(app.scene).row_near(run) > 0
