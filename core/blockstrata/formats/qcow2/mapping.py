"""L1 and L2 tables read and decoded: what an image says of a window of guest bytes, storage left open.

Where neither the L1 table nor a stored piece of an L2 table says anything, all is zeroes, so unallocated::

    L1       ·  ·  ·  A  A  A  A  B  B  B  B  ·  ·  ·  !  !
    pieces            ├──┤     ├──┼──┤     ├──┤
    invalid                                            ├──┤
    nothing  ├─ · · ·    ├ · ·       ├ · ·    ├─ · · ·
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.builder import ExtentsBuilder, Runs
from blockstrata.facts.codes import NO_HOST, Mapping, fact
from blockstrata.facts.extents import Extents
from blockstrata.facts.node import HostNode
from blockstrata.formats.qcow2.directory import Directory, Pieces, parts_of
from blockstrata.formats.qcow2.tables import Breaks, Entries, decode, telling

_READ: Final = 1 << 19
"""Bytes of table looked through at once: what a processor keeps close."""

_DECODED: Final = 1 << 15
"""Clusters, or subclusters, decoded at once: few enough to stay close, enough to hide numpy's cost a call."""

# glibc gives arrays of more than 128 KiB back to Linux as soon as they are freed, so that the next
# one costs page faults anew, until a larger block was freed: from then on it keeps what is smaller
np.empty(1 << 22, np.uint8)

_UNALLOCATED: Final = fact(Mapping.UNALLOCATED)
_INVALID: Final = fact(Mapping.INVALID)


def mapped(file: HostNode, directory: Directory, start: int, end: int) -> Extents:
    """Return the facts of the guest bytes from ``start`` up to ``end``, storage left open."""
    header = directory.header
    first, last = start // header.l2_span, -(-end // header.l2_span)
    pieces = directory.stored(first, last)
    at_once = _DECODED // parts_of(header, header.l2_entry_size)
    builder = ExtentsBuilder(1 + len(pieces.guest) * (1 + parts_of(header, directory.piece)))
    if not len(pieces.guest) or pieces.guest[0] > first * header.l2_span:
        builder.add(_nothing(first * header.l2_span))
    for entries in _regrouped(_entries(file, directory, pieces, last * header.l2_span), at_once):
        builder.add(decode(header, entries))
    found = builder.window(start, end)
    starts, ends = directory.invalid(first, last)
    return _with_invalid(found, starts, ends) if len(starts) else found


def _nothing(at: int) -> Runs:
    return Runs(np.array([at]), np.array([_UNALLOCATED], np.uint8), np.array([NO_HOST]))


def _entries(file: HostNode, directory: Directory, pieces: Pieces, end: int) -> Iterator[Entries]:
    """Yield the entries that matter of pieces, which are read many at a time."""
    for words, stretches in _words(file, directory, pieces, end):
        yield telling(directory.header, words, stretches)


def _words(
    file: HostNode, directory: Directory, pieces: Pieces, end: int
) -> Iterator[tuple[NDArray[np.uint64], Breaks]]:
    """Yield the entries of pieces, many at a time.

    Behind a piece before a gap comes one entry of zeroes, which stands for what no table maps::

        guest    ├── A ──┼── B ──┤ · · · · · · ├── C ──┤
        words    a a a a  b b b b 0              c c c c
        breaks   │                               │
    """
    header, piece = directory.header, directory.piece
    guest, host = pieces
    per_piece, width = piece // header.l2_entry_size, header.l2_entry_size // 8
    at_once = max(1, min(_READ // piece, len(host)))
    shape = (at_once * (per_piece + 1), width) if header.extended_l2 else (at_once * (per_piece + 1),)
    has_gap = np.append(guest[1:], end) != guest + directory.piece_span
    # what lies side by side in the file is read in one go
    starts = np.ones(len(host), np.bool_)
    starts[1:] = np.diff(host) != piece
    starts[::at_once] = True
    words, count, breaks = np.empty(shape, np.uint64), 0, []
    for first, stop in pairwise([*np.flatnonzero(starts).tolist(), len(host)]):
        if not count or has_gap[first - 1]:
            breaks.append((count, int(guest[first])))
        found = np.frombuffer(file.read(int(host[first]), (stop - first) * piece), ">u8").reshape(
            -1, *shape[1:]
        )
        if has_gap[first : stop - 1].any():
            after = np.flatnonzero(has_gap[first : stop - 1]) + 1
            places = count + after * per_piece + np.arange(1, len(after) + 1)
            breaks.extend(zip(places.tolist(), guest[first + after].tolist(), strict=True))
            found = np.insert(found, after * per_piece, 0, axis=0)
        words[count : count + len(found)] = found
        count += len(found)
        if has_gap[stop - 1]:
            words[count] = 0
            count += 1
        if stop % at_once == 0 or stop == len(host):
            yield words[:count], Breaks(*np.array(breaks).T)
            words, count, breaks = np.empty(shape, np.uint64), 0, []


def _regrouped(found: Iterator[Entries], most: int) -> Iterator[Entries]:
    """Yield the same entries, about ``most`` at once."""
    parts: list[Entries] = []
    count = 0
    for each in found:
        parts.append(each)
        count += len(each.guest)
        if count >= most:
            yield from _split(_joined(parts), most)
            parts, count = [], 0
    if parts:
        yield from _split(_joined(parts), most)


def _joined(parts: list[Entries]) -> Entries:
    return parts[0] if len(parts) == 1 else Entries(*map(np.concatenate, zip(*parts, strict=True)))


def _split(entries: Entries, most: int) -> Iterator[Entries]:
    for at in range(0, len(entries.guest), most):
        yield Entries(entries.guest[at : at + most], entries.words[at : at + most])


def _with_invalid(found: Extents, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Extents:
    """Return the same runs, but for ranges of guest bytes that no table maps: these are INVALID.

    The ranges, (m,) starts and ends, are ascending and may reach beyond the window.
    """
    inside = np.clip(np.stack([starts, ends]), found.start, found.end)
    edges = np.union1d(found.edges, inside)
    run = np.searchsorted(found.edges, edges[:-1], side="right") - 1
    facts, host = found.facts.take(run), found.host.take(run)
    # a range contains the edges between its start, counted, and its end, not counted yet
    is_invalid = np.searchsorted(starts, edges[:-1], side="right") > np.searchsorted(
        ends, edges[:-1], side="right"
    )
    facts[is_invalid] = _INVALID
    return Extents(edges, facts, host).coalesce()
