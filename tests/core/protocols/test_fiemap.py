"""FIEMAP: what is reserved, what is a hole, and what serves where a file system cannot say."""

from __future__ import annotations

import errno
import os
import subprocess
from contextlib import closing
from itertools import accumulate, pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from blockstrata.access import Access, Probe
from blockstrata.facts.codes import Storage, storage_of
from blockstrata.graph.chain import open_chain
from blockstrata.guest.merge import merged
from blockstrata.protocols import fiemap, seek
from blockstrata.protocols.fiemap import Extent
from blockstrata.protocols.file import open_file
from blockstrata.semantics import by_name
from blockstrata_viewer.cli.group import main

KI, MI = 1 << 10, 1 << 20
SHARED_MEMORY = Path("/dev/shm")

DATA, HOLE, UNWRITTEN, SHARED = Storage.DATA, Storage.HOLE, Storage.UNWRITTEN, Storage.SHARED


def runs_of(path, probe):
    with closing(open_file(str(path), probe=probe)) as file:
        found = file.extents(0, file.length)
        return [
            (start, storage_of(code))
            for start, code in zip(found.edges.tolist(), found.facts.tolist(), strict=False)
        ], file.notices()


def fallocated(path):
    """Make a file of 4 MiB: reserved up to 1 MiB but for 64 KiB of data in it, then a hole, then data."""
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, MI)
        os.ftruncate(file.fileno(), 4 * MI)
        os.pwrite(file.fileno(), b"x" * 64 * KI, 256 * KI)
        os.pwrite(file.fileno(), b"y" * 64 * KI, 3 * MI)
    return path


def needs_fiemap(path):
    """Skip where the file system of the tests' directory has no FIEMAP, as tmpfs has none."""
    with path.open("rb") as file:
        try:
            fiemap.fiemap_probe(file.fileno(), MI)
        except OSError as error:
            pytest.skip(f"no FIEMAP in {path.parent}: {error.strerror}")


EXPECTED = [
    (0, UNWRITTEN),
    (256 * KI, DATA),
    (320 * KI, UNWRITTEN),
    (MI, HOLE),
    (3 * MI, DATA),
    (3 * MI + 64 * KI, HOLE),
]
"""What :func:`fallocated` makes."""


def test_reserved_space_is_told_from_a_hole(tmp_path):
    path = fallocated(tmp_path / "image")
    needs_fiemap(path)
    assert runs_of(path, Probe.FIEMAP) == (EXPECTED, [])


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.live(f"mkfs.{kind}", "mount"))
        for kind in ("ext4", "xfs", "btrfs")
    ],
)
def test_reserved_space_on_a_mounted_file_system(kind, mounted):
    assert runs_of(fallocated(mounted(kind) / "image"), Probe.FIEMAP) == (EXPECTED, [])


def test_what_is_only_reserved_by_seek_and_by_fiemap(tmp_path):
    """A file that is only reserved: ``L Z - O`` by seek, ``L Z A O`` by fiemap; docs/semantics.md, "Maps"."""
    path = tmp_path / "image"
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, MI)
    needs_fiemap(path)
    proposed = by_name("proposed")
    for probe, letters in ((Probe.SEEK, "LZ·O"), (Probe.FIEMAP, "LZAO")):
        with open_chain(str(path), Access(probe), image_format="raw") as chain:
            view = merged(chain, 0, chain.size)
            assert [proposed.letters(flags) for flags in proposed.flags(view).tolist()] == [letters]


def test_seek_and_fiemap_agree_but_for_what_is_reserved(tmp_path):
    path = fallocated(tmp_path / "image")
    needs_fiemap(path)
    os.sync()
    sought, _ = runs_of(path, Probe.SEEK)
    asked, _ = runs_of(path, Probe.FIEMAP)
    merged_holes = [(start, HOLE if storage is UNWRITTEN else storage) for start, storage in asked]
    fewest = [
        run
        for before, run in zip([None, *merged_holes], merged_holes, strict=False)
        if not before or before[1] != run[1]
    ]
    assert fewest == sought


