"""A part of a page for which an image is read while one looks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final

from rich.text import Text
from textual import work

from blockstrata.errors import BlockstrataError
from blockstrata_viewer.process.aside import Aside
from blockstrata_viewer.process.memory import TOO_LARGE
from blockstrata_viewer.screens.pages import page_width
from blockstrata_viewer.widgets.plain import Words

_SOON: Final = 0.2
"""Seconds for which the screen waits, so that nothing flickers where it does not take long."""


class ReadPage(Words):
    """Shows the lines that ``read`` returns, which may wait for a server or a file system, or the one error.

    Keys do not wait with it.  ``draw`` makes text of the lines, for the width of a page.
    """

    def __init__(self, read: Callable[[], Sequence[str]], draw: Callable[[Sequence[str], int], Text]) -> None:
        super().__init__("reading …", classes="page")
        self._read = read
        self._draw = draw
        self._lines: Sequence[str] | None = None

    def on_mount(self) -> None:
        """Begin to read."""
        reading = Aside().submit(self._read)
        try:
            reading.exception(_SOON)
        except TimeoutError:
            self.wait_for(reading)
        else:
            self._show(reading)

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

    def fit_width(self) -> None:
        """Fit the lines to the width that there is."""
        if self._lines is not None:
            self.update(self._draw(self._lines, page_width(self.app.size.width)))

    def on_resize(self) -> None:
        """Fit the lines to the new width, once all parts have theirs."""
        self.call_after_refresh(self.fit_width)
