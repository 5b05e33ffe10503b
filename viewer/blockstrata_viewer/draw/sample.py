"""The core sample: every layer at the cursor, active first, and which one the guest reads."""

from __future__ import annotations

from blockstrata.facts.codes import Mapping, Traits, fact, mapping_of, storage_of
from blockstrata.text.printable import base_name
from blockstrata_viewer.draw.extent import panel_unit
from blockstrata_viewer.draw.lines import Ink, Line, shorten_all
from blockstrata_viewer.draw.palette import Palette, palette_of
from blockstrata_viewer.draw.strips import draw_swatch
from blockstrata_viewer.model.sample import Sampled, core_sample
from blockstrata_viewer.model.scene import Scene
from blockstrata_viewer.model.states import Paint, state_of
from blockstrata_viewer.model.track import Track

_MARKS = (" ◀ the guest reads this", " ◀ guest")
_FAILS = (" ◀ the read fails here", " ◀ fails")


def draw_sample(rows: list[Line], x: int, end: int, scene: Scene) -> int:
    """Draw the core sample, and return how many rows it took."""
    palette, disk = palette_of(scene), scene.disk
    answering = disk.guest.run_at(scene.cursor)
    if not rows or answering is None:
        return 0
    rows[0].put(x, "CORE SAMPLE", Ink(palette.accent, palette.panel, bold=True))
    rows[0].put(x + 13, f"at {panel_unit(scene).write(scene.cursor)}", Ink(palette.dim, palette.panel))
    answers = int(disk.guest.view.source[answering])
    sample = core_sample(scene, answers, len(rows) - 1)
    if sample.above:
        note = f"▴ {sample.above} more"
        rows[0].put(end - len(note), note, Ink(palette.dim, palette.panel))
    names = tuple(base_name(disk.layers[each.depths.start].name) for each in sample.rows)
    answer_at = next(nth for nth, each in enumerate(sample.rows) if answers in each.depths)
    room = end - x - 10
    fails = mapping_of(int(disk.guest.view.extents.facts[answering])) is Mapping.INVALID
    marks = _FAILS if fails else _MARKS
    # the long mark only where it leaves every letter of the name
    mark = next((each for each in marks if len(names[answer_at]) + len(each) <= room), marks[-1])
    mark = "" if disk.is_file else mark
    short = shorten_all(names, max(4, room - len(mark)))
    for nth, (row, each) in enumerate(zip(rows[1:], sample.rows, strict=False)):
        row.put(x, "▌", Ink(palette.supplier(each.depths.start, len(disk.layers)), palette.panel))
        row.on_click(x, end, f"choose({each.depths.start})")
        if len(each.depths) > 1:
            _draw_fold(row, x, each, palette)
            continue
        is_answer = nth == answer_at
        colour = palette.text if is_answer else palette.dim
        ink = Ink(colour, palette.panel, bold=is_answer)
        track = disk.tracks[each.depths.start]
        run = track.run_at(scene.cursor)
        letters = "ends"
        if run is not None:
            state = track.state_at(run, scene.semantics)
            draw_swatch(row, x + 2, state.paint, palette)
            letters = state.label
        at = row.put(x + 5, f"{letters:<4} ", ink)
        said = mark if is_answer else ""
        name = names[nth] if at + len(names[nth]) + len(said) <= end else short[nth]
        at = row.put(at, name, ink)
        below = _protocol_letters(track, run, scene)
        if at + len(below) + len(said) <= end:
            at = row.put(at, below, Ink(palette.dim, palette.panel))
        row.put(at, said, Ink(palette.accent, palette.panel, bold=True))
    used = len(sample.rows) + 1
    if sample.below and used < len(rows):
        rows[used].put(x, f"▾ {sample.below} more", Ink(palette.dim, palette.panel))
        used += 1
    return used


def _draw_fold(row: Line, x: int, fold: Sampled, palette: Palette) -> None:
    """Draw several layers that do the same in one row."""
    draw_swatch(row, x + 2, Paint.FALLS_THROUGH, palette)
    row.put(x + 5, f"{len(fold.depths)} layers {fold.does} ▸", Ink(palette.dim, palette.panel))


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