def test_many_extents_take_several_calls(tmp_path, monkeypatch):
    path = tmp_path / "image"
    with path.open("wb") as file:
        for index in range(40):
            os.pwrite(file.fileno(), b"x" * 4 * KI, index * 64 * KI)
        os.ftruncate(file.fileno(), 40 * 64 * KI)
    needs_fiemap(path)
    whole, _ = runs_of(path, Probe.FIEMAP)
    monkeypatch.setattr(fiemap, "_BATCH", 3)
    few, _ = runs_of(path, Probe.FIEMAP)
    assert few == whole
    assert len(whole) == 80


@pytest.mark.skipif(not os.access(SHARED_MEMORY, os.W_OK), reason="no tmpfs")
def test_where_there_is_no_fiemap_seek_serves_and_says_so():
    name = SHARED_MEMORY / f"blockstrata-{os.getpid()}"
    try:
        path = fallocated(name)
        found, notices = runs_of(path, Probe.FIEMAP)
        assert found == runs_of(path, Probe.SEEK)[0]
        assert len(notices) == 1
        assert "no FIEMAP here" in notices[0]
        done = CliRunner().invoke(
            main, ["map", "-f", "raw", "--storage", "fiemap", "--output", "json", str(path)]
        )
        assert done.exit_code == 0
        assert done.stderr == f"blockstrata: {path}: {notices[0]}\n"
        assert (
            done.stdout
            == CliRunner().invoke(main, ["map", "-f", "raw", "--output", "json", str(path)]).stdout
        )
    finally:
        name.unlink(missing_ok=True)


def packed(extents):
    """Return extents, (start, length, flags) of each, as the ioctl tells them."""
    found = np.zeros(len(extents), fiemap._EXTENT)
    for index, each in enumerate(extents):
        for name, value in zip(("start", "length", "flags"), each, strict=True):
            found[name][index] = value
    return found


def tells(monkeypatch, extents):
    monkeypatch.setattr(fiemap, "_batches", lambda _fd, _length, **_sync: iter([packed(extents)]))


def told(length):
    starts, codes = fiemap.fiemap_probe(-1, length)
    return [(start, storage_of(code)) for start, code in zip(starts.tolist(), codes.tolist(), strict=True)]


STORES = (
    Extent.UNKNOWN,
    Extent.DELALLOC,
    Extent.ENCODED,
    Extent.ENCRYPTED,
    Extent.INLINE,
    Extent.TAIL,
)


@pytest.mark.parametrize(
    ("flags", "storage"),
    [
        (0, DATA),
        (Extent.UNWRITTEN, UNWRITTEN),
        (Extent.LAST, DATA),
        (Extent.UNWRITTEN | Extent.LAST, UNWRITTEN),
        # a place that is written or compressed holds data, though a file system says unwritten too
        *((Extent.UNWRITTEN | flag, DATA) for flag in STORES),
        *((flag, DATA) for flag in STORES),
        (Extent.SHARED, SHARED),
        (Extent.SHARED | Extent.LAST, SHARED),
        # what is only reserved is shared by a copy too, and reads as zero in both
        (Extent.SHARED | Extent.UNWRITTEN, UNWRITTEN),
        *((Extent.SHARED | flag, SHARED) for flag in STORES),
        *((Extent.SHARED | Extent.UNWRITTEN | flag, SHARED) for flag in STORES),
    ],
)
def test_what_an_extent_s_flags_mean(flags, storage, monkeypatch):
    tells(monkeypatch, [(4096, 1 << 20, flags)])
    # cut at the file's length, however far the extent reaches
    assert told(65536) == [(0, HOLE), (4096, storage)]


def test_an_extent_past_the_end_is_none(monkeypatch):
    tells(monkeypatch, [(65536, 1 << 20, Extent.UNWRITTEN)])
    assert told(65536) == [(0, HOLE)]


