"""The little language in which the extent table is told what to show.

A filter is some terms with blanks between them; an extent is shown if all hold.  Case does not matter::

    state:zero size>1M layer:2
    state:L·AO at:10M..20M host:yes fact:compressed
    snap-0812

Sizes are QEMU's (:mod:`blockstrata.text.sizes`).  A term is made once, prepared for a track under a
semantics, and then asked of part after part of its extents, so that none costs a step of Python an extent.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.codes import NO_HOST, fact_words
from blockstrata.semantics import SWITCH
from blockstrata.semantics.table import Semantics
from blockstrata.text.printable import base_name, shortened
from blockstrata.text.sizes import parse_size
from blockstrata_viewer.model.states import Paint, State, short_words, words_in
from blockstrata_viewer.model.track import Track

FORMS: Final = "state:zero  size>1M  layer:2  at:10M..20M  host:yes  fact:compressed  or any word"
"""What can be said."""

Mask = Callable[[slice], NDArray[np.bool_]]
"""Says of a part of the extents of a track which of them are meant, bool of as many."""
Term = Callable[[Track, Semantics], Mask]
"""One thing that is asked of extents, ready for no track yet."""

_BLANKS: Final = "·. "
"""What stands in letters for a flag that is not set."""
_SIZE: Final = re.compile(r"size(>=|<=|>|<|=|:)(.*)", re.IGNORECASE)
_COMPARED: Final = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "=": operator.eq,
    ":": operator.eq,
}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which extents to show: those for which every term holds.  Filters of one text are equal."""

    text: str = ""
    terms: tuple[Term, ...] = field(default=(), compare=False)

    def on(self, track: Track, semantics: Semantics) -> Mask:
        """Return the filter for a track under a semantics."""
        masks = [term(track, semantics) for term in self.terms]

        def all_hold(part: slice) -> NDArray[np.bool_]:
            found = np.ones(len(range(len(track))[part]), np.bool_)
            for mask in masks:
                found &= mask(part)
            return found

        return all_hold


def parse_filter(text: str) -> Filter:
    """Return the filter that a text means; one without terms shows all.  ``ValueError`` with the reason."""
    words = text.split()
    return Filter(" ".join(words), tuple(map(_term, words)))


def _term(word: str) -> Term:
    if size := _SIZE.fullmatch(word):
        return _by_size(size[1], size[2])
    key, colon, value = word.partition(":")
    if not colon:
        if word.casefold() == "size":
            raise ValueError("size needs a comparison, such as size>1M")
        return _by_word(word)
    make = _KEYS.get(key.casefold())
    if make is None:
        raise ValueError(f"'{shortened(key)}:' is not one of state: size> layer: at: host: fact:")
    if not value:
        raise ValueError(f"{key.casefold()}: needs a value, such as {_EXAMPLES[key.casefold()]}")
    return make(value)


def _by_size(sign: str, value: str) -> Term:
    if not value:
        raise ValueError(f"size{sign} needs a size, such as size>1M")
    size, compare = parse_size(value), _COMPARED[sign]

    def term(track: Track, _semantics: Semantics) -> Mask:
        edges = track.view.extents.edges

        def mask(part: slice) -> NDArray[np.bool_]:
            start, stop, _ = part.indices(len(track))
            found: NDArray[np.bool_] = compare(np.diff(edges[start : stop + 1]), size)
            return found

        return mask

    return term


def _by_state(value: str) -> Term:
    wanted = value.casefold()
    bare = _bare(wanted)
    is_word = wanted in short_words() or wanted == "bug"
    if not is_word and bare not in _all_letters():
        known = ", ".join(sorted(word for word in {*short_words(), "bug"} if len(word) > 2))
        raise ValueError(
            f"there is no state '{shortened(value)}'; write letters such as L·AO, or one of: {known}"
        )

    def is_meant(state: State) -> bool:
        if wanted in words_in(state.short) or (wanted == "bug" and state.paint is Paint.SUSPICIOUS):
            return True
        return bool(state.letters) and not is_word and _bare(state.letters) == bare

    return _by_class(lambda state, _fact: is_meant(state))


