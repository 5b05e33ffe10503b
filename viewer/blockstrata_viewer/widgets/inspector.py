"""The inspector: the extent under the cursor, and the core sample, every layer at that offset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from blockstrata.facts import NO_HOST, SYNTHESISED, Mapping, Storage, mapping_of, storage_of
from blockstrata.printable import printable
from blockstrata.semantics import SEMANTICS
from blockstrata.semantics.historic import HISTORIC, Flag
from blockstrata.sizes import format_size
from blockstrata_viewer.palette import Paint, ramp, state_of
from blockstrata_viewer.rows import Ink, Row, clip, shorten
from blockstrata_viewer.scene import GUEST
from blockstrata_viewer.units import exact_size

if TYPE_CHECKING:
    from blockstrata.semantics.table import Semantics
    from blockstrata_viewer.disk import Track
    from blockstrata_viewer.palette import Palette, State
    from blockstrata_viewer.scene import Scene

_SPLIT_SHARE = 0.55
_EXTENT_LINES = 9


def draw_inspector(scene: Scene, width: int, height: int, *, side: bool) -> list[Row]:
    """Return the inspector's rows: two columns under the chain, or one beside it.  Needs no app."""
    palette = scene.palette
    ground = Ink(palette.text, palette.panel)
    rows = [Row(width, ground) for _ in range(height)]
    if side:
        _draw_extent(rows[1:], 2, width - 2, scene)
        _draw_sample(rows[_EXTENT_LINES + 2 :], 2, width - 2, scene)
    else:
        split = int(width * _SPLIT_SHARE)
        _draw_extent(rows, 2, split - 2, scene)
        for row in rows:
            row.put(split, "│", Ink(palette.rule, palette.panel))
        _draw_sample(rows, split + 2, width - 1, scene)
    return rows


class _Pen:
    """Writes label and value lines into rows, one after another, as long as there are rows."""

    def __init__(self, rows: list[Row], x: int, end: int, palette: Palette) -> None:
        self.rows = iter(rows)
        self.x = x
        self.end = end
        self.palette = palette

    def line(self, *parts: tuple[str, str, bool]) -> None:
        """Write parts of (text, colour, bold) one after another; shortened to what room there is."""
        row = next(self.rows, None)
        if row is None:
            return
        x = self.x
        for text, colour, bold in parts:
            x = row.put(x, shorten(text, max(0, self.end - x)), Ink(colour, self.palette.panel, bold))

    def field(self, name: str, value: str, more: str = "") -> None:
        """Write a name, its value, and what else there is to say of it."""
        palette = self.palette
        gap = "  " if more else ""
        self.line(
            (f"{name:<8}", palette.dim, False), (value, palette.text, False), (gap + more, palette.dim, False)
        )

    def state(self, state: State, name: str, note: str, *, in_force: bool) -> None:
        """Write a state under a semantics: swatch, letters, words."""
        row = next(self.rows, None)
        if row is None:
            return
        palette = self.palette
        colour = palette.text if in_force else palette.dim
        draw_swatch(row, self.x, state.paint, palette)
        x = row.put(self.x + 3, f"{name} ", Ink(palette.dim, palette.panel))
        x = row.put(x, f"{state.letters or state.short:<5}", Ink(colour, palette.panel, bold=in_force))
        row.put(x, clip(f"{note}{state.words}", max(0, self.end - x)), Ink(colour, palette.panel))


def draw_swatch(row: Row, x: int, paint: Paint, palette: Palette) -> None:
    """Draw two cells as a strip draws the paint."""
    colour = palette.paints[paint]
    glyphs = {
        Paint.ZERO_AT_OFFSET: ("··", Ink(palette.dots, colour)),
        Paint.INVALID: ("╱╱", Ink(colour, palette.page)),
        Paint.UNREAD: ("╱╱", Ink(palette.dots, palette.page)),
        Paint.DEFERRED_RESERVED: ("▂▂", Ink(colour, palette.track)),
        Paint.FALLS_THROUGH: ("··", Ink(palette.faint, palette.track)),
    }
    text, ink = glyphs.get(paint, ("  ", Ink(palette.text, colour)))
    row.put(x, text, ink)


def _state(track: Track, run: int, semantics: Semantics) -> State:
    view = track.view
    code = int(view.extents.facts[run])
    traits = view.layers[int(view.source[run])].node.traits
    return state_of(semantics, code, traits, settled=not view.in_place)


