"""What is wrong with a layer as far as opening and mapping it tell: no walk through all of its tables.

A part of what :mod:`.check` finds, in its words.  QEMU maps most of it without one: a table or a cluster past
the file's end reads as zeroes.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import numpy as np

from blockstrata.errors import BadImageError, BlockstrataError
from blockstrata.facts.codes import CODES, NO_HOST, Mapping, is_lost, mapping_of
from blockstrata.facts.node import whole_sectors
from blockstrata.formats.probe import probe_format
from blockstrata.formats.qcow2.bitmaps import Bitmap
from blockstrata.formats.qcow2.metadata import Fault, Region, read_regions
from blockstrata.formats.qcow2.node import HeaderNode, Qcow2Node
from blockstrata.formats.qcow2.refcount_blocks import RefcountTable, read_refcount_table
from blockstrata.formats.qcow2.snapshots import Snapshot
from blockstrata.formats.raw import RawNode
from blockstrata.graph.chain import Layer
from blockstrata.guest.view import View
from blockstrata.questions.checking import warnings
from blockstrata.questions.checking.findings import (
    PAST_DATA_END,
    PAST_END,
    Entries,
    Finding,
    Findings,
    Severity,
    bad_blocks,
    bytes_behind,
    region_past_end,
)
from blockstrata.text.sizes import format_size

_GUESTS_OWN: Final = ("raw", "luks")
"""What a raw disk may begin with and be sound: a guest may well encrypt all of its disk."""
_LOST: Final = np.array([is_lost(code) and code >> 3 & 0xF != Mapping.UNALLOCATED for code in range(CODES)])
"""Which fact codes are lost in an L2 table, by code."""
_MOST_BLOCKS: Final = 64
"""Refcount blocks, from the last on, that are looked at for the image's end."""


def faults(layer: Layer, *, quick: bool = False) -> tuple[Finding, ...]:
    """Return what header, directories, L1 table and refcount table of a layer say is wrong, the worst first.

    What lies past the file's end in L2 tables is seen in the map alone, by :class:`Losses`.  A format other
    than qcow2 has no faults, but raw one: that its file begins as an image.  ``quick``: by the header and the
    directories alone, and not a byte of a raw file.  ``ClosedError`` after the chain was closed.
    """
    layer.check_open()
    node = layer.node
    found = Findings()
    if isinstance(node, RawNode) and not quick:
        _add_stated(found, node)
    elif isinstance(node, HeaderNode) and node.is_sound:
        found = _of_qcow2(Qcow2Node(node.file, node.header, None), quick=True)
    elif isinstance(node, HeaderNode):
        _add(found, warnings.of_header(node.header))
    elif isinstance(node, Qcow2Node):
        found = _of_qcow2(node, quick=quick)
    return found.told()


def _add(found: Findings, more: Iterable[Finding]) -> None:
    for finding in more:
        found.add(finding)


def _add_stated(found: Findings, node: RawNode) -> None:
    """Add that a file that is stated to be raw begins as an image does."""
    if node.host_driver not in ("file", "host_device"):
        return
    probed = probe_format(node, "")
    if probed not in _GUESTS_OWN:
        says = (
            f"raw is stated, but the file begins as {probed}: the guest reads the image's tables as its "
            "disk, and writing there destroys the image"
        )
        found.add(Finding("stated-raw", Severity.WARNING, says, 0))


def _of_qcow2(node: Qcow2Node, *, quick: bool) -> Findings:
    snapshots: tuple[Snapshot, ...] = ()
    bitmaps: tuple[Bitmap, ...] = ()
    # what is wrong with these two is the node's refusal
    with suppress(BlockstrataError):
        snapshots = node.read_snapshots()
        bitmaps = node.read_bitmaps()
    found = Findings(each.id for each in snapshots)
    in_use = list(warnings.of_use(node))
    flags = [*warnings.of_header(node.header), *warnings.of_bitmaps(bitmaps)]
    # whoever writes has bitmaps in use, and with lazy refcounts the dirty bit set: that is as it should be
    _add(found, in_use)
    _add(found, (each for each in flags if not in_use or each.kind not in ("bitmap-in-use", "dirty")))
    try:
        regions, wrong = read_regions(node.file, node.header, snapshots, bitmaps)
    except BadImageError as error:
        regions, wrong = (), [Fault("snapshot-table", error.field, error.what)]
    for kind, entry, says in wrong:
        found.add(Finding(kind, Severity.CORRUPTION, f"{entry}: {says}", entry=entry))
    lost = [each for each in regions if _is_past_end(node, each.host, each.length)]
    for region in lost:
        found.add(region_past_end(region))
    if not quick:
        _add_tables(found, node, snapshots)
        _add_blocks(found, node, lost)
    return found


def _is_past_end(node: Qcow2Node, host: int, length: int) -> bool:
    """Say whether a run of host bytes ends a cluster or more past the file's end, as QEMU counts it."""
    return host + length - whole_sectors(node.file.length) >= node.header.cluster_size


