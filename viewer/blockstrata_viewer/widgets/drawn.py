"""What widgets have in common that are drawn cell by cell."""

from __future__ import annotations

from collections.abc import Sequence

from textual.filter import LineFilter
from textual.strip import Strip
from textual.widget import Widget

from blockstrata_viewer.draw.lines import Line


class DrawnWidget(Widget):
    """Drawn as a whole when a line of it is asked for, and again once it is to show something else."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  Textual's name
        super().__init__(id=id)
        self._drawn: tuple[tuple[object, ...], list[Strip]] | None = None

    def shows(self) -> tuple[object, ...] | None:
        """Return all that the lines follow from but for the size; None while there is nothing to show."""
        raise NotImplementedError

    def draw(self) -> list[Line]:
        """Return the lines, top first."""
        raise NotImplementedError

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return none: the colours are already the terminal's."""
        return []

    def render_line(self, y: int) -> Strip:
        """Return a line."""
        shown, size = self.shows(), self.size
        if shown is None or y >= size.height:
            return Strip.blank(size.width)
        key = (*shown, size)
        if self._drawn is None or self._drawn[0] != key:
            self._drawn = (key, [line.strip() for line in self.draw()])
        strips = self._drawn[1]
        return strips[y] if y < len(strips) else Strip.blank(size.width)
