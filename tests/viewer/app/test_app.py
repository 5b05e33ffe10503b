"""The viewer as a person uses it: keys and mouse, and what the scene is then."""

from __future__ import annotations

import asyncio
import importlib
import json
import re
import threading
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from pilots import opened, screen_text, until
from rich.cells import cell_len
from textual import events

from blockstrata.errors import OpenError
from blockstrata.formats.qcow2.author import Data, Image, write_image, write_raw
from blockstrata.formats.qcow2.node import Qcow2Node
from blockstrata.graph.chain import open_chain
from blockstrata.guest.chain_reader import Reader
from blockstrata.semantics import SEMANTICS
from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.model.scene import GUEST
from blockstrata_viewer.scenarios import SCENARIOS
from blockstrata_viewer.screens.help import HelpScreen
from blockstrata_viewer.screens.read_page import ReadPage
from blockstrata_viewer.widgets.chain_view import ChainView

SIZES = [(80, 24), (120, 36), (200, 50)]


@pytest.mark.parametrize("size", SIZES)
async def test_the_whole_chain_is_on_the_screen(demo_image, size):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=size) as pilot:
        await opened(app, pilot)
        text = screen_text(app)
    for words in (
        "web01-active.qcow2",
        "web01-monday.qcow2",
        "debian-golden.raw",
        "guest sees",
        "EXTENT",
        "CORE SAMPLE",
        "L·AO",
        "quit",
        "today",
        "proposed",
    ):
        assert words in text, words
    assert all(len(line) == size[0] for line in text.splitlines())


