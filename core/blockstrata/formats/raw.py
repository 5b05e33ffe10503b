"""QEMU's ``raw`` format: the bytes of the node below, or a slice of them.

::

    below    ├───── offset ─────├──────── size ────────┤···
    guest                       0                      size

A raw node holds bytes at offsets, so it is also a node that other formats can stand on.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Dict

from blockstrata.errors import BadRangeError
from blockstrata.facts.codes import NO_HOST, SECTOR, Mapping, Storage, fact
from blockstrata.facts.extents import Extents, join, uniform
from blockstrata.facts.node import HostNode, whole_sectors


class RawNode(HostNode):
    """The raw format over a host node: ``length`` bytes of it from ``offset``."""

    driver = "raw"

    def __init__(self, host: HostNode, offset: int = 0, size: int | None = None) -> None:
        """``BadRangeError`` under QEMU's conditions: the slice must lie in the file, in whole sectors."""
        available = whole_sectors(host.length)
        if offset > available:
            raise BadRangeError(host.name, "offset", f"{offset} is past the end of the file ({available})")
        if size is not None and size > available - offset:
            raise BadRangeError(
                host.name, "size", f"{size} from offset {offset} is past the end of the file ({available})"
            )
        if size is not None and size % SECTOR:
            raise BadRangeError(host.name, "size", f"{size} is not a multiple of {SECTOR}")
        super().__init__(host)
        # QEMU takes a slice's end from the file's length in whole sectors
        self.length = size if size is not None else available - offset if offset else host.length
        self.allocated = host.allocated
        self.directory = host.directory
        self.identity = (*host.identity, offset)
        self._offset = offset
        self._sliced = size is not None or offset > 0

    def extents(self, start: int, length: int) -> Extents:
        """Return the host node's storage at the same bytes, shifted by the slice's offset."""
        end, own_end = start + length, whole_sectors(self.length)
        code = fact(Mapping.PASSTHROUGH, Storage.BEYOND_EOF)
        if start >= own_end:
            return uniform(start, end, code, NO_HOST)
        inside_end = min(end, own_end)
        inside = self.host.extents(start + self._offset, inside_end - start).shift(-self._offset)
        return inside if inside_end == end else join([inside, uniform(inside_end, end, code, NO_HOST)])

    @property
    def tells_shared(self) -> bool:
        """Whether the host node's storage tells it."""
        return self.host.tells_shared

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes of the slice, zeroes past its end."""
        inside = max(0, min(length, self.length - offset))
        return self.host.read(offset + self._offset, inside) + bytes(length - inside)

    def notices(self) -> list[str]:
        """Return the notices of the node below."""
        return self.host.notices()

    def windows(self) -> Iterator[tuple[int, int, int]]:
        """Yield the windows of the node below that have a part in the slice, and what lies past them."""
        at, end = 0, whole_sectors(self.length)
        for start, length, tables in self.host.windows():
            last = min(end, start + length - self._offset)
            if at < last:
                yield at, last - at, tables
                at = last
        if at < end or not end:
            yield at, end - at, 0

    def features(self) -> Dict[str, object]:
        """Return the slice, if it is one."""
        return {"offset": self._offset, "size": self.length} if self._sliced else {}
