"""The audit of the chain, as ``blockstrata audit`` prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import work
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.message import Message
from textual.screen import ModalScreen

from blockstrata.errors import BlockstrataError
from blockstrata.graph.export_layers import as_opened
from blockstrata_viewer.reports.audit import AuditReport
from blockstrata_viewer.screens.pages import folded, heading, page_width
from blockstrata_viewer.widgets.plain import Words

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult

    from blockstrata.graph.chain import Chain
    from blockstrata_viewer.draw.palette import Palette


class AuditScreen(ModalScreen[None]):
    """Shows what was found; any of its keys leaves."""

    BINDINGS: ClassVar = [Binding("escape,enter,q,a", "dismiss", "close")]

    class Found(Message):
        """The audit is done."""

        def __init__(self, lines: list[str]) -> None:
            super().__init__()
            self.lines = lines

    def __init__(self, chain: Chain, palette: Palette) -> None:
        super().__init__()
        self._chain = chain
        self._palette = palette
        self._lines = ["…"]

    def compose(self) -> ComposeResult:
        """Compose the page."""
        words = "today's answers, read with the proposed meanings"
        with VerticalScroll(classes="dialog wide"):
            yield Words(heading("AUDIT", words, self._palette), classes="heading")
            yield Words(classes="page")

    def on_mount(self) -> None:
        """Begin to look."""
        self.look()

    @work(thread=True)
    def look(self) -> None:
        """Audit the chain away from the screen: it may have millions of runs, or a server to ask."""
        try:
            lines = "".join(AuditReport(as_opened(self._chain)).human_lines()).splitlines()
        except BlockstrataError as error:
            lines = [str(error)]
        self.post_message(self.Found(lines))

    def on_audit_screen_found(self, message: Found) -> None:
        """Show what was found."""
        self._lines = message.lines
        self._show()

    def on_resize(self, event: events.Resize) -> None:  # noqa: ARG002
        """Fit the lines to the new width."""
        self.call_after_refresh(self._show)

    def _show(self) -> None:
        page = self.query_one(".page", Words)
        lines = folded(self._lines, page_width(self.app.size.width))
        # what is not indented is a heading
        page.update(Text("\n").join(Text(line, "" if line.startswith(" ") else "bold") for line in lines))
