"""The extent under the cursor, what lies between two markers, and what a lesson keeps to itself."""

from __future__ import annotations

from dataclasses import replace

from rich.cells import cell_len

from blockstrata.facts.codes import (
    SHARED_WORDS,
    SYNTHESISED,
    Mapping,
    Storage,
    fact_words,
    mapping_of,
    storage_of,
    storage_words,
)
from blockstrata.semantics.historic import HISTORIC, present_words
from blockstrata.text.printable import base_name, printable
from blockstrata_viewer.draw.lines import Ink, Line, clip, shorten, wrapped
from blockstrata_viewer.draw.palette import palette_of
from blockstrata_viewer.draw.strips import draw_swatch
from blockstrata_viewer.draw.units import Unit, sizes, unit_of
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.model.sentence import Sentence, sentence_of
from blockstrata_viewer.model.states import State
from blockstrata_viewer.model.switch import word_of


def panel_unit(scene: Scene) -> Unit:
    """Return the one unit of all offsets in the inspector."""
    extent = (scene.track.size,) if scene.run is None else scene.track.bounds(scene.run)
    return unit_of((scene.cursor, *(scene.span or extent)))


class Pen:
    """Writes lines into rows, one after another, as long as there are rows.

    ``wraps``: words that are too long go on in the next row.  ``used`` rows are written; ``unit`` is that of
    all offsets.
    """

    def __init__(self, rows: list[Line], x: int, end: int, scene: Scene, *, wraps: bool) -> None:
        self.rows = rows
        self.used = 0
        self.x = x
        self.end = end
        self.palette = palette_of(scene)
        self.unit = panel_unit(scene)
        self.wraps = wraps

    def row(self) -> Line | None:
        """Return the next row, None if there is none; it counts as used even so."""
        self.used += 1
        return self.rows[self.used - 1] if self.used <= len(self.rows) else None

    def line(self, *parts: tuple[str, str, bool]) -> None:
        """Write parts of (text, colour, bold) one after another, cut where the room ends."""
        row = self.row()
        x = self.x
        for text, colour, bold in parts if row else ():
            x = row.put(x, clip(text, self.end - x), Ink(colour, self.palette.panel, bold)) if row else x

    def field(self, name: str, value: str, more: str = "") -> None:
        """Write a name, its value, and what else there is to say of it."""
        palette = self.palette
        gap = "  " if more and value else ""
        self.line(
            (f"{name:<8}", palette.dim, False), (value, palette.text, False), (gap + more, palette.dim, False)
        )

    def offset(self, name: str, offset: int) -> None:
        """Write an offset, to the byte and for people."""
        self.field(name, f"{offset:#014x}", self.unit.write(offset))

    def span(self, names: tuple[str, str], span: tuple[int, int], more: str = "") -> None:
        """Write where something starts and ends, and its length; ``more`` in place of its bytes."""
        for name, offset in zip(names, span, strict=True):
            self.offset(name, offset)
        length = span[1] - span[0]
        self.field("length", self.unit.write(length), more or f"{length:,} bytes")

    def short_span(self, span: tuple[int, int]) -> None:
        """Write the same in two rows."""
        start, end = span
        exact = f"{start:#014x} – {end:#014x}"
        self.field("bytes", exact if self.x + 8 + len(exact) <= self.end else f"{start:#x} – {end:#x}")
        length = self.unit.write(end - start)
        words = f"{self.unit.span(start, end)}, {length} long"
        fits = self.x + 8 + len(words) <= self.end
        self.field("", "", words if fits else f"{length} at {self.unit.write(start)}")

    def sentence(self, said: Sentence) -> None:
        """Write a sentence; without room, what leads to it goes first, then the start of the name in it."""
        room = max(1, self.end - self.x)
        text = f"{said.lead}{said.words}{said.name}{said.end}"
        if len(text) > room and not self.wraps:
            text = f"{said.words}{said.name}{said.end}"
            name = shorten(said.name, max(8, room - len(text) + len(said.name)))
            text = f"{said.words}{name}{said.end}"
        for words in wrapped(text, room, on_hyphens=False) if self.wraps else [text] if text else []:
            self.line((words, self.palette.text, False))

    def state(self, state: State, name: str, note: str, *, in_force: bool) -> None:
        """Write a state under a semantics: swatch, letters, words, or the short ones if these fit."""
        row = self.row()
        if row is None:
            return
        palette = self.palette
        colour = palette.text if in_force else palette.dim
        draw_swatch(row, self.x, state.paint, palette)
        x = row.put(self.x + 3, f"{name} " if name else "", Ink(palette.dim, palette.panel))
        x = row.put(x, f"{state.label:<4} ", Ink(colour, palette.panel, bold=in_force))
        room = max(1, self.end - x)
        shapes = [f"{note}{state.words}"]
        # a state without letters has its short word already
        shapes += [f"{note}{state.short}", state.short] if state.letters and not self.wraps else []
        words = next((each for each in shapes if cell_len(each) <= room), shapes[0])
        words = "" if words == state.label else words
        first, *others = wrapped(words, room) or [""] if self.wraps else [clip(words, room)]
        row.put(x, first, Ink(colour, palette.panel))
        for text in others:
            row = self.row()
            if row:
                row.put(x, text, Ink(colour, palette.panel))


