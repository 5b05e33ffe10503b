"""Images made to hurt, in processes with 2 GiB and 20 seconds of a processor; each ends, badly in one line.

What a header claims costs nothing; what a file stores costs in proportion.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import resource
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import Question, difference, our_answer, their_answer, workplace

from blockstrata.access import Access, Probe
from blockstrata.errors import BadImageError, BlockstrataError
from blockstrata.facts.codes import Mapping
from blockstrata.formats.qcow2.author import (
    Compressed,
    Data,
    Image,
    Preallocated,
    Subclusters,
    ZeroAlloc,
    ZeroPlain,
    write_image,
    write_raw,
)
from blockstrata.formats.qcow2.directory import REPEATS
from blockstrata.graph.chain import open_chain
from blockstrata.guest.chain_reader import Reader
from blockstrata.guest.merge import merged
from blockstrata_viewer.cli.group import main
from blockstrata_viewer.process.memory import available

ADDRESS_SPACE = 2 << 30
SECONDS = 20
"""Of processor time, which a busy machine does not stretch; five times that on the clock."""
COPIED = np.uint64(1 << 63)
MAX_CLUSTER = 2 << 20
MAX_L1 = (32 << 20) // 8
"""Entries of the largest L1 table that QEMU loads."""
FILES = 1024
"""Descriptors that a process may have open, usually."""


@pytest.fixture
def work():
    """Return a fresh directory, in memory if possible, where files may be 8 EiB long."""
    with workplace() as directory:
        yield directory


def limited(*words: str, cwd: Path, space: int = ADDRESS_SPACE, files: int = FILES):
    """Run blockstrata within limits; it must end in time, without a traceback."""

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (space, space))
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))

    done = subprocess.run(
        [sys.executable, "-m", "blockstrata_viewer", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=5 * SECONDS,
        check=False,
        preexec_fn=bound,
    )
    assert done.returncode in (0, 1, 3), done.stderr
    assert len(beside_warning(done.stderr)) == (done.returncode == 1), done.stderr
    return done


def beside_warning(stderr: str) -> list[str]:
    """Return the lines of standard error but the one, at the most, by which map says what is damaged."""
    lines = [each for each in stderr.splitlines() if not each.startswith("blockstrata: warning: ")]
    assert stderr.count("\n") - len(lines) <= 1, stderr
    return lines


def refusal(*words: str, cwd: Path, **limits: int) -> str:
    done = limited(*words, cwd=cwd, **limits)
    assert done.returncode == 1, done.stdout[:1000]
    return done.stderr


def info(image: str, cwd: Path) -> dict[str, object]:
    return json.loads(limited("info", "--output", "json", image, cwd=cwd).stdout)


def header(
    *,
    bits: int = 21,
    size: int,
    l1: int,
    l1_at: int,
    references_at: int | None = None,
    references: int = 1,
    features: int = 0,
    backing: bytes = b"",
) -> bytes:
    """Return a version 3 header, with a backing name behind it."""
    references_at = 1 << bits if references_at is None else references_at
    head = struct.pack(
        ">4sIQIIQIIQQIIQ",
        b"QFI\xfb",
        3,
        112 if backing else 0,
        len(backing),
        bits,
        size,
        0,
        l1,
        l1_at,
        references_at,
        references,
        0,
        0,
    )
    return head + struct.pack(">QQQII8x", features, 0, 0, 4, 104) + backing


def table(words: np.ndarray) -> bytes:
    return words.astype(">u8").tobytes()


def scattered(entries: int) -> bytes:
    """Return an L2 table none of whose entries continues the one before, all of them past the file's end."""
    backwards = np.uint64(1 << 54) - np.arange(entries, dtype=np.uint64) * np.uint64(2 * MAX_CLUSTER)
    return table(backwards | COPIED)


def longest(work: Path) -> int:
    """Return how long a file may be here, in whole largest clusters."""
    with (work / "longest").open("wb") as file:
        for length in (2**63 - 2**31, 2**43):
            with contextlib.suppress(OSError):
                file.truncate(length)
                return length
    return 2**40


