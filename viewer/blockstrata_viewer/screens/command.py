"""The command that leads to a view."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from blockstrata_viewer.draw.palette import Palette
from blockstrata_viewer.widgets.plain import Words


class CommandScreen(ModalScreen[None]):
    """Shows a command, which can be selected, under a title; ``note`` says what it leaves out."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,q,Y", "dismiss", "close")]

    def __init__(self, command: str, note: str, palette: Palette) -> None:
        super().__init__()
        self.command = command
        self._heading = Text.assemble(
            ("COMMAND", f"bold {palette.accent}"), ("  that leads to this view", f"not bold {palette.dim}")
        )
        self._note = note

    def compose(self) -> ComposeResult:
        """Compose the page."""
        with VerticalScroll(classes="dialog wide"):
            yield Words(self._heading, classes="heading")
            yield Words(self.command, id="command")
            yield Words(self._note, classes="note")
