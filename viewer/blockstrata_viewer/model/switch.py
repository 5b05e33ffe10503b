"""What the semantics are called on the screen: ``today``, ``proposed``, and ``nbd`` with its age."""

from __future__ import annotations

from typing import Final

from blockstrata.semantics import SWITCH
from blockstrata.semantics.nbd import NBD_6_0
from blockstrata.semantics.table import Semantics

_WORDS: Final = {"old": "today", "new": "proposed"}
"""By the word on the command line; the wire's is the same."""


def word_of(semantics: Semantics) -> str:
    """Return what a semantics is called on the screen, the age of a wire not told."""
    return _WORDS.get(semantics.switch, semantics.switch)


def switches(chosen: Semantics) -> list[tuple[str, Semantics]]:
    """Return the words on the switch and what each chooses; of the wires QEMU's own, or the chosen one."""
    offered = {word_of(each): each for each in SWITCH} | {NBD_6_0.switch: NBD_6_0}
    name = f"{word_of(chosen)} {chosen.variant}".rstrip()
    return [(name, chosen) if word == word_of(chosen) else (word, each) for word, each in offered.items()]
