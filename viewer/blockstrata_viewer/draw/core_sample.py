"""The core sample: every layer at the cursor, and which one the guest reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blockstrata.facts.codes import Mapping, Traits, fact, storage_of
from blockstrata.text.printable import base_name
from blockstrata_viewer.draw.lines import Ink, Line, shorten
from blockstrata_viewer.draw.palette import palette_of
from blockstrata_viewer.draw.strips import draw_swatch
from blockstrata_viewer.draw.units import exact_size
from blockstrata_viewer.model.states import state_of

if TYPE_CHECKING:
    from blockstrata_viewer.model.scene import Scene
    from blockstrata_viewer.model.track import Track


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
    view = track.view
    layer = view.layers[int(view.source[run])]
    if layer.node.is_protocol:
        return ""
    driver = layer.node.host_driver
    storage = storage_of(int(view.extents.facts[run]))
    below = Traits(host_driver=driver, is_protocol=True)
    state = state_of(scene.semantics, fact(Mapping.PASSTHROUGH, storage), below, settled=False)
    return f" → {driver} {state.letters} @ {host:#x}"
