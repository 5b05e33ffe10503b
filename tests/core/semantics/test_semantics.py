"""Both semantics against the tables of docs/semantics.md, written down here once more.

Letters stand as they stand there: ``L - A O``.  Historic answers carry ALLOCATED as a fourth letter, A, since
rule 3 of the block layer decides on it; COMPRESSED is the fifth, C.
"""

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


def rows(table: str) -> list[tuple[str, ...]]:
    """Take a table apart that stands as in docs/semantics.md: a line a row, bars between the cells."""
    return [tuple(cell.strip() for cell in line.split("|")[1:-1]) for line in table.strip().splitlines()]


def by_fact(table: str) -> dict[Fact, str]:
    """Return the letters of each mapping on each storage; ``any`` counts having no host range in."""
    words = {"any": list(Storage), "none": [Storage.NONE]}
    found: dict[Fact, str] = {}
    for mapping, storages, letters in rows(table):
        for storage in words.get(storages) or [Storage[word] for word in storages.split(", ")]:
            assert (Mapping[mapping], storage) not in found
            found[Mapping[mapping], storage] = letters
    return found


def by_storage(table: str) -> dict[Storage, str]:
    return {Storage[word]: letters for storages, letters in rows(table) for word in storages.split(", ")}


def new(flags: int) -> str:
    return " ".join(
        letter if flags & flag else "-"
        for letter, flag in zip("LZAO", (New.LOCAL, New.ZERO, New.ALLOC, New.OFFSET_VALID), strict=True)
    )


def old(flags: int) -> str:
    known = (Old.DATA, Old.ZERO, Old.OFFSET_VALID, Old.ALLOCATED, Old.COMPRESSED)
    assert not flags & ~sum(known), "an internal flag got out"
    return " ".join(letter if flags & flag else "-" for letter, flag in zip("DZOAC", known, strict=True))


def proposed(mapping: Mapping, storage: Storage, traits: Traits, mark: int = 0) -> str:
    return new(PROPOSED.answer(fact(mapping, storage) | mark, traits))


def historic(mapping: Mapping, storage: Storage, traits: Traits, mark: int = 0) -> str:
    return old(HISTORIC.answer(fact(mapping, storage) | mark, traits))


# ---------------------------------------------------------------- proposed, from facts to L Z A O

PLAIN_TABLE = by_fact("""
| NORMAL            | DATA, OPAQUE            | L - A O |
| NORMAL            | UNWRITTEN               | L Z A O |
| NORMAL            | HOLE, BEYOND_EOF        | L Z - O |
| NORMAL            | UNDEFINED               | L - - O |
| COMPRESSED        | any                     | L - A - |
| ZERO_PLAIN        | none                    | L Z - - |
| ZERO_ALLOC        | DATA, OPAQUE, UNDEFINED | L Z A - |
| ZERO_ALLOC        | UNWRITTEN               | L Z A O |
| ZERO_ALLOC        | HOLE, BEYOND_EOF        | L Z - O |
| UNALLOCATED_ALLOC | DATA, OPAQUE, UNDEFINED | - - A O |
| UNALLOCATED_ALLOC | UNWRITTEN               | - Z A O |
| UNALLOCATED_ALLOC | HOLE, BEYOND_EOF        | - - - - |
| UNALLOCATED       | none                    | - - - - |
| OPAQUE_DATA       | any                     | L - A - |
""")

ENCRYPTED_TABLE = by_fact("""
| NORMAL            | DATA, UNWRITTEN, OPAQUE                              | L - A - |
| NORMAL            | UNDEFINED                                            | L - - - |
| NORMAL            | HOLE, BEYOND_EOF                                     | L - - - |
| ZERO_ALLOC        | DATA, UNWRITTEN, OPAQUE, UNDEFINED                   | L Z A - |
| ZERO_ALLOC        | HOLE, BEYOND_EOF                                     | L Z - - |
| COMPRESSED        | any                                                  | L - A - |
| ZERO_PLAIN        | none                                                 | L Z - - |
| UNALLOCATED_ALLOC | DATA, UNWRITTEN, OPAQUE, UNDEFINED, HOLE, BEYOND_EOF | - - - - |
| UNALLOCATED       | none                                                 | - - - - |
| OPAQUE_DATA       | any                                                  | L - A - |
""")

END_OF_CHAIN = by_fact("""
| UNALLOCATED       | none                    | L Z - - |
| UNALLOCATED_ALLOC | DATA, OPAQUE, UNDEFINED | L Z A - |
| UNALLOCATED_ALLOC | UNWRITTEN               | L Z A O |
| UNALLOCATED_ALLOC | HOLE, BEYOND_EOF        | L Z - - |
""")

