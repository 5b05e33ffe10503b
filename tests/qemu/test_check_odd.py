"""``check`` of odd images, made by a program or by a great accident: right answers, quick ones, short."""

from __future__ import annotations

import struct

import pytest
from checked import FAILED, compared, ours
from damage import COMPRESSED, TOP, places
from oracle import TOOLS, build
from recipe import Recipe, create, io

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