MEANT = {0: DATA, Extent.UNWRITTEN: UNWRITTEN, Extent.SHARED: SHARED}


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3000) | st.integers(2**63 - 600, 2**64 - 1),
            st.integers(0, 900) | st.integers(2**63 - 600, 2**64 - 1),
            st.sampled_from(list(MEANT)),
        ),
        max_size=12,
    ),
    st.integers(0, 2500) | st.just(2**63 - 512),
)
def test_extents_in_any_disorder_make_runs_in_order(extents, length):
    """A file system that lies is shown as if it did not: runs are apart, in order, and end at the length."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        tells(monkeypatch, extents)
        found = told(length)
    starts = [start for start, _ in found]
    assert starts == sorted(set(starts))
    assert starts[:1] == [0][:length]
    assert all(start < length for start in starts)
    assert all(before[1] is not after[1] for before, after in pairwise(found))


@given(
    st.lists(st.tuples(st.integers(0, 90), st.integers(1, 90), st.sampled_from(list(MEANT))), max_size=12),
    st.integers(1, 900),
)
def test_extents_in_order_are_the_runs_byte_for_byte(extents, length):
    edges = list(accumulate(each for gap, size, _ in extents for each in (gap, size)))
    placed = [
        (start, end - start, flags)
        for start, end, (_, _, flags) in zip(edges[::2], edges[1::2], extents, strict=True)
    ]
    bytewise = [HOLE] * max(length, *(edges or [0]))
    for start, size, flags in placed:
        bytewise[start : start + size] = [MEANT[flags]] * size
    with pytest.MonkeyPatch.context() as monkeypatch:
        tells(monkeypatch, placed)
        found = told(length)
    ends = [start for start, _ in found[1:]] + [length]
    assert [
        storage for (start, storage), end in zip(found, ends, strict=True) for _ in range(start, end)
    ] == (bytewise[:length])


# ------------------------------------------------------- seeking, many holes at once


def sought(fd, length):
    """Return starts and storages of a file's runs, by a pair of calls for each stretch of data."""
    found, at = [], 0
    while at < length:
        try:
            data = min(os.lseek(fd, at, os.SEEK_DATA), length)
        except OSError:
            data = length
        if data > at:
            found.append((at, HOLE))
        if data < length:
            found.append((data, DATA))
            data = os.lseek(fd, data, os.SEEK_HOLE)
        at = data
    return found


def probed(fd, length):
    starts, codes = seek.seek_probe(fd, length)
    return [(start, storage_of(code)) for start, code in zip(starts.tolist(), codes.tolist(), strict=True)]


def assert_same(fd, length):
    """Hold a probe against seeking, unless the file changed meanwhile, as it does while it is written out."""
    for _ in range(20):
        before, found, after = sought(fd, length), probed(fd, length), sought(fd, length)
        if before == after:
            assert found == before
            return
    raise AssertionError("the file does not come to rest")


def change(random, path, blocks):
    """Do one thing to a file: write, reserve, punch, read, put on disk, cut or lengthen."""
    start, size = random.randrange(blocks), random.choice([1, 1, 1, 2, 5, 40])
    with path.open("r+b") as file:
        match random.choice(["write"] * 12 + ["reserve", "reserve", "punch", "read", "sync", "length"]):
            case "write":
                os.pwrite(file.fileno(), b"w" * (size * 4 * KI - random.choice([0, 0, 100])), start * 4 * KI)
            case "reserve":
                os.posix_fallocate(file.fileno(), start * 4 * KI, size * 4 * KI)
            case "punch":
                place = ["-o", str(start * 4 * KI), "-l", str(size * 4 * KI)]
                subprocess.run(["fallocate", "-p", *place, str(path)], check=True, timeout=60)
            case "read":
                os.pread(file.fileno(), size * 4 * KI, start * 4 * KI)
            case "sync":
                os.fsync(file.fileno())
            case "length":
                os.ftruncate(file.fileno(), (start + 1) * 4 * KI - random.choice([0, 1, 513]))


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.live(f"mkfs.{kind}", "mount", "fallocate"))
        for kind in ("ext4", "xfs", "btrfs")
    ],
)
def test_batches_say_what_seeking_says(kind, mounted, monkeypatch):
    """Files of which each is changed and asked, changed and asked, on real file systems."""
    place = mounted(kind)
    taken = []
    batched = seek._batched

    def counting(*words):
        found = batched(*words)
        taken.append(found is not None)
        return found

    monkeypatch.setattr(seek, "_batched", counting)
    monkeypatch.setattr(seek, "_ONE_BY_ONE", 2)
    for seed in range(12):
        random = Random(seed)
        path = place / f"image-{seed}"
        path.touch()
        with path.open("rb") as file:
            for _ in range(40):
                for _ in range(random.choice([1, 2, 8])):
                    change(random, path, 400)
                assert_same(file.fileno(), os.fstat(file.fileno()).st_size)
        if kind != "ext4":
            copy = place / f"copy-{seed}"
            subprocess.run(["cp", "--reflink=always", str(path), str(copy)], check=True, timeout=60)
            with copy.open("rb") as file:
                for _ in range(20):
                    change(random, copy, 400)
                    assert_same(file.fileno(), os.fstat(file.fileno()).st_size)
    assert len(taken) > 300
    # most files are asked in batches on ext4, and none is elsewhere
    assert sum(taken) > 0.9 * len(taken) if kind == "ext4" else not any(taken)


