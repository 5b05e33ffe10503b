"""A disk that is gone through region by region: what is added up or listed is as if it were seen whole."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockstrata.formats.qcow2.author import Data, Image, Preallocated, ZeroAlloc, ZeroPlain, write_image
from blockstrata.graph.chain import open_chain
from blockstrata.guest.chain_reader import in_parts as regions_of
from blockstrata.guest.merge import in_place, merged
from blockstrata.interchange import nbdinfo
from blockstrata.interchange.entries import entries, in_parts
from blockstrata.questions.summary import Summary
from blockstrata.semantics import by_name

SPAN = 512 * 64
TABLES = 40


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """Three layers, of which the middle one is short and the lowest long; runs are longer than tables."""
    work = tmp_path_factory.mktemp("parts")
    rng = np.random.default_rng(3)
    kinds = (Data(b"x"), ZeroPlain(), ZeroAlloc(), Preallocated())
    backing = None
    for name, tables in (("base", TABLES + 5), ("middle", TABLES - 9), ("top", TABLES)):
        clusters, at = {}, 0
        while at < tables * 64:
            length = min(int(rng.choice([1, 2, 7, 150])), tables * 64 - at)
            kind = rng.integers(len(kinds) + 2)
            if kind < len(kinds):
                clusters.update(dict.fromkeys(range(at, at + length), kinds[kind]))
            at += length
        image = Image(tables * SPAN, cluster_bits=9, backing=backing, backing_format=backing and "qcow2")
        write_image(work / f"{name}.qcow2", image, clusters)
        backing = f"{name}.qcow2"
    with open_chain(str(work / "top.qcow2")) as opened:
        yield opened


@pytest.fixture
def in_small_regions(monkeypatch):
    monkeypatch.setattr("blockstrata.formats.qcow2.node._WINDOW", 128)


@pytest.mark.usefixtures("in_small_regions")
def test_what_is_added_up_is_that_of_the_whole(chain):
    size = max(layer.size for layer in chain.layers)
    found = list(regions_of(chain, 0, size))
    assert len(found) > 10
    for layer in chain.layers:
        whole, parts = (Summary(chain.layers, in_place=True) for _ in range(2))
        view = in_place(chain, layer.depth, 0, layer.size)
        whole.add(view)
        for region, part in found:
            parts.add(in_place(part, layer.depth, *region.within(layer.size)))
        assert parts.totals() == whole.totals()
        assert parts.runs == len(view.extents)


def test_a_fault_that_goes_on_from_one_part_to_the_next_is_one(tmp_path):
    """Two neighbouring entries of the L1 table are unaligned, and then a third one."""
    span, tables = 2 << 20, 8
    clusters = {at * 512: Data(b"x") for at in range(tables)}
    write_image(tmp_path / "top.qcow2", Image(tables * span, cluster_bits=12), clusters)
    content = bytearray((tmp_path / "top.qcow2").read_bytes())
    l1_at = int.from_bytes(content[40:48], "big")
    for entry in (2, 3, 6):
        content[l1_at + entry * 8 + 6] |= 2
    (tmp_path / "top.qcow2").write_bytes(content)
    with open_chain(str(tmp_path / "top.qcow2")) as chain:
        whole, parts = Summary(chain.layers), Summary(chain.layers)
        whole.add(merged(chain, 0, chain.size))
        for start in range(0, chain.size, span // 2):
            parts.add(merged(chain, start, span // 2))
    assert len(whole.faults) == 2
    assert parts.faults == whole.faults


@pytest.mark.usefixtures("in_small_regions")
def test_a_merged_disk_adds_up_too(chain):
    whole, parts = Summary(chain.layers), Summary(chain.layers)
    whole.add(merged(chain, 0, chain.size))
    for region, part in regions_of(chain, 0, chain.size):
        parts.add(merged(part, region.start, region.end - region.start))
    assert parts.totals() == whole.totals()
    assert parts.runs == whole.runs


SEMANTICS = st.sampled_from(["historic", "proposed"])


def rows(found):
    columns = (found.start, found.length, found.depth, found.source, found.flags, found.offset)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@settings(max_examples=40)
@given(
    cuts=st.sets(st.integers(1, TABLES * 64 - 1), max_size=12), name=st.sampled_from(["historic", "proposed"])
)
def test_entries_in_parts_are_those_of_the_whole(chain, cuts, name):
    semantics = by_name(name)
    edges = [0, *(512 * cut for cut in sorted(cuts)), chain.size]
    views = (merged(chain, start, end - start) for start, end in pairwise(edges))
    found = [row for part in in_parts(views, semantics) for row in rows(part)]
    assert found == rows(entries(merged(chain, 0, chain.size), semantics))


@settings(max_examples=30)
@given(cuts=st.sets(st.integers(1, TABLES * 64 - 1), max_size=12))
def test_what_a_server_says_in_parts_is_what_it_says_of_the_whole(chain, cuts):
    server = by_name("nbd")
    edges = [0, *(512 * cut for cut in sorted(cuts)), chain.size]
    views = [merged(chain, start, end - start) for start, end in pairwise(edges)]
    texts = [
        "".join(nbdinfo.json_text(nbdinfo.block_status(each, server), nbdinfo.BASE_ALLOCATION))
        for each in (views, [merged(chain, 0, chain.size)])
    ]
    assert texts[0] == texts[1]
    types = [entry["type"] for entry in json.loads(texts[0])]
    assert len(types) > 40
    assert all(one != other for one, other in pairwise(types))


def test_an_empty_window_has_its_one_empty_entry(chain):
    semantics = by_name("historic")
    (empty, entry) = in_parts([merged(chain, 0, 0)], semantics)
    assert (len(empty), rows(entry)) == (0, [(0, 0, 0, 0, 0, -1)])
    assert list(in_parts([], semantics)) == []
