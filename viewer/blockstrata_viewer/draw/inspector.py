"""The inspector: the extent under the cursor, the core sample through all layers, the layer as a whole."""

from __future__ import annotations

from textwrap import wrap
from typing import Final

from blockstrata.facts.codes import Mapping, Traits, fact, storage_of
from blockstrata.semantics.nbd import Wire
from blockstrata.text.printable import base_name
from blockstrata.text.sizes import format_size
from blockstrata_viewer.draw.extent import Pen, draw_extent, draw_withheld
from blockstrata_viewer.draw.lines import Ink, Line, clip, shorten
from blockstrata_viewer.draw.palette import palette_of
from blockstrata_viewer.draw.strips import draw_swatch, solid_cell
from blockstrata_viewer.draw.units import counted, exact_size
from blockstrata_viewer.model.round_trip import RoundTripTracks
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.model.states import state_of
from blockstrata_viewer.model.track import Track

_SPLIT_SHARE: Final = 0.55
_EXTENT_LINES: Final = 7
"""Lines that the extent takes under the chain, if no words go on in a line of their own."""
_ROUND_TRIP_LINES: Final = 8
"""Lines that the account of a round trip takes."""
_SIDE_EXTENT: Final = 14
"""Lines of the extent in the panel beside the chain."""


def draw_inspector(scene: Scene, width: int, height: int, *, side: bool) -> list[Line]:
    """Return the inspector's rows: two columns under the chain, or three parts beside it.  Needs no app."""
    palette = palette_of(scene)
    rows = [Line(width, Ink(palette.text, palette.panel)) for _ in range(height)]
    if scene.asking:
        draw_withheld(Pen(rows[1:] if side else rows, 2, width - 2, palette), scene)
        return rows
    if not side:
        split = int(width * _SPLIT_SHARE)
        # where there are rows to spare, words go on in the next one
        draw_extent(Pen(rows, 2, split - 2, palette, wraps=height > _EXTENT_LINES + 1), scene)
        for row in rows:
            row.put(split, "│", Ink(palette.rule, palette.panel))
        _draw_through(rows, split + 2, width - 1, scene)
        return rows
    draw_extent(Pen(rows[1:], 2, width - 2, palette, wraps=True), scene)
    layer_rows = min(len(scene.track.states(scene.semantics)) + 3, max(0, height - _SIDE_EXTENT - 4))
    sample = rows[_SIDE_EXTENT : max(_SIDE_EXTENT, height - layer_rows - 1)]
    sample = sample[: _ROUND_TRIP_LINES if scene.disk.round_trip else len(scene.disk.layers) + 1]
    _draw_through(sample, 2, width - 2, scene)
    top = _SIDE_EXTENT + len(sample) + 1
    _draw_layer(rows[top : top + layer_rows], 2, width - 2, scene)
    return rows


def _draw_through(lines: list[Line], x: int, end: int, scene: Scene) -> None:
    """Draw what is at the cursor from the first track to the last: all layers, or how a round trip goes."""
    wire, tracks = scene.wire, scene.disk.round_trip
    if tracks and wire:
        wraps = len(lines) > _EXTENT_LINES + 1
        _draw_round_trip(Pen(lines, x, end, palette_of(scene), wraps=wraps), tracks, wire)
    else:
        draw_sample(lines, x, end, scene)


def _draw_round_trip(pen: Pen, tracks: RoundTripTracks, wire: Wire) -> None:
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
        pen.field("", f"{names}: {counted(runs, 'run')}, {format_size(size)}")


def _draw_layer(rows: list[Line], x: int, end: int, scene: Scene) -> None:
    """Draw the selected track as a whole: a bar of shares, and bytes and percent of each state."""
    if len(rows) < 3:
        return
    palette, track = palette_of(scene), scene.track
    totals = sorted(track.by_state(scene.semantics).items(), key=lambda item: item[0].paint)
    whole = max(1, sum(total for _, total in totals))
    rows[0].put(x, "LAYER", Ink(palette.accent, palette.panel, bold=True))
    rows[0].put(x + 7, f"share of {format_size(track.size)}", Ink(palette.dim, palette.panel))
    at, seen = x, 0
    for state, total in totals:
        seen += total
        until = x + round((end - x) * seen / whole)
        glyph, ink = solid_cell(state.paint, palette)
        rows[1].put(at, glyph * (until - at), ink)
        at = max(at, until)
    for row, (state, total) in zip(rows[2:], totals, strict=False):
        draw_swatch(row, x, state.paint, palette)
        at = row.put(x + 3, f"{state.letters:<4} ", Ink(palette.text, palette.panel))
        row.put(at, clip(state.short, 16), Ink(palette.dim, palette.panel))
        amounts = f"{format_size(total):>9} {100 * total / whole:5.1f}%"
        row.put(end - len(amounts), amounts, Ink(palette.text, palette.panel))


def draw_sample(rows: list[Line], x: int, end: int, scene: Scene) -> None:
    """Draw every layer at the cursor, active first, and which one the guest reads."""
    palette, disk = palette_of(scene), scene.disk
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
            letters = state.label
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
    layer = track.layer_of(run)
    if layer.node.is_protocol:
        return ""
    driver = layer.node.host_driver
    storage = storage_of(int(track.view.extents.facts[run]))
    below = Traits(host_driver=driver, is_protocol=True)
    state = state_of(scene.semantics, fact(Mapping.PASSTHROUGH, storage), below, settled=False)
    return f" → {driver} {state.letters} @ {host:#x}"
