"""The extent under the cursor, what lies between two markers, and what a lesson keeps to itself."""

from __future__ import annotations

from dataclasses import replace
from textwrap import wrap

from blockstrata.facts.codes import SYNTHESISED, Mapping, fact_words, mapping_of, storage_words
from blockstrata.semantics.historic import HISTORIC, present_words
from blockstrata.text.printable import base_name, printable
from blockstrata.text.sizes import format_size
from blockstrata_viewer.draw.lines import Ink, Line, clip, shorten
from blockstrata_viewer.draw.palette import Palette
from blockstrata_viewer.draw.strips import draw_swatch
from blockstrata_viewer.draw.units import exact_size
from blockstrata_viewer.model.scene import STATIONS, Scene
from blockstrata_viewer.model.states import State


class Pen:
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

    def offset(self, name: str, offset: int) -> None:
        """Write an offset, to the byte and for people."""
        self.field(name, f"{offset:#014x}", exact_size(offset))

    def span(self, names: tuple[str, str], span: tuple[int, int], more: str = "") -> None:
        """Write where something starts and ends, and its length; ``more`` in place of its bytes."""
        for name, offset in zip(names, span, strict=True):
            self.offset(name, offset)
        length = span[1] - span[0]
        self.field("length", format_size(length), more or f"{length:,} bytes")

    def state(self, state: State, name: str, note: str, *, in_force: bool) -> None:
        """Write a state under a semantics: swatch, letters, words."""
        row = next(self.rows, None)
        if row is None:
            return
        palette = self.palette
        colour = palette.text if in_force else palette.dim
        draw_swatch(row, self.x, state.paint, palette)
        x = row.put(self.x + 3, f"{name} " if name else "", Ink(palette.dim, palette.panel))
        x = row.put(x, f"{state.label:<4} ", Ink(colour, palette.panel, bold=in_force))
        words, room = f"{note}{state.words}", max(1, self.end - x)
        first, *others = wrap(words, room) or [""] if self.wraps else [clip(words, room)]
        row.put(x, first, Ink(colour, palette.panel))
        for text in others:
            row = next(self.rows, None)
            if row:
                row.put(x, text, Ink(colour, palette.panel))


def draw_withheld(pen: Pen, scene: Scene) -> None:
    """Write where the cursor is, and nothing of what a lesson asks."""
    palette, run = pen.palette, scene.run
    head = (("EXTENT  ", palette.accent, True), (scene.name_of(scene.selected), palette.text, True))
    pen.line(*head, ("  what stands here is asked below", palette.dim, False))
    pen.line()
    pen.offset("at", scene.cursor)
    if run is not None:
        pen.span(("start", "end"), scene.track.bounds(run))


def draw_extent(pen: Pen, scene: Scene) -> None:
    """Write which extent of the selected track is under the cursor, or what lies between two markers."""
    palette, track, run = pen.palette, scene.track, scene.run
    name = scene.name_of(scene.selected)
    if scene.span:
        _draw_span(pen, scene, scene.span)
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
    layer = track.layer_of(run)
    if mapping_of(code) is Mapping.INVALID:
        state = track.state_at(run, scene.semantics)
        pen.state(replace(state, words=printable(layer.fault_at(scene.cursor))), "", "", in_force=True)
    else:
        widest = max(map(len, STATIONS)) if scene.disk.round_trip else 0
        # whether QEMU calls it ALLOCATED (``present`` in its map) is not in the letters
        present = present_words(int(HISTORIC.table(layer.node.read_traits())[code]))
        for name, state, in_force in scene.meanings(run):
            note = f"{present} · " if name == HISTORIC.switch else ""
            pen.state(state, f"{name:<{widest}}", note, in_force=in_force)
    pen.span(("start", "end"), track.bounds(run), "" if beside else f"{nth}{depth}")
    host = track.host_of(scene.cursor)
    stored = storage_words(code) if mapping_of(code) is Mapping.PASSTHROUGH else fact_words(code)
    via = " · via qemu-img" if "via" in layer.node.features() else ""
    if host is None:
        pen.field("host", "none", f"{stored}{via}")
    else:
        file = base_name(layer.node.host.name)
        secret = "encrypted · " if layer.node.is_encrypted else ""
        what = f"{secret}{stored} · "
        room = pen.end - pen.x - 10 - len(f"{host:#x}{what}{via}")
        pen.field("host", f"{host:#x}", f"{what}{shorten(file, room) if room >= 8 else file}{via}")
    if code & SYNTHESISED:
        pen.line(("synthesised: nothing below reaches here", palette.dim, False))


def _draw_span(pen: Pen, scene: Scene, span: tuple[int, int]) -> None:
    """Write what lies between two markers, in the selected track."""
    palette, track = pen.palette, scene.track
    pen.line(("BETWEEN MARKERS", palette.accent, True))
    pen.span(("from", "to"), span)
    found = track.by_state(scene.semantics, span)
    by_amount = sorted(found.items(), key=lambda item: -item[1])
    for row, (state, amount) in zip(pen.rows, by_amount, strict=False):
        draw_swatch(row, pen.x, state.paint, palette)
        at = row.put(pen.x + 3, f"{state.label:<6}", Ink(palette.text, palette.panel, bold=True))
        row.put(at, f"{format_size(amount):>10}  {state.short}", Ink(palette.dim, palette.panel))
