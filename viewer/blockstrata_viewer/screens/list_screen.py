"""What screens have in common that offer a list to choose from."""

from __future__ import annotations

from typing import ClassVar, Protocol, TypeVar

from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

Answer = TypeVar("Answer")


class Listing(Protocol):
    """A widget that shows ``count`` entries, the one at ``at`` chosen."""

    at: int

    @property
    def count(self) -> int:
        """How many entries there are."""


class ListScreen(ModalScreen[Answer]):
    """A screen with one list, and the keys that move in it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "entry above"),
        Binding("down,j", "move(1)", "entry below"),
        Binding("pageup", "move(-10)", "ten entries up"),
        Binding("pagedown", "move(10)", "ten entries down"),
        Binding("home", "move(-1000)", "first entry"),
        Binding("end", "move(1000)", "last entry"),
    ]

    @property
    def view(self) -> Listing:
        """The list."""
        raise NotImplementedError

    def action_move(self, steps: int) -> None:
        """Choose another entry."""
        self.view.at = max(0, min(self.view.at + steps, self.view.count - 1))
