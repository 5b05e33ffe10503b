"""What each byte of a layer's file is for, as a track: an anatomy, cut where the storage changes."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Final

import numpy as np

from blockstrata.errors import OpenError, UnsupportedError
from blockstrata.facts.codes import Mapping, Storage, fact
from blockstrata.facts.extents import Extents
from blockstrata.graph.chain import Layer
from blockstrata.guest.merge import alone
from blockstrata.questions.anatomy import Anatomy, HostRun, anatomy
from blockstrata.questions.checking.canvas import USES, HostRuns, HostUse
from blockstrata.questions.checking.tick import Tick
from blockstrata_viewer.model.shares import Shares
from blockstrata_viewer.model.states import Paint, State
from blockstrata_viewer.model.track import Track

_MOST_RUNS: Final = 1 << 23
"""Runs of one file that are kept: half a gigabyte."""
_STORAGES: Final = len(Storage)

_SHOWN: Final[dict[HostUse, tuple[Paint, str]]] = {
    HostUse.HEADER: (Paint.TABLES, "the image's header"),
    HostUse.REFCOUNT_TABLE: (Paint.TABLES, "where the refcount blocks are"),
    HostUse.REFCOUNT_BLOCK: (Paint.TABLES, "how often each cluster is in use"),
    HostUse.L1: (Paint.TABLES, "where the disk's L2 tables are"),
    HostUse.L2: (Paint.TABLES, "where the disk's clusters are"),
    HostUse.SNAPSHOT_TABLE: (Paint.SNAPSHOT, "the list of internal snapshots"),
    HostUse.SNAPSHOT_L1: (Paint.SNAPSHOT, "where a snapshot's L2 tables are"),
    HostUse.SNAPSHOT_L2: (Paint.SNAPSHOT, "an L2 table that only snapshots use"),
    HostUse.BITMAP_DIRECTORY: (Paint.BITMAP, "the list of dirty bitmaps"),
    HostUse.BITMAP_TABLE: (Paint.BITMAP, "where a bitmap's bits are"),
    HostUse.BITMAP_DATA: (Paint.BITMAP, "bits of a bitmap"),
    HostUse.ENCRYPTION_HEADER: (Paint.TABLES, "the LUKS header"),
    HostUse.DATA: (Paint.DATA, "guest data that only the disk uses"),
    HostUse.COMPRESSED: (Paint.NO_OFFSET, "compressed guest data"),
    HostUse.RESERVED: (Paint.RESERVED, "allocated, but nothing is read from it"),
    HostUse.SNAPSHOT_DATA: (Paint.SNAPSHOT, "guest data that only snapshots use"),
    HostUse.SHARED: (Paint.SHARED, "guest data that several use"),
    HostUse.LEAKED: (Paint.SUSPICIOUS, "no reference, but a refcount: the space is lost"),
    HostUse.UNKNOWN: (Paint.UNREAD, "no reference, and an unreadable refcount"),
    HostUse.FREE: (Paint.FALLS_THROUGH, "no reference, and refcount 0"),
    HostUse.OVERLAP: (Paint.INVALID, "used as two things: writing one damages the other"),
    HostUse.TAIL: (Paint.ZERO_AT_OFFSET, "past the last cluster in use"),
}


_LINEAR: Final = (HostUse.DATA, HostUse.RESERVED, HostUse.SHARED, HostUse.SNAPSHOT_DATA)
"""Uses whose bytes are the guest's, one by one."""


def state_of_use(use: HostUse) -> State:
    """Return how a use shows."""
    paint, words = _SHOWN[use]
    return State(paint, "", str(use).replace("-", " "), words)


class UseTrack(Track):
    """What the bytes of a file are for; ``anatomy`` knows more of each."""

    def __init__(self, layer: Layer, found: Anatomy, runs: HostRuns) -> None:
        """``layer`` is the file, as a layer over its own bytes; ``runs`` all that lie in it."""
        storage = alone(layer, 0, layer.size)
        edges = np.unique(np.concatenate([runs.edges, storage.extents.edges]))
        of_use = np.searchsorted(runs.edges, edges[:-1], side="right") - 1
        # a file's last sector may reach past its end
        of_use = np.minimum(of_use, len(runs.use) - 1)
        of_storage = np.searchsorted(storage.extents.edges, edges[:-1], side="right") - 1
        facts = storage.extents.facts[of_storage]
        extents = Extents(edges, facts, edges[:-1].copy())
        view = replace(
            storage, extents=extents, source=storage.source[of_storage], depth=storage.depth[of_storage]
        )
        super().__init__(view)
        self.anatomy = found
        self.runs = runs
        keys, classes = np.unique(
            runs.use[of_use].astype(np.int64) * _STORAGES + (facts & 7), return_inverse=True
        )
        traits = layer.node.read_traits()
        self.uses = [USES[key // _STORAGES] for key in keys.tolist()]
        self.facts = [(fact(Mapping.PASSTHROUGH, Storage(key % _STORAGES)), traits) for key in keys.tolist()]
        kinds = len(self.facts)
        self.shares = Shares(edges, classes.astype(np.min_scalar_type(kinds)), kinds)
        states = tuple(map(state_of_use, self.uses))
        self.states = lru_cache(lambda _semantics: states)

    def use_at(self, host: int) -> HostRun:
        """Return the run of the anatomy that holds a byte."""
        at = min(int(np.searchsorted(self.runs.edges, host, side="right")) - 1, len(self.runs.use) - 1)
        return next(self.anatomy.told(self.runs.part(at, at + 1)))

    def guest_at(self, host: int) -> int | None:
        """Return the guest byte that stands at a host byte, or the first of a table or of several."""
        run = self.use_at(host)
        if run.guest is None:
            return None
        return run.guest + (host - run.host if run.use in _LINEAR else 0)


def read_uses(layer: Layer, file: Layer, tick: Tick) -> UseTrack:
    """Take the file of a layer apart; ``tick`` is told how far that is, and may end it by raising.

    ``file`` is the same file as a layer over its own bytes.  Errors as :func:`anatomy` has them,
    ``UnsupportedError`` for an external data file, ``OpenError`` for more runs than are kept.
    """
    found = anatomy(layer)
    if found.data_file is not None:
        what = "has each guest byte at its guest offset; anatomy shows the qcow2 file"
        raise UnsupportedError(found.data_file, "", what)
    parts: list[HostRuns] = []
    count = 0
    for runs in found.windows(tick):
        count += len(runs.use)
        if count > _MOST_RUNS:
            raise OpenError(found.filename, "", f"more than {_MOST_RUNS:,} runs; anatomy --map lists them")
        if int(runs.edges[0]) < found.length:
            parts.append(runs)
    if not parts:
        raise UnsupportedError(found.filename, "", "has no bytes, so nothing is used for anything")
    edges = np.concatenate([*(each.edges[:-1] for each in parts), parts[-1].edges[-1:]])
    use, guest, owner = (np.concatenate(each) for each in zip(*(part[1:] for part in parts), strict=True))
    return UseTrack(file, found, HostRuns(edges, use, guest, owner))
