"""The extent under the cursor, what lies between two markers, and what a lesson keeps to itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from blockstrata.facts.codes import SYNTHESISED, Mapping, fact_words, mapping_of, storage_words
from blockstrata.semantics.historic import HISTORIC, present_words
from blockstrata.text.printable import base_name, printable
from blockstrata.text.sizes import format_size
from blockstrata_viewer.draw.lines import Ink, shorten
from blockstrata_viewer.draw.strips import draw_swatch
from blockstrata_viewer.draw.units import exact_size
from blockstrata_viewer.model.scene import STATIONS

if TYPE_CHECKING:
    from blockstrata_viewer.draw.pen import Pen
    from blockstrata_viewer.model.scene import Scene
    from blockstrata_viewer.model.track import Track

_WITHHELD: Final = "what stands here is asked below"


def draw_withheld(pen: Pen, scene: Scene) -> None:
    """Write where the cursor is, and nothing of what a lesson asks."""
    palette, run = pen.palette, scene.run
    head = (("EXTENT  ", palette.accent, True), (scene.name_of(scene.selected), palette.text, True))
    pen.line(*head, (f"  {_WITHHELD}", palette.dim, False))
    pen.line()
    pen.offset("at", scene.cursor)
    if run is not None:
        start, end = map(int, scene.track.view.extents.edges[run : run + 2])
        pen.offset("start", start)
        pen.offset("end", end)
        pen.field("length", format_size(end - start), f"{end - start:,} bytes")


def draw_extent(pen: Pen, scene: Scene) -> None:
    """Write which extent of the selected track is under the cursor, or what lies between two markers."""
    palette, track, run = pen.palette, scene.track, scene.run
    name = scene.name_of(scene.selected)
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
    widest = max(map(len, STATIONS)) if scene.disk.round_trip else 0
    for meaning in () if mapping_of(code) is Mapping.INVALID else scene.meanings(run):
        note = _note(track, run) if meaning.name == HISTORIC.switch else ""
        pen.state(meaning.state, f"{meaning.name:<{widest}}", note, in_force=meaning.in_force)
    start, end = int(view.extents.edges[run]), int(view.extents.edges[run + 1])
    pen.offset("start", start)
    pen.offset("end", end)
    pen.field("length", format_size(end - start), f"{end - start:,} bytes" if beside else f"{nth}{depth}")
    host = track.host_of(scene.cursor)
    via = " · via qemu-img" if "via" in layer.node.features() else ""
    if host is None:
        pen.field("host", "none", f"{_mapping(code)}{via}")
    else:
        file = base_name(layer.node.host.name)
        secret = "encrypted · " if layer.node.is_encrypted else ""
        what = f"{secret}{_mapping(code)} · "
        room = pen.end - pen.x - 10 - len(f"{host:#x}{what}{via}")
        pen.field("host", f"{host:#x}", f"{what}{shorten(file, room) if room >= 8 else file}{via}")
    if code & SYNTHESISED:
        pen.line(("synthesised: nothing below reaches here", palette.dim, False))


def _draw_span(pen: Pen, scene: Scene, start: int, end: int) -> None:
    """Write what lies between two markers, in the selected track."""
    palette, track = pen.palette, scene.track
    pen.line(("BETWEEN MARKERS", palette.accent, True))
    pen.offset("from", start)
    pen.offset("to", end)
    pen.field("length", format_size(end - start), f"{end - start:,} bytes")
    found = track.by_state(scene.semantics, (start, end))
    for state, amount in sorted(found.items(), key=lambda item: -item[1]):
        row = next(pen.rows, None)
        if row:
            draw_swatch(row, pen.x, state.paint, palette)
            at = row.put(pen.x + 3, f"{state.label:<6}", Ink(palette.text, palette.panel, bold=True))
            row.put(at, f"{format_size(amount):>10}  {state.short}", Ink(palette.dim, palette.panel))


def _note(track: Track, run: int) -> str:
    """Say whether QEMU calls a run ALLOCATED (``present`` in its map), which its letters do not show."""
    view = track.view
    table = HISTORIC.table(view.layers[int(view.source[run])].node.read_traits())
    return f"{present_words(int(table[int(view.extents.facts[run])]))} · "


def _mapping(code: int) -> str:
    return storage_words(code) if mapping_of(code) is Mapping.PASSTHROUGH else fact_words(code)
