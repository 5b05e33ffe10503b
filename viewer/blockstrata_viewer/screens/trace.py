"""A read of the byte under the cursor, as ``blockstrata trace`` prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from blockstrata.errors import BlockstrataError
from blockstrata_viewer.trace_report import trace_lines

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from blockstrata.chain import Chain


class TraceScreen(ModalScreen[None]):
    """Shows the steps of a read; any of its keys leaves."""

    BINDINGS: ClassVar = [Binding("escape,enter,q,T", "dismiss", "close")]

    def __init__(self, chain: Chain, offset: int) -> None:
        super().__init__()
        self._chain = chain
        self._offset = offset

    def compose(self) -> ComposeResult:
        """Compose the page."""
        with VerticalScroll(classes="dialog wide"):
            yield Static("Trace of a read", classes="heading")
            yield Static(self._page())

    def _page(self) -> Text:
        try:
            lines = list(trace_lines(self._chain, self._offset))
        except BlockstrataError as error:
            return Text(str(error))
        # a layer's line starts with its depth
        return Text("\n").join(Text(line, "bold" if line[:1].isdigit() else "") for line in lines)
