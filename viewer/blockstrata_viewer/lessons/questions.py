"""Questions about a place on an image; what is right is worked out from the image, as the core reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from blockstrata.errors import BlockstrataError
from blockstrata.facts.codes import NO_HOST
from blockstrata.facts.node import Driver
from blockstrata.graph.chain import Chain, Layer
from blockstrata.guest.merge import alone, in_place, merged
from blockstrata.guest.view import View
from blockstrata.semantics import by_name
from blockstrata.semantics.audit import Verdict, differs, judge
from blockstrata.semantics.historic import HISTORIC, Flag
from blockstrata.semantics.nbd import wire_of
from blockstrata.semantics.table import Row, Semantics
from blockstrata.text.printable import base_name
from blockstrata_viewer.lessons.lesson import GUEST, Lesson, Step
from blockstrata_viewer.model.offsets import parse_offset

_MOST_ROWS: Final = 5
_MOST_LAYERS: Final = 6
"""Choices that are offered where the lesson does not choose."""


class Question(NamedTuple):
    """What is asked, what can be answered, and which answer is right."""

    prompt: str
    choices: tuple[str, ...]
    right: int


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """The place of a step on an open chain.  ``offset`` counts in guest bytes, ``layer`` as a step's."""

    chain: Chain
    offset: int
    layer: int
    view: str
    semantics: Semantics

    def seen(self, *, whole: bool = False) -> View:
        """Return the byte, or the whole strip that it is in, as the step looks at it."""
        if self.view == "file":
            file = Layer(0, self.chain.layer(self.depth).node.host)
            return alone(file, 0, file.size) if whole else alone(file, self.host, 1)
        start, length = (0, None) if whole else (self.offset, 1)
        if self.layer == GUEST:
            return merged(self.chain, start, length or self.chain.size)
        return in_place(self.chain, self.layer, start, length or self.chain.layer(self.layer).size)

    @property
    def answering(self) -> int:
        """The depth of the layer that answers the guest."""
        return int(merged(self.chain, self.offset, 1).depth[0])

    @property
    def depth(self) -> int:
        """The depth of the layer looked at; of the guest's strip, of the one that answers."""
        return self.answering if self.layer == GUEST else self.layer

    @property
    def host(self) -> int:
        """Where in the layer's file the byte is stored, NO_HOST if it is nowhere."""
        return int(in_place(self.chain, self.depth, self.offset, 1).extents.host[0])


def site_of(lesson: Lesson, step: Step, chain: Chain) -> Site:
    """Return the place of a step on its image; ``LessonError`` if there is no such place."""
    cluster = chain.layers[max(0, min(step.layer, len(chain.layers) - 1))].node.features().get("cluster-size")
    try:
        offset = parse_offset(step.at, chain.size, cluster if isinstance(cluster, int) else None)
    except ValueError as error:
        raise lesson.wrong(step, "at", str(error)) from None
    if step.layer >= len(chain.layers):
        raise lesson.wrong(step, "layer", f"the chain has layers 0 to {len(chain.layers) - 1}")
    if step.layer >= 0 and offset >= chain.layers[step.layer].size:
        raise lesson.wrong(step, "at", f"layer {step.layer} ends before {step.at}")
    site = Site(chain, offset, step.layer, step.view, by_name(step.semantics))
    if step.view == "file" and site.host == NO_HOST:
        raise lesson.wrong(step, "view", f"the byte at {step.at} has no place in the layer's file")
    if step.view == "round-trip" and wire_of(site.semantics) is None:
        raise lesson.wrong(step, "semantics", "on a round trip it is one of the nbd semantics")
    return site


def question_of(lesson: Lesson, step: Step, site: Site) -> Question | None:
    """Return what a step asks of its place, or None; ``LessonError`` if no choice would be right."""
    if not step.ask:
        return None
    prompt, ask = ASKS[step.ask]
    try:
        choices, right = ask(site, step.choices)
    except BlockstrataError as error:
        raise lesson.wrong(step, "ask", str(error)) from None
    except ValueError as error:
        raise lesson.wrong(step, "choices", str(error)) from None
    return Question(step.prompt or prompt, choices, right)


_Asked = tuple[tuple[str, ...], int]
_Ask = Callable[[Site, tuple[str, ...]], _Asked]
"""Takes a place and the letters that the lesson offers; ``ValueError`` if they will not do."""


