"""QEMU's ``null-co`` and ``null-aio``: a disk of a given size and no storage at all.

It reads as zero only where ``read-zeroes`` is on; else nothing is promised about its content.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from blockstrata.facts.codes import Mapping, Storage, Traits, fact
from blockstrata.facts.extents import Extents, join, uniform
from blockstrata.facts.node import whole_sectors
from blockstrata.protocols.file import END

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Mapping as Dict

DEFAULT_SIZE: Final = 1 << 30
"""Bytes, where no size is given."""


class NullNode:
    """A null-co or null-aio node of ``length`` bytes."""

    backing = None
    backing_format = None
    refusal = None
    supports_backing = False
    allocated: int | None = 0

    def __init__(self, name: str, driver: str, length: int, *, read_zeroes: bool) -> None:
        self.name = name
        self.directory: str | None = name
        self.length = length
        self.driver = driver
        self.traits = Traits(host_driver=driver, is_protocol=True)
        self.is_closed = False
        self._read_zeroes = read_zeroes

    @property
    def host(self) -> NullNode:
        """Return this node."""
        return self

    @property
    def identity(self) -> tuple[object, ...]:
        """Return what no other node equals: two null nodes share nothing."""
        return (self.driver, id(self))

    @property
    def file(self) -> NullNode:
        """Return this node."""
        return self

    def extents(self, start: int, length: int) -> Extents:
        """Return one run: a hole if it reads as zeroes, else undefined; BEYOND_EOF past the last sector.

        Unlike a file's, the tail of the last sector is like the rest: QEMU's driver answers so.
        """
        content = Storage.HOLE if self._read_zeroes else Storage.UNDEFINED
        end = whole_sectors(self.length)
        inside = uniform(0, end, fact(Mapping.PASSTHROUGH, content), 0)
        beyond = uniform(end, END, fact(Mapping.PASSTHROUGH, Storage.BEYOND_EOF), end)
        return join([inside, beyond]).cut(start, start + length)

    def read(self, offset: int, length: int) -> bytes:  # noqa: ARG002
        """Return zeroes."""
        return bytes(length)

    def notices(self) -> list[str]:
        """Return nothing."""
        return []

    def windows(self) -> Iterator[tuple[int, int, int]]:
        """Yield the one window: there are no tables to read."""
        yield 0, whole_sectors(self.length), 0

    def fault_at(self, offset: int) -> str:  # noqa: ARG002
        """Return an empty string: there is nothing to be corrupt."""
        return ""

    def features(self) -> Dict[str, object]:
        """Return whether reads are promised to give zeroes."""
        return {"read-zeroes": self._read_zeroes}

    def close(self) -> None:
        """Remember it: there is nothing to give back."""
        self.is_closed = True
