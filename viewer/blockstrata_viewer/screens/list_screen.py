"""What screens have in common that offer a list to choose from."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from blockstrata_viewer.widgets.dialog import Dialog
from blockstrata_viewer.widgets.drawn import DrawnList

Answer = TypeVar("Answer")


class ListScreen(ModalScreen[Answer]):
    """A screen with one list, and the keys that move in it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "close"),
        Binding("up,k", "move(-1)", "entry above"),
        Binding("down,j", "move(1)", "entry below"),
        Binding("pageup", "move(-10)", "ten entries up"),
        Binding("pagedown", "move(10)", "ten entries down"),
        Binding("home", "move(-1000)", "first entry"),
        Binding("end", "move(1000)", "last entry"),
    ]

    HEADING: ClassVar[str]
    """The title."""

    def __init__(self, view: DrawnList) -> None:
        super().__init__()
        self.view = view

    def compose(self) -> ComposeResult:
        """Compose the page."""
        yield Dialog(self.view, title=self.HEADING, classes="wide tall")

    def action_pick(self, at: int) -> None:
        """Choose an entry; chosen already, it is taken."""
        if self.view.at == at:
            self.action_take()
        self.view.at = at

    def action_take(self) -> None:
        """Leave with what is chosen."""
        raise NotImplementedError

    def action_move(self, steps: int) -> None:
        """Choose another entry."""
        self.view.at = max(0, min(self.view.at + steps, self.view.count - 1))
