"""Storage that a file shares with another one: told in facts, and nowhere else; filefrag is the judge."""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
from contextlib import closing
from itertools import product
from random import Random

import pytest
from click.testing import CliRunner

from blockstrata.access import Probe
from blockstrata.facts.codes import SYNTHESISED, Mapping, Storage, Traits, fact, storage_of
from blockstrata.protocols import fiemap
from blockstrata.protocols.file import open_file
from blockstrata.semantics import SWITCH
from blockstrata.semantics.audit import judge
from blockstrata_viewer.cli.group import main

KI, MI = 1 << 10, 1 << 20
BLOCK = 4 * KI

DATA, HOLE, UNWRITTEN, SHARED = Storage.DATA, Storage.HOLE, Storage.UNWRITTEN, Storage.SHARED
WORDS = "the file system shares these bytes with another file"


def invoke(*words):
    done = CliRunner().invoke(main, [str(each) for each in words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.stdout


def by_block(path, probe=Probe.FIEMAP):
    """Return the storage of each block of a file."""
    with closing(open_file(str(path), probe=probe)) as file:
        found = file.extents(0, file.length)
        assert file.notices() == []
    assert not (found.facts[1:] == found.facts[:-1]).any()
    return [storage_of(int(found.facts[found.index_at(at)])) for at in range(0, found.end, BLOCK)]


# ------------------------------------------------------- what it means


def test_shared_means_what_data_means():
    """Under every semantics, and to the audit, whatever holds for the layer besides."""
    kinds = [{}, {"is_protocol": True}, {"encrypted": True}, {"recurse": True}]
    for driver, kind in product(("file", "nbd"), kinds):
        traits = Traits(driver, **kind)
        for mapping, mark in product(
            [Mapping.PASSTHROUGH] if kind.get("is_protocol") else Mapping, (0, SYNTHESISED)
        ):
            shared, data = (fact(mapping, storage) | mark for storage in (SHARED, DATA))
            for semantics in SWITCH:
                table = semantics.table(traits)
                assert table[shared] == table[data]
                assert semantics.settle(table)[shared] == semantics.settle(table)[data]
            assert judge(shared, traits) == judge(data, traits)


# ------------------------------------------------------- real file systems

reflinks = pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.live(f"mkfs.{kind}", "mount", "fallocate", "filefrag", "cp"))
        for kind in ("xfs", "btrfs")
    ],
)


