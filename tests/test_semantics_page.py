"""The page of semantics: each row of its tables is what the program says, and none is missing on either side.

What QEMU was observed to do is held against its recorded answers, never against ours.
"""

from __future__ import annotations

import json
import re
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from oracle import run
from recipe import create, io
from recipes import RECIPES
from refusals import REFUSALS
from servers import qemu_nbd
from sparse import restore

from blockstrata.facts.codes import (
    DEFERRING,
    SYNTHESISED,
    Mapping,
    Storage,
    Traits,
    fact,
    is_code,
    mapping_of,
)
from blockstrata.formats.qemu.map import read_map
from blockstrata.protocols.nbd.node import STORAGES
from blockstrata.semantics import HISTORIC, PROPOSED, SEMANTICS, SWITCH, by_name, historic, nbd, proposed
from blockstrata.semantics.audit import FINDINGS, QUESTIONS, Verdict, judge, read_as_proposed
from blockstrata.semantics.historic import driver_answer
from blockstrata.semantics.nbd import WIRES

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "semantics.md").read_text("utf-8")

QCOW2, ENCRYPTED = Traits("file"), Traits("file", encrypted=True)
PREALLOCATED = Traits("file", recurse=True)
OTHER_DRIVERS = ("file", "host_device", "null-co", "null-aio")
STORED = [storage for storage in Storage if storage is not Storage.NONE]
HOSTED = (Mapping.NORMAL, Mapping.ZERO_ALLOC, Mapping.UNALLOCATED_ALLOC)
UNHOSTED = (Mapping.UNALLOCATED, Mapping.ZERO_PLAIN, Mapping.COMPRESSED, Mapping.OPAQUE_DATA)
FORMAT_FACTS = {*product(HOSTED, STORED), *((mapping, Storage.NONE) for mapping in UNHOSTED)}
"""Every fact that a format driver with tables of its own can state."""
YES_NO = {True: "yes", False: "no"}

Row = dict[str, str]


def section(heading: str) -> str:
    """Return what stands under a heading, up to the next one of any rank."""
    parts = re.split(rf"^#+ {re.escape(heading)}$", PAGE, flags=re.MULTILINE)
    assert len(parts) == 2, f"{len(parts) - 1} headings '{heading}'"
    return re.split(r"^#+ ", parts[1], maxsplit=1, flags=re.MULTILINE)[0]


def table(heading: str, nth: int = 0) -> list[Row]:
    """Return the rows of a table under a heading, cells by column; letters without their backticks."""
    blocks = re.findall(r"(?:^\|.*\n?)+", section(heading), re.MULTILINE)
    head, rule, *rows = [
        [cell.strip().strip("`") for cell in line.split("|")[1:-1]] for line in blocks[nth].splitlines()
    ]
    assert set(rule) == {"---"}
    return [dict(zip(head, row, strict=True)) for row in rows]


def by(rows: list[Row], *keys: str) -> dict[str, Row]:
    """Return rows by a column, or several in a tuple; no two may be of one key."""
    found = {row[keys[0]] if len(keys) == 1 else tuple(row[key] for key in keys): row for row in rows}
    assert len(found) == len(rows)
    return found


def by_fact(heading: str, column: str = "flags") -> dict[tuple[Mapping, Storage], str]:
    """Return the letters in a column by mapping and storage, of which a row may name several."""
    pairs = [
        ((Mapping[row["mapping"]], Storage[word]), row[column])
        for row in table(heading)
        for word in row["storage"].split(", ")
    ]
    assert len(dict(pairs)) == len(pairs), f"{heading}: a fact stands in two rows"
    return dict(pairs)


def by_storage(heading: str, column: str) -> dict[Storage, str]:
    return {Storage[word]: row[column] for word, row in by(table(heading), "storage").items()}


def new(pair: tuple[Mapping, Storage], traits: Traits, mark: int = 0) -> str:
    flags = PROPOSED.answer(fact(*pair) | mark, traits)
    return PROPOSED.letters(flags, is_protocol=traits.is_protocol)


