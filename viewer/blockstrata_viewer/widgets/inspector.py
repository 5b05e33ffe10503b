"""The inspector as a widget."""

from __future__ import annotations

from textual.reactive import reactive

from blockstrata_viewer.draw.inspector import draw_inspector
from blockstrata_viewer.draw.lines import Line
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.widgets.drawn import SceneWidget


class Inspector(SceneWidget):
    """Shows the place of a scene's cursor."""

    DEFAULT_CSS = "Inspector { width: 1fr; height: 9; }"

    side: reactive[bool] = reactive(False)
    """Whether it is beside the chain."""

    def draw_scene(self, scene: Scene, width: int, height: int) -> list[Line]:
        """Return the lines."""
        return draw_inspector(scene, width, height, side=self.side)
