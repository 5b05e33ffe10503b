"""The inspector: the extent under the cursor, the core sample through all layers, shares of the whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from blockstrata.text.printable import base_name
from blockstrata.text.sizes import format_size
from blockstrata_viewer.draw.extent import Pen, draw_extent, draw_withheld
from blockstrata_viewer.draw.lines import Ink, Line, clip, shorten, wrapped
from blockstrata_viewer.draw.palette import palette_of
from blockstrata_viewer.draw.sample import draw_sample
from blockstrata_viewer.draw.strips import draw_swatch, solid_cell
from blockstrata_viewer.draw.units import counted, in_parts, percents, sizes
from blockstrata_viewer.draw.use import draw_use
from blockstrata_viewer.model.round_trip import kind_of
from blockstrata_viewer.model.scene import GUEST, Scene
from blockstrata_viewer.model.states import State
from blockstrata_viewer.model.switch import word_of
from blockstrata_viewer.model.track import LENGTHS

_SPLIT_SHARE: Final = 0.55
_LEAST_SAMPLE: Final = 4
"""Rows that the core sample has beside the chain, if there are as many."""
_LEAST_SHARES: Final = 4
"""Rows from which it is shown, under the core sample, which layers the guest reads from."""
_FLAGS: Final = {
    "LOCAL": "from here, not from below",
    "ZERO": "reads as zeroes",
    "ALLOC": "storage is reserved",
    "OFFSET_VALID": "the host offset is valid",
    "DATA": "data, or storage for it",
    "HOLE": "nothing is allocated",
}
"""What a flag says, in 25 cells."""
_AMOUNTS: Final = 19
"""Cells of a size and a share, with one before them."""


def draw_inspector(scene: Scene, width: int, height: int, *, side: bool) -> list[Line]:
    """Return the inspector's rows: two columns under the chain, or parts beside it.  Needs no app."""
    palette = palette_of(scene)
    rows = _blank(scene, width, height)
    if scene.asking:
        draw_withheld(Pen(rows[1:] if side else rows, 2, width - 2, scene, wraps=side), scene)
        return rows
    if side:
        _draw_beside(scene, rows[1:], width)
        return rows
    split = int(width * _SPLIT_SHARE)
    for wraps in (True, False):
        rows = _blank(scene, width, height)
        pen = Pen(rows, 2, split - 2, scene, wraps=wraps)
        _draw_here(pen, scene, is_tall=False)
        if pen.used <= height:
            # words go on in the next row only where nothing is lost by it
            break
    for row in rows:
        row.put(split, "│", Ink(palette.rule, palette.panel))
    if scene.uses:
        _draw_layer(rows, split + 2, width - 1, scene)
        return rows
    rest = rows[_draw_through(rows, split + 2, width - 1, scene) + 1 :]
    if len(rest) >= _LEAST_SHARES and not scene.disk.round_trip and not scene.disk.is_file:
        _draw_suppliers(rest, split + 2, width - 1, scene)
    return rows


def _draw_here(pen: Pen, scene: Scene, *, is_tall: bool) -> None:
    if scene.uses and not scene.span:
        draw_use(pen, scene, scene.uses, is_tall=is_tall)
    else:
        draw_extent(pen, scene, is_tall=is_tall)


def _blank(scene: Scene, width: int, height: int) -> list[Line]:
    palette = palette_of(scene)
    return [Line(width, Ink(palette.text, palette.panel)) for _ in range(height)]


def _draw_beside(scene: Scene, rows: list[Line], width: int) -> None:
    """Draw all parts one under the other, with a row between them; what has no room is left out."""
    pen = Pen(rows, 2, width - 2, scene, wraps=True)
    _draw_here(pen, scene, is_tall=True)
    rows = rows[pen.used + 1 :]
    layer_rows = len(scene.track.by_state(scene.semantics)) + 2
    if not scene.uses:
        room = max(_LEAST_SAMPLE, len(rows) - layer_rows - 1)
        rows = rows[_draw_through(rows[:room], 2, width - 2, scene) + 1 :]
    _draw_layer(rows[:layer_rows], 2, width - 2, scene)
    rows = rows[layer_rows + 1 :]
    if not scene.disk.round_trip and not scene.disk.is_file:
        rows = rows[_draw_suppliers(rows, 2, width - 2, scene) + 1 :]
    if not scene.uses:
        rows = rows[_draw_flags(rows, 2, width - 2, scene) + 1 :]
    _draw_lengths(rows, 2, width - 2, scene)