def old(pair: tuple[Mapping, Storage], traits: Traits, mark: int = 0) -> str:
    return HISTORIC.letters(HISTORIC.answer(fact(*pair) | mark, traits))


def is_allocated(pair: tuple[Mapping, Storage], traits: Traits, mark: int = 0) -> str:
    return YES_NO[bool(HISTORIC.answer(fact(*pair) | mark, traits) & historic.Flag.ALLOCATED)]


def of_protocol(storage: Storage) -> tuple[Mapping, Storage]:
    return Mapping.PASSTHROUGH, storage


# ---------------------------------------------------------------- what the page is made of


def test_headings_are_unique():
    headings = re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    assert len(headings) == len(set(headings)) > 30


def test_who_refers_to_a_heading_finds_it():
    headings = set(re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE))
    referred = set()
    for folder in ("core", "viewer", "tests", "docs", "benchmarks"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".md", ".tcss") and path != Path(__file__):
                text = re.sub(r"\s*\n[ \t]*(?:# )?", " ", path.read_text("utf-8"))
                for named in re.findall(r"docs/semantics\.md, ((?:\"[^\"]+\"(?:, | and )?)+)", text):
                    referred |= set(re.findall(r"\"([^\"]+)\"", named))
    assert "RECURSE" in referred
    assert referred <= headings


def test_files_and_tests_that_are_named_are_there():
    named = re.findall(r"`(tests/[^`:]*)(?:::(\w+))?`", PAGE)
    assert len(named) > 20
    for path, name in named:
        assert (ROOT / path).exists(), path
        text = (ROOT / path).read_text("utf-8")
        assert not name or re.search(rf"^(?:async )?def {name}\(", text, re.MULTILINE), f"{path}::{name}"


def test_recipes_that_are_named_are_there():
    """Every span of words joined by hyphens is one, or one of those that QEMU refuses."""
    spans = set(re.findall(r"`([a-z0-9.]+(?:-[a-z0-9.]+)+)`", PAGE)) - {"read-zeroes"}
    assert len(spans) > 50
    assert spans <= {*RECIPES, *REFUSALS}


def test_how_to_read_the_tables():
    rows = by(table("How to read the tables"), "semantics")
    assert set(rows) == {*(semantics.name for semantics in SEMANTICS), *(wire.switch for wire in SWITCH[2:])}
    for name, row in rows.items():
        semantics = by_name(name)
        for column, is_protocol in (("format layer", False), ("protocol layer", True)):
            shown = semantics.lettered(is_protocol=is_protocol)
            assert row[column] == "".join(each.letter for each in shown)
        assert row["flags"] == ", ".join(each.name for each in semantics.all_letters)


# ---------------------------------------------------------------- facts


def test_mappings():
    rows = table("Mapping")
    assert [row["mapping"] for row in rows] == [mapping.name for mapping in Mapping]
    assert {row["mapping"] for row in rows if row["defers"] == "yes"} == {each.name for each in DEFERRING}
    hosted = {row["mapping"] for row in rows if row["host offset"] == "yes"}
    assert hosted == {each.name for each in (*HOSTED, Mapping.PASSTHROUGH)}
    assert {row[column] for row in rows for column in ("defers", "host offset")} == {"yes", "no"}


def test_storages():
    assert {row["storage"] for row in table("Storage")} == {storage.name for storage in Storage}
    assert len(table("Storage")) == len(Storage)


def test_facts_from_a_map():
    """Each combination of keys is in one row, and is read as that row says."""
    keys = ("present", "zero", "data", "compressed")
    rows = table("Facts from qemu-img map")
    used = set()
    for values in product((True, False), repeat=5):
        fits = [
            at
            for at, row in enumerate(rows)
            if all(
                row[key] in ("any", YES_NO[value])
                for key, value in zip((*keys, "offset"), values, strict=True)
            )
        ]
        assert len(fits) == 1, values
        used.add(fits[0])
        entry = {"start": 0, "length": 512, "depth": 0, **dict(zip(keys, values, strict=False))}
        if values[-1]:
            entry["offset"] = 0
        found = read_map([json.dumps([entry]).encode()], 512, "x").extents
        assert mapping_of(int(found.facts[0])).name == rows[fits[0]]["mapping"]
    assert used == set(range(len(rows)))


