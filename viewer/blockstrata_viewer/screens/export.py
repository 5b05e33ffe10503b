"""Ask for the file that the screen is exported to."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from blockstrata.errors import BlockstrataError
from blockstrata.text.printable import printable
from blockstrata_viewer.export.write import FORMATS, format_of
from blockstrata_viewer.process.directories import expanded
from blockstrata_viewer.screens.question import Question
from blockstrata_viewer.widgets.plain import Prompt

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

    def __init__(self, name: str) -> None:
        note = f"the ending chooses the format: {', '.join(FORMATS)}"
        super().__init__("Export the screen", note, value=name)
        self._warned = ""

    def on_input_submitted(self, event: Prompt.Submitted) -> None:
        """Take the name, or say why not."""
        try:
            path = str(expanded(event.value))
            format_of(path)
            is_there = Path(path).exists()
        except BlockstrataError as error:
            self.refuse(error.what)
        except OSError as error:
            self.refuse((error.strerror or str(error)).lower())
        else:
            if is_there and self._warned != path:
                self._warned = path
                self.refuse("this file exists; press enter again to replace it")
            else:
                self.dismiss(path)
