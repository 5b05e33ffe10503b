"""What a page held goes when the page is left: memory and descriptors."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from pilots import descriptors, opened, until
from textual.strip import Strip
from textual.widget import Widget

from blockstrata.access import Consent
from blockstrata.errors import ConsentError
from blockstrata.formats.qcow2.author import Data, Image, write_image
from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.screens.consent import ConsentScreen

OPENINGS = 3
LINES = 8
"""Lines of the main screen that may be drawn anew meanwhile, each time; a page has many more."""


async def settle(app, pilot):
    await pilot.pause()
    while unfinished := [worker for worker in app.workers if not worker.is_finished]:
        await asyncio.gather(*(worker.wait() for worker in unfinished), return_exceptions=True)
        await pilot.pause()


async def open_and_leave(app, pilot, show):
    """Open a page, let it draw, leave it; return weak references to it and to all its parts."""
    await show()
    await until(pilot, lambda: app.screen is not app.main)
    await settle(app, pilot)
    parts = [weakref.ref(part) for part in app.screen.walk_children(with_self=True)]
    await pilot.press("escape")
    await until(pilot, lambda: app.screen is app.main)
    return parts


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def kept():
    gc.collect()
    return Counter(type(each) for each in gc.get_objects() if isinstance(each, Strip | Widget))


@pytest.mark.parametrize("key", ["question_mark", "T", "a", "enter", "B", "L", "ctrl+p", "g", "e", "consent"])
async def test_a_page_that_is_left_is_gone(demo_image, key):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(app, pilot)
        error = ConsentError("there.vmdk", "", "is not read here", Consent.VIA_QEMU)

        async def consent():
            app.push_screen(ConsentScreen(error))

        show = consent if key == "consent" else partial(pilot.press, key)
        await open_and_leave(app, pilot, show)
        before, files = kept(), open_files()
        parts = [part for _ in range(OPENINGS) for part in await open_and_leave(app, pilot, show)]
        after = kept()
        assert parts
        assert not [part() for part in parts if part() is not None]
        assert sum(after.values()) < sum(before.values()) + LINES * OPENINGS
        assert open_files() == files


async def test_a_lesson_that_is_left_is_gone(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(app, pilot)

        async def begin_and_leave():
            app.main.action_begin_lesson("two-jobs")
            await until(pilot, lambda: app.main.pane.is_at_rest)
            assert app.main.pane.guide.course.lesson.name == "two-jobs"
            app.main.action_leave_lesson()
            await until(pilot, lambda: app.main.pane.is_at_rest)

        files = open_files()
        await begin_and_leave()
        before = kept()
        for _ in range(OPENINGS):
            await begin_and_leave()
        assert [each.image for each in app.main.pane.images.all] == [demo_image]
        assert open_files() == files
        assert sum(kept().values()) < sum(before.values()) + LINES * OPENINGS


async def test_of_lessons_one_image_is_open_at_a_time(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(app, pilot)
        seen = set()
        for lesson in ("two-jobs", "preallocation", "subclusters", "two-jobs"):
            app.main.action_begin_lesson(lesson)
            await until(pilot, lambda: app.main.pane.is_at_rest)
            seen.add(app.main.pane.images.shown.image)
            images = app.main.pane.images
            assert [each.image for each in images.all] == [demo_image, images.shown.image]
            chain = app.scene.disk.chain
            assert descriptors(Path(app.main.pane.images.shown.image).parents[1]) == len(chain.layers)
        assert len(seen) == 3


async def test_what_was_read_before_goes_when_it_is_read_anew(tmp_path):
    base = tmp_path / "base.qcow2"
    write_image(base, Image(1 << 20), {0: Data(b"b")})
    write_image(tmp_path / "top.qcow2", Image(1 << 20, backing="base.qcow2", backing_format="qcow2"), {})
    app = ViewerApp(Setup([str(tmp_path / "top.qcow2")]))
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(app, pilot)
        disks = []
        # one of them ends in a missing layer, whose error remembers how it came about
        for name in ("away", "base.qcow2", "away", "base.qcow2"):
            disks.append(weakref.ref(app.scene.disk))
            base = base.rename(tmp_path / name)
            turn = app.main.pane.images.shown.turn
            await pilot.press("v", "w", "r", "r", "B", "escape")
            await until(
                pilot, lambda turn=turn: app.main.pane.images.shown.turn > turn and app.main.pane.is_at_rest
            )
            await settle(app, pilot)
        gc.collect()
        assert [disk() for disk in disks] == [None] * len(disks)
        assert descriptors(tmp_path) == 2


class Cycle:
    """What only the collector can find to be garbage."""

    def __init__(self):
        self.itself = self


async def test_what_was_passed_over_by_the_collector_is_looked_at_again(demo_image):
    app = ViewerApp(Setup([demo_image]))
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(app, pilot)
        cycle = Cycle()
        reference = weakref.ref(cycle)
        for _ in range(5):
            turn = app.main.pane.images.shown.turn
            await pilot.press("w")
            await until(
                pilot, lambda turn=turn: app.main.pane.images.shown.turn > turn and app.main.pane.is_at_rest
            )
            assert gc.get_freeze_count()
            cycle = None
            if reference() is None:
                break
        assert reference() is None
