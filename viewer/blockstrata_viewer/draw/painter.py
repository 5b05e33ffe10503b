"""One frame of the chain: overview, ruler, what the guest sees, one strip a layer, and the drill through all.

Needs no app, so that it can be tested and timed alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blockstrata.text.printable import base_name
from blockstrata.text.sizes import format_size
from blockstrata_viewer.draw.lines import Ink, Line, clip, shorten
from blockstrata_viewer.draw.overview import draw_overview
from blockstrata_viewer.draw.palette import palette_of
from blockstrata_viewer.draw.ruler import draw_ruler
from blockstrata_viewer.draw.strips import LEFT, LOWER, Look, draw_strip
from blockstrata_viewer.draw.units import short_count
from blockstrata_viewer.model.scene import GUEST

if TYPE_CHECKING:
    from blockstrata_viewer.draw.layout import ChainLayout
    from blockstrata_viewer.model.scene import Scene

_BRACKET = "╰─╯╵"


def draw_chain(scene: Scene, layout: ChainLayout) -> list[Line]:
    """Return the rows of the chain view; the scene is fitted to the layout's columns if it is not yet."""
    if scene.viewport.columns != layout.columns:
        scene = scene.resize(layout.columns)
    painter = _Painter(scene, layout)
    painter.head()
    painter.guest()
    if not scene.disk.is_file:
        for depth in range(layout.first, layout.first + layout.shown):
            painter.layer(depth)
        painter.more()
    painter.drill()
    return painter.rows[: layout.height]


