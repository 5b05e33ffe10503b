"""L1 tables of entries of all kinds, against what each entry says by itself."""

from __future__ import annotations

import struct

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import workplace

from blockstrata.facts.codes import NO_HOST, Mapping
from blockstrata.graph.chain import open_chain

CLUSTER, PER_TABLE = 1024, 128
SPAN = CLUSTER * PER_TABLE
TABLES_AT = 8192

NOTHING, UNALIGNED = 0, 0x300200
"""Entries that name no L2 table, and one that is not at a cluster's start."""


def image(entries: list[int], tables: list[list[int]]) -> bytes:
    """Return an image of clusters of 1 KiB; an entry from 1 on names one of the tables."""
    words = [
        TABLES_AT + (entry - 1) * CLUSTER | 1 << 63 if 0 < entry <= len(tables) else entry
        for entry in entries
    ]
    head = struct.pack(
        ">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 0, 0, 10, len(entries) * SPAN, 0, len(entries), 2048, 1024, 1, 0, 0
    )
    l1 = np.array(words, ">u8").tobytes()
    return (head.ljust(2048, b"\0") + l1).ljust(TABLES_AT, b"\0") + np.array(tables, ">u8").tobytes()


WORDS = st.sampled_from([0, 0, 0, 0x10000, 0x10400, 0x10800, 1 << 62])


@settings(max_examples=100)
@given(
    st.lists(st.sampled_from([NOTHING, UNALIGNED, 1, 1, 2, 3]), min_size=1, max_size=12),
    st.lists(st.lists(WORDS, min_size=PER_TABLE, max_size=PER_TABLE), min_size=3, max_size=3),
    st.data(),
)
def test_any_window_says_what_the_entries_say(
    entries: list[int], tables: list[list[int]], data: st.DataObject
):
    end = len(entries) * PER_TABLE
    first = data.draw(st.integers(0, end - 1))
    last = data.draw(st.integers(first + 1, end))
    with workplace() as work:
        (work / "top.qcow2").write_bytes(image(entries, tables))
        with open_chain(str(work / "top.qcow2")) as chain:
            found = chain.layers[0].extents(first * CLUSTER, (last - first) * CLUSTER)
    assert (found.start, found.end) == (first * CLUSTER, last * CLUSTER)
    for cluster in range(first, last):
        run = found.index_at(cluster * CLUSTER)
        entry = entries[cluster // PER_TABLE]
        word = tables[entry - 1][cluster % PER_TABLE] if 0 < entry <= 3 else 0
        kind = {0: Mapping.UNALLOCATED, 1 << 62: Mapping.COMPRESSED}.get(word, Mapping.NORMAL)
        assert found.facts[run] >> 3 == (Mapping.INVALID if entry == UNALIGNED else kind)
        host = int(found.host[run])
        into = cluster * CLUSTER - int(found.edges[run])
        assert (NO_HOST if host == NO_HOST else host + into) == (word if kind is Mapping.NORMAL else NO_HOST)