# ---------------------------------------------------------------- historic


def test_the_meaning_of_historic_flags():
    rows = [(row["flags"], row["meaning"]) for row in table("The meaning of D, Z and O")]
    assert rows == [(HISTORIC.letters(row.flags), row.words) for row in HISTORIC.format_rows]
    assert HISTORIC.protocol_rows == HISTORIC.format_rows


def test_answers_of_format_drivers():
    rows = by(table("Answers of format drivers"), "mapping")
    assert set(rows) == {each.name for each in Mapping} - {"INVALID", "UNREAD"}
    shown = sum(letter.flag for letter in HISTORIC.all_letters)
    for name, row in rows.items():
        mapping = Mapping[name]
        flags = driver_answer(mapping, PREALLOCATED)
        assert row["answers"] == HISTORIC.letters(flags)
        assert row["also set"] == ", ".join(each.name for each in historic.Flag(flags & ~shown))
        if mapping is Mapping.PASSTHROUGH:
            assert (row["encrypted"], row["ALLOCATED"]) == ("", "as the child")
            continue
        both = Traits("file", encrypted=True, recurse=True)
        assert row["encrypted"] == HISTORIC.letters(driver_answer(mapping, both))
        assert not driver_answer(mapping, both) & historic.Flag.RECURSE
        for storage in STORED if mapping in HOSTED else [Storage.NONE]:
            assert row["answers"] == old((mapping, storage), QCOW2)
            assert row["encrypted"] == old((mapping, storage), both)
            for traits in (QCOW2, both):
                assert row["ALLOCATED"] == is_allocated((mapping, storage), traits)


def test_answers_of_protocol_drivers():
    heading = "Answers of protocol drivers"
    for drivers, column in ((("nbd",), "nbd"), (OTHER_DRIVERS, "every other driver")):
        letters = by_storage(heading, column)
        for driver, is_protocol in product(drivers, (True, False)):
            traits = Traits(driver, is_protocol=is_protocol)
            assert letters == {storage: old(of_protocol(storage), traits) for storage in STORED}
            for storage, said in letters.items():
                assert is_allocated(of_protocol(storage), traits) == YES_NO["D" in said or "Z" in said]
    assert set(table(heading)[0]) == {"storage", "nbd", "every other driver"}


def test_zeroes_that_the_block_layer_synthesises():
    rows = by(table("Rules of the block layer"), "mapping")
    assert set(rows) == {mapping.name for mapping in DEFERRING}
    for name, row in rows.items():
        for storage in STORED if Mapping[name] in HOSTED else [Storage.NONE]:
            pair = Mapping[name], storage
            assert row["answers"] == old(pair, QCOW2, SYNTHESISED)
            assert row["encrypted"] == old(pair, ENCRYPTED, SYNTHESISED)
            assert row["ALLOCATED"] == is_allocated(pair, QCOW2, SYNTHESISED)


def test_recurse():
    letters = by_storage("RECURSE", "NORMAL")
    assert letters == {storage: old((Mapping.NORMAL, storage), PREALLOCATED) for storage in STORED}


def test_keys_of_the_map():
    rows = [(row["key"], row["says"]) for row in table("qemu-img map")]
    assert rows == [(column.key, historic.Flag(column.flag).name) for column in HISTORIC.columns]


# ---------------------------------------------------------------- proposed


def test_the_proposed_flags():
    rows = [(row["flag"], row["letter"]) for row in table("Proposed semantics")]
    assert rows == [(letter.name, letter.letter) for letter in PROPOSED.all_letters]


