"""What widgets have in common that are drawn cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Self

from textual import events
from textual.filter import LineFilter
from textual.geometry import Region, Size
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from blockstrata_viewer.draw.lines import Line
from blockstrata_viewer.model.scene import Scene

_SHIFTED: Final = {"isolate": "hide"}
"""What a click with shift does in place of something."""


class DrawnWidget(Widget):
    """Drawn as a whole when a line of it is asked for, and again once it is refreshed or has another size.

    A click on what was put into a line with an action runs that on the screen.
    """

    _drawn: tuple[Size, list[Line]] | None = None
    _before: Sequence[Line] = ()
    """The last lines that were drawn; what stays the same is turned into segments and escape codes once."""

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

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return lines as they are drawn, if there is no border that Textual would have to add."""
        if self.outer_size != self.size:
            return super().render_lines(crop)
        lines = self._lines()[crop.y : crop.bottom]
        blank = [Strip.blank(self.size.width)] * (crop.height - len(lines))
        return [strip.crop(crop.x, crop.right) for strip in [*(line.strip() for line in lines), *blank]]

    def render_line(self, y: int) -> Strip:
        """Return a line."""
        lines = self._lines()
        return lines[y].strip() if y < len(lines) else Strip.blank(self.size.width)

    def _lines(self) -> list[Line]:
        size = self.size
        if self._drawn is None or self._drawn[0] != size:
            lines = self.draw(*size)
            for line, before in zip(lines, self._before, strict=False):
                line.reuse(before)
            self._drawn, self._before = (size, lines), lines
        return self._drawn[1]

    def click_at(self, event: events.MouseEvent) -> str:
        """Return what a click does where the pointer is, an empty string if nothing."""
        lines = self._drawn[1] if self._drawn else []
        action = lines[event.y].action_at(event.x) if 0 <= event.y < len(lines) else ""
        name, bracket, parameters = action.partition("(")
        return _SHIFTED.get(name, name) + bracket + parameters if event.shift else action

    async def on_click(self, event: events.Click) -> None:
        """Do what was put there."""
        if event.button == 1 and (action := self.click_at(event)):
            event.stop()
            await self.app.run_action(action, self.screen)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Show where a click does something, in a terminal that has such pointers."""
        is_button = self.click_at(event) != ""
        if is_button != (self.styles.pointer == "pointer"):
            self.styles.pointer = "pointer" if is_button else "default"


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
