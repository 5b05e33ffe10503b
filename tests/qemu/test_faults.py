"""What info, map and trace say of damage that QEMU maps without a word; its check is the judge."""

from __future__ import annotations

import contextlib
import fcntl
import json
import struct
import subprocess

import pytest
from click.testing import CliRunner
from damage import COMPRESSED, COPIED, MADE, TOP, block_at, l1_at, l2_at, places, refcounts_at, word
from oracle import TOOLS, build
from recipe import Recipe, create, io

from blockstrata import Storage, merged, open_chain, storage_of
from blockstrata_viewer.cli.group import main

pytestmark = pytest.mark.live(*TOOLS)

FAR = 1 << 40
CLUSTER = 4096


def run(directory, *words):
    with contextlib.chdir(directory):
        done = CliRunner().invoke(main, words)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done


def findings(directory, *words):
    """Return what info finds in the topmost layer, by kind."""
    done = run(directory, "info", "--output", "json", *words, TOP)
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)["layers"][0].get("findings", [])


def qemu_map(directory, image=TOP, fmt="qcow2"):
    done = subprocess.run(
        ["qemu-img", "map", "-U", "-f", fmt, "--output=json", image],
        cwd=directory,
        capture_output=True,
        timeout=30,
        check=True,
    )
    return json.loads(done.stdout)


def our_map(directory, *words):
    """Return our map as QEMU 7.2 has it, and what stands on standard error."""
    done = run(directory, "map", "--output", "json", *words)
    assert done.exit_code == 0, done.stderr
    return [
        {key: value for key, value in each.items() if key != "compressed"} for each in json.loads(done.stdout)
    ], done.stderr


@pytest.mark.parametrize("kind", MADE)
def test_sound_images_are_passed_over(kind, made):
    assert findings(made(kind)) == []
    assert run(made(kind), "map", "--output", "json", TOP).stderr == ""


def _bitmap(image):
    return next(each.start for each in places(image)[0] if each.kind == "bitmap")


def _own_table(image):
    """Return the host byte of the first L2 table of the disk itself, not of a snapshot."""
    return struct.unpack_from(">Q", image, l1_at(image))[0] & ~COPIED


FAULTS = {
    "cluster": ("plain", lambda i: [word(l2_at(i), COPIED | FAR)], "beyond-end"),
    "cluster-just-past": ("plain", lambda i: [word(l2_at(i), COPIED | len(i))], "beyond-end"),
    "cluster-extended": ("extended", lambda i: [word(_own_table(i), COPIED | FAR)], "beyond-end"),
    "compressed": ("plain", lambda i: [word(l2_at(i), COMPRESSED | FAR)], "beyond-end"),
    "l2-table": ("plain", lambda i: [word(l1_at(i), COPIED | FAR)], "beyond-end"),
    "l1-table": ("plain", lambda _: [word(40, FAR)], "beyond-end"),
    "refcount-table": ("plain", lambda _: [word(48, FAR)], "beyond-end"),
    "refcount-table-empty": ("plain", lambda i: [word(refcounts_at(i), 0)], "refcount-low"),
    "refcount-block": ("plain", lambda i: [word(refcounts_at(i), FAR)], "beyond-end"),
    "snapshot-l1": ("snapshots", lambda i: [word(struct.unpack_from(">Q", i, 64)[0], FAR)], "beyond-end"),
    "dirty": ("plain", lambda i: [(79, bytes([i[79] | 1]))], "dirty"),
    "corrupt": ("plain", lambda i: [(79, bytes([i[79] | 2]))], "corrupt"),
    "orphaned": ("bitmaps", lambda _: [(95, b"\0")], "bitmap-orphaned"),
    "bitmap-in-use": ("bitmaps", lambda i: [(_bitmap(i) + 15, b"\3")], "bitmap-in-use"),
}
"""For each fault the image, its changes, and the kind of finding."""


@contextlib.contextmanager
def patched(directory, change):
    sound = (directory / TOP).read_bytes()
    image = bytearray(sound)
    for at, octets in change(sound):
        image[at : at + len(octets)] = octets
    assert image != sound
    (directory / TOP).write_bytes(image)
    try:
        yield
    finally:
        (directory / TOP).write_bytes(sound)


