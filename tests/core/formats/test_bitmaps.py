"""Dirty bitmaps against a reader that takes one bit at a time, and directories that are made to hurt."""

from __future__ import annotations

import json
import resource
import struct
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from stored import Stored

from blockstrata.errors import BadImageError, UnsupportedError
from blockstrata.formats.qcow2.bitmaps import Bitmap, check_bitmaps, dirty_runs, read_bitmaps, read_table
from blockstrata.formats.qcow2.header import Header, read_header
from blockstrata_viewer.cli.group import main

CLUSTER = 512
DIRECTORY, TABLE, BITS = 1 << 20, 2 << 20, 3 << 20
ALL_DIRTY = 1


def header(size: int, bitmaps: int = 1, directory_size: int = 0) -> Header:
    """Return what is read of an image with clusters of 512 bytes."""
    words = (b"QFI\xfb", 2, 0, 0, 9, size, 0, -(-size // (64 * CLUSTER)), CLUSTER, CLUSTER, 1, 0, 0)
    return replace(
        read_header(Stored({0: struct.pack(">4sIQIIQIIQQIIQ", *words)})),
        bitmaps=bitmaps,
        bitmap_directory_offset=DIRECTORY,
        bitmap_directory_size=directory_size,
    )


def entry(
    name: bytes = b"b",
    *,
    table: tuple[int, int] = (TABLE, 1),
    flags: int = 0,
    kind: int = 1,
    granularity_bits: int = 16,
    extra: bytes = b"",
) -> bytes:
    fixed = struct.pack(">QIIBBHI", *table, flags, kind, granularity_bits, len(name), len(extra))
    content = fixed + extra + name
    return content + bytes(-len(content) % 8)


def directory(*entries: bytes, bitmaps: int | None = None) -> tuple[Stored, Header]:
    content = b"".join(entries)
    count = len(entries) if bitmaps is None else bitmaps
    return Stored({DIRECTORY: content}), header(1 << 20, count, len(content))


def bitmap(entries: int, granularity: int = 512, name: str = "b", *, in_use: bool = False) -> Bitmap:
    return Bitmap(name, granularity, in_use, auto=True, table_offset=TABLE, table_entries=entries)


@st.composite
def bitmaps(draw):
    """Draw a disk's size, a granularity, and clusters of bits: None is all clean, True all dirty."""
    granularity = 512 << draw(st.integers(0, 3))
    bits = draw(st.integers(1, 3 * CLUSTER * 8))
    size = bits * granularity - draw(st.integers(0, granularity // 512 - 1)) * 512
    octets = st.sampled_from([b"\0", b"\xff", b"\x80", b"\x01", b"\xaa", b"\xf0"])
    runs = st.lists(st.tuples(octets, st.integers(1, 200)), min_size=1, max_size=8)
    cluster = runs.map(
        lambda found: b"".join(octet * count for octet, count in found)[:CLUSTER].ljust(CLUSTER, found[-1][0])
    )
    clusters = [draw(st.one_of(st.none(), st.just(True), cluster)) for _ in range(-(-bits // (CLUSTER * 8)))]
    return size, granularity, clusters


def stored(clusters) -> Stored:
    pieces, words = {}, []
    for nth, cluster in enumerate(clusters):
        at = BITS + nth * 2 * CLUSTER
        words.append(0 if cluster is None else ALL_DIRTY if cluster is True else at)
        if isinstance(cluster, bytes):
            pieces[at] = cluster
    return Stored({**pieces, TABLE: struct.pack(f">{len(words)}Q", *words)})


def is_dirty(clusters, bit: int) -> bool:
    which, within = divmod(bit, CLUSTER * 8)
    cluster = clusters[which]
    if isinstance(cluster, bytes):
        return bool(cluster[within // 8] >> within % 8 & 1)
    return cluster is True


@given(bitmaps(), st.data())
@settings(max_examples=200)
def test_every_sector_of_every_window(drawn, data):
    size, granularity, clusters = drawn
    sectors = size // 512
    first = data.draw(st.integers(0, sectors + 20))
    last = data.draw(st.integers(first, sectors + 40))
    start, end = first * 512, last * 512
    found = dirty_runs(stored(clusters), header(size), bitmap(len(clusters), granularity), start, end)
    assert (found.edges[0], found.edges[-1]) == (start, end)
    assert (found.edges[1:] > found.edges[:-1]).all()
    assert (found.dirty[1:] != found.dirty[:-1]).all()
    assert len(found.edges) == len(found) + 1
    lengths = (found.edges[1:] - found.edges[:-1]) // 512
    told = [dirty for dirty, length in zip(found.dirty, lengths, strict=True) for _ in range(length)]
    assert told == [at < sectors and is_dirty(clusters, at * 512 // granularity) for at in range(first, last)]


def test_an_unaligned_window_is_cut_to_the_byte():
    found = dirty_runs(stored([b"\x02" + bytes(511)]), header(1 << 20), bitmap(1), 513, 1025)
    assert found.edges.tolist() == [513, 1024, 1025]
    assert found.dirty.tolist() == [True, False]


def test_a_directory_as_it_should_be():
    file, head = directory(
        entry(b"auto", flags=2, granularity_bits=9, table=(TABLE, 7)),
        entry(b"broken\0off", flags=3, granularity_bits=31),
        entry(b"x" * 1023),
        entry(b""),
    )
    assert read_bitmaps(file, head) == (
        Bitmap("auto", 512, in_use=False, auto=True, table_offset=TABLE, table_entries=7),
        Bitmap("broken", 1 << 31, in_use=True, auto=True, table_offset=TABLE, table_entries=1),
        Bitmap("x" * 1023, 65536, in_use=False, auto=False, table_offset=TABLE, table_entries=1),
        Bitmap("", 65536, in_use=False, auto=False, table_offset=TABLE, table_entries=1),
    )


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        (entry(extra=b"12345678"), "8 bytes of extra data"),
        (entry(flags=4), "flags 0x4"),
        (entry(flags=1 << 31), "flags 0x80000000"),
        (entry(kind=0), "type 0"),
        (entry(b"x" * 1024), "a name of 1024 bytes"),
        (entry(granularity_bits=8), "granularity bits 8"),
        (entry(granularity_bits=32), "granularity bits 32"),
        (entry(table=(0, 1)), "a table at 0x0"),
        (entry(table=(TABLE + 8, 1)), "a table at 0x200008"),
        (entry(table=(TABLE, 0)), "a table of 0 entries"),
        (entry(table=(TABLE, (1 << 20) + 1)), "a table of 1048577 entries"),
        (entry()[:20], "is cut off"),
        (entry(b"name-of-more-than-8")[:40], "is cut off"),
        (b"", "is cut off"),
    ],
)
def test_a_directory_that_is_refused_names_the_entry(bad, what):
    file, head = directory(entry(b"good"), bad, bitmaps=2)
    with pytest.raises(BadImageError, match=f"x.qcow2: qcow2 bitmap directory, entry 1: .*{what}"):
        read_bitmaps(file, head)


def test_bitmaps_that_the_header_does_not_count():
    file, head = directory(entry(b"a"), entry(b"b"), bitmaps=1)
    with pytest.raises(BadImageError, match="entry 1: is one more than the 1"):
        read_bitmaps(file, head)


def test_the_longest_directory_is_read_in_time():
    names = [f"{nth:01000}".encode() for nth in range(65535)]
    file, head = directory(*map(entry, names))
    assert head.bitmap_directory_size == 65535 * 1024
    began = time.monotonic()
    assert [found.name.encode() for found in read_bitmaps(file, head)] == names
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("word", "reads"),
    [
        (0, True),
        (1, True),
        (BITS, True),
        (BITS | 1, False),
        (BITS + 512, True),
        (BITS + 256, False),
        (2, False),
        (1 << 8, False),
        (1 << 56, False),
        (1 << 63, False),
    ],
)
def test_table_entries(word, reads):
    file = Stored({TABLE: struct.pack(">QQ", 0, word)})
    head, found = header(2 * CLUSTER * 8 * 512), bitmap(2)
    if reads:
        assert read_table(file, head, found).tolist() == [0, word]
    else:
        with pytest.raises(BadImageError, match=f"bitmap 'b': table entry 1, {word:#x}, is invalid"):
            read_table(file, head, found)


def test_table_entries_are_aligned_to_clusters():
    head = replace(header(1 << 20), cluster_bits=12)
    with pytest.raises(BadImageError, match="table entry 0"):
        read_table(Stored({TABLE: struct.pack(">Q", BITS + 512)}), head, bitmap(1))


@pytest.mark.parametrize("entries", [1, 3])
def test_a_table_fits_the_disk(entries):
    head = header(CLUSTER * 8 * 512 + 512)
    check_bitmaps(Stored({}), head, [bitmap(2)])
    with pytest.raises(BadImageError, match=f"the table has {entries} entries, the disk needs 2"):
        check_bitmaps(Stored({}), head, [bitmap(entries)])
    check_bitmaps(Stored({}), head, [bitmap(entries, in_use=True)])


def test_names_are_told_apart_unless_in_use():
    head = header(1 << 20)
    check_bitmaps(Stored({}), head, [bitmap(1), bitmap(1, in_use=True), bitmap(1, name="c")])
    for first in (False, True):
        with pytest.raises(BadImageError, match="bitmap 'b': another bitmap has the same name"):
            check_bitmaps(Stored({}), head, [bitmap(1, in_use=first), bitmap(1)])


def test_bits_of_a_bitmap_in_use_mean_nothing():
    with pytest.raises(BadImageError, match="bitmap 'b': is in use"):
        dirty_runs(Stored({}), header(1 << 20), bitmap(1, in_use=True), 0, 512)


def test_more_tables_than_anybody_has():
    many = [bitmap(1 << 20, name=str(nth)) for nth in range(65)]
    with pytest.raises(UnsupportedError, match="more than 67108864 entries"):
        check_bitmaps(Stored({}), header(1 << 20), many)


# --- images, and the command line ---

IMAGE_CLUSTER = 1 << 11


def write_image(path, size: int, words: bytes, bits: bytes = b"", *, autoclear: int = 1, count: int = 1):
    """Write an image with clusters of 2 KiB that maps nothing and has a bitmap 'b', a bit a sector."""
    l1_entries = -(-size // (256 * IMAGE_CLUSTER))
    found = entry(b"b", table=(TABLE, len(words) // 8), granularity_bits=9)
    head = struct.pack(
        ">4sIQIIQIIQQIIQ QQQII",
        *(b"QFI\xfb", 3, 0, 0, 11, size, 0, l1_entries, 1 << 30, IMAGE_CLUSTER, 1, 0, 0),
        *(0, 0, autoclear, 4, 104),
    )
    extension = struct.pack(">II IIQQ", 0x23852875, 24, count, 0, len(found), DIRECTORY)
    with path.open("wb") as file:
        file.write(head + extension + bytes(8))
        for at, content in ((DIRECTORY, found), (TABLE, words), (TABLE + (8 << 20), bits)):
            file.seek(at)
            file.write(content)
        file.truncate((1 << 30) + l1_entries * 8)


STORED_BITS = struct.pack(">Q", TABLE + (8 << 20))


def run(*words):
    return CliRunner().invoke(main, list(map(str, words)))


@pytest.fixture
def small_image(tmp_path):
    """Return an image of 4 MiB minus a sector whose second sector, and last 1 MiB, are dirty."""
    path = tmp_path / "x.qcow2"
    bits = b"\x02" + bytes(767) + b"\xff" * 256
    write_image(path, (4 << 20) - 512, STORED_BITS, bits + b"\xff" * (IMAGE_CLUSTER - len(bits)))
    return path


def test_map_bitmap(small_image):
    runs = [(0, 512, False), (512, 512, True), (1024, 3 * MIB - 1024, False), (3 * MIB, MIB - 512, True)]
    done = run("map", "--bitmap", "b", "--output", "json", small_image)
    assert done.stdout == (
        '[{ "start": 0, "length": 512, "dirty": false},\n'
        '{ "start": 512, "length": 512, "dirty": true},\n'
        '{ "start": 1024, "length": 3144704, "dirty": false},\n'
        '{ "start": 3145728, "length": 1048064, "dirty": true}]\n'
    )
    assert [tuple(each.values()) for each in json.loads(done.stdout)] == runs
    done = run("map", "--bitmap", "b", "--output", "csv", small_image)
    assert done.stdout.splitlines() == ["start,length,dirty", *(f"{a},{b},{c:d}" for a, b, c in runs)]
    done = run("map", "--bitmap", "b", small_image)
    assert done.stdout.splitlines()[0::2] == [
        "Offset          Length          Bitmap",
        "0x200           0x200           dirty",
        "0x300000        0xffe00         dirty",
    ]
    done = run("map", "--bitmap", "b", "--output", "nbd-json", small_image)
    assert done.stdout == (
        "[\n"
        '{ "offset": 0, "length": 512, "type": 0, "description": "clean"},\n'
        '{ "offset": 512, "length": 512, "type": 1, "description": "dirty"},\n'
        '{ "offset": 1024, "length": 3144704, "type": 0, "description": "clean"},\n'
        '{ "offset": 3145728, "length": 1048064, "type": 1, "description": "dirty"}\n'
        "]\n"
    )


MIB = 1 << 20


def test_map_bitmap_in_a_range(small_image):
    words = ("map", "--bitmap", "b", "--output", "json")
    done = run(*words, "--start-offset", "1000", "--max-length", "100", small_image)
    assert done.stdout == (
        '[{ "start": 1000, "length": 24, "dirty": true},\n{ "start": 1024, "length": 76, "dirty": false}]\n'
    )
    assert run(*words, "--start-offset", "5M", small_image).stdout == "[]\n"
    nothing = run("map", "--bitmap", "b", "--output", "nbd-json", "--start-offset", "5M", small_image)
    assert nothing.stdout == "[\n\n]\n"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--bitmap", "nosuch"], 1, "bitmap 'nosuch': is not in the chain"),
        (["--bitmap", "nosuch", "--layer", "0"], 1, "bitmap 'nosuch': is not in the layer"),
        (["--bitmap", "b", "--layer", "1"], 1, "layer: 1 is not in the chain"),
        (["--bitmap", "b", "--semantics", "historic"], 2, "--semantics"),
        (["--bitmap", "b", "--layer", "0", "--in-place"], 2, "--in-place"),
        (["--output", "nbd-json", "--semantics", "historic"], 2, "one of nbd-2018"),
        (["--round-trip", "--output", "nbd-json"], 2, "cannot express a round trip"),
        (["--round-trip", "--bitmap", "b"], 2, "--round-trip"),
        (["--context", "qemu:allocation-depth"], 2, "--output nbd-json"),
        (["--context", "x:y", "--output", "nbd-json", "--layer", "0"], 2, "--layer"),
    ],
)
def test_what_map_bitmap_refuses(small_image, words, code, said):
    done = run("map", *words, small_image)
    assert done.exit_code == code
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_bitmaps_that_nothing_vouches_for_are_none(tmp_path):
    path = tmp_path / "x.qcow2"
    write_image(path, MIB, b"\xff" * 8, autoclear=0, count=99)
    assert run("map", path).exit_code == 0
    assert "is not in the chain" in run("map", "--bitmap", "b", path).stderr
    assert '"bitmaps"' not in run("info", "--output", "json", path).stdout


def test_a_malformed_table_refuses_the_map_and_info_goes_on(tmp_path):
    path = tmp_path / "x.qcow2"
    write_image(path, MIB, b"\xff" * 8)
    for words in (("map",), ("map", "--bitmap", "b")):
        done = run(*words, path)
        assert done.exit_code == 1
        assert "bitmap 'b': table entry 0" in done.stderr
    done = run("info", path)
    assert done.exit_code == 1
    assert "bitmap b: granularity 512 B\n" in done.stdout
    assert "! map refuses this image" in done.stdout
    assert "refusal" in json.loads(run("info", "--output", "json", path).stdout)["layers"][0]


@pytest.mark.parametrize("count", [0, 65536])
def test_a_number_of_bitmaps_that_is_refused(tmp_path, count):
    path = tmp_path / "x.qcow2"
    write_image(path, MIB, bytes(8), count=count)
    assert f"{count} bitmaps are not 1 to 65535" in run("map", path).stderr


def test_info_shows_a_header_whose_extension_is_cut_short(tmp_path):
    path = tmp_path / "x.qcow2"
    write_image(path, MIB, bytes(8))
    with path.open("r+b") as file:
        file.seek(108)
        file.write(struct.pack(">I", 16))
    error = f"blockstrata: {path}: qcow2 header extension bitmaps: is 16 bytes long, not 24\n"
    done = run("info", "--output", "json", path)
    assert (done.exit_code, done.stderr) == (1, error)
    assert json.loads(done.stdout)["layers"][0]["virtual-size"] == MIB
    assert run("map", path).stderr == error


def bounded(*words):
    """Run a command with 2 GiB of address space, for 20 seconds."""

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))

    return subprocess.run(
        [sys.executable, "-m", "blockstrata_viewer", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        preexec_fn=limit,
    )


ENTRIES = 1 << 17
HUGE = ENTRIES * IMAGE_CLUSTER * 8 * 512
"""Bytes of a disk whose bitmap, at the finest granularity, takes 256 MiB."""


@pytest.mark.parametrize("word", [struct.pack(">Q", ALL_DIRTY), STORED_BITS])
def test_a_huge_dirty_bitmap_is_one_run(tmp_path, word):
    path = tmp_path / "x.qcow2"
    write_image(path, HUGE, word * ENTRIES, b"\xff" * IMAGE_CLUSTER)
    done = bounded("map", "--bitmap", "b", "--output", "csv", path)
    assert done.stdout.splitlines()[1:] == [f"0,{HUGE},1"], done.stderr


def test_a_bitmap_of_too_many_runs_is_one_line(tmp_path):
    path = tmp_path / "x.qcow2"
    write_image(path, HUGE, STORED_BITS * ENTRIES, b"\x55" * IMAGE_CLUSTER)
    done = bounded("map", "--bitmap", "b", path)
    assert done.returncode == 1
    assert "bitmap 'b': has more than 16777216 runs in this range; ask for less of the disk" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    done = bounded("map", "--bitmap", "b", "--output", "csv", "--max-length", "2k", path)
    assert done.stdout.splitlines()[1:] == ["0,512,1", "512,512,0", "1024,512,1", "1536,512,0"]