def _by_fact(value: str) -> Term:
    wanted = value.casefold()
    return _by_class(lambda _state, fact: wanted in fact.casefold())


def _by_word(value: str) -> Term:
    """Return the term that a word stands in what is said of an extent, or in the name of its layer."""
    wanted, bare = value.casefold(), _bare(value)

    def is_said(state: State, fact: str) -> bool:
        said = f"{state.letters} {state.short} {state.words} {fact}".casefold()
        return wanted in said or (bool(bare) and bare == _bare(state.letters))

    by_class = _by_class(is_said)

    def term(track: Track, semantics: Semantics) -> Mask:
        of_class = by_class(track, semantics)
        of_layer = _layers(track, (wanted in base_name(each.name).casefold() for each in track.view.layers))
        return lambda part: of_class(part) | of_layer(part)

    return term


def _by_layer(value: str) -> Term:
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        raise ValueError(f"'{shortened(value)}' is not the depth of a layer; 0 is the active one")
    depth = int(value)
    return lambda track, _semantics: _layers(track, (each.depth == depth for each in track.view.layers))


def _by_place(value: str) -> Term:
    first, dots, last = value.partition("..")
    start = parse_size(first) if first else 0
    end = (parse_size(last) if last else None) if dots else start + 1
    if end is not None and end <= start:
        raise ValueError(f"at:{shortened(value)} ends before it begins")

    def term(track: Track, _semantics: Semantics) -> Mask:
        edges = track.view.extents.edges
        low = int(np.searchsorted(edges, start, side="right")) - 1
        high = len(track) if end is None else int(np.searchsorted(edges, end, side="left"))

        def mask(part: slice) -> NDArray[np.bool_]:
            runs = np.arange(*part.indices(len(track)))
            return (low <= runs) & (runs < high)

        return mask

    return term


def _by_host(value: str) -> Term:
    if value.casefold() not in ("yes", "no"):
        raise ValueError(f"host: is yes or no, not '{shortened(value)}'")
    is_wanted = value.casefold() == "yes"

    def term(track: Track, _semantics: Semantics) -> Mask:
        host = track.view.extents.host
        return lambda part: (host[part] != NO_HOST) == is_wanted

    return term


def _by_class(is_meant: Callable[[State, str], bool]) -> Term:
    """Return a term that asks for the state and the fact of an extent: of each class once."""

    def term(track: Track, semantics: Semantics) -> Mask:
        states = track.states(semantics)
        kinds = zip(states, track.facts, strict=True)
        meant = np.array([is_meant(state, fact_words(code)) for state, (code, _) in kinds], np.bool_)
        return lambda part: meant[track.shares.classes[part]]

    return term


def _layers(track: Track, are_meant: Iterable[bool]) -> Mask:
    meant = np.array(list(are_meant), np.bool_)
    return lambda part: meant[track.view.source[part]]


def _bare(letters: str) -> str:
    """Return letters without the marks for flags that are not set; if all are such marks, one for each."""
    folded = letters.casefold()
    bare = folded.translate(dict.fromkeys(map(ord, _BLANKS)))
    return bare or "·" * len(folded)


@cache
def _all_letters() -> frozenset[str]:
    """Return the letters of every combination of flags of every semantics, bare."""
    found = set()
    for semantics in SWITCH:
        for is_protocol in (False, True):
            rows = semantics.protocol_rows if is_protocol else semantics.format_rows
            found |= {_bare(semantics.letters(row.flags, is_protocol=is_protocol)) for row in rows}
    return frozenset(found)


_KEYS: Final = {
    "state": _by_state,
    "layer": _by_layer,
    "at": _by_place,
    "host": _by_host,
    "fact": _by_fact,
}
_EXAMPLES: Final = {
    "state": "state:zero",
    "layer": "layer:2",
    "at": "at:10M..20M",
    "host": "host:yes",
    "fact": "fact:compressed",
}