def _draw_through(lines: list[Line], x: int, end: int, scene: Scene) -> int:
    """Draw what is at the cursor from the first track to the last: all layers, or how a round trip goes.

    Return how many rows that took.
    """
    if not scene.disk.round_trip:
        return draw_sample(lines, x, end, scene)
    pen = Pen(lines, x, end, scene, wraps=True)
    _draw_round_trip(pen, scene)
    if pen.used > len(lines):
        for line in lines:
            line.put(x, " " * (end - x), Ink(pen.palette.text, pen.palette.panel))
        pen = Pen(lines, x, end, scene, wraps=False)
        _draw_round_trip(pen, scene)
    return pen.used


def _draw_round_trip(pen: Pen, scene: Scene) -> None:
    """Write by what rules a round trip goes, and how much differs at its end."""
    palette, wire, tracks = pen.palette, scene.wire, scene.disk.round_trip
    if wire is None or tracks is None:
        return
    sent = tracks.sent(wire)
    pen.line(("ROUND TRIP  ", palette.accent, True), (wire.server.title, palette.text, False))
    for name, rule in (("server", wire.rule), ("client", wire.client_rule)):
        first, *others = wrapped(rule, pen.end - pen.x - 8) if pen.wraps else [rule]
        pen.field(name, first)
        for words in others:
            pen.field("", words)
    losses = sent.losses()
    kept = len(sent) - sent.lossy_runs, int(sent.length.sum()) - sent.lossy_bytes
    _, amounts = sizes([size for *_, size in losses] + [kept[1]])
    pen.field("differ", f"{sent.lossy_runs:,} of {counted(len(sent), 'extent')}")
    for (names, runs, _), amount in zip(losses, amounts, strict=False):
        pen.field(kind_of(names), names, f"{amount}, {counted(runs, 'extent')}")
    pen.field("kept", amounts[-1], counted(kept[0], "extent"))


def _draw_layer(rows: list[Line], x: int, end: int, scene: Scene) -> None:
    """Draw the selected track as a whole: a bar of shares, and bytes and percent of each state."""
    palette, track = palette_of(scene), scene.track
    totals = sorted(track.by_state(scene.semantics).items(), key=lambda item: item[0].paint)
    title = "STATION" if scene.disk.round_trip else "FILE" if scene.disk.is_file else "LAYER"
    title = "GUEST" if title == "LAYER" and scene.selected == GUEST else title
    if scene.uses:
        # in little room, what most of the file is for
        totals.sort(key=lambda item: -item[1])
        totals = _fewer(totals, len(rows) - 2)
    amounts = [total for _, total in totals]
    inks = [solid_cell(state.paint, palette) for state, _ in totals]
    _draw_shares(rows, x, end, scene, title, amounts, inks)
    for row, (state, _) in zip(rows[2:], totals, strict=False):
        draw_swatch(row, x, state.paint, palette)
        letters = f"{state.letters:<4} " if state.letters or not scene.uses else ""
        at = row.put(x + 3, letters, Ink(palette.text, palette.panel))
        row.put(at, clip(state.short, end - at - _AMOUNTS), Ink(palette.dim, palette.panel))


def _fewer(totals: list[tuple[State, int]], rows: int) -> list[tuple[State, int]]:
    """Return as many totals as there are rows, the last of them that of all others together."""
    if len(totals) <= rows or rows < 1:
        return totals
    rest = totals[rows - 1 :]
    others = replace(rest[0][0], short=f"{len(rest)} others", letters="")
    return [*totals[: rows - 1], (others, sum(total for _, total in rest))]