def _add_tables(found: Findings, node: Qcow2Node, snapshots: tuple[Snapshot, ...]) -> None:
    """Add L2 tables past the file's end, of the state that is opened."""
    index, host = node.lost_tables()
    if not len(index):
        return
    owner = snapshots.index(node.snapshot) if node.snapshot in snapshots else -1
    at = Entries.of_l1(np.full(len(index), owner), index, node.header)
    says = PAST_END[Mapping.UNALLOCATED]
    found.add_entries("beyond-end", Severity.CORRUPTION, at, says, host, node.header.cluster_size)


def _add_blocks(found: Findings, node: Qcow2Node, lost: list[Region]) -> None:
    """Add what is wrong with the refcount table: entries without a block, or that it is not there."""
    header = node.header
    table = read_refcount_table(node.file, header)
    size = header.cluster_size
    end = -(-whole_sectors(node.file.length) // size) * size
    for which, kind, says in bad_blocks(table, end):
        found.add_blocks(kind, table, np.flatnonzero(which), says)
    is_lost = any(each.host == header.refcount_table_offset for each in lost)
    if not is_lost and (not len(table.index) or table.index[0] != 0):
        entry = "refcount table, entry 0"
        says = (
            f"{entry}: no refcount block: refcounts read as 0 from the header on, and what is written next "
            "lands on what is stored"
        )
        at = header.refcount_table_offset
        found.add(Finding("refcount-low", Severity.CORRUPTION, says, at, 8, None, entry))


def tail(layer: Layer) -> Finding | None:
    """Return what lies behind the end of a qcow2 image, as its last refcount has it; None if nothing does.

    Reads refcount blocks from the last on until one counts something, and gives up after some.
    """
    layer.check_open()
    node = layer.node
    if not isinstance(node, Qcow2Node):
        return None
    end = _image_end(read_refcount_table(node.file, node.header))
    return bytes_behind(end, node.file.length) if end and end < node.file.length else None


def _image_end(table: RefcountTable) -> int:
    """Return the first host byte after all clusters with a refcount; 0 if that is not known."""
    for index in table.index[~table.unreadable][: -_MOST_BLOCKS - 1 : -1].tolist():
        highest = -1
        for first, counts in table.stored(index * table.per_block, (index + 1) * table.per_block):
            used = np.flatnonzero(counts)
            if len(used):
                row, column = divmod(int(used[-1]), counts.shape[1])
                highest = max(highest, int(first[row]) + column)
        if highest >= 0:
            return highest + 1 << table.header.cluster_bits
    return 0


def lost_words(layer: Layer, code: int) -> str:
    """Say what follows where a fact of a layer is lost; an empty string where it is not."""
    if not is_lost(code):
        return ""
    is_apart = layer.node.host is not layer.node.file
    mapping = mapping_of(code)
    return PAST_DATA_END if is_apart and mapping is Mapping.NORMAL else PAST_END[mapping]


@dataclass(slots=True)
class _Loss:
    """What is lost of one mapping in one layer: bytes, and where the first of it is."""

    length: int
    guest: int
    host: int


def faults_in(layer: Layer, view: View) -> tuple[Finding, ...]:
    """Return the faults of a layer with what a view of it, in place, says is lost."""
    losses = Losses(view.layers)
    losses.add(view)
    return (*faults(layer), *losses.of(layer))


def is_fault(kind: str) -> bool:
    """Say whether findings of a kind are faults, not something that sound images have as well."""
    return kind not in ("in-use", "tail", "encrypted")


class Losses:
    """Adds up, view by view, what the map says lies past files' ends; views follow one another."""

    def __init__(self, layers: tuple[Layer, ...]) -> None:
        self._layers = layers
        self._found: dict[int, _Loss] = {}
        """By layer times CODES plus fact."""

    def add(self, view: View) -> None:
        """Add the next view."""
        extents = view.extents
        lost = np.flatnonzero(_LOST.take(extents.facts))
        if not len(lost):
            return
        keys = view.source[lost] * CODES + extents.facts[lost]
        for key in np.flatnonzero(np.bincount(keys)).tolist():
            runs = lost[keys == key]
            first = int(runs[0])
            length = int((extents.edges[runs + 1] - extents.edges[runs]).sum())
            place = int(extents.edges[first]), int(extents.host[first])
            self._found.setdefault(key, _Loss(0, *place)).length += length

    def of(self, layer: Layer) -> tuple[Finding, ...]:
        """Return what is lost of a layer; tables that are lost are among its :func:`faults`."""
        found = Findings()
        for key, loss in self._found.items():
            source, code = divmod(key, CODES)
            if self._layers[source] is not layer:
                continue
            where = f"{format_size(loss.length)} from guest offset {loss.guest:#x} on"
            is_apart = layer.node.host is not layer.node.file
            severity = Severity.WARNING if is_apart else Severity.CORRUPTION
            host = None if loss.host == NO_HOST else loss.host
            says = f"{where}: {lost_words(layer, code)}"
            found.add(Finding("beyond-end", severity, says, host, loss.length, loss.guest))
        return found.told()
