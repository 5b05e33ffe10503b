"""The vocabulary of facts: what an image says of a run of bytes, before any flag.

A run's fact is one ``uint8``: the mapping in bits 3 to 6, the storage in bits 0 to 2, and one mark in bit 7.
Every semantics is a table with one entry for each of the 256 codes.  The words are those
of docs/semantics.md, "Facts".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

NO_HOST: Final = -1
"""The host offset of a run that has none.  0 is an offset like any other."""

SECTOR: Final = 512
"""Bytes.  QEMU's block layer counts the length of a node in whole sectors."""

MAX_LENGTH: Final = 2**63 - 512
"""Bytes.  The longest node whose last sector has an end; QEMU draws the line a little lower, at whole GiB."""

SYNTHESISED: Final = 0x80
"""Mark of a run that a layer would defer, but nothing below it reaches: the block layer supplies zeroes."""

CODES: Final = 256
"""How many fact codes there are, so how long a semantics' table is."""


class Mapping(IntEnum):
    """What a layer's own tables say of a run of guest bytes."""

    UNREAD = 0
    """Not looked at yet."""
    UNALLOCATED = 1
    UNALLOCATED_ALLOC = 2
    """A host cluster is reserved, its content is deferred (extended L2 entries only)."""
    ZERO_PLAIN = 3
    ZERO_ALLOC = 4
    NORMAL = 5
    COMPRESSED = 6
    PASSTHROUGH = 7
    """Ask the layer below (raw), or: this is the layer below (a protocol driver)."""
    OPAQUE_DATA = 8
    """Data at no known offset, as another tool reported it."""
    INVALID = 9
    """A corrupt entry, or a layer that could not be opened; the driver knows the reason."""


class Storage(IntEnum):
    """What the protocol layer says of a run of host bytes."""

    NONE = 0
    """No host offset, so nothing to ask."""
    DATA = 1
    HOLE = 2
    UNWRITTEN = 3
    """Space is reserved; it reads as zero."""
    BEYOND_EOF = 4
    UNDEFINED = 5
    """Nothing is promised about the content."""
    OPAQUE = 6
    """The protocol driver has no block status."""
    SHARED = 7
    """As DATA in every semantics; the file system keeps the same bytes for another file too (a reflink)."""


def fact(mapping: Mapping, storage: Storage = Storage.NONE) -> int:
    """Return the code of a mapping on a storage, 0 to 127."""
    return mapping << 3 | storage


def mapping_of(code: int) -> Mapping:
    """Return the mapping in a fact code; ``ValueError`` if there is none of that number."""
    return Mapping(code >> 3 & 0xF)


def storage_of(code: int) -> Storage:
    """Return the storage in a fact code; there is one of every number."""
    return Storage(code & 0x7)


def is_code(code: int) -> bool:
    """Say whether a number is the code of some fact; the codes are not contiguous."""
    return (code >> 3 & 0xF) in Mapping._value2member_map_ and (code & 0x7) in Storage._value2member_map_


def is_lost(code: int) -> bool:
    """Say whether what an image's tables name lies past the file's end, a whole cluster or a table of it.

    Such a run is on BEYOND_EOF; UNALLOCATED, its table is lost.  Of a node without tables that is only the
    tail of the last sector.
    """
    return code & 0x7 == Storage.BEYOND_EOF and code >> 3 & 0xF != Mapping.PASSTHROUGH


_HOLE: Final = "the file has a hole at the offset"


def words_for(words: str, code: int) -> str:
    """Return a row's words for a fact: where that is lost, they say that the file ends before."""
    if not is_lost(code):
        return words
    if _HOLE in words:
        return words.replace(_HOLE, "the file ends before the offset")
    what = "its table is " if mapping_of(code) is Mapping.UNALLOCATED else ""
    return f"{words} ({what}past the file's end)"


DEFERRING: Final = (Mapping.UNALLOCATED, Mapping.UNALLOCATED_ALLOC)
"""The mappings that leave the guest's bytes to the layer below."""

DEFERRED_WORDS: Final = "deferred to the backing layer"
"""Said of a layer that leaves a run to the one below, under every semantics that shows it."""


SHARED_WORDS: Final = "the file system shares these bytes with another file"
"""Said of a run on SHARED."""


def storage_words(code: int) -> str:
    """Return the storage of a fact: ``beyond eof``; ``none`` where there is no host offset."""
    return storage_of(code).name.lower().replace("_", " ")


def fact_words(code: int) -> str:
    """Return a fact: ``zero alloc on hole``, ``normal, lost``; with no host offset ``unallocated``."""
    words = mapping_of(code).name.lower().replace("_", " ")
    if is_lost(code):
        return f"{words}, lost"
    return words if storage_of(code) is Storage.NONE else f"{words} on {storage_words(code)}"


@dataclass(frozen=True, slots=True)
class Traits:
    """What holds for a whole layer and changes what its facts mean.

    ``host_driver`` is QEMU's name of the protocol driver that the layer stands on, or is.  ``recurse``: QEMU
    takes the image for a metadata-preallocated one and asks the file below about its data (docs/semantics.md,
    "RECURSE").  ``tells_compressed``: it is known whether data at no offset is compressed, which an older
    qemu-img does not tell.
    """

    host_driver: str
    is_protocol: bool = False
    encrypted: bool = False
    recurse: bool = False
    tells_compressed: bool = True
