"""What docs/consent.md says an image may have opened: every row is walked, with each consent and without.

An audit hook sees what Python opens, contacts and runs; strace sees that too, and what qemu-img opens.  Of
each row something is looked for, by its name or its port: it must not be touched without the consent that the
row names, and it must be touched with it.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import socket
import stat
import struct
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from blockstrata.formats.qcow2.author import Data, Image, write_image

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(360)  # longer than the walk is waited for, which says more

ROOT = Path(__file__).parents[2]
VIA, FOLLOW = "--via-qemu", "--follow-remote"
CONSENTS = ((), (VIA,), (FOLLOW,), (VIA, FOLLOW))
SIZE = 1 << 20
KINDS = ("T-pipe", "T-socket", "T-character", "T-directory", "L-pipe", "L-character")
LESSON = "# Mine\n\nOne.\n\n## First\n```step\nfile: {}\n```\nLook.\n"
DESCRIPTOR = '# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID={}\ncreateType="{}"\n'


def table() -> dict[tuple[str, str], str]:
    """Return the rows of the page: who and what, and what has it opened."""
    text = (ROOT / "docs" / "consent.md").read_text()
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", text, re.MULTILINE)
    found = {(who, what): opened.strip("`") for who, what, opened in rows[2:]}
    assert len(found) == len(rows) - 2
    return found


TABLE = table()


def reference(**options) -> str:
    return "json:" + json.dumps(options)


class Place:
    """A directory with everything that could be named, and servers that hang up at once."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.made = itertools.count()
        (work / "plain.raw").write_bytes(b"x" * 65536)
        os.mkfifo(work / "T-pipe")
        (work / "L-pipe").symlink_to("T-pipe")
        (work / "L-character").symlink_to("/dev/zero")
        (work / "T-character").symlink_to("L-character")
        (work / "L-version").symlink_to("/proc/version")
        (work / "T-recorded").write_bytes(bytes(65536))
        (work / "T-directory").mkdir()
        (work / "T-directory" / "inside").write_text("x")
        self.device = self._device()
        self.sockets = [socket.socket(), socket.socket(socket.AF_UNIX)]
        self.sockets[0].bind(("127.0.0.1", 0))
        self.port = str(self.sockets[0].getsockname()[1])
        # names are relative: a socket's must be short, and data files are made where they are named
        self.sockets[1].bind("T-socket")
        for each in self.sockets:
            each.listen()
            threading.Thread(target=self._hang_up, args=(each,), daemon=True).start()
        write_image(work / "base.qcow2", Image(SIZE), {0: Data(b"base")})
        write_image(work / "data.qcow2", Image(SIZE, data_file="data.raw"), {0: Data(b"data")})
        (work / "disk.vdi").write_bytes(bytes(64) + b"\x7f\x10\xda\xbe" + bytes(1024))

    def _device(self) -> str | None:
        """Return a name of a block device, made here or one of the machine's; None if there is none."""
        try:
            os.mknod(self.work / "T-device", 0o600 | stat.S_IFBLK, os.makedev(7, 7))
        except OSError:
            machine = (path for path in Path("/dev").iterdir() if path.is_block_device())
            return next((str(path) for path in machine), None)
        return "T-device"

    @staticmethod
    def _hang_up(listening) -> None:
        while True:
            try:
                listening.accept()[0].close()
            except OSError:
                return

    def close(self) -> None:
        for each in self.sockets:
            each.close()

    # ------------------------------------------------------------ what images name

    @property
    def nbd(self) -> dict[str, object]:
        return {"driver": "nbd", "server": {"type": "inet", "host": "127.0.0.1", "port": self.port}}

    @property
    def vvfat(self) -> dict[str, object]:
        return {"driver": "vvfat", "dir": "T-directory"}

    def over(self, backing: str, backing_format: str | None = "raw") -> str:
        name = f"over-{next(self.made)}.qcow2"
        image = Image(SIZE, backing=backing, backing_format=backing_format)
        write_image(self.work / name, image, {1: Data(b"over")})
        return name

    def json_over(self, **options) -> str:
        return self.over(reference(**options), None)

    def below(self, **backing) -> str:
        return self.json_over(**self.qcow2("base.qcow2"), backing=backing)

    @staticmethod
    def qcow2(name: str) -> dict[str, object]:
        return {"driver": "qcow2", "file": {"driver": "file", "filename": name}}

    def with_data(self, name: str) -> str:
        """Return an image whose header names its data file, which is not made."""
        image, placeholder = f"data-{next(self.made)}.qcow2", "P" * len(name)
        write_image(self.work / image, Image(SIZE, data_file=placeholder), {0: Data(b"x")})
        (self.work / placeholder).unlink()
        raw = (self.work / image).read_bytes()
        (self.work / image).write_bytes(raw.replace(placeholder.encode(), name.encode(), 1))
        return image

    def vmdk(self, extents: str, create: str = "monolithicFlat", parent: str = "ffffffff") -> str:
        name = f"text-{next(self.made)}.vmdk"
        (self.work / name).write_text(DESCRIPTOR.format(parent, create) + extents)
        return name

    def sparse_vmdk(self, extents: str, sector: int = 1) -> str:
        """Return an image with a sparse header that states no capacity, but where its descriptor is."""
        name = f"sparse-{next(self.made)}.vmdk"
        header = b"KDMV" + struct.pack("<IIQQQQ", 1, 3, 0, 128, sector, 20)
        text = DESCRIPTOR.format("ffffffff", "monolithicFlat") + extents
        (self.work / name).write_bytes((header.ljust(512, b"\0") + text.encode()).ljust(65536, b"\0"))
        return name

    def extents(self, name: str) -> list[str]:
        """Return images that name an extent, by every way there is to say so."""
        line = f'RW 128 FLAT "{name}" 0\n'
        inner = self.sparse_vmdk(line)
        return [
            self.vmdk(line),
            self.vmdk(line.replace(" ", "\r\n\t") + "\r\n"),
            self.vmdk(f'RW 128 SPARSE "{name}"\n', "twoGbMaxExtentSparse"),
            self.sparse_vmdk(line),
            self.sparse_vmdk(line, (1 << 55) + 1),
            self.vmdk(f'RW 128 SPARSE "{inner}"\n', "twoGbMaxExtentSparse"),
        ]

    def lesson(self, file: str) -> str:
        name = f"lesson-{next(self.made)}.md"
        (self.work / name).write_text(LESSON.format(file))
        return name


