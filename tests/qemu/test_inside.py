"""Snapshots and bitmaps as ``qemu-nbd`` exports them, and what ``qemu-img info`` lists, against ours."""

from __future__ import annotations

import contextlib
import json
import struct

import pytest
from click.testing import CliRunner
from nbd_oracle import TOOLS as NBD_TOOLS
from nbd_oracle import block_status, map_of
from oracle import TOOLS, build, run
from recipe import Recipe, create, io, poke, punch
from servers import RefusedError, qemu_nbd

from blockstrata import open_chain
from blockstrata_viewer.cli.group import main
from inside import BITMAPS, SNAPSHOT_TABLE, TWO_SNAPSHOTS, mark, take

pytestmark = pytest.mark.live(*TOOLS, *NBD_TOOLS)


def ours(*words, cwd):
    with contextlib.chdir(cwd):
        return CliRunner().invoke(main, list(words))


def our_block_status(*words, cwd):
    """Return the runs of a map with the flags that qemu-nbd sends for it: 1 no data, 2 zero."""
    done = ours("map", "--output", "json", *words, cwd=cwd)
    assert done.exit_code == 0, done.stderr
    runs = []
    for entry in json.loads(done.stdout):
        kind = (not entry["data"]) + 2 * entry["zero"]
        if runs and runs[-1][2] == kind:
            runs[-1] = (runs[-1][0], runs[-1][1] + entry["length"], kind)
        else:
            runs.append((entry["start"], entry["length"], kind))
    return runs


# --- snapshots ---

WORDS = (
    "1",
    "2",
    "3",
    "a,b",
    "snapshot.id=1",
    "snapshot.id=2",
    "snapshot.name=1",
    "snapshot.name=a,,b",
    "snapshot.name=2,snapshot.id=1",
    "snapshot.id=3,snapshot.name=a,,b",
    "snapshot.id=1,snapshot.id=2",
    # none
    "nosuch",
    "4",
    "snapshot.id=a,,b",
    "snapshot.name=3",
    "snapshot.id=1,snapshot.name=1",
    "snapshot.name=a,b",
    "snapshot.nosuch=1",
    "snapshot.",
)


def test_the_same_snapshot_is_found(work):
    """Three snapshots that differ, two of them named like another's id."""
    three = [
        command
        for nth, name in enumerate(("2", "1", "a,b"))
        for command in (io("top.qcow2", f"write {nth * 128}k 64k"), take(name))
    ]
    build(Recipe("x", (create("top.qcow2", "1M"), *three)), work)
    answers = []
    for words in WORDS:
        try:
            with qemu_nbd(work, "--format=qcow2", "--load-snapshot", words, "top.qcow2") as uri:
                theirs = block_status(uri, cwd=work)
        except RefusedError:
            theirs = None
            done = ours("map", "--snapshot", words, "top.qcow2", cwd=work)
            assert done.exit_code == 1
            assert len(done.stderr.splitlines()) == 1
        else:
            assert theirs == our_block_status("--snapshot", words, "top.qcow2", cwd=work), words
        answers.append(theirs)
    assert answers.count(None) == 8
    assert len({tuple(answer) for answer in answers if answer}) == 3


@pytest.mark.parametrize(
    "commands",
    [
        (
            create("top.qcow2", "8M", cluster_size="2M"),
            io("top.qcow2", "write 0 512k"),
            take("s"),
            io("top.qcow2", "write 64k 4k", "write 3M 64k"),
        ),
        (
            create("top.qcow2", "8M", preallocation="metadata"),
            io("top.qcow2", "write 1M 1M"),
            take("s"),
            io("top.qcow2", "write 0 4M"),
        ),
        (
            create("top.qcow2", "8M"),
            io("top.qcow2", "write 0 8M"),
            take("s"),
            io("top.qcow2", "write 1M 2M"),
            *(punch("top.qcow2", 0x50000 + n * 0x100000, 0x80000) for n in range(8)),
        ),
        (
            create("base.qcow2", "8M"),
            io("base.qcow2", "write 0 8M"),
            create("top.qcow2", "8M", "base.qcow2", extended_l2="on"),
            io("top.qcow2", "write 0 2k", "write -z 1M 64k", "write -c 2M 64k"),
            take("s"),
            io("top.qcow2", "write 0 64k", "discard 1M 1M"),
        ),
    ],
    ids=["half-clusters", "preallocated", "punched", "over-backing"],
)
def test_a_snapshot_in_an_image_that_may_look_preallocated(commands, work):
    """Applying a snapshot to a copy would change what the file stores, and the answer with it."""
    build(Recipe("x", commands), work)
    with qemu_nbd(work, "--format=qcow2", "--load-snapshot=s", "top.qcow2") as uri:
        theirs = block_status(uri, cwd=work)
    assert our_block_status("--snapshot", "s", "top.qcow2", cwd=work) == theirs
    with qemu_nbd(work, "--format=qcow2", "top.qcow2") as uri:
        assert our_block_status("top.qcow2", cwd=work) == block_status(uri, cwd=work) != theirs


