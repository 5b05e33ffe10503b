"""A bar: one line of the screen."""

from __future__ import annotations

from collections.abc import Callable

from blockstrata_viewer.draw.lines import Line
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.widgets.drawn import SceneWidget


class Bar(SceneWidget):
    """Shows a scene in one line, drawn by the function that it is given, whatever else that looks at."""

    DEFAULT_CSS = "Bar { height: 1; }"

    def __init__(self, draw: Callable[[Scene, int], Line], id: str) -> None:  # noqa: A002  Textual's name
        super().__init__(id=id)
        self._draw = draw

    def draw_scene(self, scene: Scene, width: int, _height: int) -> list[Line]:
        """Return the line."""
        return [self._draw(scene, width)]