@pytest.mark.parametrize("name", FAULTS)
def test_no_fault_is_passed_over(name, made):
    """info tells the fault as check does, and map says so beside the answer that QEMU gives as well."""
    kind, change, expected = FAULTS[name]
    directory = made(kind)
    with patched(directory, change):
        found = findings(directory)
        (told,) = [each for each in found if each["kind"] == expected]
        check = json.loads(run(directory, "check", "--output", "json", TOP).stdout)
        human = run(directory, "info", TOP).stdout
        answer, said = our_map(directory, TOP)
        assert answer == qemu_map(directory)
    assert f"{told['severity']}: {told['says']}" in human
    assert "blockstrata check says more" in human
    sentence = told["says"].split(": ", 1)[-1]
    if name != "refcount-table-empty":  # check tells it cluster by cluster
        assert sentence in " ".join(each["says"] for each in check["findings"])
    counted = [each for each in check["findings"] if each["severity"] == told["severity"]]
    assert expected in [each["kind"] for each in counted]
    assert said.startswith(f"blockstrata: warning: {TOP}: ")
    assert said.endswith(f"; run 'blockstrata check {TOP}'\n")
    assert said.count("\n") == 1


@pytest.mark.parametrize("kind", ["plain", "snapshots", "extended", "small-clusters"])
@pytest.mark.parametrize("part", [0.95, 0.75, 0.5])
def test_a_file_that_was_cut_short(kind, part, made):
    """Of all that check misses in the file, what is not a snapshot's is told by info and by map."""
    directory = made(kind)
    sound = (directory / TOP).read_bytes()
    try:
        (directory / TOP).write_bytes(sound[: int(len(sound) * part) // 512 * 512])
        answer, said = our_map(directory, TOP)
        assert answer == qemu_map(directory)
        with contextlib.chdir(directory), open_chain(TOP) as chain:
            lost = [run for run in merged(chain, 0, chain.size) if run.storage is Storage.BEYOND_EOF]
        found = [each["guest"] for each in findings(directory) if each["kind"] == "beyond-end"]
        check = json.loads(run(directory, "check", "--output", "json", TOP).stdout)["findings"]
    finally:
        (directory / TOP).write_bytes(sound)
    missed = [each for each in check if each["kind"] == "beyond-end"]
    # a cluster that the file ends in is told by check alone
    missed = [each for each in missed if ": the file ends " not in each["says"]]
    own = [each["guest"] for each in missed if "of snapshot" not in (each["entry"] or "")]
    assert bool(found) == bool(own)
    assert bool(said) >= bool(own)
    assert {run.start for run in lost} >= {each for each in found if each is not None}
    assert bool(lost) == any(each is not None for each in own)


def test_a_data_file_that_was_cut_short(made):
    directory = made("data-file")
    whole = (directory / "data.raw").read_bytes()
    try:
        (directory / "data.raw").write_bytes(whole[:CLUSTER])
        told, _ = sorted(findings(directory), key=lambda each: -each["guest"])
        check = json.loads(run(directory, "check", "--output", "json", TOP).stdout)["findings"]
        answer, said = our_map(directory, TOP)
        assert answer == qemu_map(directory)
    finally:
        (directory / "data.raw").write_bytes(whole)
    assert (told["severity"], told["guest"], told["length"]) == ("warning", 2 * CLUSTER, CLUSTER)
    assert "past the data file's end" in told["says"]
    assert check[0]["says"].endswith(told["says"].split(": ", 1)[1])
    assert "and 1 more fault" in said


def test_a_table_that_is_lost_in_an_overlay(made, tmp_path):
    """The guest reads what lies below, and the map of the chain says why that may be wrong."""
    (tmp_path / "base.qcow2").write_bytes((made("plain") / TOP).read_bytes())
    commands = (create(TOP, None, "base.qcow2", cluster_size=CLUSTER), io(TOP, "write 0 32k"))
    build(Recipe("over", commands), tmp_path)
    with patched(tmp_path, lambda i: [word(l1_at(i), COPIED | FAR)]):
        answer, said = our_map(tmp_path, TOP)
        assert answer == qemu_map(tmp_path)
        with contextlib.chdir(tmp_path), open_chain(TOP) as chain:
            own = chain.layers[0].extents(0, chain.size)
        trace = run(tmp_path, "trace", TOP, "0").stdout
    assert [storage_of(int(code)) for code in own.facts] == [Storage.BEYOND_EOF]
    assert "L2 table lies past the file's end" in said
    assert "fault    the L2 table lies past the file's end: what it mapped is lost" in trace


def test_a_trace_shows_no_zeroes_as_if_they_were_stored(made):
    directory = made("plain")
    with patched(directory, lambda i: [word(l2_at(i), COPIED | FAR)]):
        found = run(directory, "trace", TOP, "0").stdout
        assert qemu_map(directory)[0]["offset"] == FAR
    assert "fault    the host cluster lies past the file's end: it reads as zeroes" in found
    assert f"nothing: the file ends at {(directory / TOP).stat().st_size:#x}" in found
    assert "00 00 00" not in found
    assert "the file ends before the offset" in found
    assert "has a hole" not in found


def test_what_lies_behind_the_image_is_told_by_info_alone(made, tmp_path):
    sound = (made("plain") / TOP).read_bytes()
    (tmp_path / TOP).write_bytes(sound + bytes(100000))
    (tail,) = findings(tmp_path)
    assert (tail["kind"], tail["host"], tail["length"]) == ("tail", len(sound), 100000)
    check = json.loads(run(tmp_path, "check", "--output", "json", TOP).stdout)
    assert check["findings"] == [tail]
    assert our_map(tmp_path, TOP)[1] == ""


def test_a_bitmap_in_use_by_a_program_that_writes_is_no_fault(made):
    directory = made("bitmaps")
    with (
        patched(directory, lambda i: [(_bitmap(i) + 15, b"\3")]),
        (directory / TOP).open("r+b") as file,
    ):
        for byte in (101, 201):
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, byte, 1, 0))
        assert [each["kind"] for each in findings(directory)] == ["in-use"]
        assert our_map(directory, TOP)[1] == ""


