"""The snapshot table against a writer of its own, and tables that are made to hurt."""

from __future__ import annotations

import json
import os
import struct
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from stored import Stored

from blockstrata import open_chain
from blockstrata.errors import BadImageError, BadReferenceError
from blockstrata.formats.qcow2.header import Header, read_header
from blockstrata.formats.qcow2.snapshots import Snapshot, find_snapshot, read_snapshots, require_usable
from blockstrata_viewer.cli.group import main

CLUSTER = 1 << 16
MI = 1 << 20
U16, U32, U64 = (st.integers(0, 2**bits - 1) for bits in (16, 32, 64))


def header(size: int, snapshots: int = 0, at: int = CLUSTER) -> Header:
    """Return what is read of an image with clusters of 64 KiB."""
    words = (b"QFI\xfb", 2, 0, 0, 16, size, 0, 1, CLUSTER, CLUSTER, 1, snapshots, at)
    return read_header(Stored({0: struct.pack(">4sIQIIQIIQQIIQ", *words)}))


NAMES = st.binary(max_size=300)


def entry(
    identity: bytes = b"1",
    name: bytes = b"one",
    extra: bytes = b"",
    *,
    l1: tuple[int, int] = (0, 0),
    date: tuple[int, int] = (0, 0),
    clock: int = 0,
    state: int = 0,
) -> bytes:
    """Return one entry without the padding behind it."""
    fixed = struct.pack(">QIHHIIQII", *l1, len(identity), len(name), *date, clock, state, len(extra))
    return fixed + extra + identity + name


def table(*entries: bytes) -> bytes:
    return b"".join(each + bytes(-len(each) % 8) for each in entries)


def read(stored: Stored, count: int, at: int = CLUSTER) -> tuple[Snapshot, ...]:
    return read_snapshots(stored, header(10 * MI, count, at))


def as_c_reads(name: bytes) -> str:
    return os.fsdecode(name[: name.index(0)] if 0 in name else name)


@given(
    st.lists(
        st.tuples(NAMES, NAMES, st.binary(max_size=60), st.tuples(U64, U32), st.tuples(U32, U32), U64, U32),
        max_size=5,
    )
)
def test_what_was_written_is_read(written):
    stored = Stored(
        {
            CLUSTER: table(
                *(
                    entry(identity, name, extra, l1=l1, date=date, clock=clock, state=state)
                    for identity, name, extra, l1, date, clock, state in written
                )
            )
        }
    )
    for found, (identity, name, extra, l1, date, clock, state) in zip(
        read(stored, len(written)), written, strict=True
    ):
        known = [int.from_bytes(extra[at : at + 8], "big") for at in (0, 8, 16) if len(extra) >= at + 8]
        assert found == Snapshot(
            id=as_c_reads(identity),
            name=as_c_reads(name),
            date_sec=date[0],
            date_nsec=date[1],
            vm_clock_nsec=clock,
            vm_state_size=known[0] if known else state,
            disk_size=known[1] if len(known) > 1 else 10 * MI,
            l1_offset=l1[0],
            l1_entries=l1[1],
            icount=known[2] if len(known) > 2 and known[2] != 2**64 - 1 else None,
        )


@pytest.mark.parametrize("size", [0, 7, 8, 15, 16, 23, 24, 25, 1024])
def test_extra_data_counts_as_far_as_it_reaches(size):
    extra = (struct.pack(">QQQ", 5 << 32, 3 * MI, 77) + bytes(1000))[:size]
    (found,) = read(Stored({CLUSTER: table(entry(extra=extra, state=9))}), 1)
    assert (found.id, found.name) == ("1", "one")
    assert found.vm_state_size == (5 << 32 if size >= 8 else 9)
    assert found.disk_size == (3 * MI if size >= 16 else 10 * MI)
    assert found.icount == (77 if size >= 24 else None)


def test_no_icount_is_all_ones():
    for icount in (0, 2**64 - 2, 2**64 - 1):
        (found,) = read(Stored({CLUSTER: table(entry(extra=struct.pack(">QQQ", 0, MI, icount)))}), 1)
        assert found.icount == (icount if icount < 2**64 - 1 else None)


