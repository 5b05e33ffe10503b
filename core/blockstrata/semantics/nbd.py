"""What crosses the wire as NBD: HOLE and ZERO, by the three mappings there have been.

The rules are those of docs/semantics.md, "NBD".

Each mapping is a server's and a client's half.  The server turns the block layer's answer to a guest run into
two bits; the client turns the two bits into the answer of its own node::

    bits that a side looks at      server                     client
    nbd-2018                       ALLOCATED, ZERO  ──────►   DATA, ZERO
    nbd-6.0                        DATA, ZERO       ──────►   DATA, ZERO, OFFSET_VALID
    nbd-proposed                   ALLOC, ZERO      ──────►   ALLOC, ZERO, OFFSET_VALID
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from typing import Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.codes import DEFERRING, SYNTHESISED, Mapping, Traits, mapping_of
from blockstrata.semantics.historic import HISTORIC
from blockstrata.semantics.historic import Flag as Old
from blockstrata.semantics.proposed import PROPOSED
from blockstrata.semantics.proposed import Flag as New
from blockstrata.semantics.table import Column, Letter, Row, Semantics


class Flag(IntFlag):
    """The bits of ``base:allocation``, with the values they have on the wire."""

    HOLE = 1
    ZERO = 2
    DEFERRED = 0x80
    """Internal: a layer in its chain leaves the run to the layer below; a server answers from there."""


WIRE: Final = Flag.HOLE | Flag.ZERO
"""The bits that cross."""

ROWS: Final = (
    Row(Flag.HOLE | Flag.ZERO, "a hole that reads as zero"),
    Row(Flag.ZERO, "reads as zero, allocated or not known to be a hole"),
    Row(Flag.HOLE, "a hole, and what it reads as is undefined"),
    Row(Flag(0), "data, or nothing is known of it"),
)
"""The meanings of the NBD protocol, by which a hole without zero is legal."""


def _semantics(age: str, title: str, base: Semantics, not_hole: int, zero: int) -> Semantics:
    """Return what a server says: a hole unless ``not_hole``, zero if ``zero``, both flags of ``base``."""

    def answer(code: int, traits: Traits) -> int:
        mapping = mapping_of(code)
        if mapping in (Mapping.INVALID, Mapping.UNREAD):
            return 0
        flags = base.answer(code, traits)
        wire = Flag(0) if flags & not_hole else Flag.HOLE
        if flags & zero:
            wire |= Flag.ZERO
        defers = mapping in DEFERRING and not code & SYNTHESISED
        return wire | Flag.DEFERRED if defers else wire

    return Semantics(
        name=f"nbd-{age}",
        switch="nbd",
        variant=age,
        title=title,
        all_letters=(Letter(Flag.HOLE, "H", "HOLE"), Letter(Flag.ZERO, "Z", "ZERO")),
        columns=(Column(Flag.HOLE, "hole"), Column(Flag.ZERO, "zero")),
        offset_flag=0,
        format_rows=ROWS,
        protocol_rows=ROWS,
        answer=answer,
        settle=lambda flags: flags & np.uint8(WIRE),
        deferred_flag=Flag.DEFERRED,
    )


NBD_2018: Final = _semantics("2018", "NBD of QEMU 2.12 to 5.2", HISTORIC, Old.ALLOCATED, Old.ZERO)
"""What a server of QEMU 2.12 to 5.2 says."""
NBD_6_0: Final = _semantics("6.0", "NBD of QEMU since 6.0", HISTORIC, Old.DATA, Old.ZERO)
"""What a server says since QEMU 6.0."""
NBD_PROPOSED: Final = _semantics("proposed", "NBD as proposed in 2018", PROPOSED, New.ALLOC, New.ZERO)
"""What one would have said with the flags proposed in 2018."""


@dataclass(frozen=True)
class Wire:
    """One mapping, both ways.

    ``base`` is the semantics of both ends, ``server`` what is said on the wire, ``compared`` the flags of
    ``base`` that both ends speak of.  OFFSET_VALID is not among them: the two offsets are in different files.
    """

    server: Semantics
    base: Semantics
    rule: str
    """The server's half in words."""
    client_rule: str
    """The client's."""
    compared: int
    concludes: tuple[int, int, int, int]
    """What the client's node answers, flags of ``base``: to data, to HOLE, to ZERO, to both."""

    def client(self, wire: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return what the client concludes from the bits on the wire, uint8 of the same shape."""
        concluded: NDArray[np.uint8] = np.array(self.concludes, np.uint8)[wire & np.uint8(WIRE)]
        return concluded

    def lost(self, means: NDArray[np.uint8], wire: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the compared flags that differ between what was meant and what is concluded, uint8 (n,)."""
        return (means ^ self.client(wire)) & np.uint8(self.compared)

    def changes(self, lost: int, concludes: int) -> list[str]:
        """Return what changed, by key: ``+data`` where the client alone says so, ``-data`` the image."""
        columns = [column for column in self.base.columns if lost & column.flag]
        return [f"{'+' if concludes & column.flag else '-'}{column.key}" for column in columns]


# ALLOCATED is what the client's own block layer adds to DATA or ZERO
_DATA, _ZERO, _OFFSET = Old.DATA | Old.ALLOCATED, Old.ZERO | Old.ALLOCATED, Old.OFFSET_VALID
# LOCAL is what the client's format layer adds, raw
_STORED = New.LOCAL | New.OFFSET_VALID

WIRES: Final = (
    Wire(
        NBD_2018,
        HISTORIC,
        "HOLE unless ALLOCATED, ZERO if ZERO",
        "DATA unless HOLE, ZERO if ZERO",
        _DATA | _ZERO,
        (_DATA, 0, _DATA | _ZERO, _ZERO),
    ),
    Wire(
        NBD_6_0,
        HISTORIC,
        "HOLE unless DATA, ZERO if ZERO",
        "DATA unless HOLE, ZERO if ZERO, OFFSET_VALID",
        _DATA | _ZERO,
        (_DATA | _OFFSET, _OFFSET, _DATA | _ZERO | _OFFSET, _ZERO | _OFFSET),
    ),
    Wire(
        NBD_PROPOSED,
        PROPOSED,
        "HOLE unless ALLOC, ZERO if ZERO",
        "ALLOC unless HOLE, ZERO if ZERO, OFFSET_VALID",
        New.LOCAL | New.ZERO | New.ALLOC,
        (_STORED | New.ALLOC, _STORED, _STORED | New.ZERO | New.ALLOC, _STORED | New.ZERO),
    ),
)
"""The three mappings, oldest first."""


def wire_of(semantics: Semantics) -> Wire | None:
    """Return the round trip that a semantics is the server's half of, or None."""
    return next((wire for wire in WIRES if wire.server is semantics), None)
