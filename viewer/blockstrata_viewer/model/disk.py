"""A chain as the screen needs it: one track for what the guest sees and one for each layer, all frozen."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from blockstrata.errors import BlockstrataError
from blockstrata.graph.chain import Chain, Layer, MissingNode
from blockstrata.graph.export_layers import as_opened
from blockstrata.guest.chain_reader import Progress
from blockstrata.guest.merge import alone, in_place, merged
from blockstrata.guest.regions import Region
from blockstrata.guest.view import View
from blockstrata.questions.checking.findings import Finding
from blockstrata.questions.faults import faults_in, is_fault
from blockstrata.text.printable import base_name
from blockstrata_viewer.model.round_trip import RoundTripTracks
from blockstrata_viewer.model.track import Track, TrackSummary
from blockstrata_viewer.model.uses import UseTrack


@dataclass(frozen=True, slots=True)
class Loading:
    """How far reading is: tables read of those known of, after some seconds."""

    progress: Progress
    seconds: float

    def __str__(self) -> str:
        """Return the progress line: tables, rate, time left."""
        read, known = self.progress.read, self.progress.known
        if not read:
            return f"reading: {known:,} tables"
        rate = read / max(self.seconds, 1e-3)
        left = (known - read) / max(rate, 1e-3)
        return f"reading: {read:,} of {known:,} tables · {rate:,.0f} a second · {left:.0f} s left"


@dataclass(frozen=True, eq=False)
class RegionSummary:
    """What stays of a region, of the guest's track and each layer's; a short layer may have no part in it."""

    region: Region
    guest: TrackSummary | None
    layers: tuple[TrackSummary | None, ...]


@dataclass(frozen=True, eq=False)
class Disk:
    """A chain, as far as it is read, and its tracks.

    ``tracks`` by depth; ``guest`` is what the guest sees.  ``loading`` tells how far reading is, and is None
    once all is read.
    ``is_file``: the one layer is a protocol node, shown over its own bytes; once ``uses`` says what these are
    for, they are where the guest's view is else.  ``round_trip``: the tracks are not the layers, but the
    stations of a round trip.
    """

    chain: Chain
    guest: Track
    tracks: tuple[Track, ...]
    loading: Loading | None = None
    is_file: bool = False
    uses: UseTrack | None = None
    round_trip: RoundTripTracks | None = None
    notices: tuple[str, ...] = ()
    """What the user should know of how it was read."""
    summaries: tuple[RegionSummary, ...] = ()
    """The regions whose runs were given up, so that memory is bounded."""
    faults: tuple[tuple[Finding, ...], ...] = ()
    """What is wrong with each layer, by depth; nothing is said before all is read."""

    @property
    def size(self) -> int:
        """Guest bytes."""
        return self.guest.size

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, active first."""
        return self.chain.layers

    @property
    def allocated(self) -> int | None:
        """Bytes of storage that the files of all layers occupy, as far as it is known; None if not."""
        nodes = [layer.node for layer in self.layers]
        files = [node.file for node in nodes] + [node.host for node in nodes if node.host is not node.file]
        known = [file.allocated for file in files if file.allocated is not None]
        return sum(known) if known else None

    def is_same_opening(self, other: Disk) -> bool:
        """Say whether another disk stands on the same open files, of which it may know more."""
        return self.layers[0].node is other.layers[0].node

    def track(self, selected: int) -> Track:
        """Return a layer's track by its depth, the guest's for -1."""
        return self.guest if selected < 0 else self.tracks[selected]

    def faults_of(self, depth: int) -> tuple[Finding, ...]:
        """Return what is wrong with a layer, as far as its header and its map tell."""
        return self.faults[depth] if depth < len(self.faults) else ()

    def error_of(self, depth: int) -> str:
        """Say why a layer could not be opened or read; an empty string if it could."""
        if self.round_trip:
            return ""
        layer = self.layers[depth]
        error = layer.node.cause if isinstance(layer.node, MissingNode) else layer.error
        return f"{base_name(error.file)}: {error.reason}" if error else ""


