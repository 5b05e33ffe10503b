"""The place of a layer that could not be opened: it ends the chain, and knows why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blockstrata.facts.codes import Mapping, Traits, fact
from blockstrata.facts.extents import Extents, uniform
from blockstrata.protocols.null import NullNode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Mapping as Dict

    from blockstrata.errors import BlockstrataError
    from blockstrata.facts.node import HostNode


class MissingNode:
    """A layer that is missing or unreadable.  ``length`` is the layer's above: its own is not known."""

    driver = "not opened"
    backing = None
    backing_format = None
    refusal = None
    supports_backing = False

    def __init__(self, name: str, length: int, error: BlockstrataError) -> None:
        self.name = name
        self.length = length
        self.error = error
        self.traits = Traits(host_driver="not opened")
        self.host: HostNode = NullNode(name, "not opened", 0, read_zeroes=False)
        self.file = self.host

    def extents(self, start: int, length: int) -> Extents:
        """Return one INVALID run: nobody knows what would be read here."""
        return uniform(start, start + length, fact(Mapping.INVALID))

    def windows(self) -> Iterator[tuple[int, int, int]]:
        """Yield the one window: there are no tables to read."""
        yield 0, self.length, 0

    def fault_at(self, offset: int) -> str:  # noqa: ARG002
        """Return why the layer could not be opened."""
        return f"cannot be opened: {self.error.what}"

    def features(self) -> Dict[str, object]:
        """Return the error."""
        return {"error": str(self.error)}

    def close(self) -> None:
        """Close what stands for its file."""
        self.host.close()
