"""FIEMAP: what is reserved, what is a hole, and what serves where a file system cannot say."""

from __future__ import annotations

import os
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from blockstrata.access import Access, Probe
from blockstrata.chain import open_chain
from blockstrata.facts import Storage, storage_of
from blockstrata.guest import merged
from blockstrata.protocols import fiemap
from blockstrata.protocols.fiemap import Extent
from blockstrata.protocols.file import open_file
from blockstrata.semantics import by_name
from blockstrata_viewer.cli import main

KI, MI = 1 << 10, 1 << 20
SHARED_MEMORY = Path("/dev/shm")

DATA, HOLE, UNWRITTEN = Storage.DATA, Storage.HOLE, Storage.UNWRITTEN


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


@pytest.fixture
def mounted(tmp_path):
    """Return a function that makes a file system in a file and mounts it; it is taken down at the end."""
    made = []

    def mount(kind):
        disk, place = tmp_path / "disk", tmp_path / "mounted"
        with disk.open("wb") as file:
            os.ftruncate(file.fileno(), 400 * MI)
        place.mkdir()
        subprocess.run([f"mkfs.{kind}", "-q", str(disk)], check=True, capture_output=True, timeout=60)
        done = subprocess.run(
            ["mount", "-o", "loop", str(disk), str(place)], check=False, capture_output=True, timeout=60
        )
        if done.returncode:
            pytest.skip(f"may not mount: {done.stderr.decode().strip()}")
        made.append(place)
        return place

    yield mount
    for place in made:
        subprocess.run(["umount", str(place)], check=True, timeout=60)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.live(f"mkfs.{kind}", "mount"))
        for kind in ("ext4", "xfs", "btrfs")
    ],
)
def test_reserved_space_on_a_mounted_file_system(kind, mounted):
    assert runs_of(fallocated(mounted(kind) / "image"), Probe.FIEMAP) == (EXPECTED, [])


def test_the_specification_s_example(tmp_path):
    """A file that is only reserved: ``L Z - O`` by seek, ``L Z A O`` by fiemap; SPEC.md section 6."""
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


@pytest.mark.parametrize(
    ("flags", "storage"),
    [
        (0, DATA),
        (Extent.UNWRITTEN, UNWRITTEN),
        (Extent.UNWRITTEN | Extent.DELALLOC, DATA),
        (Extent.SHARED, DATA),
        (Extent.INLINE, DATA),
        (Extent.ENCODED, DATA),
        (Extent.UNKNOWN | Extent.DELALLOC, DATA),
    ],
)
def test_what_an_extent_s_flags_mean(flags, storage, monkeypatch):
    monkeypatch.setattr(fiemap, "_extents", lambda _fd, _length: iter([(4096, 1 << 20, int(flags))]))
    found = [(start, storage_of(code)) for start, code in fiemap.fiemap_probe(-1, 65536)]
    # cut at the file's length, however far the extent reaches
    assert found == [(0, HOLE), (4096, storage)]


def test_an_extent_past_the_end_is_none(monkeypatch):
    monkeypatch.setattr(fiemap, "_extents", lambda _fd, _length: iter([(65536, 1 << 20, Extent.UNWRITTEN)]))
    assert [storage_of(code) for _, code in fiemap.fiemap_probe(-1, 65536)] == [HOLE]
