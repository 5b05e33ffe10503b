"""The images that are mutated: small chains, some written by the project itself, others by QEMU's tools."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mutations import Layout, layout
from recipe import create, io, punch

from blockstrata.formats.qcow2.author import (
    Compressed,
    Data,
    Image,
    Preallocated,
    Subclusters,
    Unallocated,
    ZeroAlloc,
    ZeroPlain,
    write_image,
    write_raw,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blockstrata.formats.qcow2.author import Cluster

TOP = "top.qcow2"
"""The active layer of every case."""

_BASE = "base.qcow2"
_KI = 1024


@dataclass(frozen=True, slots=True)
class Case:
    """A chain as it is before anything is changed: the stored bytes of its files, and where what lies.

    ``files`` by name: the length, and each stretch of data with its offset.
    """

    name: str
    files: Mapping[str, tuple[int, list[tuple[int, bytes]]]]
    layouts: tuple[Layout, ...]

    def restore(self, directory: Path) -> None:
        """Make the files anew."""
        for name, (length, stored) in self.files.items():
            path = directory / name
            path.unlink(missing_ok=True)
            write_raw(path, length, stored)


_PLAIN: dict[int, Cluster] = {
    0: Data(b"a"),
    1: Data(b"b"),
    2: ZeroPlain(),
    3: ZeroAlloc(b"z"),
    4: ZeroAlloc(),
    5: Preallocated(),
    6: Compressed(b"c"),
    7: Compressed(b"d"),
    9: Unallocated(),
    70: Data(b"e"),
}
_STATES = "DDzzuuDdZzUu" + "u" * 12 + "DuDuDuDu"
_PARTS: dict[int, Cluster] = {
    0: Subclusters(_STATES),
    1: Data(b"a"),
    2: Subclusters("zu" * 16, hosted=False),
    3: Compressed(b"c"),
    4: ZeroPlain(),
    6: Subclusters("u" * 32),
}


def _authored() -> dict[str, list[tuple[Image, dict[int, Cluster]]]]:
    """Return images by case, the lowest first; an image's file is ``base.qcow2`` where another follows."""
    v2: dict[int, Cluster] = {
        at: what for at, what in _PLAIN.items() if not isinstance(what, (ZeroPlain, ZeroAlloc))
    }
    stored: dict[int, Cluster] = {
        at: what for at, what in _PLAIN.items() if not isinstance(what, (Compressed, Preallocated))
    }
    small = Image(90 * 4096, 12)
    over = {"backing": _BASE, "backing_format": "qcow2"}
    return {
        "plain": [(small, _PLAIN)],
        "version-2": [(Image(90 * 4096, 12, 2), v2)],
        "version-2-overlay": [
            (Image(90 * 4096, 12, 2), {0: Data(b"x"), 12: Compressed(b"x"), 20: Data(b"x")}),
            (Image(120 * 4096, 12, 2, **over), v2),
        ],
        "small-clusters": [(Image(200 * 512, 9), stored)],
        "default": [(Image(1 << 20), {0: Data(b"a"), 3: Data(b"b"), 5: ZeroPlain(), 7: Preallocated()})],
        "large-clusters": [(Image(9 << 21, 21), {0: Data(b"a"), 5: ZeroPlain()})],
        "extended": [(Image(9 * 16384, 14, extended_l2=True), _PARTS)],
        "references-of-1-bit": [(Image(90 * 4096, 12, refcount_order=0), stored)],
        "references-of-64-bits": [(Image(90 * 4096, 12, refcount_order=6), _PLAIN)],
        "preallocated": [(small, {at: Preallocated() for at in range(90)})],
        "aes": [(Image(90 * 4096, 12, aes=True), stored)],
        "overlay": [
            (small, {0: Data(b"x"), 1: Data(b"x"), 2: ZeroPlain(), 11: Data(b"x"), 12: Compressed(b"x")}),
            (Image(120 * 4096, 12, **over), _PLAIN),
        ],
        "unprobed": [
            (small, {0: Data(b"x"), 12: Compressed(b"x")}),
            (Image(20 * 4096, 12, backing=_BASE), {1: Data(b"y")}),
        ],
        "extended-overlay": [
            (Image(7 * 16384, 14, extended_l2=True), _PARTS),
            (Image(9 * 16384, 14, extended_l2=True, **over), {0: Data(b"t"), 1: Subclusters(_STATES[::-1])}),
        ],
        "data-file": [
            (
                Image(90 * 4096, 12, data_file="data.raw"),
                {0: Data(b"a"), 1: ZeroPlain(), 2: ZeroAlloc(b"z"), 3: Preallocated()},
            )
        ],
    }


