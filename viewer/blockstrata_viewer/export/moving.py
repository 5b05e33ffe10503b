"""Screens one after the other as one SVG that moves by style rules alone: no script, no clock but its own.

A row that stays the same over some frames is drawn once.  What is seen in the same frames is one group, and a
group's visibility follows its own keyframes, in steps::

    frame     0      1      2      0 …
    rows 0–5  ██████████████████████   no animation
    row 6     ██████               █   seen in frame 0
    row 6            █████████████     seen in frames 1 and 2

A reader that does not animate, or asks for less motion, shows the first frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby
from typing import NamedTuple

from blockstrata_viewer.export.screen import Screen
from blockstrata_viewer.export.svg import caption, frame_of, lettered, row_of, title_of, window

Seen = tuple[bool, ...]
"""In which of the frames something is seen."""


class Moment(NamedTuple):
    """A screen, how long it is seen in seconds, and what is said of it in the window's title bar."""

    screen: Screen
    seconds: float
    words: str = ""


def moving_svg(moments: Sequence[Moment], title: str = "blockstrata") -> str:
    """Return the picture of screens of one size, over and over; ``ValueError`` if there are none."""
    if not moments:
        raise ValueError("a moving picture needs a screen")
    frame = frame_of(moments[0].screen, title)
    groups: dict[Seen, list[str]] = {}
    for y in range(moments[0].screen.height):
        rows = [moment.screen.rows[y] for moment in moments]
        for row in dict.fromkeys(rows):
            seen = tuple(each == row for each in rows)
            groups.setdefault(seen, []).extend(row_of(moments[seen.index(True)].screen, frame, y))
    words = [moment.words for moment in moments]
    for text in dict.fromkeys(filter(None, words)):
        groups.setdefault(tuple(each == text for each in words), []).append(caption(frame, text))
    drawn: list[str] = []
    for number, (seen, elements) in enumerate(sorted(groups.items(), reverse=True)):
        attributes = "" if all(seen) else f' class="m{number}"'
        drawn += [f"<g{attributes}>", *elements, "</g>"]
    style = _style([moment.seconds for moment in moments], sorted(groups, reverse=True))
    moving = lettered([*title_of(frame), *drawn])
    return window(moments[0].screen, frame, ["<style>", *style, "</style>", *moving])


def _style(seconds: Sequence[float], groups: Sequence[Seen]) -> Iterator[str]:
    """Yield the rules by which groups come and go."""
    whole = sum(seconds)
    starts = [start / whole for start in accumulate(seconds[:-1], initial=0.0)]
    for number, seen in enumerate(groups):
        if all(seen):
            continue
        changes = [
            next(pair) for _, pair in groupby(zip(starts, seen, strict=True), key=lambda pair: pair[1])
        ]
        steps = "".join(
            f"{100 * start:.6g}%{{visibility:{'visible' if shown else 'hidden'}}}" for start, shown in changes
        )
        base = "" if seen[0] else "visibility:hidden;"
        yield f".m{number}{{{base}animation:m{number} {whole:g}s step-end infinite}}"
        yield f"@keyframes m{number}{{{steps}}}"
    yield "@media (prefers-reduced-motion:reduce){g{animation:none!important}}"
