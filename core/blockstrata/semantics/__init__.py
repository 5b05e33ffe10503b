"""The meanings of facts: each semantics is a table from facts to flags, and its words."""

from __future__ import annotations

from typing import Final

from blockstrata.semantics.historic import HISTORIC
from blockstrata.semantics.nbd import NBD_6_0, NBD_2018, NBD_PROPOSED
from blockstrata.semantics.proposed import PROPOSED
from blockstrata.semantics.table import Semantics

SEMANTICS: Final[tuple[Semantics, ...]] = (HISTORIC, PROPOSED)
"""The two meanings of a layer's flags, old and new."""

SWITCH: Final[tuple[Semantics, ...]] = (*SEMANTICS, NBD_2018, NBD_6_0, NBD_PROPOSED)
"""All there are, those of the wire too, in the order of the screen's switch."""

_BY_NAME: Final = {
    **{semantics.name: semantics for semantics in SWITCH},
    **{semantics.switch: semantics for semantics in SEMANTICS},
    NBD_6_0.switch: NBD_6_0,
}


def by_name(name: str) -> Semantics:
    """Return a semantics by its name or the word on the switch; ``KeyError`` if there is none.

    Of those that share the word ``nbd`` it is the one that QEMU speaks today.
    """
    return _BY_NAME[name]
