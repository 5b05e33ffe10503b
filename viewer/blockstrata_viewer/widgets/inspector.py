"""The inspector: the extent under the cursor, the core sample through all layers, the layer as a whole."""

from __future__ import annotations

from dataclasses import replace
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from blockstrata.facts.codes import SYNTHESISED, Mapping, Storage, Traits, fact, mapping_of, storage_of
from blockstrata.semantics.historic import HISTORIC, Flag
from blockstrata.semantics.nbd import wire_of
from blockstrata.text.printable import base_name, printable
from blockstrata.text.sizes import format_size
from blockstrata_viewer.draw.lines import Ink, Line, clip, shorten
from blockstrata_viewer.draw.palette import palette_of
from blockstrata_viewer.draw.strips import solid_cell
from blockstrata_viewer.draw.units import exact_size
from blockstrata_viewer.model.scene import GUEST, STATIONS
from blockstrata_viewer.model.states import Paint, state_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.filter import LineFilter

    from blockstrata.semantics.nbd import Wire
    from blockstrata.semantics.table import Semantics
    from blockstrata_viewer.draw.palette import Palette
    from blockstrata_viewer.model.round_trip import RoundTripTracks
    from blockstrata_viewer.model.scene import Scene
    from blockstrata_viewer.model.states import State
    from blockstrata_viewer.model.track import Track

_SPLIT_SHARE: Final = 0.55
_EXTENT_LINES: Final = 7
"""Rows that the extent takes under the chain, if no words go on in a row of their own."""
_ROUND_TRIP_LINES: Final = 8
"""Rows that the account of a round trip takes."""
_SIDE_EXTENT: Final = 14
"""Rows of the extent in the panel beside the chain."""


_WITHHELD: Final = "what stands here is asked below"


def draw_inspector(scene: Scene, width: int, height: int, *, side: bool) -> list[Line]:
    """Return the inspector's rows: two columns under the chain, or three parts beside it.  Needs no app."""
    palette = palette_of(scene)
    rows = [Line(width, Ink(palette.text, palette.panel)) for _ in range(height)]
    if scene.asking:
        _draw_withheld(_Pen(rows[1:] if side else rows, 2, width - 2, palette), scene)
        return rows
    if not side:
        split = int(width * _SPLIT_SHARE)
        # where there are rows to spare, words go on in the next one
        _draw_extent(_Pen(rows, 2, split - 2, palette, wraps=height > _EXTENT_LINES + 1), scene)
        for row in rows:
            row.put(split, "│", Ink(palette.rule, palette.panel))
        _draw_sample(rows, split + 2, width - 1, scene)
        return rows
    _draw_extent(_Pen(rows[1:], 2, width - 2, palette, wraps=True), scene)
    layer_rows = min(len(scene.track.states(scene.semantics)) + 3, max(0, height - _SIDE_EXTENT - 4))
    sample = rows[_SIDE_EXTENT : max(_SIDE_EXTENT, height - layer_rows - 1)]
    sample = sample[: _ROUND_TRIP_LINES if scene.disk.round_trip else len(scene.disk.layers) + 1]
    _draw_sample(sample, 2, width - 2, scene)
    top = _SIDE_EXTENT + len(sample) + 1
    _draw_layer(rows[top : top + layer_rows], 2, width - 2, scene)
    return rows


class _Pen:
    """Writes lines into rows, one after another, as long as there are rows."""

    def __init__(self, rows: list[Line], x: int, end: int, palette: Palette, *, wraps: bool = False) -> None:
        self.rows = iter(rows)
        self.x = x
        self.end = end
        self.palette = palette
        self.wraps = wraps

    def line(self, *parts: tuple[str, str, bool]) -> None:
        """Write parts of (text, colour, bold) one after another, cut where the room ends."""
        row = next(self.rows, None)
        x = self.x
        for text, colour, bold in parts if row else ():
            x = row.put(x, clip(text, self.end - x), Ink(colour, self.palette.panel, bold)) if row else x

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
        x = row.put(self.x + 3, f"{name} " if name else "", Ink(palette.dim, palette.panel))
        x = row.put(x, f"{state.letters or state.short:<4} ", Ink(colour, palette.panel, bold=in_force))
        words, room = f"{note}{state.words}", max(1, self.end - x)
        first, *others = wrap(words, room) or [""] if self.wraps else [clip(words, room)]
        row.put(x, first, Ink(colour, palette.panel))
        for text in others:
            row = next(self.rows, None)
            if row:
                row.put(x, text, Ink(colour, palette.panel))


