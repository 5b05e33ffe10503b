"""QEMU's null drivers: a size, and nothing stored; how QEMU maps them is among the recorded answers."""

from __future__ import annotations

import pytest

from blockstrata.facts.codes import Mapping, Storage, fact
from blockstrata.graph.chain import open_chain
from blockstrata.protocols.file import END
from blockstrata.protocols.null import NullNode


@pytest.mark.parametrize(("read_zeroes", "storage"), [(True, Storage.HOLE), (False, Storage.UNDEFINED)])
@pytest.mark.parametrize("length", [1, 511, 512, 1000])
def test_it_is_one_run_up_to_its_last_sector_and_answers_for_any_window(length, read_zeroes, storage):
    node = NullNode("x", "null-co", length, read_zeroes=read_zeroes)
    sectors = -(-length // 512) * 512
    whole = node.extents(0, END)
    assert whole.edges.tolist() == [0, sectors, END]
    assert whole.facts.tolist() == [fact(Mapping.PASSTHROUGH, each) for each in (storage, Storage.BEYOND_EOF)]
    assert whole.host.tolist() == [0, sectors]
    part = node.extents(100, 300)
    assert (part.edges.tolist(), part.host.tolist()) == ([100, 400], [100])
    assert list(node.windows()) == [(0, sectors, 0)]
    assert node.features() == {"read-zeroes": read_zeroes}


def test_it_stores_nothing_and_reads_as_zeroes():
    node = NullNode("x", "null-aio", 512, read_zeroes=False)
    assert node.allocated == 0
    assert node.read(100, 3) == bytes(3)
    assert node.is_protocol
    assert node.host_driver == "null-aio"
    assert not node.supports_backing


def test_without_a_size_it_has_a_gibibyte():
    """As QEMU's."""
    with open_chain('json:{"driver": "null-co"}') as chain:
        assert chain.size == 1 << 30


def test_two_of_them_are_two():
    one, two = (NullNode("x", "null-co", 512, read_zeroes=True) for _ in range(2))
    assert one.identity == one.identity
    assert one.identity != two.identity
