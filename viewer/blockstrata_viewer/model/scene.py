"""Everything that one frame shows, as one frozen value; keys and mouse make a new one from the last."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.codes import SECTOR
from blockstrata.semantics import SEMANTICS
from blockstrata.semantics.nbd import NBD_6_0, WIRES, Wire, wire_of
from blockstrata.semantics.proposed import PROPOSED
from blockstrata.semantics.table import Semantics
from blockstrata.text.printable import base_name
from blockstrata_viewer.model.disk import Disk, dissected, file_of, round_trip_of
from blockstrata_viewer.model.round_trip import STATIONS
from blockstrata_viewer.model.states import Paint, State
from blockstrata_viewer.model.switch import word_of
from blockstrata_viewer.model.track import Track
from blockstrata_viewer.model.uses import UseTrack
from blockstrata_viewer.model.viewport import Viewport

GUEST = -1
"""The selection that is no layer but what the guest sees."""


class Meaning(NamedTuple):
    """What a run means by one semantics, or at one station of a round trip."""

    name: str
    state: State
    in_force: bool


@dataclass(frozen=True)
class Scene:
    """A disk seen through a viewport.

    ``colours`` and ``theme`` name the palette.  ``cursor``, ``hover`` and ``markers`` are guest bytes,
    ``selected`` a depth or GUEST.  ``differences``: show only where historic and proposed mean something
    different.  ``flags``: which of these two was in force before those of the wire.  ``isolated``: the
    letters of the one state that strips show, all if empty; ``hidden``: those of states that they do not
    show.  ``asking``: the kind of question by which a lesson asks what is here, so that the screen does not
    say (:mod:`.asking`); empty if none does.  ``entered_from`` is the chain's scene that a file's own axis or
    a round trip was entered from, ``file_depth`` the layer whose file it is.  ``folded``: neighbours
    that hold nothing in view are one row.
    """

    disk: Disk
    viewport: Viewport
    semantics: Semantics
    colours: str = "truecolor"
    theme: str = "dark"
    cursor: int = 0
    selected: int = 0
    hover: int | None = None
    markers: tuple[int, ...] = ()
    patterns: bool = False
    differences: bool = False
    flags: Semantics | None = None
    isolated: str = ""
    hidden: frozenset[str] = frozenset()
    asking: str = ""
    folded: bool = False
    entered_from: Scene | None = None
    file_depth: int = 0

    @property
    def chain_scene(self) -> Scene:
        """The scene of the chain: this one, or what a file's axis or a round trip was entered from."""
        return self.entered_from or self

    @property
    def wire(self) -> Wire | None:
        """The mapping of the round trip that is shown, None if none is."""
        return wire_of(self.semantics) if self.disk.round_trip else None

    @property
    def track(self) -> Track:
        """The selected track."""
        return self.disk.track(self.selected)

    @property
    def uses(self) -> UseTrack | None:
        """The selected track if it is what the bytes of a file are for."""
        return self.disk.uses if self.selected == GUEST else None

    def name_of(self, selected: int) -> str:
        """Return what a track is called."""
        if self.disk.round_trip and self.wire:
            return self.disk.round_trip.label(selected, self.wire)[0]
        if self.disk.uses:
            return "used for" if selected == GUEST else "storage"
        if selected == GUEST and not (self.disk.is_file and self.entered_from):
            return "guest sees"
        return base_name(self.disk.layers[selected].name)

    @property
    def run(self) -> int | None:
        """Index of the run under the cursor in the selected track; None past the end of a short layer."""
        return self.track.run_at(self.cursor)

    def meanings(self, run: int) -> list[Meaning]:
        """Return what a run of the selected track means, the semantics in force first.

        Beside it the other of old and new, or what feeds the wire; on a round trip all four stations.
        """
        if self.disk.round_trip:
            stations = zip(STATIONS, (self.disk.guest, *self.disk.tracks), strict=True)
            return [
                Meaning(name, track.state_at(run, self.semantics), track is self.track)
                for name, track in stations
            ]
        wire = wire_of(self.semantics)
        others = [wire.base] if wire else [each for each in SEMANTICS if each is not self.semantics]
        return [
            Meaning(word_of(each), self.track.state_at(run, each), each is self.semantics)
            for each in (self.semantics, *others)
        ]

    @property
    def span(self) -> tuple[int, int] | None:
        """The range between two markers, or None."""
        return (min(self.markers), max(self.markers)) if len(self.markers) == 2 else None

    def with_disk(self, disk: Disk) -> Scene:
        """Return the scene of the same image, more of it read or read anew: whatever is in it is on the disk.

        The image may have been resized since, and have other layers.  A file's axis or a round trip stays
        while more is read; of an image that is read anew it would show what was there before.
        """
        if self.entered_from and self.entered_from.disk.is_same_opening(disk):
            return replace(self, entered_from=self.entered_from.with_disk(disk))
        scene = self.leave()
        viewport = scene.viewport.resize(scene.viewport.columns, disk.size)
        cursor = viewport.clamp(scene.cursor)
        inside = replace(
            scene,
            disk=disk,
            viewport=viewport.show(cursor),
            cursor=cursor,
            hover=scene.hover if scene.hover is None or scene.hover < disk.size else None,
            markers=tuple(marker for marker in scene.markers if marker < disk.size),
        )
        return inside.select(scene.selected)

    def resize(self, columns: int) -> Scene:
        """Return the scene with a strip of another width; the cursor stays in view."""
        viewport = self.viewport.resize(columns).show(self.cursor)
        entered_from = self.entered_from.resize(columns) if self.entered_from else None
        return replace(self, viewport=viewport, entered_from=entered_from)

    def move(self, cells: int) -> Scene:
        """Return the scene with the cursor so many cells to the right; the view follows at the edges."""
        cell = self.viewport.cell
        return self.go_to((self.cursor // cell + cells) * cell)

    def go_to(self, offset: int) -> Scene:
        """Return the scene with the cursor at a byte, or at the nearest there is."""
        cursor = self.viewport.clamp(offset)
        return replace(self, cursor=cursor, viewport=self.viewport.show(cursor))

    def back_at(self, cursor: int, viewport: Viewport) -> Scene:
        """Return the scene as it was looked at before, if that was a disk as large."""
        is_same = viewport.size == self.viewport.size
        return replace(self, cursor=cursor, viewport=viewport) if is_same else self

    def select(self, selected: int) -> Scene:
        """Return the scene with another track selected, or the nearest there is."""
        return replace(self, selected=max(GUEST, min(selected, len(self.disk.tracks) - 1)))

    def zoom(self, steps: int, about: int | None = None) -> Scene:
        """Return the scene closer to a byte, the cursor if none is given."""
        return self._looking(self.viewport.zoom(steps, self.cursor if about is None else about))

    def closer(self, cell: int) -> Scene:
        """Return the scene with so many bytes a cell, in whole sectors; as it is if it is that close."""
        cell = max(SECTOR, cell - cell % SECTOR)
        if cell >= self.viewport.cell:
            return self
        return self._looking(self.viewport.of_cell(cell, self.cursor))

    def seen_from(self, before: Scene) -> Scene:
        """Return the scene as close as it takes to see that the cursor is not where it was."""
        distance, column = abs(self.cursor - before.cursor), self.viewport.column_of
        is_seen = self.disk is not before.disk or column(self.cursor) != column(before.cursor)
        return self.closer(distance) if distance and not is_seen else self

    def look_at(self, offset: int) -> Scene:
        """Return the scene with a byte in the middle of the window; the cursor stays in it.

        With the whole disk in view, the cursor goes there.
        """
        if self.viewport.is_whole:
            return self.go_to(offset)
        return self.pan(self.viewport.column_of(offset) - self.viewport.columns // 2)

    def pan(self, columns: int) -> Scene:
        """Return the scene moved sideways; the cursor stays in view."""
        return self._looking(self.viewport.pan(columns))

    def _looking(self, viewport: Viewport) -> Scene:
        cursor = max(viewport.start, min(self.cursor, viewport.end - 1))
        return replace(self, viewport=viewport, cursor=viewport.clamp(cursor))

    def fit(self) -> Scene:
        """Return the scene with the whole disk in view."""
        return replace(self, viewport=self.viewport.fit())

    def fit_range(self, start: int, end: int) -> Scene:
        """Return the scene as close as it shows a range whole, the cursor in it."""
        cursor = max(start, min(self.cursor, end - 1))
        return replace(self, viewport=self.viewport.fit_range(start, end), cursor=self.viewport.clamp(cursor))

    def fit_selection(self) -> Scene:
        """Return the scene with what lies between two markers, or the selected extent, as large as it can."""
        if self.span and self.span[0] < self.span[1]:
            return self.fit_range(*self.span)
        if self.run is None:
            return self
        return self.fit_range(*self.track.bounds(self.run))

    def mark(self) -> Scene:
        """Return the scene with a marker at the cursor; a third one starts anew."""
        markers = (*self.markers, self.cursor) if len(self.markers) < 2 else (self.cursor,)
        return replace(self, markers=markers)

    def flip(self) -> Scene:
        """Return the scene under the other of today's and the proposed flags, or back at the last of them.

        On a round trip it is the next mapping, as there is nothing else.  Nothing is read.
        """
        if self.disk.round_trip:
            return self.next_wire()
        if self.semantics in SEMANTICS:
            return self.under(SEMANTICS[1 - SEMANTICS.index(self.semantics)])
        return self.under(self.flags or PROPOSED)

    def next_wire(self) -> Scene:
        """Return the scene under the next mapping to NBD, the first one from the flags of a layer."""
        offered = [wire.server for wire in WIRES]
        at = offered.index(self.semantics) + 1 if self.semantics in offered else 0
        return self.under(offered[at % len(offered)])

    def under(self, semantics: Semantics) -> Scene:
        """Return the scene under a semantics, all states shown; one that is no server's ends a round trip."""
        flags = self.semantics if self.semantics in SEMANTICS else self.flags
        scene = self.drawn(semantics=semantics, flags=flags, isolated="", hidden=frozenset())
        return scene.leave() if scene.disk.round_trip and wire_of(semantics) is None else scene

    def drawn(self, **look: Any) -> Scene:
        """Return the scene with another look; the scene that a file's axis was entered from has it too."""
        entered_from = self.entered_from.drawn(**look) if self.entered_from else None
        return replace(self, **look, entered_from=entered_from)

    def isolate(self, letters: str) -> Scene:
        """Return the scene with one state alone in its strips, with all if it is alone already."""
        return replace(self, isolated="" if letters == self.isolated else letters, hidden=frozenset())

    def hide(self, letters: str) -> Scene:
        """Return the scene with one state less in its strips, with that again if it is hidden already."""
        return replace(self, isolated="", hidden=self.hidden ^ {letters})

    def change(self, step: int) -> Scene | None:
        """Return the scene at the next (or last) change of state in the selected track, or None."""
        run = self.run
        if run is None:
            return self._at_run(len(self.track) - 1) if step < 0 and len(self.track) else None
        if step < 0:
            first = self.track.first_of_stretch(run, self.semantics)
            if self.track.bounds(first)[0] < self.cursor:
                return self._at_run(first)
        return self._at_run(self.track.change(run, self.semantics, step))

    def difference(self) -> Scene | None:
        """Return the scene at the next run on which historic and proposed mean different things, or None."""
        return self._next(self.track.differing)

    def suspicious(self) -> Scene | None:
        """Return the scene at the next run that the table calls a bug, or that is corrupt, or None."""
        bad = (Paint.SUSPICIOUS, Paint.INVALID)
        return self._next(
            np.array([state.paint in bad for state in self.track.states(self.semantics)], np.bool_)
        )

    def _next(self, wanted: NDArray[np.bool_]) -> Scene | None:
        found = self.track.find(self.cursor, wanted)
        return None if found is None else self.go_to(found)

    def _at_run(self, run: int | None) -> Scene | None:
        return None if run is None else self.go_to(self.track.bounds(run)[0])

    def at(self, depth: int, offset: int, semantics: Semantics, *, in_file: bool) -> Scene:
        """Return the scene at a byte of a layer, or of its file on its own axis, under a semantics."""
        if in_file and self.disk.is_file and self.entered_from and self.file_depth == depth:
            return replace(self.under(semantics), markers=()).go_to(offset)
        scene = self.chain_scene.under(semantics).select(depth)
        scene = replace(scene, markers=())
        if in_file and not scene.disk.is_file:
            scene = scene.file_axis()
        return scene.go_to(offset)

    def dissected(self, uses: UseTrack) -> Scene:
        """Return the scene of a file once it is known what its bytes are for."""
        return replace(self, disk=dissected(self.disk, uses))

    def leave(self) -> Scene:
        """Return from a file's axis or a round trip; the cursor is where the same byte is."""
        if self.entered_from is None:
            return self
        back = self.entered_from
        offset = self.cursor if self.disk.round_trip else back.track.guest_of(self.cursor, self.file_depth)
        if offset is None and self.disk.uses and back.selected in (GUEST, self.file_depth):
            offset = self.disk.uses.guest_at(self.cursor)
        return back if offset is None else back.go_to(offset)

    def round_trip(self) -> Scene:
        """Return the round trip of what is selected through NBD, under the mapping in force or QEMU's own.

        Entered from there, it leads back.  ``BadImageError`` if a run is INVALID.
        """
        if self.entered_from:
            return self.leave()
        wire = wire_of(self.semantics)
        disk = round_trip_of(self.disk, self.selected)
        inside = self._enter(disk, semantics=wire.server if wire else NBD_6_0, selected=len(disk.tracks) - 1)
        return inside.go_to(self.cursor)

    def file_axis(self) -> Scene:
        """Return the selected layer's file on its own axis, the cursor where the guest's byte is stored.

        Entered from there, it leads back, the cursor at the guest's byte that is stored under it.
        """
        if self.entered_from:
            return self.leave()
        depth = max(self.selected, 0)
        if self.selected == GUEST and self.run is not None:
            depth = int(self.track.view.source[self.run])
        disk = file_of(self.disk.layers[depth])
        inside = self._enter(disk, selected=0, file_depth=depth)
        return inside.go_to(self.track.host_of(self.cursor) or 0)

    def uses_axis(self) -> Scene:
        """Return the same, with what the bytes are used for selected, once that is known."""
        there = self.file_axis()
        return there.select(GUEST) if there.entered_from else there

    def _enter(self, disk: Disk, **changes: Any) -> Scene:
        """Return the scene of all of a disk that leads back to this one.

        Markers, the pointer and states that are isolated or hidden stay behind: they are none of that disk.
        """
        viewport = Viewport(disk.size, self.viewport.columns).fit()
        fresh = {"markers": (), "hover": None, "isolated": "", "hidden": frozenset[str]()}
        back = replace(self, hover=None)
        return replace(self, disk=disk, viewport=viewport, entered_from=back, **(fresh | changes))