def draw_swatch(row: Line, x: int, paint: Paint, palette: Palette) -> None:
    """Draw two cells as a strip draws the paint; what falls through shows dots, or nothing would be seen."""
    glyph, ink = solid_cell(paint, palette)
    if paint is Paint.FALLS_THROUGH and not palette.is_mono:
        glyph, ink = "·", Ink(palette.faint, palette.track)
    row.put(x, glyph * 2, ink)


def _draw_withheld(pen: _Pen, scene: Scene) -> None:
    """Write where the cursor is, and nothing of what a lesson asks."""
    palette, run = pen.palette, scene.run
    head = (("EXTENT  ", palette.accent, True), (track_name(scene), palette.text, True))
    pen.line(*head, (f"  {_WITHHELD}", palette.dim, False))
    pen.line()
    pen.field("at", f"{scene.cursor:#014x}", exact_size(scene.cursor))
    if run is not None:
        start, end = map(int, scene.track.view.extents.edges[run : run + 2])
        pen.field("start", f"{start:#014x}", exact_size(start))
        pen.field("end", f"{end:#014x}", exact_size(end))
        pen.field("length", format_size(end - start), f"{end - start:,} bytes")


def _draw_extent(pen: _Pen, scene: Scene) -> None:
    palette, track, run = pen.palette, scene.track, scene.run
    name = track_name(scene)
    if scene.span:
        _draw_span(pen, scene, *scene.span)
        return
    if run is None:
        pen.line(("EXTENT  ", palette.accent, True), (name, palette.text, True))
        what = f"this layer ends at {track.size:#x}, {exact_size(track.size)}" if track.size else "0 bytes"
        pen.field("none", what)
        return
    view = track.view
    code = int(view.extents.facts[run])
    nth = f"one of about {track.count:,}" if track.summaries else f"{run + 1:,} of {track.count:,}"
    depth = "" if scene.disk.is_file else f" · depth {int(view.depth[run])}"
    place = f"extent {nth}{depth}"
    room = max(8, pen.end - pen.x - len("EXTENT  ") - 2)
    beside = len(name) + 2 + len(place) <= room
    head = (("EXTENT  ", palette.accent, True), (shorten(name, room), palette.text, True))
    pen.line(*head, *([(f"  {place}", palette.dim, False)] if beside else []))
    layer = view.layers[int(view.source[run])]
    if mapping_of(code) is Mapping.INVALID:
        state = track.state_at(run, scene.semantics)
        pen.state(replace(state, words=printable(layer.fault_at(scene.cursor))), "", "", in_force=True)
    for meaning in () if mapping_of(code) is Mapping.INVALID else scene.meanings(run):
        note = _note(track, run) if meaning.name == HISTORIC.switch else ""
        pen.state(meaning.state, f"{meaning.name:<{_widest(scene)}}", note, in_force=meaning.in_force)
    start, end = int(view.extents.edges[run]), int(view.extents.edges[run + 1])
    pen.field("start", f"{start:#014x}", exact_size(start))
    pen.field("end", f"{end:#014x}", exact_size(end))
    pen.field("length", format_size(end - start), f"{end - start:,} bytes" if beside else f"{nth}{depth}")
    host = track.host_of(scene.cursor)
    via = " · via qemu-img" if "via" in layer.node.features() else ""
    if host is None:
        pen.field("host", "none", f"{_mapping(code)}{via}")
    else:
        file = base_name(layer.node.host.name)
        secret = "encrypted · " if layer.node.traits.encrypted else ""
        what = f"{secret}{_mapping(code)} · "
        room = pen.end - pen.x - 10 - len(f"{host:#x}{what}{via}")
        pen.field("host", f"{host:#x}", f"{what}{shorten(file, room) if room >= 8 else file}{via}")
    if code & SYNTHESISED:
        pen.line(("synthesised: nothing below reaches here", palette.dim, False))


def track_name(scene: Scene) -> str:
    """Return what the selected track is called."""
    wire = wire_of(scene.semantics)
    if scene.disk.round_trip and wire:
        return scene.disk.round_trip.label(scene.selected, wire)[0]
    return "guest sees" if scene.selected == GUEST else base_name(scene.disk.layers[scene.selected].name)


def _widest(scene: Scene) -> int:
    return max(map(len, STATIONS)) if scene.disk.round_trip else 0