def by_filefrag(path):
    """Return the storage of each block of a file as filefrag has it."""
    told = subprocess.run(
        ["filefrag", "-v", str(path)], check=True, capture_output=True, text=True, timeout=60
    ).stdout
    found = [HOLE] * -(-path.stat().st_size // BLOCK)
    rows = re.findall(r"^ *\d+: +(\d+)\.\. +(\d+): .*: *([a-z_,]*)$", told, re.MULTILINE)
    assert rows, told
    for first, last, words in rows:
        flags = words.split(",")
        storage = UNWRITTEN if "unwritten" in flags else SHARED if "shared" in flags else DATA
        for at in range(int(first), min(int(last) + 1, len(found))):
            found[at] = storage
    return found


def reflinked(place, name="copy", seed=0):
    """Make a file of 2 MiB, copy it by reference, and write, reserve and punch here and there in the copy."""
    random, source, copy = Random(seed), place / f"{name}-source", place / name
    with source.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, MI // 2)
        os.pwrite(file.fileno(), random.randbytes(MI), 128 * KI)
        os.ftruncate(file.fileno(), 2 * MI - 100)
        os.fsync(file.fileno())
    subprocess.run(["cp", "--reflink=always", str(source), str(copy)], check=True, timeout=60)
    with copy.open("r+b") as file:
        for _ in range(12):
            at, size = random.randrange(400) * BLOCK, random.randint(1, 9) * BLOCK
            if random.random() < 0.7:
                os.pwrite(file.fileno(), random.randbytes(size), at)
            else:
                how = random.choice([[], ["-p"]])
                subprocess.run(
                    ["fallocate", *how, "-n", "-o", str(at), "-l", str(size), str(copy)],
                    check=True,
                    timeout=60,
                )
        os.posix_fallocate(file.fileno(), 1800 * KI, 64 * KI)
        os.fsync(file.fileno())
    return copy


@reflinks
def test_what_is_shared_is_what_filefrag_says(kind, mounted, monkeypatch):
    """Block for block, however many extents a call tells; by seek nothing is shared."""
    place = mounted(kind)
    for seed in range(4):
        copy = reflinked(place, f"copy-{seed}", seed)
        said = by_filefrag(copy)
        assert {DATA, SHARED, UNWRITTEN, HOLE} == set(said)
        for batch in (8192, 1, 2, 3):
            monkeypatch.setattr(fiemap, "_BATCH", batch)
            assert by_block(copy) == said
        assert SHARED not in by_block(copy, Probe.SEEK)
        shared = said.count(SHARED) * BLOCK
        found = json.loads(invoke("info", "-f", "raw", "--storage", "fiemap", "--output", "json", copy))
        assert found["layers"][0]["shared-bytes"] == shared
    # a copy of a copy shares all data that it has, and so does what it was copied from
    subprocess.run(["cp", "--reflink=always", str(copy), str(place / "again")], check=True, timeout=60)
    os.sync()
    for path in (copy, place / "again"):
        assert by_block(path) == by_filefrag(path)
        assert SHARED in by_block(path)
        assert DATA not in by_block(path)


@reflinks
@pytest.mark.live("qemu-img", "qemu-io")
def test_the_map_of_a_reflinked_image_is_qemu_s(kind, mounted):
    place = mounted(kind)
    image, copy = place / "image", place / "copy"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "4M"], check=True, timeout=60)
    write = ["qemu-io", "-f", "qcow2", "-c"]
    subprocess.run([*write, "write 0 1M", image], check=True, capture_output=True, timeout=60)
    subprocess.run(["cp", "--reflink=always", image, copy], check=True, timeout=60)
    subprocess.run([*write, "write 512k 64k", copy], check=True, capture_output=True, timeout=60)
    os.sync()
    said = subprocess.run(
        ["qemu-img", "map", "--output=json", copy], check=True, capture_output=True, timeout=60
    ).stdout
    found = invoke("map", "--output", "json", "--storage", "fiemap", copy)
    # as 7.2 does not tell what is compressed
    assert json.loads(found.replace(', "compressed": false', "")) == [
        {key: value for key, value in entry.items() if key != "compressed"} for entry in json.loads(said)
    ]
    told = invoke("trace", "--storage", "fiemap", copy, "0")
    assert "fact     normal on shared\n" in told
    assert WORDS in told
    told = invoke("trace", "--storage", "fiemap", copy, "512K")
    assert "fact     normal on data\n" in told
    assert WORDS not in told


# ------------------------------------------------------- answers of the ioctl, told again

HEAD, EXTENT = struct.Struct("=QQIIII"), struct.Struct("=QQQQQIIII")
"""As linux/fiemap.h lays them out."""
LAST, IS_UNWRITTEN, IS_SHARED = 0x1, 0x800, 0x2000

ANSWERS = {
    # of copies in which some blocks were written anew and some reserved; blocks and flags
    "xfs": [(0, 24, 64, IS_SHARED), (64, 280, 32, 0), (96, 120, 160, IS_SHARED), (375, 399, 50, 0x801)],
    "btrfs": [(0, 3634, 64, 0x2800), (64, 3698, 32, IS_SHARED), (96, 3730, 160, 0x2801)],
}
"""What file systems of Linux 6.18 told: first block, its place, blocks, flags."""


