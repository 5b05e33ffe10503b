"""``check`` against ``qemu-img check``: the same numbers on sound images, on leaks and on damage."""

from __future__ import annotations

import fcntl
import json
import os
import struct
import subprocess
from random import Random

import pytest
from checked import FAILED, FOUND, by_chance, compared, ours, patched, theirs
from damage import (
    COMPRESSED,
    COPIED,
    MADE,
    TOP,
    block_at,
    damaged,
    data_at,
    l1_at,
    l2_at,
    places,
    refcounts_at,
    word,
)
from oracle import TOOLS, build
from recipe import Recipe, create, io

from blockstrata.questions import check

pytestmark = pytest.mark.live(*TOOLS)

ROUNDS = int(os.environ.get("BLOCKSTRATA_CHECKS", "10"))
"""Damaged images of each kind."""
SEED = int(os.environ.get("BLOCKSTRATA_CHECKS_SEED", "0"))
CLUSTER = 4096


@pytest.mark.parametrize("kind", MADE)
def test_sound(kind, made):
    findings = compared(made(kind), kind)
    assert [each["kind"] for each in findings] == ({"luks": ["encrypted"]}.get(kind, []))


@pytest.mark.parametrize("kind", MADE)
def test_damaged_by_chance(kind, made):
    by_chance(made(kind), kind, SEED, ROUNDS, compared)


