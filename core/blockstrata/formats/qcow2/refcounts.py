"""Does an image look metadata-preallocated?  QEMU counts references to find out (SPEC.md section 2, RECURSE).

Preallocated metadata refers to host clusters that the file never stored, so the references outnumber the
clusters that the file really occupies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from blockstrata.driver import whole_sectors
from blockstrata.formats.qcow2.stored import stored_stretches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from blockstrata.driver import HostNode
    from blockstrata.formats.qcow2.header import Header

_TABLE_MASK: Final = 0xFFFFFFFFFFFFFE00
_END: Final = 2**63 - 2**30
"""First byte that QEMU reads of no file, however long."""


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
    table = np.frombuffer(file.read(header.refcount_table_offset, entries * 8), ">u8").astype(np.uint64)
    offsets = table & np.uint64(_TABLE_MASK)
    bad = (offsets & np.uint64(header.cluster_size - 1) != 0) | (
        offsets > np.uint64(_END - header.cluster_size)
    )
    good = offsets[: int(bad.argmax()) if bad.any() else None].astype(np.int64)
    counted = 0
    # an image made to hurt points many entries at one block, or at holes
    whole: dict[int, int] = {}
    for index, offset, stretches in _stored_blocks(file, good, header.cluster_size):
        wanted = min(per_block, clusters - index * per_block)
        if wanted < per_block or offset not in whole:
            count = sum(
                count_references(
                    file.read(start, end - start),
                    header.refcount_order,
                    max(0, wanted - ((start - offset) * 8 >> header.refcount_order)),
                )
                for start, end in stretches
            )
            if wanted == per_block:
                whole[offset] = count
            counted += count
        else:
            counted += whole[offset]
        if counted >= threshold:
            return True
    return False


def _stored_blocks(
    file: HostNode, offsets: NDArray[np.int64], size: int
) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
    """Yield those entries of a refcount table whose blocks are stored: index, offset, and which bytes are."""
    blocks, block = np.unique(offsets, return_inverse=True)
    # a block at 0 is none
    stored = stored_stretches(file, blocks, size)
    bounds = np.searchsorted(stored.table, np.arange(len(blocks) + 1))
    has_some = (np.diff(bounds) > 0) & (blocks != 0)
    for index in np.flatnonzero(has_some[block]).tolist():
        at = int(block[index])
        part = slice(bounds[at], bounds[at + 1])
        yield (
            index,
            int(blocks[at]),
            list(zip(stored.starts[part].tolist(), stored.ends[part].tolist(), strict=True)),
        )


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
