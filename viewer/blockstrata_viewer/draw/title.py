"""The bar above: which image, its layers and sizes, and the switch between semantics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blockstrata.semantics import SWITCH
from blockstrata.text.printable import base_name, printable
from blockstrata.text.sizes import format_size
from blockstrata_viewer.draw.layout import NARROW
from blockstrata_viewer.draw.lines import Ink, Line, clip, shorten
from blockstrata_viewer.draw.palette import palette_of
from blockstrata_viewer.draw.units import counted

if TYPE_CHECKING:
    from blockstrata.semantics.table import Semantics
    from blockstrata_viewer.model.scene import Scene


def draw_title(scene: Scene, width: int, place: str = "") -> Line:
    """Return the title: name, layers, sizes, and the switch between semantics on the right.

    ``place`` tells which of several images this is, as in ``2/3``.
    """
    palette, disk = palette_of(scene), scene.disk
    row = Line(width, Ink(palette.text, palette.panel))
    badges = _badges(scene.semantics)
    switch_at = width - sum(len(word) + 2 for word in badges) - 1
    row.put(1, "▚", Ink(palette.accent, palette.panel))
    row.put(3, "blockstrata", Ink(palette.text, palette.panel, bold=True))
    facts = _facts(scene, place)
    end = switch_at - (10 if width >= NARROW else 2)
    name = base_name(disk.layers[0].name)
    while len(facts) > 1 and 17 + min(len(name), 20) + 3 + len("  ·  ".join(facts)) > end:
        facts.pop()
    tail = "  ·  ".join(facts)
    room = max(8, end - 17 - 3 - len(tail))
    at = row.put(17, shorten(name, room), Ink(palette.paints[0], palette.panel, bold=True))
    row.put(at + 3, clip(tail, end - at - 3), Ink(palette.dim, palette.panel))
    if width >= NARROW:
        row.put(switch_at - 7, "flags", Ink(palette.dim, palette.panel))
    for badge, chosen in badges.items():
        ink = Ink(palette.on_badge, palette.badge, bold=True) if chosen else Ink(palette.dim, palette.rule)
        word = f"[{badge}]" if chosen and palette.is_mono else f" {badge} "
        switch_at = row.put(switch_at, word, ink)
    return row


def _badges(chosen: Semantics) -> dict[str, bool]:
    """Return the words of the switch, in order, and whether each is the chosen one."""
    return {
        chosen.word if switch == chosen.switch else switch: switch == chosen.switch
        for switch in dict.fromkeys(semantics.switch for semantics in SWITCH)
    }


def _facts(scene: Scene, place: str) -> list[str]:
    disk = scene.disk
    facts = [place] if place else []
    if disk.chain.missing:
        facts.append("chain incomplete")
    if disk.round_trip:
        facts.append(f"round trip, {disk.round_trip.name}")
    elif scene.entered_from:
        facts.append(f"the file of layer {scene.file_depth}")
    else:
        facts.append(counted(len(disk.layers), "layer"))
    facts.append(f"{format_size(disk.size)} {'of file' if disk.is_file else 'virtual'}")
    if disk.allocated is not None:
        facts.append(f"{format_size(disk.allocated)} allocated")
    snapshot = getattr(disk.layers[0].node, "snapshot", None)
    if snapshot:
        facts.insert(0, f"at snapshot {printable(snapshot.name or snapshot.id)}")
    return facts
