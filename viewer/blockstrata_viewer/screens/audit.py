"""The audit of the chain, as ``blockstrata audit`` prints it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from blockstrata.graph.chain import Chain
from blockstrata.graph.export_layers import as_opened
from blockstrata_viewer.draw.palette import Palette
from blockstrata_viewer.reports.audit import AuditReport
from blockstrata_viewer.screens.pages import folded, heading
from blockstrata_viewer.screens.read_page import ReadPage
from blockstrata_viewer.widgets.plain import Words


class AuditScreen(ModalScreen[None]):
    """Shows what was found; any of its keys leaves."""

    BINDINGS: ClassVar = [Binding("escape,enter,q,a", "dismiss", "close")]

    def __init__(self, chain: Chain, palette: Palette) -> None:
        super().__init__()
        self._chain = chain
        self._palette = palette

    def compose(self) -> ComposeResult:
        """Compose the page."""
        words = "today's answers, read with the proposed meanings"
        with VerticalScroll(classes="dialog wide"):
            yield Words(heading("AUDIT", words, self._palette), classes="heading")
            yield ReadPage(self._look, _drawn)

    def _look(self) -> list[str]:
        return "".join(AuditReport(as_opened(self._chain)).human_lines()).splitlines()


def _drawn(lines: Sequence[str], width: int) -> Text:
    # what is not indented is a heading
    return Text("\n").join(
        Text(line, "" if line.startswith(" ") else "bold") for line in folded(lines, width)
    )