def test_too_much_extra_data():
    stored = Stored({CLUSTER: table(entry(), entry(extra=bytes(1025)))})
    with pytest.raises(BadImageError, match="entry 1: 1025 bytes of extra data are more than 1024"):
        read(stored, 2)
    assert len(read(stored, 1)) == 1


def test_a_table_of_64_mib_and_not_a_byte_more():
    long = entry(b"", bytes(65535))
    pieces, at = {}, CLUSTER
    for _ in range(1023):
        pieces[at] = long[:40]
        at += len(long) + -len(long) % 8
    left = CLUSTER + (64 << 20) - at - 40
    pieces[at] = entry(b"", bytes(left))[:40]
    assert len(read(Stored(pieces), 1024)) == 1024
    pieces[at] = entry(b"", bytes(left + 1))[:40]
    with pytest.raises(BadImageError, match=f"entry 1023: reaches past the {64 << 20} bytes"):
        read(Stored(pieces), 1024)


def test_a_table_past_the_end_of_the_file_is_one_of_nameless_snapshots():
    began = time.monotonic()
    found = read(Stored({}), 65536, at=1 << 62)
    assert len(found) == 65536
    assert {(each.id, each.name, each.disk_size) for each in found} == {("", "", 10 * MI)}
    assert time.monotonic() - began < 20


def snapshots(*names: tuple[str, str]) -> list[Snapshot]:
    return [
        Snapshot(identity, name, nth, 0, 0, 0, MI, CLUSTER, 1, None)
        for nth, (identity, name) in enumerate(names)
    ]


THREE = snapshots(("1", "2"), ("2", "1"), ("7", "a,b"), ("8", "snapshot.id=1"), ("9", "a,b"))


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ("1", 0),
        ("2", 1),
        ("a,b", 2),
        ("snapshot.id=2", 1),
        ("snapshot.name=2", 0),
        ("snapshot.name=a,,b", 2),
        ("snapshot.name=a,,b,snapshot.id=9", 4),
        ("snapshot.name=2,snapshot.id=1", 0),
        ("snapshot.name=2,snapshot.name=1", 1),
        ("snapshot.id=1", 0),
        ("snapshot.name=snapshot.id=1", 3),
    ],
)
def test_an_id_goes_before_a_name(wanted, index):
    assert find_snapshot(THREE, wanted, "x") is THREE[index]


@pytest.mark.parametrize(
    "wanted",
    [
        "3",
        "",
        "snapshot.id=3",
        "snapshot.id=1,snapshot.name=1",
        "snapshot.name=a,b",
        "snapshot.nosuch=1",
        "snapshot.",
    ],
)
def test_no_such_snapshot(wanted):
    with pytest.raises(BadReferenceError, match="snapshot"):
        find_snapshot(THREE, wanted, "x")


def test_a_message_names_a_few_snapshots_and_no_control_bytes():
    many = snapshots(*((str(n), f"\x1b[31m{n}\n" + "x" * 1000) for n in range(2000)))
    with pytest.raises(BadReferenceError) as raised:
        find_snapshot(many, "nosuch", "x")
    assert "and 1995 more" in str(raised.value)
    assert len(str(raised.value)) < 500
    assert str(raised.value).isprintable()
    with pytest.raises(BadReferenceError, match="which has none"):
        find_snapshot([], "nosuch", "x")


@pytest.mark.parametrize(
    ("changes", "blamed"),
    [
        ({"l1_offset": CLUSTER + 512}, "L1 table: 0x10200 is not aligned"),
        ({"l1_entries": (4 << 20) + 1}, "L1 table: the table of 33554440 bytes is longer"),
        ({"l1_offset": 2**64 - CLUSTER}, "L1 table: .* is out of range"),
        ({"disk_size": 1000}, "disk size 1000 is not a multiple of 512"),
        ({"disk_size": 2**63}, "disk size 9223372036854775808 needs too large an L1 table"),
        ({"disk_size": 2**64 - 512}, "disk size .* needs too large an L1 table"),
    ],
)
def test_a_malformed_snapshot_is_refused_when_it_is_asked_for(changes, blamed):
    good = THREE[0]
    require_usable(good, "x", header(MI))
    with pytest.raises(BadImageError, match=f"x: qcow2 snapshot '1': {blamed}"):
        require_usable(replace(good, **changes), "x", header(MI))


