"""``check`` of odd images, made by a program or by a great accident: right answers, quick ones, short."""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import time
import tracemalloc

import pytest
from checked import FAILED, compared, ours
from damage import COMPRESSED, COPIED, TOP, places
from oracle import TOOLS, build
from ptys import PROGRAM, Pty
from recipe import Recipe, create, io

from blockstrata import open_chain
from blockstrata.questions import check

pytestmark = pytest.mark.live(*TOOLS)

CLUSTER = 4096


def make(directory, *commands):
    """Make an image by commands and return its path and its bytes."""
    build(Recipe("odd", commands), directory)
    return directory / TOP, bytearray((directory / TOP).read_bytes())


def small(*commands, size="256k", **options):
    """Return the commands that make a small image."""
    return create(TOP, size, cluster_size=options.pop("cluster_size", CLUSTER), **options), *commands


def table_of_bitmap(image):
    """Return the host byte of the first bitmap's entry in the directory, and of its table."""
    entry = next(each.start for each in places(image)[0] if each.kind == "bitmap")
    return entry, struct.unpack_from(">Q", image, entry)[0]


def test_nothing_is_a_tail_that_an_entry_leads_to(tmp_path):
    """What begins in the file and ends past it counts for no cluster, and yet is the guest's data."""
    path, image = make(tmp_path, *small(io(TOP, "write 0 32k")))
    (l2,) = (each.start for each in places(image)[0] if each.kind == "l2")
    struct.pack_into(">Q", image, l2 + 8 * 60, COMPRESSED | 15 << 58 | len(image))
    path.write_bytes(image + bytes(CLUSTER))
    assert [each["kind"] for each in compared(tmp_path, "odd")] == ["beyond-end"]


def test_a_refcount_table_of_garbage(tmp_path):
    """Thousands of entries that name the same place are counted, as that place is not in the file."""
    path, image = make(tmp_path, create(TOP, "2M"), io(TOP, "write 0 64k"))
    (table,) = struct.unpack_from(">Q", image, 48)
    image[table : table + 65536] = b"\xcd" * 65536
    path.write_bytes(image)
    found = compared(tmp_path, "odd")
    assert sum(each["kind"] == "reserved" for each in found) == 1001
    assert [each["length"] for each in found if each["kind"] == "refcount-block"] == [6 << 16]


@pytest.mark.parametrize("in_use", [0, 1])
@pytest.mark.parametrize("word", [2, 0x200, CLUSTER | 1, 1 << 44 | 1])
def test_tables_of_bitmaps_that_make_no_sense(word, in_use, tmp_path):
    """QEMU gives no numbers then, also where the bitmap is in use and nobody asks for its bits."""
    path, image = make(tmp_path, *small(f"qemu-img bitmap --add -g 4k {TOP} bm"))
    entry, table = table_of_bitmap(image)
    struct.pack_into(">I", image, entry + 12, in_use)
    struct.pack_into(">Q", image, table, word)
    path.write_bytes(image)
    assert compared(tmp_path, "odd") == []
    done = ours(tmp_path, TOP)
    assert done.exit_code == FAILED
    assert done.stderr.startswith(f"blockstrata: {TOP}: qcow2 bitmap 'bm': table entry 0, {word:#x}, ")