def probed(place: Place) -> list[tuple[str, str]]:
    (place.work / "T-below.raw").write_bytes(bytes(SIZE))
    node = {"driver": "blkverify", "x-raw": "plain.raw", "x-image": place.over("T-below.raw")}
    return [(reference(driver="raw", file=node), "T-below.raw")]


def elsewhere(place: Place) -> list[tuple[str, str]]:
    outside = place.work.parent / "T-outside.qcow2"
    write_image(outside, Image(SIZE), {0: Data(b"x")})
    (place.work / "L-outside").symlink_to(outside)
    names = ("../T-outside.qcow2", str(outside), "L-outside")
    return [(place.lesson(name), name.rpartition("/")[2]) for name in names]


def by_an_option(place: Place) -> list[tuple[str, str]]:
    (place.work / "T-rules").write_text("")
    file = {"driver": "file", "filename": place.vmdk('RW 128 FLAT "plain.raw" 0\n')}
    extent = {"driver": "blkdebug", "config": "T-rules"}
    return [(place.json_over(driver="vmdk", file=file, **{"extents.0": extent}), "T-rules")]


def server_below(place: Place) -> list[tuple[str, str]]:
    raw = {"driver": "raw", "file": place.nbd}
    base = place.qcow2("base.qcow2")
    dotted = {f"backing.file.{key}": value for key, value in place.nbd.items()}
    inner = place.over(reference(**base, backing=raw), None)
    images = [
        place.below(**raw),
        place.below(**place.nbd),
        place.below(file=place.nbd),
        place.json_over(**base, **{"backing.driver": "raw"}, **dotted),
        place.below(**base, backing=raw),
        place.over(inner, "qcow2"),
        place.json_over(**place.qcow2(inner)),
    ]
    return [(image, place.port) for image in images]


