"""``anatomy`` against ``qemu-img check`` and ``qemu-img map``: every byte once, and each for what it is."""

from __future__ import annotations

import contextlib
import json
import os
import struct
import subprocess
from collections import Counter
from random import Random

import pytest
from checked import by_chance, theirs
from click.testing import CliRunner
from damage import COPIED, MADE, TOP, places
from oracle import TOOLS, build
from recipe import Recipe, create, io

from blockstrata import Mapping, anatomy, open_chain
from blockstrata.questions.checking import canvas, host_walk
from blockstrata_viewer.cli.group import main

pytestmark = pytest.mark.live(*TOOLS)

ROUNDS = int(os.environ.get("BLOCKSTRATA_CHECKS", "10")) // 2
SEED = int(os.environ.get("BLOCKSTRATA_CHECKS_SEED", "0"))
FOUND, FAILED = 3, 1
WRONG = {"leaked", "unknown", "overlap", "beyond-end"}
GUEST = {"data", "reserved", "shared", "snapshot-data"}
"""Uses whose bytes are the guest's, one by one."""


def ours(directory, *words):
    with contextlib.chdir(directory):
        done = CliRunner().invoke(main, list(words))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done


def dissected(directory):
    """Return what ``anatomy`` says, after what must hold for any file."""
    done = ours(directory, "anatomy", "-f", "qcow2", "--output", "json", TOP)
    if done.exit_code == FAILED:
        return None
    found = json.loads(done.stdout)
    length = (directory / TOP).stat().st_size
    inside = [run for run in found["runs"] if run["use"] != "beyond-end"]
    behind = found["runs"][len(inside) :]
    at, totals = 0, Counter()
    for run in inside:
        assert (run["host"], run["length"] > 0) == (at, True)
        at += run["length"]
        totals[run["use"]] += run["length"]
    assert at == found["length"] == length
    assert totals == {use: each["bytes"] for use, each in found["totals"].items()}
    assert all(run["host"] >= length for run in behind)
    assert bool(behind) == bool(found["references-beyond-end"])
    used = {run["use"] for run in found["runs"]}
    assert done.exit_code == (FOUND if used & WRONG else 0)
    return found


