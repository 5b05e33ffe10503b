"""What stands beside a strip: a track's name, and the taller the strip, the more of what it is."""

from __future__ import annotations

from blockstrata.text.printable import base_name
from blockstrata.text.sizes import format_size
from blockstrata_viewer.draw.lines import Ink, Line
from blockstrata_viewer.draw.palette import Palette
from blockstrata_viewer.draw.strips import solid_cell
from blockstrata_viewer.draw.units import short_count
from blockstrata_viewer.model.scene import GUEST, Scene
from blockstrata_viewer.model.track import Track

SHARES = 3
"""The row of a label that is a bar of shares, where a strip has more rows than that."""


def label_of(scene: Scene, selected: int, rows: int) -> list[str]:
    """Return the lines of a track's label in so many rows, the name first; that of the bar is empty."""
    disk, wire = scene.disk, scene.wire
    if disk.round_trip and wire:
        name, details = disk.round_trip.label(selected, wire)
        # how much was gained or lost would tell what a lesson asks
        return [name, "" if scene.asking else details][:rows]
    name = scene.name_of(selected)
    if disk.uses:
        node = disk.layers[0].node
        if selected == GUEST:
            return [name, base_name(node.name), _size(disk.uses), ""][:rows]
        return ["storage", f"{node.driver} · host bytes", _size(disk.tracks[0]), ""][:rows]
    if disk.is_file:
        node = disk.layers[0].node
        return [base_name(node.name), f"{node.driver} · host bytes", _size(disk.guest), ""][:rows]
    if selected == GUEST:
        return [name, "merged view", _size(disk.guest), ""][:rows]
    if disk.error_of(selected):
        return [name, "cannot be read"][:rows]
    lines = [name, _size(disk.tracks[selected])]
    # what takes asking is asked for only where there is room for it
    if rows > len(lines):
        lines.append(_driver(scene, selected))
    if rows > SHARES:
        lines += ["", *_bytes(scene, selected)]
    return lines[:rows]


def _size(track: Track) -> str:
    about = "~" if track.summaries else ""
    extents = f"{about}{short_count(track.count)} extent" + ("" if track.count == 1 else "s")
    return f"{format_size(track.size)} · {extents}"


def _driver(scene: Scene, depth: int) -> str:
    node = scene.disk.layers[depth].node
    features = node.features()
    if "via" in features:
        return f"{node.driver} via qemu-img"
    cluster = features.get("cluster-size")
    return f"{node.driver} · {format_size(cluster)} clusters" if isinstance(cluster, int) else node.driver


def _bytes(scene: Scene, depth: int) -> list[str]:
    """Say what a layer's file occupies, and how much of the disk the guest reads from there."""
    disk = scene.disk
    stored = disk.layers[depth].node.file.allocated
    lines = [] if stored is None else [f"{format_size(stored)} on disk"]
    suppliers = disk.guest.suppliers
    if suppliers.kinds == len(disk.layers) and disk.size:
        supplied = int(suppliers.totals()[depth])
        lines.append(f"supplies {format_size(supplied)}")
        lines.append(f"{100 * supplied / disk.size:.1f} % of the guest")
    return lines


def draw_shares(row: Line, x: int, end: int, track: Track, scene: Scene, palette: Palette) -> None:
    """Draw a bar of the shares that a track's states have of it; what is there has a cell at least."""
    totals = sorted(track.by_state(scene.semantics).items(), key=lambda item: item[0].paint)
    whole, seen, at = max(1, track.size), 0, x
    for state, total in totals:
        seen += total
        until = max(at, x + round((end - x) * seen / whole))
        glyph, ink = solid_cell(state.paint, palette)
        row.put(at, glyph * (until - at), Ink(*ink))
        at = until
