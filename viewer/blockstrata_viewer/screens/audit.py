"""The audit of the chain, as ``blockstrata audit`` prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from blockstrata.errors import BlockstrataError
from blockstrata_viewer.audit_report import AuditReport

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from blockstrata.chain import Chain


class AuditScreen(ModalScreen[None]):
    """Shows what was found; any of its keys leaves."""

    BINDINGS: ClassVar = [Binding("escape,enter,q,a", "dismiss", "close")]

    def __init__(self, chain: Chain) -> None:
        super().__init__()
        self._chain = chain

    def compose(self) -> ComposeResult:
        """Compose the page."""
        with VerticalScroll(classes="dialog wide"):
            yield Static("Audit: today's answers, read with the proposed meanings", classes="heading")
            yield Static(self._page())

    def _page(self) -> Text:
        try:
            lines = list(AuditReport(self._chain).human_lines())
        except BlockstrataError as error:
            return Text(str(error))
        # what is not indented is a heading
        return Text.assemble(*((line, "" if line.startswith(" ") else "bold") for line in lines))
