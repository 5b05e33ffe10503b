"""What widgets have in common that are drawn cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from textual.filter import LineFilter
from textual.geometry import Size
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from blockstrata_viewer.draw.lines import Line
from blockstrata_viewer.model.scene import Scene


class DrawnWidget(Widget):
    """Drawn as a whole when a line of it is asked for, and again once it is refreshed or has another size."""

    _drawn: tuple[Size, list[Strip]] | None = None

    def draw(self, width: int, height: int) -> list[Line]:
        """Return the lines, top first; below them it is blank."""
        raise NotImplementedError

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return none: the colours are already the terminal's."""
        return []

    def refresh(self, *regions: Any, **what: bool) -> Self:
        """Draw anew; Textual calls this for every change of a reactive attribute."""
        self._drawn = None
        return super().refresh(*regions, **what)

    def render_line(self, y: int) -> Strip:
        """Return a line."""
        size = self.size
        if self._drawn is None or self._drawn[0] != size:
            self._drawn = (size, [line.strip() for line in self.draw(*size)])
        strips = self._drawn[1]
        return strips[y] if y < len(strips) else Strip.blank(size.width)


class SceneWidget(DrawnWidget):
    """Shows a scene; blank while there is none."""

    scene: reactive[Scene | None] = reactive(None, always_update=True)

    def draw_scene(self, scene: Scene, width: int, height: int) -> list[Line]:
        """Return the lines, top first."""
        raise NotImplementedError

    def draw(self, width: int, height: int) -> list[Line]:
        """Return the scene's lines."""
        return self.draw_scene(self.scene, width, height) if self.scene else []


class DrawnList(DrawnWidget):
    """Shows entries, one of them chosen."""

    at: reactive[int] = reactive(0)

    @property
    def count(self) -> int:
        """How many entries there are."""
        raise NotImplementedError
