"""The viewer's screen without a terminal: the app runs headless, and what it shows is read.

What is read depends on the image and the :class:`Still` alone, not on the environment.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blockstrata.errors import BadRangeError, BlockstrataError
from blockstrata.facts.codes import Storage, storage_of
from blockstrata.protocols.file import FileNode
from blockstrata.text.printable import base_name
from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.draw.palette import palette_for, palette_of
from blockstrata_viewer.export import Screen, format_of, text, write_screenshot
from blockstrata_viewer.export.capture import capture, strips_of
from blockstrata_viewer.export.inputs import inputs_of
from blockstrata_viewer.model.opening import Opening
from blockstrata_viewer.model.scene import GUEST
from blockstrata_viewer.process.terminal import bounded
from blockstrata_viewer.widgets.plain import NET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.filter import LineFilter
    from textual.pilot import Pilot
    from textual.strip import Strip

    from blockstrata.graph.chain import Chain
    from blockstrata_viewer.model.scene import Scene

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

    ``at`` is the cursor's guest byte, ``cell`` bytes a cell (a power of two; None, or more than it takes: the
    whole disk), ``layer`` the selected layer's depth or ``GUEST``, ``colours`` "truecolor" or "none".
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
    at: int = 0
    cell: int | None = None
    layer: int = 0
    others: tuple[str, ...] = ()
    press: tuple[str, ...] = ()
    counts_runs: bool = False
    """Take what files occupy from their runs: what a file system says counts its own blocks in, and changes
    some time after a file is written."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A screen that was taken.

    ``title`` names the image; ``inputs`` are the files that the chain is in, and those of lessons, by their
    numbers of device and inode.
    """

    screen: Screen
    title: str
    inputs: frozenset[tuple[int, int]]


def take(still: Still) -> Shot:
    """Return the screen that shows an image; errors as the core raises them.

    ``BadRangeError`` if the disk does not reach ``at`` or the chain has no such layer; ``LeftError`` if a key
    leaves the viewer; ``OSError`` if there are not enough file descriptors for an app.
    """
    _require_descriptors()
    return asyncio.run(_take(still))


def _require_descriptors() -> None:
    """Find out before asyncio does, which does not say it in one line."""
    found: list[int] = []
    try:
        for _ in range(_DESCRIPTORS):
            found.append(os.open(os.devnull, os.O_RDONLY))  # noqa: PERF401  all of them are closed
    finally:
        for each in found:
            os.close(each)


def picture(image: str, opening: Opening, theme: str, semantics: str) -> list[str]:
    """Return the lines of the viewer's first whole frame on an image, as large as the terminal."""
    columns, rows = bounded(*shutil.get_terminal_size(_SIZE))
    return text.lines(take(Still(image, opening, theme, semantics, "none", columns, rows)).screen)


def save(app: ViewerApp, path: str, *, title: str | None = None, form: str | None = None) -> None:
    """Write what a running viewer shows to a file; ``ExportError`` says why that cannot be.

    ``title`` is the window's, the image's name if None; ``form`` the format, by the file's ending if None.
    Plain text is drawn as the viewer draws where there are no colours.
    """
    form = form or format_of(path)
    shot = read_shot(app, colourless=form == "txt")
    write_screenshot(
        shot.screen, path, title=shot.title if title is None else title, form=form, inputs=shot.inputs
    )


def read_shot(app: ViewerApp, *, colourless: bool = False) -> Shot:
    """Return what a running viewer shows, or would show without colours; nothing changes on its screen."""
    scene, theme = app.scene, app.theme_name
    chains = [opened.scene.chain_scene.disk.chain for opened in app.images if opened.scene]
    lessons = app.course.lessons if app.course else ()
    names = [opened.image for opened in app.images]
    inputs = frozenset(inputs_of(chains, [*names, *(name for lesson in lessons for name in lesson.files())]))
    if scene is None:
        return Shot(capture(app.screen, palette_for("truecolor", theme), theme), "blockstrata", inputs)
    # the axis of a layer's file was entered from the chain
    title = f"blockstrata — {base_name(scene.chain_scene.disk.layers[0].name)}"
    if not colourless or palette_of(scene).is_mono:
        return Shot(capture(app.screen, palette_of(scene), theme), title, inputs)
    app.show(scene.drawn(colours="none"))
    try:
        return Shot(capture(app.screen, palette_for("none", theme), theme), title, inputs)
    finally:
        app.show(scene)


class _HeadlessApp(ViewerApp):
    """The viewer as it is where nobody answers, and nothing in the environment asks for anything else."""

    ASKS = False

    def on_viewer_app_loaded(self, message: ViewerApp.Loaded) -> None:  # type: ignore[override]
        """Count storage before what is read is shown; Textual calls this one first, then the viewer's."""
        if self.counts_runs:
            _count_runs(message.disk.chain)

    counts_runs = False

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return the net alone, whatever NO_COLOR and TEXTUAL_FILTERS say."""
        return [NET]


class LeftError(BlockstrataError):
    """There is no screen left to show."""


async def _take(still: Still) -> Shot:
    images = (still.image, *still.others)
    app = _HeadlessApp(images, still.opening, still.theme, still.semantics, still.colours)
    app.counts_runs = still.counts_runs
    async with app.run_test(size=(still.columns, still.rows)) as pilot:
        while not app.settled.is_set():
            if app.return_code is not None:
                raise LeftError(still.image, "", _ENDED)
            with suppress(TimeoutError):
                await asyncio.wait_for(app.settled.wait(), _GLANCE)
        if app.failure:
            raise app.failure
        await pilot.pause()
        if app.scene is not None:
            app.show(_aimed(app.scene, still))
        while app.opened.again:
            await pilot.pause(0.01)
        await pilot.pause()
        for key in still.press:
            await pilot.press(key)
            await _settle(app, pilot)
            if app.return_code is not None:
                raise LeftError(still.image, "", f"the key {key} leaves the viewer: nothing is left to show")
        if app.failure:
            raise app.failure
        return read_shot(app)


async def _settle(app: ViewerApp, pilot: Pilot[int]) -> None:
    """Wait until nothing is read any more, and the screen stays as it is."""
    await pilot.pause()
    while unfinished := [worker for worker in app.workers if not worker.is_finished]:
        await asyncio.gather(*(worker.wait() for worker in unfinished), return_exceptions=True)
        await pilot.pause()
    # what a worker says goes from message to message until it is seen, and a busy machine is slow at that
    before: list[Strip] = []
    for _ in range(_LOOKS):
        strips = strips_of(app.screen)
        if app.is_at_rest and [strip.text for strip in strips] == [strip.text for strip in before]:
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


def _aimed(scene: Scene, still: Still) -> Scene:
    if still.layer != GUEST:
        scene.disk.chain.layer(still.layer)
    if not 0 <= still.at < max(1, scene.disk.size):
        raise BadRangeError(
            still.image, "offset", f"{still.at} is not on the disk of {scene.disk.size} bytes"
        )
    scene = scene.select(still.layer).go_to(still.at)
    steps = scene.viewport.power - (still.cell.bit_length() - 1) if still.cell else 0
    return scene.zoom(steps) if steps > 0 else scene
