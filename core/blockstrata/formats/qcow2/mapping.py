"""L1 and L2 tables read and decoded: what an image says of a window of guest bytes, storage left open.

Where neither the L1 table nor a stored piece of an L2 table says anything, all is zeroes, so unallocated::

    L1       ·  ·  ·  A  A  A  A  B  B  B  B  ·  ·  ·  !  !
    pieces            ├──┤     ├──┼──┤     ├──┤
    invalid                                            ├──┤
    nothing  ├─ · · ·    ├ · ·       ├ · ·    ├─ · · ·
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from blockstrata.facts.builder import ExtentsBuilder, Runs
from blockstrata.facts.codes import NO_HOST, Mapping, fact
from blockstrata.facts.extents import Extents
from blockstrata.facts.node import HostNode, whole_sectors
from blockstrata.facts.overlay import overlaid, runs_of
from blockstrata.formats.qcow2.directory import LOST_TABLE, Directory, Pieces, parts_of
from blockstrata.formats.qcow2.stored import read_pieces
from blockstrata.formats.qcow2.tables import Breaks, Entries, decode, telling

_READ: Final = 1 << 19
"""Bytes of table looked through at once: what a processor keeps close."""

_DECODED: Final = 1 << 15
"""Clusters, or subclusters, decoded at once: few enough to stay close, enough to hide numpy's cost a call."""

# glibc gives arrays of more than 128 KiB back to Linux as soon as they are freed, so that the next
# one costs page faults anew, until a larger block was freed: from then on it keeps what is smaller
np.empty(1 << 22, np.uint8)


def mapped(file: HostNode, directory: Directory, start: int, end: int) -> Extents:
    """Return the facts of the guest bytes from ``start`` up to ``end``, storage left open."""
    header = directory.header
    first, last = start // header.l2_span, -(-end // header.l2_span)
    pieces = directory.stored(first, last)
    builder = ExtentsBuilder(1 + len(pieces.guest) * (1 + parts_of(header, directory.piece)))
    if not len(pieces.guest) or pieces.guest[0] > first * header.l2_span:
        nothing = np.array([fact(Mapping.UNALLOCATED)], np.uint8)
        builder.add(Runs(np.array([first * header.l2_span]), nothing, np.array([NO_HOST])))
    at_once = _DECODED // parts_of(header, header.l2_entry_size)
    for entries in _regrouped(_entries(file, directory, pieces, last * header.l2_span), at_once):
        builder.add(decode(header, entries, whole_sectors(file.length)))
    found = builder.window(start, end)
    if not directory.has_faults(first, last):
        return found
    # what no table maps says nothing, so the L1 table has the last word there
    said = directory.overview(start, end)
    faulty = said.having(Mapping.INVALID) | (said.facts == LOST_TABLE)
    broken = runs_of(said, faulty, 0)
    below = runs_of(found, np.ones(len(found), np.bool_), 1)
    starts, _, facts, host, _ = overlaid([broken, below], start, end)
    return Extents(np.append(starts, end), facts, host).coalesce()


def _entries(file: HostNode, directory: Directory, pieces: Pieces, end: int) -> Iterator[Entries]:
    """Yield the entries that matter of pieces, which are read many at a time.

    Behind a piece before a gap comes one entry of zeroes, which stands for what no table maps::

        guest    ├── A ──┼── B ──┤ · · · · · · ├── C ──┤
        entries  a a a a  b b b b 0              c c c c
        breaks   │                               │
    """
    header, piece = directory.header, directory.piece
    ends = pieces.guest + directory.piece_span
    has_gap = np.append(pieces.guest[1:], end) != ends
    at_once = _READ // piece
    for at in range(0, len(ends), at_once):
        part = slice(at, at + at_once)
        first = np.flatnonzero(np.append(True, has_gap[part][:-1]))
        breaks = Breaks(first * (piece // header.l2_entry_size), pieces.guest[part][first])
        words = read_pieces(file, pieces.host[part], piece, ">u8")
        guest, words = telling(header, words.reshape(-1, 2) if header.extended_l2 else words, breaks)
        gaps = ends[part][has_gap[part]]
        if len(gaps):
            behind = np.searchsorted(guest, gaps)
            guest, words = np.insert(guest, behind, gaps), np.insert(words, behind, 0, axis=0)
        yield Entries(guest, words)


def _regrouped(found: Iterator[Entries], most: int) -> Iterator[Entries]:
    """Yield the same entries, about ``most`` at once."""
    parts: list[Entries] = []
    count = 0
    for each in found:
        parts.append(each)
        count += len(each.guest)
        if count >= most:
            yield from _split(parts, most)
            parts, count = [], 0
    if parts:
        yield from _split(parts, most)


def _split(parts: list[Entries], most: int) -> Iterator[Entries]:
    guest, words = parts[0] if len(parts) == 1 else map(np.concatenate, zip(*parts, strict=True))
    for at in range(0, len(guest), most):
        yield Entries(guest[at : at + most], words[at : at + most])
