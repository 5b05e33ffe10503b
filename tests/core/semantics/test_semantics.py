"""Both semantics where docs/semantics.md has no table; what it has, tests/test_semantics_page.py compares."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from blockstrata.facts.codes import (
    CODES,
    DEFERRING,
    SYNTHESISED,
    Mapping,
    Storage,
    Traits,
    fact,
    is_code,
    mapping_of,
    storage_of,
)
from blockstrata.semantics import SEMANTICS, by_name
from blockstrata.semantics.historic import HISTORIC
from blockstrata.semantics.historic import Flag as Old
from blockstrata.semantics.nbd import NBD_6_0, NBD_2018, NBD_PROPOSED
from blockstrata.semantics.proposed import PROPOSED
from blockstrata.semantics.proposed import Flag as New

Fact = tuple[Mapping, Storage]

STORED = [storage for storage in Storage if storage is not Storage.NONE]
HOSTED = [Mapping.NORMAL, Mapping.ZERO_ALLOC, Mapping.UNALLOCATED_ALLOC]
UNHOSTED = [Mapping.UNALLOCATED, Mapping.ZERO_PLAIN, Mapping.COMPRESSED, Mapping.OPAQUE_DATA]
FORMAT_FACTS: list[Fact] = [*product(HOSTED, STORED), *((mapping, Storage.NONE) for mapping in UNHOSTED)]
"""Every fact a format driver with tables of its own can state."""

QCOW2 = Traits(host_driver="file")
PREALLOCATED = Traits(host_driver="file", recurse=True)
ENCRYPTED = Traits(host_driver="file", encrypted=True)
RAW = Traits(host_driver="file")
PROTOCOL = Traits(host_driver="file", is_protocol=True)


# ---------------------------------------------------------------- from facts to flags


@pytest.mark.parametrize("traits", [PREALLOCATED, Traits("nbd"), Traits("null-co")])
def test_what_is_proposed_for_format_layers_hangs_on_nothing_but_facts_and_encryption(traits: Traits):
    for code in (fact(*pair) | mark for pair in FORMAT_FACTS for mark in (0, SYNTHESISED)):
        assert PROPOSED.answer(code, traits) == PROPOSED.answer(code, QCOW2)


@pytest.mark.parametrize("traits", [QCOW2, ENCRYPTED])
@pytest.mark.parametrize("storage", STORED)
def test_storage_changes_nothing_where_no_offset_leads_to_the_bytes(traits: Traits, storage: Storage):
    for mapping in (Mapping.COMPRESSED, Mapping.OPAQUE_DATA):
        assert PROPOSED.letters(PROPOSED.answer(fact(mapping, storage), traits)) == "L·A·"


def test_historic_answers_hold_no_internal_flag_and_say_what_is_compressed():
    shown = Old.DATA | Old.ZERO | Old.OFFSET_VALID | Old.ALLOCATED
    for code in filter(is_code, range(CODES)):
        for traits in (QCOW2, PREALLOCATED, ENCRYPTED, PROTOCOL, Traits("nbd")):
            others = HISTORIC.answer(code, traits) & ~shown
            assert others == (Old.COMPRESSED if mapping_of(code) is Mapping.COMPRESSED else 0)


@pytest.mark.parametrize("driver", ["file", "nbd"])
def test_recurse_adds_zero_where_the_file_is_zero_or_at_its_end(driver: str):
    traits = Traits(driver, recurse=True)
    zero = {Storage.HOLE, Storage.UNWRITTEN, Storage.BEYOND_EOF}
    found = {each: HISTORIC.letters(HISTORIC.answer(fact(Mapping.NORMAL, each), traits)) for each in STORED}
    assert found == {storage: "DZO" if storage in zero else "D·O" for storage in STORED}


@pytest.mark.parametrize("semantics", [HISTORIC, PROPOSED])
@pytest.mark.parametrize("mapping", [Mapping.UNALLOCATED, Mapping.COMPRESSED])
@pytest.mark.parametrize("mark", [0, SYNTHESISED])
def test_what_is_lost_without_a_host_offset_has_the_flags_that_it_has_without(semantics, mapping, mark):
    for traits in (QCOW2, ENCRYPTED, Traits("file", recurse=True), Traits("nbd")):
        lost, plain = fact(mapping, Storage.BEYOND_EOF) | mark, fact(mapping) | mark
        assert semantics.answer(lost, traits) == semantics.answer(plain, traits)


def test_recurse_changes_nothing_but_plain_data():
    for mapping, storage in FORMAT_FACTS:
        if mapping is not Mapping.NORMAL:
            code = fact(mapping, storage)
            assert HISTORIC.answer(code, PREALLOCATED) == HISTORIC.answer(code, QCOW2)


def test_the_bits_have_qemu_s_values():
    values = {flag.name: flag.value for flag in Old if flag is not Old.COMPRESSED_UNKNOWN}
    assert values == {
        "DATA": 0x01,
        "ZERO": 0x02,
        "OFFSET_VALID": 0x04,
        "RAW": 0x08,
        "ALLOCATED": 0x10,
        "RECURSE": 0x40,
        "COMPRESSED": 0x80,
    }


def test_a_walk_that_falls_off_the_chain_has_no_flags_and_no_offset():
    flags = np.arange(256, dtype=np.uint8)
    settled = HISTORIC.settle(flags)
    assert [int(each) for each in settled] == [each if each & 0x3 else 0 for each in range(256)]
    assert PROPOSED.settle(flags).tolist() == flags.tolist()


# ---------------------------------------------------------------- truth tables


def test_no_row_of_the_historic_table_is_a_bug():
    assert not any(row.is_bug for row in HISTORIC.format_rows)


def test_the_facts_that_land_in_a_bug_row():
    """No others: content that nobody promises, and holes that decrypt to garbage."""

    def is_bug(pair: Fact, traits: Traits, mark: int = 0) -> bool:
        flags = PROPOSED.answer(fact(*pair) | mark, traits)
        return PROPOSED.row(flags, is_protocol=traits.is_protocol).is_bug

    ends = [pair for pair in FORMAT_FACTS if pair[0] in DEFERRING]
    passed = [(Mapping.PASSTHROUGH, storage) for storage in STORED]
    found = {
        "plain": {pair for pair in FORMAT_FACTS if is_bug(pair, QCOW2)},
        "encrypted": {pair for pair in FORMAT_FACTS if is_bug(pair, ENCRYPTED)},
        "end": {pair for pair in ends for each in (QCOW2, ENCRYPTED) if is_bug(pair, each, SYNTHESISED)},
        "raw": {pair for pair in passed if is_bug(pair, RAW)},
        "protocol": {pair for pair in passed if is_bug(pair, PROTOCOL)},
    }
    assert found == {
        "plain": {(Mapping.NORMAL, Storage.UNDEFINED)},
        "encrypted": {
            (Mapping.NORMAL, each) for each in (Storage.HOLE, Storage.BEYOND_EOF, Storage.UNDEFINED)
        },
        "end": set(),
        "raw": {(Mapping.PASSTHROUGH, Storage.UNDEFINED)},
        "protocol": {(Mapping.PASSTHROUGH, Storage.UNDEFINED)},
    }


# ---------------------------------------------------------------- a semantics as an object

every_semantics = pytest.mark.parametrize("semantics", SEMANTICS, ids=lambda each: each.name)


@every_semantics
@pytest.mark.parametrize("traits", [QCOW2, PREALLOCATED, ENCRYPTED, PROTOCOL, Traits("nbd")])
def test_table_holds_the_answer_to_every_fact_code(semantics, traits: Traits):
    table = semantics.table(traits)
    assert (table.shape, table.dtype, table.flags.writeable) == ((CODES,), np.uint8, False)
    expected = [int(semantics.answer(code, traits)) if is_code(code) else 0 for code in range(CODES)]
    assert table.tolist() == expected


@every_semantics
@pytest.mark.parametrize("mapping", [Mapping.UNREAD, Mapping.INVALID])
def test_what_is_not_known_has_no_flags(semantics, mapping: Mapping):
    assert {int(semantics.answer(fact(mapping), traits)) for traits in (QCOW2, ENCRYPTED, PREALLOCATED)} == {
        0
    }


@every_semantics
def test_letters_show_each_flag_in_its_place(semantics):
    for flags in range(256):
        text = semantics.letters(flags)
        assert len(text) == len(semantics.all_letters)
        for shown, each in zip(text, semantics.all_letters, strict=True):
            assert shown == (each.letter if flags & each.flag else "·")


def test_letters_stand_in_the_order_of_the_flags():
    assert HISTORIC.letters(Old.DATA | Old.ALLOCATED | Old.OFFSET_VALID) == "D·O"
    assert PROPOSED.letters(New.LOCAL | New.ALLOC | New.OFFSET_VALID) == "L·AO"


@every_semantics
def test_row_is_found_for_every_value_of_the_flags(semantics):
    mask = sum(each.flag for each in semantics.all_letters)
    for flags in range(256):
        assert semantics.row(flags).flags == flags & mask
    # a protocol layer is never LOCAL
    never = New.LOCAL if semantics is PROPOSED else 0
    for flags in range(256):
        asked = flags & ~never
        assert semantics.row(asked, is_protocol=True).flags == asked & mask


def test_names_and_the_words_on_the_switch():
    assert [by_name(name) for name in ("historic", "old")] == [HISTORIC, HISTORIC]
    assert [by_name(name) for name in ("proposed", "new")] == [PROPOSED, PROPOSED]
    assert [by_name(name) for name in ("nbd-2018", "nbd-6.0", "nbd")] == [NBD_2018, NBD_6_0, NBD_6_0]
    assert by_name("nbd-proposed") is NBD_PROPOSED
    with pytest.raises(KeyError):
        by_name("present")


def test_columns_are_qemu_img_s_keys():
    assert [column.key for column in HISTORIC.columns] == ["present", "zero", "data", "compressed"]
    assert [column.flag for column in HISTORIC.columns] == [Old.ALLOCATED, Old.ZERO, Old.DATA, Old.COMPRESSED]
    assert [column.key for column in PROPOSED.columns] == ["local", "zero", "alloc", "offset_valid"]
    assert [column.flag for column in PROPOSED.columns] == [New.LOCAL, New.ZERO, New.ALLOC, New.OFFSET_VALID]


def test_a_fact_code_holds_mapping_storage_and_mark():
    codes = {
        fact(mapping, storage) | mark
        for mapping in Mapping
        for storage in Storage
        for mark in (0, SYNTHESISED)
    }
    assert codes == {code for code in range(CODES) if is_code(code)}
    assert len(codes) == len(Mapping) * len(Storage) * 2
    for mapping, storage in product(Mapping, Storage):
        code = fact(mapping, storage) | SYNTHESISED
        assert (mapping_of(code), storage_of(code)) == (mapping, storage)
