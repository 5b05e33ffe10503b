"""What tests that press keys have in common: waiting, and reading the screen."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from blockstrata_viewer.draw.palette import FLOOR, MONO_GLYPHS
from blockstrata_viewer.model.loading import Loader
from blockstrata_viewer.model.opening import Opening


async def opened(app, pilot):
    """Wait until the first image is read and shown."""
    await asyncio.wait_for(app.settled.wait(), 20)
    await pilot.pause()


async def until(pilot, is_so):
    """Wait until something has come about."""
    for _ in range(500):
        await pilot.pause()
        if is_so():
            await pilot.pause()
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come about")


def screen_text(app) -> str:
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


def button(app, selector, action):
    """Return a cell of a widget on which a click does something, as the widget's own drawing has it."""
    widget = app.screen.query_one(selector)
    for y, line in enumerate(widget.draw(*widget.size)):
        for x in range(line.width):
            if line.action_at(x) == action:
                return x, y
    raise AssertionError(f"{action} is nowhere in {selector}")


def descriptors(path) -> int:
    """Return how many descriptors this process has of a file, or of those in a directory."""
    links = list(Path("/proc/self/fd").iterdir())
    return sum(link.is_symlink() and str(link.readlink()).startswith(str(path)) for link in links)


def load_whole(image):
    """Return an image wholly read."""
    *_, disk = Loader(image, Opening()).load()
    return disk


_SWATCH = re.compile(rf"([{re.escape(''.join(MONO_GLYPHS).strip() + FLOOR)}])\1")


def without_swatches(line):
    """Return a line's text, ``##`` for each swatch: how states look without colour is not its matter."""
    return _SWATCH.sub("##", line.text())
