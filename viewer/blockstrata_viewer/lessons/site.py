"""The place of a step on its image, and what is there."""

from __future__ import annotations

from dataclasses import dataclass

from blockstrata.facts.codes import NO_HOST
from blockstrata.facts.node import Driver
from blockstrata.graph.chain import Chain, Layer
from blockstrata.guest.merge import alone, in_place, merged
from blockstrata.guest.view import View
from blockstrata.semantics import by_name
from blockstrata.semantics.nbd import wire_of
from blockstrata.semantics.table import Semantics
from blockstrata_viewer.lessons.lesson import GUEST, Lesson, Step
from blockstrata_viewer.model.offsets import parse_offset


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """The place of a step on an open chain.  ``offset`` counts in guest bytes, ``layer`` as a step's."""

    chain: Chain
    offset: int
    layer: int
    view: str
    semantics: Semantics

    def seen(self) -> View:
        """Return the byte as the step looks at it."""
        return self.window(self.host if self.view == "file" else self.offset, 1)

    def seen_whole(self) -> View:
        """Return the whole strip that the byte is in, as the step looks at it."""
        return self.window(0, self.size)

    @property
    def file(self) -> Layer:
        """The file of the layer looked at, as a layer of its own."""
        return Layer(0, self.chain.layer(self.depth).node.host)

    @property
    def size(self) -> int:
        """How long what the step looks at is, in bytes."""
        if self.view == "file":
            return self.file.size
        return self.chain.size if self.layer == GUEST else self.chain.layer(self.layer).size

    def window(self, start: int, length: int) -> View:
        """Return bytes of what the step looks at: of the layer, the guest, or on its own axis the file."""
        if self.view == "file":
            return alone(self.file, start, length)
        if self.layer == GUEST:
            return merged(self.chain, start, length)
        return in_place(self.chain, self.layer, start, length)

    @property
    def answering(self) -> int:
        """The depth of the layer that answers the guest."""
        return int(merged(self.chain, self.offset, 1).depth[0])

    @property
    def depth(self) -> int:
        """The depth of the layer looked at; of the guest's strip, of the one that answers."""
        return self.answering if self.layer == GUEST else self.layer

    @property
    def host(self) -> int:
        """Where in the layer's file the byte is stored, NO_HOST if it is nowhere."""
        return int(in_place(self.chain, self.depth, self.offset, 1).extents.host[0])


def site_of(lesson: Lesson, step: Step, chain: Chain) -> Site:
    """Return the place of a step on its image; ``LessonError`` if there is no such place."""
    cluster = chain.layers[max(0, min(step.layer, len(chain.layers) - 1))].node.features().get("cluster-size")
    try:
        offset = parse_offset(step.at, chain.size, cluster if isinstance(cluster, int) else None)
    except ValueError as error:
        raise lesson.wrong(step, "at", str(error)) from None
    if step.layer >= len(chain.layers):
        raise lesson.wrong(step, "layer", f"the chain has layers 0 to {len(chain.layers) - 1}")
    if step.layer >= 0 and offset >= chain.layers[step.layer].size:
        raise lesson.wrong(step, "at", f"layer {step.layer} ends before {step.at}")
    site = Site(chain, offset, step.layer, step.view, by_name(step.semantics))
    if step.view == "file" and site.host == NO_HOST:
        raise lesson.wrong(step, "view", f"the byte at {step.at} has no place in the layer's file")
    if step.view == "round-trip" and wire_of(site.semantics) is None:
        raise lesson.wrong(step, "semantics", "on a round trip it is one of the nbd semantics")
    return site


def exported(site: Site, start: int, length: int) -> View:
    """Return what a server exports of a window: the whole chain, or a lower layer alone."""
    # as model/round_trip.py has it
    if site.layer <= 0:
        return merged(site.chain, start, length)
    return alone(site.chain.layer(site.layer), start, length)


def node_of(seen: View) -> Driver:
    """Return the node that the first byte comes from."""
    return seen.layers[int(seen.source[0])].node
