"""What Eric Blake proposed on 23 February 2018: LOCAL, ZERO, ALLOC, OFFSET_VALID.

The rows and their derivation are those of docs/semantics.md, "Proposed semantics".
"""

from __future__ import annotations

from enum import IntFlag
from typing import Final

from blockstrata.facts.codes import (
    DEFERRED_WORDS,
    SYNTHESISED,
    Mapping,
    Storage,
    Traits,
    mapping_of,
    storage_of,
)
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

_COLUMN: Final = {
    Storage.NONE: 0,
    Storage.DATA: 1,
    Storage.SHARED: 1,  # who else has the bytes changes nothing for the guest
    Storage.OPAQUE: 1,  # may be anything, so counts as data
    Storage.HOLE: 2,
    Storage.BEYOND_EOF: 2,  # only the tail of the last sector is ever asked for, and reads as zero
    Storage.UNWRITTEN: 3,
    Storage.UNDEFINED: 4,
}
"""Where in a row of flags a storage has its own."""

# on: NONE, DATA, HOLE, UNWRITTEN, UNDEFINED
_PROTOCOL: Final = (NOTHING, _A | _O, _Z | _O, _Z | _A | _O, _O)

_FORMAT: Final = {
    Mapping.NORMAL: (NOTHING, _L | _A | _O, _L | _Z | _O, _L | _Z | _A | _O, _L | _O),
    # what is stored need not be zero, so its offset promises nothing
    Mapping.ZERO_ALLOC: (NOTHING, _L | _Z | _A, _L | _Z | _O, _L | _Z | _A | _O, _L | _Z | _A),
    # over a hole nothing is reserved, and Z or O alone would be the bug rows
    Mapping.UNALLOCATED_ALLOC: (NOTHING, _A | _O, NOTHING, _Z | _A | _O, _A | _O),
    # none of the others has a usable host offset
    Mapping.COMPRESSED: (_L | _A,) * 5,
    Mapping.OPAQUE_DATA: (_L | _A,) * 5,
    Mapping.ZERO_PLAIN: (_L | _Z,) * 5,
    Mapping.UNALLOCATED: (NOTHING,) * 5,
    Mapping.INVALID: (NOTHING,) * 5,
    Mapping.UNREAD: (NOTHING,) * 5,
}

_ENCRYPTED: Final = {
    **_FORMAT,
    # what a hole decrypts to is garbage
    Mapping.NORMAL: (NOTHING, _L | _A, _L, _L | _A, _L),
    Mapping.ZERO_ALLOC: (NOTHING, _L | _Z | _A, _L | _Z, _L | _Z | _A, _L | _Z | _A),
    Mapping.UNALLOCATED_ALLOC: (NOTHING,) * 5,
}
"""The same in an encrypted image: the stored bytes are never the guest's, so no offset is valid."""

_SYNTHESISED: Final = (_L | _Z, _L | _Z | _A, _L | _Z, _L | _Z | _A | _O, _L | _Z | _A)
"""A deferring run that nothing below reaches: the layer itself supplies zeroes."""


def answer(code: int, traits: Traits) -> int:
    """Return the proposed flags for a fact of a layer."""
    mapping, column = mapping_of(code), _COLUMN[storage_of(code)]
    if mapping is Mapping.PASSTHROUGH:
        return _PROTOCOL[column] if traits.is_protocol else _PROTOCOL[column] | Flag.LOCAL
    if code & SYNTHESISED:
        return _L | _Z if traits.encrypted else _SYNTHESISED[column]
    return (_ENCRYPTED if traits.encrypted else _FORMAT)[mapping][column]


FORMAT_ROWS: Final = (
    Row(_L | _Z | _A | _O, "reads as zero; the file is zero at the offset, storage reserved"),
    Row(_L | _A | _O, "reads as the data at the offset"),
    Row(_L | _Z | _O, "reads as zero; the file has a hole at the offset"),
    Row(_L | _O, "preallocated at the offset but reads as garbage: bug?", is_bug=True),
    Row(_L | _Z | _A, "reads as zero; storage exists but at no usable offset"),
    Row(_L | _A, "reads as data at no usable offset (compressed, encrypted)"),
    Row(_L | _Z, "reads as zero; nothing stored"),
    Row(_L, "preallocated, no known offset: bug?", is_bug=True),
    Row(_Z | _A | _O, f"{DEFERRED_WORDS}; allocated zeroes are reserved at the offset"),
    Row(_A | _O, f"{DEFERRED_WORDS}; reserved at the offset"),
    Row(_Z | _O, "bug", is_bug=True),
    Row(_O, "bug", is_bug=True),
    Row(_Z | _A, "bug", is_bug=True),
    Row(_A, "bug", is_bug=True),
    Row(_Z, "bug", is_bug=True),
    Row(NOTHING, DEFERRED_WORDS),
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
    # a walk down always ends at a layer that is LOCAL: the flags stay as they are
)
"""What was proposed in 2018."""
