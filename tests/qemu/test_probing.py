"""Which format a file is taken for, asked of QEMU and of blockstrata."""

from __future__ import annotations

import contextlib
import re
from contextlib import closing
from pathlib import Path

import pytest
from fuzzer import SEED
from oracle import build, run, workplace
from probes import COUNT, DMG, TABLE, thrown
from recipe import Recipe, create, poke
from recipes import BACKING_FORMAT_EXTENSION

from blockstrata.errors import ConsentError, UnsupportedError
from blockstrata.formats.probe import probe_format
from blockstrata.graph.chain import open_chain
from blockstrata.protocols.file import open_file

live = pytest.mark.live("qemu-img")

_TRACE = re.compile(r'^bdrv_open_common .* format_name "([^"]*)"', re.MULTILINE)


def their_drivers(*image: str, cwd: Path) -> list[str]:
    """Return QEMU's drivers of the nodes that it opens for an image, in that order, also if it fails then."""
    words = ["qemu-img", "-T", "enable=bdrv_open_common", "map", "-U", "--output=json", *image]
    done = run(*words, cwd=cwd)
    found = _TRACE.findall(done.stderr)
    assert found, f"{' '.join(words)}: {done.stderr}"
    return found


def our_format(name: str, start: bytes, directory: Path) -> str:
    """Return what we take a file of some bytes for, which is written."""
    with contextlib.chdir(directory):
        Path(name).write_bytes(start)
        with closing(open_file(name)) as file:
            return probe_format(file, name)


def _files() -> list[tuple[str, str, bytes]]:
    """Return answers, names and bytes: the table's, which what follows in a file does not change."""
    long = [(driver, "f.img", start.ljust(1024, b"\0")) for driver, start in TABLE if start]
    return [*((driver, "f.img", start) for driver, start in TABLE), *long, *DMG]


def test_formats_are_told_apart(tmp_path):
    for driver, name, start in _files():
        assert our_format(name, start, tmp_path) == driver, (name, start[:80], len(start))


@live
def test_the_table_is_qemus():
    with workplace() as directory:
        for driver, name, start in _files():
            (directory / name).write_bytes(start)
            assert their_drivers(name, cwd=directory)[1] == driver, (name, start[:80], len(start))


@live
@pytest.mark.timeout(120 + COUNT)
def test_files_by_dice():
    with workplace() as directory:
        for number in range(COUNT):
            name, start = thrown(number)
            ours = our_format(name, start, directory)
            theirs = their_drivers(name, cwd=directory)[1]
            assert ours == theirs, f"seed {SEED}, file {number}: {name}, {len(start)} bytes, {start[:80]!r}"


_NAMED = (
    ("d.dmg",),
    ("./d.dmg",),
    ("file:d.dmg",),
    ("link.img",),
    ('json:{"file": {"filename": "d.dmg"}}',),
    ('json:{"file": {"driver": "raw", "file": {"filename": "d.dmg"}}}',),
    ("--image-opts", "file.filename=d.dmg"),
    ("--image-opts", "driver=qcow2,file.filename=below.qcow2"),
    ("--image-opts", "driver=qcow2,file.filename=below.qcow2,backing.node-name=x"),
    ("--image-opts", "driver=qcow2,file.filename=below.qcow2,backing.file.filename=d.dmg"),
    ("--image-opts", "driver=qcow2,file.filename=below.qcow2,backing.file.filename=link.img"),
    ("-f", "qcow2", "top.dmg"),
    ("-f", "raw", "d.dmg"),
)
"""Names that mean a file of zeroes called d.dmg, or have it below them."""


@live
@pytest.mark.parametrize("image", _NAMED)
def test_a_name_counts_where_qemu_opens_by_name(image):
    below = create("below.qcow2", "1M", "d.dmg", "raw", unsafe=True)
    unstated = poke("below.qcow2", BACKING_FORMAT_EXTENSION, 0x11111111, width=4)
    commands = ("truncate -s 1M d.dmg", "ln -s d.dmg link.img", below, unstated, "cp below.qcow2 top.dmg")
    with workplace() as directory:
        build(Recipe("names", commands), directory)
        theirs = their_drivers(*image, cwd=directory)
        assert _drivers(image, directory) == [each for each in theirs if each != "file"][-1]


def _drivers(words: tuple[str, ...], directory: Path) -> str:
    """Return the driver of our lowest layer, also where that is one that is not read here."""
    *switches, image = words
    image_format = switches[1] if switches[:1] == ["-f"] else None
    with contextlib.chdir(directory):
        try:
            with open_chain(image, image_format=image_format, image_opts="--image-opts" in switches) as chain:
                missing = chain.missing
                lowest = chain.layers[-1].node.driver
        except (ConsentError, UnsupportedError) as error:
            missing, lowest = error, ""
    if missing is not None:
        found = re.search("format '([a-z0-9]+)' is not read here", str(missing))
        assert found, missing
        lowest = found[1]
    return lowest
