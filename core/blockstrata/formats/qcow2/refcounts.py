"""Does an image look metadata-preallocated?  QEMU counts references to find out.

The rule is that of docs/semantics.md, "RECURSE".

Preallocated metadata refers to host clusters that the file never stored, so the references outnumber the
clusters that the file really occupies.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.node import HostNode, whole_sectors
from blockstrata.formats.qcow2.header import END_OF_NODES, Header
from blockstrata.formats.qcow2.stored import stored_stretches, stored_words

_TABLE_MASK: Final = 0xFFFFFFFFFFFFFE00
_AT_ONCE: Final = 1 << 18
"""Bytes of refcount blocks that are counted together: of a million, one by one takes half a minute."""


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
    used = offsets != 0
    used[int(bad.argmax()) if bad.any() else len(bad) :] = False
    # an image made to hurt points many entries at one block, or at holes: each block is looked at once
    tables, table = np.unique(offsets[used].astype(np.int64), return_inverse=True)
    is_last = index[used] == blocks - 1
    times = np.bincount(table[~is_last], minlength=len(tables)).tolist()
    last = int(table[is_last][0]) if is_last.any() else None
    counted = 0
    stored = np.stack(stored_stretches(file, tables, header.cluster_size))
    at_once = max(1, _AT_ONCE // header.cluster_size)
    for first in range(0, stored.shape[1], at_once):
        of, starts, ends = stored[:, first : first + at_once].tolist()
        parts = [file.read(start, end - start) for start, end in zip(starts, ends, strict=True)]
        fields = np.cumsum([0, *map(len, parts)])[:-1] * 8 >> header.refcount_order
        found = np.add.reduceat(_is_counted(b"".join(parts), header.refcount_order), fields, dtype=np.int64)
        for at, start, part, references in zip(of, starts, parts, found.tolist(), strict=True):
            counted += times[at] * references
            if at == last:
                # the last block counts as far as the file reaches
                before = (start - int(tables[at])) * 8 >> header.refcount_order
                left = clusters - (blocks - 1) * per_block - before
                counted += count_references(part, header.refcount_order, max(0, left))
        if counted >= threshold:
            return True
    return False


def count_references(block: bytes, refcount_order: int, entries: int) -> int:
    """Return how many of the first ``entries`` refcounts of a block are not zero.

    Refcounts of less than a byte fill it from its low bits up.
    """
    return int(np.count_nonzero(_is_counted(block, refcount_order)[:entries]))


def _is_counted(blocks: bytes, refcount_order: int) -> NDArray[np.bool_]:
    """Return for each refcount whether it is not zero."""
    octets = np.frombuffer(blocks, np.uint8)
    if refcount_order >= 3:
        return np.asarray(octets.view(f"u{1 << refcount_order - 3}").astype(np.bool_))
    fields = np.unpackbits(octets, bitorder="little").reshape(-1, 1 << refcount_order)
    return np.asarray(fields.any(axis=1), np.bool_)
