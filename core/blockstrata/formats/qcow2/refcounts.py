"""Does an image look metadata-preallocated?  QEMU counts references to find out.

The rule is that of docs/semantics.md, "RECURSE".

Preallocated metadata refers to host clusters that the file never stored, so the references outnumber the
clusters that the file really occupies.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.node import HostNode, whole_sectors
from blockstrata.formats.qcow2.header import END_OF_NODES, Header
from blockstrata.formats.qcow2.stored import stored_stretches, stored_words

_TABLE_MASK: Final = 0xFFFFFFFFFFFFFE00


def looks_preallocated(file: HostNode, header: Header) -> bool:
    """Say whether QEMU takes the image for a metadata-preallocated one.

    It counts clusters with a reference from the start of the file, and stops at
    ``max(r * 10 // 9, r + 2)``, r being the clusters' worth of storage that the file occupies.
    A refcount block at an unaligned offset, or past what a file can hold, ends the count with no.
    """
    if file.allocated is None:
        return False
    real = file.allocated // header.cluster_size
    threshold = max(real * 10 // 9, real + 2)
    clusters = -(-whole_sectors(file.length) // header.cluster_size)
    if clusters < threshold:
        return False
    per_block = header.cluster_size * 8 >> header.refcount_order
    blocks = -(-clusters // per_block)
    entries = min(blocks, (header.refcount_table_clusters << header.cluster_bits) // 8)
    index, words = stored_words(file, header.refcount_table_offset, entries)
    offsets = words & np.uint64(_TABLE_MASK)
    bad = (offsets & np.uint64(header.cluster_size - 1) != 0) | (
        offsets > np.uint64(END_OF_NODES - header.cluster_size)
    )
    good = int(bad.argmax()) if bad.any() else len(bad)
    counted = 0
    # an image made to hurt points many entries at one block, or at holes
    whole: dict[int, int] = {}
    for block in _stored_blocks(file, index[:good], offsets[:good].astype(np.int64), header.cluster_size):
        wanted = min(per_block, clusters - block.nth * per_block)
        if wanted < per_block or block.offset not in whole:
            count = sum(_counted(file, header, block, stretch, wanted) for stretch in block.stretches)
            if wanted == per_block:
                whole[block.offset] = count
            counted += count
        else:
            counted += whole[block.offset]
        if counted >= threshold:
            return True
    return False


class _Block(NamedTuple):
    """An entry of the refcount table, and (start, end) of what is stored of its block."""

    nth: int
    offset: int
    stretches: list[tuple[int, int]]


def _stored_blocks(
    file: HostNode, index: NDArray[np.int64], offsets: NDArray[np.int64], size: int
) -> Iterator[_Block]:
    """Yield those entries of a refcount table whose blocks are stored at all."""
    blocks, block = np.unique(offsets, return_inverse=True)
    stored = stored_stretches(file, blocks, size)
    bounds = np.searchsorted(stored.table, np.arange(len(blocks) + 1)).tolist()
    # a block at 0 is none
    has_some = (np.diff(bounds) > 0) & (blocks != 0)
    for at in np.flatnonzero(has_some[block]).tolist():
        nth = int(block[at])
        part = slice(bounds[nth], bounds[nth + 1])
        stretches = zip(stored.starts[part].tolist(), stored.ends[part].tolist(), strict=True)
        yield _Block(int(index[at]), int(blocks[nth]), list(stretches))


def _counted(file: HostNode, header: Header, block: _Block, stretch: tuple[int, int], wanted: int) -> int:
    """Return how many of the first ``wanted`` refcounts of a block are in a stretch of it, and not zero."""
    start, end = stretch
    before = (start - block.offset) * 8 >> header.refcount_order
    return count_references(file.read(start, end - start), header.refcount_order, max(0, wanted - before))


def count_references(block: bytes, refcount_order: int, entries: int) -> int:
    """Return how many of the first ``entries`` refcounts of a block are not zero.

    Refcounts of less than a byte fill it from its low bits up.
    """
    octets = np.frombuffer(block, np.uint8)
    if refcount_order >= 3:
        fields = octets.reshape(-1, 1 << refcount_order - 3)
    else:
        fields = np.unpackbits(octets, bitorder="little").reshape(-1, 1 << refcount_order)
    return int(np.count_nonzero(fields[:entries].any(axis=1)))
