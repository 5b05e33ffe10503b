"""Who asks for block status, and for which bit: today's, and the one that the source moves them to.

The table is that of docs/semantics.md, "Clients".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from typing import Final

from blockstrata.semantics.historic import Flag as Old
from blockstrata.semantics.proposed import Flag as New


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that a client wants to know of every byte.

    ``today`` and ``proposed`` are the flags that it looks at, of HISTORIC and of PROPOSED.  ``of_layer``: it
    asks the active layer, as that stands in the chain; else the whole chain.
    """

    client: str
    asks: str
    today: IntFlag
    proposed: IntFlag
    of_layer: bool = False


_IN_THIS_LAYER: Final = "is it in this layer?"

QUESTIONS: Final = (
    Question("commit, stream, rebase, COR", _IN_THIS_LAYER, Old.ALLOCATED, New.LOCAL, of_layer=True),
    Question("qemu-img compare", "does any layer provide it?", Old.ALLOCATED, New.LOCAL),
    Question("qcow2 measure", "does any layer provide it?", Old.ALLOCATED, New.LOCAL),
    Question("mirror", "what is to be copied?", Old.DATA, New.ALLOC),
    Question("mirror", _IN_THIS_LAYER, Old.ALLOCATED, New.LOCAL, of_layer=True),
    Question("qemu-img convert, map", "is there data?", Old.DATA, New.ALLOC),
    Question("qemu-img convert, map", "does it read as zero?", Old.ZERO, New.ZERO),
    Question("NBD server up to 5.2", "is there no hole?", Old.ALLOCATED, New.ALLOC),
    Question("NBD server since 6.0", "is there no hole?", Old.DATA, New.ALLOC),
)