def _draw_suppliers(rows: list[Line], x: int, end: int, scene: Scene) -> int:
    """Draw which layers the guest reads from, those that supply most first, and how many more there are.

    Return how many rows that took.
    """
    palette, disk = palette_of(scene), scene.disk
    suppliers, layers = disk.guest.suppliers, len(disk.layers)
    if suppliers.kinds != layers or not disk.size:
        # a band of several layers has no name
        return 0
    totals = [(depth, total) for depth, total in enumerate(suppliers.totals().tolist()) if total]
    totals.sort(key=lambda item: -item[1])
    colours = [palette.supplier(depth, layers) for depth, _ in totals]
    inks = [
        (str(depth)[-1] if palette.is_mono else "█", Ink(colour, palette.panel))
        for (depth, _), colour in zip(totals, colours, strict=True)
    ]
    room = len(rows) - 2
    _draw_shares(rows, x, end, scene, "SUPPLIED BY", [total for _, total in totals], inks)
    for nth, (row, (depth, _)) in enumerate(zip(rows[2:], totals, strict=False)):
        if nth == room - 1 and len(totals) > room:
            row.put(x, " " * (end - x), Ink(palette.dim, palette.panel))
            row.put(x, f"▾ {len(totals) - nth} more", Ink(palette.dim, palette.panel))
            break
        row.put(x, "▌", Ink(colours[nth], palette.panel))
        name = shorten(base_name(disk.layers[depth].name), end - x - 2 - _AMOUNTS)
        row.put(x + 2, name, Ink(palette.dim, palette.panel))
        row.on_click(x, end, f"choose({depth})")
    return min(len(rows), len(totals) + 2)


def _draw_flags(rows: list[Line], x: int, end: int, scene: Scene) -> int:
    """Draw what each letter of the flags in force says, if there is room for all; return how many rows."""
    semantics = scene.wire.base if scene.wire else scene.semantics
    letters = semantics.lettered(is_protocol=scene.disk.is_file)
    if len(rows) <= len(letters):
        return 0
    palette = palette_of(scene)
    at = rows[0].put(x, "FLAGS", Ink(palette.accent, palette.panel, bold=True))
    rows[0].put(at + 2, word_of(semantics), Ink(palette.dim, palette.panel))
    for row, each in zip(rows[1:], letters, strict=False):
        row.put(x, each.letter, Ink(palette.text, palette.panel, bold=True))
        text = f"{each.name.lower():<13}{_FLAGS[each.name]}"
        row.put(x + 2, clip(text, end - x - 2), Ink(palette.dim, palette.panel))
    return len(letters) + 1


def _draw_lengths(rows: list[Line], x: int, end: int, scene: Scene) -> None:
    """Draw how long the extents of the selected track are: how many of each order, and a bar for it.

    Nothing where there is no room for all, or where extents are known in sum only.
    """
    palette, track = palette_of(scene), scene.track
    names = [*(f"below {format_size(limit)}" for limit in LENGTHS), f"{format_size(LENGTHS[-1])} and more"]
    if len(rows) <= len(names) or track.summaries or not track.count:
        return
    at = rows[0].put(x, "LENGTHS", Ink(palette.accent, palette.panel, bold=True))
    rows[0].put(at + 2, f"of {counted(track.count, 'extent')}", Ink(palette.dim, palette.panel))
    start, most = x + max(map(len, names)) + 2, max(track.by_length)
    room = end - start - len(f" {most:,}")
    for row, name, count in zip(rows[1:], names, track.by_length, strict=False):
        row.put(x, name, Ink(palette.dim, palette.panel))
        bar = "━" * max(count > 0, count * room // most)
        row.put(start, bar, Ink(palette.accent, palette.panel))
        text = f"{count:,}"
        row.put(end - len(text), text, Ink(palette.text, palette.panel))


def _draw_shares(
    rows: list[Line],
    x: int,
    end: int,
    scene: Scene,
    title: str,
    amounts: list[int],
    inks: list[tuple[str, Ink]],
) -> None:
    """Draw a title, a bar of parts of a whole, and in a row each how much they are; all of it adds up."""
    palette = palette_of(scene)
    if len(rows) < 3 or not sum(amounts):
        return
    whole, shown = sizes(amounts)
    at = rows[0].put(x, title, Ink(palette.accent, palette.panel, bold=True))
    rows[0].put(at + 2, f"share of {whole}", Ink(palette.dim, palette.panel))
    at = x
    for cells, (glyph, ink) in zip(in_parts(amounts, end - x), inks, strict=True):
        at = rows[1].put(at, glyph * cells, ink)
    for row, size, share in zip(rows[2:], shown, percents(amounts), strict=False):
        text = f"{size:>{_AMOUNTS - 8}} {share:>6}"
        row.put(end - len(text), text, Ink(palette.text, palette.panel))