def with_kinds(make):
    return lambda place: [(make(place, name), name) for name in KINDS]


def one(make, target):
    return lambda place: [(make(place), target(place) if callable(target) else target)]


def device(make):
    """Return jobs on a device, none where the machine has none."""
    return lambda place: (
        [(image, place.device) for image in make(place, place.device)] if place.device else []
    )


port = lambda place: place.port  # noqa: E731
BACKING = "an image, as backing file"
DATA = "an image, as data file"
JSON = "an image, inside `json:`"
EXTENT = "a VMDK, as extent"
MERGED = "you, over what an image states"
ODD = "a pipe, a socket, a character device, a directory"
KERNEL = "what lies in `/proc` or `/sys`, or is reached through them"
FORMAT = "`qemu-img`, for a format that is not read here"
RECORDED = {"driver": "recorded", "filename": "T-recorded", "storage": "64K data"}

ROWS = {
    ("you", "a regular file"): lambda _: [("plain.raw", "plain.raw"), ("base.qcow2", "base.qcow2")],
    ("you", "a block device"): device(
        lambda _, name: [name, reference(driver="raw", file={"filename": name})]
    ),
    ("you", "a server"): lambda place: [
        (f"nbd://127.0.0.1:{place.port}", place.port),
        ("nbd+unix:///?socket=T-socket", "T-socket"),
        (reference(driver="raw", file=place.nbd), place.port),
        (reference(**place.qcow2("base.qcow2"), backing={"driver": "raw", "file": place.nbd}), place.port),
    ],
    ("you", "a recording of a regular file"): one(
        lambda _: reference(driver="raw", file=RECORDED), "T-recorded"
    ),
    ("you", ODD): with_kinds(lambda _, name: name),
    ("you", FORMAT): one(lambda _: "disk.vdi", "qemu-img"),
    ("you", "what only QEMU opens, its format stated"): one(
        lambda place: reference(driver="raw", file=place.vvfat), "T-directory"
    ),
    ("you", "what only QEMU opens, its format probed"): one(
        lambda place: reference(file=place.vvfat), "T-directory"
    ),
    ("you", "what blkverify probes"): probed,
    (MERGED, "the backing layer's file, a device"): device(
        lambda place, name: [
            reference(
                **place.qcow2(place.over(backing)), backing={"driver": "raw", "file": {"filename": name}}
            )
            for backing in ("plain.raw", f"nbd://127.0.0.1:{place.port}")
        ]
    ),
    (MERGED, "an option of the backing layer, which is a server"): lambda place: [
        (reference(**place.qcow2(place.over(image, backing_format)), backing=options), place.port)
        for image, backing_format in (
            (f"nbd://127.0.0.1:{place.port}", "raw"),
            (reference(driver="raw", file=place.nbd), None),
        )
        for options in ({"read-only": True}, {"driver": "raw"}, {"file": {"read-only": True}})
    ],
    (BACKING, "a regular file"): one(lambda place: place.over("plain.raw"), "plain.raw"),
    (BACKING, "a block device"): device(
        lambda place, name: [
            place.over(name),
            place.over(f"host_device:{name}"),
            place.over(place.over(name), "qcow2"),
        ]
    ),
    (BACKING, KERNEL): lambda place: [
        (place.over(name), name) for name in ("/proc/version", "L-version", "/proc/self/cwd/plain.raw")
    ],
    (BACKING, "a server"): lambda place: [
        (place.over(f"nbd://127.0.0.1:{place.port}"), place.port),
        (place.over(f"nbd:127.0.0.1:{place.port}"), place.port),
        (place.over(f"nbds://127.0.0.1:{place.port}"), place.port),
        (place.over("nbd+unix:///?socket=T-socket"), "T-socket"),
    ],
    (BACKING, ODD): with_kinds(lambda place, name: place.over(name)),
    (BACKING, FORMAT): one(lambda place: place.over("disk.vdi", "vdi"), "qemu-img"),
    (BACKING, "what only QEMU opens"): one(lambda place: place.over("fat:T-directory"), "T-directory"),
    (DATA, "a regular file"): one(lambda place: place.with_data("plain.raw"), "plain.raw"),
    (DATA, "a block device"): device(lambda place, name: [place.with_data(name)]),
    (DATA, "a server: the name is a file's, whatever it looks like"): lambda place: [
        (place.with_data("nbd:unix:T-socket"), "connect"),
        (place.with_data(f"nbd:127.0.0.1:{place.port}"), "connect"),
    ],
    (DATA, ODD): with_kinds(lambda place, name: place.with_data(name)),
    (JSON, "a regular file"): one(
        lambda place: place.json_over(driver="raw", file={"filename": "plain.raw"}), "plain.raw"
    ),
    (JSON, "a block device"): device(
        lambda place, name: [
            place.json_over(driver="raw", file={"driver": "host_device", "filename": name}),
            place.below(driver="raw", file={"filename": name}),
            place.below(driver="host_device", filename=name),
        ]
    ),
    (JSON, "a server"): lambda place: [
        (place.json_over(driver="raw", file=place.nbd), place.port),
        (place.json_over(**place.nbd), place.port),
        (place.json_over(driver="raw", file={"driver": "nbd", "path": "T-socket"}), "T-socket"),
    ],
    (JSON, "a server in the options of a layer below, at any depth"): server_below,
    (JSON, "a server as data file"): lambda place: [
        (place.json_over(**place.qcow2("data.qcow2"), **{"data-file": place.nbd}), place.port),
        (place.below(**place.qcow2("data.qcow2"), **{"data-file": place.nbd}), place.port),
    ],
    (JSON, "what only QEMU opens, in the options of a layer below"): one(
        lambda place: place.below(driver="raw", file=place.vvfat), "T-directory"
    ),
    (JSON, "a file by an option that only QEMU reads"): by_an_option,
    (JSON, "a recording of a regular file"): lambda place: [
        (place.json_over(driver="raw", file=RECORDED), "T-recorded"),
        (place.below(driver="raw", file=RECORDED), "T-recorded"),
    ],
    (EXTENT, "a regular file"): one(lambda place: place.vmdk('RW 128 FLAT "plain.raw" 0\n'), "plain.raw"),
    (EXTENT, "a block device"): device(lambda place, name: place.extents(name)),
    (EXTENT, KERNEL): one(lambda place: place.vmdk('RW 1 FLAT "/proc/version" 0\n'), "/proc/version"),
    # some versions of QEMU look for a file of this name
    (EXTENT, "a server"): lambda place: [
        (image, place.port) for image in place.extents(f"nbd:127.0.0.1:{place.port}")
    ],
    (EXTENT, ODD): lambda place: [
        *((image, KINDS[0]) for image in place.extents(KINDS[0])),
        *((place.vmdk(f'RW 128 FLAT "{name}" 0\n'), name) for name in KINDS),
    ],
    ("a VMDK, as parent", "a server"): one(
        lambda place: place.vmdk(
            f'parentFileNameHint="nbd://127.0.0.1:{place.port}"\nRW 128 FLAT "plain.raw" 0\n', parent="1"
        ),
        port,
    ),
    ("a lesson", "a regular file in its directory or below"): one(
        lambda place: place.lesson("base.qcow2"), "base.qcow2"
    ),
    ("a lesson", "a file elsewhere, also by a symbolic link"): elsewhere,
    ("a lesson", "a device, a pipe, a server"): lambda place: [
        (place.lesson(name), name)
        for name in (
            "T-pipe",
            "T-character",
            f"nbd:127.0.0.1:{place.port}",
            *([place.device] if place.device else ()),
        )
    ],
}
"""For each row of the page the images that it speaks of, each with what is looked for."""


