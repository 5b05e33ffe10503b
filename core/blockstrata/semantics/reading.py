"""Today's answers read with the proposed meaning of the bits, letter by letter.

The rule is that of docs/semantics.md, "Letter by letter".

DATA is read as ALLOC, ALLOCATED as LOCAL (format layers only), ZERO and OFFSET_VALID as themselves.  Where
the result is not what the proposal derives from the same facts, the two do not merely spell an answer
differently: they mean different things.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.codes import Traits
from blockstrata.semantics import historic, proposed

_LETTERS: Final = (
    (historic.Flag.DATA, proposed.Flag.ALLOC),
    (historic.Flag.ZERO, proposed.Flag.ZERO),
    (historic.Flag.OFFSET_VALID, proposed.Flag.OFFSET_VALID),
    (historic.Flag.ALLOCATED, proposed.Flag.LOCAL),
)


def read_as_proposed(traits: Traits) -> NDArray[np.uint8]:
    """Return today's answer to every fact code as the proposed flags with the same letters, uint8 (256,)."""
    today = historic.HISTORIC.table(traits)
    reading = np.zeros_like(today)
    for old, new in _LETTERS:
        if new is proposed.Flag.LOCAL and traits.is_protocol:
            continue
        reading |= np.where(today & np.uint8(old), np.uint8(new), np.uint8(0))
    return reading


def differs(traits: Traits) -> NDArray[np.bool_]:
    """Say for every fact code whether historic and proposed answer mean something different, bool (256,).

    An allocated zero cluster over written storage, for one: today ``- Z O`` and ALLOCATED, read as
    ``L Z - O`` (a hole at the offset); by the proposal ``L Z A -`` (storage, and no offset that promises
    zeroes).
    """
    return np.asarray(read_as_proposed(traits) != proposed.PROPOSED.table(traits), np.bool_)
