"""The three mappings of docs/semantics.md, "NBD", written down here once more, and what is lost."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from blockstrata.errors import BadImageError
from blockstrata.facts.codes import DEFERRING, SYNTHESISED, Mapping, Storage, Traits, fact
from blockstrata.formats.qcow2.author import Data, Image, Unallocated, ZeroAlloc, ZeroPlain, write_image
from blockstrata.graph.chain import open_chain
from blockstrata.guest.merge import alone, in_place, merged
from blockstrata.interchange import round_trip as listing
from blockstrata.interchange.entries import entries
from blockstrata.protocols.nbd.node import STORAGES
from blockstrata.questions.round_trip import round_trip
from blockstrata.semantics.historic import HISTORIC
from blockstrata.semantics.historic import Flag as Old
from blockstrata.semantics.nbd import NBD_6_0, NBD_2018, NBD_PROPOSED, WIRES, Flag, wire_of
from blockstrata.semantics.proposed import PROPOSED
from blockstrata.semantics.proposed import Flag as New

QCOW2 = Traits("file")
PREALLOCATED = Traits("file", recurse=True)
STORED = [storage for storage in Storage if storage is not Storage.NONE]
WIRE_2018, WIRE_6_0, WIRE_PROPOSED = WIRES

SAID = {
    # mapping, storage, mark: letters by nbd-2018, nbd-6.0, nbd-proposed
    (Mapping.NORMAL, Storage.DATA, 0): ("··", "··", "··"),
    (Mapping.NORMAL, Storage.HOLE, 0): ("··", "··", "HZ"),
    (Mapping.NORMAL, Storage.UNWRITTEN, 0): ("··", "··", "·Z"),
    (Mapping.NORMAL, Storage.UNDEFINED, 0): ("··", "··", "H·"),
    (Mapping.COMPRESSED, Storage.NONE, 0): ("··", "··", "··"),
    (Mapping.ZERO_PLAIN, Storage.NONE, 0): ("·Z", "HZ", "HZ"),
    (Mapping.ZERO_ALLOC, Storage.DATA, 0): ("·Z", "HZ", "·Z"),
    (Mapping.ZERO_ALLOC, Storage.UNWRITTEN, 0): ("·Z", "HZ", "·Z"),
    (Mapping.ZERO_ALLOC, Storage.HOLE, 0): ("·Z", "HZ", "HZ"),
    (Mapping.UNALLOCATED, Storage.NONE, SYNTHESISED): ("HZ", "HZ", "HZ"),
    (Mapping.UNALLOCATED_ALLOC, Storage.DATA, SYNTHESISED): ("HZ", "HZ", "·Z"),
    (Mapping.PASSTHROUGH, Storage.DATA, 0): ("··", "··", "··"),
    (Mapping.PASSTHROUGH, Storage.HOLE, 0): ("·Z", "HZ", "HZ"),
    (Mapping.PASSTHROUGH, Storage.UNWRITTEN, 0): ("·Z", "HZ", "·Z"),
    (Mapping.PASSTHROUGH, Storage.UNDEFINED, 0): ("H·", "H·", "H·"),
    (Mapping.PASSTHROUGH, Storage.OPAQUE, 0): ("··", "··", "··"),
}


@pytest.mark.parametrize("said", SAID, ids=str)
def test_what_a_server_says(said):
    mapping, storage, mark = said
    code = fact(mapping, storage) | mark
    letters = tuple(
        semantics.letters(semantics.answer(code, QCOW2)) for semantics in (NBD_2018, NBD_6_0, NBD_PROPOSED)
    )
    assert letters == SAID[said]


def test_metadata_preallocation_is_allocated_zero_by_both_of_qemu_s_mappings():
    code = fact(Mapping.NORMAL, Storage.HOLE)
    assert NBD_2018.answer(code, PREALLOCATED) == NBD_6_0.answer(code, PREALLOCATED) == Flag.ZERO


def test_the_mappings_follow_their_rule_for_every_fact():
    for mapping, storage, mark, traits in product(Mapping, Storage, (0, SYNTHESISED), (QCOW2, PREALLOCATED)):
        if mapping in (Mapping.UNREAD, Mapping.INVALID):
            continue
        code = fact(mapping, storage) | mark
        old, new = HISTORIC.answer(code, traits), PROPOSED.answer(code, traits)
        rules = {
            NBD_2018: (old & Old.ALLOCATED, old & Old.ZERO),
            NBD_6_0: (old & Old.DATA, old & Old.ZERO),
            NBD_PROPOSED: (new & New.ALLOC, new & New.ZERO),
        }
        for semantics, (allocated, zero) in rules.items():
            said = semantics.answer(code, traits)
            assert (bool(said & Flag.HOLE), bool(said & Flag.ZERO)) == (not allocated, bool(zero))
            assert bool(said & Flag.DEFERRED) == (mapping in DEFERRING and not mark)


def test_what_a_client_concludes():
    wire = np.arange(4, dtype=np.uint8)
    assert [HISTORIC.letters(flags) for flags in WIRE_2018.client(wire).tolist()] == [
        "D··",
        "···",
        "DZ·",
        "·Z·",
    ]
    assert [HISTORIC.letters(flags) for flags in WIRE_6_0.client(wire).tolist()] == [
        "D·O",
        "··O",
        "DZO",
        "·ZO",
    ]
    assert [PROPOSED.letters(flags) for flags in WIRE_PROPOSED.client(wire).tolist()] == [
        "L·AO",
        "L··O",
        "LZAO",
        "LZ·O",
    ]


def test_a_client_s_node_has_the_facts_of_an_nbd_layer():
    """What a client concludes is what the facts of its export mean to its own block layer."""
    traits = Traits("nbd")
    for wire in (WIRE_6_0, WIRE_PROPOSED):
        for bits, storage in enumerate(STORAGES):
            assert wire.base.answer(fact(Mapping.PASSTHROUGH, storage), traits) == wire.concludes[bits]


def lossy(wire, mapping, storage=Storage.NONE, mark=0, traits=QCOW2):
    code = fact(mapping, storage) | mark
    means, said = (np.array([each.answer(code, traits)], np.uint8) for each in (wire.base, wire.server))
    return wire.changes(int(wire.lost(means, said)[0]), int(wire.client(said)[0]))


def test_the_source_s_point():
    """With nbd-2018 allocated zeroes and no zeroes at all arrive differently; with nbd-6.0 they do not."""
    for wire, said in ((WIRE_2018, {"·Z", "HZ"}), (WIRE_6_0, {"HZ"})):
        codes = fact(Mapping.ZERO_PLAIN), fact(Mapping.UNALLOCATED) | SYNTHESISED
        assert {wire.server.letters(wire.server.answer(code, QCOW2)) for code in codes} == said
    assert lossy(WIRE_2018, Mapping.ZERO_PLAIN) == ["+data"]
    assert lossy(WIRE_6_0, Mapping.ZERO_PLAIN) == []
    assert lossy(WIRE_2018, Mapping.UNALLOCATED, mark=SYNTHESISED) == ["+present"]
    assert lossy(WIRE_6_0, Mapping.UNALLOCATED, mark=SYNTHESISED) == ["+present"]


def test_nothing_that_reaches_a_guest_is_lost_by_the_proposed_mapping():
    for mapping, storage, mark in product(Mapping, STORED, (0, SYNTHESISED)):
        if mapping in (Mapping.UNREAD, Mapping.INVALID) or (mapping in DEFERRING) != bool(mark):
            continue
        assert lossy(WIRE_PROPOSED, mapping, storage, mark) == []


@pytest.fixture
def chain(tmp_path):
    """Two layers of four clusters each."""
    base = Image(4 << 16)
    write_image(tmp_path / "base", base, {0: Data(b"b"), 1: ZeroAlloc(b"z"), 3: Data(b"c")})
    top = replace(base, backing="base", backing_format="qcow2")
    write_image(tmp_path / "top", top, {1: Unallocated(), 3: ZeroPlain()})
    with open_chain(str(tmp_path / "top")) as chain:
        yield chain


def test_a_round_trip_of_a_chain(chain):
    trip = round_trip(merged(chain, 0, chain.size), WIRE_2018)
    assert trip.start.tolist() == [0, 1 << 16, 2 << 16, 3 << 16]
    assert trip.depth.tolist() == [1, 1, 1, 0]
    assert [HISTORIC.letters(flags) for flags in trip.means.tolist()] == ["D·O", "·ZO", "·Z·", "·Z·"]
    assert [NBD_2018.letters(flags) for flags in trip.said.tolist()] == ["··", "·Z", "HZ", "·Z"]
    assert [HISTORIC.letters(flags) for flags in trip.concludes.tolist()] == ["D··", "DZ·", "·Z·", "DZ·"]
    assert trip.losses() == [("+data", 2, 2 << 16), ("+present", 1, 1 << 16)]
    assert (trip.lossy_runs, trip.lossy_bytes) == (3, 3 << 16)


def test_listings_of_a_round_trip(chain):
    trip = round_trip(alone(chain.layers[1], 0, 2 << 16), WIRE_6_0)
    found = json.loads("".join(listing.json_text(trip)))
    assert [entry["lost"] for entry in found] == [[], []]
    assert found[1]["means"] == {"present": True, "zero": True, "data": False, "compressed": False}
    assert found[1]["wire"] == {"hole": True, "zero": True}
    head, *rows = "".join(listing.csv_text(trip)).splitlines()
    assert len(rows) == 2
    assert {row.count(",") for row in rows} == {head.count(",")}
    human = list(listing.human_lines(round_trip(merged(chain, 0, chain.size), WIRE_2018)))
    assert human[0] == "nbd-2018: HOLE unless ALLOCATED, ZERO if ZERO\n"
    assert human[-1] == f"3 of 4 runs lossy, {3 << 16} of {4 << 16} bytes\n"


def test_a_round_trip_of_nothing(tmp_path):
    write_image(tmp_path / "empty", Image(0), {})
    with open_chain(str(tmp_path / "empty")) as chain:
        trip = round_trip(merged(chain, 0, 0), WIRE_6_0)
    assert len(trip) == 0
    assert "".join(listing.json_text(trip)) == "[]\n"


def test_a_layer_in_its_chain_defers_on_the_wire_too(chain):
    flags = NBD_6_0.flags(in_place(chain, 0, 0, chain.size)).tolist()
    assert flags == [Flag.HOLE | Flag.DEFERRED, Flag.HOLE | Flag.ZERO]


def test_a_corrupt_run_goes_on_no_trip(tmp_path):
    write_image(tmp_path / "top", replace(Image(1 << 16), backing="gone", backing_format="raw"), {})
    with open_chain(str(tmp_path / "top")) as chain, pytest.raises(BadImageError):
        round_trip(merged(chain, 0, chain.size), WIRE_6_0)


def test_a_wire_is_found_by_its_server():
    assert [wire_of(wire.server) for wire in WIRES] == list(WIRES)
    assert wire_of(HISTORIC) is wire_of(PROPOSED) is None


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.server.name)
@pytest.mark.parametrize("mapping", [Mapping.INVALID, Mapping.UNREAD])
def test_of_what_is_not_known_nothing_is_said(wire, mapping):
    assert {wire.server.answer(fact(mapping, storage), QCOW2) for storage in Storage} == {0}


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.server.name)
def test_no_offset_crosses_the_wire(wire, tmp_path):
    write_image(tmp_path / "top.qcow2", Image(1 << 20), {0: Data(b"x"), 2: ZeroAlloc(), 4: ZeroPlain()})
    with open_chain(str(tmp_path / "top.qcow2")) as chain:
        view = merged(chain, 0, chain.size)
        assert (view.extents.host >= 0).any()
        assert set(entries(view, wire.server).offset.tolist()) == {-1}
