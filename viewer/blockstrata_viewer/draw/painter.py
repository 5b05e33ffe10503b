"""One frame of the chain: overview, ruler, what the guest sees, one strip a layer, and the drill through all.

Needs no app, so that it can be tested and timed alone.
"""

from __future__ import annotations

from blockstrata.text.printable import base_name
from blockstrata.text.sizes import format_size
from blockstrata_viewer.draw.density import draw_density
from blockstrata_viewer.draw.enlarged import ENLARGED, draw_enlarged
from blockstrata_viewer.draw.layout import ChainLayout
from blockstrata_viewer.draw.lines import Ink, Line, clip, shorten
from blockstrata_viewer.draw.palette import palette_of
from blockstrata_viewer.draw.strips import LEFT, LOWER, Look, draw_strip
from blockstrata_viewer.draw.units import exact_size, short_count
from blockstrata_viewer.model.columns import Shown
from blockstrata_viewer.model.scene import GUEST, Scene
from blockstrata_viewer.model.states import Paint
from blockstrata_viewer.model.viewport import Viewport

_BRACKET = "╰─╯╵"
_LABEL_EVERY = 12
"""Columns that are at least from one label of the ruler to the next."""
_TICKS = 4
"""Ticks from label to label."""


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
        self.window(overview, rows[layout.WINDOW])
        self.ruler(rows[layout.RULER], rows[layout.TICKS])

    def window(self, row: Line, under: Line) -> None:
        """Draw what the guest sees on the whole disk, the window bright and underlined, with its scale."""
        scene, viewport, x = self.scene, self.scene.viewport, self.x
        whole = Viewport(scene.disk.size, viewport.columns).fit()
        dimmed = self.palette.outside()
        draw_strip([row], scene.disk.guest, whole, scene.semantics, Look(x, dimmed, letters=False))
        first = whole.column_of(viewport.start)
        last = whole.column_of(max(viewport.start, viewport.end - 1))
        window = Viewport(scene.disk.size, last - first + 1, whole.cell, first)
        bright = Look(x + first, self.palette, letters=False)
        draw_strip([row], scene.disk.guest, window, scene.semantics, bright)
        for at in range(x + first, x + last + 1):
            under.set(at, "▔", self.ink(self.palette.accent))
        per_cell = f"{format_size(viewport.cell)}/cell"
        scale = f"{exact_size(viewport.start)} – {exact_size(viewport.end)}   {per_cell}"
        end = x + whole.columns
        at = x + last + 2 if x + last + 2 + len(scale) <= end else x + first - 1 - len(scale)
        if at < x:
            # the window is most of the disk: no room beside its line
            scale, at = per_cell, 3
        under.put(at, scale, self.ink(self.palette.dim))

    def ruler(self, labels: Line, ticks: Line) -> None:
        """Draw round offsets along the strips, and over them the cursor's own and the pointer's in badges."""
        scene, palette, viewport, x = self.scene, self.palette, self.scene.viewport, self.x
        badges = [(scene.cursor, palette.badge, palette.on_badge)]
        if scene.hover is not None:
            badges.append((scene.hover, palette.rule, palette.text))
        taken: list[range] = []
        for offset, ground, colour in badges:
            text = f" {exact_size(offset)} "
            column = viewport.column_of(offset)
            at = max(x, min(x + column - len(text) // 2, x + viewport.columns - len(text)))
            if not any(at < span.stop and span.start < at + len(text) for span in taken):
                labels.put(at, text, self.ink(colour, ground, bold=True))
                taken.append(range(at - 1, at + len(text) + 1))
            if offset == scene.cursor:
                taken.append(self.enlarged(labels, at, at + len(text)))
        ticks.put(x, "─" * self.shown, self.ink(palette.rule))
        # of round offsets, the cells that hold them
        apart = 1 << (viewport.cell * _LABEL_EVERY - 1).bit_length()
        step = apart // _TICKS
        for offset in range(-(-viewport.start // step) * step, viewport.end, step):
            at = x + viewport.column_of(offset)
            labelled = offset % apart == 0
            ticks.set(at, "┬", self.ink(palette.dim if labelled else palette.rule))
            label = exact_size(offset) if labelled else ""
            end = at + len(label)
            free = not any(at < span.stop and span.start < end for span in taken)
            if label and free and end <= x + viewport.columns:
                labels.put(at, label, self.ink(palette.dim))
                taken.append(range(at - 1, end + 1))
        marks = [(scene.cursor, "┴", palette.accent)]
        marks += [(marker, "◆", palette.paints[Paint.RESERVED]) for marker in scene.markers]
        for offset, glyph, colour in marks:
            if 0 <= viewport.column_of(offset) < self.shown:
                ticks.set(x + viewport.column_of(offset), glyph, self.ink(colour))

    def enlarged(self, row: Line, start: int, end: int) -> range:
        """Draw the cell under the drill enlarged beside the badge, and return the cells that it takes."""
        scene = self.scene
        at = end if end + ENLARGED <= self.x + self.layout.columns else start - ENLARGED
        if scene.asking or at < self.x:
            return range(0)
        track, viewport = scene.track, scene.viewport
        is_drawn = draw_enlarged(row, at, ENLARGED, track, viewport, scene.cursor, scene.semantics, self.look)
        return range(at - 1, at + ENLARGED + 1) if is_drawn else range(0)

    def guest(self) -> None:
        self.track(GUEST)
        if not self.scene.disk.is_file and not self.scene.disk.round_trip:
            self.ribbon(self.rows[self.layout.RIBBON])

    def ribbon(self, row: Line) -> None:
        """Draw which layer supplies most of each cell."""
        row.put(3, "supplied by", self.ink(self.palette.dim))
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
        # None where layers stand close
        under = self.rows[layout.rows_of(depth).stop] if layout.gap else None
        if not scene.disk.round_trip:
            node, colour = scene.disk.layers[depth].node, self.palette.supplier(depth, len(scene.disk.tracks))
            if len(rows) > 2 and "via" in node.features():
                ink = self.ink(self.palette.dim, rows[2].ink_at(3).bg)
                rows[2].put(3, shorten(f"{node.driver} via qemu-img", self.x - 5), ink)
            for row in rows:
                row.set(1, "▌", self.ink(colour, row.ink_at(1).bg))
            if under and depth + 1 < layout.first + layout.shown:
                under.set(1, "▏", self.ink(colour))
        if error := scene.disk.error_of(depth):
            self.error(rows[len(rows) // 2], error)
        if under and depth == scene.selected:
            self.density(under)
            self.bracket(under)

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
        if disk.is_file:
            node = disk.layers[0].node
            return base_name(node.name), f"{node.driver} · host bytes"
        name = self.scene.name_of(selected)
        if selected == GUEST:
            return name, "merged view"
        if disk.error_of(selected):
            return name, "cannot be read"
        track = disk.tracks[selected]
        about = "~" if track.summaries else ""
        extents = f"{about}{short_count(track.count)} extent" + ("" if track.count == 1 else "s")
        return name, f"{format_size(disk.layers[selected].size)} {extents}"

    def error(self, row: Line, error: str) -> None:
        """Write why a layer is not there into its track."""
        text = f" {shorten(error, self.shown - 4)} "
        row.put(self.x + 1, text, self.ink(self.palette.text, bold=True))

    def track(self, selected: int) -> list[Line]:
        """Draw the label of a track and its strip; return its rows."""
        scene, span = self.scene, self.layout.rows_of(selected)
        rows = self.rows[span.start : span.stop]
        name, details = self.words_of(selected)
        chosen = selected == scene.selected or scene.disk.is_file
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
        if scene.disk.size:
            draw_strip(rows, scene.disk.track(selected), scene.viewport, scene.semantics, self.look)
        return rows

    def density(self, row: Line) -> None:
        """Draw how many extents each cell of the selected track holds."""
        scene = self.scene
        if scene.disk.size and draw_density(row, self.x, scene.track, scene.viewport, self.palette):
            row.put(3, "density", self.ink(self.palette.dim))

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
        layout, palette, at = self.layout, self.palette, self.drill_at
        if not self.scene.disk.size:
            return
        selected = layout.rows_of(GUEST if self.scene.disk.is_file else self.scene.selected)
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
