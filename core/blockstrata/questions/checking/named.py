"""All that names host clusters of a qcow2 image, read once for whoever goes through it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from blockstrata.errors import UnsupportedError
from blockstrata.facts.node import whole_sectors
from blockstrata.formats.qcow2.metadata import Metadata, Use, read_metadata
from blockstrata.formats.qcow2.node import Qcow2Node
from blockstrata.formats.qcow2.refcount_blocks import RefcountTable, read_refcount_table
from blockstrata.formats.qcow2.references import L1Words, L2Tables, l2_tables, read_l1_words

_MOST_CLUSTERS: Final = 2**31 - 1
"""Clusters of a file that QEMU checks."""
_MOST_REPEATED: Final = 1 << 26
"""Refcounts of blocks that are named again; an image that is merely damaged has a block or two of them."""

_Number = TypeVar("_Number", bound=np.generic)


@dataclass(frozen=True, slots=True, eq=False)
class Named:
    """What an image names: in its header and directories, in L1 tables, and by them and the refcount table.

    ``clusters``: how many the file has, the last one perhaps in part.
    """

    clusters: int
    metadata: Metadata
    words: L1Words
    tables: L2Tables
    blocks: RefcountTable


def read_named(node: Qcow2Node) -> Named:
    """Read all but the L2 tables and refcount blocks themselves.

    ``UnsupportedError`` for more clusters than can be checked, and for tables made to take for ever;
    ``BadImageError`` where QEMU cannot go on: a snapshot table, bitmap directory or bitmap table that
    cannot be read.
    """
    header, file = node.header, node.file
    clusters = -(-whole_sectors(file.length) // header.cluster_size)
    if clusters > _MOST_CLUSTERS:
        what = f"{clusters} clusters are more than the limit of {_MOST_CLUSTERS}"
        raise UnsupportedError(file.name, "", what)
    metadata = read_metadata(file, header, node.read_snapshots(), node.read_bitmaps())
    l1_tables = [each for each in metadata.regions if each.use is Use.SNAPSHOT_L1]
    words = read_l1_words(file, header, [(each.owner, each.host, each.length // 8) for each in l1_tables])
    blocks = read_refcount_table(file, header)
    offsets = blocks.offsets[~blocks.unreadable]
    # what the file does not have costs nothing, and garbage names it often
    offsets = offsets[(offsets != 0) & (offsets < np.uint64(file.length))]
    repeats = len(offsets) - len(distinct(offsets))
    if repeats * blocks.per_block > _MOST_REPEATED:
        what = "names the same refcount blocks again and again"
        raise UnsupportedError(file.name, "qcow2 refcount table", what)
    tables = l2_tables(words)
    # what cluster 0 would say as an L2 table is counted, and its flags are not looked at; nor are those
    # of a table whose own refcount cannot be read
    blind = (tables.host == 0) | blocks.cannot_read(tables.host >> header.cluster_bits)
    return Named(clusters, metadata, words, replace(tables, looked=np.where(blind, 0, tables.active)), blocks)


def distinct(numbers: NDArray[_Number]) -> NDArray[_Number]:
    """Return numbers sorted, each once; numpy's own way hashes them, which takes long for multiples."""
    ordered = np.sort(numbers)
    is_first = np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]
    return np.asarray(ordered[is_first], numbers.dtype)
