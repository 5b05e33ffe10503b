"""A round trip through NBD as the screen needs it: four tracks on one axis, under any of the three mappings.

What the image means stands where else the guest's view does, the other three where the layers do.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Final

import numpy as np

from blockstrata.facts.codes import Mapping, mapping_of
from blockstrata.questions.round_trip import round_trip
from blockstrata.semantics.nbd import WIRES, Wire
from blockstrata_viewer.model.states import Paint, Short, State, state_of_flags
from blockstrata_viewer.model.switch import word_of
from blockstrata_viewer.model.track import Track

STATIONS: Final = ("image", "sent", "client", "result")
"""What the rows of a round trip are called where there is little room."""
_WIRES: Final = {wire.server: wire for wire in WIRES}
"""A scene of a trip is always under a server's semantics."""


class RoundTripTracks:
    """What is served, and what becomes of it."""

    def __init__(self, served: Track, name: str) -> None:
        self.served = served
        self.name = name
        """What is served, in words."""
        self.sent = lru_cache(maxsize=len(WIRES))(partial(round_trip, served.view))
        """The whole trip under a mapping, kept."""

    def label(self, station: int, wire: Wire) -> tuple[str, str]:
        """Return name and details of a track: -1 what is meant, 0 sent, 1 understood, 2 what differs."""
        flags = f"flags: {word_of(wire.base)}"
        found: dict[str, int] = {}
        for names, runs, _ in self.sent(wire).losses() if station == 2 else ():
            found[kind_of(names)] = found.get(kind_of(names), 0) + runs
        return (
            ("server sends", wire.server.word),
            ("client reads", flags),
            ("difference", ", ".join(f"{runs:,} {kind}" for kind, runs in found.items()) or "all is kept"),
            ("image means", flags),
        )[station]

    def tracks(self) -> tuple[Track, Track, Track, Track]:
        """Return the tracks of what the image means, the server sends, the client reads, and what differs."""
        served = self.served
        return (
            served.seen_as(lambda semantics: served.states(_WIRES[semantics].base)),
            served.seen_as(lambda semantics: served.states(_WIRES[semantics].server)),
            served.seen_as(lambda semantics: self._states(_WIRES[semantics], _concluded)),
            served.seen_as(lambda semantics: self._states(_WIRES[semantics], _difference)),
        )

    def _states(self, wire: Wire, state: Callable[[Wire, int, int], State]) -> tuple[State, ...]:
        found = []
        for known, (code, traits) in zip(self.served.states(wire.server), self.served.facts, strict=True):
            if mapping_of(code) in (Mapping.INVALID, Mapping.UNREAD):
                found.append(known)
                continue
            means = int(wire.base.settle(wire.base.table(traits))[code])
            said = int(wire.server.settle(wire.server.table(traits))[code])
            found.append(state(wire, means, said))
        return tuple(found)


def _concluded(wire: Wire, _means: int, said: int) -> State:
    return state_of_flags(wire.base, wire.concludes[said], is_protocol=False)


def kind_of(names: str) -> Short:
    """Return what became of flags on the way: ``+`` stands before those gained, ``-`` before those lost."""
    signs = {name[0] for name in names.split()}
    return Short.CHANGED if len(signs) > 1 else Short.GAINED if "+" in signs else Short.LOST


def _difference(wire: Wire, means: int, said: int) -> State:
    lost = int(wire.lost(np.array([means], np.uint8), np.array([said], np.uint8))[0])
    if not lost:
        return State(Paint.FALLS_THROUGH, "", Short.KEPT, "as the image means")
    names = wire.changes(lost, wire.concludes[said])
    words = ", ".join(f"only the {'client' if name[0] == '+' else 'image'} says {name[1:]}" for name in names)
    letters = " ".join(names)
    return State(Paint.SUSPICIOUS, letters, kind_of(letters), f"{kind_of(letters)}: {words}")