@pytest.mark.parametrize(
    ("heading", "is_protocol", "many"), [("Format layers", False, 16), ("Protocol layers", True, 8)]
)
def test_the_proposed_rows(heading, is_protocol, many):
    rows = [(row["flags"], row["meaning"]) for row in table(heading)]
    truth = PROPOSED.protocol_rows if is_protocol else PROPOSED.format_rows
    assert rows == [(PROPOSED.letters(row.flags, is_protocol=is_protocol), row.words) for row in truth]
    assert len(set(rows)) == many
    assert [row.is_bug for row in truth] == ["bug" in meaning for _, meaning in rows]


def test_derivation_for_protocol_layers_and_raw():
    heading = "Derivation for protocol layers and raw"
    for driver in (*OTHER_DRIVERS, "nbd"):
        for column, is_protocol in (("protocol layer", True), ("raw", False)):
            traits = Traits(driver, is_protocol=is_protocol)
            letters = by_storage(heading, column)
            assert letters == {storage: new(of_protocol(storage), traits) for storage in STORED}


@pytest.mark.parametrize(
    ("heading", "traits"),
    [("Derivation for format layers", QCOW2), ("Derivation for encrypted layers", ENCRYPTED)],
)
def test_derivation_for_format_layers(heading, traits):
    assert by_fact(heading) == {pair: new(pair, traits) for pair in FORMAT_FACTS}


def test_derivation_at_the_end_of_the_chain():
    deferring = {pair for pair in FORMAT_FACTS if pair[0] in DEFERRING}
    for column, traits in (("flags", QCOW2), ("encrypted", ENCRYPTED)):
        letters = by_fact("Derivation at the end of the chain", column)
        assert letters == {pair: new(pair, traits, SYNTHESISED) for pair in deferring}


# ---------------------------------------------------------------- nbd


def wire_letters(bits: int) -> str:
    return nbd.NBD_6_0.letters(bits)


def test_the_bits_of_the_wire():
    rows = table("base:allocation")
    assert [(row["wire"], row["meaning"]) for row in rows] == [
        (wire_letters(row.flags), row.words) for row in nbd.ROWS
    ]
    assert {row["wire"]: row["storage"] for row in rows} == {
        wire_letters(bits): storage.name for bits, storage in enumerate(STORAGES)
    }


@cache
def every_case() -> list[tuple[int, Traits]]:
    """Return every fact that a server can be asked of, and every kind of layer."""
    kinds = [QCOW2, ENCRYPTED, PREALLOCATED, Traits("nbd"), Traits("file", is_protocol=True)]
    skipped = (Mapping.INVALID, Mapping.UNREAD)
    codes = [code for code in range(256) if is_code(code) and mapping_of(code) not in skipped]
    return list(product(codes, kinds))


def test_servers():
    rows = by(table("Server"), "wire")
    assert list(rows) == [wire.server.name for wire in WIRES]
    for wire in WIRES:
        row = rows[wire.server.name]
        assert wire.rule == f"HOLE unless {row['HOLE unless']}, ZERO if {row['ZERO if']}"
        flags = historic.Flag if wire.base is HISTORIC else proposed.Flag
        for code, traits in every_case():
            means, said = wire.base.answer(code, traits), wire.server.answer(code, traits)
            assert bool(said & nbd.Flag.HOLE) != bool(means & flags[row["HOLE unless"]])
            assert bool(said & nbd.Flag.ZERO) == bool(means & flags[row["ZERO if"]])
    titles = [f"NBD of {row['used by']}" for row in rows.values()]
    assert titles == [*(wire.server.title for wire in WIRES[:2]), "NBD of nobody"]


def test_clients_of_the_wire():
    rows = by(table("Client"), "wire")
    assert list(rows) == [wire_letters(bits) for bits in range(4)]
    for bits in range(4):
        concluded = {wire.server.name: wire.base.letters(wire.concludes[bits]) for wire in WIRES}
        assert rows[wire_letters(bits)] == {"wire": wire_letters(bits), **concluded}


