"""Files of this host: where their holes are, what lies past their end, and what is no disk image."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockstrata.access import Probe
from blockstrata.errors import OpenError, UnsupportedError
from blockstrata.facts.codes import Mapping, Storage, fact, storage_of
from blockstrata.formats.qcow2.author import Data, Image, write_image, write_raw
from blockstrata.protocols.file import END, open_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blockstrata.facts.extents import Extents

BLOCK = 65536
"""Bytes; a hole of this size is one on every file system that has holes."""

DATA, HOLE, BEYOND, OPAQUE = Storage.DATA, Storage.HOLE, Storage.BEYOND_EOF, Storage.OPAQUE


def runs(extents: Extents) -> list[tuple[int, Storage]]:
    """Return first byte and storage of each run, having checked that they are mapped in place."""
    assert extents.host.tolist() == extents.edges[:-1].tolist()
    assert (np.diff(extents.edges) > 0).all()
    codes = extents.facts.tolist()
    assert codes == [fact(Mapping.PASSTHROUGH, storage_of(code)) for code in codes]
    return [(start, storage_of(code)) for start, code in zip(extents.edges.tolist(), codes, strict=False)]


def write_blocks(path: Path, stored: list[bool], length: int) -> None:
    write_raw(
        path, length, [(index * BLOCK, b"x" * BLOCK) for index, is_stored in enumerate(stored) if is_stored]
    )


def naive_seek(path: Path, offset: int) -> Storage:
    """Ask for one byte alone, as lseek(2) describes it."""
    with path.open("rb") as file:
        try:
            return DATA if os.lseek(file.fileno(), offset, os.SEEK_DATA) == offset else HOLE
        except OSError as error:
            assert error.errno == errno.ENXIO
            return HOLE


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail, instead of waiting for ever, where a system call does not return."""

    def give_up(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# ---------------------------------------------------------------- the seek probe


def test_a_known_layout(tmp_path: Path):
    path = tmp_path / "image"
    write_blocks(path, [False, True, True, False, False, True, False], 7 * BLOCK)
    with closing(open_file(str(path))) as file:
        assert (file.length, file.driver, file.allocated) == (7 * BLOCK, "file", path.stat().st_blocks * 512)
        assert runs(file.extents(0, END)) == [
            (0, HOLE),
            (BLOCK, DATA),
            (3 * BLOCK, HOLE),
            (5 * BLOCK, DATA),
            (6 * BLOCK, HOLE),
            (7 * BLOCK, BEYOND),
        ]
        assert runs(file.extents(2 * BLOCK + 1, BLOCK)) == [(2 * BLOCK + 1, DATA), (3 * BLOCK, HOLE)]


@settings(max_examples=40)
@given(st.lists(st.booleans(), max_size=8), st.sampled_from([0, 1, 511, 512, 5000, BLOCK]))
def test_seek_says_of_each_block_what_lseek_says(stored: list[bool], tail: int):
    length = len(stored) * BLOCK + tail
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "image")
        write_blocks(path, stored, length)
        with closing(open_file(str(path))) as file:
            found = file.extents(0, END)
        said = dict(runs(found.coalesce()))
        assert said[length] is BEYOND
        for offset in {*range(0, length, 4096), length - 1} - {-1}:
            assert storage_of(int(found.facts[found.index_at(offset)])) is naive_seek(path, offset)


def test_an_empty_file_has_nothing_but_its_end(tmp_path: Path):
    (tmp_path / "image").touch()
    with closing(open_file(str(tmp_path / "image"))) as file:
        assert runs(file.extents(0, END)) == [(0, BEYOND)]
        assert file.read(0, 4) == bytes(4)


def test_a_window_past_the_end_is_beyond_it(tmp_path: Path):
    (tmp_path / "image").write_bytes(b"x" * 1000)
    with closing(open_file(str(tmp_path / "image"))) as file:
        assert runs(file.extents(512, 512)) == [(512, DATA), (1000, BEYOND)]
        assert runs(file.extents(1000, 24)) == [(1000, BEYOND)]
        assert runs(file.extents(END - 5, 5)) == [(END - 5, BEYOND)]
        assert len(file.extents(1000, 0)) == 0


@pytest.mark.parametrize(("stored", "last"), [(True, DATA), (False, HOLE)])
def test_past_the_page_cache_a_last_piece_of_a_sector_is_all_of_it(tmp_path, monkeypatch, stored, last):
    monkeypatch.setattr(os, "O_DIRECT", 0)  # this file system may have none
    write_blocks(tmp_path / "image", [True, stored], 2 * BLOCK - 511)
    with closing(open_file(str(tmp_path / "image"), direct=True)) as file:
        assert file.length == 2 * BLOCK - 511
        found = runs(file.extents(0, END).coalesce())
        assert found[-2:] == [(0 if stored else BLOCK, last), (2 * BLOCK, BEYOND)]


