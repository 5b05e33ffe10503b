"""A bar: one line of the screen."""

from __future__ import annotations

from collections.abc import Callable

from textual.reactive import reactive
from textual.strip import Strip

from blockstrata_viewer.draw.lines import Line
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.widgets.drawn import DrawnWidget


class Bar(DrawnWidget):
    """Shows a scene in one line, drawn by the function that it is given, whatever else that looks at."""

    DEFAULT_CSS = "Bar { height: 1; }"

    scene: reactive[Scene | None] = reactive(None, always_update=True)

    def __init__(self, draw: Callable[[Scene, int], Line], id: str) -> None:  # noqa: A002  Textual's name
        super().__init__(id=id)
        self._draw = draw

    def render_line(self, y: int) -> Strip:  # noqa: ARG002  there is one line
        """Return the line."""
        width = self.size.width
        return self._draw(self.scene, width).strip() if self.scene else Strip.blank(width)
