"""The viewer as a person uses it: keys and mouse, and what the scene is then."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from textual import events

from blockstrata_viewer.app import ViewerApp
from blockstrata_viewer.scene import GUEST
from blockstrata_viewer.widgets.chain_view import ChainView

SIZES = [(80, 24), (120, 36), (200, 50)]


async def opened(app, pilot):
    await asyncio.wait_for(app.settled.wait(), 20)
    await pilot.pause()


def screen_text(app) -> str:
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


@pytest.mark.parametrize("size", SIZES)
async def test_the_whole_chain_is_on_the_screen(demo_image, size):
    app = ViewerApp([demo_image])
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
        "old",
        "new",
    ):
        assert words in text, words
    assert all(len(line) == size[0] for line in text.splitlines())


async def test_keys(demo_image):
    app = ViewerApp([demo_image])
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
        closer = await press("plus", "+", "=", "]")
        assert closer.viewport.cell == cell // 16
        assert closer.cursor == 4 * cell
        assert closer.viewport.column_of(closer.cursor) == column
        assert (await press("minus")).viewport.cell == cell // 8
        assert (await press("[")).viewport.cell == cell // 4
        assert (await press("f")).viewport.cell == cell

        assert app.scene.semantics.name == "proposed"
        assert (await press("s")).semantics.name == "historic"
        assert (await press("S")).semantics.name == "proposed"
        assert (await press("t")).palette.name == "light"
        await press("?")
        assert "zoom" in screen_text(app)
        await press("escape")
        assert "CORE SAMPLE" in screen_text(app)
        await press("q")
    assert app.return_value == 0


async def test_the_view_follows_the_cursor(demo_image):
    app = ViewerApp([demo_image])
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        await pilot.press(*["plus"] * 4, *["right"] * 70)
        viewport = app.scene.viewport
        assert viewport.left > 0
        assert viewport.column_of(app.scene.cursor) == viewport.columns - 1


async def test_mouse(demo_image):
    app = ViewerApp([demo_image])
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        view = app.query_one(ChainView)
        layout = view.layout_for(app.scene)
        await pilot.click(ChainView, offset=(layout.label + 10, layout.top_of(1)))
        assert app.scene.cursor == 10 * app.scene.viewport.cell
        assert app.scene.selected == 1
        await pilot.click(ChainView, offset=(3, layout.top_of(0)))
        assert app.scene.cursor == 10 * app.scene.viewport.cell
        assert app.scene.selected == 0
        await pilot.click(ChainView, offset=(layout.label + 3, layout.GUEST))
        assert app.scene.selected == GUEST

        cell = app.scene.viewport.cell
        wheel_at = (layout.label + 20, layout.GUEST)
        pointed = app.scene.viewport.offset_of(20)
        await pilot._post_mouse_events([events.MouseScrollUp], ChainView, wheel_at, button=0)
        await pilot.pause()
        assert app.scene.viewport.cell == cell // 2
        assert app.scene.viewport.offset_of(20) == pointed
        await pilot._post_mouse_events([events.MouseScrollDown], ChainView, wheel_at, button=0)
        await pilot.pause()
        assert app.scene.viewport.cell == cell


async def test_toggling_reads_nothing(demo_image, monkeypatch):
    app = ViewerApp([demo_image])
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
    app = ViewerApp([str(tmp_path / "no[b]such.qcow2")])
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        assert "no[b]such.qcow2:Nosuchfile" in "".join(screen_text(app).split())
        await pilot.press("right", "s", "f", "plus", "t", "q")
    assert app.return_value == 1


async def test_a_missing_backing_file_is_a_gap_in_the_chain(demo_image, tmp_path):
    (tmp_path / "web01-active.qcow2").write_bytes(Path(demo_image).read_bytes())
    app = ViewerApp([str(tmp_path / "web01-active.qcow2")])
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        text = screen_text(app)
        assert "cannot be read" in text
        assert "chain incomplete" in text
        assert "monday.qcow2: No such file" in text
        await pilot.press("j")
        assert screen_text(app).count("No such file") == 2
