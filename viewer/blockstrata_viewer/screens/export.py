"""Ask for the file that the screen is exported to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.containers import Vertical
from textual.widgets import Input, Static

from blockstrata.errors import BlockstrataError
from blockstrata_viewer.export.write import FORMATS, format_of
from blockstrata_viewer.screens.question import Question

if TYPE_CHECKING:
    from textual.app import ComposeResult


class ExportScreen(Question[str | None]):
    """Returns a file's name, or None if the user thinks better of it.

    A file that is there is replaced only if its name is given twice.
    """

    BINDINGS: ClassVar = [Binding("escape", "dismiss", "close")]

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name_first = name
        self._warned = ""

    def compose(self) -> ComposeResult:
        """Compose the question."""
        with Vertical(classes="dialog"):
            yield Static("Export the screen", classes="heading")
            yield Input(self._name_first)
            yield Static(f"the ending chooses the format: {', '.join(FORMATS)}", classes="note", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take the name, or say why not."""
        path = str(Path(event.value).expanduser())
        try:
            format_of(path)
        except BlockstrataError as error:
            self._say(error.what)
            return
        if Path(path).exists() and self._warned != path:
            self._warned = path
            self._say("there is such a file; enter again replaces it")
            return
        self.dismiss(path)

    def _say(self, text: str) -> None:
        note = self.query_one(".note", Static)
        note.update(text)
        note.add_class("wrong")