# Past the end, where nothing can be accessed, nobody asks: BEYOND_EOF is the tail of the last sector.
PROTOCOL_TABLE = by_storage("""
| DATA       | - - A O |
| HOLE       | - Z - O |
| UNWRITTEN  | - Z A O |
| UNDEFINED  | - - - O |
| OPAQUE     | - - A O |
| BEYOND_EOF | - Z - O |
""")


def test_the_transcription_is_complete():
    assert set(PLAIN_TABLE) >= set(FORMAT_FACTS)
    assert set(ENCRYPTED_TABLE) == set(PLAIN_TABLE)
    assert set(END_OF_CHAIN) == {pair for pair in FORMAT_FACTS if pair[0] in DEFERRING}
    assert set(PROTOCOL_TABLE) == set(STORED)


@pytest.mark.parametrize("traits", [QCOW2, PREALLOCATED, Traits("nbd"), Traits("null-co")])
def test_proposed_plain(traits: Traits):
    assert {pair: proposed(*pair, traits) for pair in PLAIN_TABLE} == PLAIN_TABLE


def test_proposed_encrypted():
    assert {pair: proposed(*pair, ENCRYPTED) for pair in ENCRYPTED_TABLE} == ENCRYPTED_TABLE


def test_proposed_at_the_end_of_the_chain():
    assert {pair: proposed(*pair, QCOW2, SYNTHESISED) for pair in END_OF_CHAIN} == END_OF_CHAIN


def test_proposed_at_the_end_of_the_chain_encrypted():
    found = {proposed(*pair, ENCRYPTED, SYNTHESISED) for pair in END_OF_CHAIN}
    assert found == {"L Z - -"}


@pytest.mark.parametrize("driver", ["file", "host_device", "null-co", "nbd"])
def test_proposed_protocol(driver: str):
    traits = Traits(driver, is_protocol=True)
    found = {storage: proposed(Mapping.PASSTHROUGH, storage, traits) for storage in STORED}
    assert found == PROTOCOL_TABLE


def test_proposed_raw_is_local_and_says_what_the_protocol_layer_says():
    found = {storage: proposed(Mapping.PASSTHROUGH, storage, RAW) for storage in STORED}
    assert found == {storage: "L" + letters[1:] for storage, letters in PROTOCOL_TABLE.items()}


# ---------------------------------------------------------------- historic

DRIVER_ANSWERS = {
    Mapping.UNALLOCATED: "- - - - -",
    Mapping.UNALLOCATED_ALLOC: "- - O - -",
    Mapping.ZERO_PLAIN: "- Z - A -",
    Mapping.ZERO_ALLOC: "- Z O A -",
    Mapping.NORMAL: "D - O A -",
    Mapping.COMPRESSED: "D - - A C",
    Mapping.OPAQUE_DATA: "D - - A -",
}
"""What a format driver answers, and ALLOCATED by rule 3; storage does not come into it."""

FILE_ANSWERS = by_storage("""
| DATA, OPAQUE                | D - O A - |
| HOLE, UNWRITTEN, BEYOND_EOF | - Z O A - |
| UNDEFINED                   | - - O - - |
""")
"""Also null-co's: HOLE with read-zeroes, else UNDEFINED; and OPAQUE for a driver without block status."""

NBD_ANSWERS = FILE_ANSWERS | {Storage.UNWRITTEN: "D Z O A -", Storage.BEYOND_EOF: "- Z - A -"}
"""The tail of the last sector lies in no export, so QEMU gives it no offset."""


def test_historic_answers_of_a_format_driver():
    found = {pair: historic(*pair, QCOW2) for pair in FORMAT_FACTS}
    assert found == {(mapping, storage): DRIVER_ANSWERS[mapping] for mapping, storage in FORMAT_FACTS}


def test_encryption_drops_the_offset_everywhere():
    found = {pair: historic(*pair, ENCRYPTED) for pair in FORMAT_FACTS}
    assert found == {pair: DRIVER_ANSWERS[pair[0]].replace("O", "-") for pair in FORMAT_FACTS}


@pytest.mark.parametrize(
    ("driver", "answers"), [("file", FILE_ANSWERS), ("null-co", FILE_ANSWERS), ("nbd", NBD_ANSWERS)]
)
@pytest.mark.parametrize("is_protocol", [True, False], ids=["protocol", "raw"])
def test_historic_answers_of_a_protocol_driver_are_raw_s_too(
    driver: str, answers: dict[Storage, str], is_protocol: bool
):
    traits = Traits(driver, is_protocol=is_protocol)
    assert {storage: historic(Mapping.PASSTHROUGH, storage, traits) for storage in STORED} == answers