@dataclass(frozen=True)
class Job:
    """One run: the row it is of, what is looked for, and what came of it."""

    row: tuple[str, str]
    words: list[str]
    target: str
    consents: frozenset[str]
    status: int = 0
    error: str = ""
    touched: tuple[str, ...] = ()


def jobs_of(place: Place) -> Iterator[Job]:
    for row, make in ROWS.items():
        for number, (image, target) in enumerate(make(place)):
            if row[0] == "a lesson":
                yield Job(row, ["learn", image], target, frozenset())
                continue
            for consents in CONSENTS:
                words = ["--timeout", "5", *consents, image]
                yield Job(row, ["map", *words], target, frozenset(consents))
            yield Job(row, ["info", image], target, frozenset())
            if row[1].startswith("a server in the options") and not number:
                yield Job(row, ["screenshot", image, "-o", "shot.txt"], target, frozenset())


def traced() -> list[str]:
    """Return the words that put strace before a program, none where it is missing or not allowed."""
    words = ["strace", "-f", "-qq", "--seccomp-bpf", "-e", "trace=open,openat,connect,execve", "-o"]
    if shutil.which("strace") is None:
        return []
    done = subprocess.run([*words, os.devnull, "true"], check=False, timeout=60, capture_output=True)
    return [] if done.returncode else [*words, "log"]