def set_refcount(image, host, refcount):
    """Set the refcount of 16 bits of a cluster."""
    size = 1 << image[23]
    block, nth = divmod(host // size, size // 2)
    (table,) = struct.unpack_from(">Q", image, 48)
    (at,) = struct.unpack_from(">Q", image, table + 8 * block)
    struct.pack_into(">H", image, at + 2 * nth, refcount)


def with_snapshots(image, tables):
    """Append a snapshot table that names L1 tables, (host byte, entries) each, in clusters of 512 bytes."""
    at = len(image)
    for nth, (host, entries) in enumerate(tables):
        name = str(nth).encode()
        fixed = struct.pack(">QIHHIIQII", host, entries, len(name), len(name), 0, 0, 0, 0, 24)
        entry = fixed + struct.pack(">QQQ", 0, 1 << 20, 0) + name + name
        image += entry + bytes(-len(entry) % 8)
    struct.pack_into(">IQ", image, 60, len(tables), at)
    return image + bytes(-len(image) % 512)


@pytest.mark.parametrize(
    "tables",
    [
        [(1 << 20, 1 << 14)] * 3,
        [((1 << 20) + 512 * nth, 1 << 14) for nth in range(3)],
        [(1 << 20, 1 << 14), (1 << 20, 1 << 12), ((1 << 20) + 65536, 1 << 14), (1 << 22, 1)],
    ],
)
def test_tables_of_snapshots_that_overlap(tables, tmp_path, monkeypatch):
    path, image = make(tmp_path, *small(io(TOP, "write 0 4k"), size="1M", cluster_size=512))
    path.write_bytes(with_snapshots(image, tables).ljust(5 << 20, b"\0"))
    found = compared(tmp_path, "odd")
    says = next(each["says"] for each in found if each["kind"] == "refcount-low" and each["host"] == 1 << 20)
    assert "snapshot '0'" in says
    monkeypatch.setattr(check, "_WINDOW", 1000)
    compared(tmp_path, "odd")


def test_memory_of_many_snapshots(tmp_path):
    """Snapshots that name one sparse L1 table of 32 MiB cost as much as one of them."""
    path, image = make(tmp_path, *small(io(TOP, "write 0 4k"), size="1M", cluster_size=512))
    path.write_bytes(with_snapshots(image, [(1 << 20, 1 << 22)] * 500))
    os.truncate(path, 40 << 20)
    with open_chain(path) as chain:
        tracemalloc.start()
        try:
            assert check.check(chain.layers[0]).corruptions > 1 << 16
            assert tracemalloc.get_traced_memory()[1] < 100 << 20
        finally:
            tracemalloc.stop()


def test_an_overlap_behind_many_that_are_counted(tmp_path, monkeypatch):
    """Overlaps that QEMU counts take no room from those that nothing but a warning tells."""
    monkeypatch.setattr(check, "MOST", 4)
    path, image = make(tmp_path, *small(io(TOP, "write 0 512k"), size="1M", cluster_size=512))
    tables = [each.start for each in places(image)[0] if each.kind == "l2"]
    for at in tables[:7] + tables[-6:]:
        struct.pack_into(">Q", image, at, COPIED | at)
    for at in tables[-6:]:
        set_refcount(image, at, 2)
    path.write_bytes(image)
    *found, rest = (each for each in compared(tmp_path, "odd") if each["kind"] == "overlap")
    assert [each["host"] for each in found] == tables[-6:-2]
    assert f"the L2 table at {tables[-6]:#x}" in found[0]["says"]
    assert (rest["says"][:10], rest["length"]) == ("and 2 more", 2 * 512)


def test_who_is_in_the_first_cluster_of_a_run(tmp_path):
    """Users that are told are those of one cluster, and where they are more than three that is said."""
    path, image = make(tmp_path, *small(io(TOP, "write 0 32k")))
    (l2,) = (each.start for each in places(image)[0] if each.kind == "l2")
    words = list(struct.unpack_from(">8Q", image, l2))
    for at, nth in {20: 0, 21: 1, 22: 2, 23: 3, 30: 2, 31: 2, 32: 2, 40: 6, 41: 6, 42: 6}.items():
        struct.pack_into(">Q", image, l2 + 8 * at, words[nth])
    path.write_bytes(image)
    host = [word & ~COPIED for word in words]
    low = {each["host"]: each for each in compared(tmp_path, "odd") if each["kind"] == "refcount-low"}
    assert {at: each["length"] for at, each in low.items()} == {host[0]: 4 * CLUSTER, host[6]: CLUSTER}
    table = f"L2 table {l2:#x}, entry"
    assert low[host[0]]["says"].endswith(f" (at {host[0]:#x}: {table} 0 and {table} 20)")
    assert low[host[6]]["says"].endswith(f" ({table} 6 and {table} 40 and {table} 41 and 1 more)")


def test_each_cluster_of_a_run_has_its_user(tmp_path):
    """A compressed cluster that lies in two clusters is told as a user of both."""
    path, image = make(tmp_path, *small(io(TOP, "write 0 32k")))
    (l1,) = struct.unpack_from(">Q", image, 40)
    (l2,) = (each.start for each in places(image)[0] if each.kind == "l2")
    assert l2 == l1 + CLUSTER
    struct.pack_into(">Q", image, l2 + 8 * 50, COMPRESSED | 1 << 58 | l2 - 512)
    for at in (l1, l2):
        set_refcount(image, at, 2)
    path.write_bytes(image)
    found = [each for each in compared(tmp_path, "odd") if each["kind"] == "overlap"]
    assert [each["host"] for each in found] == [l1, l2]
    assert all("entry 50" in each["says"] and each["guest"] == 50 * CLUSTER for each in found)


def test_what_takes_long_says_so_and_can_be_ended(tmp_path):
    """On a terminal a line says that something goes on; ctrl-c ends it at once."""
    path, image = make(tmp_path, *small(io(TOP, "write 0 4k"), size="1M", cluster_size=512))
    tables = [((1 << 23) + 512 * nth, 1 << 22) for nth in range(20000)]
    path.write_bytes(with_snapshots(image, tables))
    os.truncate(path, 64 << 20)
    with contextlib.closing(Pty([*PROGRAM, "check", TOP], tmp_path)) as terminal:
        terminal.expect(f"checking {TOP} …".encode())
        began = time.monotonic()
        terminal.send(b"\x03")
        assert terminal.left() == 128 + signal.SIGINT
        assert time.monotonic() - began < 5


CUT = {
    "data": (
        small(io(TOP, "write 0 32k")),
        2048,
        "entry 7: the file ends 2048 bytes before its cluster does",
    ),
    "compressed": (
        small(io(TOP, "write -c -P 7 0 2M"), size="4M", cluster_size="2M"),
        1024,
        "entry 0: the compressed data ends past the file's end",
    ),
    "subclusters": (
        (create(TOP, "1M", extended_l2="on"), io(TOP, "write 0 3k"), f"truncate -s 324k {TOP}"),
        512,
        "entry 0: the file ends 61952 bytes before its cluster does",
    ),
    "L1": (small(), 8, "L1 table: the file ends 8 bytes before it does"),
    "L2": (small(io(TOP, "write -z 0 4k")), 1024, "the file ends 1024 bytes before the L2 table does"),
}
"""Commands that make an image, how many bytes its file loses, and what is said of that."""


@pytest.mark.parametrize("kind", CUT)
def test_a_file_that_ends_in_a_cluster(kind, tmp_path):
    """QEMU counts nothing for what was cut off less than a cluster, and there is nothing to say before."""
    commands, less, says = CUT[kind]
    path, image = make(tmp_path, *commands)
    assert compared(tmp_path, "odd") == []
    path.write_bytes(image[:-less])
    (found,) = compared(tmp_path, "odd")
    assert (found["kind"], found["severity"]) == ("beyond-end", "warning")
    assert says in found["says"]


@pytest.mark.parametrize("what", ["a cluster of bits of a bitmap", "the refcount block"])
def test_a_file_that_ends_in_what_a_table_names(what, tmp_path):
    path, image = make(tmp_path, *small(f"qemu-img bitmap --add -g 4k {TOP} bm", io(TOP, "write 0 4k")))
    image += bytes(-len(image) % CLUSTER)
    end = len(image)
    (table,) = struct.unpack_from(">Q", image, 48)
    if "bits" in what:
        _, table = table_of_bitmap(image)
    (host,) = struct.unpack_from(">Q", image, table)
    set_refcount(image, host, 0)
    set_refcount(image, end, 1)
    struct.pack_into(">Q", image, table, end)
    path.write_bytes(image + image[host : host + CLUSTER - 512])
    (found,) = compared(tmp_path, "odd")
    assert (found["severity"], found["host"]) == ("warning", end)
    assert f"the file ends 512 bytes before {what} does" in found["says"]


@pytest.mark.parametrize(
    "commands",
    [
        (create(TOP, "100k"), io(TOP, "write 0 100k")),
        (create(TOP, 51712, cluster_size=4096), io(TOP, "write 0 51712")),
        (create(TOP, "1M", extended_l2="on"), io(TOP, "write 100k 512")),
        (create(TOP, "1M", extended_l2="on"), io(TOP, "write 100k 8k", "discard 104k 4k")),
        (create(TOP, "1M"), io(TOP, "write -c -P 7 0 64k", "write -c -P 8 64k 64k")),
        (create(TOP, "100500", preallocation="metadata"), io(TOP, "write 0 512")),
    ],
)
def test_sound_files_may_end_in_a_cluster(commands, tmp_path):
    make(tmp_path, *commands)
    assert compared(tmp_path, "odd") == []