@pytest.mark.parametrize("image", ["top.raw", "top.qcow2"])
def test_no_snapshots(image, work):
    build(Recipe("x", ("truncate -s 1M top.raw", create("top.qcow2", "1M"))), work)
    with (
        pytest.raises(RefusedError),
        qemu_nbd(work, f"--format={image[4:]}", "--load-snapshot=s", image),
    ):
        pass
    done = ours("map", "--snapshot", "s", image, cwd=work)
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"{image}: snapshot 's': " in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("field", "value", "width"),
    [
        (0, 0x90200, 8),
        (8, (4 << 20) + 1, 4),
        (48, 12345, 8),
        (48, 1 << 62, 8),
        (48, (1 << 64) - 512, 8),
    ],
    ids=["l1-unaligned", "l1-too-large", "size-unaligned", "size-too-large", "size-negative"],
)
def test_a_malformed_snapshot_cannot_be_gone_to(field, value, width, work):
    """The image opens all the same, and its other snapshot too."""
    build(Recipe("x", (*TWO_SNAPSHOTS, poke("top.qcow2", SNAPSHOT_TABLE + field, value, width))), work)
    for name, refused in (("before", True), ("after", False)):
        run("cp", "top.qcow2", "copy.qcow2", cwd=work)
        theirs = run("qemu-img", "snapshot", "-a", name, "copy.qcow2", cwd=work)
        done = ours("map", "--snapshot", name, "top.qcow2", cwd=work)
        assert (theirs.returncode != 0, done.exit_code != 0) == (refused, refused), theirs.stderr
        lines = done.stderr.splitlines()
        assert (
            len(lines) == 1 if refused else all(line.startswith("blockstrata: warning: ") for line in lines)
        )
    assert ours("map", "top.qcow2", cwd=work).exit_code == 0


# --- bitmaps ---


def compare(bitmap, work, *, image="top.qcow2"):
    """Compare one bitmap; True if there is such a thing."""
    words = ("map", "--bitmap", bitmap, "--output", "nbd-json", image)
    done = ours(*words, cwd=work)
    try:
        with qemu_nbd(work, "--format=qcow2", f"--bitmap={bitmap}", image) as uri:
            theirs = map_of(uri, f"qemu:dirty-bitmap:{bitmap}", cwd=work)
    except RefusedError:
        assert (done.exit_code, done.stdout) == (1, "")
        assert f"bitmap '{bitmap}'" in done.stderr
        assert len(done.stderr.splitlines()) == 1
        return False
    assert done.exit_code == 0, done.stderr
    assert done.stdout == theirs
    return True


REFUSED = {
    "marked-and-changed": 1,
    "marked-by-odd-names": 1,
    "marked-below-raw": 1,
    "marked-in-use": 1,
    "marked-in-use-above": 1,
    "marked-and-nothing-vouches": 1,
    "marked-twice-in-use": 1,
}
"""How many of the bitmaps asked for are none, or mean nothing."""


@pytest.mark.parametrize("marked", BITMAPS, ids=lambda marked: marked.recipe.name)
def test_the_same_bitmap(marked, work):
    build(marked.recipe, work)
    refused = [bitmap for bitmap in marked.bitmaps if not compare(bitmap, work)]
    assert len(refused) == REFUSED.get(marked.recipe.name, 0), refused


def test_clusters_that_are_all_dirty(work):
    """QEMU reads such table entries, but does not write them: these are written here."""
    build(
        Recipe(
            "x",
            (
                create("top.qcow2", "9999872", cluster_size=512),
                mark("--add", "-g", "512", "b"),
                io("top.qcow2", "write 3M 4k", "write 6M 512"),
            ),
        ),
        work,
    )
    with open_chain(str(work / "top.qcow2")) as chain:
        (bitmap,) = chain.layers[0].node.read_bitmaps()
    assert bitmap.table_entries == 5
    assert compare("b", work)
    for dirty in ((0,), (0, 1), (2, 4)):
        with (work / "top.qcow2").open("r+b") as file:
            for entry in dirty:
                file.seek(bitmap.table_offset + entry * 8)
                file.write(struct.pack(">Q", 1))
        assert compare("b", work)


def test_the_layer_of_a_bitmap(work):
    """``--layer`` is the bitmap that QEMU exports of that layer alone."""
    build(
        Recipe(
            "x",
            (
                create("base.qcow2", "1M"),
                mark("--add", "b", image="base.qcow2"),
                io("base.qcow2", "write 0 64k"),
                create("top.qcow2", "2M", "base.qcow2"),
                mark("--add", "b"),
                io("top.qcow2", "write 1M 64k"),
            ),
        ),
        work,
    )
    answers = []
    for layer, image in enumerate(("top.qcow2", "base.qcow2")):
        with qemu_nbd(work, "--format=qcow2", "--bitmap=b", image) as uri:
            theirs = map_of(uri, "qemu:dirty-bitmap:b", cwd=work)
        words = ("map", "--bitmap", "b", "--output", "nbd-json", "--layer", str(layer), "top.qcow2")
        done = ours(*words, cwd=work)
        assert done.stdout == theirs
        answers.append(theirs)
    assert answers[0] != answers[1]


def test_info_lists_what_qemu_img_lists(work):
    build(
        Recipe(
            "x",
            (
                create("top.qcow2", "1M"),
                io("top.qcow2", "write 0 64k"),
                take("1"),
                "qemu-img resize -q top.qcow2 2M",
                take("a b"),
                mark("--add", "-g", "1M", "one"),
                mark("--add", "--disable", "two"),
            ),
        ),
        work,
    )
    theirs = json.loads(run("qemu-img", "info", "--output=json", "top.qcow2", cwd=work).stdout)
    for words in (("info",), ("info", "--quick")):
        (layer,) = json.loads(ours(*words, "--output", "json", "top.qcow2", cwd=work).stdout)["layers"]
        sizes = [snapshot.pop("disk-size") for snapshot in layer["snapshots"]]
        assert sizes == [1 << 20, 2 << 20]
        assert layer["snapshots"] == theirs["snapshots"]
        assert layer["bitmaps"] == theirs["format-specific"]["data"]["bitmaps"]
