"""A read followed down the layers: steps, rules, and what is stored where it ends."""

from __future__ import annotations

import pytest

from blockstrata.errors import BadRangeError
from blockstrata.formats.qcow2.author import (
    Compressed,
    Data,
    Image,
    Subclusters,
    ZeroAlloc,
    ZeroPlain,
    write_image,
    write_raw,
)
from blockstrata.graph.chain import open_chain
from blockstrata.questions.trace import STORED_BYTES, Rule, trace
from blockstrata.semantics.proposed import PROPOSED

CLUSTER = 64 << 10


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """Three layers: 8 clusters over 6 over 4."""
    directory = tmp_path_factory.mktemp("trace")
    write_raw(directory / "base.raw", 4 * CLUSTER, [(0, b"base" * 1024)])
    write_image(
        directory / "middle.qcow2",
        Image(6 * CLUSTER, backing="base.raw", backing_format="raw"),
        {1: Data(b"middle"), 2: Compressed(b"middle")},
    )
    write_image(
        directory / "top.qcow2",
        Image(8 * CLUSTER, extended_l2=True, backing="middle.qcow2", backing_format="qcow2"),
        {3: ZeroPlain(), 4: ZeroAlloc(b"old"), 5: Subclusters("D" * 8 + "U" * 24, b"top"), 6: Data(b"top")},
    )
    return str(directory / "top.qcow2")


@pytest.mark.parametrize(
    ("cluster", "into", "rules", "letters"),
    [
        (0, 0, [Rule.DEFERRED, Rule.DEFERRED, Rule.PASSTHROUGH], "L·AO"),
        (1, 7, [Rule.DEFERRED, Rule.DATA], "L·AO"),
        (2, 0, [Rule.DEFERRED, Rule.COMPRESSED], "L·A·"),
        (3, 0, [Rule.ZERO_PLAIN], "LZ··"),
        (4, 0, [Rule.ZERO_ALLOC], "LZA·"),
        (5, 0, [Rule.DATA], "L·AO"),
        (5, CLUSTER - 1, [Rule.DEFERRED_RESERVED, Rule.SHORT_BACKING], "LZ··"),
        (6, 0, [Rule.DATA], "L·AO"),
        (7, 0, [Rule.SHORT_BACKING], "LZ··"),
    ],
)
def test_rules(image, cluster, into, rules, letters):
    with open_chain(image) as chain:
        found = trace(chain, cluster * CLUSTER + into)
    assert [step.rule for step in found.steps] == rules
    assert [step.layer.depth for step in found.steps] == list(range(len(rules)))
    assert all(step.defers for step in found.steps[:-1])
    assert PROPOSED.letters(found.last.flags(PROPOSED)) == letters


def test_what_is_stored_is_the_file_s(image):
    with open_chain(image) as chain:
        for cluster, text in ((0, b"base"), (1, b"middle"), (6, b"top")):
            at = trace(chain, cluster * CLUSTER + 12)
            assert at.stored == (text * 10)[12 % len(text) :][:STORED_BYTES]
            with open(at.last.file.name, "rb") as file:
                file.seek(at.last.host)
                assert file.read(STORED_BYTES) == at.stored
        assert trace(chain, 2 * CLUSTER).stored is None  # compressed: nothing raw to show
        assert trace(chain, 7 * CLUSTER).last.host is None


def test_the_entry_is_the_cluster_s(image):
    with open_chain(image) as chain:
        first, second = trace(chain, CLUSTER + 9).steps
    assert (first.entry.l1_index, first.entry.l2_index, first.entry.entry) == (0, 1, 0)
    assert second.entry.entry & 0xFFFFFFFFFE00 == second.host - 9


def test_the_end_of_the_chain(tmp_path):
    write_image(tmp_path / "alone.qcow2", Image(2 * CLUSTER), {0: Data(b"x")})
    with open_chain(str(tmp_path / "alone.qcow2")) as chain:
        assert trace(chain, CLUSTER).last.rule is Rule.END_OF_CHAIN
        for past in (2 * CLUSTER, -1):
            what = f"offset: {past:#x} is not on the disk of {2 * CLUSTER:#x} bytes"
            with pytest.raises(BadRangeError, match=what):
                trace(chain, past)


def test_a_gap_and_a_corrupt_entry_break_off(tmp_path):
    write_image(
        tmp_path / "top.qcow2",
        Image(2 * CLUSTER, backing="gone.raw", backing_format="raw"),
        {0: Data(b"x")},
    )
    with open_chain(str(tmp_path / "top.qcow2")) as chain:
        at = trace(chain, 0)
        l2 = at.last.entry.l2_offset
        gone = trace(chain, CLUSTER).last
    assert gone.rule is Rule.INVALID
    assert "cannot be opened" in gone.fault
    with open(tmp_path / "top.qcow2", "r+b") as file:
        file.seek(l2)
        file.write((at.last.host + 512 | 1 << 63).to_bytes(8, "big"))
    with open_chain(str(tmp_path / "top.qcow2")) as chain:
        broken = trace(chain, 0).last
    assert (broken.rule, broken.layer.depth) == (Rule.INVALID, 0)
    assert "not aligned" in broken.fault


def test_raw_over_a_slice_counts_in_the_file(tmp_path):
    write_raw(tmp_path / "disk.raw", 4 * CLUSTER, [(0, bytes(range(256)) * 1024)])
    slice_of = f'"file":{{"driver":"file","filename":"{tmp_path}/disk.raw"}}'
    inner = f'{{"driver":"raw","offset":{CLUSTER},{slice_of}}}'
    with open_chain(f'json:{{"driver":"raw","offset":512,"file":{inner}}}') as chain:
        at = trace(chain, 3)
    assert at.last.host == CLUSTER + 512 + 3
    assert (at.last.file.driver, at.last.file.name) == ("file", f"{tmp_path}/disk.raw")
    assert at.stored == bytes(range(3, 19))


def test_qcow2_over_a_slice_counts_in_the_slice(tmp_path):
    write_image(tmp_path / "inner.qcow2", Image(2 * CLUSTER), {0: Data(b"stored here")})
    content = (tmp_path / "inner.qcow2").read_bytes()
    write_raw(tmp_path / "disk.raw", 512 + len(content), [(512, content)])
    slice_of = f'{{"driver":"raw","offset":512,"file":{{"driver":"file","filename":"{tmp_path}/disk.raw"}}}}'
    with open_chain(f'json:{{"driver":"qcow2","file":{slice_of}}}') as chain:
        at = trace(chain, 7)
        assert at.last.file.driver == "raw"
        assert at.stored[:4] == b"here"
        assert content[at.last.host :].startswith(b"here")