def _layer(site: Site, letters: tuple[str, ...]) -> _Asked:
    _no_choices(letters)
    right, layers = site.answering, site.chain.layers
    shown = range(len(layers))
    if len(layers) > _MOST_LAYERS:
        first = max(0, min(right - _MOST_LAYERS // 2, len(layers) - _MOST_LAYERS))
        shown = range(first, first + _MOST_LAYERS)
    return tuple(f"{base_name(layers[depth].name)}, depth {depth}" for depth in shown), shown.index(right)


def _row(site: Site, letters: tuple[str, ...]) -> _Asked:
    """Offer rows of the table in force: those that the lesson names, else those that the strip shows."""
    semantics, seen = site.semantics, site.seen()
    is_protocol = _node(seen).is_protocol
    rows = semantics.protocol_rows if is_protocol else semantics.format_rows

    def name(row: Row) -> str:
        return semantics.letters(row.flags, is_protocol=is_protocol)

    right = semantics.row(int(semantics.flags(seen)[0]), is_protocol=is_protocol)
    by_letters = {name(row): row for row in rows}
    unknown = [each for each in letters if each not in by_letters]
    if unknown:
        raise ValueError(f"'{unknown[0]}' is no row here; there are {', '.join(by_letters)}")
    if letters:
        offered = [by_letters[each] for each in letters]
        if right not in offered:
            raise ValueError(f"none of them is right; the image says {name(right)}")
    else:
        occurring = semantics.flags(site.seen(whole=True)).tolist()
        here = {semantics.row(flags, is_protocol=is_protocol) for flags in set(occurring)} - {right}
        # what occurs comes first; then rows that are no bugs, so that there is something to choose
        others = sorted(rows, key=lambda row: (row not in here, row.is_bug, rows.index(row)))
        chosen = {right, *[row for row in others if row is not right][: _MOST_ROWS - 1]}
        offered = [row for row in rows if row in chosen]
    return tuple(f"{name(row)}  {row.words}" for row in offered), offered.index(right)


def _today(flag: Flag) -> Callable[[Site], object]:
    return lambda site: HISTORIC.flags(site.seen())[0] & flag


def _same(site: Site) -> object:
    seen = site.seen()
    return not differs(_node(seen).read_traits())[int(seen.extents.facts[0])]


def _lost(site: Site) -> object:
    wire = wire_of(site.semantics)
    if wire is None:
        raise BlockstrataError("", "", "'lost' needs one of the nbd semantics")
    # as model/round_trip.py has it: the whole chain is exported, or a lower layer alone
    if site.layer <= 0:
        exported = merged(site.chain, site.offset, 1)
    else:
        exported = alone(site.chain.layer(site.layer), site.offset, 1)
    return wire.lost(wire.base.flags(exported), wire.server.flags(exported))[0]


_VERDICTS: Final = {
    Verdict.SOUND: "nothing: the answer is sound",
    Verdict.BUG_ROW: "a bug row: the table calls such an answer a bug",
    Verdict.MISSTATEMENT: "a misstatement: a legal row, not what facts say",
    Verdict.OFFSET_WITHOUT_DATA: "an offset without data",
    Verdict.QUESTION: "no finding, but an open question",
}


def _verdict(site: Site, letters: tuple[str, ...]) -> _Asked:
    _no_choices(letters)
    seen = site.seen()
    verdict = judge(int(seen.extents.facts[0]), _node(seen).read_traits()).verdict
    return tuple(_VERDICTS.values()), list(_VERDICTS).index(verdict)


def _yes_or_no(is_so: Callable[[Site], object]) -> _Ask:
    def ask(site: Site, letters: tuple[str, ...]) -> _Asked:
        _no_choices(letters)
        return ("yes", "no"), 0 if is_so(site) else 1

    return ask


def _no_choices(letters: tuple[str, ...]) -> None:
    if letters:
        raise ValueError("only a row is chosen from what the lesson offers")


def _node(seen: View) -> Driver:
    """Return the node that a byte comes from."""
    return seen.layers[int(seen.source[0])].node


ASKS: Final[dict[str, tuple[str, _Ask]]] = {
    "layer": ("Which layer answers here?", _layer),
    "row": ("Which row is this?", _row),
    "present": ("Does qemu-img map call this present?", _yes_or_no(_today(Flag.ALLOCATED))),
    "zero": ("Is ZERO set in today's answer?", _yes_or_no(_today(Flag.ZERO))),
    "data": ("Is DATA set in today's answer?", _yes_or_no(_today(Flag.DATA))),
    "same": ("Do old and new mean the same here?", _yes_or_no(_same)),
    "lost": ("Is the meaning lost on the way?", _yes_or_no(_lost)),
    "verdict": ("What does the audit say of this run?", _verdict),
}
"""The kinds of questions: the words if the lesson has none, and who works out the answer."""
