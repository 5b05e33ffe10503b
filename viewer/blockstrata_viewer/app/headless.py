"""The viewer's screen without a terminal: the app runs headless, and what it shows is read.

The one place that reads Textual's composed screen, which takes a private call of it.  What is read depends on
the image and the :class:`Still` alone, not on the environment.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rich.cells import get_character_cell_size
from rich.color import Color

from blockstrata.errors import BadRangeError, BlockstrataError
from blockstrata.facts.codes import Storage, storage_of
from blockstrata.naming.parse import parse_reference
from blockstrata.protocols.file import FileNode
from blockstrata.text.printable import base_name
from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.draw.palette import palette_for, palette_of
from blockstrata_viewer.export import Cell, Screen, format_of, text, write_screenshot
from blockstrata_viewer.export.screen import grey, showable
from blockstrata_viewer.model.opening import Opening
from blockstrata_viewer.model.scene import GUEST
from blockstrata_viewer.process.terminal import bounded
from blockstrata_viewer.widgets.plain import NET

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.style import Style
    from textual.filter import LineFilter
    from textual.pilot import Pilot
    from textual.strip import Strip

    from blockstrata.facts.node import HostNode
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
    scene = app.scene
    inputs = frozenset(_inputs(app))
    if scene is None:
        return Shot(_read_screen(app), "blockstrata", inputs)
    # the axis of a layer's file was entered from the chain
    name = base_name(scene.chain_scene.disk.layers[0].name)
    if not colourless or palette_of(scene).is_mono:
        return Shot(_read_screen(app), f"blockstrata — {name}", inputs)
    app.show(scene.drawn(colours="none"))
    try:
        return Shot(_read_screen(app), f"blockstrata — {name}", inputs)
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
        strips = app.screen._compositor.render_strips()
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


def _read_screen(app: ViewerApp) -> Screen:
    """Return the cells of an app's screen.

    The theme's page and text stand for the terminal's own two colours; a screen without colours is grey.
    """
    mono = app.scene is not None and palette_of(app.scene).is_mono
    plain = palette_for("truecolor", app.theme_name)
    own = plain if mono or app.scene is None else palette_of(app.scene)
    page, ink = _hex(Color.parse(own.page), plain.page), _hex(Color.parse(own.text), plain.text)
    rows = tuple(tuple(_cells(strip, page, ink)) for strip in app.screen._compositor.render_strips())
    if not mono:
        return Screen(rows, page, ink)
    greys = tuple(tuple(cell._replace(fg=grey(cell.fg), bg=grey(cell.bg)) for cell in row) for row in rows)
    return Screen(greys, grey(page), grey(ink))


def _cells(strip: Strip, page: str, ink: str) -> Iterator[Cell]:
    waiting: Cell | None = None
    for segment in strip:
        fg, bg, bold = _inks(segment.style, page, ink)
        for char in segment.text:
            shown, size = _measured(char)
            if size == 0:
                if waiting:
                    waiting = waiting._replace(text=waiting.text + shown)
                continue
            if waiting:
                yield waiting
            waiting = Cell(shown, fg, bg, bold)
            if size == 2:
                yield waiting
                waiting = Cell("", fg, bg, bold)
    if waiting:
        yield waiting


def _measured(char: str) -> tuple[str, int]:
    """Return a character as it is shown, and how many cells it takes."""
    shown = showable(char)
    return shown, get_character_cell_size(shown)


def _inks(style: Style | None, page: str, ink: str) -> tuple[str, str, bool]:
    if style is None:
        return ink, page, False
    fg, bg = _hex(style.color, ink), _hex(style.bgcolor, page)
    return (bg, fg, bool(style.bold)) if style.reverse else (fg, bg, bool(style.bold))


def _hex(colour: Color | None, default: str) -> str:
    if colour is None or colour.is_default:
        return default
    return colour.get_truecolor().hex


def _inputs(app: ViewerApp) -> Iterator[tuple[int, int]]:
    """Yield device and inode of all files that an app shows or was to show."""
    chains = [opened.scene.chain_scene.disk.chain for opened in app.images if opened.scene]
    for node in (node for chain in chains for node in _nodes(chain)):
        if isinstance(node, FileNode):  # whatever its name is by now
            match node.identity:
                case _, int(device), int(inode), _:
                    yield device, inode
    names = [name for opened in app.images for name in _referred(opened.image)]
    names += [name for chain in chains for name in _files(chain)]
    if app.course:
        names += [name for lesson in app.course.lessons for name in lesson.files()]
    for name in dict.fromkeys(names):
        # what has no name of its own in the file system cannot be overwritten by one
        with suppress(OSError, ValueError):
            status = Path(name).stat()
            yield status.st_dev, status.st_ino


def _nodes(chain: Chain) -> Iterator[HostNode]:
    for layer in chain.layers:
        yield layer.node.host
        yield layer.node.file


def _files(chain: Chain) -> Iterator[str]:
    """Yield the names of all files of a chain, also of those that could not be opened."""
    for node in _nodes(chain):
        yield node.name
    for layer in chain.layers:
        yield from getattr(layer.node, "extent_names", ())
        yield from _referred(layer.name)


def _referred(name: str) -> Iterator[str]:
    """Yield a path, and the paths in it if it is a reference such as ``json:{…}``."""
    yield name
    with suppress(BlockstrataError):
        yield from _named(parse_reference(name))


def _named(options: Mapping[str, object]) -> Iterator[str]:
    """Yield the file names in the options of a reference."""
    for key, value in options.items():
        if key == "filename" and isinstance(value, str):
            yield value
            # as in blkdebug:rules:file, which only QEMU takes apart
            yield value.rpartition(":")[2]
        elif isinstance(value, dict):
            yield from _named(value)
