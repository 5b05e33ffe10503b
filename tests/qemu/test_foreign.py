"""Formats that qemu-img answers for: its own map, merged and layer by layer, must come out as it went in.

And luks, which is read here: QEMU needs a key for it, we do not.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from dataclasses import replace

import pytest
from oracle import (
    TOOLS,
    Answer,
    Question,
    build,
    difference,
    our_answer,
    our_process,
    questions,
    report,
    run,
    their_answer,
)
from recipe import SECRET, Recipe, create, io, poke, until_done

pytestmark = pytest.mark.live(*TOOLS)

CONSENT = "--via-qemu"


def made(fmt: str, size: str = "5M", *, backing: str | None = None, name: str = "top.img", **options: object):
    """Return the command that creates an image; ``backing`` is a name and a format, as in base.raw:raw."""
    words = ["qemu-img", "create", "-q", "-f", fmt]
    if options:
        words += ["-o", ",".join(f"{key}={value}" for key, value in options.items())]
    if backing:
        base, _, base_format = backing.partition(":")
        words += ["-b", base, "-F", base_format]
    return shlex.join([*words, name, size])


WRITES = ("write 64k 100k", "write 2M 1M")

IMAGES = {
    "vmdk-monolithic-sparse": (
        made("vmdk", subformat="monolithicSparse"),
        io("top.img", *WRITES, fmt="vmdk"),
    ),
    "vmdk-monolithic-flat": (
        made("vmdk", subformat="monolithicFlat", name="top.vmdk"),
        io("top.vmdk", *WRITES, fmt="vmdk"),
        "mv top.vmdk top.img",
    ),
    "vmdk-stream-optimized": (
        made("vmdk", subformat="streamOptimized"),
        io("top.img", "write 64k 64k", "write 2M 64k", fmt="vmdk"),
    ),
    "vmdk-two-gb-sparse": (
        made("vmdk", "3G", subformat="twoGbMaxExtentSparse", name="top.vmdk"),
        io("top.vmdk", *WRITES, "write 2097088k 128k", fmt="vmdk"),
        "mv top.vmdk top.img",
    ),
    "vmdk-two-gb-flat": (
        made("vmdk", "3G", subformat="twoGbMaxExtentFlat", name="top.vmdk"),
        io("top.vmdk", *WRITES, "write 2097088k 128k", fmt="vmdk"),
        "mv top.vmdk top.img",
    ),
    "vmdk-zeroed-grain": (
        made("vmdk", subformat="monolithicSparse", zeroed_grain="on"),
        io("top.img", *WRITES, "write -z 4M 128k", fmt="vmdk"),
    ),
    "vmdk-untouched": (made("vmdk"),),
    "vdi-dynamic": (made("vdi"), io("top.img", *WRITES, fmt="vdi")),
    "vdi-static": (made("vdi", static="on"), io("top.img", *WRITES, fmt="vdi")),
    "vhdx-dynamic": (made("vhdx", "34M", subformat="dynamic"), io("top.img", *WRITES, fmt="vhdx")),
    "vhdx-fixed": (made("vhdx", "34M", subformat="fixed"), io("top.img", *WRITES, fmt="vhdx")),
    "vpc-dynamic": (made("vpc", subformat="dynamic"), io("top.img", *WRITES, fmt="vpc")),
    "vpc-fixed": (made("vpc", subformat="fixed"), io("top.img", *WRITES, fmt="vpc")),
    "qed": (made("qed"), io("top.img", *WRITES, "write -z 4M 128k", fmt="qed")),
    "qed-small-clusters": (made("qed", cluster_size="4k"), io("top.img", *WRITES, fmt="qed")),
    "qcow": (made("qcow"), io("top.img", *WRITES, fmt="qcow")),
    "parallels": (made("parallels"), io("top.img", *WRITES, fmt="parallels")),
}
"""Commands that make ``top.img`` of the format that the name starts with."""


def alone(fmt: str, name: str) -> str:
    """Return the reference by which QEMU opens one layer alone."""
    return "json:" + json.dumps(
        {"driver": fmt, "backing": None, "file": {"driver": "file", "filename": name}}
    )


def asked(question: Question) -> Question:
    """Return the question with our consent to ask QEMU."""
    return replace(question, options=(CONSENT, *question.options))


def equal(recipe: Recipe, question: Question, work) -> Answer:
    question = asked(question)
    theirs = their_answer(question, work)
    assert theirs.entries is not None, theirs.error
    found = difference(theirs, our_answer(question, work))
    assert not found, report(recipe, question, found)
    return theirs


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_alone(name, work):
    fmt = name.partition("-")[0]
    recipe = Recipe(name, IMAGES[name], "top.img")
    build(recipe, work)
    theirs = alone(fmt, "top.img")
    # a fixed vpc has its footer at the end, so that it is probed as raw, by QEMU too: its format is stated
    image = theirs if name == "vpc-fixed" else "top.img"
    for options in ((), ("--layer", "0")):
        equal(recipe, Question(image, options, theirs), work)
    question = Question("top.img", (CONSENT, "-f", fmt), theirs)
    assert not difference(their_answer(question, work), our_answer(question, work))


@pytest.mark.parametrize("name", [name for name in IMAGES if name != "vpc-fixed"])
def test_qcow2_over_an_image(name, work):
    fmt = name.partition("-")[0]
    over = (
        create("over.qcow2", "40M", "top.img", fmt=fmt),
        io("over.qcow2", "write 0 64k", "write 3M 64k", "write -z 128k 64k"),
    )
    recipe = Recipe(f"qcow2-over-{name}", (*IMAGES[name], *over), "over.qcow2")
    build(recipe, work)
    found = questions(recipe, work)
    assert len(found) == 3
    for question in found:
        equal(recipe, question, work)


def written(fmt: str, name: str, at: str) -> str:
    return io(name, f"write {at} 128k", fmt=fmt)


CHAINS = {
    "vmdk-over-vmdk": (
        "mkdir sub",
        made("vmdk", name="sub/base.vmdk"),
        written("vmdk", "sub/base.vmdk", "0"),
        made("vmdk", name="sub/mid.vmdk", backing="base.vmdk:vmdk"),
        written("vmdk", "sub/mid.vmdk", "1M"),
        made("vmdk", name="sub/top.vmdk", backing="mid.vmdk:vmdk"),
        written("vmdk", "sub/top.vmdk", "64k"),
        "mv sub/top.vmdk top.img",
        "mv sub/*.vmdk .",
    ),
    "qed-over-shorter-raw": (
        made("raw", "3M", name="base.raw"),
        written("raw", "base.raw", "0"),
        made("qed", backing="base.raw:raw"),
        io("top.img", "write 1M 64k", "write -z 2M 128k", fmt="qed"),
    ),
    "qed-over-qcow2-unstated": (
        create("base.qcow2", "3M"),
        written("qcow2", "base.qcow2", "0"),
        made("qed", backing="base.qcow2:qcow2"),
    ),
    "qcow-over-raw": (
        made("raw", "3M", name="base.raw"),
        written("raw", "base.raw", "0"),
        made("qcow", backing="base.raw:raw"),
        written("qcow", "top.img", "1M"),
    ),
    "qed-over-qcow-over-vdi": (
        made("vdi", "3M", name="base.vdi"),
        written("vdi", "base.vdi", "0"),
        made("qcow", "4M", name="mid.qcow", backing="base.vdi:vdi"),
        written("qcow", "mid.qcow", "1M"),
        made("qed", backing="mid.qcow:qcow"),
        written("qed", "top.img", "2M"),
    ),
}


@pytest.mark.parametrize("name", CHAINS)
def test_chains_of_them(name, work):
    recipe = Recipe(name, CHAINS[name], "top.img")
    build(recipe, work)
    found = questions(recipe, work)
    assert len(found) > 2
    for question in found:
        equal(recipe, question, work)


def test_a_running_writer_is_no_obstacle(work):
    """A lock is neither taken nor heeded, and nothing is written."""
    recipe = Recipe("qed", IMAGES["qed"], "top.img")
    build(recipe, work)
    writer = subprocess.Popen(
        ["qemu-io", "-f", "qed", "top.img"], cwd=work, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        # once it has read a byte it has its lock
        writer.stdin.write(b"read 0 512\n")
        writer.stdin.flush()
        assert any(b"read 512/512" in line for line in writer.stdout)
        assert "lock" in run("qemu-img", "map", "top.img", cwd=work).stderr
        during = (work / "top.img").read_bytes()
        ours = our_process(Question("top.img", (CONSENT,), "top.img"), work)
        after = (work / "top.img").read_bytes()
    finally:
        writer.communicate(b"quit\n", timeout=60)
    assert ours.returncode == 0, ours.stderr
    assert after == during


def test_info_says_who_answers(work):
    build(Recipe("qed", IMAGES["qed"]), work)
    words = (sys.executable, "-m", "blockstrata_viewer", "info", CONSENT, "--output", "json", "top.img")
    done = run(*words, cwd=work)
    assert done.returncode == 0, done.stderr
    (layer,) = json.loads(done.stdout)["layers"]
    version = run("qemu-img", "--version", cwd=work).stdout.split()[2]
    assert layer["format"] == "qed"
    assert layer["features"] == {"via": f"qemu-img {version}", "cluster-size": 65536}


@pytest.mark.parametrize(
    "image",
    [
        "json:" + json.dumps({"driver": "raw", "file": {"driver": "qed", "file.filename": "top.img"}}),
        "json:" + json.dumps({"driver": "blkdebug", "image": {"driver": "qed", "file.filename": "top.img"}}),
        "blkdebug::top.img",
        "json:" + json.dumps({"driver": "qed", "file": {"driver": "blkdebug", "image.filename": "top.img"}}),
        "json:"
        + json.dumps(
            {
                "driver": "quorum",
                "vote-threshold": 1,
                "children": [{"driver": "qed", "file.filename": "top.img"}],
            }
        ),
    ],
)
def test_a_whole_graph_goes_to_qemu(image, work):
    recipe = Recipe("graph", IMAGES["qed"], image)
    build(recipe, work)
    # what is probed by QEMU alone may turn out to name other files
    further = ("--follow-remote",) if image.startswith("blkdebug:") else ()
    equal(recipe, Question(image, further, image), work)
    done = our_process(Question(image, (), image), work)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert CONSENT in done.stderr


FILE = {"driver": "file", "filename": "dir/top.qcow2"}
DATA = {"driver": "file", "filename": "data.raw"}


def blkdebug(node):
    return {"driver": "blkdebug", "image": node}


def quorum(node):
    return {"driver": "quorum", "vote-threshold": 1, "children": [node]}


@pytest.mark.parametrize(
    "file",
    [
        blkdebug(FILE),
        blkdebug({**FILE, "filename": "top.qcow2"}),
        {"driver": "raw", "file": blkdebug(FILE)},
        {"driver": "preallocate", "file": FILE},
        {"driver": "raw", "file": FILE},
        quorum(FILE),
    ],
)
def test_a_relative_backing_name_is_sought_beside_the_file_below_the_filters(file, work):
    """Where there are several files, QEMU knows no directory, and neither do we."""
    steps = (
        "mkdir dir",
        create("dir/base.qcow2", "1M"),
        io("dir/base.qcow2", "write 64k 64k"),
        create("dir/top.qcow2", "1M", "base.qcow2"),
        io("dir/top.qcow2", "write 0 64k"),
        "cp dir/top.qcow2 .",
        create("base.qcow2", "1M"),
        io("base.qcow2", "write 512k 64k"),
    )
    image = "json:" + json.dumps({"driver": "qcow2", "file": file})
    build(Recipe("filters", steps, image), work)
    question = Question(image, (CONSENT, "--follow-remote"), image)
    theirs = their_answer(question, work)
    assert not difference(theirs, our_answer(question, work))
    assert (theirs.entries is None) == (file["driver"] == "quorum")


@pytest.mark.parametrize(
    "data_file", [blkdebug(DATA), {"driver": "raw", "file": blkdebug(DATA)}, quorum(DATA)]
)
def test_a_data_file_behind_a_filter(data_file, work):
    steps = (create("top.qcow2", "1M", data_file="data.raw"), io("top.qcow2", "write 64k 128k"))
    file = {"driver": "file", "filename": "top.qcow2"}
    image = "json:" + json.dumps({"driver": "qcow2", "file": file, "data-file": data_file})
    recipe = Recipe("filters", steps, image)
    build(recipe, work)
    assert len(equal(recipe, Question(image, ("--follow-remote",), image), work).entries) == 3


@pytest.mark.parametrize(
    ("fmt", "damage"),
    [("vmdk", poke("top.img", 4, b"\xff\xff\xff\xff")), ("qed", poke("top.img", 4, b"\x01\x00\x00\x00"))],
)
def test_what_qemu_refuses(fmt, damage, work):
    build(Recipe(fmt, (made(fmt), damage)), work)
    question = asked(Question("top.img", (), "top.img"))
    assert their_answer(question, work).entries is None
    done = our_process(question, work)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert done.stderr.startswith("blockstrata: top.img: qemu-img: ")


LUKS = until_done(
    shlex.join(("qemu-img", "create", "-q", "-f", "luks", *SECRET, "-o", "key-secret=key,iter-time=10"))
    + " top.img 1000000"
)


@pytest.fixture(scope="module")
def luks(tmp_path_factory):
    """Return the step that has a luks image made: once, as QEMU takes its time over the key."""
    made = tmp_path_factory.mktemp("luks")
    build(Recipe("luks", (LUKS,)), made)
    return shlex.join(("cp", str(made / "top.img"), "top.img"))


OPENED = "json:" + json.dumps({"driver": "luks", "key-secret": "key", "file.filename": "top.img"})


def payload_of(work) -> int:
    return int.from_bytes((work / "top.img").read_bytes()[104:108], "big") * 512


@pytest.mark.parametrize("tail", [0, 1, 511, 512, 100_000])
def test_luks(tail, work, luks):
    recipe = Recipe("luks", (luks, f"truncate -s +{tail} top.img"), "top.img")
    build(recipe, work)
    question = Question("top.img", (), OPENED)
    theirs = their_answer(question, work)
    assert theirs.entries is not None, theirs.error
    assert not difference(theirs, our_answer(question, work))
    assert not difference(theirs, our_answer(Question(OPENED, ("--layer", "0"), OPENED), work))


def test_info_calls_luks_encrypted(work, luks):
    build(Recipe("luks", (luks,)), work)
    done = run(sys.executable, "-m", "blockstrata_viewer", "info", "top.img", cwd=work)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("at no usable offset (encrypted)\n") == 2


@pytest.mark.parametrize("more", [0, 1, 512])
def test_luks_of_no_bytes_and_of_a_few(more, work, luks):
    build(Recipe("luks", (luks,)), work)
    with (work / "top.img").open("r+b") as file:
        file.truncate(payload_of(work) + more)
    question = Question("top.img", (), OPENED)
    theirs = their_answer(question, work)
    assert theirs.entries is not None, theirs.error
    assert not difference(theirs, our_answer(question, work))


def test_qcow2_over_luks(work, luks):
    over = (create("over.qcow2", "2M", "top.img", fmt="raw"), io("over.qcow2", "write 64k 64k"))
    relabel = "qemu-img rebase -u -b top.img -F luks over.qcow2"
    recipe = Recipe("over-luks", (luks, *over, relabel), "over.qcow2")
    build(recipe, work)
    theirs = "json:" + json.dumps(
        {"driver": "qcow2", "file.filename": "over.qcow2", "backing.key-secret": "key"}
    )
    question = Question("over.qcow2", (), theirs)
    answer = their_answer(question, work)
    assert answer.entries is not None, answer.error
    assert {entry["depth"] for entry in answer.entries} == {0, 1}
    assert not difference(answer, our_answer(question, work))


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (6, b"\0\2"),
        (8, b"x" * 32),
        (40, b"xts\0"),
        (72, b"x" * 32),
        (104, b"\0\0\0\7"),
        (104, b"\0\0\0\x08"),
        (104, b"\xff\xff\xff\xff"),
        (108, b"\0\0\0\0"),
        (108, b"\x7f\xff\xff\xff"),
        (164, b"\0\0\0\0"),
        (208, b"\0\0\0\0"),
        (212, b"\0\0\0\0"),
        (248, b"\0\0\0\1"),
        (252, b"\0\0\0\1"),
        (296, b"\0\0\0\x08"),
        (300, b"\0\0\0\1"),
    ],
)
def test_luks_headers_that_qemu_refuses(at, value, work, luks):
    build(Recipe("luks", (luks, poke("top.img", at, value))), work)
    question = Question(OPENED, (), OPENED)
    assert their_answer(question, work).entries is None
    done = our_process(question, work)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stdout
    assert "top.img: LUKS" in done.stderr


def test_luks_that_ends_inside_its_header(work, luks):
    build(Recipe("luks", (luks,)), work)
    with (work / "top.img").open("r+b") as file:
        file.truncate(payload_of(work) - 512)
    question = Question(OPENED, (), OPENED)
    assert their_answer(question, work).entries is None
    assert our_answer(question, work).entries is None
