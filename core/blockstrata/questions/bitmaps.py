"""Which bytes of a disk a persistent dirty bitmap calls dirty, wherever in the chain the bitmap is."""

from __future__ import annotations

from typing import Final

from blockstrata.errors import BadReferenceError
from blockstrata.formats.qcow2.bitmaps import DirtyRuns
from blockstrata.formats.qcow2.node import Qcow2Node
from blockstrata.graph.chain import Chain

_NAMED_AT_MOST: Final = 5
"""Bitmaps that a message names."""


def dirty_runs(chain: Chain, name: str, depth: int | None, start: int, length: int) -> DirtyRuns:
    """Return what a bitmap says of a range: that of one layer, or of the first from the top that has it.

    The latter is what ``qemu-nbd --bitmap`` exports.  The bitmap may be of a layer of another size: past that
    layer's end all is clean.  ``BadReferenceError`` if there is no such bitmap; else what QEMU refuses about
    the layers, or about the bitmap.
    """
    chain.require_opened(depth)
    layers = chain.layers if depth is None else (chain.layer(depth),)
    for layer in layers:
        if refusal := layer.node.find_refusal():
            raise refusal
    images = [layer.node for layer in layers if isinstance(layer.node, Qcow2Node)]
    for image in images:
        runs = image.dirty_runs(name, start, length)
        if runs is not None:
            return runs
    where = "chain" if depth is None else "layer"
    names = [each.name for image in images for each in image.read_bitmaps()]
    has = f"which has {', '.join(names[:_NAMED_AT_MOST])}" if names else "which has none"
    raise BadReferenceError(layers[0].name, f"bitmap '{name}'", f"is not in the {where}, {has}")