@pytest.fixture
def kernel(monkeypatch):
    """Return what makes the ioctl tell some extents, so many a call."""

    def tells(answer, batch):
        def ioctl(_fd, _number, request):
            start, length, _, _, count, _ = HEAD.unpack_from(request)
            inside = [
                each for each in answer if each[0] * BLOCK < start + length and sum(each[::2]) * BLOCK > start
            ]
            for nth, (first, place, blocks, flags) in enumerate(inside[:count]):
                words = (first * BLOCK, place * BLOCK, blocks * BLOCK, 0, 0, flags, 0, 0, 0)
                EXTENT.pack_into(request, HEAD.size + nth * EXTENT.size, *words)
            HEAD.pack_into(request, 0, start, length, 0, min(count, len(inside)), count, 0)
            return 0

        monkeypatch.setattr(fiemap.fcntl, "ioctl", ioctl)
        monkeypatch.setattr(fiemap, "_BATCH", batch)

    return tells


@pytest.mark.parametrize("batch", [1, 2, 3, 8192])
@pytest.mark.parametrize("kind", ANSWERS)
def test_extents_of_the_ioctl_without_a_mount(kind, batch, tmp_path, kernel):
    kernel(ANSWERS[kind], batch)
    path = tmp_path / "image"
    path.write_bytes(bytes(512 * BLOCK))
    expected = {
        "xfs": [SHARED] * 64 + [DATA] * 32 + [SHARED] * 160 + [HOLE] * 119 + [UNWRITTEN] * 50 + [HOLE] * 87,
        "btrfs": [UNWRITTEN] * 64 + [SHARED] * 32 + [UNWRITTEN] * 160 + [HOLE] * 256,
    }
    assert by_block(path) == expected[kind]


def test_shared_bytes_end_where_the_file_ends(tmp_path, kernel):
    """The last block is shared as a whole, and a slice of a file has its part of what is shared."""
    kernel([(0, 24, 2, IS_SHARED), (2, 40, 1, 0), (3, 27, 1, IS_SHARED | LAST)], 8192)
    path = tmp_path / "image"
    path.write_bytes(bytes(4 * BLOCK - 1000))
    words = ("--storage", "fiemap", "--output", "json")
    found = json.loads(invoke("info", "-f", "raw", *words, path))["layers"][0]
    assert found["shared-bytes"] == 3 * BLOCK - 1000
    file = {
        "driver": "raw",
        "offset": BLOCK,
        "size": 2 * BLOCK,
        "file": {"driver": "file", "filename": str(path)},
    }
    found = json.loads(invoke("info", *words, "json:" + json.dumps({"driver": "raw", "file": file})))[
        "layers"
    ][0]
    assert found["shared-bytes"] == BLOCK
    assert "11.0 KiB shared with other files" in invoke("info", "-f", "raw", "--storage", "fiemap", path)


def test_seek_does_not_know_what_is_shared(tmp_path, kernel):
    kernel(ANSWERS["xfs"], 8192)
    path = tmp_path / "image"
    path.write_bytes(b"x" * 512 * BLOCK)
    for words in ((), ("--quick", "--storage", "fiemap")):
        assert "shared" not in invoke("info", "-f", "raw", *words, "--output", "json", path)
        assert "shared" not in invoke("info", "-f", "raw", *words, path)


# ------------------------------------------------------- what is made of flags


def recorded(path, storage):
    file = {"driver": "recorded", "filename": str(path), "storage": storage}
    return "json:" + json.dumps({"driver": "raw", "file": file})


STORED = (
    "32K data, 16K {0}, 16K data, 64K hole, 64K {0}, 32K unwritten, 32K {0}, 64K data, 64K {0}, 128K hole"
)


@pytest.mark.parametrize("semantics", [each.name for each in SWITCH if not each.name.startswith("nbd")])
def test_maps_and_audit_are_not_split(semantics, tmp_path):
    path = tmp_path / "image"
    path.write_bytes(bytes(512 * KI))
    shared, data = (recorded(path, STORED.format(word)) for word in ("shared", "data"))
    for output in ("json", "csv", "human"):
        for words in (("map", "--semantics", semantics), ("audit",)):
            if words[0] == "audit" and output == "csv":
                continue
            said = invoke(*words, "--output", output, data)
            assert said
            assert invoke(*words, "--output", output, shared) == said.replace(data, shared)
