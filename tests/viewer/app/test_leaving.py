"""Ctrl-c ends the viewer on every page, and while the palette searches."""

from __future__ import annotations

import asyncio

import pytest
from pilots import opened, until
from textual.command import Hit

from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.app.commands import ViewerCommands
from blockstrata_viewer.app.setup import Setup


@pytest.mark.parametrize("keys", ["T", "g 1", "B"])
async def test_ctrl_c_ends_on_every_page(demo_image, keys):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        await pilot.press(*keys.split())
        await until(pilot, lambda: app.screen is not app.main)
        await pilot.press("ctrl+c")
    assert app.return_value == 0


async def test_one_can_quit_while_the_palette_searches(demo_image, monkeypatch):
    searched = asyncio.Event()

    async def search(_, query):
        try:
            while True:
                yield Hit(1, f"{query} found", lambda: None)
                searched.set()
                await asyncio.sleep(0.01)
        finally:
            searched.clear()

    monkeypatch.setattr(ViewerCommands, "search", search)
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        await pilot.press("ctrl+p")
        await until(pilot, lambda: app.screen is not app.main)
        app.screen.focused.insert_text_at_cursor("fit")
        async with asyncio.timeout(5):
            await searched.wait()
        await pilot.press("ctrl+c")
        async with asyncio.timeout(5):
            while app.return_value is None:
                await asyncio.sleep(0.01)
    assert app.return_value == 0