_SMALL = {"cluster_size": 4 * _KI}
_OVERLAY = (
    create(_BASE, "256k", **_SMALL),
    io(_BASE, "write 0 32k", "write -z 40k 8k"),
    create(TOP, "300k", _BASE, **_SMALL),
    io(TOP, "write 4k 8k", "write -z 20k 4k"),
)
_WRITTEN = (create(TOP, "256k", **_SMALL), io(TOP, "write 0 32k", "write -z 40k 8k", "write -c 64k 4k"))

SNAPSHOTS_AND_BITMAPS: dict[str, tuple[str, ...]] = {
    "snapshots": (
        *_WRITTEN,
        f"qemu-img snapshot -c before {TOP}",
        io(TOP, "write 8k 8k"),
        f"qemu-img snapshot -c after {TOP}",
    ),
    "bitmaps": (
        *_WRITTEN,
        f"qemu-img bitmap --add -g 4k {TOP} first",
        f"qemu-img bitmap --add --disable {TOP} second",
        io(TOP, "write 8k 8k"),
    ),
}
"""Cases whose tables of snapshots or bitmaps are mutated too."""

MADE: dict[str, tuple[str, ...]] = {
    "made-overlay": _OVERLAY,
    "made-raw-below": (
        "truncate -s 100000 base.raw",
        io("base.raw", "write 0 4k", "write 32k 4k", fmt="raw"),
        create(TOP, "128k", "base.raw", "raw", **_SMALL),
        io(TOP, "write 4k 4k", "write -z 64k 4k"),
    ),
    "made-zstd": (
        create(TOP, "256k", compression_type="zstd", **_SMALL),
        io(TOP, "write -c 0 4k", "write 8k 4k"),
    ),
    "made-metadata": (
        create(TOP, "512k", preallocation="metadata", **_SMALL),
        io(TOP, "write 8k 8k"),
        punch(TOP, 0x10000, 0x4000),
    ),
    "made-data-file": (
        create(TOP, "256k", data_file="data.raw", data_file_raw="on", **_SMALL),
        io(TOP, "write 0 12k", "write -z 4k 4k"),
    ),
    "made-extended": (
        create(TOP, "1M", cluster_size="16k", extended_l2="on"),
        io(TOP, "write 0 512", "write 20k 4k", "write -z 32k 512", "write -c 64k 16k"),
    ),
    "made-small": (create(TOP, "200k", cluster_size=512), io(TOP, "write 0 30k", "write -z 64k 40k")),
    **SNAPSHOTS_AND_BITMAPS,
}
"""Cases by the commands that make them."""


@cache
def cases() -> dict[str, Case]:
    """Return every case by its name; those that QEMU makes only where its tools are."""
    found = {name: _author_case(name, images) for name, images in _authored().items()}
    if all(shutil.which(tool) for tool in ("qemu-img", "qemu-io", "fallocate")):
        found |= {name: _made_case(name, commands) for name, commands in MADE.items()}
    return found


def _author_case(name: str, images: list[tuple[Image, dict[int, Cluster]]]) -> Case:
    with _workplace() as work, contextlib.chdir(work):
        *below, (top, clusters) = images
        for image, stored in below:
            write_image(work / _BASE, image, stored)
        write_image(work / TOP, top, clusters)
        return _case(name, work)


def _made_case(name: str, commands: tuple[str, ...]) -> Case:
    with _workplace() as work:
        subprocess.run(
            ["sh", "-e", "-c", "\n".join(commands)],
            cwd=work,
            check=True,
            timeout=60,
            stdout=subprocess.DEVNULL,
        )
        return _case(name, work)


def _workplace() -> TemporaryDirectory[str]:
    return _Directory(prefix="blockstrata-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)


class _Directory(TemporaryDirectory):  # type: ignore[type-arg]
    def __enter__(self) -> Path:  # type: ignore[override]
        return Path(super().__enter__())


def _case(name: str, work: Path) -> Case:
    paths = sorted(work.iterdir(), key=lambda path: path.name != TOP)
    files = {path.name: _stored(path) for path in paths}
    return Case(name, files, tuple(layout(path.name, path.read_bytes()) for path in paths))


def _stored(path: Path) -> tuple[int, list[tuple[int, bytes]]]:
    with path.open("rb") as file:
        fd, length = file.fileno(), os.fstat(file.fileno()).st_size
        found, at = [], 0
        while at < length:
            try:
                start = os.lseek(fd, at, os.SEEK_DATA)
            except OSError:
                break
            at = os.lseek(fd, start, os.SEEK_HOLE)
            found.append((start, os.pread(fd, at - start, start)))
        return length, found
