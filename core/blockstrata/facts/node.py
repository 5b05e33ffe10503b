"""What a driver is to the rest of the house: a source of facts, asked by window.

A format driver (qcow2, raw) answers over guest offsets, a protocol driver (file, null-co) over its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Dict
from typing import Protocol

from blockstrata.errors import BlockstrataError, ClosedError
from blockstrata.facts.codes import SECTOR, Traits
from blockstrata.facts.extents import Extents


class Driver(Protocol):
    """One node of the block graph."""

    @property
    def name(self) -> str:
        """The file name, as the user or the layer above gave it."""

    @property
    def driver(self) -> str:
        """The driver's name, as QEMU calls it: qcow2, raw, file and so on."""

    @property
    def length(self) -> int:
        """Bytes that the node really has; a raw file's need not be whole sectors."""

    @property
    def traits(self) -> Traits:
        """What holds for the node as a whole and changes what its facts mean; may have to count for it."""

    @property
    def backing(self) -> str | None:
        """The reference to the layer below as the image states it, or None."""

    @property
    def backing_format(self) -> str | None:
        """The format that the image states for it, or None if it is to be probed."""

    @property
    def supports_backing(self) -> bool:
        """Whether a layer may lie below, as QEMU's driver says."""

    @property
    def refusal(self) -> BlockstrataError | None:
        """Why QEMU opens no such image although its mapping can be read; None if it does."""

    @property
    def host(self) -> HostNode:
        """The node that holds the guest's stored bytes; itself for a protocol node."""

    @property
    def file(self) -> HostNode:
        """The node that holds the image: the same, unless the guest's bytes are in an external data file."""

    def extents(self, start: int, length: int) -> Extents:
        """Return the facts of a window, which may hold UNREAD and INVALID runs.

        The window may reach up to the node's length in whole sectors.
        """

    def windows(self) -> Iterator[tuple[int, int, int]]:
        """Yield (start, length, tables) of windows that cover the node, each of bounded work.

        For whoever reads the whole node and wants to stop or tell how far it is; ``tables`` is how many
        tables the window takes to read.
        """

    def fault_at(self, offset: int) -> str:
        """Say why the run at a byte is INVALID; an empty string if it is not."""

    def features(self) -> Dict[str, object]:
        """Return what is worth telling about the node as a whole, by name, in JSON's types."""

    def close(self) -> None:
        """Give the file descriptors back; a second time nothing happens."""


class HostNode(Driver, Protocol):
    """A node that stores bytes and can say on what: what format drivers stand on.

    Its ``extents`` answer for any window below 2**63: what lies past the end is BEYOND_EOF.
    """

    @property
    def is_closed(self) -> bool:
        """Whether the node was closed: then nothing may be asked of it, nor of what stands on it."""

    @property
    def allocated(self) -> int | None:
        """Bytes of storage that the node occupies, or None if that is not known."""

    @property
    def directory(self) -> str | None:
        """What QEMU puts before a name that is relative to this file's; None where it knows no directory."""

    @property
    def identity(self) -> tuple[object, ...]:
        """Equal for two nodes that are the same file."""

    def read(self, offset: int, length: int) -> bytes:
        """Return stored bytes, zeroes where there are none, as QEMU reads past a file's end."""

    def notices(self) -> list[str]:
        """Return what a user should know of how the node was read, one clause each; often nothing.

        That it changed meanwhile, that something could not be asked.
        """


def check_open(node: Driver) -> None:
    """``ClosedError`` if a node was closed; one that remembers its facts would answer from memory."""
    if node.host.is_closed:
        raise ClosedError(node.name, "", "is closed")


def whole_sectors(length: int) -> int:
    """Return a length in bytes rounded up to whole sectors, as QEMU counts a node's length."""
    return -(-length // SECTOR) * SECTOR
