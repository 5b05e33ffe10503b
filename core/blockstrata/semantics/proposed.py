"""What Eric Blake proposed on 23 February 2018: LOCAL, ZERO, ALLOC, OFFSET_VALID.

The rows and their derivation are those of docs/semantics.md, "Proposed semantics".
"""

from __future__ import annotations

from enum import IntFlag
from typing import Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.codes import SYNTHESISED, Mapping, Storage, Traits, mapping_of, storage_of
from blockstrata.facts.words import DEFERRED
from blockstrata.semantics.table import Column, Letter, Row, Semantics


class Flag(IntFlag):
    """The proposed bits."""

    LOCAL = 8
    """The guest gets these bytes from this layer, not from below.  Format layers only."""
    ZERO = 4
    """They read as zeroes."""
    ALLOC = 2
    """Storage is reserved for them."""
    OFFSET_VALID = 1
    """The raw bytes can be read in the returned file at the returned offset."""


_L, _Z, _A, _O = Flag.LOCAL, Flag.ZERO, Flag.ALLOC, Flag.OFFSET_VALID
NOTHING: Final = Flag(0)

_PROTOCOL: Final = {
    Storage.DATA: _A | _O,
    Storage.HOLE: _Z | _O,
    Storage.UNWRITTEN: _Z | _A | _O,
    Storage.UNDEFINED: _O,
    Storage.OPAQUE: _A | _O,
    # only the tail of the last sector is ever asked for; past that there is nothing to access
    Storage.BEYOND_EOF: _Z | _O,
    Storage.NONE: NOTHING,
}

_STORED: Final = {
    Mapping.NORMAL: {
        Storage.DATA: _L | _A | _O,
        Storage.OPAQUE: _L | _A | _O,
        Storage.UNWRITTEN: _L | _Z | _A | _O,
        Storage.HOLE: _L | _Z | _O,
        Storage.BEYOND_EOF: _L | _Z | _O,
        Storage.UNDEFINED: _L | _O,
    },
    # what is stored need not be zero, so its offset promises nothing
    Mapping.ZERO_ALLOC: {
        Storage.DATA: _L | _Z | _A,
        Storage.OPAQUE: _L | _Z | _A,
        Storage.UNDEFINED: _L | _Z | _A,
        Storage.UNWRITTEN: _L | _Z | _A | _O,
        Storage.HOLE: _L | _Z | _O,
        Storage.BEYOND_EOF: _L | _Z | _O,
    },
    # over a hole nothing is reserved, and Z or O alone would be the bug rows
    Mapping.UNALLOCATED_ALLOC: {
        Storage.DATA: _A | _O,
        Storage.OPAQUE: _A | _O,
        Storage.UNDEFINED: _A | _O,
        Storage.UNWRITTEN: _Z | _A | _O,
        Storage.HOLE: NOTHING,
        Storage.BEYOND_EOF: NOTHING,
    },
}
"""Mappings with a host offset, by what lies there."""

_ENCRYPTED: Final = {
    # what a hole decrypts to is garbage
    Mapping.NORMAL: {
        Storage.DATA: _L | _A,
        Storage.UNWRITTEN: _L | _A,
        Storage.OPAQUE: _L | _A,
        Storage.UNDEFINED: _L,
        Storage.HOLE: _L,
        Storage.BEYOND_EOF: _L,
    },
    Mapping.ZERO_ALLOC: {
        Storage.DATA: _L | _Z | _A,
        Storage.UNWRITTEN: _L | _Z | _A,
        Storage.OPAQUE: _L | _Z | _A,
        Storage.UNDEFINED: _L | _Z | _A,
        Storage.HOLE: _L | _Z,
        Storage.BEYOND_EOF: _L | _Z,
    },
    Mapping.UNALLOCATED_ALLOC: dict.fromkeys(Storage, NOTHING),
}
"""The same in an encrypted image: the stored bytes are never the guest's, so no offset is valid."""

