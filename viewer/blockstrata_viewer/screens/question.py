"""What screens that ask for a line of text have in common: no key is lost, however fast it comes.

Keys that follow the one which opens the question reach the screen below, or this one before its input has the
focus; they are the answer all the same.
"""

from __future__ import annotations

from typing import TypeVar

from textual.events import Key
from textual.screen import ModalScreen

from blockstrata_viewer.widgets.plain import Prompt

Answer = TypeVar("Answer")


def answers(event: Key) -> bool:
    """Say whether a key is part of an answer."""
    return event.is_printable or event.key == "enter"


class Question(ModalScreen[Answer]):
    """A screen with one input."""

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
