"""The command that leads to a view."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from blockstrata_viewer.widgets.dialog import ScrolledDialog
from blockstrata_viewer.widgets.plain import Words


class CommandScreen(ModalScreen[None]):
    """Shows a command, which can be selected, under a title; ``note`` says what it leaves out."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,q,Y", "dismiss", "close")]

    def __init__(self, command: str, note: str) -> None:
        super().__init__()
        self.command = command
        self._note = note

    def compose(self) -> ComposeResult:
        """Compose the page."""
        yield ScrolledDialog(
            Words(self.command, id="command"),
            Words(self._note, classes="note"),
            title="COMMAND  that leads to this view",
            classes="wide",
        )
