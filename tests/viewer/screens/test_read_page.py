"""Pages for which something is read: keys work while that takes its time, and no failure ends the viewer."""

from __future__ import annotations

import threading

import pytest
from pilots import opened, screen_text, until
from scripted_nbd import READ, Server
from textual.screen import ModalScreen

from blockstrata.access import Access
from blockstrata.errors import OpenError
from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.model.opening import Opening

SCREENS = "blockstrata_viewer.screens."
each_page = pytest.mark.parametrize(
    ("key", "reader"),
    [
        ("enter", "reports.describe"),
        ("T", "reports.trace_told"),
        ("a", "reports.AuditReport.told"),
        ("B", "tables.tables"),
    ],
)


async def assert_it_can_be_left_and_moved_on(app, pilot):
    await pilot.press("escape")
    await until(pilot, lambda: app.screen is app.main)
    before = app.scene.cursor
    await pilot.press("l")
    assert app.scene.cursor > before


@each_page
async def test_a_page_that_waits_can_be_left(demo_image, monkeypatch, key, reader):
    gate, asked = threading.Event(), threading.Event()

    def slow(*_):
        asked.set()
        assert gate.wait(20)
        return []

    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        monkeypatch.setattr(SCREENS + reader, slow)
        await pilot.press(key)
        await until(pilot, asked.is_set)
        assert isinstance(app.screen, ModalScreen)
        await pilot.resize_terminal(100, 30)
        assert "…" in screen_text(app)
        await assert_it_can_be_left_and_moved_on(app, pilot)
        gate.set()
        await pilot.pause()


@each_page
@pytest.mark.parametrize(
    ("error", "words"),
    [(MemoryError(), "more memory than there is"), (OpenError("a.raw", "", "is gone"), "a.raw: is gone")],
)
async def test_a_page_that_cannot_be_read_says_so(demo_image, monkeypatch, key, reader, error, words):
    def fail(*_):
        raise error

    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(120, 36)) as pilot:
        await opened(app, pilot)
        monkeypatch.setattr(SCREENS + reader, fail)
        await pilot.press(key)
        await until(pilot, lambda: words in screen_text(app))
        await assert_it_can_be_left_and_moved_on(app, pilot)


async def test_a_server_that_does_not_answer_a_read(tmp_path):
    over, asked = threading.Event(), threading.Event()

    def script(talk, _):
        talk.greet()
        talk.negotiate(size=1 << 20)
        for request in talk.requests():
            if request.command == READ:
                asked.set()
                over.wait(20)
                return
            talk.status(request, (request.length, 0))

    with Server(tmp_path / "slow", script) as server:
        app = ViewerApp(Setup([server.uri], Opening(Access(timeout=15), image_format="raw")))
        async with app.run_test(size=(120, 36)) as pilot:
            await opened(app, pilot)
            await pilot.press("enter")
            await until(pilot, asked.is_set)
            assert "reading …" in screen_text(app)
            await assert_it_can_be_left_and_moved_on(app, pilot)
            over.set()
