"""The chain: overview, ruler, what the guest sees, and one strip a layer, in one widget.

One widget draws all of it line by line, because that is several times quicker than a widget a layer
(SCREEN.md, "Technique that was measured").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from blockstrata.printable import printable
from blockstrata.sizes import format_size
from blockstrata_viewer.layout import ChainLayout, chain_layout
from blockstrata_viewer.palette import ramp
from blockstrata_viewer.rows import Ink, Row, shorten
from blockstrata_viewer.scene import GUEST
from blockstrata_viewer.units import exact_size
from blockstrata_viewer.widgets.overview import draw_overview
from blockstrata_viewer.widgets.ruler import draw_ruler
from blockstrata_viewer.widgets.strips import LEFT, LOWER, draw_strip, edges_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.filter import LineFilter
    from textual.geometry import Size

    from blockstrata_viewer.scene import Scene


def draw_chain(scene: Scene, layout: ChainLayout) -> list[Row]:
    """Return the rows of the chain view.  Needs no app."""
    painter = _Painter(scene, layout)
    painter.head()
    painter.guest()
    for depth in range(layout.first, layout.first + layout.shown):
        painter.layer(depth)
    painter.drill()
    return painter.rows


class _Painter:
    """Draws one frame; the methods draw a part each."""

    def __init__(self, scene: Scene, layout: ChainLayout) -> None:
        self.scene = scene
        self.layout = layout
        self.palette = scene.palette
        self.x = layout.label
        self.drill_at = self.x + scene.viewport.column_of(scene.cursor)
        self.rows = [Row(layout.width, self.ink(self.palette.text)) for _ in range(layout.height)]

    def ink(self, colour: str, bg: str | None = None, *, bold: bool = False) -> Ink:
        return Ink(colour, bg or self.palette.page, bold)

    def head(self) -> None:
        rows, layout, palette = self.rows, self.layout, self.palette
        rows[layout.OVERVIEW].put(3, "overview", self.ink(palette.dim))
        rows[layout.OVERVIEW].put(
            13, shorten(f"0 – {exact_size(self.scene.disk.size)}", self.x - 14), self.ink(palette.faint)
        )
        draw_overview(rows[layout.OVERVIEW], rows[layout.WINDOW], self.x, self.scene)
        draw_ruler(
            rows[layout.RULER], rows[layout.TICKS], self.x, self.scene.viewport, self.scene.cursor, palette
        )

    def guest(self) -> None:
        layout, palette = self.layout, self.palette
        rows = self.rows[layout.GUEST : layout.GUEST + layout.GUEST_ROWS]
        self.label(rows, GUEST, "guest sees", "merged view", palette.text)
        self.strip(rows, GUEST)
        ribbon = self.rows[layout.RIBBON]
        ribbon.put(3, "supplied by", self.ink(palette.faint))
        self.ribbon(ribbon)

    def ribbon(self, row: Row) -> None:
        """Draw which layer supplies most of each cell."""
        guest = self.scene.disk.guest
        if not len(guest):
            return
        amounts = guest.suppliers.between(edges_of(self.scene.viewport, guest.size))
        layers = len(self.scene.disk.layers)
        covered = (amounts.sum(axis=1) > 0).tolist()
        for column, depth in enumerate(amounts.argmax(axis=1).tolist()):
            if covered[column]:
                row.put(self.x + column, "▄", self.ink(ramp(self.palette, depth, layers)))

    def layer(self, depth: int) -> None:
        layout, scene = self.layout, self.scene
        layer, track = scene.disk.layers[depth], scene.disk.tracks[depth]
        colour = ramp(self.palette, depth, len(scene.disk.layers))
        top = layout.top_of(depth)
        rows = self.rows[top : top + layout.strip]
        name = printable(layer.name.rpartition("/")[2] or layer.name)
        details = (
            "cannot be opened"
            if scene.disk.is_gap(depth)
            else f"{format_size(layer.size)} · {len(track):,} runs"
        )
        self.label(rows, depth, name, details, self.palette.text)
        for row in rows:
            row.put(1, "▌", self.ink(colour, row.ink_at(1).bg))
        if layout.gap and depth + 1 < layout.first + layout.shown:
            self.rows[top + layout.strip].put(1, "▏", self.ink(colour))
        self.strip(rows, depth)
        if layout.gap and depth == scene.selected:
            self.bracket(self.rows[top + layout.strip])

    def label(self, rows: list[Row], selected: int, name: str, details: str, colour: str) -> None:
        chosen = selected == self.scene.selected
        ground = self.palette.selected if chosen else self.palette.page
        for row in rows:
            row.put(0, " " * (self.x - 1), self.ink(colour, ground))
            if chosen:
                row.put(0, "▌", self.ink(self.palette.accent, ground))
        rows[0].put(3, shorten(name, self.x - 5), self.ink(colour, ground, bold=chosen or selected == GUEST))
        if len(rows) > 1:
            rows[1].put(3, shorten(details, self.x - 5), self.ink(self.palette.dim, ground))

    def strip(self, rows: list[Row], selected: int) -> None:
        scene = self.scene
        draw_strip(
            rows,
            self.x,
            scene.disk.track(selected),
            scene.viewport,
            scene.semantics,
            self.palette,
            drill=self.drill_at,
            mono=scene.mono,
        )

    def bracket(self, row: Row) -> None:
        """Draw the bracket under the extent at the cursor."""
        scene = self.scene
        if scene.run is None:
            return
        edges = scene.track.view.extents.edges
        viewport = scene.viewport
        first = max(0, viewport.column_of(int(edges[scene.run])))
        last = min(viewport.columns - 1, viewport.column_of(int(edges[scene.run + 1]) - 1))
        bracket = "╵" if first == last else "╰" + "─" * (last - first - 1) + "╯"
        row.put(self.x + first, bracket, self.ink(self.palette.accent))

    def drill(self) -> None:
        """Draw the line through all tracks at the cursor, heavy in the selected one."""
        layout, palette, at = self.layout, self.palette, self.drill_at
        selected = self._selected_rows()
        for y, row in enumerate(self.rows):
            if y <= layout.TICKS:
                continue
            glyph, ink = row.glyph_at(at), row.ink_at(at)
            if ink.bg == palette.page and glyph in " ":
                row.put(at, "│", self.ink(palette.rule))
                continue
            if glyph in "╰─╯╵":
                continue
            ground = ink.fg if glyph in LOWER[4:] + LEFT[4:] and glyph != " " else ink.bg
            row.put(
                at, "┃" if y in selected else "│", self.ink(palette.crosshair, ground, bold=y in selected)
            )

    def _selected_rows(self) -> range:
        layout, selected = self.layout, self.scene.selected
        if selected == GUEST:
            return range(layout.GUEST, layout.GUEST + layout.GUEST_ROWS)
        top = layout.top_of(selected)
        return range(top, top + layout.strip)


class ChainView(Widget):
    """Shows a scene; posts what the mouse does to it."""

    DEFAULT_CSS = "ChainView { height: 1fr; width: 1fr; }"

    scene: reactive[Scene | None] = reactive(None, always_update=True)

    class Placed(Message):
        """The cursor was put on a byte, and perhaps a track was chosen."""

        def __init__(self, offset: int, selected: int | None) -> None:
            super().__init__()
            self.offset = offset
            self.selected = selected

    class Zoomed(Message):
        """The wheel turned over a byte; ``steps`` towards it."""

        def __init__(self, steps: int, about: int) -> None:
            super().__init__()
            self.steps = steps
            self.about = about

    class Panned(Message):
        """The wheel turned sideways, by so many columns."""

        def __init__(self, columns: int) -> None:
            super().__init__()
            self.columns = columns

    def __init__(self) -> None:
        super().__init__()
        self._drawn: tuple[Scene, Size, list[Strip]] | None = None

    def layout_for(self, scene: Scene, size: Size | None = None) -> ChainLayout:
        """Return where things stand for a scene at a size, this widget's if none is given."""
        width, height = size or self.size
        return chain_layout(width, height, len(scene.disk.layers), scene.selected)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return none: the colours are already the terminal's."""
        return []

    def render_line(self, y: int) -> Strip:
        """Return one line of the frame, all of which is drawn the first time a line of it is asked for."""
        if self.scene is None:
            return Strip.blank(self.size.width)
        if self._drawn is None or self._drawn[0] is not self.scene or self._drawn[1] != self.size:
            rows = draw_chain(self.scene, self.layout_for(self.scene))
            self._drawn = (self.scene, self.size, [row.strip() for row in rows])
        strips = self._drawn[2]
        return strips[y] if y < len(strips) else Strip.blank(self.size.width)

    def _offset_at(self, x: int) -> int | None:
        scene = self.scene
        if scene is None:
            return None
        column = x - self.layout_for(scene).label
        return scene.viewport.offset_of(column) if 0 <= column < scene.viewport.columns else None

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Place the cursor; a click on a label only chooses the track."""
        scene = self.scene
        if scene is None:
            return
        offset = self._offset_at(event.x)
        selected = self.layout_for(scene).layer_at(event.y)
        if event.y == ChainLayout.OVERVIEW and offset is not None:
            whole = scene.viewport.fit()
            offset = whole.offset_of(event.x - self.layout_for(scene).label)
        if offset is not None or selected is not None:
            self.post_message(self.Placed(scene.cursor if offset is None else offset, selected))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Zoom in about the pointer, or pan with shift."""
        self._wheel(event, 1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Zoom out about the pointer, or pan with shift."""
        self._wheel(event, -1)

    def _wheel(self, event: events.MouseEvent, steps: int) -> None:
        event.stop()
        if event.shift:
            self.post_message(self.Panned(-4 * steps))
            return
        about = self._offset_at(event.x)
        if about is not None:
            self.post_message(self.Zoomed(steps, about))
