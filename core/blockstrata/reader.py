"""Reading a chain step by step, for whoever wants to show it while it is being read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from blockstrata.chain import Chain, Layer
from blockstrata.errors import BlockstrataError
from blockstrata.extents import Extents, empty, join, uniform
from blockstrata.facts import Mapping, fact

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNREAD = fact(Mapping.UNREAD)
_INVALID = fact(Mapping.INVALID)


@dataclass(frozen=True, slots=True)
class Progress:
    """How many tables were read, of how many that are known of."""

    read: int
    known: int


class Reader:
    """Reads the layers of a chain, window by window, active first.

    :meth:`steps` reads; :meth:`chain` is the chain as far as it was read, and never reads.  A layer that
    fails keeps what was read of it; the rest is INVALID, and the others are still read.
    """

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._parts: list[list[Extents]] = [[] for _ in chain.layers]
        self._errors: list[BlockstrataError | None] = [None] * len(chain.layers)
        self._windows = [self._windows_of(layer) for layer in chain.layers]
        self._read = 0
        self._known = sum(tables for windows in self._windows for _, _, tables in windows)

    def _windows_of(self, layer: Layer) -> list[tuple[int, int, int]]:
        """Return a layer's windows; none if what tells them apart cannot be read."""
        try:
            return list(layer.node.windows())
        except BlockstrataError as error:
            self._errors[layer.depth] = error
            return []

    @property
    def progress(self) -> Progress:
        """How far reading is."""
        return Progress(self._read, self._known)

    def steps(self) -> Iterator[Progress]:
        """Read one window a step."""
        for depth, windows in enumerate(self._windows):
            for start, length, tables in windows:
                try:
                    part = self._chain.layers[depth].node.extents(start, length)
                except BlockstrataError as error:
                    self._errors[depth] = error
                    break
                self._parts[depth].append(part)
                self._read += tables
                yield self.progress

    def chain(self) -> Chain:
        """Return the chain with all that is known of its layers."""
        return Chain(tuple(self._layer(layer) for layer in self._chain.layers))

    def _layer(self, layer: Layer) -> Layer:
        error = self._errors[layer.depth]
        parts = self._parts[layer.depth] or [empty(0)]
        rest = uniform(parts[-1].end, layer.size, _INVALID if error else _UNREAD)
        # joined parts stay joined, so that a later call has less to do
        self._parts[layer.depth] = [join(parts)]
        return replace(layer, known=join([*self._parts[layer.depth], rest]), error=error)
