"""Which of today's answers do not stand up to the proposed tables (docs/semantics.md, "Audit").

An answer is read letter by letter with the proposed meanings (docs/semantics.md, "Letter by letter"), and
looked up in the table of format or of protocol layers.  DATA is read as ALLOC, ALLOCATED as LOCAL (format
layers only), ZERO and OFFSET_VALID as themselves.  Where the result is not what the proposal derives from the
same facts, the two do not merely spell an answer differently: they mean different things.

Who asks for block status, and for which bit, today and as the source moves them, is the table of
docs/semantics.md, "Clients".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.codes import CODES, Mapping, Storage, Traits, mapping_of, storage_of
from blockstrata.semantics.historic import HISTORIC
from blockstrata.semantics.historic import Flag as Old
from blockstrata.semantics.proposed import PROPOSED
from blockstrata.semantics.proposed import Flag as New


class Verdict(IntEnum):
    """What is wrong with an answer; the first that applies.  The numbers 1 to 3 are the classes.

    See docs/semantics.md, "Classes".
    """

    SOUND = 0
    BUG_ROW = 1
    """The table marks the row as a bug."""
    MISSTATEMENT = 2
    """The row is legal, but not the one that follows from the facts."""
    OFFSET_WITHOUT_DATA = 3
    """A protocol layer says OFFSET_VALID without DATA."""
    QUESTION = 4
    """The same for a hole in a file, which the source leaves open: no finding."""

    @property
    def words(self) -> str:
        """Its name in text."""
        return self.name.lower().replace("_", " ")


FINDINGS: Final = (Verdict.BUG_ROW, Verdict.MISSTATEMENT, Verdict.OFFSET_WITHOUT_DATA)
"""The verdicts that count."""

_WHY_BUG: Final = {
    "L··O": "this layer's, at an offset with neither storage nor zeroes",
    "L···": "this layer's, but neither zero nor stored anywhere",
    "·Z·O": "zeroes at an offset, but not this layer's, and no storage reserved for them",
    "···O": "an offset, but no storage reserved at it",
    "·ZA·": "zeroes that are stored, but not this layer's, and at no offset",
    "··A·": "storage that is not this layer's, and at no offset",
    "·Z··": "reads as zero, but no layer says that it supplies the zeroes",
    "··O": "an offset with neither data nor zeroes at it",
}
"""Why a row of the proposed tables is no sound answer, by its letters; the words are ours."""

_FILES: Final = ("file", "host_device")

_LETTERS: Final = (
    (Old.DATA, New.ALLOC),
    (Old.ZERO, New.ZERO),
    (Old.OFFSET_VALID, New.OFFSET_VALID),
    (Old.ALLOCATED, New.LOCAL),
)


def read_as_proposed(traits: Traits) -> NDArray[np.uint8]:
    """Return today's answer to every fact code as the proposed flags with the same letters, uint8 (256,)."""
    today = HISTORIC.table(traits)
    reading = np.zeros_like(today)
    for old, new in _LETTERS[:3] if traits.is_protocol else _LETTERS:
        reading |= np.where(today & np.uint8(old), np.uint8(new), np.uint8(0))
    return reading


def differs(traits: Traits) -> NDArray[np.bool_]:
    """Say for every fact code whether historic and proposed answer mean something different, bool (256,).

    An allocated zero cluster over written storage, for one: today ``- Z O`` and ALLOCATED, read as
    ``L Z - O`` (a hole at the offset); by the proposal ``L Z A -`` (storage, and no offset that promises
    zeroes).
    """
    return np.asarray(read_as_proposed(traits) != PROPOSED.table(traits), np.bool_)


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one kind of answer, in letters and words.

    ``today`` in the historic letters; ``reading`` and ``derived`` in the proposed ones, what the answer says
    and what follows from the facts.
    """

    verdict: Verdict
    today: str
    reading: str
    row: str
    derived: str
    derived_row: str

    @property
    def why(self) -> str:
        """What is wrong, in one sentence."""
        return {
            Verdict.SOUND: "nothing",
            Verdict.BUG_ROW: f"{self.row}: {_WHY_BUG.get(self.reading, '')}",
            Verdict.MISSTATEMENT: f"the facts say {self.derived}: {self.derived_row}",
            Verdict.OFFSET_WITHOUT_DATA: "a protocol layer gives an offset, but says that no data is there",
            Verdict.QUESTION: "open: is a hole in a file ·ZO, or DZO since it does read as zero?",
        }[self.verdict]


def judge(code: int, traits: Traits) -> Judgement:
    """Return the verdict on today's answer to a fact of a layer."""
    tables = HISTORIC.table(traits), read_as_proposed(traits), PROPOSED.table(traits)
    today, reading, derived = (int(table[code]) for table in tables)
    protocol = traits.is_protocol
    row = PROPOSED.row(reading, is_protocol=protocol)
    return Judgement(
        _verdict(code, traits, today, is_bug=row.is_bug, misstated=reading != derived),
        HISTORIC.letters(today),
        PROPOSED.letters(reading, is_protocol=protocol),
        row.words,
        PROPOSED.letters(derived, is_protocol=protocol),
        PROPOSED.row(derived, is_protocol=protocol).words,
    )


def _verdict(code: int, traits: Traits, today: int, *, is_bug: bool, misstated: bool) -> Verdict:
    if mapping_of(code) in (Mapping.INVALID, Mapping.UNREAD):
        return Verdict.SOUND
    if is_bug:
        return Verdict.BUG_ROW
    if misstated:
        return Verdict.MISSTATEMENT
    if not traits.is_protocol or today & Old.DATA or not today & Old.OFFSET_VALID:
        return Verdict.SOUND
    if traits.host_driver not in _FILES:
        return Verdict.OFFSET_WITHOUT_DATA
    # the block layer, not the driver, answers for the tail of a file's last sector
    return Verdict.SOUND if storage_of(code) is Storage.BEYOND_EOF else Verdict.QUESTION


def judgements(codes: NDArray[np.uint8], traits: Traits) -> tuple[NDArray[np.uint8], list[Judgement]]:
    """Return the different judgements on some fact codes, and by code the index of each: uint8 (256,)."""
    found: dict[Judgement, int] = {}
    index = np.zeros(CODES, np.uint8)
    for code in codes.tolist():
        index[code] = found.setdefault(judge(code, traits), len(found))
    return index, list(found)


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