def test_a_file_system_that_has_no_way_past_the_page_cache(tmp_path: Path, monkeypatch):
    (tmp_path / "image").touch()
    opened = os.open

    def refusing(name: str, flags: int) -> int:
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, "Invalid argument")
        return opened(name, flags)

    monkeypatch.setattr(os, "open", refusing)
    open_file(str(tmp_path / "image")).close()
    with pytest.raises(OpenError, match=r"image: cache\.direct: its file system has no O_DIRECT$"):
        open_file(str(tmp_path / "image"), direct=True)


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_cannot_answer_has_no_holes(tmp_path: Path, monkeypatch, code: int):
    write_blocks(tmp_path / "image", [False, True], 3 * BLOCK)
    lseek = os.lseek

    def refusing(fd: int, offset: int, whence: int) -> int:
        if whence in (os.SEEK_DATA, os.SEEK_HOLE):
            raise OSError(code, os.strerror(code))
        return lseek(fd, offset, whence)

    monkeypatch.setattr(os, "lseek", refusing)
    with closing(open_file(str(tmp_path / "image"))) as file:
        assert runs(file.extents(0, END)) == [(0, DATA), (3 * BLOCK, BEYOND)]


def test_without_a_probe_nothing_is_asked(tmp_path: Path, monkeypatch):
    write_blocks(tmp_path / "image", [False, True], 3 * BLOCK)
    whences = []
    lseek = os.lseek
    monkeypatch.setattr(os, "lseek", lambda fd, at, whence: whences.append(whence) or lseek(fd, at, whence))
    with closing(open_file(str(tmp_path / "image"), probe=Probe.NONE)) as file:
        assert runs(file.extents(0, END)) == [(0, OPAQUE), (3 * BLOCK, BEYOND)]
        assert file.read(BLOCK, 1) == b"x"
    assert not set(whences) & {os.SEEK_DATA, os.SEEK_HOLE}


def test_holes_are_asked_for_before_any_byte_is_read(tmp_path: Path, monkeypatch):
    write_blocks(tmp_path / "image", [True, False], 2 * BLOCK)
    calls = []
    lseek, pread = os.lseek, os.pread
    monkeypatch.setattr(os, "lseek", lambda fd, at, whence: calls.append(whence) or lseek(fd, at, whence))
    monkeypatch.setattr(os, "pread", lambda fd, n, at: calls.append("read") or pread(fd, n, at))
    with closing(open_file(str(tmp_path / "image"))) as file:
        file.read(0, 512)
        file.extents(0, BLOCK)
    assert calls.index("read") > calls.index(os.SEEK_DATA)
    assert os.SEEK_DATA not in calls[calls.index("read") :]


@pytest.mark.parametrize("at", [BLOCK, 3 * BLOCK], ids=["next to the end", "past a hole"])
@pytest.mark.parametrize("stored", [True, False], ids=["data", "hole"])
def test_a_file_that_grows_while_it_is_open_keeps_the_length_it_had(tmp_path: Path, at: int, stored: bool):
    path = tmp_path / "image"
    write_blocks(path, [stored], BLOCK)
    with closing(open_file(str(path))) as file:
        with path.open("r+b") as other:
            other.seek(at)
            other.write(b"y" * BLOCK)
        assert runs(file.extents(0, END)) == [(0, DATA if stored else HOLE), (BLOCK, BEYOND)]


# ---------------------------------------------------------------- reading


def test_reading_past_the_end_gives_zeroes(tmp_path: Path):
    (tmp_path / "image").write_bytes(b"abcdef")
    with closing(open_file(str(tmp_path / "image"))) as file:
        assert file.read(0, 6) == b"abcdef"
        assert file.read(4, 5) == b"ef\0\0\0"
        assert file.read(6, 2) == file.read(2**62, 2) == b"\0\0"
        assert file.read(3, 0) == b""


def test_a_file_that_shrinks_while_it_is_open_reads_as_zeroes(tmp_path: Path):
    path = tmp_path / "image"
    path.write_bytes(b"abcdef")
    with closing(open_file(str(path))) as file:
        os.truncate(path, 2)
        assert file.read(0, 6) == b"ab\0\0\0\0"


