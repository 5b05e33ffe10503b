"""What a semantics is: letters, words, and one table from facts to flags."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.codes import CODES, Traits, is_code
from blockstrata.guest.view import View


@dataclass(frozen=True, slots=True)
class Letter:
    """One flag as the screen shows it: its letter in ``L·AO``, and its name."""

    flag: int
    letter: str
    name: str
    format_only: bool = False
    """The flag has no meaning for a protocol layer, whose letters leave it out."""


@dataclass(frozen=True, slots=True)
class Column:
    """One flag as JSON and CSV show it, by its key."""

    flag: int
    key: str
    unknown_flag: int = 0
    """Set where nobody knows whether the flag is: the answer then leaves it out."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a truth table, with the words of docs/semantics.md."""

    flags: int
    words: str
    is_bug: bool = False


def as_they_are(flags: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return flags as they are."""
    return flags


@dataclass(frozen=True, eq=False)
class Semantics:
    """A meaning of flags, as data; each is itself alone, whatever it holds.

    ``answer(code, traits)`` gives the flags of one fact; ``settle`` turns a layer's flags into those of a
    whole walk down the chain.  ``offset_flag`` says that the host offset may be used.
    """

    name: str
    switch: str
    """The one short word on the screen's switch and, besides ``name``, on the command line."""
    title: str
    all_letters: tuple[Letter, ...]
    columns: tuple[Column, ...]
    offset_flag: int
    format_rows: tuple[Row, ...]
    protocol_rows: tuple[Row, ...]
    answer: Callable[[int, Traits], int]
    settle: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] = as_they_are
    variant: str = ""
    """What tells it from others with the same word on the switch."""
    deferred_flag: int = 0
    """Says of a layer in its chain that it defers, where the letters do not."""

    @property
    def word(self) -> str:
        """What the switch shows when this one is chosen: its word, and the variant if there are several."""
        return f"{self.switch} {self.variant}".rstrip()

    def lettered(self, *, is_protocol: bool = False) -> tuple[Letter, ...]:
        """Return the flags that have a letter, those of a format or of a protocol layer."""
        return tuple(each for each in self.all_letters if not (is_protocol and each.format_only))

    def letters(self, flags: int, *, is_protocol: bool = False) -> str:
        """Return flags as letters, ``·`` where one is not set: ``L·AO``, ``·AO`` for a protocol layer."""
        shown = self.lettered(is_protocol=is_protocol)
        return "".join(each.letter if flags & each.flag else "·" for each in shown)

    def row(self, flags: int, *, is_protocol: bool = False) -> Row:
        """Return the row of the truth table that flags stand in; flags without a letter do not count."""
        mask = sum(each.flag for each in self.all_letters)
        rows = self.protocol_rows if is_protocol else self.format_rows
        return next(row for row in rows if row.flags == flags & mask)

    def table(self, traits: Traits) -> NDArray[np.uint8]:
        """Return the flags of every fact code, uint8 of shape (256,), read-only."""
        return _table(self.answer, traits)

    def flags(self, view: View) -> NDArray[np.uint8]:
        """Return the flags of every run of a view, uint8 of shape (n,)."""
        layers, source = view.sources()
        if not layers:
            return np.empty(0, np.uint8)
        tables = np.stack([self.table(layer.node.read_traits()) for layer in layers])
        settled = tables if view.in_place else self.settle(tables)
        facts = view.extents.facts
        flags: NDArray[np.uint8] = settled[0].take(facts) if len(layers) == 1 else settled[source, facts]
        return flags


@lru_cache(maxsize=256)
def _table(answer: Callable[[int, Traits], int], traits: Traits) -> NDArray[np.uint8]:
    table = np.array([answer(code, traits) if is_code(code) else 0 for code in range(CODES)], np.uint8)
    table.setflags(write=False)
    return table
