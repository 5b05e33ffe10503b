"""What there is to know of one extent: the raw table entry, bit by bit, and the first bytes behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from blockstrata.errors import BlockstrataError
from blockstrata.facts.codes import SHARED_WORDS, Storage, fact_words, storage_of
from blockstrata.facts.node import HostNode
from blockstrata.formats.qcow2 import tables
from blockstrata.formats.qcow2.node import Qcow2Node
from blockstrata.formats.qcow2.tables import TableEntry
from blockstrata.graph.chain import Layer
from blockstrata.questions.faults import lost_words
from blockstrata.text.printable import printable
from blockstrata_viewer.reports.told import Spot, Told

if TYPE_CHECKING:  # a trace needs no more of the viewer than this page
    from collections.abc import Iterator

    from blockstrata_viewer.model.scene import Scene
    from blockstrata_viewer.model.uses import UseTrack

_PREVIEW: Final = 64
"""Bytes of the extent that are shown."""
_FAULTS: Final = 20
"""Faults that are listed."""
_FULL: Final = 82
"""Columns of a line with 16 of them."""


def describe(scene: Scene, width: int = _FULL) -> list[Told]:
    """Return the lines about the extent under a scene's cursor, most of them shorter than a width.

    Reads one table entry and a few bytes.
    """
    run = scene.run
    if run is None:
        return [Told("Past the end of this layer.")]
    layer = scene.track.layer_of(run)
    code = int(scene.track.view.extents.facts[run])
    start, end = scene.track.bounds(run)
    is_file = scene.disk.is_file
    depth = scene.file_depth if is_file else scene.selected
    leads = not scene.disk.round_trip
    lines = [
        Told(f"{printable(layer.name)}, {'host' if is_file else 'guest'} offset {scene.cursor:#x}"),
        Told(f"start    {start:#x}", Spot(depth, start, is_file) if leads else None),
        Told(f"end      {end:#x}", Spot(depth, end, is_file) if leads and end < scene.track.size else None),
        Told(""),
    ]
    if scene.uses:
        lines += _uses(scene, scene.uses)
    else:
        for name, state, _ in scene.meanings(run):
            text = f"{name:<8} {state.letters or state.short:<8} {state.words}"
            lines.append(Told(text, None, state.paint, 9))
    lines += [Told(""), *map(Told, fact_lines(code))]
    if lost := lost_words(layer, code):
        lines.append(Told(f"fault    {lost}"))
    try:
        if isinstance(layer.node, Qcow2Node):
            at = layer.node.entry_at(scene.cursor)
            lines += map(Told, entry_lines(layer.node, at, scene.cursor))
        lines += _bytes(scene, layer, 16 if width >= _FULL else 8)
    except BlockstrataError as error:
        lines += [Told(""), Told(str(error))]
    return lines + _faults(scene, layer)


def _faults(scene: Scene, layer: Layer) -> list[Told]:
    """Return what is wrong with the layer as a whole; a line about a place leads there."""
    found = () if scene.disk.is_file or scene.disk.round_trip else scene.disk.faults_of(layer.depth)
    if not found:
        return []
    lines = [Told(""), Told(f"faults   {printable(layer.name)}")]
    for each in found[:_FAULTS]:
        spot = None if each.guest is None else Spot(layer.depth, each.guest)
        lines.append(Told(f"{each.severity}: {printable(each.says)}", spot))
    if len(found) > _FAULTS:
        lines.append(Told(f"and {len(found) - _FAULTS} more"))
    return [*lines, Told("blockstrata check says more")] if layer.node.driver == "qcow2" else lines


def fact_lines(code: int) -> list[str]:
    """Return the line that names a fact, and one about storage that another file has too."""
    lines = [f"fact     {fact_words(code)}"]
    return [*lines, f"         {SHARED_WORDS}"] if storage_of(code) is Storage.SHARED else lines


def _uses(scene: Scene, uses: UseTrack) -> Iterator[Told]:
    """Yield what the byte is for, and who uses it: each line leads to the guest byte that stands there."""
    run = uses.run_at(scene.cursor)
    if run is None:
        return
    state = uses.state_at(run, scene.semantics)
    yield Told(f"used for {state.short:<8} {state.words}", None, state.paint, 9)
    try:
        users, count = uses.anatomy.users_of(scene.cursor)
    except BlockstrataError as error:
        yield Told(f"users    {error}")
        return
    yield Told(f"users    {count:,}")
    depth = scene.file_depth
    size = scene.chain_scene.disk.layers[depth].size
    for user in users:
        where = "" if user.guest is None else f"guest {user.guest:#x}, "
        spot = None if user.guest is None or user.guest >= size else Spot(depth, user.guest)
        yield Told(f"         {where}{printable(user.name)}", spot)
    if count > len(users):
        yield Told(f"         … {count - len(users):,} more")


def entry_lines(node: Qcow2Node, at: TableEntry, offset: int) -> list[str]:
    """Return the lines about the table entry that maps a guest byte, bit by bit."""
    lines = [f"L1       index {at.l1_index}, entry {at.l1_entry:#018x}"]
    if at.l2_offset is None:
        return [*lines, "L2       no table"]
    entry = at.entry
    lines.append(f"L2       table {at.l2_offset:#x}, index {at.l2_index}")
    if at.l2_offset >= node.file.length:
        return [*lines, "         " + nothing_stored(node.file)]
    lines.append(f"entry    {entry:#018x}")
    if entry & tables.COMPRESSED:
        start, length = tables.compressed_at(node.header, entry)
        lines.append(f"         compressed, at {start:#x}, at most {length} bytes")
    else:
        marks = [("copied", tables.COPIED)]
        if at.bitmap is None:
            marks.append(("zero", tables.ZERO))
        named = [name for name, bit in marks if entry & bit] or ["no flag"]
        lines.append(f"         {', '.join(named)}, host cluster {entry & tables.OFFSET_MASK:#x}")
    if at.bitmap is not None:
        size = node.header.cluster_size // tables.SUBCLUSTERS
        here = offset % node.header.cluster_size // size
        bits = range(tables.SUBCLUSTERS)
        allocated = "".join("A" if at.bitmap >> bit & 1 else "·" for bit in bits)
        zero = "".join("Z" if at.bitmap >> (bit + tables.SUBCLUSTERS) & 1 else "·" for bit in bits)
        lines += [f"bitmap   {at.bitmap:#018x}, subclusters of {size} bytes, 0 first"]
        lines += [f"         {allocated}  allocated", f"         {zero}  zero", f"         {' ' * here}^"]
    fault = node.fault_at(offset)
    return [*lines, f"fault    {fault}"] if fault else lines


def _bytes(scene: Scene, layer: Layer, a_line: int) -> list[Told]:
    """Return the first bytes at the cursor as they are stored, which need not be the guest's."""
    host = scene.track.host_of(scene.cursor)
    if host is None:
        return []
    file = layer.node.host
    stored = file.read(host, max(0, min(_PREVIEW, file.length - host)))
    where = f"stored at {host:#x} of {printable(file.name)}"
    leads = not (scene.disk.is_file or scene.disk.round_trip) and bool(stored)
    spot = Spot(layer.depth, host, in_file=True) if leads else None
    lines = hex_lines(host, stored, a_line) if stored else [nothing_stored(file)]
    return [Told(""), Told(where, spot), *map(Told, lines)]


def nothing_stored(file: HostNode) -> str:
    """Say that nothing is, as the file ends before."""
    return f"nothing: the file ends at {file.length:#x}"


def hex_lines(host: int, stored: bytes, a_line: int = 16) -> list[str]:
    """Return stored bytes in hexadecimal and as text, ``a_line`` bytes a line."""
    lines = []
    for at in range(0, len(stored), a_line):
        part = stored[at : at + a_line]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in part)
        octets = "  ".join(part[nth : nth + 8].hex(" ") for nth in range(0, len(part), 8))
        lines.append(f"{host + at:#014x}  {octets}  {text}")
    return lines
