"""A read of the byte under the cursor, as ``blockstrata trace`` prints it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final

from rich.text import Text
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from blockstrata.errors import BlockstrataError
from blockstrata_viewer.reports.trace import trace_lines
from blockstrata_viewer.screens.pages import folded, heading, labelled, page_width
from blockstrata_viewer.screens.read_page import ReadPage
from blockstrata_viewer.widgets.plain import Words

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from blockstrata.graph.chain import Chain
    from blockstrata_viewer.draw.palette import Palette

_LAYER: Final = re.compile("[0-9]")
"""A layer's line starts with its depth."""


class TraceScreen(ModalScreen[None]):
    """Shows the steps of a read; any of its keys leaves."""

    BINDINGS: ClassVar = [Binding("escape,enter,q,T", "dismiss", "close")]

    def __init__(self, chain: Chain, offset: int, palette: Palette) -> None:
        super().__init__()
        self._palette = palette
        self._chain = chain
        self._offset = offset

    def compose(self) -> ComposeResult:
        """Compose the page."""
        with VerticalScroll(classes="dialog wide"):
            words = f"of a read at {self._offset:#x}, layer by layer"
            yield Words(heading("TRACE", words, self._palette), classes="heading")
            width = page_width(self.app.size.width)
            yield ReadPage(lambda: self._page(width))

    def _page(self, width: int) -> Text:
        try:
            lines = list(trace_lines(self._chain, self._offset))
        except BlockstrataError as error:
            return Text(str(error))
        return labelled(folded(lines, width), self._palette, _LAYER)
