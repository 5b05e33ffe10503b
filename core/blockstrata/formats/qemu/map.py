"""The JSON of ``qemu-img map`` for one layer, read as facts.

What QEMU answers tells less than an image's own tables (docs/semantics.md, "Facts from qemu-img map")::

    present zero data offset    fact
       x     ·    x     x       NORMAL
       x     x    x     x       NORMAL on a hole: QEMU asked the file below (RECURSE)
       x     ·    x     ·       OPAQUE_DATA, or COMPRESSED where QEMU says so
       x     x    ·     x       ZERO_ALLOC
       x     x    ·     ·       ZERO_PLAIN
       ·     x    ·     ·       UNALLOCATED: at the end of a chain QEMU supplies zeroes
       ·     x    ·     x       UNALLOCATED_ALLOC
       ·     ·    ·     ·       nothing promised: PASSTHROUGH on no storage
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.errors import OpenError
from blockstrata.facts.codes import NO_HOST, Mapping, fact
from blockstrata.facts.extents import Extents

_KEYS: Final = ("start", "length", "depth", "present", "zero", "data")
_PRESENT, _ZERO, _DATA, _COMPRESSED, _OFFSET = _BITS = 1 << np.arange(5)
"""Bits of what an entry says."""
_MOST_LINE: Final = 1 << 16
"""Bytes; an entry of qemu-img's takes some hundred."""

_HOSTED: Final = (Mapping.NORMAL, Mapping.ZERO_ALLOC, Mapping.UNALLOCATED_ALLOC)


def _mapping(bits: int) -> Mapping:
    has_offset = bool(bits & _OFFSET)
    if bits & _DATA:
        if bits & _COMPRESSED:
            return Mapping.COMPRESSED
        if has_offset:
            return Mapping.NORMAL
        # data and zero at no offset: no driver is known to say so; that it reads as zero is worth more
        return Mapping.ZERO_PLAIN if bits & _ZERO else Mapping.OPAQUE_DATA
    if bits & _ZERO and bits & _PRESENT:
        return Mapping.ZERO_ALLOC if has_offset else Mapping.ZERO_PLAIN
    if bits & _ZERO:
        return Mapping.UNALLOCATED_ALLOC if has_offset else Mapping.UNALLOCATED
    return Mapping.PASSTHROUGH


_MAPPINGS: Final = np.array([fact(_mapping(bits)) for bits in range(32)], np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class QemuMap:
    """The facts of a layer, storage left open, and what QEMU has found out about storage.

    ``holes`` bool of shape (n,): where it asked the file below about data, and found a hole.
    ``tells_compressed``: it says of data whether it is compressed, as QEMU does since 8.2.
    """

    extents: Extents
    holes: NDArray[np.bool_]
    tells_compressed: bool


def read_map(pieces: Iterable[bytes], size: int, name: str) -> QemuMap:
    """Return the facts in a map's JSON, which comes in pieces; ``size`` bytes is what it must cover.

    ``OpenError`` if it is no such map.
    """
    parts = [_columns(body, name) for body in _bodies(pieces, name)]
    start, length, depth, bits, offset, told = np.concatenate([np.empty((6, 0), np.int64), *parts], axis=1)
    kept = length > 0
    start, length, depth, bits, offset = (each[kept] for each in (start, length, depth, bits, offset))
    end = start + length
    covers = np.array_equal(np.append(start, size), np.append(0, end))
    if not covers or (offset < NO_HOST).any() or (offset + length < offset).any():
        raise OpenError(name, "qemu-img map", f"does not cover the {size} bytes of the image once")
    # what a layer further down serves is unallocated in this one
    facts = np.where(depth > 0, np.uint8(fact(Mapping.UNALLOCATED)), _MAPPINGS[bits])
    holes = (facts == fact(Mapping.NORMAL)) & (bits & _ZERO != 0)
    hosted = np.isin(facts >> 3, np.array(_HOSTED, np.uint8))
    host = np.where(hosted, offset, NO_HOST)
    return QemuMap(Extents(np.append(start, size), facts, host), holes, bool(told.all()))


def _bodies(pieces: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Yield the map in parts that hold whole entries: qemu-img writes one a line."""
    rest = b""
    for piece in pieces:
        lines, newline, end = piece.rpartition(b"\n")
        if newline:
            yield rest + lines
            rest = end
        else:
            rest += piece
        if len(rest) > _MOST_LINE:
            raise _senseless(name)
    yield rest


def _columns(body: bytes, name: str) -> NDArray[np.int64]:
    """Return the entries of a part, int64 of shape (6, n).

    Start, length, depth, flags and offset of each, and whether it says if it is compressed.
    """
    try:
        entries = json.loads(b"[" + body.strip(b"[], \t\r\n") + b"]")
        rows = [
            (
                *(entry[key] for key in _KEYS),
                entry.get("compressed", False),
                entry.get("offset", NO_HOST),
                "compressed" in entry,
            )
            for entry in entries
        ]
        table = np.array(rows, np.int64).reshape(-1, 9).T
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise _senseless(name) from None
    start, length, depth, *said, offset, told = table
    bits = _BITS @ np.array([*said, offset != NO_HOST], np.bool_)
    return np.stack([start, length, depth, bits, offset, told])


def _senseless(name: str) -> OpenError:
    return OpenError(name, "qemu-img map", "does not answer with a map; qemu-img 6.1 or later is needed")
