"""Does an image look metadata-preallocated?  QEMU counts references to find out (SPEC.md section 2, RECURSE).

Preallocated metadata refers to host clusters that the file never stored, so the references outnumber the
clusters that the file really occupies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from blockstrata.driver import whole_sectors
from blockstrata.facts import Mapping, Storage, fact

if TYPE_CHECKING:
    from blockstrata.driver import HostNode
    from blockstrata.formats.qcow2.header import Header

_TABLE_MASK: Final = 0xFFFFFFFFFFFFFE00


def looks_preallocated(file: HostNode, header: Header) -> bool:
    """Say whether QEMU takes the image for a metadata-preallocated one.

    It counts clusters with a reference from the start of the file, and stops at
    ``max(r * 10 // 9, r + 2)``, r being the clusters' worth of storage that the file occupies.
    A refcount block at an unaligned offset ends the count with no.
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
    table = np.frombuffer(file.read(header.refcount_table_offset, entries * 8), ">u8") & np.uint64(
        _TABLE_MASK
    )
    counted = 0
    # an image made to hurt points many entries at one block, or at holes
    full_blocks: dict[int, int] = {}
    for index in np.flatnonzero(table).tolist():
        offset = int(table[index])
        if offset % header.cluster_size:
            return False
        entries = min(per_block, clusters - index * per_block)
        if entries < per_block or offset not in full_blocks:
            count = 0
            if _is_stored(file, offset, header.cluster_size):
                count = count_references(
                    file.read(offset, header.cluster_size), header.refcount_order, entries
                )
            if entries == per_block:
                full_blocks[offset] = count
            counted += count
        else:
            counted += full_blocks[offset]
        if counted >= threshold:
            return True
    return False


def _is_stored(file: HostNode, offset: int, length: int) -> bool:
    """Say whether a range may hold anything but zeroes."""
    zeroes = (fact(Mapping.PASSTHROUGH, Storage.HOLE), fact(Mapping.PASSTHROUGH, Storage.BEYOND_EOF))
    return not np.isin(file.extents(offset, length).facts, zeroes).all()


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
