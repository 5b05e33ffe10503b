"""Questions about a place on an image; what is right is worked out from the image, as the core reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from blockstrata.errors import BlockstrataError
from blockstrata.semantics.audit import Verdict, differs, judge
from blockstrata.semantics.historic import HISTORIC, Flag
from blockstrata.semantics.nbd import wire_of
from blockstrata.semantics.table import Row
from blockstrata.text.printable import base_name
from blockstrata_viewer.lessons.find import check_wanted
from blockstrata_viewer.lessons.lesson import Lesson, Step
from blockstrata_viewer.lessons.site import Site, exported, node_of

_MOST_ROWS: Final = 5
_MOST_LAYERS: Final = 6
"""Choices that are offered where the lesson does not choose."""


class Question(NamedTuple):
    """What is asked, what can be answered, and which answer is right.

    ``reasons`` say of each choice why it is wrong, or nothing.  Where a place is asked for there are no
    choices, and 0 is right.
    """

    prompt: str
    choices: tuple[str, ...]
    right: int
    reasons: tuple[str, ...] = ()


def question_of(lesson: Lesson, step: Step, site: Site) -> Question | None:
    """Return what a step asks of its place, or None; ``LessonError`` if no choice would be right."""
    if not step.ask:
        return None
    prompt, ask = ASKS[step.ask]
    if step.find:
        check_wanted(lesson, step, site)
        return Question(step.prompt or prompt, (), 0)
    try:
        choices, right = ask(site, step.choices)
    except BlockstrataError as error:
        raise lesson.wrong(step, "ask", str(error)) from None
    except ValueError as error:
        raise lesson.wrong(step, "choices", str(error)) from None
    if strange := [key for key in step.reasons if key not in choices]:
        raise lesson.wrong(step, f"- {strange[0]}", f"is not a choice here; use one of {', '.join(choices)}")
    reasons = tuple(step.reasons.get(key, "") for key in choices)
    return Question(step.prompt or prompt, tuple(choices.values()), right, reasons)


_Asked = tuple[dict[str, str], int]
"""The choices, by what a lesson calls them, and which is right."""
_Ask = Callable[[Site, tuple[str, ...]], _Asked]
"""Takes a place and the letters that the lesson offers; ``ValueError`` if they will not do."""


def _layer(site: Site, letters: tuple[str, ...]) -> _Asked:
    _no_choices(letters)
    right, layers = site.answering, site.chain.layers
    shown = range(len(layers))
    if len(layers) > _MOST_LAYERS:
        first = max(0, min(right - _MOST_LAYERS // 2, len(layers) - _MOST_LAYERS))
        shown = range(first, first + _MOST_LAYERS)
    names = {str(depth): f"{base_name(layers[depth].name)}, depth {depth}" for depth in shown}
    return names, shown.index(right)


def _row(site: Site, letters: tuple[str, ...]) -> _Asked:
    """Offer rows of the table in force: those that the lesson names, else those that the strip shows."""
    semantics, seen = site.semantics, site.seen()
    is_protocol = node_of(seen).is_protocol
    rows = semantics.protocol_rows if is_protocol else semantics.format_rows

    def name(row: Row) -> str:
        return semantics.letters(row.flags, is_protocol=is_protocol)

    right = semantics.row(int(semantics.flags(seen)[0]), is_protocol=is_protocol)
    by_letters = {name(row): row for row in rows}
    unknown = [each for each in letters if each not in by_letters]
    if unknown:
        raise ValueError(f"'{unknown[0]}' is not a row here; use one of {', '.join(by_letters)}")
    if letters:
        offered = [by_letters[each] for each in letters]
        if right not in offered:
            raise ValueError(f"none of them is right; the image says {name(right)}")
    else:
        occurring = semantics.flags(site.seen_whole()).tolist()
        here = {semantics.row(flags, is_protocol=is_protocol) for flags in set(occurring)} - {right}
        # what occurs comes first; then rows that are no bugs, so that there is something to choose
        others = sorted(rows, key=lambda row: (row not in here, row.is_bug, rows.index(row)))
        chosen = {right, *[row for row in others if row is not right][: _MOST_ROWS - 1]}
        offered = [row for row in rows if row in chosen]
    return {name(row): f"{name(row)}  {row.words}" for row in offered}, offered.index(right)


def _today(flag: Flag) -> Callable[[Site], object]:
    return lambda site: HISTORIC.flags(site.seen())[0] & flag


def _same(site: Site) -> object:
    seen = site.seen()
    return not differs(node_of(seen).read_traits())[int(seen.extents.facts[0])]


def _lost(site: Site) -> object:
    wire = wire_of(site.semantics)
    if wire is None:
        raise BlockstrataError("", "", "'lost' needs one of the nbd semantics")
    sent = exported(site, site.offset, 1)
    return wire.lost(wire.base.flags(sent), wire.server.flags(sent))[0]


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
    verdict = judge(int(seen.extents.facts[0]), node_of(seen).read_traits()).verdict
    return {each.words: words for each, words in _VERDICTS.items()}, list(_VERDICTS).index(verdict)


def _yes_or_no(is_so: Callable[[Site], object]) -> _Ask:
    def ask(site: Site, letters: tuple[str, ...]) -> _Asked:
        _no_choices(letters)
        return {"yes": "yes", "no": "no"}, 0 if is_so(site) else 1

    return ask


def _no_choices(letters: tuple[str, ...]) -> None:
    if letters:
        raise ValueError("only a row is chosen from what the lesson offers")


def _find(_site: Site, _letters: tuple[str, ...]) -> _Asked:
    return {}, 0


ASKS: Final[dict[str, tuple[str, _Ask]]] = {
    "layer": ("Which layer answers here?", _layer),
    "row": ("Which row is this?", _row),
    "present": ("Does qemu-img map call this present?", _yes_or_no(_today(Flag.ALLOCATED))),
    "zero": ("Is ZERO set in today's answer?", _yes_or_no(_today(Flag.ZERO))),
    "data": ("Is DATA set in today's answer?", _yes_or_no(_today(Flag.DATA))),
    "same": ("Do today's and the proposed flags mean the same here?", _yes_or_no(_same)),
    "lost": ("Is the meaning lost on the way?", _yes_or_no(_lost)),
    "find": ("Go there, and press enter.", _find),
    "verdict": ("What does the audit say of this run?", _verdict),
}
"""The kinds of questions: the words if the lesson has none, and who works out the answer."""
