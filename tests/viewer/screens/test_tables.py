"""The screen of the truth tables: the key, the rows, and that enter leads where a row occurs."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from blockstrata.formats.qcow2.author import Data, Image, write_image
from blockstrata.graph.chain import open_chain
from blockstrata.semantics import SEMANTICS
from blockstrata.semantics.nbd import NBD_6_0
from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.draw.palette import palette_for
from blockstrata_viewer.reports.tables import tables
from blockstrata_viewer.scenarios import SCENARIOS
from blockstrata_viewer.screens.tables import TablesScreen
from blockstrata_viewer.widgets.table_view import draw_tables, entries_of


@pytest.fixture(scope="module")
def every_row(tmp_path_factory):
    return SCENARIOS["every-row"].build(tmp_path_factory.mktemp("rows"))[0]


def screen_text(app) -> str:
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


@asynccontextmanager
async def opened(image, *, at=0, size=(120, 36), colours="truecolor"):
    app = ViewerApp(Setup([image], colours=colours))
    async with app.run_test(size=size) as pilot:
        await asyncio.wait_for(app.settled.wait(), 20)
        app.main.pane.change(lambda scene: scene.go_to(at))
        await pilot.press("B")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert isinstance(app.screen, TablesScreen)
        yield app, pilot


async def choose(app, pilot, switch, letters, *, is_protocol=False):
    """Move to a row by keys, and return it."""
    wanted = (switch, is_protocol, letters)
    rows = [(table.semantics.switch, table.is_protocol, entry.letters) for table, entry in shown_in(app)]
    steps = rows.index(wanted) - app.screen.view.at
    await pilot.press(*(["down" if steps > 0 else "up"] * abs(steps)))
    table, entry = app.screen.chosen
    assert (table.semantics.switch, table.is_protocol, entry.letters) == wanted
    return entry


def shown_in(app):
    return entries_of(app.screen.view.tables)


async def test_it_opens_at_the_row_under_the_cursor(demo_image):
    async with opened(demo_image, at=0x1F00000) as (app, pilot):
        table, entry = app.screen.chosen
        assert (table.semantics.name, entry.letters) == ("proposed", "····")
        text = screen_text(app)
        assert "deferred to the backing layer" in text
        assert "first at 0x0 of web01-active.qcow2" in text
        await pilot.press("B")
        assert not isinstance(app.screen, TablesScreen)


async def test_it_does_not_tell_what_a_lesson_asks(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await asyncio.wait_for(app.settled.wait(), 20)
        app.main.pane.change(lambda scene: scene.drawn(asking=True))
        assert app.scene.track.state_at(app.scene.run, app.scene.semantics).letters == "····"
        await pilot.press("B")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert app.screen.chosen[1].letters == "LZAO"


@pytest.mark.parametrize(
    ("switch", "letters", "is_protocol"),
    [("new", "LZ·O", False), ("old", "DZO", False), ("new", "Z·O", True), ("nbd", "·Z", False)],
)
async def test_enter_goes_there(demo_image, switch, letters, is_protocol):
    async with opened(demo_image) as (app, pilot):
        entry = await choose(app, pilot, switch, letters, is_protocol=is_protocol)
        await pilot.press("enter")
        await pilot.pause()
        assert not isinstance(app.screen, TablesScreen)
        scene = app.scene
        assert scene.cursor == entry.place.offset
        assert scene.semantics.switch == switch
        assert bool(scene.entered_from) == is_protocol
        assert (scene.file_depth if is_protocol else scene.selected) == entry.place.depth
        assert scene.track.state_at(scene.run, scene.semantics).letters == letters
        assert scene.viewport.start <= scene.cursor < scene.viewport.end


async def test_a_row_that_is_not_here_names_the_scenario(demo_image):
    async with opened(demo_image) as (app, pilot):
        entry = await choose(app, pilot, "new", "L··O")
        assert entry.place is None
        await pilot.pause()
        assert "blockstrata demo every-row shows it" in screen_text(app)
        await pilot.press("enter")
        assert isinstance(app.screen, TablesScreen)
        await pilot.press("n")
        assert app.screen.chosen[1].place
        before = app.screen.chosen[0]
        await pilot.press("s")
        assert app.screen.chosen[0] is not before
        await pilot.press("S")
        assert app.screen.chosen[0] is before
        await pilot.press("tab")
        assert app.screen.chosen[0] is not before
        await pilot.press("shift+tab")
        assert app.screen.chosen[0] is before
        await pilot.press("escape")
        assert not isinstance(app.screen, TablesScreen)


async def test_from_a_files_axis_and_from_a_round_trip(demo_image):
    for key, letters in (("v", "·AO"), ("r", "")):
        app = ViewerApp(Setup([demo_image]))
        async with app.run_test(size=(120, 36)) as pilot:
            await asyncio.wait_for(app.settled.wait(), 20)
            await pilot.press(key, "B")
            await app.workers.wait_for_complete()
            await pilot.pause()
            table, entry = app.screen.chosen
            assert table.is_protocol == (key == "v")
            assert letters in entry.letters
            await choose(app, pilot, "new", "L·A·")
            await pilot.press("enter")
            assert app.scene.entered_from is None
            assert app.scene.track.state_at(app.scene.run, app.scene.semantics).letters == "L·A·"


async def test_every_row_that_occurs_can_be_gone_to(every_row):
    async with opened(every_row) as (app, _):
        places = [(table, entry) for table, entry in shown_in(app) if entry.place]
        assert len(places) > 20
        for table, entry in places:
            place = entry.place
            scene = app.scene.at(place.depth, place.offset, table.semantics, in_file=table.is_protocol)
            assert scene.cursor == place.offset
            letters = scene.track.state_at(scene.run, scene.semantics).letters
            # a file on its own axis is a whole walk, which ends without an offset where there is nothing
            assert letters == entry.letters or (table.is_protocol and letters == "···"), entry


async def test_a_file_of_nothing_but_tables_has_no_axis(tmp_path):
    data = tmp_path / "data.raw"
    write_image(tmp_path / "top.qcow2", Image(1 << 20, data_file="data.raw"), {}, data)
    options = {
        "driver": "qcow2",
        "file": {"driver": "file", "filename": str(tmp_path / "top.qcow2")},
        "data-file": {"driver": "file", "filename": str(data)},
    }
    async with opened("json:" + json.dumps(options)) as (app, pilot):
        entry = await choose(app, pilot, "new", "·AO", is_protocol=True)
        assert entry.place.name.endswith("top.qcow2")
        await pilot.pause()
        assert "(tables only)" in screen_text(app)
        await pilot.press("enter")
        assert isinstance(app.screen, TablesScreen)


@pytest.mark.parametrize("size", [(72, 20), (112, 30), (40, 8), (20, 3), (10, 1)])
@pytest.mark.parametrize("look", [("truecolor", "light"), ("none", "dark")])
def test_every_row_can_be_seen(demo_image, size, look):
    palette = palette_for(*look)
    with open_chain(demo_image) as chain:
        shown = list(tables(chain, (*SEMANTICS, NBD_6_0)))
    for at, (table, entry) in enumerate(entries_of(shown)):
        rows = draw_tables(shown, at, palette, *size)
        assert [row.width for row in rows] == [size[0]] * size[1]
        text = "\n".join(row.text() for row in rows)
        if size[1] >= 20:
            assert f"{entry.letters:<4}  {entry.row.words[:20]}" in text
            assert ("first at" in text) == (entry.place is not None)
            assert f", {table.kind}" in text.splitlines()[0]
            assert rows[1].text().endswith("bytes of all layers  ")


async def test_a_chain_that_is_incomplete(tmp_path):
    write_image(tmp_path / "top.qcow2", Image(1 << 20, backing="gone"), {1: Data(b"x")})
    async with opened(str(tmp_path / "top.qcow2"), colours="none", size=(80, 24)) as (app, pilot):
        await choose(app, pilot, "new", "L·AO")
        await pilot.press("enter")
        assert app.scene.cursor == 0x10000
