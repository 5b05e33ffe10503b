"""The details of one extent."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from blockstrata_viewer.draw.palette import palette_of
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.reports.extent import describe
from blockstrata_viewer.screens.pages import heading, labelled
from blockstrata_viewer.screens.read_page import ReadPage
from blockstrata_viewer.widgets.plain import Words


class DetailsScreen(ModalScreen[None]):
    """Shows what details.py says of the extent under the cursor; any of its keys leaves."""

    BINDINGS: ClassVar = [Binding("escape,enter,q", "dismiss", "close")]

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self._scene = scene

    def compose(self) -> ComposeResult:
        """Compose the page."""
        with VerticalScroll(classes="dialog"):
            palette = palette_of(self._scene)
            yield Words(heading("EXTENT", "its table entry, and its bytes", palette), classes="heading")
            width = self.app.size.width - 10
            yield ReadPage(lambda: describe(self._scene, width), lambda lines, _: labelled(lines, palette))