def clusters_of(runs, size):
    return {at for start, length in runs for at in range(start // size, -(-(start + length) // size))}


def compared(directory, kind):
    """Hold the anatomy against QEMU's counts, and against where the guest's bytes lie."""
    found = dissected(directory)
    expected, _ = theirs(directory, kind)
    if expected is None and kind != "luks":
        assert found is None
        return None
    if expected is None or found is None:
        return found
    size = found["cluster-size"]
    ours_of = lambda *uses: clusters_of(  # noqa: E731 (it is said once, and of one thing)
        [(run["host"], run["length"]) for run in found["runs"] if run["use"] in uses], size
    )
    # a cluster that is in use, too, may be counted too often; else what leaks is what QEMU says leaks
    findings = json.loads(ours(directory, "check", "-f", "qcow2", "--output", "json", TOP).stdout)["findings"]
    leaks = [(each["host"], each["length"]) for each in findings if each["severity"] == "leak"]
    leaking = clusters_of(leaks, size)
    assert len(leaking) == expected.get("leaks", 0)
    assert ours_of("leaked") <= leaking
    assert not leaking & ours_of("free", "tail", "unknown")
    end = expected["image-end-offset"]
    tail = [run["host"] for run in found["runs"] if run["use"] == "tail"]
    # QEMU takes clusters whose refcounts it cannot read for free ones
    assert tail == [end] if tail else end >= found["length"] or ours_of("unknown")
    counts = found["fragmentation"]
    names = ("allocated-clusters", "fragmented-clusters", "compressed-clusters")
    assert [counts[name] for name in names] == [expected.get(name, 0) for name in names]
    # less than a cluster past the file's end is not counted
    far = [
        run["host"] + run["length"] - found["length"] >= size
        for run in found["runs"]
        if "beyond" in run["use"]
    ]
    assert "corruptions" in expected or not any(far)
    return found


def hosts(directory, snapshot=None):
    """Return the host runs that the tables of the disk or a snapshot map: guest byte, host byte, length."""
    with contextlib.chdir(directory), open_chain(TOP, image_format="qcow2", snapshot=snapshot) as chain:
        layer = chain.layers[0]
        found = layer.extents(0, layer.size)
        named = found.having(Mapping.NORMAL, Mapping.ZERO_ALLOC, Mapping.UNALLOCATED_ALLOC)
        reserved = found.having(Mapping.ZERO_ALLOC, Mapping.UNALLOCATED_ALLOC)
        columns = (found.edges[:-1], found.host, found.lengths, reserved)
        return [row for row, is_named in zip(zip(*columns, strict=True), named, strict=True) if is_named]


def check_map(directory, found, *, sound):
    """Each host byte that holds a guest byte is said to, and to hold that one."""
    wrong = set() if sound else {"overlap", "beyond-end"}
    for guest, host, length, is_reserved in hosts(directory):
        touched = [
            run for run in found["runs"] if run["host"] < host + length and host < run["host"] + run["length"]
        ]
        # less than a cluster past the file's end is not told
        assert touched or (not sound and host >= found["length"])
        for run in touched:
            expected = {"reserved", "shared"} if is_reserved else {"data", "shared"}
            assert run["use"] in expected | wrong
            if sound and run["use"] != "shared":
                assert run["guest"] - run["host"] == guest - host


@pytest.mark.parametrize("kind", MADE)
def test_sound(kind, made):
    found = compared(made(kind), kind)
    assert not {run["use"] for run in found["runs"]} & WRONG
    if "data-file" in found:
        assert "data" not in found["totals"]
        return
    check_map(made(kind), found, sound=True)
    if kind != "luks":
        told = subprocess.run(
            ["qemu-img", "map", "--output=json", TOP], cwd=made(kind), capture_output=True, check=True
        )
        mapped = [each for each in json.loads(told.stdout) if "offset" in each and each["depth"] == 0]
        assert mapped
        for each in mapped:
            held = [
                run for run in found["runs"] if run["host"] <= each["offset"] < run["host"] + run["length"]
            ]
            assert held[0]["use"] in {"data", "reserved", "shared"}


USES = {
    "plain": {"header", "refcount-table", "refcount-block", "l1", "l2", "data", "reserved", "compressed"},
    "snapshots": {"snapshot-table", "snapshot-l1", "snapshot-l2", "snapshot-data", "shared", "data"},
    "bitmaps": {"bitmap-directory", "bitmap-table", "bitmap-data"},
    "luks": {"encryption-header", "data"},
    "extended": {"reserved", "snapshot-data", "shared"},
}


@pytest.mark.parametrize("kind", USES)
def test_uses_that_an_image_must_have(kind, made):
    found = dissected(made(kind))
    # qemu-io may write zeroes without a cluster
    assert set(found["totals"]) >= USES[kind] - {"reserved"}
    assert all(run["snapshot"] in {"1", "2"} for run in found["runs"] if run["use"] == "snapshot-l1")
    named = {run["bitmap"] for run in found["runs"] if run["use"] == "bitmap-data"}
    assert named <= {"first", "second"}


def test_what_a_snapshot_alone_holds_is_its_own(made):
    """Each byte of a snapshot is shared or its own; what is its own, no map of the disk names."""
    directory = made("snapshots")
    found = dissected(directory)
    own = [run for run in found["runs"] if run["use"] == "snapshot-data"]
    held = clusters_of([(host, length) for _, host, length, _ in hosts(directory)], 4096)
    named = set()
    for snapshot in ("a", "b"):
        named |= clusters_of([(host, length) for _, host, length, _ in hosts(directory, snapshot)], 4096)
    shared = clusters_of(
        [(each["host"], each["length"]) for each in found["runs"] if each["use"] == "shared"], 4096
    )
    # and compressed ones, which no map gives an offset of
    assert named - held <= clusters_of([(each["host"], each["length"]) for each in own], 4096)
    assert named & held <= shared
    assert not held & clusters_of([(each["host"], each["length"]) for each in own], 4096)


@pytest.mark.parametrize("kind", MADE)
def test_damaged_by_chance(kind, made):
    def hold(directory, kind):
        found = compared(directory, kind)
        if found and "data-file" not in found:
            check_map(directory, found, sound=False)

    by_chance(made(kind), kind, SEED, ROUNDS, hold)


@pytest.mark.parametrize("kind", ["plain", "small-clusters", "snapshots", "bitmaps", "extended"])
def test_windows_and_blocks_change_nothing(kind, made, monkeypatch):
    directory = made(kind)
    whole = dissected(directory)
    monkeypatch.setattr(host_walk, "_LEAST_WINDOW", 5)
    monkeypatch.setattr(host_walk, "_MOST_WINDOW", 7)
    monkeypatch.setattr(canvas, "_BLOCK", 64)
    assert dissected(directory) == whole


def test_users_of_a_byte(made):
    """Whoever names a cluster is named, with the guest byte that stands there."""
    with contextlib.chdir(made("snapshots")), open_chain(TOP) as chain:
        found = anatomy(chain.layers[0])
        shared = next(run for run in found if run.use == "shared" and run.length > 4096)
        users, count = found.users_of(shared.host + 4096 + 7)
        assert count == len(users) >= 2
        assert {each.guest for each in users} == {shared.guest + 4096 + 7}
        assert found.users_of(0) == ([("the header", None)], 1)


def test_compressed_clusters_that_meet_in_one(tmp_path):
    """Of two that lie in one cluster of the host, each byte leads to its own."""
    noise = Random(1).randbytes(20000)
    (tmp_path / "half.raw").write_bytes((noise + bytes(65536 - len(noise))) * 2)
    command = f"qemu-img convert -c -f raw -O qcow2 -o cluster_size=64k half.raw {TOP}"
    build(Recipe("two", (command,)), tmp_path)
    with contextlib.chdir(tmp_path), open_chain(TOP) as chain:
        found = anatomy(chain.layers[0])
        (run,) = [each for each in found if each.use == "compressed"]
        first = {each.guest for each in found.users_of(run.host)[0]}
        last = {each.guest for each in found.users_of(run.host + run.length - 1)[0]}
    assert (first, last) == ({0}, {65536})


def test_freed_clusters_and_a_tail(tmp_path):
    build(
        Recipe("freed", (create(TOP, "256k", cluster_size="4k"), io(TOP, "write 0 64k", "discard 8k 8k"))),
        tmp_path,
    )
    with (tmp_path / TOP).open("ab") as file:
        file.write(bytes(5000))
    found = compared(tmp_path, "freed")
    assert found["totals"]["tail"]["bytes"] == 5000
    assert {"free", "reserved"} & set(found["totals"])
    assert "past the last cluster" in ours(tmp_path, "anatomy", TOP).stdout


def test_people_read_a_table_that_adds_up(made):
    done = ours(made("plain"), "anatomy", TOP)
    lines = [line.split() for line in done.stdout.splitlines()]
    (total,) = [line for line in lines if line[0] == "sum"]
    rows = lines[2 : lines.index(total)]
    assert sum(int(row[1].replace(",", "")) for row in rows) == (made("plain") / TOP).stat().st_size
    assert int(total[1].replace(",", "")) == (made("plain") / TOP).stat().st_size
    assert ours(made("plain"), "anatomy", "--map", TOP).stdout.endswith(done.stdout)


def test_storage_lies_beside_it(tmp_path):
    """A hole in the file is one, whatever its bytes are for."""
    build(Recipe("holes", (create(TOP, "256k", cluster_size="4k", preallocation="metadata"),)), tmp_path)
    found = dissected(tmp_path)
    assert found["totals"]["data"]["hole"] > 200000
    holes = sum(each["length"] for each in found["storage"] if each["storage"] == "hole")
    assert holes == sum(each.get("hole", 0) for each in found["totals"].values())
    assert sum(each["length"] for each in found["storage"]) == found["length"]


def test_raw_is_data_and_others_have_none(tmp_path):
    (tmp_path / "disk.raw").write_bytes(bytes(1000))
    found = json.loads(ours(tmp_path, "anatomy", "-f", "raw", "--output", "json", "disk.raw").stdout)
    assert found["runs"] == [{"host": 0, "length": 1000, "use": "data", "guest": 0}]
    subprocess.run(["qemu-img", "create", "-q", "-f", "vmdk", "disk.vmdk", "1M"], cwd=tmp_path, check=True)
    done = ours(tmp_path, "anatomy", "--via-qemu", "disk.vmdk")
    assert done.exit_code == FAILED
    assert "have no anatomy" in done.stderr


def test_damage_is_told_where_it_is(made, tmp_path):
    """A cluster whose entry is lost leaks; one that is named as table and data overlaps; one is far away."""
    image = bytearray((made("plain") / TOP).read_bytes())
    (l2,) = [each.start for each in places(image)[0] if each.kind == "l2"]
    (host, far) = (struct.unpack_from(">Q", image, l2 + 8 * nth)[0] & ~COPIED for nth in (1, 2))
    for nth, entry in ((1, 0), (2, COPIED | 1 << 40), (60, COPIED | l2)):
        struct.pack_into(">Q", image, l2 + 8 * nth, entry)
    (tmp_path / TOP).write_bytes(image)
    found = dissected(tmp_path)
    told = {
        use: [(run["host"], run["length"]) for run in found["runs"] if run["use"] == use] for use in WRONG
    }
    assert told == {
        "leaked": [(host, far + 4096 - host)],
        "overlap": [(l2, 4096)],
        "beyond-end": [(1 << 40, 4096)],
        "unknown": [],
    }
    said = ours(tmp_path, "anatomy", TOP).stdout
    assert f"{host:#x} +0x2000" in said
    assert f"{1 << 40:#x} +0x1000  guest 0x2000" in said
