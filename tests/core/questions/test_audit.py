"""The audit against the facts that docs/semantics.md, "Classes" names, and what clients conclude."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from blockstrata.facts.codes import SYNTHESISED, Mapping, Storage, Traits, fact
from blockstrata.formats.qcow2.author import (
    Compressed,
    Data,
    Image,
    Preallocated,
    ZeroAlloc,
    ZeroPlain,
    write_image,
    write_raw,
)
from blockstrata.graph.chain import open_chain
from blockstrata.questions.audit import audit, conclusions
from blockstrata.semantics.audit import Verdict, judge
from blockstrata.semantics.historic import Flag as Old

QCOW2, PREALLOCATED = Traits("file"), Traits("file", recurse=True)
RAW_NULL = Traits("null-co")

VERDICTS = [
    # mapping, storage, mark, traits: verdict, today, read as, derived
    (Mapping.UNALLOCATED, Storage.NONE, SYNTHESISED, QCOW2, Verdict.BUG_ROW, "·Z·", "·Z··", "LZ··"),
    (Mapping.UNALLOCATED_ALLOC, Storage.DATA, 0, QCOW2, Verdict.BUG_ROW, "··O", "···O", "··AO"),
    (Mapping.PASSTHROUGH, Storage.UNDEFINED, 0, RAW_NULL, Verdict.BUG_ROW, "··O", "···O", "L··O"),
    (Mapping.NORMAL, Storage.HOLE, 0, PREALLOCATED, Verdict.MISSTATEMENT, "DZO", "LZAO", "LZ·O"),
    (Mapping.NORMAL, Storage.HOLE, 0, QCOW2, Verdict.MISSTATEMENT, "D·O", "L·AO", "LZ·O"),
    (Mapping.ZERO_ALLOC, Storage.DATA, 0, QCOW2, Verdict.MISSTATEMENT, "·ZO", "LZ·O", "LZA·"),
    (Mapping.ZERO_ALLOC, Storage.HOLE, 0, QCOW2, Verdict.SOUND, "·ZO", "LZ·O", "LZ·O"),
    (Mapping.NORMAL, Storage.DATA, 0, QCOW2, Verdict.SOUND, "D·O", "L·AO", "L·AO"),
    (Mapping.COMPRESSED, Storage.NONE, 0, QCOW2, Verdict.SOUND, "D··", "L·A·", "L·A·"),
    (Mapping.ZERO_PLAIN, Storage.NONE, 0, QCOW2, Verdict.SOUND, "·Z·", "LZ··", "LZ··"),
    (Mapping.UNALLOCATED, Storage.NONE, 0, QCOW2, Verdict.SOUND, "···", "····", "····"),
    (Mapping.INVALID, Storage.NONE, 0, QCOW2, Verdict.SOUND, "···", "····", "····"),
]

PROTOCOLS = [
    ("file", Storage.DATA, Verdict.SOUND, "D·O", "·AO", "·AO"),
    ("file", Storage.HOLE, Verdict.QUESTION, "·ZO", "Z·O", "Z·O"),
    ("file", Storage.BEYOND_EOF, Verdict.SOUND, "·ZO", "Z·O", "Z·O"),
    ("file", Storage.UNWRITTEN, Verdict.MISSTATEMENT, "·ZO", "Z·O", "ZAO"),
    ("host_device", Storage.OPAQUE, Verdict.SOUND, "D·O", "·AO", "·AO"),
    ("null-co", Storage.UNDEFINED, Verdict.BUG_ROW, "··O", "··O", "··O"),
    ("null-co", Storage.HOLE, Verdict.OFFSET_WITHOUT_DATA, "·ZO", "Z·O", "Z·O"),
    ("nbd", Storage.HOLE, Verdict.OFFSET_WITHOUT_DATA, "·ZO", "Z·O", "Z·O"),
    ("nbd", Storage.UNDEFINED, Verdict.BUG_ROW, "··O", "··O", "··O"),
    ("nbd", Storage.UNWRITTEN, Verdict.SOUND, "DZO", "ZAO", "ZAO"),
]


@pytest.mark.parametrize("row", VERDICTS, ids=lambda row: f"{row[0].name}-{row[1].name}-{row[4].name}")
def test_verdict_on_a_format_layer(row):
    mapping, storage, mark, traits, *expected = row
    found = judge(fact(mapping, storage) | mark, traits)
    assert [found.verdict, found.today, found.reading, found.derived] == expected
    assert found.why


@pytest.mark.parametrize("row", PROTOCOLS, ids=lambda row: f"{row[0]}-{row[1].name}")
def test_verdict_on_a_protocol_layer(row):
    driver, storage, *expected = row
    found = judge(fact(Mapping.PASSTHROUGH, storage), Traits(driver, is_protocol=True))
    assert [found.verdict, found.today, found.reading, found.derived] == expected


def found_in(chain):
    return [
        (judged.depth, judged.driver, judgement.verdict, judgement.today, runs, size)
        for judged in audit(chain)
        for judgement, runs, size in judged.totals()
    ]


def test_an_untouched_image_is_the_source_s_own_case(tmp_path):
    write_image(tmp_path / "top", Image(1 << 20), {})
    with open_chain(str(tmp_path / "top")) as chain:
        assert found_in(chain) == [(0, "qcow2", Verdict.BUG_ROW, "·Z·", 1, 1 << 20)]
        assert sum(judged.findings for judged in audit(chain)) == 1


def test_a_chain_is_audited_layer_by_layer_as_it_stands(tmp_path):
    cluster = 1 << 16
    write_raw(tmp_path / "base", 4 * cluster, [(0, b"x" * cluster)])
    top = Image(8 * cluster, backing="base", backing_format="raw")
    write_image(tmp_path / "top", top, {0: ZeroAlloc(b"z"), 1: Data(b"d"), 2: ZeroPlain()})
    with open_chain(str(tmp_path / "top")) as chain:
        assert found_in(chain) == [
            (0, "qcow2", Verdict.BUG_ROW, "·Z·", 1, 4 * cluster),
            (0, "qcow2", Verdict.MISSTATEMENT, "·ZO", 1, cluster),
            (1, "file", Verdict.QUESTION, "·ZO", 1, 3 * cluster),
        ]
        bug = audit(chain)[0]
        assert (bug.start.tolist(), bug.length.tolist()) == ([0, 4 * cluster], [cluster, 4 * cluster])
        # the question about the file's hole is no finding
        assert [judged.findings for judged in audit(chain)] == [2, 0, 0, 0]


def test_the_null_driver():
    with open_chain("null-co://") as chain:
        assert found_in(chain) == [
            (0, "raw", Verdict.BUG_ROW, "··O", 1, 1 << 30),
            (0, "null-co", Verdict.BUG_ROW, "··O", 1, 1 << 30),
        ]
    zeroes = "json:" + json.dumps({"driver": "null-co", "size": 1000, "read-zeroes": True})
    with open_chain(zeroes) as chain:
        assert found_in(chain) == [(0, "null-co", Verdict.OFFSET_WITHOUT_DATA, "·ZO", 1, 1024)]


def test_a_data_file_is_a_protocol_layer_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "top", Image(1 << 20, data_file="data"), {0: Data(b"x"), 1: Preallocated()})
    with open_chain("top") as chain:
        assert [(judged.driver, judged.name) for judged in audit(chain)] == [
            ("qcow2", "top"),
            ("file", "top"),
            ("file", "data"),
        ]


def test_each_file_is_judged_below_a_slice_too(tmp_path):
    write_raw(tmp_path / "base", 1 << 16, [])
    name = json.dumps(
        {"driver": "raw", "offset": 512, "file": {"driver": "file", "filename": f"{tmp_path}/base"}}
    )
    write_image(tmp_path / "top", Image(1 << 16, backing=f"json:{name}"), {})
    with open_chain(str(tmp_path / "top")) as chain:
        assert [judged.driver for judged in audit(chain)] == ["qcow2", "file", "raw", "file"]


def test_a_file_that_two_layers_stand_on_is_judged_once(tmp_path):
    """An image whose backing file is the image itself, byte for byte."""
    write_image(tmp_path / "top", Image(1 << 16, backing="top", backing_format="raw"), {})
    with open_chain(str(tmp_path / "top")) as chain:
        assert [judged.driver for judged in audit(chain)] == ["qcow2", "file", "raw"]


def test_what_cannot_be_read_is_not_judged(tmp_path):
    write_image(tmp_path / "top", replace(Image(1 << 16), backing="gone", backing_format="raw"), {})
    with open_chain(str(tmp_path / "top")) as chain:
        assert [judged.driver for judged in audit(chain)] == ["qcow2", "file"]


def test_what_clients_conclude(tmp_path):
    cluster = 1 << 16
    write_image(
        tmp_path / "base", Image(8 * cluster), {0: Data(b"d"), 1: ZeroAlloc(b"z"), 2: Compressed(b"c")}
    )
    top = Image(8 * cluster, backing="base", backing_format="qcow2")
    write_image(tmp_path / "top", top, {3: ZeroPlain()})
    with open_chain(str(tmp_path / "top")) as chain:
        found = {(each.question.client, each.question.today): each for each in conclusions(chain)}
    local = found["commit, stream, rebase, COR", Old.ALLOCATED]
    assert (local.today, local.proposed, local.differing) == (cluster, cluster, 0)
    compare = found["qemu-img compare", Old.ALLOCATED]
    assert (compare.today, compare.proposed, compare.differing) == (4 * cluster, 8 * cluster, 4 * cluster)
    assert compare.start.tolist() == [4 * cluster]
    assert not compare.yes_today.any()
    convert = found["qemu-img convert, map", Old.DATA]
    assert (convert.today, convert.proposed) == (2 * cluster, 3 * cluster)
    assert (convert.start.tolist(), convert.length.tolist()) == ([cluster], [cluster])
    old_server = found["NBD server up to 5.2", Old.ALLOCATED]
    assert (old_server.today, old_server.proposed) == (4 * cluster, 3 * cluster)
    assert old_server.yes_today.tolist() == [True]
    assert all(each.length.dtype == np.int64 for each in found.values())
