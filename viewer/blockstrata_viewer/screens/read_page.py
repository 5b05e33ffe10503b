"""A part of a page for which an image is read while one looks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from textual import work

from blockstrata_viewer.process.aside import Aside
from blockstrata_viewer.widgets.plain import Words

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from rich.text import Text

_SOON: Final = 0.2
"""Seconds for which the screen waits, so that nothing flickers where it does not take long."""


class ReadPage(Words):
    """Shows what ``read`` returns, which may wait for a server or a file system; keys do not wait with it."""

    def __init__(self, read: Callable[[], Text]) -> None:
        super().__init__("reading …")
        self._read = read

    def on_mount(self) -> None:
        """Begin to read."""
        reading = Aside().submit(self._read)
        try:
            self.update(reading.result(_SOON))
        except TimeoutError:
            self.wait_for(reading)

    @work
    async def wait_for(self, reading: Future[Text]) -> None:
        """Show what is read once it is."""
        found = await asyncio.wrap_future(reading)
        self.update(found)
