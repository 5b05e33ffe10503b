"""What one can click on, and what the keys of the hand do: places, copies, images side by side."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from pilots import button, opened, screen_text, until

from blockstrata.formats.qcow2.author import Data, Image, write_image
from blockstrata.graph.chain import open_chain
from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.app.commands import commands_of
from blockstrata_viewer.app.headless import Still, take
from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.cli.group import main
from blockstrata_viewer.draw.lines import Ink, Line, put_keys
from blockstrata_viewer.draw.palette import DARK
from blockstrata_viewer.export import render
from blockstrata_viewer.model.aim import Aim
from blockstrata_viewer.model.history import place_of
from blockstrata_viewer.reports.trace import trace_told
from blockstrata_viewer.widgets.chain_view import ChainView
from blockstrata_viewer.widgets.plain import Words

_INK = Ink("#ffffff", "#000000")


def test_a_line_knows_what_a_click_does():
    line = Line(10, _INK)
    assert line.put(2, "abc", _INK, "choose(1)") == 5
    assert [line.action_at(x) for x in (-1, 1, 2, 4, 5)] == ["", "", "choose(1)", "choose(1)", ""]
    line.put(4, "de", _INK, "choose(2)")
    assert line.action_at(4) == "choose(2)", "what was put there last"
    line.put(8, "beyond", _INK, "help")
    assert (line.action_at(9), line.action_at(10)) == ("help", "")


def test_each_of_two_keys_has_its_own_click():
    line = Line(30, _INK)
    put_keys(line, 0, [("+ -", "zoom", "in", "out"), ("q", "quit", "quit"), ("x", "none")], DARK)
    assert line.text().startswith("+ - zoom  q quit  x none")
    assert [line.action_at(x) for x in (0, 2, 4, 10, 12, 18)] == ["in", "out", "in", "quit", "quit", ""]


async def test_footer_keys_are_buttons(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(160, 45)) as pilot:
        await opened(app, pilot)
        cell = app.scene.viewport.cell
        await pilot.click("#keys", offset=button(app, "#keys", "turn('zoom.in')"))
        assert app.scene.viewport.cell < cell
        await pilot.click("#keys", offset=button(app, "#keys", "turn('zoom.out')"))
        assert app.scene.viewport.cell == cell
        await pilot.click("#keys", offset=button(app, "#keys", "help"))
        assert app.screen is not app.main


async def test_a_state_is_isolated_and_hidden(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        app.main.action_isolate("L·AO")
        assert app.scene.isolated == "L·AO"
        app.main.action_isolate("L·AO")
        assert app.scene.isolated == ""
        app.main.action_hide("L·AO")
        app.main.action_hide("LZ··")
        assert app.scene.hidden == {"L·AO", "LZ··"}
        app.main.action_hide("LZ··")
        assert app.scene.hidden == {"L·AO"}
        await pilot.press("escape")
        assert app.scene.hidden == frozenset()
        app.main.action_isolate("L·AO")
        await pilot.press("s")
        assert app.scene.isolated == "", "letters of other flags"


async def test_s_flips_today_and_proposed_and_comes_back_from_the_wire(viewer):
    _, press = viewer
    for name in ("historic", "proposed"):
        assert (await press("s")).semantics.name == name
    for name in ("nbd-2018", "nbd-6.0", "nbd-proposed", "nbd-2018"):
        assert (await press("S")).semantics.name == name
    assert (await press("s")).semantics.name == "proposed"
    await press("s", "S")
    assert (await press("s")).semantics.name == "historic", "the last of the two"


async def test_back_and_forward(viewer):
    _, press = viewer
    first = await press("right", "right")
    second = await press("n")
    third = await press("g", "3", "7", "%", "enter")
    await press("left", "s")
    fourth = await press("z")
    walked = [await press("<") for _ in range(3)]
    left = (third.cursor // third.viewport.cell - 1) * third.viewport.cell
    assert [scene.cursor for scene in walked] == [left, second.cursor, first.cursor]
    assert walked[0].viewport == third.viewport, "an arrow key's step is no place of its own"
    assert walked[2].semantics.name == "historic", "flags are no place"
    assert (await press("3", ">")).viewport == fourth.viewport
    assert (await press(">")).cursor == fourth.cursor


async def test_there_is_a_word_where_there_is_no_way_back(viewer):
    app, press = viewer
    await press("<")
    assert "no place to go back to" in app.main.pane.note
    await press(">")
    assert "no place to go forward to" in app.main.pane.note


async def test_a_table_s_row_and_the_file_s_axis_are_places(viewer):
    _, press = viewer
    start = await press("right")
    there = await press("down", "B", "down", "n", "enter")
    assert place_of(there) != place_of(start)
    in_file = await press("v")
    assert in_file.disk.is_file
    assert (await press("<")).disk is there.disk
    assert place_of(await press("<")) == place_of(start.select(1))
    again = await press("2", ">")
    assert (again.disk.is_file, again.cursor) == (True, in_file.cursor)


async def test_y_copies_the_offset(viewer):
    app, press = viewer
    scene = await press("g", "1", "M", "enter", "y")
    assert app.clipboard == hex(scene.cursor) == "0x100000"
    assert app.main.pane.note == "copied: 0x100000"


async def test_n_moves_the_drill_to_where_it_can_be_seen(viewer):
    _, press = viewer
    await press("g", "3", "0", "M", "enter")
    closer = 0
    for key in "nnnnp":
        before = await press("f")
        after = await press(key)
        column = after.viewport.column_of
        assert column(after.cursor) != column(before.cursor)
        closer += after.viewport.cell < before.viewport.cell
    assert closer, "in the whole disk many a change is in the cell of the one before"
    last = await press("f", "home", "6", "0", "n")
    assert last.viewport.is_whole, "of many steps only the last is shown"


async def test_read_again_stays_and_says_whether_it_changed(tmp_path):
    image = tmp_path / "a.qcow2"
    write_image(image, Image(8 << 20), {1: Data(b"a")})
    app = ViewerApp(Setup([str(image)]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        await pilot.press("g", "4", "M", "enter", "plus", "plus", "s")
        before = app.scene
        await pilot.press("R")
        await until(pilot, lambda: "nothing changed" in app.main.pane.note)
        assert app.scene.disk is not before.disk
        assert place_of(app.scene) == place_of(before)
        assert app.scene.semantics.name == "historic"
        write_image(tmp_path / "b.qcow2", Image(8 << 20), {1: Data(b"a"), 64: Data(b"b")})
        (tmp_path / "b.qcow2").replace(image)
        await pilot.press("v")
        await pilot.press("f5")
        await until(pilot, lambda: "it changed" in app.main.pane.note)
        assert app.scene.disk.is_file, "the axis is entered again"
        await pilot.press("v")
        run = app.scene.run
        assert app.scene.track.bounds(run) == (4 << 20, (4 << 20) + (1 << 16))


async def test_whoever_moves_while_it_is_read_again_stays_there(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        pane = app.main.pane

        async def read_again_and(change):
            """Read the image again, and change the scene before anything of it is there."""
            app.main.action_reload()
            pane.change(change)
            await until(pilot, lambda: "nothing changed" in pane.note)
            return app.scene

        assert (await read_again_and(lambda scene: scene.go_to(5 << 20))).cursor == 5 << 20
        await pilot.press("v")
        inside = await read_again_and(lambda scene: scene.go_to(1 << 20))
        assert (inside.disk.is_file, inside.cursor) == (True, 1 << 20), "the axis is entered again"
        assert not (await read_again_and(lambda scene: scene.leave())).disk.is_file


async def test_nothing_leads_into_a_round_trip_before_all_is_read(tmp_path):
    image = tmp_path / "image.raw"
    image.write_bytes(b"x" * 65536)
    app = ViewerApp(Setup([str(image)]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        pane, images = app.main.pane, app.main.pane.images
        await pilot.press("r", "r")
        app.main.action_storage()
        app.main.action_walk(-1)
        assert "still being read" in pane.note
        assert app.scene.entered_from is None
        await until(pilot, lambda: pane.is_at_rest)
        await pilot.press("<")
        assert app.scene.disk.round_trip, "it is still the last place"

        # nor does reading again, where it failed once
        image.rename(tmp_path / "away")
        await pilot.press("R")
        await until(pilot, lambda: app.failure)
        (tmp_path / "away").rename(image)
        await pilot.press("w")
        await until(pilot, lambda: images.shown.is_whole)
        assert app.scene.disk.round_trip is None


async def test_an_image_that_failed_is_read_again(tmp_path):
    image = tmp_path / "late.qcow2"
    app = ViewerApp(Setup([str(image)]))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        assert app.failure
        write_image(image, Image(1 << 20), {})
        await pilot.press("R")
        await until(pilot, lambda: app.scene)
        assert app.scene.disk.size == 1 << 20


async def test_tab_keeps_the_place_and_equals_moves_both(demo_image, tmp_path):
    other = tmp_path / "other.qcow2"
    write_image(other, Image(40 << 20), {9: Data(b"x")})
    app = ViewerApp(Setup([demo_image, str(other)]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        images = app.main.pane.images
        await pilot.press("g", "3", "0", "M", "enter", "plus", "plus", "plus", "down")
        here = app.scene
        app.main.pane.hover(ChainView.Hovered(20 << 20))
        await pilot.press("tab")
        await until(pilot, lambda: images.at == 1 and app.scene)
        assert (app.scene.cursor, app.scene.viewport.cell) == (30 << 20, here.viewport.cell)
        assert images.all[0].scene.hover is None, "the pointer is over the other now"
        assert app.scene.selected == 0, "the nearest there is"
        await pilot.press("g", "1", "M", "enter")
        assert images.all[0].scene.cursor == 30 << 20, "each moves alone"
        await pilot.press("shift+tab")
        await pilot.pause()
        assert (images.at, app.scene.cursor) == (0, 1 << 20)
        await pilot.press("<")
        assert app.scene.cursor == 30 << 20, "where it was is a place of its own"
        await pilot.press("=")
        assert "together" in screen_text(app).splitlines()[0]
        assert images.all[1].scene.cursor == 30 << 20
        past = images.all[1].history.past
        await pilot.press("right", "right", "right")
        assert images.all[1].history.past == past, "steps are no places there either"
        await pilot.press("g", "6", "0", "M", "enter", "f")
        assert len(images.all[1].history.past) == len(past) + 2
        assert images.all[1].scene.cursor == (40 << 20) - 1
        assert images.all[1].scene.viewport.is_whole
        await pilot.press("=", "home")
        assert images.all[1].scene.cursor == (40 << 20) - 1
        assert "together" not in screen_text(app).splitlines()[0]

        await pilot.press("=")
        cursors = [each.scene.cursor for each in images.all]
        shutil.copy(other, tmp_path / "lesson.qcow2")
        app.main.pane.show_image(images.index(str(tmp_path / "lesson.qcow2")))
        await until(pilot, lambda: app.main.pane.is_at_rest)
        await pilot.press("end", "n")
        assert [each.scene.cursor for each in images.all[:2]] == cursors, "a lesson's image goes alone"


async def test_one_image_alone_moves_with_none(viewer):
    app, press = viewer
    await press("=")
    assert "only one image" in app.main.pane.note


async def test_dragging_on_the_overview_moves_the_window(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        view = app.screen.query_one(ChainView)
        columns, whole = app.scene.viewport.columns, app.scene.viewport

        def on_overview(column):
            return (view.layout_for(app.scene).label + column, 0)

        await pilot.click(ChainView, offset=on_overview(50))
        assert app.scene.cursor == whole.offset_of(50), "nothing to move: the cursor goes there"
        await pilot.press("home", *["plus"] * 4)
        await pilot.mouse_down(ChainView, offset=on_overview(60))
        assert app.scene.viewport.column_of(whole.offset_of(60)) == columns // 2
        assert app.scene.viewport.start <= app.scene.cursor < app.scene.viewport.end
        await pilot.hover(ChainView, offset=on_overview(30))
        assert app.scene.viewport.column_of(whole.offset_of(30)) == columns // 2
        await pilot.mouse_up(ChainView, offset=on_overview(30))
        moved = app.scene.viewport
        await pilot.hover(ChainView, offset=on_overview(70))
        assert app.scene.viewport == moved, "let go"
        await pilot.press("<")
        assert app.scene.cursor == 0


async def test_a_key_s_action_is_run_by_its_id(viewer):
    app, _ = viewer
    await app.run_action("turn('inspector')", app.main)
    assert not app.main.pane.inspector_shown
    await app.run_action("turn('zoom.in')", app.main)
    assert not app.scene.viewport.is_whole
    await app.run_action("go_to(4096)", app.main)
    assert app.scene.cursor == 4096
    await app.run_action("choose(2)", app.main)
    assert app.scene.selected == 2


@pytest.mark.parametrize(
    "keys",
    [
        "g 3 1 M enter plus plus plus down s",
        "g 3 1 M enter z n n n S up up up",
        "g 5 M enter plus plus n 2 0 l",
    ],
)
async def test_the_command_reproduces_the_view(demo_image, tmp_path, monkeypatch, keys):
    """What Y shows and copies is given to screenshot, option by option: the same picture."""
    monkeypatch.chdir(Path(demo_image).parent)
    name, keys = Path(demo_image).name, keys.split()
    app = ViewerApp(Setup([name]))
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(app, pilot)
        await pilot.press(*keys, "Y")
        assert app.clipboard in str(app.screen.query_one("#command", Words).content)
    program, *words = shlex.split(app.clipboard)
    assert program == "blockstrata"
    again, shown = tmp_path / "again.svg", Still(name, press=tuple(keys), columns=100, rows=30)
    options = ["--size", "100x30", "--title", "", "-o", str(again)]
    done = await asyncio.to_thread(CliRunner().invoke, main, ["screenshot", *words, *options])
    assert done.exit_code == 0, done.output
    picture = render((await asyncio.to_thread(take, shown)).screen, "svg")
    assert again.read_bytes() == picture


async def test_the_command_of_a_demo_names_the_demo(demo_image):
    app = ViewerApp(Setup([demo_image], said={demo_image: ("demo", "web-server")}, aim=Aim(at=1 << 20)))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        assert app.scene.cursor == 1 << 20, "opened at what the options say"
        await pilot.press("v", "Y")
        assert app.clipboard.startswith("blockstrata demo web-server --at 0x100000 ")
        assert "leaves out: the file's own axis (v)" in screen_text(app)
        await pilot.press("escape")
        assert app.screen is app.main


async def test_a_name_of_any_bytes_is_copied(tmp_path):
    image = str(tmp_path / os.fsdecode(b"x-\xff\x1b.raw"))
    Path(image).write_bytes(bytes(1 << 16))
    app = ViewerApp(Setup([image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        await pilot.press("Y")
        assert app.clipboard.isprintable()
        assert f"{tmp_path}/x-\\377\\033.raw' --at" in app.clipboard
        assert app.clipboard in str(app.screen.query_one("#command", Words).content)


async def test_the_command_of_a_lesson_s_image_names_its_demo(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        main, goes = app.main, "go when the viewer is left"
        main.action_begin_lesson("preallocation")
        await until(pilot, lambda: main.pane.guide.is_arrived and app.scene)
        await pilot.press("Y")
        assert app.clipboard.startswith("blockstrata demo preallocation --at ")
        assert goes not in screen_text(app)
        await pilot.press("escape", ".")
        await until(pilot, lambda: main.pane.guide.is_arrived and app.scene)
        await pilot.press("Y")
        assert app.clipboard.startswith(f"blockstrata {main.pane.images.shown.image} --at ")
        assert goes in " ".join(screen_text(app).split())


async def test_a_place_that_is_not_on_the_disk_is_said(demo_image):
    app = ViewerApp(Setup([demo_image], aim=Aim(at=1 << 40)))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        assert "is not on the disk" in app.main.pane.note
        assert app.scene.cursor == 0


async def test_y_on_a_page_copies_its_lines(viewer):
    app, press = viewer
    await press("g", "3", "1", "M", "enter", "T")
    await app.workers.wait_for_complete()
    await press("y")
    with open_chain(app.main.pane.images.shown.image) as chain:
        assert app.clipboard.splitlines() == [line.text for line in trace_told(chain, 31 << 20)]


async def test_states_are_in_the_palette(viewer):
    app, _ = viewer
    actions = {command.action for command in commands_of(app.main.pane)}
    assert {"isolate('L·AO')", "hide('L·AO')", "isolate('LZ··')"} <= actions


async def test_a_click_on_the_legend_isolates_and_with_shift_hides(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        at = button(app, "#legend", "isolate('L·AO')")
        await pilot.click("#legend", offset=at)
        assert app.scene.isolated == "L·AO"
        await pilot.click("#legend", offset=at)
        assert app.scene.isolated == ""
        await pilot.click("#legend", offset=at, shift=True)
        assert (app.scene.isolated, app.scene.hidden) == ("", {"L·AO"})
        at = button(app, "#title", "under('historic')")
        await pilot.click("#title", offset=at)
        assert app.scene.semantics.name == "historic"


async def test_where_nothing_can_be_folded_c_says_so(viewer):
    app, press = viewer
    await press("c")
    assert app.main.pane.note.startswith("nothing to fold")


async def test_ctrl_q_quits_from_the_palette_too(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        await pilot.press("ctrl+p")
        await until(pilot, lambda: app.screen is not app.main)
        await pilot.press("ctrl+q")
        await until(pilot, lambda: not app.is_running or app.return_code is not None)
    assert app.return_code == 0
