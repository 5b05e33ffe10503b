"""Ask before something is done that an image, not the user, calls for."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import ModalScreen

from blockstrata.access import Consent
from blockstrata.errors import ConsentError
from blockstrata.text.printable import printable
from blockstrata_viewer.widgets.dialog import Dialog
from blockstrata_viewer.widgets.plain import Words

_QUESTIONS = {
    Consent.VIA_QEMU: "Run qemu-img for every such layer of this chain, to find out where its bytes are?",
    Consent.FOLLOW_REMOTE: "Open it, and every other server or device that this chain names?",
}


class ConsentScreen(ModalScreen[bool]):
    """Returns whether the user consents.  Nothing but the key for yes does."""

    BINDINGS: ClassVar = [
        Binding("y", "dismiss(True)", "yes"),
        Binding("n,escape,enter", "dismiss(False)", "no"),
    ]

    def __init__(self, error: ConsentError) -> None:
        super().__init__()
        self._error = error

    def compose(self) -> ComposeResult:
        """Compose the question."""
        where = f"{self._error.field}: " if self._error.field else ""
        yield Dialog(
            Words(_QUESTIONS[self._error.consent], classes="heading"),
            Words(f"{printable(where + self._error.file)} {printable(self._error.what)}"),
            title="CONSENT",
            keys="y yes · n no",
        )
