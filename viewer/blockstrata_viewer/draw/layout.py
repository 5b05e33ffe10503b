"""Where everything stands on a screen of a given size.  Numbers only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final, NamedTuple

from blockstrata_viewer.model.folding import tracks_of
from blockstrata_viewer.model.scene import GUEST, Scene

WIDE: Final = 160
"""Columns from which the inspector is a panel on the right."""
NARROW: Final = 100
"""Columns under which everything is written shorter."""

SIDE_PANEL: Final = 46
TABLE_LEAST: Final = 4
"""Rows from which the extent table is worth its place."""
CHAIN_LEAST: Final = 10
"""Rows that the chain has before anything else gets some."""

_LABEL, _LABEL_NARROW = 28, 26
_HEIGHTS: Final = (*((strip, 1) for strip in range(8, 1, -1)), (2, 0), (1, 0))
"""Rows of a strip, and of the gap under it, the best first."""
_GUEST_MOST, _OVERVIEW_MOST = 6, 3
_TALL: Final = 4
"""Rows of strips from which the extent table has its share of what is left over: one in so many."""
_TABLE_SHARE: Final = 3


class More(NamedTuple):
    """A row that says how many layers are not shown where it stands."""

    row: int
    sign: str
    layers: int


@dataclass(frozen=True)
class ChainLayout:
    """The chain view: labels on the left, strips on the right, top to bottom as the rows say.

    ``overview`` and ``guest`` are rows of these two.  ``tracks`` are the layers on the screen: a depth, or a
    range of those that are folded into one row; ``places`` are the rows of each.  ``bracket`` is a row under
    the selected track, None if there is none.  ``more`` says where layers are missing.  The chain takes
    ``used`` rows of ``height``; what is left is for the extent table.
    """

    width: int
    height: int
    label: int
    overview: int
    guest: int
    tracks: tuple[int | range, ...]
    places: tuple[range, ...]
    bracket: int | None
    more: tuple[More, ...]
    used: int

    @property
    def window(self) -> int:
        """Row that underlines the window on the overview."""
        return self.overview

    @property
    def ruler(self) -> int:
        """Row of the ruler's labels; its ticks are below them."""
        return self.overview + 1

    @property
    def guest_top(self) -> int:
        """First row of what the guest sees."""
        return self.overview + 3

    @property
    def ribbon(self) -> int:
        """Row that says which layer supplies what the guest sees."""
        return self.guest_top + self.guest

    @property
    def columns(self) -> int:
        """Cells of a strip."""
        return strip_columns(self.width)

    def rows_of(self, selected: int) -> range:
        """Return the rows of a layer's strip, for -1 of what the guest sees; none if it is not shown."""
        if selected == GUEST:
            return range(self.guest_top, self.ribbon)
        return self._rows.get(selected, range(0))

    @cached_property
    def _rows(self) -> dict[int, range]:
        shown = zip(self.tracks, self.places, strict=True)
        return {depth: rows for track, rows in shown for depth in _depths(track)}

    def layer_at(self, row: int) -> int | None:
        """Return the layer at a row, -1 for what the guest sees, None where there is no track."""
        if self.guest_top <= row <= self.ribbon:
            return GUEST
        for track, rows in zip(self.tracks, self.places, strict=True):
            if row in rows:
                return track if isinstance(track, int) else track.start
        return None


def strip_columns(width: int) -> int:
    """Return the cells of a strip in a chain view of so many columns."""
    return max(1, width - _label(width) - 2)


def layout_of(scene: Scene, width: int, height: int) -> ChainLayout:
    """Return the layout of a scene."""
    disk = scene.disk
    answering = None if disk.round_trip else disk.guest.run_at(scene.cursor)
    return chain_layout(
        width,
        height,
        tracks_of(scene),
        scene.selected,
        None if answering is None else int(disk.guest.view.source[answering]),
    )