def traces(log: str) -> list[list[str]]:
    """Return what strace saw in each job: system calls, of a program that is run its name alone."""
    found: list[list[str]] = []
    for line in log.splitlines():
        call = line.partition(" ")[2].strip()
        if '"job-' in call:
            found.append([])
        elif found:
            found[-1].append(call.partition(", [")[0] if call.startswith("execve") else call)
    return found


def is_in(target: str, event: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(target)}(?![\w-])", event) is not None


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    work = tmp_path_factory.mktemp("consent") / "work"
    work.mkdir()
    before = Path.cwd()
    os.chdir(work)
    try:
        place = Place(work)
        jobs = list(jobs_of(place))
        control = ["control", "plain.raw", place.port, shutil.which("true")]
        (work / "jobs").write_text(json.dumps([control, *(job.words for job in jobs)]))
        strace = traced()
        child = [sys.executable, str(Path(__file__).with_name("watched.py")), "jobs", "answers"]
        done = subprocess.run([*strace, *child], check=False, timeout=300, capture_output=True, text=True)
        place.close()
    finally:
        os.chdir(before)
    assert done.returncode == 0, done.stderr
    answers = json.loads((work / "answers").read_text())
    seen = traces((work / "log").read_text(errors="replace")) if strace else [[]] * len(answers)
    assert len(seen) == len(answers) == len(jobs) + 1
    results = []
    for job, (status, error, events), calls in zip(jobs, answers[1:], seen[1:], strict=True):
        touched = tuple(event for event in (*events, *calls) if is_in(job.target, event))
        results.append(replace(job, status=status, error=error, touched=touched))
    return (place.port, answers[0][2], seen[0] if strace else None), results


def test_the_page_and_the_tests_have_the_same_rows():
    assert list(ROWS) == list(TABLE)
    options = {"always", "never", VIA, FOLLOW, f"{VIA} {FOLLOW}"}
    assert set(TABLE.values()) == options


def test_whoever_watches_sees(walked):
    """What is opened, contacted and run behind blockstrata's back is seen by hook and by strace."""
    (port, events, calls), _ = walked
    for found in (events, calls):
        if found is not None:
            for target in ("plain.raw", port, shutil.which("true")):
                assert any(is_in(target, event) for event in found), (target, found)


def marked(row):
    """Return a row; where only QEMU opens something, QEMU and strace are needed to see it."""
    return pytest.param(row, marks=pytest.mark.live("qemu-img", "strace")) if VIA in TABLE[row] else row


@pytest.mark.parametrize("row", [marked(row) for row in ROWS if row in TABLE])
def test_a_row(row, walked):
    opened = TABLE[row]
    needed = set() if opened in ("always", "never") else set(opened.split())
    jobs = [job for job in walked[1] if job.row == row]
    if not jobs:
        pytest.skip("no block device here")
    for job in jobs:
        said = f"{' '.join(job.words)}: {job.error}{job.touched}"
        if opened != "never" and needed <= job.consents:
            assert job.touched, said
            continue
        assert not job.touched, said
        if job.words[0] in ("map", "learn"):
            assert (job.status, job.error.count("\n")) == (1, 1), said
            missing = needed - job.consents
            assert not missing or any(option in job.error for option in missing), said