def striped(path, stripes=200):
    with path.open("wb") as file:
        for index in range(stripes):
            os.pwrite(file.fileno(), b"x" * 4 * KI, index * 16 * KI)
        os.ftruncate(file.fileno(), stripes * 16 * KI)
    return path


@pytest.mark.live("mkfs.ext4", "mount")
def test_few_calls_are_made_for_many_holes(mounted, monkeypatch):
    path = striped(mounted("ext4") / "image")
    os.sync()
    calls = []
    lseek = os.lseek
    monkeypatch.setattr(os, "lseek", lambda fd, at, whence: calls.append(whence) or lseek(fd, at, whence))
    found, _ = runs_of(path, Probe.SEEK)
    assert found == [
        (index * 8 * KI + index % 2 * -4 * KI, HOLE if index % 2 else DATA) for index in range(400)
    ]
    assert len(calls) < 140


@pytest.mark.parametrize(
    ("file_system", "answer"),
    [
        ("tmpfs", "all"),
        ("ext4", "fails"),
        ("ext4", "lies"),
        ("ext4", "encoded"),
        ("ext4", "nothing"),
        ("ext4", "fewer"),
    ],
)
def test_seeking_goes_on_where_batches_do_not_serve(tmp_path, monkeypatch, file_system, answer):
    """Whatever FIEMAP does: fails in its midst, tells of other data, of none, of kinds that are not known."""
    path = striped(tmp_path / "image")
    whole = [(index * 16 * KI, 4 * KI, 0) for index in range(200)]
    # what is sought first cannot tell that this is wrong
    longer = (*whole[-1][:1], 8 * KI)
    answers = {
        "all": [*whole[:-1], (*longer, 0)],
        "lies": [(0, 8 * KI, 0), *whole[1:]],
        "encoded": [*whole[:-1], (*longer, Extent.ENCODED)],
        "nothing": [],
        "fewer": whole[:30],
    }

    def batches(_fd, _length, *, sync):
        assert not sync  # nobody asked for anything to be written out
        if answer == "fails":
            yield packed(whole[:100])
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        yield packed(answers[answer])

    monkeypatch.setattr(seek, "_file_system", lambda _fd: file_system)
    monkeypatch.setattr(fiemap, "_batches", batches)
    with path.open("rb") as file:
        assert probed(file.fileno(), 3200 * KI) == sought(file.fileno(), 3200 * KI)


def test_the_file_system_of_a_file_is_told_by_its_device(tmp_path):
    path = tmp_path / "image"
    path.touch()
    said = subprocess.run(
        ["stat", "-f", "-c", "%T", str(path)], check=True, capture_output=True, text=True, timeout=60
    ).stdout
    with path.open("rb") as file:
        found = seek._file_system(file.fileno())
    # stat tells families
    assert found in said if found != "ext4" else said == "ext2/ext3\n"
