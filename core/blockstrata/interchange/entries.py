"""Map entries: the runs of a view under a semantics, merged by ``qemu-img map``'s rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.codes import NO_HOST
from blockstrata.facts.extents import further, run_starts
from blockstrata.graph.chain import Layer
from blockstrata.guest.view import View
from blockstrata.semantics.table import Semantics
from blockstrata.text.printable import printable


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """n map entries, or the one empty entry of a window of no bytes.

    ``start``, ``length``, ``depth``, ``offset`` int64 of shape (n,), bytes, ``offset`` NO_HOST where it is
    not valid; ``source`` int64, the index of the layer; ``flags`` uint8 of the semantics.
    """

    semantics: Semantics
    start: NDArray[np.int64]
    length: NDArray[np.int64]
    depth: NDArray[np.int64]
    source: NDArray[np.int64]
    flags: NDArray[np.uint8]
    offset: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start)

    def part(self, first: int, last: int) -> Entries:
        """Return the entries from one up to another."""
        columns = "start length depth source flags offset".split()
        return replace(self, **{name: getattr(self, name)[first:last] for name in columns})

    def goes_on(self, after: Entries) -> bool:
        """Say whether the last entry of these and the first of those after it are one."""
        return bool(
            self.depth[-1] == after.depth[0]
            and self.flags[-1] == after.flags[0]
            and further(self.offset[-1:], self.length[-1:]) == after.offset[:1]
        )

    def from_start_of(self, before: Entries) -> Entries:
        """Return these entries, the first of which begins where a lone entry before it does."""
        return replace(
            self,
            start=np.append(before.start, self.start[1:]),
            length=np.append(before.length + self.length[:1], self.length[1:]),
            offset=np.append(before.offset, self.offset[1:]),
        )


def file_names(layers: tuple[Layer, ...]) -> Callable[[int], str]:
    """Return what tells by index in which file a layer stores its bytes, printable, each made but once."""
    return cache(lambda index: printable(layers[index].node.host.name))


def in_parts(views: Iterable[View], semantics: Semantics) -> Iterator[Entries]:
    """Yield the entries of views that follow one another, a part a view and one more.

    They are those of one view of it all: an entry that goes on from one view to the next is kept until its
    end is known.  ``BadImageError`` when it comes to a run that is INVALID.
    """
    waiting: Entries | None = None
    for view in views:
        found = entries(view, semantics)
        if waiting and waiting.goes_on(found):
            found = found.from_start_of(waiting)
        elif waiting:
            yield waiting
        yield found.part(0, len(found) - 1)
        waiting = found.part(len(found) - 1, len(found))
    if waiting:
        yield waiting


def entries(view: View, semantics: Semantics) -> Entries:
    """Return the entries of a view.

    Neighbours merge when their depth and flags agree and, where there is an offset, it continues
    (docs/semantics.md, "qemu-img map").  ``BadImageError`` if a run is INVALID.
    """
    view.require_valid()
    extents = view.extents
    flags = semantics.flags(view)
    offset = np.where(flags & np.uint8(semantics.offset_flag), extents.host, NO_HOST)
    if not len(extents):
        none = np.zeros(1, np.int64)
        return Entries(semantics, extents.edges, none, none, none, np.zeros(1, np.uint8), none + NO_HOST)
    starts = run_starts(extents.edges, offset, flags, view.depth)
    # in most disks no runs merge: nothing is copied then
    kept = slice(None) if starts.all() else np.flatnonzero(starts)
    start = extents.edges[:-1][kept]
    length = extents.lengths if len(start) == len(extents) else np.diff(start, append=extents.end)
    return Entries(semantics, start, length, view.depth[kept], view.source[kept], flags[kept], offset[kept])