def _draw_round_trip(pen: _Pen, tracks: RoundTripTracks, wire: Wire) -> None:
    """Write by what rules a round trip goes, and how much is lost on it."""
    palette, sent = pen.palette, tracks.sent(wire)
    pen.line(("ROUND TRIP  ", palette.accent, True), (wire.server.title, palette.text, False))
    for name, rule in (("server", wire.rule), ("client", wire.client_rule)):
        first, *others = wrap(rule, max(1, pen.end - pen.x - 8)) if pen.wraps else [rule]
        pen.field(name, first)
        for words in others:
            pen.field("", words)
    pen.field("lossy", f"{sent.lossy_runs:,} of {len(sent):,} runs")
    pen.field("", f"{format_size(sent.lossy_bytes)} of {format_size(int(sent.length.sum()))}")
    for names, runs, size in sent.losses():
        pen.field("", f"{names}: {runs:,} run{'' if runs == 1 else 's'}, {format_size(size)}")


def _draw_span(pen: _Pen, scene: Scene, start: int, end: int) -> None:
    """Write what lies between two markers, in the selected track."""
    palette, track = pen.palette, scene.track
    pen.line(("BETWEEN MARKERS", palette.accent, True))
    pen.field("from", f"{start:#014x}", exact_size(start))
    pen.field("to", f"{end:#014x}", exact_size(end))
    pen.field("length", format_size(end - start), f"{end - start:,} bytes")
    edges = [min(start, track.size), min(end, track.size)]
    (amounts,) = track.shares.between_list(edges)
    found: dict[State, int] = {}
    for state, amount in zip(track.states(scene.semantics), amounts, strict=True):
        if amount:
            found[state] = found.get(state, 0) + amount
    for state, amount in sorted(found.items(), key=lambda item: -item[1]):
        row = next(pen.rows, None)
        if row:
            draw_swatch(row, pen.x, state.paint, palette)
            letters = state.letters or state.short
            at = row.put(pen.x + 3, f"{letters:<6}", Ink(palette.text, palette.panel, bold=True))
            row.put(at, f"{format_size(amount):>10}  {state.short}", Ink(palette.dim, palette.panel))


def _note(track: Track, run: int) -> str:
    """Say whether QEMU calls a run ALLOCATED (``present`` in its map), which its letters do not show."""
    view = track.view
    table = HISTORIC.table(view.layers[int(view.source[run])].node.traits)
    flags = int(table[int(view.extents.facts[run])])
    return f"present {'yes' if flags & Flag.ALLOCATED else 'no'} · "


def _mapping(code: int) -> str:
    mapping = mapping_of(code).name.lower().replace("_", " ")
    storage = storage_of(code).name.lower().replace("_", " ")
    if mapping_of(code) is Mapping.PASSTHROUGH:
        return storage
    return mapping if storage_of(code) is Storage.NONE else f"{mapping} on {storage}"


def _draw_sample(rows: list[Line], x: int, end: int, scene: Scene) -> None:
    """Draw every layer at the cursor, active first, and which one the guest reads."""
    palette, disk = palette_of(scene), scene.disk
    wire = wire_of(scene.semantics)
    if disk.round_trip and wire:
        _draw_round_trip(
            _Pen(rows, x, end, palette, wraps=len(rows) > _EXTENT_LINES + 1), disk.round_trip, wire
        )
        return
    answering = disk.guest.run_at(scene.cursor)
    if not rows or answering is None:
        return
    rows[0].put(x, "CORE SAMPLE", Ink(palette.accent, palette.panel, bold=True))
    rows[0].put(x + 13, f"at {exact_size(scene.cursor)}", Ink(palette.dim, palette.panel))
    answers = int(disk.guest.view.source[answering])
    layers = len(disk.layers)
    first, shown = _sampled(layers, answers, len(rows) - 1)
    deeper = layers - first - shown
    if first:
        note = f"▴ {first} more"
        rows[0].put(end - len(note), note, Ink(palette.dim, palette.panel))
    if deeper and shown + 1 < len(rows):
        rows[shown + 1].put(x, f"… {deeper} more below", Ink(palette.dim, palette.panel))
    for row, depth in zip(rows[1:], range(first, first + shown), strict=False):
        track = disk.tracks[depth]
        row.put(x, "▌", Ink(palette.supplier(depth, layers), palette.panel))
        run = track.run_at(scene.cursor)
        is_answer = depth == answers
        colour = palette.text if is_answer else palette.dim
        letters = "ends"
        if run is not None:
            state = track.state_at(run, scene.semantics)
            draw_swatch(row, x + 2, state.paint, palette)
            letters = state.letters or state.short
        at = row.put(x + 5, f"{letters:<4} ", Ink(colour, palette.panel, bold=is_answer))
        mark = " ◀ the guest reads this" if end - at > 44 else " ◀ guest"
        mark = mark if is_answer and not disk.is_file else ""
        below = _protocol_letters(track, run, scene)
        room = max(4, end - at - len(mark))
        below = below if len(below) + 10 <= room else ""
        at = row.put(
            at,
            shorten(base_name(disk.layers[depth].name), room - len(below)),
            Ink(colour, palette.panel, is_answer),
        )
        at = row.put(at, below, Ink(palette.dim, palette.panel))
        row.put(at, mark, Ink(palette.accent, palette.panel, bold=True))