def test_an_error_while_reading_names_file_and_place(tmp_path: Path, monkeypatch):
    (tmp_path / "image").write_bytes(b"abcdef")

    def broken(*_: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pread", broken)
    with (
        closing(open_file(str(tmp_path / "image"))) as file,
        pytest.raises(OpenError, match="image: byte 3: Input"),
    ):
        file.read(3, 2)


# ---------------------------------------------------------------- names and kinds


def test_two_names_of_one_file_are_one(tmp_path: Path):
    (tmp_path / "image").write_bytes(b"x")
    (tmp_path / "other").write_bytes(b"x")
    os.link(tmp_path / "image", tmp_path / "linked")
    (tmp_path / "symlinked").symlink_to("image")
    identities = {}
    for name in ("image", "linked", "symlinked", "other"):
        with closing(open_file(str(tmp_path / name))) as file:
            identities[name] = file.identity
            assert file.name == str(tmp_path / name)
    assert identities["image"] == identities["linked"] == identities["symlinked"] != identities["other"]


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


KINDS = {
    "a directory": Path.mkdir,
    "a pipe": os.mkfifo,
    "a socket": make_socket,
    "a character device": lambda path: path.symlink_to("/dev/null"),
}


def open_descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


@pytest.fixture
def nothing_stays_open():
    """Check that what is refused is closed again."""
    before = open_descriptors()
    yield
    assert open_descriptors() == before


@pytest.mark.usefixtures("nothing_stays_open")
@pytest.mark.parametrize("driver", [None, "file", "host_device"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_has_no_bytes_at_an_offset_is_refused_at_once(tmp_path: Path, kind: str, driver: str | None):
    path = tmp_path / "thing"
    KINDS[kind](path)
    with within(5), pytest.raises(UnsupportedError, match=f"thing: is {kind}, not a disk image"):
        open_file(str(path), driver)


@pytest.mark.usefixtures("nothing_stays_open")
def test_a_pipe_that_takes_a_file_s_place_at_the_last_moment_is_refused_too(tmp_path: Path, monkeypatch):
    path = tmp_path / "thing"
    path.write_bytes(b"x")
    really_open = os.open

    def replace_and_open(name: str, flags: int) -> int:
        path.unlink()
        os.mkfifo(path)
        return really_open(name, flags)

    monkeypatch.setattr(os, "open", replace_and_open)
    with within(5), pytest.raises(UnsupportedError, match="is a pipe"):
        open_file(str(path))


@pytest.mark.usefixtures("nothing_stays_open")
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing", "No such file or directory"),
        ("image/below", "Not a directory"),
        ("loop", "Too many levels of symbolic links"),
        ("x" * 5000, "File name too long"),
        ("a\0b", "null byte"),
        ("\ud800", "surrogates not allowed"),
    ],
)
def test_what_cannot_be_opened_says_why_in_one_line(tmp_path: Path, name: str, reason: str):
    (tmp_path / "image").write_bytes(b"x")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OpenError, match=reason) as caught:
        open_file(f"{tmp_path}/{name}")
    assert str(caught.value).isprintable()


@pytest.mark.usefixtures("nothing_stays_open")
def test_a_regular_file_is_no_host_device(tmp_path: Path):
    (tmp_path / "image").write_bytes(b"x")
    with pytest.raises(UnsupportedError, match="driver: 'host_device' needs a block device"):
        open_file(str(tmp_path / "image"), "host_device")


# ---------------------------------------------------------------- nothing is ever written

WATCHED = """
import json, os, sys
opened, changed = [], []
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = "os.chmod os.chown os.link os.mkdir os.remove os.rename os.rmdir os.symlink os.truncate os.utime"

def watch(event, args):
    if event == "open":
        opened.append(str(args[0]))
        if args[2] & WRITES:
            changed.append(str(args[0]))
    elif event in CHANGES.split():
        changed.append(event)

sys.addaudithook(watch)
from blockstrata import SEMANTICS, in_place, merged, open_chain
with open_chain(sys.argv[1]) as chain:
    for semantics in SEMANTICS:
        semantics.flags(merged(chain, 0, chain.size))
        for layer in chain.layers:
            semantics.flags(in_place(chain, layer.depth, 0, layer.size))
print(json.dumps([opened, changed]))
"""


def test_nothing_is_opened_for_writing(tmp_path: Path):
    top, base, raw, data = (tmp_path / name for name in ("top.qcow2", "base.qcow2", "raw.img", "top.data"))
    with_data_file = Image(4 * BLOCK, backing=base.name, backing_format="qcow2", data_file=str(data))
    write_image(top, with_data_file, {1: Data(b"top")})
    write_image(base, Image(4 * BLOCK, backing=raw.name, backing_format="raw"), {0: Data(b"base")})
    write_raw(raw, 4 * BLOCK, [(0, b"raw")])
    images = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (top, base, raw, data)}
    # -B: the interpreter's own cache of compiled modules is not meant
    command = [sys.executable, "-B", "-c", WATCHED, str(top)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    opened, changed = json.loads(done.stdout)
    assert {str(path) for path in images} <= set(opened)
    assert changed == []
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in images} == images