def write_image(path, *, entries: int, disk_size: int) -> None:
    """Write an image of 1 MiB whose one snapshot has an L1 table of some entries, the first one in use.

    ::

        ├ header ┼ snapshots ┼ L1 of the snapshot ┼ L2 ┼ active L1 ┤       each a cluster
    """
    fields = struct.pack(
        ">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 0, 0, 16, MI, 0, 1, 4 * CLUSTER, CLUSTER, 1, 1, CLUSTER
    )
    extra = struct.pack(">QQ", 0, disk_size)
    parts = [
        fields,
        entry(b"1", b"one", extra, l1=(2 * CLUSTER, entries)),
        struct.pack(">Q", 3 * CLUSTER),
        struct.pack(">QQ", 0, 9 * CLUSTER),
        b"",
    ]
    path.write_bytes(b"".join(part.ljust(CLUSTER, b"\0") for part in parts))


@pytest.mark.parametrize("entries", [0, 1, 3, 5000])
def test_a_disk_that_its_snapshot_maps_in_part(tmp_path, entries):
    image = tmp_path / "x.qcow2"
    write_image(image, entries=entries, disk_size=3 << 29)
    with open_chain(str(image), snapshot="one") as chain:
        assert chain.size == 3 << 29
        extents = chain.layers[0].extents(0, chain.size)
        hosted = [int(host) for host in extents.host if host >= 0]
        assert hosted == ([9 * CLUSTER] if entries else [])
        assert (extents.start, extents.end) == (0, 3 << 29)
        assert chain.layers[0].node.fault_at(chain.size - 1) == ""
    with open_chain(str(image)) as chain:
        assert chain.size == MI
        assert (chain.layers[0].extents(0, MI).host < 0).all()


def test_what_is_refused_leaves_no_file_open(tmp_path):
    image = tmp_path / "x.qcow2"
    write_image(image, entries=1, disk_size=1000)
    raw = tmp_path / "x.raw"
    raw.write_bytes(bytes(MI))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name, wanted in ((image, "nosuch"), (image, "one"), (raw, "one")):
        with pytest.raises((BadReferenceError, BadImageError)):
            open_chain(str(name), snapshot=wanted)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_damaged_table_refuses_the_map_and_not_the_facts(tmp_path):
    image = tmp_path / "x.qcow2"
    write_image(image, entries=1, disk_size=MI)
    content = bytearray(image.read_bytes())
    content[CLUSTER + 36 : CLUSTER + 40] = struct.pack(">I", 1025)
    image.write_bytes(content)
    with open_chain(str(image)) as chain:
        assert "entry 0: 1025 bytes" in str(chain.layers[0].node.find_refusal())
        assert len(chain.layers[0].extents(0, MI)) == 1
    with pytest.raises(BadImageError, match="entry 0: 1025 bytes"):
        open_chain(str(image), snapshot="one")


def test_info_lists_what_there_is(tmp_path):
    image = tmp_path / "x.qcow2"
    write_image(image, entries=1, disk_size=3 * MI)
    content = bytearray(image.read_bytes())
    content[CLUSTER + 16 : CLUSTER + 36] = struct.pack(">IIQI", 86400, 5, 7 * 10**9 + 3, 0)
    content[CLUSTER + 40 : CLUSTER + 48] = struct.pack(">Q", 2 * MI)
    image.write_bytes(content)
    for words in (["info"], ["info", "--quick"]):
        done = CliRunner().invoke(main, [*words, "--output", "json", "--snapshot", "1", str(image)])
        (layer,) = json.loads(done.stdout)["layers"]
        assert (layer["virtual-size"], layer["opened-snapshot"]) == (3 * MI, "1")
        assert layer["snapshots"] == [
            {
                "id": "1",
                "name": "one",
                "disk-size": 3 * MI,
                "vm-state-size": 2 * MI,
                "date-sec": 86400,
                "date-nsec": 5,
                "vm-clock-sec": 7,
                "vm-clock-nsec": 3,
            }
        ]
        done = CliRunner().invoke(main, [*words, str(image)])
        assert "snapshot 1 one: 3 MiB, 1970-01-02 00:00:00 UTC, VM state 2 MiB\n" in done.stdout