def _draw_extent(rows: list[Row], x: int, end: int, scene: Scene) -> None:
    palette, track, run = scene.palette, scene.track, scene.run
    pen = _Pen(rows, x, end, palette)
    name = "guest sees" if scene.selected == GUEST else _name(scene, scene.selected)
    if run is None:
        pen.line(("EXTENT  ", palette.accent, True), (name, palette.dim, False))
        pen.field("", "nothing here", f"this layer ends at {track.size:#x}, {exact_size(track.size)}")
        return
    view = track.view
    code = int(view.extents.facts[run])
    depth = int(view.depth[run])
    place = f"  depth {depth} · extent {run + 1:,} of {len(track):,}"
    room = max(0, end - x - len("EXTENT  ") - len(place))
    pen.line(
        ("EXTENT  ", palette.accent, True),
        (shorten(name, room), palette.text, True),
        (place, palette.dim, False),
    )
    ordered = sorted(SEMANTICS, key=lambda semantics: semantics is not scene.semantics)
    for semantics in ordered:
        note = _note(track, run) if semantics is HISTORIC else ""
        in_force = semantics is scene.semantics
        pen.state(_state(track, run, semantics), semantics.switch, note, in_force=in_force)
    start, stop = int(view.extents.edges[run]), int(view.extents.edges[run + 1])
    pen.field("start", f"{start:#014x}", exact_size(start))
    pen.field("end", f"{stop:#014x}", exact_size(stop))
    pen.field("length", format_size(stop - start), f"{stop - start:,} bytes")
    host = int(view.extents.host[run])
    layer = view.layers[int(view.source[run])]
    if host == NO_HOST:
        pen.field("host", "none", _mapping(code))
    else:
        at = host + scene.cursor - start
        pen.field(
            "host", f"{at:#x}", f"{printable(layer.node.host.name.rpartition('/')[2])} · {_mapping(code)}"
        )
    fault = layer.node.fault_at(scene.cursor) if mapping_of(code) is Mapping.INVALID else ""
    if fault:
        pen.line((fault, palette.paints[Paint.SUSPICIOUS], True))
    elif code & SYNTHESISED:
        pen.line(("synthesised by the block layer: nothing below reaches here", palette.dim, False))


def _note(track: Track, run: int) -> str:
    """Say whether QEMU calls a run allocated, which its letters do not show."""
    view = track.view
    table = HISTORIC.table(view.layers[int(view.source[run])].node.traits)
    flags = int(table[int(view.extents.facts[run])])
    return "ALLOCATED: " if flags & Flag.ALLOCATED else "not ALLOCATED: "


def _mapping(code: int) -> str:
    mapping = mapping_of(code).name.lower().replace("_", " ")
    storage = storage_of(code)
    return mapping if storage is Storage.NONE else f"{mapping} on {storage.name.lower().replace('_', ' ')}"


def _name(scene: Scene, depth: int) -> str:
    name = scene.disk.layers[depth].name
    return printable(name.rpartition("/")[2] or name)


def _draw_sample(rows: list[Row], x: int, end: int, scene: Scene) -> None:
    """Draw every layer at the cursor, and which one the guest reads."""
    if not rows:
        return
    palette, disk = scene.palette, scene.disk
    rows[0].put(x, "CORE SAMPLE", Ink(palette.accent, palette.panel, bold=True))
    rows[0].put(x + 13, f"at {exact_size(scene.cursor)}", Ink(palette.dim, palette.panel))
    if not disk.size:
        return
    guest = disk.guest.view
    answers = int(guest.source[guest.extents.index_at(scene.cursor)])
    layers = len(disk.layers)
    shown = len(rows) - 1
    first = max(0, min(answers - shown // 2, layers - shown))
    for row, depth in zip(rows[1:], range(first, layers), strict=False):
        track = disk.tracks[depth]
        row.put(x, "▌", Ink(ramp(palette, depth, layers), palette.panel))
        inside = scene.cursor < track.size
        state = _state(track, track.view.extents.index_at(scene.cursor), scene.semantics) if inside else None
        is_answer = depth == answers
        colour = palette.text if is_answer else palette.dim if depth < answers else palette.faint
        if state:
            draw_swatch(row, x + 2, state.paint, palette)
        letters = state.letters or "?" if state else "ends"
        at = row.put(x + 5, f"{letters:<5}", Ink(colour, palette.panel, bold=is_answer))
        mark = " ◀ the guest reads this" if end - at > 40 else " ◀ guest"
        room = max(0, end - at - (len(mark) if is_answer else 0))
        at = row.put(at, shorten(_name(scene, depth), room), Ink(colour, palette.panel, bold=is_answer))
        if is_answer:
            row.put(at, mark, Ink(palette.accent, palette.panel, bold=True))


class Inspector(Widget):
    """Shows the place of a scene's cursor."""

    DEFAULT_CSS = "Inspector { width: 1fr; height: 9; }"

    scene: reactive[Scene | None] = reactive(None, always_update=True)
    side: reactive[bool] = reactive(False)

    def render_line(self, y: int) -> Strip:
        """Return one line; the widget is small enough to be drawn anew for each."""
        width, height = self.size
        if self.scene is None:
            return Strip.blank(width)
        return draw_inspector(self.scene, width, height, side=self.side)[y].strip()
