"""Ask for the file that the screen is exported to."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical

from blockstrata.errors import BlockstrataError
from blockstrata.text.printable import printable
from blockstrata_viewer.export.write import FORMATS, format_of
from blockstrata_viewer.process.directories import expanded
from blockstrata_viewer.screens.question import Question
from blockstrata_viewer.widgets.plain import Prompt, Words

_LONGEST: Final = 255
"""Bytes of a file's name, where Linux keeps files."""


def proposed(image: str) -> str:
    """Return the name that a picture of an image could have."""
    stem = printable(image.rpartition("/")[2].rpartition(".")[0]) or "blockstrata"
    return stem.encode()[: _LONGEST - len(".svg")].decode(errors="ignore") + ".svg"


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
            yield Words("Export the screen", classes="heading")
            yield Prompt(self._name_first)
            yield Words(f"the ending chooses the format: {', '.join(FORMATS)}", classes="note")

    def on_input_submitted(self, event: Prompt.Submitted) -> None:
        """Take the name, or say why not."""
        try:
            path = str(expanded(event.value))
            format_of(path)
            is_there = Path(path).exists()
        except BlockstrataError as error:
            self._say(error.what)
            return
        except OSError as error:
            self._say((error.strerror or str(error)).lower())
            return
        if is_there and self._warned != path:
            self._warned = path
            self._say("there is such a file; enter again replaces it")
            return
        self.dismiss(path)

    def _say(self, text: str) -> None:
        note = self.query_one(".note", Words)
        note.update(text)
        note.add_class("wrong")
