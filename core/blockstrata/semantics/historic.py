"""What QEMU answers today: DATA, ZERO, ALLOCATED, OFFSET_VALID.

The rules are those of docs/semantics.md, "Historic semantics".

First the driver's answer, then the block layer's rules on top of it, as in QEMU.
"""

from __future__ import annotations

from enum import IntFlag
from typing import Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.codes import SYNTHESISED, Mapping, Storage, Traits, mapping_of, storage_of
from blockstrata.semantics.table import Column, Letter, Row, Semantics


class Flag(IntFlag):
    """The bits, with the values they have in QEMU's block layer."""

    DATA = 0x01
    ZERO = 0x02
    OFFSET_VALID = 0x04
    RAW = 0x08
    """Internal: ask the child there and take its whole answer."""
    ALLOCATED = 0x10
    COMPRESSED_UNKNOWN = 0x20
    """Ours: it was not told whether COMPRESSED is set."""
    RECURSE = 0x40
    """Internal: ask the file below whether it is a hole there."""
    COMPRESSED = 0x80


NOTHING: Final = Flag(0)

_DRIVER: Final = {
    Mapping.UNALLOCATED: NOTHING,
    Mapping.UNALLOCATED_ALLOC: Flag.OFFSET_VALID,
    Mapping.ZERO_PLAIN: Flag.ZERO,
    Mapping.ZERO_ALLOC: Flag.ZERO | Flag.OFFSET_VALID,
    Mapping.NORMAL: Flag.DATA | Flag.OFFSET_VALID,
    Mapping.COMPRESSED: Flag.DATA | Flag.COMPRESSED,
    Mapping.OPAQUE_DATA: Flag.DATA,
    Mapping.PASSTHROUGH: Flag.RAW | Flag.OFFSET_VALID,
    Mapping.INVALID: NOTHING,
    Mapping.UNREAD: NOTHING,
}
"""What a format driver answers."""

_PROTOCOL: Final = {
    Storage.DATA: Flag.DATA | Flag.OFFSET_VALID,
    Storage.SHARED: Flag.DATA | Flag.OFFSET_VALID,
    Storage.HOLE: Flag.ZERO | Flag.OFFSET_VALID,
    Storage.UNWRITTEN: Flag.ZERO | Flag.OFFSET_VALID,
    Storage.BEYOND_EOF: Flag.ZERO | Flag.OFFSET_VALID,
    Storage.UNDEFINED: Flag.OFFSET_VALID,
    Storage.OPAQUE: Flag.DATA | Flag.OFFSET_VALID,
    Storage.NONE: NOTHING,
}
"""What a protocol driver answers.  BEYOND_EOF: the tail of the last sector."""


def driver_answer(mapping: Mapping, traits: Traits) -> Flag:
    """Return what the format driver answers for a mapping."""
    answer = _DRIVER[mapping]
    if mapping is Mapping.OPAQUE_DATA and not traits.tells_compressed:
        answer |= Flag.COMPRESSED_UNKNOWN
    if traits.encrypted:
        answer &= ~Flag.OFFSET_VALID
    if traits.recurse and Flag.DATA | Flag.OFFSET_VALID in answer:
        answer |= Flag.RECURSE
    return answer


def protocol_answer(storage: Storage, traits: Traits) -> Flag:
    """Return what a protocol node answers, ALLOCATED included."""
    answer = _PROTOCOL[storage]
    if storage is Storage.UNWRITTEN and traits.host_driver == "nbd":
        answer |= Flag.DATA  # an NBD client says DATA wherever the server does not say HOLE
    if storage is Storage.BEYOND_EOF and traits.host_driver == "nbd":
        answer &= ~Flag.OFFSET_VALID  # the tail of the last sector is in no export
    return answer | Flag.ALLOCATED if answer & (Flag.DATA | Flag.ZERO) else answer


def answer(code: int, traits: Traits) -> int:
    """Return what the block layer answers for a fact of a layer; the numbers are those of its rules.

    They stand in docs/semantics.md, "Rules of the block layer".
    """
    mapping, storage = mapping_of(code), storage_of(code)
    flags = driver_answer(mapping, traits)
    if flags & Flag.RAW:  # rule 2
        return protocol_answer(storage, traits)
    if flags & (Flag.DATA | Flag.ZERO):  # rule 3
        flags |= Flag.ALLOCATED
    elif code & SYNTHESISED:
        flags |= Flag.ZERO
    if flags & Flag.RECURSE:  # rule 4
        flags &= ~Flag.RECURSE
        if protocol_answer(storage, traits) & Flag.ZERO:
            flags |= Flag.ZERO
    return flags


def present_words(flags: int) -> str:
    """Say whether flags have ALLOCATED (``present`` in the map), which has no letter."""
    return f"present {'yes' if flags & Flag.ALLOCATED else 'no'}"


def settle(flags: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Drop what is left where the walk fell off the chain: neither DATA nor ZERO is no flags, no offset."""
    return np.where(flags & np.uint8(Flag.DATA | Flag.ZERO), flags, np.uint8(0))


_D, _Z, _O = Flag.DATA, Flag.ZERO, Flag.OFFSET_VALID

ROWS: Final = (
    Row(_D | _Z | _O, "reads as zero, and the returned file is zero at the offset"),
    Row(_D | _O, "reads as the data in the file at the offset"),
    Row(_Z | _O, "preallocated, reads as zero, the file need not be zero at the offset"),
    Row(_O, "preallocated, but read from the backing layer; garbage in the file at the offset"),
    Row(_D | _Z, "preallocated, reads as zero, offset unknown"),
    Row(_D, "read from an unknown file or offset (compressed, encrypted)"),
    Row(_Z, "not allocated or offset unknown, reads as zero"),
    Row(NOTHING, "not allocated or offset unknown, read from the backing layer"),
)
"""The meaning of DATA, ZERO and OFFSET_VALID as the block layer documents it."""

HISTORIC: Final = Semantics(
    name="historic",
    switch="old",
    title="what QEMU answers",
    all_letters=(
        Letter(Flag.DATA, "D", "DATA"),
        Letter(Flag.ZERO, "Z", "ZERO"),
        Letter(Flag.OFFSET_VALID, "O", "OFFSET_VALID"),
    ),
    columns=(
        Column(Flag.ALLOCATED, "present"),
        Column(Flag.ZERO, "zero"),
        Column(Flag.DATA, "data"),
        Column(Flag.COMPRESSED, "compressed", Flag.COMPRESSED_UNKNOWN),
    ),
    offset_flag=Flag.OFFSET_VALID,
    format_rows=ROWS,
    protocol_rows=ROWS,
    answer=answer,
    settle=settle,
)
"""What QEMU answers today."""
