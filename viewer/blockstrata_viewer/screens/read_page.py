"""Pages for which an image is read while one looks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from typing import ClassVar, Final

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from blockstrata.errors import BlockstrataError
from blockstrata_viewer.draw.palette import Palette
from blockstrata_viewer.process.aside import Aside
from blockstrata_viewer.process.memory import TOO_LARGE
from blockstrata_viewer.widgets.plain import Words

_SOON: Final = 0.2
"""Seconds for which the screen waits, so that nothing flickers where it does not take long."""

_WIDEST: Final = 140
"""Cells of a wide dialog at the most, as in app.tcss."""

Read = Callable[[], Sequence[str]]
Draw = Callable[[Sequence[str], int], Text]


def page_width(screen: int) -> int:
    """Return the cells of a line in a wide dialog with a scrollbar on a screen; app.tcss has the shares."""
    return max(20, min(_WIDEST, screen * 96 // 100) - 5)


class ReadPage(Words):
    """Shows the lines that ``read`` returns, which may wait for a server or a file system, or the one error.

    Keys do not wait with it.  ``draw`` makes text of the lines, for the width of a page.
    """

    def __init__(self, read: Read, draw: Draw) -> None:
        super().__init__("reading …", classes="page")
        self._read = read
        self._draw = draw
        self._lines: Sequence[str] | None = None

    def on_mount(self) -> None:
        """Begin to read."""
        reading = Aside().submit(self._read)
        if wait([reading], _SOON).done:
            self._show(reading)
        else:
            self.wait_for(reading)

    @work
    async def wait_for(self, reading: Future[Sequence[str]]) -> None:
        """Show what is read once it is."""
        await asyncio.wait([asyncio.wrap_future(reading)])
        self._show(reading)

    def _show(self, reading: Future[Sequence[str]]) -> None:
        try:
            self._lines = reading.result()
        except BlockstrataError as error:
            self.update(str(error))
        except MemoryError:
            self.update(TOO_LARGE)
        else:
            self.fit_width()

    @property
    def text(self) -> str:
        """The lines as they were read, empty until then."""
        return "\n".join(self._lines or ())

    def fit_width(self) -> None:
        """Fit the lines to the width that there is."""
        if self._lines is not None:
            self.update(self._draw(self._lines, page_width(self.app.size.width)))

    def on_resize(self) -> None:
        """Fit the lines to the new width, once all parts have theirs."""
        self.call_after_refresh(self.fit_width)


class PageScreen(ModalScreen[None]):
    """A page that is read, under a title and what it is of; its keys, and the one that opens it, leave."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "dismiss", "close"),
        Binding("y", "copy", "copy"),
    ]
    IS_WIDE: ClassVar[bool] = True
    """Whether it takes almost all of a screen's width, as app.tcss has it."""

    def __init__(self, title: str, words: str, palette: Palette, read: Read, draw: Draw) -> None:
        super().__init__()
        self._heading = Text.assemble(
            (title, f"bold {palette.accent}"), "  ", (words, f"not bold {palette.dim}")
        )
        self._page = ReadPage(read, draw)

    def compose(self) -> ComposeResult:
        """Compose the page."""
        with VerticalScroll(classes="dialog wide" if self.IS_WIDE else "dialog"):
            yield Words(self._heading, classes="heading")
            yield self._page

    def action_copy(self) -> None:
        """Copy the lines of the page."""
        if text := self._page.text:
            self.app.copy_to_clipboard(text)
            self.notify(f"copied: {text.count(chr(10)) + 1} lines")