_UNSTORED: Final = {
    Mapping.COMPRESSED: _L | _A,
    Mapping.OPAQUE_DATA: _L | _A,
    Mapping.ZERO_PLAIN: _L | _Z,
    Mapping.UNALLOCATED: NOTHING,
    Mapping.INVALID: NOTHING,
    Mapping.UNREAD: NOTHING,
}
"""Mappings without a usable host offset."""

_SYNTHESISED: Final = {
    Storage.DATA: _L | _Z | _A,
    Storage.OPAQUE: _L | _Z | _A,
    Storage.UNDEFINED: _L | _Z | _A,
    Storage.UNWRITTEN: _L | _Z | _A | _O,
}
"""A deferring run that nothing below reaches: the layer itself supplies zeroes; over all else ``L Z - -``."""


def answer(code: int, traits: Traits) -> int:
    """Return the proposed flags for a fact of a layer."""
    mapping, storage = mapping_of(code), storage_of(code)
    if mapping is Mapping.PASSTHROUGH:
        below = _PROTOCOL[storage]
        return below if traits.is_protocol else below | Flag.LOCAL
    if code & SYNTHESISED:
        return _L | _Z if traits.encrypted else _SYNTHESISED.get(storage, _L | _Z)
    if mapping in _UNSTORED:
        return _UNSTORED[mapping]
    stored = _ENCRYPTED if traits.encrypted else _STORED
    return stored[mapping].get(storage, NOTHING)


def settle(flags: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the flags as they are: a walk down always ends at a layer that is LOCAL."""
    return flags


FORMAT_ROWS: Final = (
    Row(_L | _Z | _A | _O, "reads as zero; the file is zero at the offset, storage reserved"),
    Row(_L | _A | _O, "reads as the data at the offset"),
    Row(_L | _Z | _O, "reads as zero; the file has a hole at the offset"),
    Row(_L | _O, "preallocated at the offset but reads as garbage: bug?", is_bug=True),
    Row(_L | _Z | _A, "reads as zero; storage exists but at no usable offset"),
    Row(_L | _A, "reads as data at no usable offset (compressed, encrypted)"),
    Row(_L | _Z, "reads as zero; nothing stored"),
    Row(_L, "preallocated, no known offset: bug?", is_bug=True),
    Row(_Z | _A | _O, f"{DEFERRED}; allocated zeroes are reserved at the offset"),
    Row(_A | _O, f"{DEFERRED}; reserved at the offset"),
    Row(_Z | _O, "bug", is_bug=True),
    Row(_O, "bug", is_bug=True),
    Row(_Z | _A, "bug", is_bug=True),
    Row(_A, "bug", is_bug=True),
    Row(_Z, "bug", is_bug=True),
    Row(NOTHING, DEFERRED),
)

PROTOCOL_ROWS: Final = (
    Row(_Z | _A | _O, "reads as zero, storage at the offset"),
    Row(_A | _O, "reads as data, storage at the offset"),
    Row(_Z | _O, "reads as zero, a hole at the offset"),
    Row(_O, "bug?", is_bug=True),
    Row(_Z | _A, "reads as zero, storage at an unknown offset"),
    Row(_A, "reads as data at an unknown offset"),
    Row(_Z, "reads as zero, a hole, unknown offset"),
    Row(NOTHING, "cannot be accessed"),
)

PROPOSED: Final = Semantics(
    name="proposed",
    switch="new",
    title="as proposed in 2018",
    all_letters=(
        Letter(Flag.LOCAL, "L", "LOCAL", format_only=True),
        Letter(Flag.ZERO, "Z", "ZERO"),
        Letter(Flag.ALLOC, "A", "ALLOC"),
        Letter(Flag.OFFSET_VALID, "O", "OFFSET_VALID"),
    ),
    columns=(
        Column(Flag.LOCAL, "local"),
        Column(Flag.ZERO, "zero"),
        Column(Flag.ALLOC, "alloc"),
        Column(Flag.OFFSET_VALID, "offset_valid"),
    ),
    offset_flag=Flag.OFFSET_VALID,
    format_rows=FORMAT_ROWS,
    protocol_rows=PROTOCOL_ROWS,
    answer=answer,
    settle=settle,
)
"""What was proposed in 2018."""
