"""What a run shows as: a family of states, letters and words.

A state is a combination of flags of the semantics in force; states that mean alike share a paint
(docs/concepts.md, "States").
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from blockstrata.facts.codes import (
    DEFERRED_WORDS,
    Mapping,
    Storage,
    is_lost,
    mapping_of,
    storage_of,
    words_for,
)

if TYPE_CHECKING:
    from blockstrata.facts.codes import Traits
    from blockstrata.semantics.table import Semantics


class Paint(IntEnum):
    """The families of states, in the order in which they stack in a cell from the bottom.

    What is stored lies at the bottom and is solid, what is hollow above it; what falls through is empty.
    """

    DATA = 0
    NO_OFFSET = 1
    RESERVED = 2
    RESERVED_NOWHERE = 3
    TABLES = 4
    SNAPSHOT = 5
    BITMAP = 6
    SHARED = 7
    SUSPICIOUS = 8
    INVALID = 9
    UNREAD = 10
    ZERO = 11
    ZERO_AT_OFFSET = 12
    DEFERRED_RESERVED = 13
    FALLS_THROUGH = 14


class Short(StrEnum):
    """What states are called in short, whatever the letters; :data:`_STATES` has what others are called."""

    SUSPICIOUS = "suspicious"
    INVALID = "invalid"
    UNREAD = "not read yet"
    FALLS_THROUGH = "falls through"
    COMPRESSED = "compressed"
    ENCRYPTED = "encrypted"
    SHARED = "shared"
    PAST_END = "past the end"
    KEPT = "kept"
    GAINED = "gained"
    LOST = "lost"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class State:
    """What one kind of run shows: its paint, its letters and its words, short for legends and whole."""

    paint: Paint
    letters: str
    short: str
    words: str

    @property
    def label(self) -> str:
        """The letters; a state without any has its short word."""
        return self.letters or self.short


_STATES: Final[dict[str, dict[str, tuple[Paint, str]]]] = {
    "old": {
        "D·O": (Paint.DATA, "data"),
        "D··": (Paint.NO_OFFSET, "data, no offset"),
        "DZO": (Paint.RESERVED, "preallocated"),
        "DZ·": (Paint.RESERVED_NOWHERE, "zero, stored"),
        "·Z·": (Paint.ZERO, "zero"),
        "·ZO": (Paint.ZERO_AT_OFFSET, "zero, offset"),
        "··O": (Paint.DEFERRED_RESERVED, "reserved"),
        "···": (Paint.FALLS_THROUGH, "falls through"),
    },
    "new": {
        "L·AO": (Paint.DATA, "data"),
        "L·A·": (Paint.NO_OFFSET, "data, no offset"),
        "LZAO": (Paint.RESERVED, "zero, reserved"),
        "LZA·": (Paint.RESERVED_NOWHERE, "zero, stored"),
        "LZ··": (Paint.ZERO, "zero"),
        "LZ·O": (Paint.ZERO_AT_OFFSET, "hole"),
        "··AO": (Paint.DEFERRED_RESERVED, "reserved"),
        "·ZAO": (Paint.DEFERRED_RESERVED, "zeroes, reserved"),
        "····": (Paint.FALLS_THROUGH, "falls through"),
    },
    "nbd": {
        "··": (Paint.DATA, "data"),
        "·Z": (Paint.RESERVED, "zero, stored"),
        "HZ": (Paint.ZERO, "hole, zero"),
    },
}
"""Paint and short words by switch and letters; what is not named here is suspicious."""

# LOCAL is all that the letters of a protocol layer leave out, whose bytes are all its own
_STATES["new protocol"] = {
    **{letters[1:]: shown for letters, shown in _STATES["new"].items() if letters.startswith("L")},
    "···": (Paint.FALLS_THROUGH, "no access"),
}


def paint_of(switch: str, letters: str) -> Paint:
    """Return the paint of a format layer's letters under old or new semantics."""
    return _STATES[switch].get(letters, (Paint.SUSPICIOUS, ""))[0]


@lru_cache(maxsize=1024)
def state_of(semantics: Semantics, code: int, traits: Traits, *, settled: bool) -> State:
    """Return how a fact of a layer shows under a semantics; ``settled`` in the guest's view."""
    mapping = mapping_of(code)
    if mapping is Mapping.INVALID:
        return State(Paint.INVALID, "", Short.INVALID, "a corrupt entry, or a layer that cannot be opened")
    if mapping is Mapping.UNREAD:
        return State(Paint.UNREAD, "", Short.UNREAD, Short.UNREAD)
    table = semantics.table(traits)
    flags = int(semantics.settle(table)[code] if settled else table[code])
    state = state_of_flags(semantics, flags, is_protocol=traits.is_protocol)
    if is_lost(code):
        words = words_for(state.words, code)
        return replace(state, paint=Paint.INVALID, short=Short.PAST_END, words=words)
    if state.paint is Paint.NO_OFFSET and (mapping is Mapping.COMPRESSED or traits.encrypted):
        # the flags are the same, and who asks whether an image holds compressed clusters wants to know
        return replace(state, short=Short.COMPRESSED if mapping is Mapping.COMPRESSED else Short.ENCRYPTED)
    if traits.is_protocol and storage_of(code) is Storage.SHARED:
        # of a layer's bytes nobody asks; of a file, how much of it is its own
        return replace(state, short=f"{state.short}, {Short.SHARED}")
    return state


def state_of_flags(semantics: Semantics, flags: int, *, is_protocol: bool) -> State:
    """Return how flags of a format or of a protocol layer show."""
    if flags & semantics.deferred_flag:
        return State(Paint.FALLS_THROUGH, "", Short.FALLS_THROUGH, DEFERRED_WORDS)
    letters = semantics.letters(flags, is_protocol=is_protocol)
    kind = f"{semantics.switch} protocol" if is_protocol else semantics.switch
    states = _STATES.get(kind, _STATES[semantics.switch])
    paint, short = states.get(letters, (Paint.SUSPICIOUS, Short.SUSPICIOUS))
    return State(paint, letters, short, semantics.row(flags, is_protocol=is_protocol).words)


def short_words() -> frozenset[str]:
    """Return every word that says in short what a state is, in lower case, under whatever semantics."""
    texts = [short for states in _STATES.values() for _, short in states.values()]
    return frozenset(word for text in (*texts, *Short) for word in words_in(text))


def words_in(text: str) -> list[str]:
    """Return the words of a text, in lower case."""
    return re.findall(r"\w+", text.casefold())
