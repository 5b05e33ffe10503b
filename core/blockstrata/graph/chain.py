"""A backing chain: the layers from the active one down, opened by following the backing references."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping as Dict
from dataclasses import dataclass
from typing import Final, Self

from blockstrata.access import Access
from blockstrata.errors import BackingLoopError, BadRangeError, BlockstrataError
from blockstrata.facts.codes import Mapping, fact
from blockstrata.facts.extents import Extents, uniform
from blockstrata.facts.node import Driver, check_open, whole_sectors
from blockstrata.formats.qcow2.node import at_snapshot
from blockstrata.graph.backing import below
from blockstrata.graph.opening import Opener
from blockstrata.naming.named import Named
from blockstrata.naming.parse import parse_image_opts, parse_reference
from blockstrata.naming.paths import has_protocol
from blockstrata.protocols.null import NullNode

_DEFAULT_ACCESS: Final = Access()


class MissingNode(Driver):
    """A layer that is missing or unreadable.  ``length`` is the layer's above: its own is not known.

    ``cause`` is what is wrong with it, ``error`` the same as one met on the way from the layer above.
    """

    driver = "not opened"

    def __init__(self, name: str, length: int, cause: BlockstrataError, above: str) -> None:
        super().__init__(NullNode(name, self.driver, 0, read_zeroes=False))
        self.length = length
        # a copy does not keep the frames in which it was met, nor what these hold
        self.cause = copy.copy(cause)
        self.error = cause.within(f"backing file of {above}")

    def extents(self, start: int, length: int) -> Extents:
        """Return one INVALID run: nobody knows what would be read here."""
        return uniform(start, start + length, fact(Mapping.INVALID))

    def fault_at(self, offset: int) -> str:
        """Return why the layer could not be opened."""
        return f"cannot be opened: {self.cause.reason}"

    def features(self) -> Dict[str, object]:
        """Return the error."""
        return {"error": str(self.error)}


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One layer of a chain: a driver at a depth, 0 being the active layer.

    ``known`` holds facts of the whole layer that were read before, UNREAD where they were not; nothing is
    read then.  ``error`` is why reading stopped, if it did.
    """

    depth: int
    node: Driver
    known: Extents | None = None
    error: BlockstrataError | None = None

    @property
    def name(self) -> str:
        """The file name, as it was given or as the layer above refers to it."""
        return self.node.name

    @property
    def size(self) -> int:
        """Guest bytes, in whole sectors."""
        return whole_sectors(self.node.length)

    def check_open(self) -> None:
        """``ClosedError`` if the chain was closed; what was read of a layer before that is still told."""
        if self.known is None:
            check_open(self.node)

    def extents(self, start: int, length: int) -> Extents:
        """Return the facts of a window of guest bytes; the window must lie in the layer.

        ``ClosedError`` after the chain was closed; errors of reading as the drivers raise them.
        """
        self.check_open()
        if self.known is not None:
            return self.known.cut(start, start + length)
        return self.node.extents(start, length)

    def fault_at(self, offset: int) -> str:
        """Say why the run at a guest byte is INVALID, as it was when it was read."""
        self.check_open()
        if self.error:
            return str(self.error)
        try:
            return self.node.fault_at(offset) or "the file has changed since it was read"
        except BlockstrataError as error:
            return str(error)


@dataclass(frozen=True, eq=False)
class Chain:
    """Open layers, active first.  Close it, or use it in a ``with`` statement.

    After that, whatever would have to ask an image is a ``ClosedError``; names, sizes and what was found
    before stay.
    """

    layers: tuple[Layer, ...]

    @property
    def size(self) -> int:
        """Guest bytes of the active layer, in whole sectors."""
        return self.layers[0].size

    @property
    def is_closed(self) -> bool:
        """Whether the chain was closed."""
        return self.layers[0].node.host.is_closed

    @property
    def missing(self) -> BlockstrataError | None:
        """Why the lowest layer could not be opened, or None if the chain is whole."""
        node = self.layers[-1].node
        return node.error if isinstance(node, MissingNode) else None

    def require_opened(self, depth: int | None) -> None:
        """Raise why a layer could not be opened, if it is that at ``depth``, or any for None."""
        if self.missing and (depth is None or depth == len(self.layers) - 1):
            raise self.missing

    def layer(self, depth: int) -> Layer:
        """Return a layer by its depth; ``BadRangeError`` if there is none."""
        if not 0 <= depth < len(self.layers):
            last = len(self.layers) - 1
            raise BadRangeError(self.layers[0].name, "layer", f"{depth} is not in the chain, 0 to {last}")
        return self.layers[depth]

    def below(self, depth: int) -> Layer | None:
        """Return the layer that backs the one at a depth, or None at the end of the chain."""
        return self.layers[depth + 1] if depth + 1 < len(self.layers) else None

    def notices(self) -> list[tuple[str, str]]:
        """Return what a user should know of how the files were read: names and clauses, none twice."""
        nodes = [layer.node for layer in self.layers]
        for node in nodes:
            check_open(node)
        hosts = [host for node in nodes for host in (node.file, node.host)]
        return list(dict.fromkeys((host.name, notice) for host in hosts for notice in host.notices()))

    def close(self) -> None:
        """Close every layer; a second time nothing happens."""
        for layer in self.layers:
            layer.node.close()

    def __enter__(self) -> Self:
        self.layers[0].check_open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_chain(
    image: str | bytes | os.PathLike[str] | os.PathLike[bytes],
    access: Access = _DEFAULT_ACCESS,
    *,
    image_format: str | None = None,
    image_opts: bool = False,
    snapshot: str | None = None,
) -> Chain:
    """Open an image and all that it stands on.

    ``image`` is a path or a reference such as ``json:{…}``, or with ``image_opts`` a list of options as
    qemu-img's switch of that name takes them.  What is no str, such as a ``pathlib.Path`` or bytes, is the
    path of a file, whatever it looks like.  ``image_format`` is its format, probed if None; ``snapshot`` the
    name or id of an internal snapshot, which is opened in place of the active layer; ``access`` how all this
    may be opened.
    An error of the active layer is raised; one further down ends the chain (:attr:`Chain.missing`), so that
    the layers above it can still be looked at.  ``TypeError`` if ``image`` is no path.
    """
    name = os.fsdecode(image)
    if not isinstance(image, str) and has_protocol(name):
        name = f"./{name}"  # as QEMU has to be told of such a path
    named = Named.by_user(parse_image_opts(name) if image_opts else parse_reference(name, image_format))
    opener = Opener(access, named, name, "" if image_opts else name)
    active = opener.open()
    layers = [Layer(0, active if snapshot is None else at_snapshot(active, snapshot))]
    followed: set[tuple[object, ...]] = set()
    while True:
        above = layers[-1]
        name = above.node.backing or above.name
        try:
            found = below(opener, above.node, followed)
            if found is None:
                break
            opener, name = found, found.name
            layers.append(Layer(above.depth + 1, opener.open()))
        except BackingLoopError as error:
            # the layer is known by the one it repeats
            layers.pop().node.close()
            layers.append(_missing(layers[-1], above.name, error))
            break
        except BlockstrataError as error:
            layers.append(_missing(above, name, error))
            break
    return Chain(tuple(layers))


def _missing(above: Layer, name: str, error: BlockstrataError) -> Layer:
    """Return what stands for a layer that could not be opened; its error names the layer above too."""
    return Layer(above.depth + 1, MissingNode(name, above.size, error, above.name))
