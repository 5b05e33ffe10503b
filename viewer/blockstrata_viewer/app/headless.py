"""The viewer's screen without a terminal: the app runs headless, and what it shows is read.

What is read depends on the image and the :class:`Still` alone, not on the environment.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from textual.filter import LineFilter
from textual.pilot import Pilot
from textual.strip import Strip

from blockstrata.errors import BlockstrataError
from blockstrata.facts.codes import Storage, storage_of
from blockstrata.graph.chain import Chain
from blockstrata.protocols.file import FileNode
from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.app.bindings import said_of
from blockstrata_viewer.app.image_pane import ImagePane
from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.app.shot import Shot, read_shot
from blockstrata_viewer.export.capture import strips_of
from blockstrata_viewer.model.aim import Aim
from blockstrata_viewer.model.opening import Opening
from blockstrata_viewer.process.terminal import bounded
from blockstrata_viewer.widgets.plain import NET, Prompt

_SIZE = (120, 36)
_LOOKS = 100
"""Times that a screen is looked at before it is taken as it is."""
_GLANCE = 0.2
"""Seconds after which it is looked whether an app that is waited for is still there."""
_ENDED = "the viewer ended before there was a screen"
_DESCRIPTORS = 8
"""What an app opens for itself, and some to spare."""


@dataclass(frozen=True, slots=True)
class Still:
    """What to show of an image: ``columns`` × ``rows`` cells, at least 40 × 12 make sense.

    ``aim`` is where in it, ``said`` as :class:`Setup` has it; ``colours`` one of :data:`palette.COLOURS`.
    ``others`` are further images, open beside the first; ``press`` are keys, as Textual names them, that are
    pressed one after another at last.
    """

    image: str
    opening: Opening = field(default_factory=Opening)
    theme: str = "dark"
    semantics: str = "proposed"
    colours: str = "truecolor"
    columns: int = _SIZE[0]
    rows: int = _SIZE[1]
    aim: Aim = field(default_factory=Aim)
    others: tuple[str, ...] = ()
    press: tuple[str, ...] = ()
    said: Mapping[str, Sequence[str]] = field(default_factory=dict)
    counts_runs: bool = False
    """Take what files occupy from their runs: what a file system says counts its own blocks in, and changes
    some time after a file is written."""


def take(still: Still) -> Shot:
    """Return the screen that shows an image; errors as the core raises them.

    ``BadRangeError`` if the disk does not reach to ``aim`` or the chain has no such layer; ``LeftError`` if a
    key leaves the viewer; ``OSError`` if there are not enough file descriptors for an app.
    """
    *_, last = take_each(still)
    return last.shot


class Pressed(NamedTuple):
    """What a key leads to; the first screen is there before any, so its ``key`` is empty.

    ``is_typed``: the key is one of a text that is being typed.  ``words`` are the key and what it does.
    """

    shot: Shot
    key: str = ""
    is_typed: bool = False
    words: str = ""


def take_each(still: Still) -> list[Pressed]:
    """Return the screen that shows an image, and the one after each key that is pressed; errors as above."""
    _require_descriptors()
    return asyncio.run(_take(still))


def _require_descriptors() -> None:
    """Find out before asyncio does, which does not say it in one line."""
    with ExitStack() as found:
        for _ in range(_DESCRIPTORS):
            found.callback(os.close, os.open(os.devnull, os.O_RDONLY))


def picture(image: str, opening: Opening, theme: str, semantics: str, aim: Aim) -> list[str]:
    """Return the lines of the viewer's first whole frame on an image, as large as the terminal."""
    columns, rows = bounded(*shutil.get_terminal_size(_SIZE))
    return take(Still(image, opening, theme, semantics, "none", columns, rows, aim)).screen.text()


class _HeadlessApp(ViewerApp):
    """The viewer as it is where nobody answers, and nothing in the environment asks for anything else."""

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return the net alone, whatever NO_COLOR and TEXTUAL_FILTERS say."""
        return [NET]


class LeftError(BlockstrataError):
    """There is no screen left to show."""


async def _take(still: Still) -> list[Pressed]:
    app = _HeadlessApp(
        Setup(
            (still.image, *still.others),
            still.opening,
            still.theme,
            still.semantics,
            still.colours,
            asks=False,
            said=still.said,
            prepare=_count_runs if still.counts_runs else None,
        )
    )
    async with app.run_test(size=(still.columns, still.rows)) as pilot:
        while not app.settled.is_set() or app.main is None:
            if app.return_code is not None:
                raise LeftError(still.image, "", _ENDED)
            with suppress(TimeoutError):
                await asyncio.wait_for(app.settled.wait(), _GLANCE)
            await pilot.pause()
        pane = app.main.pane
        _raise_failure(app)
        await pilot.pause()
        if pane.current is not None:
            pane.show(still.aim.of(pane.current, still.image))
        while pane.images.shown.again:
            await pilot.pause(0.01)
        await pilot.pause()
        taken = [Pressed(read_shot(pane))]
        for key in still.press:
            is_typed = isinstance(app.focused, Prompt) and len(key) == 1
            words = said_of(key, {} if is_typed else app.screen.active_bindings)
            await pilot.press(key)
            await _settle(pane, pilot)
            if app.return_code is not None:
                raise LeftError(still.image, "", f"the key {key} leaves the viewer: nothing is left to show")
            _raise_failure(app)
            taken.append(Pressed(read_shot(pane), key, is_typed, words))
        for opened in pane.images.all:
            opened.drop()
        return taken


def _raise_failure(app: ViewerApp) -> None:
    if app.failure:
        raise app.failure


async def _settle(pane: ImagePane, pilot: Pilot[int]) -> None:
    """Wait until nothing is read any more, and the screen stays as it is."""
    await pilot.pause()
    while unfinished := [worker for worker in pane.app.workers if not worker.is_finished]:
        await asyncio.gather(*(worker.wait() for worker in unfinished), return_exceptions=True)
        await pilot.pause()
    # what a worker says goes from message to message until it is seen, and a busy machine is slow at that
    before: list[Strip] = []
    for _ in range(_LOOKS):
        strips = strips_of(pane.app.screen)
        if pane.is_at_rest and [strip.text for strip in strips] == [strip.text for strip in before]:
            return
        before = strips
        await pilot.pause()


def _count_runs(chain: Chain) -> None:
    for layer in chain.layers:
        for file in (layer.node.file, layer.node.host):
            if isinstance(file, FileNode):
                totals = file.extents(0, file.length).totals()
                file.allocated = sum(
                    length for code, length in totals.items() if storage_of(code) is not Storage.HOLE
                )