def draw_withheld(pen: Pen, scene: Scene) -> None:
    """Write where the cursor is, and nothing of what a lesson asks."""
    palette, run = pen.palette, scene.run
    head = (("EXTENT  ", palette.accent, True), (scene.name_of(scene.selected), palette.text, True))
    pen.line(*head, ("  hidden until you answer the question", palette.dim, False))
    pen.line()
    pen.offset("at", scene.cursor)
    if run is not None:
        pen.span(("start", "end"), scene.track.bounds(run))


def draw_extent(pen: Pen, scene: Scene, *, is_tall: bool) -> None:
    """Write which extent of the selected track is under the cursor, or what lies between two markers.

    ``is_tall``: there are rows for each of start, end and length.
    """
    palette, track, run = pen.palette, scene.track, scene.run
    name = scene.name_of(scene.selected)
    if scene.span:
        _draw_span(pen, scene, scene.span)
        return
    if run is None:
        pen.line(("EXTENT  ", palette.accent, True), (shorten(name, pen.end - pen.x - 8), palette.text, True))
        pen.sentence(sentence_of(scene))
        what = (
            f"this layer ends at {track.size:#x}, {pen.unit.write(track.size)}" if track.size else "0 bytes"
        )
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
    pen.sentence(sentence_of(scene))
    layer = track.layer_of(run)
    if mapping_of(code) is Mapping.INVALID:
        state = track.state_at(run, scene.semantics)
        pen.state(replace(state, words=printable(layer.fault_at(scene.cursor))), "", "", in_force=True)
    else:
        meanings = scene.meanings(run)
        widest = max(len(each.name) for each in meanings)
        # whether QEMU calls it ALLOCATED (``present`` in its map) is not in the letters
        present = present_words(int(HISTORIC.table(layer.node.read_traits())[code]))
        for name, state, in_force in meanings:
            note = f"{present} · " if name == word_of(HISTORIC) else ""
            pen.state(state, f"{name:<{widest}}", note, in_force=in_force)
    if is_tall:
        pen.span(("start", "end"), track.bounds(run), "" if beside else f"{nth}{depth}")
    else:
        pen.short_span(track.bounds(run))
    host = track.host_of(scene.cursor)
    stored = storage_words(code) if mapping_of(code) is Mapping.PASSTHROUGH else fact_words(code)
    via = " · via qemu-img" if "via" in layer.node.features() else ""
    if host is None:
        pen.field("host", "none", f"{stored}{via}")
    else:
        file = base_name(layer.node.host.name)
        secret = "encrypted · " if layer.node.is_encrypted else ""
        what = f"{secret}{stored}"
        room = pen.end - pen.x - 13 - len(f"{host:#x}{what}{via}")
        # a data file, or what a layer without tables stands on
        file = "" if file == base_name(layer.name) else f" · {shorten(file, max(8, room))}"
        pen.field("host", f"{host:#x}", f"{what}{file}{via}")
    if code & SYNTHESISED:
        pen.line(("synthesised: no layer below reaches here", palette.dim, False))
    # on the file's own axis the sentence has said it
    if storage_of(code) is Storage.SHARED and not scene.disk.is_file:
        pen.line((SHARED_WORDS, palette.dim, False))


def _draw_span(pen: Pen, scene: Scene, span: tuple[int, int]) -> None:
    """Write what lies between two markers, in the selected track."""
    palette, track = pen.palette, scene.track
    pen.line(("BETWEEN MARKERS", palette.accent, True))
    pen.span(("from", "to"), span)
    found = track.by_state(scene.semantics, span)
    by_amount = sorted(found.items(), key=lambda item: -item[1])
    _, amounts = sizes([amount for _, amount in by_amount], pen.unit)
    for (state, _), amount in zip(by_amount, amounts, strict=True):
        if row := pen.row():
            draw_swatch(row, pen.x, state.paint, palette)
            at = row.put(pen.x + 3, f"{state.label:<6}", Ink(palette.text, palette.panel, bold=True))
            row.put(at, f"{amount:>12}  {state.short}", Ink(palette.dim, palette.panel))
