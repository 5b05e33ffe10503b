"""QEMU's ``null-co`` and ``null-aio``: a disk of a given size and no storage at all.

It reads as zero only where ``read-zeroes`` is on; else nothing is promised about its content.
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from typing import Final

from blockstrata.facts.codes import Mapping, Storage, fact
from blockstrata.facts.extents import Extents, join, uniform
from blockstrata.facts.node import ProtocolNode, whole_sectors
from blockstrata.protocols.file import END

DEFAULT_SIZE: Final = 1 << 30
"""Bytes, where no size is given."""


class NullNode(ProtocolNode):
    """A null-co or null-aio node of ``length`` bytes."""

    allocated = 0

    def __init__(self, name: str, driver: str, length: int, *, read_zeroes: bool) -> None:
        super().__init__(name, driver, length)
        self.directory = name
        # two null nodes share nothing
        self.identity = (driver, id(self))
        self._read_zeroes = read_zeroes

    def extents(self, start: int, length: int) -> Extents:
        """Return one run: a hole if it reads as zeroes, else undefined; BEYOND_EOF past the last sector.

        Unlike a file's, the tail of the last sector is like the rest: QEMU's driver answers so.
        """
        content = Storage.HOLE if self._read_zeroes else Storage.UNDEFINED
        end = whole_sectors(self.length)
        inside = uniform(0, end, fact(Mapping.PASSTHROUGH, content), 0)
        beyond = uniform(end, END, fact(Mapping.PASSTHROUGH, Storage.BEYOND_EOF), end)
        return join([inside, beyond]).cut(start, start + length)

    def read(self, offset: int, length: int) -> bytes:
        """Return zeroes."""
        return bytes(length)

    def features(self) -> Dict[str, object]:
        """Return whether reads are promised to give zeroes."""
        return {"read-zeroes": self._read_zeroes}