def disk_of(
    chain: Chain,
    loading: Loading | None = None,
    notices: tuple[str, ...] = (),
    summaries: tuple[RegionSummary, ...] = (),
) -> Disk:
    """Return a chain that is read, or partly read, with its tracks; nothing is read for it.

    ``summaries``, ascending, stand for regions whose runs are not known any more.
    """
    tracks = tuple(
        Track(
            in_place(chain, layer.depth, 0, layer.size),
            [summary for each in summaries if (summary := each.layers[layer.depth])],
        )
        for layer in chain.layers
    )
    guest = Track(merged(chain, 0, chain.size), [each.guest for each in summaries if each.guest])
    guest.suppliers  # noqa: B018  counted here, where there may be many runs and time, not while it is drawn
    is_file = chain.layers[0].node.is_protocol
    return Disk(chain, guest, tracks, loading, is_file=is_file, notices=notices, summaries=summaries)


def with_faults(disk: Disk) -> Disk:
    """Return a disk that is read with what is wrong with its layers; reads a little for it."""
    found = []
    for layer, track in zip(disk.layers, disk.tracks, strict=True):
        try:
            found.append(tuple(each for each in faults_in(layer, track.view) if is_fault(each.kind)))
        except BlockstrataError:  # what cannot be read is told where it is read
            found.append(())
    return replace(disk, faults=tuple(found))


def fingerprint(disk: Disk) -> bytes | None:
    """Return what is the same for the same layers with the same runs; None if not all runs are in memory."""
    if disk.summaries:
        return None
    found = hashlib.blake2b()
    for layer in disk.layers:
        found.update(repr((layer.name, layer.size)).encode())
    for track in disk.tracks:
        for column in (track.view.extents.edges, track.view.extents.facts, track.view.extents.host):
            found.update(column.tobytes())
    return found.digest()


def summary_of(chain: Chain, region: Region, chunk: int) -> RegionSummary:
    """Return what stays of a region, of which all is known, in chunks of so many bytes."""

    def summarise(size: int, view_of: Callable[[int, int], View]) -> TrackSummary | None:
        start, length = region.within(size)
        if not length:
            return None
        inside = np.arange((start // chunk + 1) * chunk, start + length, chunk, dtype=np.int64)
        edges = np.concatenate([[start], inside, [start + length]])
        return Track(view_of(start, length)).summarise(edges)

    return RegionSummary(
        region,
        summarise(chain.size, partial(merged, chain)),
        tuple(summarise(layer.size, partial(in_place, chain, layer.depth)) for layer in chain.layers),
    )


def file_of(layer: Layer) -> Disk:
    """Return the file that holds a layer's bytes, on its own axis: what the protocol layer says of it."""
    file = Layer(0, layer.node.host)
    track = Track(alone(file, 0, file.size))
    return Disk(Chain((file,)), track, (track,), is_file=True)


def dissected(disk: Disk, uses: UseTrack) -> Disk:
    """Return a file of which it is known what its bytes are for."""
    return replace(disk, guest=uses, uses=uses)


def round_trip_of(disk: Disk, depth: int) -> Disk:
    """Return the disk of a round trip: of the whole chain for the active layer or the guest, else of a layer.

    ``BadImageError`` if a run is INVALID: there is no answer then that a server could give.
    """
    opened = as_opened(disk.chain)
    if opened is not disk.chain:
        served, name = Track(merged(opened, 0, opened.size)), "the export"
    elif depth <= 0:
        served, name = disk.guest, "the whole chain"
    else:
        layer = disk.layers[depth]
        served, name = Track(alone(layer, 0, layer.size)), f"layer {depth} alone"
    served.view.require_valid()
    round_trip = RoundTripTracks(served, name)
    meant, *stations = round_trip.tracks()
    return Disk(disk.chain, meant, tuple(stations), round_trip=round_trip)
