"""A read of the byte under the cursor, as ``blockstrata trace`` prints it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from blockstrata.graph.chain import Chain
from blockstrata_viewer.draw.palette import Palette
from blockstrata_viewer.reports.trace import trace_lines
from blockstrata_viewer.screens.pages import folded, heading, labelled
from blockstrata_viewer.screens.read_page import ReadPage
from blockstrata_viewer.widgets.plain import Words

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
            yield ReadPage(self._trace, self._drawn)

    def _trace(self) -> list[str]:
        return list(trace_lines(self._chain, self._offset))

    def _drawn(self, lines: Sequence[str], width: int) -> Text:
        return labelled(folded(lines, width), self._palette, _LAYER)
