"""The benchmarks run, tell all that they should, and find both sides of one mind; no time is judged here."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agreement import difference
from cases import CASES
from page import number

pytestmark = pytest.mark.timeout(360)  # longer than a run is waited for, which says more

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SCALE = "0.003"
DISKS = list(CASES)


def benchmark(*words):
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / words[0]), *words[1:]],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def images(made_once):
    """Return the directory of all images."""
    return made_once("images", lambda directory: benchmark("images.py", str(directory), "--scale", SCALE))


@pytest.fixture(scope="module")
def tables(made_once, images):
    """Return the tables of a small run by their titles, each row as a mapping from the table's head.

    Only the smaller disks, of which growth is told too, are made by the run itself.
    """

    def measure(directory):
        words = ("--scale", SCALE, "--images", str(images), "--warm-up", "0", "--runs", "1")
        (directory / "page").write_text(benchmark("run.py", *words))

    found, title, head = {}, "", []
    for line in (made_once("measured", measure) / "page").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("## "):
            title, head = line[3:].partition(":")[0], []
        elif line.startswith("|") and not head:
            head = cells
        elif line.startswith("|") and set(line) - set("|-: "):
            found.setdefault(title, []).append(dict(zip(head, cells, strict=True)))
    return found


def pairs(tables, title):
    return [(row["disk"], row["ours"], row["against"]) for row in tables[title]]


def test_every_table_tells_of_every_disk(tables):
    assert [row["disk"] for row in tables["The disks"]] == DISKS
    assert [row["disk"] for row in tables["Growth"]] == DISKS
    assert [(row["disk"], row["process"]) for row in tables["Memory at its peak"]] == [
        (disk, process) for disk in DISKS for process in ("map --output json", "info")
    ]
    plain = [(disk, "in process", "plain read") for disk in DISKS if disk != "raw-holes"]
    assert pairs(tables, "The plain read of the L2 tables") == plain
    assert len(tables["Start-up"]) == 3
    assert len(tables["Pictures"]) == 4


def test_every_figure_is_a_number(tables):
    told = {"disk", "what", "process", "ours", "against", "equal to qemu-img", "wanted", "met"}
    for row in (row for rows in tables.values() for row in rows):
        for name in row.keys() - told:
            assert row[name] == "–" or float(row[name].replace(",", "")) > -1, row
        assert row.get("met", "") in {"", "yes", "no"}


@pytest.mark.live("qemu-img", "qemu-nbd", "nbdinfo")
def test_every_peer_is_told_beside_ours(tables):
    found = pairs(tables, "Peers")
    for disk in DISKS:
        for ours in ("in process", "map --output json", "info"):
            assert (disk, ours, "qemu-img map") in found
        assert (disk, "in process", "qemu-nbd + nbdinfo") in found
    assert ("chain", "in process, each layer alone", "qemu-img map, each layer alone") in found


@pytest.mark.live("qemu-img")
def test_the_answers_are_those_of_qemu(tables):
    equal = {row["disk"]: row["equal to qemu-img"] for row in tables["The disks"]}
    assert equal == {**dict.fromkeys(DISKS, "yes"), "chain": "yes, each layer alone too"}


@pytest.mark.live("qemu-img")
def test_the_images_are_sound(images):
    for case in CASES.values():
        for name in case.files if case.format == "qcow2" else ():
            done = subprocess.run(
                ["qemu-img", "check", name],
                cwd=images,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr


def test_one_seed_makes_one_set_of_images(tmp_path):
    def digests(directory, *words):
        benchmark("images.py", str(tmp_path / directory), "--scale", "0", *words)
        made = {path.name: hashlib.sha256(path.read_bytes()) for path in (tmp_path / directory).iterdir()}
        shutil.rmtree(tmp_path / directory)
        return {name: digest.hexdigest() for name, digest in made.items()}

    small = ("--only", "frag-1M", "--only", "subcluster")
    first = digests("one", *small)
    assert len(first) == 2
    assert first == digests("two", *small)
    assert first != digests("three", *small, "--seed", "1")


def entry(start, length, **more):
    return {
        "start": start,
        "length": length,
        "depth": 0,
        "present": True,
        "zero": False,
        "data": True,
        **more,
    }


@pytest.mark.parametrize(
    ("theirs", "ours", "is_equal"),
    [
        ([entry(0, 8, offset=16)], [entry(0, 8, offset=16, compressed=False)], True),
        ([entry(0, 8)], [entry(0, 4, compressed=True), entry(4, 4, compressed=False)], True),
        ([entry(0, 8, offset=16)], [entry(0, 8, offset=24, compressed=False)], False),
        ([entry(0, 8, offset=16)], [entry(0, 8, compressed=True)], False),
        ([entry(0, 4), entry(4, 4, zero=True)], [entry(0, 4)], False),
        ([entry(0, 4, offset=0), entry(4, 4, offset=4)], [entry(0, 8, offset=0)], True),
        ([entry(0, 4, offset=0), entry(4, 4, offset=8)], [entry(0, 8, offset=0)], False),
    ],
)
def test_maps_are_compared_as_runs_without_the_key_compressed(tmp_path, theirs, ours, is_equal):
    for name, entries in (("theirs", theirs), ("ours", ours)):
        lines = ",\n".join(json.dumps(each) for each in entries)
        (tmp_path / name).write_text(f"[{lines}]\n")
    assert (difference(tmp_path / "theirs", tmp_path / "ours") == "") is is_equal


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.00123456, "0.00123"), (1.5, "1.50"), (99.96, "100.0"), (12345.6, "12,346")],
)
def test_numbers_have_three_figures(value, text):
    assert number(value) == text