@pytest.mark.parametrize("storage", STORED)
def test_zeroes_at_the_end_of_the_chain_are_not_allocated(storage: Storage):
    assert historic(Mapping.UNALLOCATED, Storage.NONE, QCOW2, SYNTHESISED) == "- Z - - -"
    assert historic(Mapping.UNALLOCATED_ALLOC, storage, QCOW2, SYNTHESISED) == "- Z O - -"
    assert historic(Mapping.UNALLOCATED_ALLOC, storage, ENCRYPTED, SYNTHESISED) == "- Z - - -"


@pytest.mark.parametrize("driver", ["file", "nbd"])
def test_recurse_adds_zero_where_the_file_is_zero_or_at_its_end(driver: str):
    traits = Traits(driver, recurse=True)
    zero = {Storage.HOLE, Storage.UNWRITTEN, Storage.BEYOND_EOF}
    found = {storage: historic(Mapping.NORMAL, storage, traits) for storage in STORED}
    assert found == {storage: "D Z O A -" if storage in zero else "D - O A -" for storage in STORED}


def test_recurse_changes_nothing_but_plain_data():
    others = [pair for pair in FORMAT_FACTS if pair[0] is not Mapping.NORMAL]
    assert {pair: historic(*pair, PREALLOCATED) for pair in others} == {
        pair: DRIVER_ANSWERS[pair[0]] for pair in others
    }


def test_recurse_is_not_asked_of_an_encrypted_image():
    both = Traits("file", encrypted=True, recurse=True)
    assert {historic(Mapping.NORMAL, storage, both) for storage in STORED} == {"D - - A -"}


def test_the_bits_have_qemu_s_values():
    values = {flag.name: flag.value for flag in Old}
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

HISTORIC_WORDS = rows("""
| D Z O | reads as zero, and the returned file is zero at the offset |
| D - O | reads as the data in the file at the offset |
| - Z O | preallocated, reads as zero, the file need not be zero at the offset |
| - - O | preallocated, but read from the backing layer; garbage in the file at the offset |
| D Z - | preallocated, reads as zero, offset unknown |
| D - - | read from an unknown file or offset (compressed, encrypted) |
| - Z - | not allocated or offset unknown, reads as zero |
| - - - | not allocated or offset unknown, read from the backing layer |
""")

FORMAT_WORDS = rows("""
| L Z A O | reads as zero; the file is zero at the offset, storage reserved |
| L - A O | reads as the data at the offset |
| L Z - O | reads as zero; the file has a hole at the offset |
| L - - O | preallocated at the offset but reads as garbage: bug? |
| L Z A - | reads as zero; storage exists but at no usable offset |
| L - A - | reads as data at no usable offset (compressed, encrypted) |
| L Z - - | reads as zero; nothing stored |
| L - - - | preallocated, no known offset: bug? |
| - Z A O | deferred to the backing layer; allocated zeroes are reserved at the offset |
| - - A O | deferred to the backing layer; reserved at the offset |
| - Z - O | bug |
| - - - O | bug |
| - Z A - | bug |
| - - A - | bug |
| - Z - - | bug |
| - - - - | deferred to the backing layer |
""")

PROTOCOL_WORDS = rows("""
| - Z A O | reads as zero, storage at the offset |
| - - A O | reads as data, storage at the offset |
| - Z - O | reads as zero, a hole at the offset |
| - - - O | bug? |
| - Z A - | reads as zero, storage at an unknown offset |
| - - A - | reads as data at an unknown offset |
| - Z - - | reads as zero, a hole, unknown offset |
| - - - - | cannot be accessed |
""")


def test_the_historic_truth_table():
    for table in (HISTORIC.format_rows, HISTORIC.protocol_rows):
        assert [(old(row.flags)[:5], row.words) for row in table] == HISTORIC_WORDS
        assert not any(row.is_bug for row in table)


@pytest.mark.parametrize(
    ("table", "words"),
    [(PROPOSED.format_rows, FORMAT_WORDS), (PROPOSED.protocol_rows, PROTOCOL_WORDS)],
    ids=["format", "protocol"],
)
def test_the_proposed_truth_tables(table, words):
    assert [(new(row.flags), row.words) for row in table] == words
    assert [row.is_bug for row in table] == ["bug" in said for _, said in words]


def test_the_facts_that_land_in_a_bug_row_are_those_of_the_specification():
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


def test_letters_are_those_of_the_specification():
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
