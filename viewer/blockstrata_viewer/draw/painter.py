"""One frame of the chain: overview, ruler, what the guest sees, one strip a layer, and the drill through all.

Needs no app, so that it can be tested and timed alone.
"""

from __future__ import annotations

from blockstrata.text.sizes import format_size
from blockstrata_viewer.draw.density import draw_density
from blockstrata_viewer.draw.drill import draw_drill
from blockstrata_viewer.draw.labels import draw_shares, label_of
from blockstrata_viewer.draw.layout import ChainLayout
from blockstrata_viewer.draw.lines import Ink, Line, clip, shorten, shorten_all
from blockstrata_viewer.draw.palette import palette_of
from blockstrata_viewer.draw.ruler import draw_ruler
from blockstrata_viewer.draw.strips import Look, draw_strip
from blockstrata_viewer.draw.units import exact_size, unit_of
from blockstrata_viewer.model.asking import betrays
from blockstrata_viewer.model.columns import Shown
from blockstrata_viewer.model.scene import GUEST, Scene
from blockstrata_viewer.model.viewport import Viewport


def draw_chain(scene: Scene, layout: ChainLayout) -> list[Line]:
    """Return the rows of the chain view; the scene is fitted to the layout's columns if it is not yet."""
    if scene.viewport.columns != layout.columns:
        scene = scene.resize(layout.columns)
    painter = _Painter(scene, layout)
    painter.head()
    painter.guest()
    for track in layout.tracks:
        if isinstance(track, int):
            painter.layer(track)
        else:
            painter.fold(track)
    painter.more()
    painter.under()
    painter.drill()
    return painter.rows[: layout.used]


