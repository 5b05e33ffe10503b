"""A screen into a file, in the format that the file's ending names."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from blockstrata.errors import BlockstrataError
from blockstrata.printable import printable
from blockstrata_viewer.export import text
from blockstrata_viewer.export.html import html
from blockstrata_viewer.export.screen import showable
from blockstrata_viewer.export.svg import svg

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blockstrata_viewer.export.screen import Screen

FORMATS: Final = ("svg", "png", "html", "txt")


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
        from blockstrata_viewer.export.png import png  # noqa: PLC0415  the library is loaded when needed

        return png(svg(screen, title))
    if form == "svg":
        return svg(screen, title).encode()
    if form == "html":
        return html(screen, title).encode()
    return "".join(text.lines(screen)).encode()


def write_screenshot(
    screen: Screen, path: str, *, title: str = "", form: str | None = None, inputs: Iterable[str] = ()
) -> None:
    """Write a screen to a file, in the format that its ending names if none is given.

    A file that is there is replaced, unless it is one of ``inputs`` by whatever name, or a block device:
    ``ExportError`` then, as when the file cannot be written.
    """
    content = render(screen, form or format_of(path), title)
    try:
        # not truncated before it is known to be none of the inputs
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        with open(fd, "wb") as file:
            status = os.fstat(fd)
            if stat.S_ISBLK(status.st_mode) or _is_among(status, inputs):
                raise ExportError(path, "", "is a disk or part of the chain that is shown; not overwritten")
            if stat.S_ISREG(status.st_mode):
                file.truncate()
            file.write(content)
    except OSError as error:
        raise ExportError(path, "", (error.strerror or str(error)).lower()) from None
    except ValueError:
        raise ExportError(path, "", "is no name of a file") from None


def _is_among(status: os.stat_result, names: Iterable[str]) -> bool:
    for name in names:
        try:
            other = Path(name).stat()
        except (OSError, ValueError):
            continue  # what has no name of its own in the file system cannot be overwritten by one
        if os.path.samestat(status, other):
            return True
    return False
