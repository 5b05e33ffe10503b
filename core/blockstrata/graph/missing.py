"""The place of a layer that could not be opened: it ends the chain, and knows why."""

from __future__ import annotations

from collections.abc import Mapping as Dict

from blockstrata.errors import BlockstrataError
from blockstrata.facts.codes import Mapping, Traits, fact
from blockstrata.facts.extents import Extents, uniform
from blockstrata.facts.node import Driver
from blockstrata.protocols.null import NullNode


class MissingNode(Driver):
    """A layer that is missing or unreadable.  ``length`` is the layer's above: its own is not known."""

    driver = "not opened"

    def __init__(self, name: str, length: int, error: BlockstrataError) -> None:
        super().__init__(NullNode(name, self.driver, 0, read_zeroes=False))
        self.length = length
        self.error = error
        self._traits = Traits(host_driver=self.driver)

    def extents(self, start: int, length: int) -> Extents:
        """Return one INVALID run: nobody knows what would be read here."""
        return uniform(start, start + length, fact(Mapping.INVALID))

    def fault_at(self, offset: int) -> str:  # noqa: ARG002
        """Return why the layer could not be opened."""
        return f"cannot be opened: {self.error.what}"

    def features(self) -> Dict[str, object]:
        """Return the error."""
        return {"error": str(self.error)}