class _Painter:
    """Draws one frame; the methods draw a part each."""

    def __init__(self, scene: Scene, layout: ChainLayout) -> None:
        self.scene = scene
        self.layout = layout
        self.palette = palette_of(scene)
        self.x = layout.label
        self.shown = min(scene.viewport.columns, scene.viewport.cells() - scene.viewport.left)
        """Columns that are on the disk."""
        self.drill_at = self.x + scene.viewport.column_of(scene.cursor)
        self.look = Look(
            self.x,
            self.palette,
            self.drill_at,
            differences=scene.differences,
            # what is covered where old and new agree would have its letters still
            letters=not scene.asking and not scene.differences,
            shown=Shown(scene.isolated, scene.hidden),
        )
        depths = [] if scene.disk.round_trip else [each for each in layout.tracks if isinstance(each, int)]
        names = shorten_all(tuple(map(scene.name_of, depths)), self.x - 4)
        self.names = dict(zip(depths, names, strict=True))
        """Of the layers, each told from the others."""
        # where there is no room for all, what is past the end is drawn and left out
        stops = [rows.stop for rows in layout.places] + [more.row + 1 for more in layout.more]
        height = max(layout.used, layout.ribbon + 2, *stops)
        self.rows = [Line(layout.width, self.ink(self.palette.text)) for _ in range(height)]

    def ink(self, colour: str, bg: str | None = None, *, bold: bool = False) -> Ink:
        return Ink(colour, bg or self.palette.page, bold)

    def head(self) -> None:
        rows, layout, palette = self.rows, self.layout, self.palette
        overview = rows[0]
        overview.put(3, "overview", self.ink(palette.dim))
        size = format_size(self.scene.disk.size)
        label = f"0 – {size}" if len(size) + 4 < self.x - 12 else size
        overview.put(12, clip(label, self.x - 13), self.ink(palette.faint))
        if not self.scene.disk.size:
            rows[layout.guest_top].put(self.x, "an image of 0 bytes", self.ink(palette.dim))
            return
        self.window(rows[: layout.overview], rows[layout.window])
        draw_ruler(rows[layout.ruler], rows[layout.ruler + 1], self.scene, self.look)

    def window(self, rows: list[Line], under: Line) -> None:
        """Draw what the guest sees on the whole disk, the window bright and underlined, with its scale."""
        scene, viewport, x = self.scene, self.scene.viewport, self.x
        whole = Viewport(scene.disk.size, viewport.columns).fit()
        dimmed = self.palette.outside()
        draw_strip(
            rows,
            scene.disk.guest,
            whole,
            scene.semantics,
            Look(x, dimmed, letters=False, shown=self.look.shown),
        )
        first = whole.column_of(viewport.start)
        last = whole.column_of(max(viewport.start, viewport.end - 1))
        window = Viewport(scene.disk.size, last - first + 1, whole.cell, first)
        bright = Look(x + first, self.palette, letters=False, shown=self.look.shown)
        draw_strip(rows, scene.disk.guest, window, scene.semantics, bright)
        for at in range(x + first, x + last + 1):
            under.set(at, "▔", self.ink(self.palette.accent))
        per_cell = f"{format_size(viewport.cell)}/cell"
        unit = unit_of((viewport.start, viewport.end))
        scale = f"{unit.span(viewport.start, viewport.end)}   {per_cell}"
        end = x + whole.columns
        at = x + last + 2 if x + last + 2 + len(scale) <= end else x + first - 1 - len(scale)
        if at < x:
            # the window is most of the disk: no room beside its line
            scale, at = per_cell, 3
        under.put(at, scale, self.ink(self.palette.dim))

    def guest(self) -> None:
        self.track(GUEST)
        if not self.scene.disk.is_file and not self.scene.disk.round_trip:
            self.ribbon(self.rows[self.layout.ribbon])

    def ribbon(self, row: Line) -> None:
        """Draw which layer supplies most of each cell."""
        row.put(3, "supplied by", self.ink(self.palette.dim))
        if betrays("suppliers", self.scene.asking):
            row.put(self.x, "hidden until you answer", self.ink(self.palette.dim))
            return
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
        rows = self.track(depth)
        if not scene.disk.round_trip:
            colour = self.palette.supplier(depth, len(scene.disk.tracks))
            for row in rows:
                row.set(1, "▌", self.ink(colour, row.ink_at(1).bg))
            # the chain goes on to the next layer
            under = layout.rows_of(depth).stop
            if under < layout.used and depth + 1 < len(scene.disk.tracks):
                self.rows[under].set(1, "▏", self.ink(colour))
        if error := scene.disk.error_of(depth):
            self.error(rows[len(rows) // 2], error)
        else:
            self.end(rows[len(rows) // 2], depth)

    def fold(self, depths: range) -> None:
        """Draw several layers that hold nothing in view as one."""
        scene, row = self.scene, self.rows[self.layout.rows_of(depths.start).start]
        row.set(1, "▌", self.ink(self.palette.supplier(depths.start, len(scene.disk.tracks))))
        row.put(3, f"{len(depths)} layers defer ▸", self.ink(self.palette.dim))
        draw_strip([row], scene.disk.tracks[depths.start], scene.viewport, scene.semantics, self.look)

    def more(self) -> None:
        """Say how many layers there are where some have no room."""
        for row, sign, count in self.layout.more:
            self.rows[row].put(1, "▏", self.ink(self.palette.rule))
            self.rows[row].put(3, f"{sign} {count} more", self.ink(self.palette.dim))

    def end(self, row: Line, depth: int) -> None:
        """Say behind a layer that is shorter than the disk where it ends, if there is room."""
        size = self.scene.disk.tracks[depth].size
        at = max(0, self.scene.viewport.column_of(size - 1) + 1)
        text = f"ends at {exact_size(size)}" if size else "0 bytes"
        if len(text) + 1 < self.shown - at:
            row.put(self.x + at + 1, text, self.ink(self.palette.dim))

    def error(self, row: Line, error: str) -> None:
        """Write why a layer is not there into its track."""
        text = f" {shorten(error, self.shown - 4)} "
        row.put(self.x + 1, text, self.ink(self.palette.text, bold=True))

    def track(self, selected: int) -> list[Line]:
        """Draw the label of a track and its strip; return its rows."""
        scene, span = self.scene, self.layout.rows_of(selected)
        rows, track = self.rows[span.start : span.stop], scene.disk.track(selected)
        chosen = selected == scene.selected or (scene.disk.is_file and not scene.disk.uses)
        palette = self.palette
        ground = palette.selected if chosen else palette.page
        inks = [self.ink(palette.text, ground, bold=chosen or selected == GUEST)]
        inks += [self.ink(palette.dim, ground)] * len(rows)
        for row in rows:
            row.put(0, " " * (self.x - 1), inks[-1])
            if chosen:
                row.set(0, "▌", self.ink(palette.accent, ground))
        for nth, text in enumerate(label_of(scene, selected, len(rows))):
            # of a name the end tells, of all else the start
            cut = clip(text, self.x - 4) if nth else self.names.get(selected) or shorten(text, self.x - 4)
            rows[nth].put(3, cut, inks[nth])
            if not text and not scene.asking:
                draw_shares(rows[nth], 3, self.x - 2, track, scene, palette)
        if scene.disk.size:
            draw_strip(rows, track, scene.viewport, scene.semantics, self.look)
        return rows

    def under(self) -> None:
        """Draw under the selected track how many extents each cell holds, and the bracket of the cursor's."""
        scene, bracket = self.scene, self.layout.bracket
        if bracket is not None and scene.disk.size:
            row = self.rows[bracket]
            if draw_density(row, self.x, scene.track, scene.viewport, self.palette):
                row.put(3, "density", self.ink(self.palette.dim))
            self.bracket(row)

    def bracket(self, row: Line) -> None:
        """Draw the bracket under the extent at the cursor."""
        scene = self.scene
        run = scene.run
        if run is None:
            return
        viewport, (start, end) = scene.viewport, scene.track.bounds(run)
        first = max(0, viewport.column_of(start))
        last = min(viewport.columns - 1, viewport.column_of(end - 1))
        bracket = "╵" if first == last else "╰" + "─" * (last - first - 1) + "╯"
        row.put(self.x + first, bracket, self.ink(self.palette.accent))

    def drill(self) -> None:
        """Draw the line through all tracks at the cursor, heavy in the selected one."""
        layout = self.layout
        if self.scene.disk.size:
            one = self.scene.disk.is_file and not self.scene.disk.uses
            selected = layout.rows_of(GUEST if one else self.scene.selected)
            for y in range(layout.guest_top, layout.used):
                draw_drill(self.rows[y], self.drill_at, self.palette, heavy=y in selected)
