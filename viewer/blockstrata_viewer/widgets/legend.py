"""The legend: as many lines of the screen as its words need."""

from __future__ import annotations

from textual.events import Resize

from blockstrata_viewer.draw.bars import draw_legend, legend_rows
from blockstrata_viewer.draw.lines import Line
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.widgets.drawn import SceneWidget


class Legend(SceneWidget):
    """Shows what the colours of a scene mean."""

    DEFAULT_CSS = "Legend { height: 1; }"

    _rows = 1

    def watch_scene(self) -> None:
        """Take the rows that the scene's words need."""
        self._fit(self.size.width)

    def on_resize(self, event: Resize) -> None:
        """Take the rows that the words need in the new width."""
        self._fit(event.size.width)

    def _fit(self, width: int) -> None:
        rows = legend_rows(self.scene, width) if self.scene and width else self._rows
        if rows != self._rows:
            self._rows = rows
            self.styles.height = rows

    def draw_scene(self, scene: Scene, width: int, height: int) -> list[Line]:
        """Return the lines."""
        return draw_legend(scene, width, height)
