"""The inspector as a widget."""

from __future__ import annotations

from textual.reactive import reactive

from blockstrata_viewer.draw.inspector import draw_inspector
from blockstrata_viewer.draw.lines import Line
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.widgets.drawn import DrawnWidget


class Inspector(DrawnWidget):
    """Shows the place of a scene's cursor."""

    DEFAULT_CSS = "Inspector { width: 1fr; height: 9; }"

    scene: reactive[Scene | None] = reactive(None, always_update=True)
    side: reactive[bool] = reactive(False)

    def shows(self) -> tuple[object, ...] | None:
        """Return the scene, and whether the inspector is beside the chain."""
        return (self.scene, self.side) if self.scene else None

    def draw(self) -> list[Line]:
        """Return the lines; there is a scene."""
        return draw_inspector(self.scene, *self.size, side=self.side) if self.scene else []
