"""An image read in steps, with a picture to show every now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from blockstrata.facts.codes import SECTOR
from blockstrata.graph.chain import Chain
from blockstrata.graph.export_layers import export_layers
from blockstrata.guest.chain_reader import Focus, Reader
from blockstrata.guest.regions import Region
from blockstrata.text.printable import base_name, printable
from blockstrata_viewer.model.disk import Disk, Loading, RegionSummary, disk_of, summary_of, with_faults
from blockstrata_viewer.model.opening import Opening
from blockstrata_viewer.model.track import BANDS
from blockstrata_viewer.model.viewport import Viewport

_SOON: Final = 0.15
"""Seconds of reading before there is a first picture; most images are read by then."""
_SHARE: Final = 4
"""Pictures may take a part of the time that is one in so many."""
_BYTES_A_RUN: Final = 128
"""What a run of a layer takes: in its track, in what the guest sees, and once more while these are made."""
_SUMMARIES_SHARE: Final = 0.25
"""Of memory, for what is summarised."""
_LEAST_CHUNKS, _MOST_CHUNKS = 16, 1 << 16
_BYTES_A_CHUNK: Final = 128
"""What a chunk takes of each track: eight kinds, and their sums."""
_BYTES_A_BAND: Final = 16
"""What it takes for each band of layers that the ribbon tells apart."""


class Loader:
    """Reads an image, and reads parts of it again when somebody looks there.

    Of what takes more than ``opening.memory``, the regions farthest from where somebody looks are summarised.
    """

    def __init__(self, image: str, opening: Opening) -> None:
        self._image = image
        self._opening = opening
        self._reader: Reader | None = None
        self._summaries: dict[Region, RegionSummary] = {}
        """Of every region that was ever summarised; those whose runs are known are not used."""
        self._given_up = Focus()
        """Where there was no memory for more."""
        self._cell = 0
        self.chunk = 0
        """Bytes of a chunk of what is summarised; closer views need runs."""

    def load(self, is_cancelled: Callable[[], bool] = lambda: False) -> Iterator[Disk]:
        """Open the image and yield it as it is read, the last time whole; errors as ``open_chain``'s.

        ``is_cancelled`` is asked between steps and while another program's answer is waited for; once it says
        yes, nothing more is read or yielded.
        """
        chain = self._opening.until(is_cancelled).open(self._image)
        handed_over = False
        try:
            for disk in self._read(chain):
                if is_cancelled():
                    return
                if disk:
                    handed_over = True
                    yield disk
        finally:
            if not handed_over:
                chain.close()

    def _read(self, opened: Chain) -> Iterator[Disk | None]:
        """Read a chain, a step at a time; yield a picture now and then, None between, the whole at last."""
        began = time.monotonic()
        chain = export_layers(opened)
        reader = self._reader = Reader(chain)
        self.chunk = chunk_of(chain, self._opening.memory)
        pause, last = _SOON, began
        if not reader.is_short:
            yield self._disk(reader, Loading(reader.progress, 0))
        for progress in reader.steps():
            self._summarise(reader)
            now = time.monotonic()
            if now - last < pause:
                yield None
                continue
            yield self._disk(reader, Loading(progress, now - began))
            last = time.monotonic()
            pause = max(_SOON, (last - now) * _SHARE)
        yield self._disk(reader)

    def look(self, viewport: Viewport, cursor: int) -> bool:
        """Say where somebody looks, and learn whether something there must be read again."""
        if self._reader is None:
            return False
        self._cell = viewport.cell
        self._reader.focus = Focus(viewport.start, viewport.end, cursor)
        return self._reader.focus != self._given_up and bool(self._missing(self._reader))

    def again(self, is_cancelled: Callable[[], bool]) -> Iterator[Disk]:
        """Read what is looked at and was summarised, the nearest first; yield the disk with it."""
        reader = self._reader
        while reader and (missing := self._missing(reader)):
            focus = reader.focus
            nearest = min(missing, key=focus.distance)
            reader.want([nearest])
            for _ in reader.steps():
                self._summarise(reader)
            if is_cancelled():
                return
            if nearest not in reader.runs:
                self._given_up = focus
                return
            yield self._disk(reader)

    def _missing(self, reader: Reader) -> list[Region]:
        """Return what is summarised and looked at too closely for that."""
        focus = reader.focus
        return [
            region
            for region in self._summaries
            if region not in reader.runs
            and (
                region.start <= focus.at < region.end
                or (self._cell < self.chunk and region.start < focus.end and focus.start < region.end)
            )
        ]

    def _summarise(self, reader: Reader) -> None:
        """Summarise regions until what is left is within bounds; the one at the cursor stays."""
        while (
            sum(reader.runs.values()) * _BYTES_A_RUN > self._opening.memory * (1 - _SUMMARIES_SHARE)
            and len(reader.runs) > 1
        ):
            farthest = max(reader.runs, key=reader.focus.distance)
            if farthest not in self._summaries:
                summary = summary_of(reader.chain_of(farthest), farthest, self.chunk)
                # a new one, as another thread may be walking through it
                self._summaries = {**self._summaries, farthest: summary}
            reader.forget(farthest)

    def _disk(self, reader: Reader, loading: Loading | None = None) -> Disk:
        chain = reader.chain()
        summaries = sorted(
            (summary for region, summary in self._summaries.items() if region not in reader.runs),
            key=lambda summary: summary.region.start,
        )
        if loading:
            return disk_of(chain, loading, (), tuple(summaries))
        disk = with_faults(disk_of(chain, None, (), tuple(summaries)))
        return replace(disk, notices=tuple(_notices(disk)))


def chunk_of(chain: Chain, memory: int) -> int:
    """Return the bytes of a chunk: so few that many make the disk, so many that memory has room for all."""
    layers = len(chain.layers)
    chunks = int(memory * _SUMMARIES_SHARE) // (
        _BYTES_A_CHUNK * (1 + layers) + _BYTES_A_BAND * min(layers, BANDS)
    )
    size = max(layer.size for layer in chain.layers)
    grain = -(-size // max(_LEAST_CHUNKS, min(chunks, _MOST_CHUNKS)))
    return max(SECTOR, 1 << (grain - 1).bit_length())


def _notices(disk: Disk) -> Iterator[str]:
    """Yield what the user should know of a chain that was read, a line each."""
    for name, notice in disk.chain.notices():
        yield f"{base_name(name)}: {printable(notice)}"
    for layer in disk.layers:
        if found := disk.faults_of(layer.depth):
            more = f", and {len(found) - 1} more; o lists them" if len(found) > 1 else ""
            yield f"{base_name(layer.name)}: {printable(found[0].says)}{more}"
        if refusal := layer.node.find_refusal():
            yield f"QEMU refuses this image: {refusal}"