def test_raw_is_stated_where_an_image_begins(made, tmp_path):
    (tmp_path / "base.qcow2").write_bytes((made("plain") / TOP).read_bytes())
    build(Recipe("raw", (create(TOP, None, "base.qcow2", "raw", cluster_size=CLUSTER),)), tmp_path)
    answer, said = our_map(tmp_path, TOP)
    assert answer == qemu_map(tmp_path)
    assert said.startswith("blockstrata: warning: base.qcow2: raw is stated, but the file begins as qcow2: ")
    assert "blockstrata check" not in said
    assert our_map(tmp_path, "-f", "raw", "base.qcow2")[1] == said
    assert our_map(tmp_path, "base.qcow2")[1] == ""
    layers = json.loads(run(tmp_path, "info", "--output", "json", TOP).stdout)["layers"]
    assert [[each["kind"] for each in layer.get("findings", [])] for layer in layers] == [[], ["stated-raw"]]


def test_headers_alone_say_what_they_can(made):
    directory = made("plain")
    change = lambda i: [(79, bytes([i[79] | 2])), word(48, FAR), word(l2_at(i), COPIED | FAR)]  # noqa: E731
    with patched(directory, change):
        assert [each["kind"] for each in findings(directory, "--quick")] == ["beyond-end", "corrupt"]


def test_faults_of_a_block_of_refcounts_are_told_entry_by_entry(made):
    directory = made("plain")
    with patched(directory, lambda i: [word(refcounts_at(i), block_at(i) | 1)]):
        (told,) = findings(directory)
        assert (told["kind"], told["entry"]) == ("reserved", "refcount table, entry 0")


def _screen(directory, *words):
    done = run(directory, "screenshot", TOP, "-o", "-", "--format", "txt", "--semantics", "proposed", *words)
    assert done.exit_code == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("change", "sentence", "letters"),
    [
        (lambda i: [word(l2_at(i), COPIED | FAR)], "Past the file's end: reads as zeroes.", "LZ·O"),
        (lambda i: [word(l2_at(i), COMPRESSED | FAR)], "Past the file's end: reading it fails.", "L·A·"),
        (lambda i: [word(l1_at(i), COPIED | FAR)], "Table past the file's end: reads zeroes.", "LZ··"),
    ],
)
def test_the_screen_says_what_is_lost(change, sentence, letters, made):
    directory = made("plain")
    with patched(directory, change):
        screen = _screen(directory, "--size", "80x24")
    assert sentence in screen
    assert "1 fault" in screen.splitlines()[0]
    assert f"╳╳ {letters} past the end" in screen


def test_b_stops_at_what_is_lost(made):
    directory = made("plain")
    with patched(directory, lambda i: [word(l2_at(i) + 8 * 3, COPIED | FAR)]):
        assert "Past the file's end" not in _screen(directory, "--size", "80x24")
        screen = _screen(directory, "--size", "120x36", "--press", "b")
        details = _screen(directory, "--size", "120x60", "--press", "b o")
    assert "Past the file's end: reads as zeroes." in screen
    assert f"{3 * CLUSTER:#014x}" in screen
    assert "nothing: the file ends at" in details
    assert "fault    the host cluster lies past the file's end" in details
    assert "corruption: 4 KiB from guest offset 0x3000 on" in details
    assert "blockstrata check says more" in details


def test_a_sound_image_has_no_faults_on_the_screen(made):
    screen = _screen(made("plain"), "--size", "80x24", "--press", "b")
    assert "fault" not in screen
    assert "no suspicious extent" in screen
