"""What ``map`` prints: the part of a chain that is asked about, and the lines of each kind of answer."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from blockstrata.access import Access
from blockstrata.graph.chain import Chain, Layer
from blockstrata.graph.opening import open_export
from blockstrata.guest import merge as guest
from blockstrata.guest.chain_reader import regions_of
from blockstrata.guest.view import View
from blockstrata.interchange import listing, nbdinfo, qemu_img
from blockstrata.interchange import round_trip as round_trip_listing
from blockstrata.interchange.entries import in_parts
from blockstrata.questions.bitmaps import dirty_runs
from blockstrata.questions.faults import Losses, faults, is_fault
from blockstrata.questions.round_trip import round_trip
from blockstrata.semantics.nbd import WIRES
from blockstrata.semantics.table import Semantics
from blockstrata_viewer.draw.units import counted


@dataclass(frozen=True, slots=True)
class Part:
    """What is asked about: the whole chain or one layer, from a guest byte on, so many bytes at the most."""

    layer: int | None = None
    in_place: bool = False
    start: int = 0
    max_length: int | None = None

    def layers(self, chain: Chain) -> tuple[Layer, ...]:
        """Return the layers that are asked about, the one whose size counts first."""
        return chain.layers if self.layer is None else (chain.layer(self.layer),)

    def length(self, size: int) -> int:
        """Return how many bytes of a disk it is; none past its end, as qemu-img has it."""
        end = size if self.max_length is None else min(size, self.start + self.max_length)
        return max(0, end - self.start)

    def view(self, chain: Chain) -> View:
        """Return the facts of all of it; why a layer is missing is raised where it matters."""
        length = self.length(self.layers(chain)[0].size)
        return self._seen(chain)(self.start, length)

    def views(self, chain: Chain) -> Iterator[View]:
        """Yield the same region by region, so that no more than one need be in memory."""
        seen = self._seen(chain)
        layers = self.layers(chain)
        end = self.start + self.length(layers[0].size)
        for region in regions_of(layers, self.start, end):
            yield seen(region.start, region.end - region.start)
        if self.start >= end:
            yield seen(self.start, 0)

    def _seen(self, chain: Chain) -> Callable[[int, int], View]:
        chain.require_opened(None if self.in_place else self.layer)
        if self.layer is None:
            return partial(guest.merged, chain)
        if self.in_place:
            return partial(guest.in_place, chain, self.layer)
        return partial(guest.alone, chain.layer(self.layer))


def status_lines(
    part: Part, chain: Chain, semantics: Semantics, output: str, losses: Losses | None = None
) -> Iterator[str]:
    """Return the lines of the block status; ``NoOffsetError`` as :func:`qemu_img.human_lines` has it.

    What the map finds lost is added to ``losses``, if given.
    """
    views = part.views(chain)
    # what is wrong with most images is known before a line is written
    first = next(views)
    first.require_valid()
    views = itertools.chain([first], views)
    if losses:
        views = _noting(views, losses)
    if output == "nbd-json":
        return nbdinfo.json_text(nbdinfo.block_status(views, semantics), nbdinfo.BASE_ALLOCATION)
    found = in_parts(views, semantics)
    if output == "json":
        return qemu_img.json_text(found)
    if output == "csv":
        return listing.csv_text(found, semantics)
    layers = chain.layers if part.in_place else part.layers(chain)
    if semantics.name == "historic":
        return qemu_img.human_lines(found, layers)
    return listing.human_lines(found, layers, semantics)


def _noting(views: Iterator[View], losses: Losses) -> Iterator[View]:
    """Yield views, what is lost in them added up."""
    for view in views:
        losses.add(view)
        yield view


def warning(chain: Chain, part: Part, losses: Losses) -> str:
    """Return a line about what is wrong with the layers that were mapped; an empty string if nothing is.

    The image that it names first is the uppermost with a fault.
    """
    found = []
    for layer in part.layers(chain):
        each = [*faults(layer), *losses.of(layer)]
        found += [(layer, finding) for finding in each if is_fault(finding.kind)]
    if not found:
        return ""
    layer, worst = found[0]
    more = f", and {counted(len(found) - 1, 'more fault')}" if len(found) > 1 else ""
    checked = [each.name for each, finding in found if finding.kind != "stated-raw"]
    hint = f"; run 'blockstrata check {checked[0]}'" if checked else ""
    return f"warning: {layer.name}: {worst.says}{more}{hint}"


def round_trip_lines(view: View, server: Semantics, output: str) -> Iterator[str]:
    """Return the lines of a round trip under a server's semantics."""
    wire = next(wire for wire in WIRES if wire.server is server)
    lines = {
        "human": round_trip_listing.human_lines,
        "json": round_trip_listing.json_text,
        "csv": round_trip_listing.csv_text,
    }
    return lines[output](round_trip(view, wire))


def bitmap_lines(chain: Chain, part: Part, bitmap: str, output: str) -> Iterator[str]:
    """Return the lines of a dirty bitmap."""
    length = part.length(part.layers(chain)[0].size)
    runs = dirty_runs(chain, bitmap, part.layer, part.start, length)
    if output == "nbd-json":
        return nbdinfo.json_text([(runs.edges, runs.dirty.astype(np.uint64))], f"qemu:dirty-bitmap:{bitmap}")
    return listing.bitmap_lines(runs, output)


def server_lines(image: str, access: Access, context: str | None, part: Part) -> Iterator[str]:
    """Yield what a server says of an export, in ``base:allocation`` if no other context is named."""
    name = nbdinfo.BASE_ALLOCATION if context is None else context
    node = open_export(image, access, (name,))
    try:
        length = part.length(node.length)
        runs = node.status(name, min(part.start, node.length), length)
    finally:
        node.close()
    yield from nbdinfo.json_text([(runs.edges, runs.types)], name)