class _Painter:
    """Draws one frame; the methods draw a part each."""

    def __init__(self, scene: Scene, layout: ChainLayout) -> None:
        self.scene = scene
        self.layout = layout
        self.palette = palette_of(scene)
        self.x = layout.label
        self.drill_at = self.x + scene.viewport.column_of(scene.cursor)
        self.look = Look(
            self.x,
            self.palette,
            self.drill_at,
            patterns=scene.patterns,
            differences=scene.differences,
            # what is covered where old and new agree would have its letters still
            letters=not scene.asking and not scene.differences,
        )
        height = max(layout.height, layout.LAYERS + 1)
        self.rows = [Line(layout.width, self.ink(self.palette.text)) for _ in range(height)]

    def ink(self, colour: str, bg: str | None = None, *, bold: bool = False) -> Ink:
        return Ink(colour, bg or self.palette.page, bold)

    def head(self) -> None:
        rows, layout, palette = self.rows, self.layout, self.palette
        overview = rows[layout.OVERVIEW]
        overview.put(3, "overview", self.ink(palette.dim))
        size = format_size(self.scene.disk.size)
        label = f"0 – {size}" if len(size) + 4 < self.x - 12 else size
        overview.put(12, clip(label, self.x - 13), self.ink(palette.faint))
        if not self.scene.disk.size:
            rows[layout.GUEST].put(self.x, "an image of 0 bytes", self.ink(palette.dim))
            return
        draw_overview(overview, rows[layout.WINDOW], self.x, self.scene)
        draw_ruler(rows[layout.RULER], rows[layout.TICKS], self.x, self.scene)

    def guest(self) -> None:
        layout = self.layout
        rows = self.rows[layout.GUEST : layout.GUEST + layout.GUEST_ROWS]
        if self.scene.disk.is_file:
            node = self.scene.disk.layers[0].node
            self.label(rows, GUEST, base_name(node.name), f"{node.driver} · host bytes")
        else:
            self.label(rows, GUEST, *self.words_of(GUEST))
        self.strip(rows, GUEST)
        if not self.scene.disk.is_file and not self.scene.disk.round_trip:
            self.rows[layout.RIBBON].put(3, "supplied by", self.ink(self.palette.dim))
            self.ribbon(self.rows[layout.RIBBON])

    def ribbon(self, row: Line) -> None:
        """Draw which layer supplies most of each cell."""
        guest = self.scene.disk.guest
        amounts = guest.suppliers.columns(self.scene.viewport).amounts
        layers = len(self.scene.disk.layers)
        covered = (amounts.sum(axis=1) > 0).tolist()
        for column, band in enumerate(amounts.argmax(axis=1).tolist()):
            if covered[column]:
                depth = -(-band * layers // guest.suppliers.kinds)
                glyph = str(depth)[-1] if self.palette.is_mono else "▄"
                row.set(self.x + column, glyph, self.ink(self.palette.supplier(depth, layers)))

    def layer(self, depth: int) -> None:
        layout, scene = self.layout, self.scene
        top = layout.top_of(depth)
        rows = self.rows[top : top + layout.strip]
        error = scene.disk.error_of(depth)
        name, details = self.words_of(depth)
        self.label(rows, depth, name, "cannot be read" if error else details)
        if not scene.disk.round_trip:
            node, colour = scene.disk.layers[depth].node, self.palette.supplier(depth, len(scene.disk.tracks))
            if len(rows) > 2 and "via" in node.features():
                ink = self.ink(self.palette.dim, rows[2].ink_at(3).bg)
                rows[2].put(3, shorten(f"{node.driver} via qemu-img", self.x - 5), ink)
            for row in rows:
                row.set(1, "▌", self.ink(colour, row.ink_at(1).bg))
            if layout.gap and depth + 1 < layout.first + layout.shown:
                self.rows[top + layout.strip].set(1, "▏", self.ink(colour))
        self.strip(rows, depth)
        if error:
            self.error(rows[len(rows) // 2], error)
        if layout.gap and depth == scene.selected:
            self.bracket(self.rows[top + layout.strip])

    def more(self) -> None:
        """Say over the layers' labels how many there are above and below those that have room."""
        layout = self.layout
        above, below = layout.first, len(self.scene.disk.tracks) - layout.first - layout.shown
        counts = [(sign, count) for sign, count in (("▴", above), ("▾", below)) if count > 0]
        text = "  ".join(f"{sign} {count} more" for sign, count in counts)
        if len(text) > self.x - 4:
            text = " ".join(f"{sign}{count}" for sign, count in counts)
        self.rows[layout.LAYERS - 1].put(3, clip(text, self.x - 4), self.ink(self.palette.dim))

    def words_of(self, selected: int) -> tuple[str, str]:
        """Return name and details of a track."""
        disk, wire = self.scene.disk, self.scene.wire
        if disk.round_trip and wire:
            return disk.round_trip.label(selected, wire)
        name = self.scene.name_of(selected)
        if selected == GUEST:
            return name, "merged view"
        track = disk.tracks[selected]
        about = "~" if track.summaries else ""
        runs = f"{about}{short_count(track.count)} run" + ("" if track.count == 1 else "s")
        return name, f"{format_size(disk.layers[selected].size)} · {runs}"

    def error(self, row: Line, error: str) -> None:
        """Write why a layer is not there into its track."""
        viewport = self.scene.viewport
        room = min(viewport.columns, viewport.cells() - viewport.left)
        text = f" {shorten(error, room - 4)} "
        row.put(self.x + 1, text, self.ink(self.palette.text, bold=True))

    def label(self, rows: list[Line], selected: int, name: str, details: str) -> None:
        chosen = selected == self.scene.selected or self.scene.disk.is_file
        palette = self.palette
        ground = palette.selected if chosen else palette.page
        for row in rows:
            row.put(0, " " * (self.x - 1), self.ink(palette.text, ground))
            if chosen:
                row.set(0, "▌", self.ink(palette.accent, ground))
        ink = self.ink(palette.text, ground, bold=chosen or selected == GUEST)
        rows[0].put(3, shorten(name, self.x - 5), ink)
        if len(rows) > 1:
            rows[1].put(3, shorten(details, self.x - 5), self.ink(palette.dim, ground))

    def strip(self, rows: list[Line], selected: int) -> None:
        scene = self.scene
        if scene.disk.size:
            draw_strip(rows, scene.disk.track(selected), scene.viewport, scene.semantics, self.look)

    def bracket(self, row: Line) -> None:
        """Draw the bracket under the extent at the cursor."""
        scene = self.scene
        run = scene.run
        if run is None:
            return
        edges, viewport = scene.track.view.extents.edges, scene.viewport
        first = max(0, viewport.column_of(int(edges[run])))
        last = min(viewport.columns - 1, viewport.column_of(int(edges[run + 1]) - 1))
        bracket = "╵" if first == last else "╰" + "─" * (last - first - 1) + "╯"
        row.put(self.x + first, bracket, self.ink(self.palette.accent))

    def drill(self) -> None:
        """Draw the line through all tracks at the cursor, heavy in the selected one."""
        layout, palette, at = self.layout, self.palette, self.drill_at
        if not self.scene.disk.size:
            return
        selected = self._selected_lines()
        for y in range(layout.GUEST, layout.height):
            row = self.rows[y]
            glyph, ink = row.glyph_at(at), row.ink_at(at)
            heavy = y in selected
            if glyph in _BRACKET or (y == layout.RIBBON and glyph != " "):
                continue
            if glyph == " " and ink.bg == palette.page:
                row.set(at, "│", self.ink(palette.rule))
                continue
            if palette.is_mono and glyph != " ":
                # there is no colour behind the line to show what the cell holds, so the cell stays
                row.set(at, glyph, Ink(ink.fg, "reverse", bold=heavy))
                continue
            mostly_ink = glyph != " " and glyph in LOWER[4:] + LEFT[4:]
            ground = ink.fg if mostly_ink else ink.bg
            row.set(at, "┃" if heavy else "│", self.ink(palette.crosshair, ground, bold=heavy))

    def _selected_lines(self) -> range:
        layout, selected = self.layout, self.scene.selected
        if selected == GUEST or self.scene.disk.is_file:
            return range(layout.GUEST, layout.GUEST + layout.GUEST_ROWS)
        top = layout.top_of(selected)
        return range(top, top + layout.strip)
