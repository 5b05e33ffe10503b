"""What is to be found in an image, in terms that the image checks, so that any right place counts.

A lesson says ``find: layer 2, row D·O, is covered``.  The terms:

- ``layer N``, or ``layer guest``: the track that is selected
- ``row D·O``: the letters there, by the step's semantics
- ``from N``: the layer that supplies the guest
- ``is data``: there are bytes to be read, by today's flags;
  ``is covered``: the layer holds bytes which a layer above covers;
  ``is differs``: today's and the proposed flags mean different things;
  ``is lost``, ``is kept``: on the way through NBD;
  ``is synthesised``: no layer holds it, and the block layer makes zeroes;
  ``is bug row`` and the like: a verdict of the audit
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.codes import SYNTHESISED
from blockstrata.guest.merge import merged
from blockstrata.guest.view import View
from blockstrata.semantics.audit import Verdict, differs, judge
from blockstrata.semantics.historic import HISTORIC, Flag
from blockstrata.semantics.nbd import wire_of
from blockstrata.text.printable import base_name
from blockstrata_viewer.lessons.lesson import GUEST, Lesson, Step, Wanted
from blockstrata_viewer.lessons.site import Site, exported, node_of

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Ground:
    """A window of a site, cut wherever one of its views is: ``edges`` int64 (n,), where each piece starts."""

    site: Site
    start: int
    length: int
    seen: View
    edges: NDArray[np.int64]

    def of(self, view: View, each: Mask) -> Mask:
        """Return what holds of each run of a view, (m,), for each piece, (n,)."""
        found: Mask = each[np.searchsorted(view.extents.edges[:-1], self.edges, "right") - 1]
        return found

    @property
    def guest(self) -> View:
        """What the guest sees of the window."""
        return merged(self.site.chain, self.start, self.length)

    @property
    def sent(self) -> View:
        """What a server exports of the window."""
        return exported(self.site, self.start, self.length)


def read_wanted(value: str) -> Wanted:
    """Return the terms of what is to be found; ``ValueError`` if one is none."""
    terms = []
    for part in value.split(","):
        key, _, what = (word.strip() for word in part.strip().partition(" "))
        if key not in _TERMS or not what:
            raise ValueError(f"'{part.strip()}' is none of layer N, row LETTERS, from N, is WORD")
        if key == "is" and what not in _IS:
            raise ValueError(f"'{what}' is none of {', '.join(_IS)}")
        is_depth = re.fullmatch("[0-9]{1,4}", what) is not None
        if key in ("layer", "from") and not is_depth and (key, what) != ("layer", "guest"):
            raise ValueError(f"'{what}' is not the number of a layer")
        terms.append((key, what))
    once = [key for key, _ in terms if key != "is"]
    if len(set(once)) < len(once):
        raise ValueError("a term stands there twice")
    return tuple(terms)


def check_wanted(lesson: Lesson, step: Step, site: Site) -> None:
    """Raise ``LessonError`` if what a step wants is nowhere on its image."""
    wanted = dict(step.find)
    depths = [int(wanted[key]) for key in ("layer", "from") if wanted.get(key, "guest") != "guest"]
    if depths and max(depths) >= len(site.chain.layers):
        raise lesson.wrong(step, "find", f"the chain has layers 0 to {len(site.chain.layers) - 1}")
    if site.view != "chain" and {"layer", "from"} & set(wanted):
        raise lesson.wrong(step, "find", f"there are no layers in the view '{site.view}'")
    if {("is", "lost"), ("is", "kept")} & set(step.find) and wire_of(site.semantics) is None:
        raise lesson.wrong(step, "find", "'lost' and 'kept' need one of the nbd semantics")
    if not len(right_places(site, step.find)):
        raise lesson.wrong(step, "find", "there is no such place on the image")


def right_places(site: Site, wanted: Wanted, start: int = 0, length: int | None = None) -> NDArray[np.int64]:
    """Return where in a window each piece starts that is what is wanted, int64 (n,): host bytes of a file.

    Of the layer that is wanted, else the site's; without a length, of all of it.
    """
    layer = dict(wanted).get("layer")
    if layer is not None:
        site = replace(site, layer=GUEST if layer == "guest" else int(layer))
    end = site.size if length is None else min(start + length, site.size)
    if start >= end:
        return np.empty(0, np.int64)
    seen = site.window(start, end - start)
    edges = seen.extents.edges[:-1]
    if site.view != "file":
        below = merged(site.chain, start, end - start)
        edges = np.union1d(edges, below.extents.edges[:-1])
    ground = _Ground(site, start, end - start, seen, edges)
    mask = np.ones(len(edges), np.bool_)
    for key, what in wanted:
        mask &= _TERMS[key](ground, what)
    return edges[mask]


def why_not(site: Site, at: int, wanted: Wanted, around: range) -> str:
    """Say in a sentence why a place is not what is wanted; an empty string if it is.

    ``at`` is the byte that one is on, in a file's view a host byte; ``around`` are the bytes of its cell.
    """
    terms, layers = dict(wanted), site.chain.layers
    layer = terms.get("layer", str(site.layer))
    if layer not in ("guest", str(site.layer)) or (layer == "guest" and site.layer != GUEST):
        chosen = "what the guest sees" if layer == "guest" else _name(site, int(layer))
        return f"This is {_name(site, site.layer)}; choose {chosen} with ↑ and ↓."
    if at >= site.size:
        return f"{base_name(layers[site.layer].name)} has ended before this byte; look further left."
    if len(right_places(site, wanted, at, 1)):
        return ""
    wrong = next((term for term in wanted if not len(right_places(site, (term,), at, 1))), wanted[0])
    near = len(right_places(site, wanted, around.start, len(around)))
    sentence = _SENTENCES[wrong[0]](site, at, wrong[1])
    return f"{sentence} This cell holds such a place, though: zoom in with +." if near else sentence


def _name(site: Site, layer: int) -> str:
    if layer == GUEST:
        return "what the guest sees"
    return f"{base_name(site.chain.layers[layer].name)} (layer {layer})"


def _letters(site: Site, flags: int, seen: View) -> str:
    return site.semantics.letters(flags, is_protocol=node_of(seen).is_protocol)


def _row(ground: _Ground, letters: str) -> Mask:
    flags = ground.site.semantics.flags(ground.seen)
    right = [each for each in set(flags.tolist()) if _letters(ground.site, each, ground.seen) == letters]
    return ground.of(ground.seen, np.isin(flags, right))


def _from(ground: _Ground, depth: str) -> Mask:
    guest = ground.guest
    return ground.of(guest, guest.source == int(depth))


def _today(flag: Flag) -> Callable[[_Ground], Mask]:
    return lambda ground: ground.of(ground.seen, (HISTORIC.flags(ground.seen) & flag) != 0)


def _covered(ground: _Ground) -> Mask:
    guest = ground.guest
    return _today(Flag.ALLOCATED)(ground) & ground.of(guest, guest.source < ground.site.layer)


def _differs(ground: _Ground) -> Mask:
    return _by_code(ground, lambda code, seen: bool(differs(node_of(seen).read_traits())[code]))


def _lost(ground: _Ground) -> Mask:
    wire, sent = wire_of(ground.site.semantics), ground.sent
    if wire is None:
        return np.zeros(len(ground.edges), np.bool_)
    return ground.of(sent, wire.lost(wire.base.flags(sent), wire.server.flags(sent)) != 0)


def _synthesised(ground: _Ground) -> Mask:
    return ground.of(ground.seen, (ground.seen.extents.facts & np.uint8(SYNTHESISED)) != 0)


def _by_code(ground: _Ground, holds: Callable[[int, View], bool]) -> Mask:
    """Return what holds of the fact code of each piece; layers of one view may have traits of their own."""
    seen = ground.seen
    each = np.zeros(len(seen), np.bool_)
    for source in np.unique(seen.source).tolist():
        own = seen.source == source
        layer = View(seen.extents, np.full(len(seen), source), seen.depth, seen.layers, seen.in_place)
        codes = np.unique(seen.extents.facts[own]).tolist()
        each |= own & np.isin(seen.extents.facts, [code for code in codes if holds(code, layer)])
    return ground.of(seen, each)


def _verdict(verdict: Verdict) -> Callable[[_Ground], Mask]:
    def is_so(code: int, seen: View) -> bool:
        return judge(code, node_of(seen).read_traits()).verdict is verdict

    return lambda ground: _by_code(ground, is_so)


_IS: Final[dict[str, Callable[[_Ground], Mask]]] = {
    "data": _today(Flag.DATA),
    "covered": _covered,
    "differs": _differs,
    "lost": _lost,
    "kept": lambda ground: ~_lost(ground),
    "synthesised": _synthesised,
    **{verdict.words: _verdict(verdict) for verdict in Verdict},
}

_TERMS: Final[dict[str, Callable[[_Ground, str], Mask]]] = {
    "layer": lambda ground, _: np.ones(len(ground.edges), np.bool_),
    "row": _row,
    "from": _from,
    "is": lambda ground, word: _IS[word](ground),
}
"""What each term says of the pieces of a window."""


def _not_row(site: Site, at: int, letters: str) -> str:
    seen = site.window(at, 1)
    here = int(site.semantics.flags(seen)[0])
    is_protocol = node_of(seen).is_protocol
    if seen.in_place and not HISTORIC.flags(seen)[0] & Flag.ALLOCATED:
        return f"Here the layer defers, `{_letters(site, here, seen)}`; `{letters}` is wanted."
    words = site.semantics.row(here, is_protocol=is_protocol).words
    return f"Here it is `{_letters(site, here, seen)}`, {words}; `{letters}` is wanted."


def _not_from(site: Site, at: int, depth: str) -> str:
    supplier = int(merged(site.chain, at, 1).source[0])
    return f"The guest gets this byte from {_name(site, supplier)}, not from layer {depth}."


def _is_not(site: Site, at: int, word: str) -> str:
    seen = site.window(at, 1)
    holds = HISTORIC.flags(seen)[0] & Flag.ALLOCATED
    defers = "Here the layer defers: it holds nothing itself."
    if word == "data":
        return "Here the layer says zeroes, and holds no data." if holds else defers
    if word == "covered":
        return "The guest gets this byte from this very layer: nothing covers it." if holds else defers
    if word == "synthesised":
        below = "Here the layer defers, and a layer below it still reaches this far."
        return "Here the layer holds the bytes itself." if holds else below
    if word in _SIMPLY:
        return _SIMPLY[word]
    verdict = judge(int(seen.extents.facts[0]), node_of(seen).read_traits()).verdict
    return f"Here the audit's verdict is '{verdict.words}'; '{word}' is wanted."


_SIMPLY: Final = {
    "differs": "Here today's and the proposed flags mean the same.",
    "lost": "Here nothing is lost on the way.",
    "kept": "Here the meaning is lost on the way.",
}

_SENTENCES: Final[dict[str, Callable[[Site, int, str], str]]] = {
    "row": _not_row,
    "from": _not_from,
    "is": _is_not,
    "layer": lambda site, _at, _word: f"This is {_name(site, site.layer)}.",
}
"""What is said of a place of which a term does not hold."""
