"""A screen into a file, in the format that the file's ending names."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from pathlib import Path
from typing import Final

import resvg_py

from blockstrata.errors import BlockstrataError
from blockstrata.text.printable import printable
from blockstrata_viewer.export.html import html
from blockstrata_viewer.export.screen import Screen, showable
from blockstrata_viewer.export.svg import svg
from blockstrata_viewer.process.whole_file import write_whole

FORMATS: Final = ("svg", "png", "html", "txt")

_FONTS: Final = Path(__file__).parent.parent / "fonts"
_FAMILY: Final = "DejaVu Sans Mono"
_SCALE: Final = 2
"""Pixels of a PNG a unit."""


class ExportError(BlockstrataError):
    """The screen cannot be written as asked."""


def format_of(path: str) -> str:
    """Return the format that a file's ending names; ``ExportError`` if it names none."""
    ending = Path(path).suffix.lower().removeprefix(".")
    ending = "html" if ending == "htm" else ending
    if ending not in FORMATS:
        raise ExportError(path, "", f"no format has this ending; use .{', .'.join(FORMATS)}")
    return ending


def render(screen: Screen, form: str, title: str = "") -> bytes:
    """Return a screen in one of :data:`FORMATS`; text in UTF-8.  ``title`` is the window's."""
    title = "".join(showable(char) for char in printable(title))
    if form == "png":
        return _png(svg(screen, title))
    if form == "svg":
        return svg(screen, title).encode()
    if form == "html":
        return html(screen, title).encode()
    return "".join(screen.text()).encode()


def _png(picture: str) -> bytes:
    """Return an SVG as PNG, drawn with the fonts that are shipped here, and with no others."""
    return resvg_py.svg_to_bytes(
        svg_string=picture,
        zoom=_SCALE,
        skip_system_fonts=True,
        font_files=[str(_FONTS / "DejaVuSansMono.ttf"), str(_FONTS / "DejaVuSansMono-Bold.ttf")],
        font_family=_FAMILY,
        monospace_family=_FAMILY,
    )


def write_screenshot(
    screen: Screen,
    path: str,
    *,
    title: str = "",
    form: str | None = None,
    inputs: Collection[tuple[int, int]] = (),
) -> None:
    """Write a screen to a file, in the format that its ending names if none is given.

    As :func:`write_picture` does it.
    """
    write_picture(render(screen, form or format_of(path), title), path, inputs)


def write_picture(content: bytes, path: str, inputs: Collection[tuple[int, int]] = ()) -> None:
    """Write what was drawn to a file.

    A file that is there is replaced once the new one is whole, unless it is one of ``inputs`` (numbers of
    device and inode) by whatever name, or no regular file: ``ExportError`` then, as when the file cannot be
    written.
    """

    def check(status: os.stat_result) -> None:
        if stat.S_ISBLK(status.st_mode) or (status.st_dev, status.st_ino) in inputs:
            raise ExportError(path, "", "is a disk or part of the chain that is shown; it is not overwritten")

    try:
        write_whole(path, content, check)
    except OSError as error:
        raise ExportError(path, "", (error.strerror or str(error)).lower()) from None
    except ValueError:
        raise ExportError(path, "", "is not a file name") from None
