"""What screens that ask for a line of text have in common: no key is lost, however fast it comes.

Keys that follow the one which opens the question reach the screen below, or this one before its input has the
focus; they are the answer all the same.
"""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Key
from textual.screen import ModalScreen

from blockstrata_viewer.widgets.dialog import Dialog
from blockstrata_viewer.widgets.plain import Prompt, Words

Answer = TypeVar("Answer")


def answers(event: Key) -> bool:
    """Say whether a key is part of an answer."""
    return event.is_printable or event.key == "enter"


class Question(ModalScreen[Answer]):
    """A screen with one input: the question over it, and under it a note, until an answer is wrong."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "close")]

    def __init__(self, question: str, note: str, *, value: str = "", placeholder: str = "") -> None:
        super().__init__()
        self._question = question
        self._note = note
        self._value = value
        self._placeholder = placeholder

    def compose(self) -> ComposeResult:
        """Compose the question."""
        yield Dialog(
            Prompt(self._value, placeholder=self._placeholder),
            Words(self._note, classes="note"),
            title=self._question,
            keys="enter · esc closes",
        )

    async def on_key(self, event: Key) -> None:
        """Take what came before the input has the focus."""
        if not answers(event):
            return
        prompt = self.query_one(Prompt)
        if event.key == "enter":
            await prompt.action_submit()
        else:
            prompt.insert_text_at_cursor(event.character or "")
        event.stop()
        event.prevent_default()

    def refuse(self, why: str) -> None:
        """Say what is wrong with an answer."""
        note = self.query_one(".note", Words)
        note.update(why)
        note.add_class("wrong")
