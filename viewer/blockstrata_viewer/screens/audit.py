"""The audit of the chain, as ``blockstrata audit`` prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import work
from textual.binding import Binding
from textual.containers import ScrollableContainer
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Static

from blockstrata.errors import BlockstrataError
from blockstrata.served_layers import as_opened
from blockstrata_viewer.audit_report import AuditReport

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from blockstrata.chain import Chain


class AuditScreen(ModalScreen[None]):
    """Shows what was found; any of its keys leaves."""

    BINDINGS: ClassVar = [Binding("escape,enter,q,a", "dismiss", "close")]

    class Found(Message):
        """The audit is done."""

        def __init__(self, page: Text) -> None:
            super().__init__()
            self.page = page

    def __init__(self, chain: Chain) -> None:
        super().__init__()
        self._chain = chain

    def compose(self) -> ComposeResult:
        """Compose the page."""
        with ScrollableContainer(classes="dialog wide"):
            yield Static("Audit: today's answers, read with the proposed meanings", classes="heading")
            yield Static("…", classes="page")

    def on_mount(self) -> None:
        """Begin to look."""
        self.look()

    @work(thread=True)
    def look(self) -> None:
        """Audit the chain away from the screen: it may have millions of runs, or a server to ask."""
        self.post_message(self.Found(self._page()))

    def on_audit_screen_found(self, message: Found) -> None:
        """Show what was found."""
        self.query_one(".page", Static).update(message.page)

    def _page(self) -> Text:
        try:
            lines = list(AuditReport(as_opened(self._chain)).human_lines())
        except BlockstrataError as error:
            return Text(str(error))
        # what is not indented is a heading
        parts = [(line, "" if line.startswith(" ") else "bold") for line in lines]
        return Text.assemble(*parts, no_wrap=True)