def test_a_quarter_of_a_million_refcount_blocks_are_counted_in_passing(work):
    """As many blocks of 512 bytes, stored and without a reference, which a map counts to its end."""
    count, table_at = 1 << 18, 2048
    blocks_at = table_at + count * 8
    blocks = table(np.arange(count, dtype=np.uint64) * np.uint64(512) + np.uint64(blocks_at))
    head = header(bits=9, size=32768, l1=1, l1_at=1024, references_at=table_at, references=count // 64)
    # refcounts of 64 bits, so that a block counts but 64 clusters
    head = head[:96] + struct.pack(">I", 6) + head[100:]
    stored = [(0, head), (table_at, blocks), (blocks_at, bytes(count * 512))]
    write_raw(work / "top.qcow2", count * 64 * 512, stored)
    with contextlib.closing(open_chain(work / "top.qcow2")) as chain:
        assert not chain.layers[0].node.read_traits().recurse
    limited("map", "top.qcow2", cwd=work)


# ------------------------------------------------------- one table named over and over


def write_repeats(path: Path, entries: int, stored: list[int]) -> None:
    """Write an L1 table whose entries name a few L2 tables in turn; ``stored`` are their clusters."""
    named = np.array(stored, np.uint64)[np.arange(entries) % len(stored)]
    tables = [(at * MAX_CLUSTER, scattered(MAX_CLUSTER // 8)) for at in stored]
    l1_at = 32 * MAX_CLUSTER
    head = header(size=entries << 39, l1=entries, l1_at=l1_at)
    words = table(named * np.uint64(MAX_CLUSTER) | COPIED)
    write_raw(path, (max(stored) + 1) * MAX_CLUSTER, [(0, head), (l1_at, words), *tables])


def test_four_million_entries_name_the_same_tables(work):
    """A million million clusters, which nobody lists: a line for map, INVALID with the reason elsewhere."""
    stored = [64, 65, 66]
    write_repeats(work / "top.qcow2", MAX_L1, stored)
    assert "names an L2 table again" in refusal("map", "--output", "json", "top.qcow2", cwd=work)
    (layer,) = info("top.qcow2", work)["layers"]
    whole = len(stored) + REPEATS // (MAX_CLUSTER // 8)
    invalid = next(line["bytes"] for line in layer["totals"] if line.get("invalid"))
    assert invalid == MAX_L1 - whole << 39
    assert "names an L2 table again" in layer["faults"][0]
    assert "invalid" in limited("view", "top.qcow2", cwd=work).stdout


def test_repeats_within_reason_are_read(work):
    """The budget is spent to the last entry, and not by the first time that a table is named."""
    write_repeats(work / "top.qcow2", 1 + REPEATS // (MAX_CLUSTER // 8), [64])
    done = limited("map", "--output", "csv", "top.qcow2", cwd=work)
    assert done.stdout.count("\n") == 1 + MAX_CLUSTER // 8 + REPEATS


@pytest.mark.live("qemu-img")
def test_repeats_within_reason_are_mapped_as_qemu_img_maps_them(work):
    """One L2 table of 64 entries, named by forty L1 entries between others."""
    l1_at, l2_at, data_at = 1024, 4096, 8192
    words = np.where(np.arange(50) % 5 == 2, np.uint64(0), np.uint64(l2_at) | COPIED)
    entries = np.uint64(data_at) + np.arange(64, dtype=np.uint64) % np.uint64(3) * np.uint64(512)
    head = header(bits=9, size=50 << 15, l1=50, l1_at=l1_at)
    stored = [(0, head), (l1_at, table(words)), (l2_at, table(entries | COPIED)), (data_at, b"x" * 1536)]
    write_raw(work / "top.qcow2", data_at + 1536, stored)
    question = Question("top.qcow2", (), "top.qcow2")
    theirs = their_answer(question, work)
    assert len(theirs.entries) > 40
    assert difference(theirs, our_answer(question, work)) == ""


# ------------------------------------------------------------------------------ check

_SIZE = 1 << 16
_TABLES_AT = 64 << 20


def write_checked(path: Path, l1: np.ndarray, l2: np.ndarray, blocks: int = 1, length: int = 1 << 30) -> None:
    """Write an image whose refcount table names one block so often, for ``check``."""
    head = header(bits=16, size=1 << 20, l1=len(l1), l1_at=8 << 20, references=max(1, blocks * 8 // _SIZE))
    references = table(np.full(blocks, 2 << 20, np.uint64))
    stored = [(0, head), (_SIZE, references), (2 << 20, b"\0\1" * 32768), (8 << 20, table(l1))]
    write_raw(path, length, [*stored, (_TABLES_AT, table(l2))])


def neighbours(count: int) -> np.ndarray:
    """Return L1 entries that name so many tables, one after another."""
    return np.arange(count, dtype=np.uint64) * np.uint64(_SIZE) + np.uint64(_TABLES_AT) | COPIED


def test_check_counts_a_table_that_is_named_four_million_times_once(work):
    """34 thousand million references, each to another's cluster; and as many to one cluster are refused."""
    named = np.full(MAX_L1, COPIED | np.uint64(_TABLES_AT))
    apart = np.arange(8192, dtype=np.uint64) * np.uint64(_SIZE) + np.uint64(128 << 20) | COPIED
    write_checked(work / "apart.qcow2", named, apart)
    found = json.loads(limited("check", "--output", "json", "apart.qcow2", cwd=work).stdout)
    assert found["allocated-clusters"] == MAX_L1 * 8192
    write_checked(work / "same.qcow2", named, np.full(8192, COPIED | np.uint64(100 << 20)))
    assert "too many times to count" in refusal("check", "same.qcow2", cwd=work)


@pytest.mark.parametrize("flags", [1 << 62 | 255 << 54, 1 << 63], ids=["compressed", "data"])
def test_check_of_millions_of_entries_at_random(work, flags):
    """Eight million entries, most of which are a corruption or several."""
    count = 1024
    hosts = np.random.default_rng(1).integers(0, 1 << 41, count * 8192, dtype=np.uint64)
    if flags == COPIED:
        hosts &= np.uint64(~(_SIZE - 1) & 2**64 - 1)
    write_checked(work / "top.qcow2", neighbours(count), hosts | np.uint64(flags), blocks=512)
    found = json.loads(limited("check", "--output", "json", "top.qcow2", cwd=work).stdout)
    assert found["corruptions"] > count * 8192 / 2
    assert len(found["findings"]) < 10000


def test_check_reads_a_refcount_block_that_is_named_again_no_more_often_than_it_should(work):
    write_checked(work / "top.qcow2", neighbours(1), np.zeros(8192, np.uint64), 1 << 16, (1 << 43))
    assert "again and again" in refusal("check", "top.qcow2", cwd=work)


def test_check_refuses_overlapping_tables_at_odd_places(work):
    odd = np.arange(1 << 14, dtype=np.uint64) * np.uint64(512) + np.uint64(_TABLES_AT) | COPIED
    write_checked(work / "top.qcow2", odd, np.ones(1 << 21, np.uint64))
    assert "not aligned to a cluster" in refusal("check", "top.qcow2", cwd=work)


def test_check_of_more_clusters_than_qemu_checks(work):
    size = longest(work)
    write_checked(work / "top.qcow2", neighbours(1), np.zeros(8192, np.uint64), length=size)
    if size > _SIZE << 31:
        assert "more than the limit" in refusal("check", "top.qcow2", cwd=work)


def anatomy(cwd: Path) -> dict[str, object]:
    """Return what anatomy says of top.qcow2, its runs checked and left out."""
    found = json.loads(limited("anatomy", "--output", "json", "top.qcow2", cwd=cwd).stdout)
    assert sum(each["bytes"] for each in found["totals"].values()) == found["length"]
    assert sum(each["length"] for each in found.pop("runs") if each["use"] != "beyond-end") == found["length"]
    return found


def test_anatomy_of_a_table_that_is_named_four_million_times(work):
    named = np.full(MAX_L1, COPIED | np.uint64(_TABLES_AT))
    write_checked(work / "top.qcow2", named, np.full(8192, COPIED | np.uint64(100 << 20)))
    found = anatomy(work)
    assert found["totals"]["shared"]["bytes"] == _SIZE
    assert found["fragmentation"]["allocated-clusters"] == MAX_L1 * 8192


@pytest.mark.parametrize(
    ("flags", "reach"), [(1 << 62 | 255 << 54, 30), (1 << 63, 41)], ids=["inside", "past"]
)
def test_anatomy_of_millions_of_entries_at_random(work, flags, reach):
    """Each cluster of the file is named by hundreds of compressed ones, or nearly all lie past its end."""
    hosts = np.random.default_rng(1).integers(0, 1 << reach, 1024 * 8192, dtype=np.uint64)
    if flags == COPIED:
        hosts &= np.uint64(~(_SIZE - 1) & 2**64 - 1)
    write_checked(work / "top.qcow2", neighbours(1024), hosts | np.uint64(flags), blocks=512)
    found = anatomy(work)
    assert (found["references-beyond-end"] > 1024 * 8192 * 0.99) == (reach > 30)
    assert (found["totals"]["overlap"]["bytes"] > (60 << 20)) == (reach == 30)


def test_anatomy_of_a_long_file_of_which_little_is_stored(work):
    """A hundred million clusters: one window after the other, most of them empty."""
    write_checked(work / "top.qcow2", neighbours(1), np.full(8192, COPIED | np.uint64(1 << 42)), 1, 100 << 36)
    assert anatomy(work)["totals"]["shared"]["bytes"] == _SIZE


@pytest.mark.parametrize(
    ("l1", "l2", "blocks"),
    [
        (neighbours(1), np.zeros(8192, np.uint64), 1 << 16),
        (
            np.arange(1 << 14, dtype=np.uint64) * np.uint64(512) + np.uint64(_TABLES_AT) | COPIED,
            np.ones(1 << 21, np.uint64),
            1,
        ),
    ],
    ids=["blocks", "odd"],
)
def test_anatomy_refuses_what_check_refuses(work, l1, l2, blocks):
    write_checked(work / "top.qcow2", l1, l2, blocks)
    assert "again and again" in (said := refusal("anatomy", "top.qcow2", cwd=work)) or "not aligned" in said


# ---------------------------------------------------------------- claims about nothing


def test_tables_in_holes_are_not_read(work):
    """Four million L2 tables of 2 MiB, all in a hole of the longest file there can be."""
    end = min(MAX_L1, longest(work) // MAX_CLUSTER - 64)
    l1 = table((np.arange(end, dtype=np.uint64) + np.uint64(64)) * np.uint64(MAX_CLUSTER) | COPIED)
    head = header(size=end << 39, l1=end, l1_at=32 * MAX_CLUSTER)
    write_raw(work / "top.qcow2", longest(work), [(0, head), (32 * MAX_CLUSTER, l1)])
    (entry,) = json.loads(limited("map", "--output", "json", "top.qcow2", cwd=work).stdout)
    assert (entry["length"], entry["present"]) == (end << 39, False)
    assert info("top.qcow2", work)["guest"]["runs"] == 1
    limited("view", "top.qcow2", cwd=work)


def test_a_block_stored_of_each_table_is_all_that_is_read(work):
    """4,096 tables of 2 MiB, of each of which one block is stored: 8 GiB of zeroes around 16 MiB."""
    count = 4096
    l1 = table((np.arange(count, dtype=np.uint64) + np.uint64(64)) * np.uint64(MAX_CLUSTER) | COPIED)
    head = header(size=count << 39, l1=count, l1_at=32 * MAX_CLUSTER)
    blocks = [((64 + nth) * MAX_CLUSTER + 8192, scattered(512)) for nth in range(count)]
    write_raw(work / "top.qcow2", (64 + count) * MAX_CLUSTER, [(0, head), (32 * MAX_CLUSTER, l1), *blocks])
    assert info("top.qcow2", work)["guest"]["runs"] == count * 513 + 1
    limited("view", "top.qcow2", cwd=work)
    limited("map", "--output", "csv", "top.qcow2", cwd=work)


@pytest.mark.parametrize("stored", [0, 4096], ids=["holes", "a block stored of each"])
def test_refcount_blocks_are_counted_by_what_is_stored(work, stored):
    """A refcount table of a million entries, for a file of 8 EiB."""
    entries = (8 << 20) // 8
    at = 40 * MAX_CLUSTER
    words = table((np.arange(entries, dtype=np.uint64) + np.uint64(64)) * np.uint64(MAX_CLUSTER))
    blocks = [((64 + nth) * MAX_CLUSTER, bytes(4096)) for nth in range(stored)]
    head = header(size=MAX_CLUSTER, l1=1, l1_at=32 * MAX_CLUSTER, references_at=at, references=4)
    write_raw(work / "top.qcow2", longest(work), [(0, head), (at, words), *blocks])
    limited("map", "top.qcow2", cwd=work)


def test_layers_whose_tables_are_holes_cost_what_they_store(work):
    """500 layers, each with an L1 table of 32 MiB in a hole, which together would be 16 GiB of zeroes."""
    count = 500
    for nth in range(count):
        backing = f"{nth + 1}.qcow2".encode() if nth + 1 < count else b""
        head = header(bits=12, size=MAX_L1 << 21, l1=MAX_L1, l1_at=1 << 20, backing=backing)
        write_raw(work / f"{nth}.qcow2", (1 << 20) + MAX_L1 * 8, [(0, head)])
    for words in (("map", "--output", "json"), ("info",), ("view",)):
        limited(*words, "0.qcow2", cwd=work)


# ------------------------------------------------------------------------- many runs


def test_every_other_entry_of_a_large_l1_table_is_corrupt(work):
    entries = MAX_L1 // 4
    words = np.zeros(entries, np.uint64)
    words[::2] = 0x100200
    head = header(bits=10, size=entries << 17, l1=entries, l1_at=4096)
    write_raw(work / "top.qcow2", 64 << 20, [(0, head), (4096, table(words))])
    assert "L1 entry 0: L2 table offset 0x100200" in refusal("map", "top.qcow2", cwd=work)
    assert info("top.qcow2", work)["guest"]["runs"] == entries
    limited("view", "top.qcow2", cwd=work)


TOO_LARGE = "more memory than there is"
LITTLE = 512 << 20
"""Address space that is enough for images of any size."""


def first_output(size: int, *words: str, cwd: Path, space: int) -> bytes:
    """Return the first bytes that blockstrata writes within a limit; then its reader is gone."""
    with subprocess.Popen(
        [sys.executable, "-m", "blockstrata_viewer", *words],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (space, space)),  # noqa: PLW1509
    ) as process:
        found = process.stdout.read(size)
        process.stdout.close()
        assert process.wait(SECONDS) == 1
        assert process.stderr.read() == b""
    return found


def test_more_subclusters_than_memory_are_gone_through(work):
    """16 MiB of extended L2 entries whose subclusters alternate: 32 million runs."""
    cluster, tables = 1 << 16, 256
    entries = np.zeros((tables * cluster // 16, 2), np.uint64)
    entries[:, 0] = np.arange(len(entries), 0, -1, dtype=np.uint64) * np.uint64(2 * cluster) | COPIED
    entries[:, 1] = 0x55555555
    l1 = table((np.arange(tables, dtype=np.uint64) + np.uint64(64)) * np.uint64(cluster) | COPIED)
    head = header(bits=16, size=len(entries) * cluster, l1=tables, l1_at=4 * cluster, features=16)
    stored = [(0, head), (4 * cluster, l1), (64 * cluster, table(entries.reshape(-1)))]
    write_raw(work / "top.qcow2", (64 + tables) * cluster, stored)
    info = limited("info", "top.qcow2", cwd=work, space=LITTLE)
    assert info.stdout.count("33,554,432 extents") == 2
    shown = limited("view", "--memory", "256M", "top.qcow2", cwd=work, space=1 << 30)
    assert "~34M extents" in shown.stdout
    # more than is in one region, after which whoever reads it has seen enough
    text = first_output(200 << 20, "map", "--output", "json", "top.qcow2", cwd=work, space=LITTLE)
    starts = np.array(re.findall(rb'"start": ([0-9]+),', text), np.int64)
    assert len(starts) > 1_200_000
    assert (np.diff(starts) == 2048).all()


@pytest.mark.parametrize(
    "words", [("map", "--output", "json"), ("info",), ("view",)], ids=lambda words: words[0]
)
def test_one_host_cluster_full_of_holes_for_every_guest_cluster(work, words):
    """Three stored MiB that come to 134 million runs, which are not even begun."""
    data_at = 65 * MAX_CLUSTER
    entries = table(np.full(MAX_CLUSTER // 8, data_at, np.uint64) | COPIED)
    l1 = table(np.array([64 * MAX_CLUSTER], np.uint64) | COPIED)
    head = header(size=1 << 39, l1=1, l1_at=32 * MAX_CLUSTER)
    data = [(data_at + at, b"x" * 4096) for at in range(0, MAX_CLUSTER, 8192)]
    stored = [(0, head), (32 * MAX_CLUSTER, l1), (64 * MAX_CLUSTER, entries), *data]
    write_raw(work / "top.qcow2", 66 * MAX_CLUSTER, stored)
    assert TOO_LARGE in refusal(*words, "top.qcow2", cwd=work, space=512 << 20)


def test_the_program_asks_for_no_more_memory_than_there_is():
    """Without a limit by the user, too: here a machine with 1 GiB left."""
    script = """
import sys
from pathlib import Path
from blockstrata_viewer.process import memory
memory._MACHINE = Path(sys.argv[1])
memory.bound_memory()
import numpy
numpy.ones(200 << 20, numpy.uint8)
try:
    numpy.ones(1 << 30, numpy.uint8)
except MemoryError:
    print("there is no more")
"""
    with workplace() as work:
        (work / "meminfo").write_text("MemTotal: 4194304 kB\nMemAvailable:    1048576 kB\n")
        done = subprocess.run(
            [sys.executable, "-c", script, str(work / "meminfo")], capture_output=True, text=True, check=True
        )
    assert done.stdout == "there is no more\n"


def test_what_linux_says_of_memory(tmp_path):
    machine, container = tmp_path / "meminfo", tmp_path / "memory.max"
    assert available(machine, container) is None
    machine.write_text("MemTotal:       16 kB\nMemAvailable:      8 kB\n")
    assert available(machine, container) == 8192
    container.write_text("max\n")
    assert available(machine, container) == 8192
    container.write_text("4096\n")
    assert available(machine, container) == 4096


@pytest.mark.parametrize("mebibytes", [96, 160, 256, 384])
def test_little_memory_is_said_in_one_line(work, mebibytes):
    write_image(work / "top.qcow2", Image(1 << 20), {0: Data(b"a")})
    for words in (("map",), ("info",), ("view",)):
        limited(*words, "top.qcow2", cwd=work, space=mebibytes << 20)


NOTHING_LEFT = """
import sys
from blockstrata_viewer.cli import output
from blockstrata_viewer.process.memory import bound_memory
class Ends:
    def __del__(self): raise (MemoryError if sys.argv[1] == "memory" else ValueError)
def fail(*_): raise MemoryError
bound_memory()
output.fail, early, late = fail, Ends(), Ends()
with output.manners():
    del early
    raise MemoryError
"""


def test_no_memory_left_for_the_line_itself():
    """Memory gives out anywhere: in a line, and as things end, of which Python would tell one by one."""
    run = [sys.executable, "-c", NOTHING_LEFT]
    done = subprocess.run([*run, "memory"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, "blockstrata: this takes more memory than there is\n")
    done = subprocess.run([*run, "other"], capture_output=True, text=True, timeout=60, check=False)
    assert "ValueError" in done.stderr, "what is a fault of ours is told"


# ----------------------------------------------------------------------------- chains


def in_process(directory: Path, *words: str) -> Result:
    """Run blockstrata on top.qcow2 in this process."""
    with contextlib.chdir(directory):
        done = CliRunner().invoke(main, [*words, "top.qcow2"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert len(beside_warning(done.stderr)) <= 1
    return done


def write_chain(work: Path, count: int) -> None:
    for nth in range(count):
        backing = f"{nth + 1}.qcow2".encode() if nth + 1 < count else b""
        head = header(bits=9, size=32768, l1=1, l1_at=1024, backing=backing)
        write_raw(work / f"{nth}.qcow2", 1536, [(0, head)])


def test_a_thousand_layers(work):
    write_chain(work, 1000)
    (entry,) = json.loads(limited("map", "--output", "json", "0.qcow2", cwd=work).stdout)
    # as QEMU has it: the lowest layer supplies the zeroes
    assert entry["depth"] == 999
    assert len(info("0.qcow2", work)["layers"]) == 1000
    limited("view", "0.qcow2", cwd=work)


@pytest.mark.parametrize("files", [20, FILES])
def test_more_layers_than_file_descriptors(work, files):
    write_chain(work, FILES + 10)
    assert "Too many open files" in refusal("map", "0.qcow2", cwd=work, files=files)
    assert "Too many open files" in limited("info", "0.qcow2", cwd=work, files=files).stdout
    assert "chain incomplete" in limited("view", "0.qcow2", cwd=work, files=files).stdout


def test_hardly_any_file_descriptors(work):
    write_chain(work, 2)
    for files in range(5, 14):
        for words in (("map",), ("view",)):
            limited(*words, "0.qcow2", cwd=work, files=files)


@pytest.mark.live("qemu-img")
@pytest.mark.parametrize(
    ("name", "is_there"),
    [
        ("json:{}", True),
        ("file:data.raw", True),
        ("c:olon", True),
        ("null-co:", True),
        ('json:{"driver":"null-co","size":1048576}', False),
        ("file:data.raw", False),
        ("nbd:localhost:1", False),
    ],
)
def test_the_name_of_a_data_file_is_the_name_of_a_file(work, name, is_there):
    """An image can name no protocol and no options there (QEMU since the mending of CVE-2024-4467)."""
    with contextlib.chdir(work):
        write_image(Path("top.qcow2"), Image(1 << 20, data_file=name), {0: Data(b"a")})
        if not is_there:
            Path(name).rename("data.raw")
    question = Question("top.qcow2", (), "top.qcow2")
    theirs, ours = their_answer(question, work), our_answer(question, work)
    assert (ours.entries is not None) == is_there
    assert difference(theirs, ours) == ""


NAMES = {
    "a control sequence": b"\x1b[31mred\x07",
    "two lines": b"one\ntwo",
    "text up to a NUL": b"one\0two",
    "no UTF-8": b"\xff\xfe\x80",
    "right to left": "\u202eabc".encode(),
    "the longest name": b"x" * 1023,
    "many directories": b"d/" * 511 + b"x",
    "json of a control sequence": b'json:{"driver":"raw","file":{"driver":"file","filename":"\\u001b[31m"}}',
    "json of a NUL": b'json:{"driver":"raw","file":{"driver":"file","filename":"a\\u0000b"}}',
    "json of half a character": b'json:{"driver":"raw","file":{"driver":"file","filename":"\\ud800"}}',
    "json in json": b"json:" + b'{"a":' * 100 + b"1" + b"}" * 100,
    "a protocol of control characters": b"\x1b\x07:x",
    "a directory": b".",
    "a device of endless zeroes": b"/dev/zero",
    "memory": b"/proc/self/mem",
}


@pytest.mark.parametrize("name", NAMES)
def test_what_an_image_may_call_its_backing_file(work, name):
    head = header(bits=12, size=4096, l1=1, l1_at=8192, backing=NAMES[name])
    write_raw(work / "top.qcow2", 12288, [(0, head)])
    for words in (("map",), ("info",), ("info", "--quick"), ("view",)):
        done = in_process(work, *words)
        assert done.stderr.rstrip("\n").isprintable()
        assert all(line.isprintable() for line in done.stdout.split("\n"))
        assert done.exit_code == (words[0] in ("map", "info"))


@pytest.mark.parametrize(
    ("kind", "make"), [("a directory", Path.mkdir), ("a pipe", os.mkfifo)], ids=["directory", "pipe"]
)
def test_a_data_file_that_is_none(work, kind, make):
    with contextlib.chdir(work):
        write_image(Path("top.qcow2"), Image(1 << 20, data_file="data"), {0: Data(b"a")})
        Path("data").unlink()
        make(Path("data"))
    assert f"data: is {kind}" in refusal("map", "top.qcow2", cwd=work)


def test_an_image_that_is_its_own_data_file(work):
    with contextlib.chdir(work):
        write_image(Path("top.qcow2"), Image(1 << 20, data_file="data"), {0: Data(b"a")})
        Path("data").unlink()
        Path("data").symlink_to("top.qcow2")
    (entry, *_) = json.loads(limited("map", "--output", "json", "top.qcow2", cwd=work).stdout)
    assert (entry["data"], entry["offset"]) == (True, 0)


# --------------------------------------------------- files that are cut, or change


IMAGES = {
    "plain": (
        Image(90 << 12, 12),
        {
            0: Data(b"a"),
            1: ZeroPlain(),
            2: ZeroAlloc(b"z"),
            5: Preallocated(),
            6: Compressed(b"c"),
            70: Data(b"b"),
        },
    ),
    "small": (Image(200 << 9, 9), {at: Data(b"a") for at in range(0, 200, 7)}),
    "extended": (
        Image(90 << 14, 14, extended_l2=True),
        {0: Subclusters("DdZzUu" + "u" * 26), 3: Data(b"a"), 40: Subclusters("zu" * 16, hosted=False)},
    ),
    "large": (Image(600 << 21, 21), {0: Data(b"a"), 599: ZeroPlain()}),
}


def test_a_file_that_ends_anywhere(work):
    """Cut in every place of the header, and around every cluster's start: answered, or refused in a line."""
    write_image(work / "top.qcow2", *IMAGES["plain"])
    length = (work / "top.qcow2").stat().st_size
    ends = {*range(130), *(at + by for at in range(0, length, 4096) for by in (-1, 0, 1, 8, 4095))}
    for end in sorted(ends - {-1}, reverse=True):
        os.truncate(work / "top.qcow2", end)
        for words in (("map",), ("info",)):
            assert in_process(work, *words).exit_code in (0, 1)


@pytest.mark.parametrize("length", [0, 100, 5000, 1 << 30])
@pytest.mark.parametrize("after", range(5))
def test_a_file_that_changes_its_length_while_it_is_read(work, monkeypatch, length, after):
    path = work / "top.qcow2"
    write_image(path, *IMAGES["plain"])
    read, calls = os.pread, []

    def changing(*arguments):
        calls.append(arguments)
        if len(calls) == after + 1:
            os.truncate(path, length)
        return read(*arguments)

    monkeypatch.setattr(os, "pread", changing)
    done = in_process(work, "map")
    has_changed = len(calls) > after
    assert ("changed while it was read" in done.stderr) == (done.exit_code == 0 and has_changed)


def broken(*_: object) -> bytes:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.parametrize("reads", range(6))
def test_a_file_that_cannot_be_read_from_some_point_on(work, monkeypatch, reads):
    """One line; the viewer and info show the layers that can be read."""
    write_image(work / "base.qcow2", *IMAGES["plain"])
    write_image(work / "top.qcow2", Image(1 << 20, backing="base.qcow2"), {0: Data(b"a")})
    read, calls = os.pread, []

    def failing(*arguments):
        calls.append(arguments)
        return read(*arguments) if len(calls) <= reads else broken()

    monkeypatch.setattr(os, "pread", failing)
    done = in_process(work, "map")
    assert done.exit_code == 1
    assert "Input/output error" in done.stderr
    calls.clear()
    in_process(work, "view")


def test_a_directory_that_cannot_be_read_makes_its_layer_invalid(work, monkeypatch):
    write_image(work / "top.qcow2", *IMAGES["plain"])
    with open_chain(str(work / "top.qcow2")) as chain:
        monkeypatch.setattr(os, "pread", broken)
        reader = Reader(chain)
        assert list(reader.steps()) == []
        (layer,) = reader.chain().layers
        assert layer.extents(0, layer.size).having(Mapping.INVALID).all()
        assert "Input/output error" in layer.fault_at(0)


def test_a_corrupt_entry_of_a_file_that_is_cut_afterwards_still_has_a_reason(work):
    write_image(work / "top.qcow2", *IMAGES["plain"])
    content = bytearray((work / "top.qcow2").read_bytes())
    l1_at = int.from_bytes(content[40:48], "big")
    l2_at = int.from_bytes(content[l1_at : l1_at + 8], "big") & 0xFFFFFFFFFFFE00
    content[l2_at + 6] |= 2
    (work / "top.qcow2").write_bytes(content)
    with open_chain(str(work / "top.qcow2")) as chain:
        view = merged(chain, 0, chain.size)
        os.truncate(work / "top.qcow2", 0)
        with pytest.raises(BadImageError, match="has changed since"):
            view.require_valid()


# ------------------------------------------------------------ what is not read is zero


@st.composite
def punched(draw):
    """Choose an image and ranges of it that become holes, as zeroes or as if they had never been stored."""
    name = draw(st.sampled_from(sorted(IMAGES)))
    holes = st.tuples(st.integers(1, 400), st.integers(1, 8))
    return name, draw(st.lists(holes, max_size=6))


@settings(max_examples=60)
@given(punched())
def test_skipping_what_is_not_stored_changes_nothing(chosen):
    """Without a probe every table is read in full."""
    name, holes = chosen
    image, clusters = IMAGES[name]
    with workplace() as work:
        write_image(work / "whole", image, clusters)
        content = bytearray((work / "whole").read_bytes())
        for at, blocks in holes:
            part = content[at * 4096 : (at + blocks) * 4096]
            content[at * 4096 : (at + blocks) * 4096] = bytes(len(part))
        stored = [
            (at, bytes(content[at : at + 4096]))
            for at in range(0, len(content), 4096)
            if any(content[at : at + 4096])
        ]
        write_raw(work / "top", len(content), stored)
        found = []
        for probe in (Probe.SEEK, Probe.NONE):
            with open_chain(str(work / "top"), Access(probe)) as chain:
                extents = chain.layers[0].extents(0, chain.size)
                mappings = replace(extents, facts=extents.facts & 0x78).coalesce()
                found.append([mappings.edges.tolist(), mappings.facts.tolist(), mappings.host.tolist()])
        assert found[0] == found[1]


@pytest.mark.parametrize("name", sorted(IMAGES))
def test_windows_cover_an_image_and_say_the_same(work, name):
    write_image(work / "top.qcow2", *IMAGES[name])
    with open_chain(str(work / "top.qcow2")) as chain:
        (layer,) = chain.layers
        whole = layer.extents(0, layer.size)
        reader = Reader(chain)
        *_, last = reader.steps()
        assert last.read == last.known > 0
        read = reader.chain().layers[0].known
        assert [read.edges.tolist(), read.facts.tolist()] == [whole.edges.tolist(), whole.facts.tolist()]
        for start, end in zip(whole.edges[:-1].tolist(), whole.edges[1:].tolist(), strict=True):
            assert len(layer.extents(start, end - start)) == 1


def test_a_slice_of_a_file_ends_before_8_eib(work):
    """A qcow2 image in a slice that starts near the end: its tables would lie past the last byte there is."""
    end = longest(work)
    head = header(bits=12, size=1 << 21, l1=1, l1_at=4096)
    l1 = struct.pack(">Q", 0x00FFFFFFFFFFF000 | 1 << 63)
    write_raw(work / "long.raw", end, [(end - (1 << 20), head + bytes(4096 - len(head)) + l1)])
    below = {"driver": "raw", "offset": end - (1 << 20), "file": {"filename": "long.raw"}}
    done = limited(
        "map", "--output", "json", "json:" + json.dumps({"driver": "qcow2", "file": below}), cwd=work
    )
    (entry,) = json.loads(done.stdout)
    assert entry["present"] is False


@pytest.mark.live("qemu-img")
@pytest.mark.parametrize("field", [40, 48], ids=["l1", "refcounts"])
@pytest.mark.parametrize(("offset", "is_read"), [(2**63 - 2**30 - 4096, True), (2**63 - 2**30, False)])
def test_where_the_last_table_may_lie(work, field, offset, is_read):
    write_image(work / "top.qcow2", *IMAGES["plain"])
    with (work / "top.qcow2").open("r+b") as file:
        file.seek(field)
        file.write(struct.pack(">Q", offset))
    question = Question("top.qcow2", (), "top.qcow2")
    theirs, ours = their_answer(question, work), our_answer(question, work)
    assert (theirs.entries is not None) == is_read
    assert difference(theirs, ours) == ""


def test_an_error_is_one_of_ours():
    with pytest.raises(BlockstrataError):
        open_chain("json:" + '{"file":' * 2000)
