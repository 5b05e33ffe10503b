"""The inspector: the extent under the cursor, the core sample through all layers, the layer as a whole."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Final

from blockstrata.text.sizes import format_size
from blockstrata_viewer.draw.core_sample import draw_sample
from blockstrata_viewer.draw.extent import draw_extent, draw_withheld
from blockstrata_viewer.draw.lines import Ink, Line, clip
from blockstrata_viewer.draw.palette import palette_of
from blockstrata_viewer.draw.pen import Pen
from blockstrata_viewer.draw.strips import draw_swatch, solid_cell
from blockstrata_viewer.draw.units import counted

if TYPE_CHECKING:
    from blockstrata.semantics.nbd import Wire
    from blockstrata_viewer.model.round_trip import RoundTripTracks
    from blockstrata_viewer.model.scene import Scene

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
