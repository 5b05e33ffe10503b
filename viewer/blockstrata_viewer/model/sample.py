"""The core sample: every layer at one offset, neighbours that hold nothing there folded into one row."""

from __future__ import annotations

from itertools import groupby
from typing import Final, NamedTuple

from blockstrata.facts.codes import SYNTHESISED, Mapping, mapping_of
from blockstrata_viewer.model.scene import Scene

_DEFERS: Final = "defer"
_ENDS: Final = "end before this"
_FOLDED: Final = 4
"""Neighbours from which they are one row even where there is room for each."""


class Sampled(NamedTuple):
    """Some neighbouring layers in one row, and what they all do if there are several."""

    depths: range
    does: str


class CoreSample(NamedTuple):
    """The rows of a core sample, and how many layers there are above and below them."""

    rows: list[Sampled]
    above: int
    below: int


def core_sample(scene: Scene, answers: int, room: int) -> CoreSample:
    """Return the sample at the cursor in so many rows, in which the layer that answers always is.

    A line below it, that says how many more there are, is one of them.
    """
    kinds = _kinds(scene, answers)
    for least in (_FOLDED, 2):
        rows = _folded(kinds, least)
        if len(rows) <= room:
            return CoreSample(rows, 0, 0)
    at = next(nth for nth, row in enumerate(rows) if answers in row.depths)
    shown = max(1, room - 1)
    first = max(0, min(at - shown // 2, len(rows) - shown))
    if first + shown == len(rows):
        # at the end there is no more below
        first, shown = max(0, len(rows) - room), min(room, len(rows))
    kept = rows[first : first + shown]
    return CoreSample(kept, kept[0].depths.start, len(kinds) - kept[-1].depths.stop)


def _kinds(scene: Scene, answers: int) -> list[str]:
    """Return what each layer does, if it can be folded: neither the one that answers nor the selected one."""
    kinds = []
    for depth, track in enumerate(scene.disk.tracks):
        run = track.run_at(scene.cursor)
        kind = _ENDS
        if run is not None:
            code = int(track.view.extents.facts[run])
            defers = mapping_of(code) is Mapping.UNALLOCATED and not code & SYNTHESISED
            kind = _DEFERS if defers else ""
        kinds.append("" if depth in (answers, scene.selected) else kind)
    return kinds


def _folded(kinds: list[str], least: int) -> list[Sampled]:
    rows, depth = [], 0
    for kind, alike in groupby(kinds):
        stop = depth + len(list(alike))
        if kind and stop - depth >= least:
            rows.append(Sampled(range(depth, stop), kind))
        else:
            rows += [Sampled(range(each, each + 1), kind) for each in range(depth, stop)]
        depth = stop
    return rows