@pytest.mark.parametrize("kind", ["refcounts-of-1", "plain", "small-clusters", "snapshots", "bitmaps"])
def test_windows_add_up(kind, made, monkeypatch):
    """Host clusters are counted so many at a time, and what all windows see is counted once."""
    monkeypatch.setattr(check, "_WINDOW", 5)
    directory = made(kind)
    sound = (directory / TOP).read_bytes()
    try:
        compared(directory, kind)
        for nth in range(ROUNDS // 2):
            image, said = damaged(sound, Random(f"{kind} {SEED} {nth}"))
            (directory / TOP).write_bytes(image)
            assert image[56:60] != bytes(4), said
            compared(directory, kind)
    finally:
        (directory / TOP).write_bytes(sound)


FAR = 1 << 40
DAMAGE = {
    "too-low": (
        "plain",
        lambda i: [word(block_at(i) + 10, 0, ">H")],
        "refcount-low",
        lambda _: (5 * CLUSTER, CLUSTER, 0),
    ),
    "leak": (
        "plain",
        lambda i: [word(block_at(i) + 10, 2, ">H")],
        "refcount-high",
        lambda _: (5 * CLUSTER, CLUSTER, None),
    ),
    "copied-l1": ("plain", lambda i: [word(l1_at(i), l2_at(i))], "copied", lambda i: (l2_at(i), CLUSTER, 0)),
    "copied-l2": ("plain", lambda i: [(l2_at(i), b"\0")], "copied", lambda i: (data_at(i), CLUSTER, 0)),
    "unaligned-cluster": (
        "plain",
        lambda i: [word(l2_at(i), COPIED | 0x5200)],
        "unaligned",
        lambda _: (0x5200, CLUSTER, 0),
    ),
    "unaligned-table": (
        "plain",
        lambda i: [word(l1_at(i), COPIED | l2_at(i) + 512)],
        "unaligned",
        lambda i: (l2_at(i) + 512, CLUSTER, 0),
    ),
    "unaligned-block": (
        "plain",
        lambda i: [word(refcounts_at(i), block_at(i) + 512)],
        "unaligned",
        lambda i: (block_at(i) + 512, CLUSTER, None),
    ),
    "reserved-l1": (
        "plain",
        lambda i: [word(l1_at(i), COPIED | l2_at(i) | 2)],
        "reserved",
        lambda i: (l2_at(i), CLUSTER, 0),
    ),
    "reserved-l2": ("plain", lambda i: [(l2_at(i), b"\xa0")], "reserved", lambda _: (None, None, 0)),
    "reserved-block": (
        "plain",
        lambda i: [word(refcounts_at(i), block_at(i) | 1)],
        "reserved",
        lambda i: (block_at(i), CLUSTER, None),
    ),
    "beyond-cluster": (
        "plain",
        lambda i: [word(l2_at(i), COPIED | FAR)],
        "beyond-end",
        lambda _: (FAR, CLUSTER, 0),
    ),
    "beyond-cluster-zero": (
        "plain",
        lambda i: [word(l2_at(i), COPIED | FAR | 1)],
        "beyond-end",
        lambda _: (FAR, CLUSTER, 0),
    ),
    "beyond-table": (
        "plain",
        lambda i: [word(l1_at(i), COPIED | FAR)],
        "beyond-end",
        lambda _: (FAR, CLUSTER, 0),
    ),
    "beyond-block": (
        "plain",
        lambda i: [word(refcounts_at(i), FAR)],
        "beyond-end",
        lambda _: (FAR, CLUSTER, None),
    ),
    "beyond-compressed": (
        "plain",
        lambda i: [word(l2_at(i), COMPRESSED | FAR)],
        "beyond-end",
        lambda _: (None, None, 0),
    ),
    "block-over-table": (
        "plain",
        lambda i: [word(refcounts_at(i), l2_at(i))],
        "overlap",
        lambda i: (l2_at(i), CLUSTER, None),
    ),
    "too-narrow": (
        "refcounts-of-1",
        lambda i: [(l2_at(i) + 8, i[l2_at(i) : l2_at(i) + 8])],
        "overflow",
        lambda i: (data_at(i), CLUSTER, None),
    ),
    "no-subclusters": (
        "extended",
        lambda i: [word(l2_at(i) + 8 * 31, 1)],
        "subclusters",
        lambda _: (None, None, 15 << 14),
    ),
    "snapshot-l1": (
        "snapshots",
        lambda i: [(struct.unpack_from(">Q", i, 64)[0] + 7, b"\1")],
        "unaligned",
        lambda _: (None, None, None),
    ),
    "compressed-data-file": (
        "data-file",
        lambda i: [word(l2_at(i), COMPRESSED)],
        "compressed",
        lambda _: (None, None, 0),
    ),
}
"""For each damage the image, its changes, and what it must be among others: the kind of finding, and where.

Host byte, length and guest byte, of the image before it is changed.
"""


def place(finding):
    """Return where a finding is."""
    return finding["host"], finding["length"], finding["guest"]


@pytest.mark.parametrize("name", DAMAGE)
def test_damage(name, made):
    kind, change, expected, where = DAMAGE[name]
    findings = patched(made(kind), kind, change)
    counted = [each for each in findings if each["kind"] == expected and each["severity"] != "warning"]
    assert where((made(kind) / TOP).read_bytes()) in [place(each) for each in counted]
    assert all(each["says"] for each in counted)


HIDDEN = {
    "dirty": ("plain", lambda i: [(79, bytes([i[79] | 1]))], "dirty", lambda _: (72, 8, None)),
    "corrupt": ("plain", lambda i: [(79, bytes([i[79] | 2]))], "corrupt", lambda _: (72, 8, None)),
    "orphaned": ("bitmaps", lambda _: [(95, b"\0")], "bitmap-orphaned", lambda _: (None, None, None)),
    "in-use": (
        "bitmaps",
        lambda i: [(next(each.start for each in places(i)[0] if each.kind == "bitmap") + 15, b"\3")],
        "bitmap-in-use",
        lambda _: (None, None, None),
    ),
    "data-file": (
        "data-file",
        lambda i: [word(l2_at(i), COPIED | 0x2000)],
        "data-file",
        lambda _: (0x2000, CLUSTER, 0),
    ),
    "past-data-file": (
        "data-file",
        lambda i: [word(l2_at(i) + 8 * 500, COPIED | 500 << 12)],
        "beyond-end",
        lambda _: (500 << 12, CLUSTER, 500 << 12),
    ),
    "zero-flag": (
        "version-2",
        lambda i: [word(l2_at(i) + 8 * 60, 1)],
        "zero-flag",
        lambda _: (None, None, 60 * CLUSTER),
    ),
    # a data cluster that is the L1 table's, whose refcount fits
    "overlap": (
        "plain",
        lambda i: [word(l2_at(i) + 8 * 60, l1_at(i)), word(block_at(i) + l1_at(i) // CLUSTER * 2, 2, ">H")],
        "overlap",
        lambda i: (l1_at(i), CLUSTER, 60 * CLUSTER),
    ),
}
"""What qemu-img says nothing of, though it may count something else for it."""


@pytest.mark.parametrize("name", HIDDEN)
def test_not_silent(name, made):
    kind, change, expected, where = HIDDEN[name]
    findings = patched(made(kind), kind, change)
    warned = [place(each) for each in findings if (each["kind"], each["severity"]) == (expected, "warning")]
    assert where((made(kind) / TOP).read_bytes()) in warned


def test_users_are_named(made):
    """A cluster that two entries name is told with both, and where the guest reads it."""
    change = lambda i: [(l2_at(i) + 8, i[l2_at(i) : l2_at(i) + 8])]  # noqa: E731 (as those of the tables above)
    findings = patched(made("plain"), "plain", change)
    low = next(each for each in findings if each["kind"] == "refcount-low")
    assert "entry 0" in low["says"]
    assert "entry 1" in low["says"]
    assert low["guest"] == 0


def test_no_data_is_lost_where_the_zero_flag_is_set(made):
    findings = patched(made("plain"), "plain", lambda i: [word(l2_at(i), COPIED | FAR | 1)])
    (beyond,) = (each for each in findings if each["kind"] == "beyond-end")
    assert beyond["says"].endswith("it reads as zeroes, as its entry says")


def test_tail(made, tmp_path):
    sound = (made("plain") / TOP).read_bytes()
    (tmp_path / TOP).write_bytes(sound + bytes(100000))
    (tail,) = compared(tmp_path, "plain")
    assert (tail["kind"], tail["host"], tail["length"]) == ("tail", len(sound), 100000)


def test_in_use(made, tmp_path):
    """An image that a QEMU writes is checked all the same, and that is said; qemu-img refuses it."""
    (tmp_path / TOP).write_bytes((made("plain") / TOP).read_bytes())
    with (tmp_path / TOP).open("r+b") as file:
        for byte in (101, 201):
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, byte, 1, 0))
        assert theirs(tmp_path, "plain")[1] == 1
        done = ours(tmp_path, TOP)
    assert done.exit_code == 0
    assert "in use" in done.stdout
    assert "in use" not in ours(tmp_path, TOP).stdout


def test_chain(tmp_path):
    """Each qcow2 layer is checked, and the worst of them is the exit status; raw ones are left out."""
    commands = (
        "truncate -s 64k base.raw",
        create("middle.qcow2", None, "base.raw", "raw", cluster_size=CLUSTER),
        create(TOP, None, "middle.qcow2", cluster_size=CLUSTER),
        io("middle.qcow2", "write 0 8k"),
    )
    build(Recipe("chain", commands), tmp_path)
    with (tmp_path / "middle.qcow2").open("r+b") as file:
        file.seek(block_at((tmp_path / "middle.qcow2").read_bytes()) + 9)
        file.write(b"\2")
    assert ours(tmp_path, TOP).exit_code == 0
    done = ours(tmp_path, "--chain", "--output", "json", TOP)
    assert done.exit_code == FOUND
    assert [(each["filename"], each.get("leaks", 0)) for each in json.loads(done.stdout)] == [
        (TOP, 0),
        ("middle.qcow2", 1),
    ]
    assert ours(tmp_path, "--chain", TOP).stdout.startswith(f"{TOP}\n")


def test_what_a_chain_lacks(tmp_path):
    """A layer that cannot be checked, or is not there, takes nothing from what was found of the others."""
    commands = (
        create("base.qcow2", "64k", cluster_size=CLUSTER),
        "qemu-img snapshot -c a base.qcow2",
        create("middle.qcow2", None, "base.qcow2", cluster_size=CLUSTER),
        create(TOP, None, "middle.qcow2", cluster_size=CLUSTER),
    )
    build(Recipe("chain", commands), tmp_path)
    for name in ("middle.qcow2", "base.qcow2"):
        image = bytearray((tmp_path / name).read_bytes())
        if name == "base.qcow2":
            struct.pack_into(">I", image, struct.unpack_from(">Q", image, 64)[0] + 36, 0xFFFFFF)
        else:
            struct.pack_into(">H", image, block_at(image) + 2, 2)
        (tmp_path / name).write_bytes(image)
    done = ours(tmp_path, "--chain", "--output", "json", TOP)
    assert done.exit_code == FAILED
    assert [each.get("leaks", 0) for each in json.loads(done.stdout)] == [0, 1]
    assert done.stderr.startswith("blockstrata: base.qcow2: qcow2 snapshot table, entry 0: ")
    # alone, the image is sound, and that is said; that its chain is not whole is said too
    (tmp_path / "middle.qcow2").unlink()
    assert theirs(tmp_path, "chain")[1] == FAILED
    done = ours(tmp_path, TOP)
    assert (done.exit_code, done.stderr.count("\n")) == (0, 1)
    assert done.stderr.startswith(f"blockstrata: middle.qcow2: backing file of {TOP}: No such file")
    assert ours(tmp_path, "--chain", TOP).exit_code == FAILED


def test_last_lines_are_theirs(made):
    done = subprocess.run(
        ["qemu-img", "check", TOP], cwd=made("plain"), capture_output=True, text=True, timeout=30, check=True
    )
    assert ours(made("plain"), TOP).stdout == done.stdout


def test_other_formats(tmp_path):
    (tmp_path / "disk.raw").write_bytes(bytes(CLUSTER))
    done = ours(tmp_path, "disk.raw")
    assert done.exit_code == FAILED
    assert done.stderr == "blockstrata: disk.raw: raw images cannot be checked, only qcow2\n"