def _sampled(layers: int, answers: int, room: int) -> tuple[int, int]:
    """Return a core sample's first layer and how many have room beside a line that says what is below."""
    if layers <= room:
        return 0, layers
    shown = max(1, room - 1)
    first = max(0, min(answers - shown // 2, layers - shown))
    # at the end there is no more below
    return (max(0, layers - room), min(room, layers)) if first + shown == layers else (first, shown)


def _protocol_letters(track: Track, run: int | None, scene: Scene) -> str:
    """Say what the protocol layer answers for the host byte under the cursor: `` → file ·AO @ 0x50000``."""
    host = track.host_of(scene.cursor)
    if run is None or host is None:
        return ""
    view = track.view
    layer = view.layers[int(view.source[run])]
    if layer.node.traits.is_protocol:
        return ""
    driver = layer.node.traits.host_driver
    storage = storage_of(int(view.extents.facts[run]))
    below = Traits(host_driver=driver, is_protocol=True)
    state = state_of(scene.semantics, fact(Mapping.PASSTHROUGH, storage), below, settled=False)
    return f" → {driver} {state.letters} @ {host:#x}"


def _draw_layer(rows: list[Line], x: int, end: int, scene: Scene) -> None:
    """Draw the selected track as a whole: a bar of shares, and bytes and percent of each state."""
    if len(rows) < 3:
        return
    palette, track = palette_of(scene), scene.track
    totals = _totals(track, scene.semantics)
    whole = max(1, sum(totals.values()))
    rows[0].put(x, "LAYER", Ink(palette.accent, palette.panel, bold=True))
    rows[0].put(x + 7, f"share of {format_size(track.size)}", Ink(palette.dim, palette.panel))
    at, seen = x, 0
    for state, total in totals.items():
        seen += total
        until = x + round((end - x) * seen / whole)
        glyph, ink = solid_cell(state.paint, palette)
        rows[1].put(at, glyph * (until - at), ink)
        at = max(at, until)
    for row, (state, total) in zip(rows[2:], totals.items(), strict=False):
        draw_swatch(row, x, state.paint, palette)
        at = row.put(x + 3, f"{state.letters:<4} ", Ink(palette.text, palette.panel))
        row.put(at, clip(state.short, 16), Ink(palette.dim, palette.panel))
        amounts = f"{format_size(total):>9} {100 * total / whole:5.1f}%"
        row.put(end - len(amounts), amounts, Ink(palette.text, palette.panel))


def _totals(track: Track, semantics: Semantics) -> dict[State, int]:
    found: dict[State, int] = {}
    for state, total in zip(track.states(semantics), track.shares.totals().tolist(), strict=True):
        found[state] = found.get(state, 0) + total
    return dict(sorted(found.items(), key=lambda item: item[0].paint))


class Inspector(Widget):
    """Shows the place of a scene's cursor."""

    DEFAULT_CSS = "Inspector { width: 1fr; height: 9; }"

    scene: reactive[Scene | None] = reactive(None, always_update=True)
    side: reactive[bool] = reactive(False)

    def __init__(self) -> None:
        super().__init__()
        self._drawn: tuple[Scene, tuple[int, int], list[Strip]] | None = None

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return none: the colours are already the terminal's."""
        return []

    def render_line(self, y: int) -> Strip:
        """Return one line of a frame that is drawn once."""
        size = (self.size.width, self.size.height)
        if self.scene is None:
            return Strip.blank(size[0])
        if self._drawn is None or self._drawn[0] is not self.scene or self._drawn[1] != size:
            rows = draw_inspector(self.scene, *size, side=self.side)
            self._drawn = (self.scene, size, [row.strip() for row in rows])
        return self._drawn[2][y] if y < len(self._drawn[2]) else Strip.blank(size[0])