def chain_layout(
    width: int,
    height: int,
    tracks: Sequence[int | range],
    selected: int = GUEST,
    answering: int | None = None,
) -> ChainLayout:
    """Return the tallest layout in which all tracks fit; strips take the rows first, then the extent table.

    Else one row a track around the selected one, the one in sight that answers the guest, and rows that say
    how many there are in between.
    """
    tall = height - _used(_TALL, 1, len(tracks))
    for strip, gap in _HEIGHTS:
        left = height - _used(strip, gap, len(tracks))
        kept = max(TABLE_LEAST, -(-tall // _TABLE_SHARE)) if strip > _TALL and tall >= TABLE_LEAST else 0
        if left >= kept:
            break
    else:
        return _crowded(width, height, tracks, selected, answering)
    overview, guest = _head(strip)
    if left < TABLE_LEAST:
        for _ in range(left):
            if overview < min(_OVERVIEW_MOST, guest // 2):
                overview += 1
            elif guest < _GUEST_MOST:
                guest += 1
        left = 0
    stack = _Stack(overview + 3 + guest + 1, strip, gap)
    stack.skip(gap, selected == GUEST or not tracks)
    for track in tracks:
        stack.put(track, is_selected=selected in _depths(track))
    return stack.layout(width, height, overview, guest, height - left)


def _crowded(
    width: int, height: int, tracks: Sequence[int | range], selected: int, answering: int | None
) -> ChainLayout:
    """Return a layout of fewer tracks than there are, a row each, and a row wherever some are missing."""
    guest = 2 if height > CHAIN_LEAST + 2 else 1
    top = 1 + 3 + guest + 1
    at = next((nth for nth, track in enumerate(tracks) if selected in _depths(track)), 0)
    answers = next((nth for nth, track in enumerate(tracks) if answering in _depths(track)), at)
    room = height - top
    has_bracket = room >= CHAIN_LEAST
    stack = _Stack(top, 1, 0)
    stack.skip(0, selected == GUEST and has_bracket)
    last = -1
    for nth in (*_visible(len(tracks), at, answers, room - has_bracket), len(tracks)):
        if missing := sum(len(_depths(track)) for track in tracks[last + 1 : nth]):
            stack.miss(missing, "▴" if nth <= at else "▾")
        if nth < len(tracks):
            stack.put(tracks[nth], is_selected=has_bracket and selected in _depths(tracks[nth]))
        last = nth
    return stack.layout(width, height, 1, guest, height)


class _Stack:
    """Puts tracks one under another, from a row on."""

    def __init__(self, top: int, strip: int, gap: int) -> None:
        self.at = top
        self.strip, self.gap = strip, gap
        self.tracks: list[int | range] = []
        self.places: list[range] = []
        self.more: list[More] = []
        self.bracket: int | None = None

    def put(self, track: int | range, *, is_selected: bool) -> None:
        self.tracks.append(track)
        rows = self.strip if isinstance(track, int) else 1
        self.places.append(range(self.at, self.at + rows))
        self.at += rows
        self.skip(self.gap, is_selected)

    def skip(self, gap: int, is_selected: bool) -> None:
        """Leave a gap, in which the bracket is under the selected track; it makes one where there is none."""
        if is_selected:
            self.bracket = self.at
        self.at += max(gap, is_selected)

    def miss(self, count: int, sign: str) -> None:
        self.more.append(More(self.at, sign, count))
        self.at += 1

    def layout(self, width: int, height: int, overview: int, guest: int, used: int) -> ChainLayout:
        return ChainLayout(
            width,
            height,
            _label(width),
            overview,
            guest,
            tuple(self.tracks),
            tuple(self.places),
            self.bracket,
            tuple(self.more),
            used,
        )


def _visible(tracks: int, at: int, answers: int, rows: int) -> list[int]:
    """Return which tracks have room, with a row for each stretch that is missing; those near one of them."""
    shown = [at]
    near = [at + side * step for step in range(1, rows + 1) for side in (1, -1)]
    # one that is missing alone takes no more room than the row that would say so
    for nth in (answers, *near, *near, answers - 1, answers + 1):
        if 0 <= nth < tracks and nth not in shown:
            more = sorted((*shown, nth))
            ends = (-1, *more, tracks)
            missing = sum(after - before > 1 for before, after in pairwise(ends))
            if len(more) + missing <= rows:
                shown = more
    return shown


def _head(strip: int) -> tuple[int, int]:
    """Return the rows of the overview, and of what the guest sees, over strips of so many."""
    return 1 + (strip >= _TALL) + (strip > _TALL + 2), max(2, 3 * (strip + 1) // 4)


def _used(strip: int, gap: int, tracks: int) -> int:
    """Return the rows that so many tracks take with all above them."""
    # under the overview are its window, the ruler and its ticks; under the guest are the ribbon and a row for
    # the bracket, which is below where tracks stand close and the guest is not selected
    return sum(_head(strip)) + 3 + 1 + 1 + tracks * (strip + gap)


def _label(width: int) -> int:
    return _LABEL if width >= NARROW else min(_LABEL_NARROW, width // 3)


def _depths(track: int | range) -> range:
    return range(track, track + 1) if isinstance(track, int) else track