def test_what_a_round_trip_compares():
    rows = by(table("Round trip"), "wire")
    assert list(rows) == [wire.server.name for wire in WIRES]
    for wire in WIRES:
        row = rows[wire.server.name]
        flags = historic.Flag if wire.base is HISTORIC else proposed.Flag
        assert row["flags at both ends"] == wire.base.name
        assert sum(flags[name] for name in row["compared"].split(", ")) == wire.compared


# ---------------------------------------------------------------- audit


def test_letter_by_letter():
    rows = by(table("Letter by letter"), "today")
    assert set(rows) == {"DATA", "ZERO", "OFFSET_VALID", "ALLOCATED"}
    for code, traits in every_case():
        today = historic.Flag(HISTORIC.answer(code, traits))
        expected = proposed.NOTHING
        for name, row in rows.items():
            if historic.Flag[name] in today and not (traits.is_protocol and name == "ALLOCATED"):
                expected |= proposed.Flag[row["read as"]]
        assert int(read_as_proposed(traits)[code]) == expected


def test_classes():
    rows = by(table("Classes"), "verdict")
    assert set(rows) == {verdict.name for verdict in Verdict}
    for name, row in rows.items():
        verdict = Verdict[name]
        assert row["finding"] == YES_NO[verdict in FINDINGS]
        assert row["class"] == (str(int(verdict)) if verdict in FINDINGS else "")


def test_how_some_answers_are_judged():
    rows = table("Classes", 1)
    by(rows, "layer", "fact")
    for row in rows:
        what, *marks = row["fact"].split(", ")
        words = what.split(" on ")
        is_protocol = len(words) == 1
        pair = of_protocol(Storage[words[0]]) if is_protocol else (Mapping[words[0]], Storage[words[1]])
        driver = row["layer"] if is_protocol else "file"
        assert driver in (*OTHER_DRIVERS, "nbd")
        traits = Traits(driver, is_protocol=is_protocol, recurse="preallocated" in marks)
        found = judge(fact(*pair) | ("end" in marks) * SYNTHESISED, traits)
        said = (found.today, found.reading, found.derived, found.verdict.name)
        assert said == (row["today"], row["read as"], row["derived"], row["verdict"]), row
        assert set(marks) <= {"end", "preallocated"}
        assert is_protocol or row["layer"] == "qcow2"
    assert {row["verdict"] for row in rows} == {verdict.name for verdict in Verdict}


def test_who_asks_for_which_flag():
    found = [tuple(row.values()) for row in table("Clients")]
    assert found == [
        (each.client, each.asks, each.today.name, each.proposed.name, "layer" if each.of_layer else "chain")
        for each in QUESTIONS
    ]


# ---------------------------------------------------------------- what QEMU was observed to do


def golden(recipe: str) -> dict:
    return json.loads((ROOT / "tests" / "golden" / f"{recipe}.json").read_text("utf-8"))


def test_maps():
    found: dict[str, list[dict]] = {}
    for row in table("Maps"):
        entry = {key: int(row[key]) for key in ("start", "length", "depth")}
        entry |= {key: {"yes": True, "no": False}[row[key]] for key in ("present", "zero", "data")}
        if row["offset"]:
            entry["offset"] = int(row["offset"])
        found.setdefault(row["recipe"], []).append(entry)
    assert len(found) > 10
    for recipe, entries in found.items():
        assert golden(recipe)["answers"][0]["entries"] == entries, recipe


