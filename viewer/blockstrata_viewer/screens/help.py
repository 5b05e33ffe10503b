"""The help: every key, and what the letters stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.binding import Binding
from textual.screen import ModalScreen
from textual.widgets import Static

from blockstrata.semantics import SEMANTICS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import ClassVar

    from textual.app import ComposeResult


class HelpScreen(ModalScreen[None]):
    """Lists keys with what they do; any of its keys leaves."""

    BINDINGS: ClassVar = [Binding("escape,question_mark,f1,q,enter", "dismiss", "close")]

    def __init__(self, keys: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._keys = keys

    def compose(self) -> ComposeResult:
        """Compose the page."""
        page = Text()
        page.append("Keys\n", "bold")
        for key, words in self._keys:
            page.append(f"  {key:<14}", "bold")
            page.append(f"{words}\n")
        page.append("\nMouse\n", "bold")
        page.append("  click         place the cursor, choose the layer\n")
        page.append("  wheel         zoom about the pointer; with shift, pan\n")
        for semantics in SEMANTICS:
            page.append(f"\n{semantics.switch}: {semantics.title}\n", "bold")
            for each in semantics.lettered:
                page.append(f"  {each.letter}  {each.name}\n")
        yield Static(page, id="help")
