"""What a node of the block graph is to the rest of the house: a source of facts, asked by window.

A format driver (qcow2, raw) answers over guest offsets, a protocol driver (file, null-co) over its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from collections.abc import Mapping as Dict

from blockstrata.errors import BlockstrataError, ClosedError
from blockstrata.facts.codes import SECTOR, Mapping, Storage, Traits, fact
from blockstrata.facts.extents import Extents, uniform


class Driver(ABC):
    """One node of the block graph.

    What is set here holds for a node that has no tables to be corrupt and no layer below; others say so.
    """

    name: str
    """The file name, as the user or the layer above gave it."""
    driver: str
    """The driver's name, as QEMU calls it: qcow2, raw, file and so on."""
    length: int
    """Bytes that the node really has; a raw file's need not be whole sectors."""
    backing: str | None = None
    """The reference to the layer below as the image states it, or None."""
    backing_format: str | None = None
    """The format that the image states for it, or None if it is to be probed."""
    supports_backing: bool = False
    """Whether a layer may lie below, as QEMU's driver says."""
    host_driver: str
    """The driver's name of the protocol node that it stands on, or is."""
    is_protocol: bool = False
    """Whether it stores its own bytes, and is no format on another node."""
    is_encrypted: bool = False
    """Whether the stored bytes are not the guest's."""

    def __init__(self, file: HostNode, host: HostNode | None = None) -> None:
        """Stand on the node that holds the image, and on that of the guest's bytes if it is another."""
        self.name = file.name
        self._file = file
        self._host = file if host is None else host
        self.host_driver = self._host.host_driver

    @property
    def file(self) -> HostNode:
        """The node that holds the image: the same, unless the guest's bytes are in an external data file."""
        return self._file

    @property
    def host(self) -> HostNode:
        """The node that holds the guest's stored bytes; itself for a protocol node."""
        return self._host

    def read_traits(self) -> Traits:
        """Return what holds for the node as a whole and changes what its facts mean; may read for it."""
        return Traits(self.host_driver, is_protocol=self.is_protocol, encrypted=self.is_encrypted)

    def find_refusal(self) -> BlockstrataError | None:
        """Return why QEMU opens no such image although its mapping can be read, or None; may have to read."""
        return None

    @abstractmethod
    def extents(self, start: int, length: int) -> Extents:
        """Return the facts of a window, which may hold UNREAD and INVALID runs.

        The window may reach up to the node's length in whole sectors.
        """

    def overview(self) -> Extents:
        """Return what is known of the whole node before any table of a window is read; the rest is UNREAD."""
        return uniform(0, whole_sectors(self.length), fact(Mapping.UNREAD))

    def windows(self) -> Iterator[tuple[int, int, int]]:
        """Yield (start, length, tables) of windows that cover the node, each of bounded work.

        For whoever reads the whole node and wants to stop or tell how far it is; ``tables`` is how many
        tables the window takes to read.
        """
        yield 0, whole_sectors(self.length), 0

    def fault_at(self, offset: int) -> str:
        """Say why the run at a byte is INVALID; an empty string if it is not."""
        return ""

    def features(self) -> Dict[str, object]:
        """Return what is worth telling about the node as a whole, by name, in JSON's types."""
        return {}

    def close(self) -> None:
        """Give the file descriptors back; a second time nothing happens."""
        self._file.close()
        if self._host is not self._file:
            self._host.close()


class HostNode(Driver):
    """A node that stores bytes and can say on what: what format drivers stand on.

    Its ``extents`` answer for any window below 2**63: what lies past the end is BEYOND_EOF.
    """

    allocated: int | None = None
    """Bytes of storage that the node occupies, or None if that is not known."""
    directory: str | None = None
    """What QEMU puts before a name that is relative to this file's; None where it knows no directory."""
    identity: tuple[object, ...]
    """Equal for two nodes that are the same file."""

    @property
    def is_closed(self) -> bool:
        """Whether the node was closed: then nothing may be asked of it, nor of what stands on it."""
        return self._file.is_closed

    @property
    def tells_shared(self) -> bool:
        """Whether its storage tells what it shares with other files; has to be asked for it."""
        return False

    def shared(self) -> int | None:
        """Return how many of its bytes the file system shares with other files; None if that is not known."""
        if not self.tells_shared:
            return None
        return self.extents(0, self.length).totals().get(fact(Mapping.PASSTHROUGH, Storage.SHARED), 0)

    @abstractmethod
    def read(self, offset: int, length: int) -> bytes:
        """Return stored bytes, zeroes where there are none, as QEMU reads past a file's end."""

    def is_written(self) -> bool:
        """Say whether another process has the node open for writing, as far as that can be told."""
        return False

    def notices(self) -> list[str]:
        """Return what a user should know of how the node was read, one clause each; often nothing.

        That it changed meanwhile, that something could not be asked.
        """
        return []


class ProtocolNode(HostNode):
    """A node with none below: it stands on itself."""

    is_protocol = True

    def __init__(self, name: str, driver: str, length: int) -> None:
        self.name = name
        self.driver = self.host_driver = driver
        self.length = length
        self._is_closed = False

    @property
    def file(self) -> HostNode:
        """The node itself."""
        return self

    @property
    def host(self) -> HostNode:
        """The node itself: it stores its own bytes."""
        return self

    @property
    def is_closed(self) -> bool:
        """Whether the node was closed."""
        return self._is_closed

    def close(self) -> None:
        """Remember it; a node that holds more than that gives it back."""
        self._is_closed = True


def protocol_node(host: HostNode) -> HostNode:
    """Return the protocol node that a host node is, or is a slice of."""
    while not host.is_protocol:
        host = host.host
    return host


def check_open(node: Driver) -> None:
    """``ClosedError`` if a node was closed; one that remembers its facts would answer from memory."""
    if node.host.is_closed:
        raise ClosedError(node.name, "", "is closed")


def whole_sectors(length: int) -> int:
    """Return a length in bytes rounded up to whole sectors, as QEMU counts a node's length."""
    return -(-length // SECTOR) * SECTOR