def references(image: bytes, cluster: int) -> int:
    """Return how many refcounts of 16 bits are not 0, of the clusters that a file has."""
    assert int.from_bytes(image[96:100], "big") == 4
    at = int.from_bytes(image[48:56], "big")
    blocks = np.frombuffer(image[at : at + cluster], ">u8")
    counts = [np.frombuffer(image[each : each + cluster], ">u2") for each in blocks[blocks != 0].tolist()]
    return int(np.count_nonzero(np.concatenate(counts)[: -(-len(image) // cluster)]))


def test_where_recurse_begins(tmp_path):
    rows = by(table("Where RECURSE begins"), "recipe")
    assert {row["RECURSE"] for row in rows.values()} == {"on", "off"}
    formula = re.search(r"max\(r \* (\d+) / (\d+), r \+ (\d+)\)", section("RECURSE"))
    by_ten, ninth, least = map(int, formula.groups())
    for recipe, row in rows.items():
        recorded = golden(recipe)
        cluster, stored = int(row["cluster size"]), recorded["files"][row["file"]]
        restore(tmp_path / recipe, stored)
        image = (tmp_path / recipe).read_bytes()
        assert cluster == 1 << int.from_bytes(image[20:24], "big")
        real, counted = stored["storage"] // cluster, references(image, cluster)
        assert (real, counted) == (int(row["stored"]), int(row["references"])), recipe
        entries = recorded["answers"][0]["entries"]
        is_on = any(entry["zero"] and entry["data"] for entry in entries)
        assert row["RECURSE"] == ("on" if is_on else "off"), recipe
        assert is_on == (counted >= max(real * by_ten // ninth, real + least)), recipe


def test_names_and_formats():
    for row in by(table("Names and formats"), "rule").values():
        assert {name.strip("`") for name in row["shown by"].split(", ")} <= {*RECIPES, *REFUSALS}


def test_what_is_coped_with():
    rows = by(table("Coped with"), "recipe")
    assert len(rows) >= 13
    for recipe in rows:
        assert golden(recipe)["answers"][0]["entries"]


def test_what_is_refused():
    rows = by(table("Refused"), "refusal")
    assert {row["QEMU"] for row in rows.values()} == {"refuses", "never ends"}
    for name, row in rows.items():
        assert row["QEMU"] == ("never ends" if REFUSALS[name].hangs else "refuses")


@pytest.mark.live("qemu-img", "qemu-io")
def test_the_human_table_of_qemu_img(tmp_path):
    """Data that is not zero is listed; at data without an offset it fails, after what came before."""
    for command in (
        create("top.qcow2", "1M"),
        io("top.qcow2", "write -z 0 64k", "write 64k 64k", "write -c 128k 64k", "write 192k 64k"),
    ):
        assert run("sh", "-c", command, cwd=tmp_path).returncode == 0
    done = run("qemu-img", "map", "top.qcow2", cwd=tmp_path)
    assert done.returncode == 1
    assert [line.split()[:2] for line in done.stdout.splitlines()[1:]] == [["0x10000", "0x10000"]]
    assert "compressed" in done.stderr


@pytest.mark.live("qemu-img", "qemu-io", "qemu-nbd", "nbdinfo")
def test_allocation_depth_past_a_short_backing_file(tmp_path):
    """Past the short layer's end qemu-img names the layer above it, and the server the short one itself."""
    for command in (
        create("a.qcow2", "1M"),
        create("b.qcow2", "2M", "a.qcow2"),
        create("top.qcow2", "3M", "b.qcow2"),
        io("a.qcow2", "write 0 64k"),
    ):
        assert run("sh", "-c", command, cwd=tmp_path).returncode == 0
    theirs = json.loads(run("qemu-img", "map", "--output=json", "top.qcow2", cwd=tmp_path).stdout)
    assert [(entry["depth"], entry["present"]) for entry in theirs] == [
        (2, True),
        (2, False),
        (1, False),
        (0, False),
    ]
    with qemu_nbd(tmp_path, "-f", "qcow2", "-A", "top.qcow2") as uri:
        done = run("nbdinfo", "--map=qemu:allocation-depth", "--json", uri, cwd=tmp_path)
    assert [(entry["offset"], entry["type"]) for entry in json.loads(done.stdout)] == [
        (0, 3),
        (64 << 10, 0),
        (1 << 20, 3),
        (2 << 20, 2),
    ]