def parted(cell, parts):
    """Return the bytes of a part of a cell, in whole sectors."""
    return -(-cell // (parts * 512)) * 512


async def test_keys(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        cell = app.scene.viewport.cell

        async def press(*keys):
            await pilot.press(*keys)
            return app.scene

        assert (await press("right", "l")).cursor == 2 * cell
        assert (await press("left")).cursor == cell
        assert (await press("h", "h")).cursor == 0
        assert (await press("shift+right")).cursor == 10 * cell
        assert (await press("shift+left")).cursor == 0
        assert (await press("end")).cursor == app.scene.disk.size - 1
        assert (await press("home")).cursor == 0
        assert (await press("down", "j")).selected == 2
        assert (await press("down")).selected == 2
        assert (await press("k", "k", "up")).selected == GUEST
        assert (await press("up")).selected == GUEST

        await press("l", "l", "l", "l")
        column = app.scene.viewport.column_of(app.scene.cursor)
        closer = await press("plus", "+", "]", "]")
        assert closer.viewport.cell == parted(cell, 16)
        assert closer.cursor == 4 * cell
        assert closer.viewport.column_of(closer.cursor) == column
        assert (await press("minus")).viewport.cell == parted(cell, 8)
        assert (await press("[")).viewport.cell == parted(cell, 4)
        assert (await press("f")).viewport.cell == cell

        assert app.scene.semantics.name == "proposed"
        for name in ("historic", "proposed", "historic"):
            assert (await press("s")).semantics.name == name
        for name in ("nbd-2018", "nbd-6.0", "nbd-proposed", "nbd-2018"):
            assert (await press("S")).semantics.name == name
        assert (await press("s")).semantics.name == "historic", "back to the last of the two"
        assert (await press("t")).theme == "light"
        await press("?")
        assert isinstance(app.screen, HelpScreen)
        await press("escape")
        assert "CORE SAMPLE" in screen_text(app)
        await press("q")
    assert app.return_value == 0


async def test_the_view_follows_the_cursor(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        await pilot.press(*["plus"] * 4, *["right"] * 70)
        viewport = app.scene.viewport
        assert viewport.left > 0
        assert viewport.column_of(app.scene.cursor) == viewport.columns - 1


async def test_mouse(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        view = app.main.query_one(ChainView)
        layout = view.layout_for(app.scene)
        await pilot.click(ChainView, offset=(layout.label + 10, layout.rows_of(1).start))
        assert app.scene.cursor == 10 * app.scene.viewport.cell
        assert app.scene.selected == 1
        await pilot.click(ChainView, offset=(3, layout.rows_of(0).start))
        assert app.scene.cursor == 10 * app.scene.viewport.cell
        assert app.scene.selected == 0
        await pilot.click(ChainView, offset=(layout.label + 3, layout.guest_top))
        assert app.scene.selected == GUEST

        cell = app.scene.viewport.cell
        wheel_at = (layout.label + 20, layout.guest_top)
        pointed = app.scene.viewport.offset_of(20)
        await pilot._post_mouse_events([events.MouseScrollUp], ChainView, wheel_at, button=0)
        await pilot.pause()
        assert app.scene.viewport.cell == parted(cell, 2)
        assert app.scene.viewport.column_of(pointed) == 20
        await pilot._post_mouse_events([events.MouseScrollDown], ChainView, wheel_at, button=0)
        await pilot.pause()
        assert app.scene.viewport.cell == cell


async def test_toggling_reads_nothing(demo_image, monkeypatch):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        for name in ("open", "pread", "lseek"):
            monkeypatch.setattr(f"blockstrata.protocols.file.os.{name}", _never)
        before = screen_text(app)
        await pilot.press("s")
        after = screen_text(app)
        monkeypatch.undo()
    assert before != after
    assert "L·AO" in before
    assert "D·O" in after


def _never(*_args):
    raise AssertionError("an image was touched")


async def test_an_image_that_cannot_be_opened_is_a_message(tmp_path):
    app = ViewerApp(Setup([str(tmp_path / "no[b]such.qcow2")]))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        assert "no[b]such.qcow2:Nosuchfile" in "".join(screen_text(app).split())
        await pilot.press("right", "s", "f", "plus", "t", "q")
    assert app.return_value == 1


async def test_a_missing_backing_file_is_a_gap_in_the_chain(demo_image, tmp_path):
    (tmp_path / "web01-active.qcow2").write_bytes(Path(demo_image).read_bytes())
    app = ViewerApp(Setup([str(tmp_path / "web01-active.qcow2")]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        text = screen_text(app)
        assert "cannot be read" in text
        assert "chain incomplete" in text
        assert "web01-monday.qcow2: No such file" in text
        await pilot.press("j")
        assert "cannot be opened: No such file" in screen_text(app)


async def test_a_count_repeats_a_motion(viewer):
    app, press = viewer
    cell = app.scene.viewport.cell
    assert (await press("2", "0", "l")).cursor == 20 * cell
    assert (await press("1", "0", "h")).cursor == 10 * cell
    assert (await press("2", "j")).selected == 2
    await press("4")
    assert "4 …" in screen_text(app)
    assert (await press("escape", "l")).cursor == 11 * cell


async def test_changes_go_to_runs_of_another_state(viewer):
    app, press = viewer
    track, semantics = app.scene.track, app.scene.semantics
    seen = [track.state_at(app.scene.run, semantics)]
    offsets = [0]
    for _ in range(20):
        scene = await press("n")
        assert scene.cursor > offsets[-1]
        assert scene.cursor in track.view.extents.edges
        offsets.append(scene.cursor)
        seen.append(track.state_at(scene.run, semantics))
    assert all(before != after for before, after in pairwise(seen))
    for offset in reversed(offsets[:-1]):
        assert (await press("p")).cursor == offset
    await press("end", "n")
    assert "no further change" in screen_text(app)
    assert (await press("9", "9", "9", "p")).cursor == 0


async def test_zoom_to_the_extent_and_to_markers(viewer):
    app, press = viewer
    await press("n", "n")
    scene = await press("z")
    edges = scene.track.view.extents.edges
    start, end = int(edges[scene.run]), int(edges[scene.run + 1])
    assert scene.viewport.start <= start < end <= scene.viewport.end
    assert scene.viewport.cell < (await press("f")).viewport.cell

    scene = await press("home", "l", "space", "9", "l", "m")
    assert len(scene.markers) == 2
    assert "BETWEEN MARKERS" in screen_text(app)
    assert "9 MiB" in screen_text(app)
    scene = await press("z")
    assert scene.viewport.start <= scene.span[0] < scene.span[1] <= scene.viewport.end
    assert (await press("escape")).markers == ()
    assert "EXTENT" in screen_text(app)


async def test_differences(viewer):
    app, press = viewer
    found = []
    while len(found) < 5:
        scene = await press("d")
        found.append(scene.cursor)
        old, new = (scene.track.state_at(scene.run, semantics) for semantics in SEMANTICS)
        assert scene.track.differing[scene.track.shares.classes[scene.run]]
        assert old.letters != f"·{new.letters}"
    assert found == sorted(set(found))
    before = screen_text(app)
    assert (await press("D")).differences
    assert screen_text(app) != before
    assert "differences only" in screen_text(app)
    assert not (await press("D")).differences
    assert "differences only" not in screen_text(app)


async def test_suspicious_runs(viewer):
    app, press = viewer
    before = app.scene.cursor
    assert (await press("b")).cursor == before
    assert "no suspicious extent" in screen_text(app)


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("0x100000", 1 << 20),
        ("1.5M", 3 << 19),
        ("50%", 32 << 20),
        ("cluster:3", 3 << 16),
        ("sector:456", 456 * 512),
    ],
)
async def test_go_to(viewer, text, offset):
    app, press = viewer
    await press(
        "g", *["percent_sign" if char == "%" else "colon" if char == ":" else char for char in text], "enter"
    )
    assert app.scene.cursor == offset


async def test_go_to_says_what_is_wrong(viewer):
    app, press = viewer
    await press("g", "9", "9", "G", "enter")
    assert "past the end of the disk" in screen_text(app)
    await press("escape")
    assert app.scene.cursor == 0
    assert "CORE SAMPLE" in screen_text(app)


async def test_the_file_on_its_own_axis(viewer):
    app, press = viewer
    await press("1", "0", "n")
    guest = app.scene
    while guest.track.host_of(guest.cursor) is None:
        guest = await press("n")
    host = guest.track.host_of(guest.cursor)
    inside = await press("v")
    assert inside.disk.is_file
    assert inside.cursor == host
    assert "file · host bytes" in screen_text(app)
    storage = inside.disk.tracks[0]
    assert {state.letters for state in storage.states(inside.semantics)} <= {"·AO", "Z·O"}
    back = await press("v")
    assert back.disk is guest.disk
    assert back.cursor == guest.cursor
    await press("v", "escape")
    assert not app.scene.disk.is_file


async def test_a_toggle_on_the_file_holds_on_the_way_back(viewer):
    app, press = viewer
    await press("v", "s", "t", "v")
    assert app.scene.semantics.name == "historic"
    assert app.scene.theme == "light"


async def test_details_show_the_raw_entry(viewer):
    app, press = viewer
    scene = await press("n")
    await press("enter")
    text = screen_text(app)
    entry = scene.disk.layers[0].node.entry_at(scene.cursor)
    assert f"{entry.entry:#018x}" in text
    assert "subclusters of 2048 bytes" in text
    await press("escape")
    assert "CORE SAMPLE" in screen_text(app)


async def test_patterns_and_inspector(viewer):
    app, press = viewer
    assert (await press("x")).patterns
    await press("i")
    assert "CORE SAMPLE" not in screen_text(app)
    await press("i")
    assert "CORE SAMPLE" in screen_text(app)


@pytest.mark.parametrize("key", ["t", "i", "question_mark", "f12", "tab", "h"])
async def test_a_note_leaves_with_the_next_key(viewer, key):
    app, press = viewer
    await press("full_stop")
    assert "L chooses one" in app.main.pane.footnote
    await press(key, "escape")
    assert app.main.pane.footnote == ""
    assert "L chooses one" not in screen_text(app)


async def test_the_palette_finds_a_semantics_by_name(viewer):
    app, press = viewer
    await press("ctrl+p")
    await press(*"flags: old")
    for _ in range(20):
        await press()
        await asyncio.sleep(0.05)
    await press("enter")
    assert app.scene.semantics.name == "historic"


async def test_several_images(demo_image):
    app = ViewerApp(Setup([demo_image, str(Path(demo_image).with_name("debian-golden.raw")), "nosuch"]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        assert "1/3" in screen_text(app)
        await pilot.press("l", "tab")
        await until(pilot, lambda: app.main.pane.images.shown.is_whole)
        assert "debian-golden.raw" in screen_text(app)
        assert len(app.scene.disk.layers) == 1
        await pilot.press("tab")
        await until(pilot, lambda: app.failure)
        assert "nosuch: No such file" in screen_text(app)
        await pilot.press("tab")
        await until(pilot, lambda: app.scene)
        assert app.scene.cursor == app.scene.viewport.cell
        assert "CORE SAMPLE" in screen_text(app)
        await pilot.press("q")
    assert app.return_value == 1


async def test_keys_that_come_before_the_question_is_on_the_screen_are_its_answer(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        for key in ("g", "3", "0", "M", "enter"):
            character = key if len(key) == 1 else None
            app.post_message(events.Key(key, character))
        await until(pilot, lambda: app.scene.cursor == 30 << 20)
        assert app.screen is app.main


async def test_keys_can_be_remapped(demo_image):
    app = ViewerApp(Setup([demo_image], keymap={"cursor.right": "y", "quit": "ctrl+q"}))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        await pilot.press("y", "l", "right")
        assert app.scene.cursor == app.scene.viewport.cell
        await pilot.resize_terminal(200, 120)
        await pilot.press("?")
        assert "y move the cursor to the right" in " ".join(screen_text(app).split())


async def test_drag_selects_a_range(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        layout = app.main.query_one(ChainView).layout_for(app.scene)
        cell = app.scene.viewport.cell
        top = layout.rows_of(0).start
        await pilot.mouse_down(ChainView, offset=(layout.label + 4, top))
        await pilot.hover(ChainView, offset=(layout.label + 9, top))
        await pilot.mouse_up(ChainView, offset=(layout.label + 9, top))
        assert app.scene.span == (4 * cell, 9 * cell)
        await pilot.hover(ChainView, offset=(layout.label + 20, top))
        assert app.scene.hover == 20 * cell
        assert app.scene.span == (4 * cell, 9 * cell)


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (99, 30), (160, 40), (250, 80), (20, 5)])
async def test_any_size_is_drawn(demo_image, size):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        await pilot.press("l", "j")
        await pilot.resize_terminal(*size)
        await pilot.pause()
        await pilot.press("s", "v", "v", "i", "i", "plus", "k")
        assert all(len(line) == size[0] for line in screen_text(app).splitlines())


async def test_an_image_of_no_bytes(tmp_path):
    (tmp_path / "empty.raw").touch()
    app = ViewerApp(Setup([str(tmp_path / "empty.raw")]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        assert "an image of 0 bytes" in screen_text(app)
        keys = (
            "right left up down plus minus f z n p d D b g space m v x t i enter escape s S home end".split()
        )
        for key in keys:
            await pilot.press(key)
        await pilot.press("escape")
        await pilot.click(ChainView, offset=(60, 10))
    assert app.failure is None


async def test_the_largest_disk():
    size = 2**63 - (2 << 20)
    app = ViewerApp(Setup(["json:" + json.dumps({"driver": "null-co", "size": size, "read-zeroes": True})]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        assert "8 EiB" in screen_text(app) or "8.00 EiB" in screen_text(app)
        await pilot.press("end")
        assert app.scene.cursor == size - 1
        await pilot.press(
            *["plus"] * 60, "minus", "left", "f", "home", "z", "n", "space", "end", "space", "z"
        )
        assert app.scene.viewport.end == size


async def test_a_name_that_is_no_markup(tmp_path):
    directory = tmp_path / "a b\nc [bold]d[x]"
    directory.mkdir()
    name = directory / ("[prod] " + "x" * 200 + ".raw")
    name.write_bytes(b"x" * 4096)
    app = ViewerApp(Setup([str(name)]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        # the end of a name tells
        assert "…xxx" in screen_text(app)
        assert "xxx.raw" in screen_text(app)
        await pilot.press("enter")
        # a long name takes several lines, which may break at the space
        assert "ab\\x0ac[bold]d[x]" in "".join(app.screen.query_one(ReadPage).text.split())
        assert "[bold]" in screen_text(app)


async def test_two_hundred_layers(tmp_path):
    image = Image(size=1 << 20, cluster_bits=12)
    for depth in reversed(range(200)):
        below = f"{depth + 1}.qcow2" if depth < 199 else None
        spec = replace(image, backing=below, backing_format="qcow2" if below else None)
        write_image(tmp_path / f"{depth}.qcow2", spec, {depth: Data(b"x")})
    app = ViewerApp(Setup([str(tmp_path / "0.qcow2")]))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        assert len(app.scene.disk.tracks) == 200
        await pilot.press("1", "5", "0", "j")
        assert app.scene.selected == 150
        assert "150.qcow2" in screen_text(app)
        await pilot.press("9", "9", "j", "end")
        assert "199.qcow2" in screen_text(app)


@pytest.mark.parametrize(
    ("size", "keys", "counts"),
    [
        ((80, 24), "", ["▾ 2 more"]),
        ((80, 24), "7j", ["▴ 2 more"]),
        ((80, 23), "4j", ["▴ 2 more", "▾ 2 more"]),
        ((80, 24), "7jg208K", ["▴ 2 more"]),
        ((40, 20), "4j", ["▴ 3 more", "▾ 3 more"]),
        ((120, 40), "", []),
    ],
)
async def test_what_has_no_room_is_counted(tmp_path, size, keys, counts):
    (image,) = SCENARIOS["long-chain"].build(tmp_path)
    app = ViewerApp(Setup([image]))
    async with app.run_test(size=size) as pilot:
        await opened(app, pilot)
        await pilot.press(*keys, *(["enter"] if "g" in keys else []))
        await pilot.pause()
        view = app.main.query_one(ChainView)
        layout = view.layout_for(app.scene)
        text = "\n".join(line.text()[: layout.label] for line in view.draw(*view.size))
        assert [f"{more.sign} {more.layers} more" for more in layout.more] == re.findall("[▴▾] .* more", text)
        assert len(layout.tracks) + sum(more.layers for more in layout.more) == 8
        answering = app.scene.disk.guest.run_at(app.scene.cursor)
        assert layout.rows_of(int(app.scene.disk.guest.view.source[answering]))
        assert layout.rows_of(app.scene.selected)
    assert [f"{more.sign} {more.layers} more" for more in layout.more] == counts


async def test_a_layer_that_fails_keeps_what_was_read(demo_image, monkeypatch):
    real = Qcow2Node.extents

    def failing(self, start, length):
        if "monday" in self.name:
            raise OpenError(self.name, "byte 4096", "Input/output error")
        return real(self, start, length)

    monkeypatch.setattr(Qcow2Node, "extents", failing)
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        text = screen_text(app)
    assert "Input/output error" in text
    assert "cannot be read" in text
    assert len(app.scene.disk.tracks[0]) > 100
    assert len(app.scene.disk.tracks[2]) > 50


async def test_a_large_image_is_shown_while_it_is_read(demo_image, monkeypatch):
    """Parts that are not read yet are hatched, keys work, and then it is whole."""
    monkeypatch.setattr(Reader, "is_short", False)
    gate = threading.Event()
    real = Reader.steps

    def slow(self):
        assert gate.wait(20)
        yield from real(self)

    monkeypatch.setattr(Reader, "steps", slow)
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: app.scene)
        assert "reading" in screen_text(app)
        assert "╱╱╱╱" in screen_text(app)
        await pilot.press("l", "s")
        await pilot.resize_terminal(80, 24)
        gate.set()
        await opened(app, pilot)
        assert "reading" not in screen_text(app)
        assert "╱╱╱╱" not in screen_text(app)
        assert app.scene.cursor > 0
        assert app.scene.semantics.name == "historic"


async def test_a_corrupt_entry_is_a_run_with_its_reason(tmp_path):
    path = tmp_path / "spoilt.qcow2"
    write_image(path, Image(size=1 << 20), {0: Data(b"x"), 4: Data(b"y")})
    with open_chain(str(path)) as chain:
        entry = chain.layers[0].node.entry_at(4 << 16)
    with path.open("r+b") as file:
        file.seek(entry.l2_offset + 4 * 8)
        file.write((entry.entry | 0x200).to_bytes(8, "big"))
    app = ViewerApp(Setup([str(path)]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        assert "invalid" in screen_text(app)
        await pilot.press("b")
        assert app.scene.cursor == 4 << 16
        assert "L2 table 0x40000, entry 4: host offset" in screen_text(app)
        await pilot.press("enter")
        assert f"{entry.entry | 0x200:#018x}" in screen_text(app)


async def test_back_from_the_file_of_the_layer_that_the_guest_reads(tmp_path):
    """The same host offset lies in two files; only the layer that was entered counts on the way back."""
    write_raw(tmp_path / "base.raw", 4 << 20, [(0, b"b" * (4 << 20))])
    image = Image(4 << 20, backing="base.raw", backing_format="raw")
    write_image(tmp_path / "top.qcow2", image, {32: Data(b"t")})
    app = ViewerApp(Setup([str(tmp_path / "top.qcow2")]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        await pilot.press("k", "g", *"0x200000", "enter", "v")
        assert app.scene.file_depth == 0
        await pilot.press("v")
        assert app.scene.cursor == 0x200000
        assert app.scene.selected == GUEST


async def test_looks_outlast_the_file_axis(viewer):
    app, press = viewer
    await press("v", "x", "D", "t", "s", "v")
    assert app.scene.patterns
    assert app.scene.differences
    assert app.scene.theme == "light"


async def test_a_count_is_spent_by_any_key(viewer):
    app, press = viewer
    for key in ("f", "space", "x"):
        assert (await press("home", "5", key, "l")).cursor == app.scene.viewport.cell


async def test_a_range_begun_on_another_axis_is_let_go(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        layout = app.main.query_one(ChainView).layout_for(app.scene)
        await pilot.mouse_down(ChainView, offset=(layout.label + 60, layout.rows_of(0).start))
        await pilot.press("v")
        await pilot.hover(ChainView, offset=(layout.label + 20, layout.guest_top))
        assert app.scene.markers == ()


async def test_a_terminal_of_one_column(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        for size in ((1, 24), (2, 2), (5, 40), (120, 1), (120, 36)):
            await pilot.resize_terminal(*size)
            await pilot.press("l", "s")
            await pilot.pause()
    assert app.failure is None


async def test_wide_characters_keep_the_strips_in_place(tmp_path):
    name = tmp_path / ("磁盘映像文件名字很长" * 3 + ".raw")
    name.write_bytes(b"x" * 65536)
    app = ViewerApp(Setup([str(name)]))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        assert all(cell_len(line) == 80 for line in screen_text(app).splitlines())


async def test_too_little_memory_is_a_message(demo_image, monkeypatch):
    def fails(*_):
        raise MemoryError

    monkeypatch.setattr(Qcow2Node, "extents", fails)
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        assert "more memory than there is" in screen_text(app)


@pytest.mark.parametrize("key", ["ctrl+c", "ctrl+q", "q"])
async def test_keys_that_leave(demo_image, key):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        await pilot.press(key)
    assert app.return_value == 0


async def test_what_is_read_meanwhile_waits_behind_the_file_axis(viewer):
    app, press = viewer
    inside = await press("v")
    more = replace(inside.entered_from.disk)
    app.main.pane.show(inside.with_disk(more))
    assert app.scene.disk is inside.disk
    assert (await press("v")).disk is more


@pytest.fixture
def import_gate(monkeypatch):
    """Keep the main screen from being imported until the gate is opened."""
    gate = threading.Event()
    real = importlib.import_module

    def slow(name):
        assert gate.wait(20)
        return real(name)

    monkeypatch.setattr("blockstrata_viewer.app.app.import_module", slow)
    yield gate
    gate.set()


async def test_keys_that_come_before_the_main_screen(demo_image, import_gate):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("t")
        assert "opening" in screen_text(app)
        import_gate.set()
        await opened(app, pilot)
        await until(pilot, lambda: app.scene.theme == "light")
        assert app.screen is app.main


@pytest.mark.usefixtures("import_gate")
async def test_q_leaves_before_the_main_screen(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("q")
    assert app.return_value == 0
    assert app.main is None
