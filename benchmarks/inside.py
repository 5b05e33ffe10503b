"""What is measured inside a process: run by run.py, each time in a fresh one, and answers in JSON.

``map``       the plain read of all L2 tables, then the chain opened and merged, then each layer alone
``answers``   writes what blockstrata says of each layer alone, as ``map --output json`` does
``overview``  what can be shown of a large disk before any L2 table is read
``strips``    one frame of strips over runs that are known
``nbd``       asks an NBD server with libnbd
``dissect``   walks the runs of an image with dissect.hypervisor
``app``       an app of two widgets that shows nothing: what Textual itself takes to start
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import statistics
import struct
import sys
import time
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

# as the program has it: threads for linear algebra, of which there is none, would count as ours
os.environ["OPENBLAS_NUM_THREADS"] = "1"

PIECE: Final = 1 << 20
"""Bytes of the buffer that L2 tables are plainly read into; tables side by side are read at once."""


def timed(action: Callable[[], object]) -> dict[str, float]:
    """Do something and return what it took, in seconds; ``memory`` is the process's peak so far, in bytes."""
    wall, cpu = time.perf_counter(), time.process_time()
    action()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {
        "cpu": cpu,
        "wall": wall,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10,
    }


def tables_of(name: str) -> list[tuple[int, int]]:
    """Return offset and length of each stretch of L2 tables in a qcow2 file, at most PIECE bytes each."""
    with Path(name).open("rb") as file:
        head = file.read(48)
        cluster_bits, entries, offset = (
            struct.unpack_from(">I", head, 20)[0],
            *struct.unpack_from(">IQ", head, 36),
        )
        file.seek(offset)
        l1 = struct.unpack(f">{entries}Q", file.read(entries * 8))
    size = 1 << cluster_bits
    stretches: list[tuple[int, int]] = []
    for table in (entry & 0x00FFFFFFFFFFFE00 for entry in l1 if entry):
        for piece in range(table, table + size, PIECE):
            length = min(PIECE, table + size - piece)
            if stretches and sum(stretches[-1]) == piece and stretches[-1][1] + length <= PIECE:
                stretches[-1] = (stretches[-1][0], stretches[-1][1] + length)
            else:
                stretches.append((piece, length))
    return stretches


def plain_read(names: list[str]) -> tuple[int, dict[str, float]]:
    """Read the L2 tables of files once into a buffer that stays, and return their bytes and what it took."""
    buffer = bytearray(PIECE)
    view = memoryview(buffer)
    files = [(os.open(name, os.O_RDONLY | os.O_CLOEXEC), tables_of(name)) for name in names]

    def read() -> None:
        for fd, stretches in files:
            for offset, length in stretches:
                os.preadv(fd, [view[:length]], offset)

    read()  # the buffer's pages are there now, and the files' too
    spent = timed(read)
    for fd, _ in files:
        os.close(fd)
    return sum(length for _, stretches in files for _, length in stretches), spent


def measure_map(names: list[str], *, raw: bool) -> dict[str, Any]:
    """Return what the whole disk takes in this process, and how many runs it has."""
    from blockstrata.graph.chain import open_chain  # noqa: PLC0415
    from blockstrata.guest.merge import alone, merged  # noqa: PLC0415

    found: dict[str, Any] = {}
    if not raw:
        found["bytes"], found["plain read"] = plain_read(names)
    image_format = "raw" if raw else "qcow2"

    def whole() -> None:
        with open_chain(names[0], image_format=image_format) as chain:
            found["runs"] = len(merged(chain, 0, chain.size).extents)

    def layers() -> None:
        with open_chain(names[0], image_format=image_format) as chain:
            for layer in chain.layers:
                alone(layer, 0, layer.size)

    found["in process"] = timed(whole)
    if len(names) > 1:
        found["in process, each layer alone"] = timed(layers)
    return found


def write_answers(image: str, directory: Path) -> dict[str, Any]:
    """Write the map of each layer alone into ``layer-N.json``, N its depth."""
    from blockstrata.graph.chain import open_chain  # noqa: PLC0415
    from blockstrata.guest.merge import alone  # noqa: PLC0415
    from blockstrata.interchange.entries import entries  # noqa: PLC0415
    from blockstrata.interchange.qemu_img import json_text  # noqa: PLC0415
    from blockstrata.semantics import by_name  # noqa: PLC0415

    with open_chain(image) as chain:
        for layer in chain.layers:
            found = entries(alone(layer, 0, layer.size), by_name("historic"))
            with (directory / f"layer-{layer.depth}.json").open("w") as file:
                file.writelines(json_text([found]))
    return {}


def measure_overview(image: str) -> dict[str, Any]:
    """Return what it takes to know all that L1 says; ``grown`` is the memory allocated for it, in bytes."""
    from blockstrata.graph.chain import open_chain  # noqa: PLC0415
    from blockstrata.guest.chain_reader import Reader  # noqa: PLC0415
    from blockstrata.guest.merge import merged  # noqa: PLC0415

    def overview() -> None:
        seen = Reader(chain).chain()
        merged(seen, 0, seen.size)

    with open_chain(image) as chain:
        spent = timed(overview)
    tracemalloc.start()
    with open_chain(image) as chain:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        overview()
        grown = tracemalloc.get_traced_memory()[1] - before
    return {"overview": spent, "grown": grown}


def measure_strips(layers: int, runs: int, columns: int, frames: int) -> dict[str, Any]:
    """Return the median seconds that one strip takes, anywhere and at any zoom."""
    import numpy as np  # noqa: PLC0415

    from blockstrata.semantics import by_name  # noqa: PLC0415
    from blockstrata_viewer.draw.lines import Ink, Line  # noqa: PLC0415
    from blockstrata_viewer.draw.palette import palette_for  # noqa: PLC0415
    from blockstrata_viewer.draw.strips import Look, draw_strip  # noqa: PLC0415
    from blockstrata_viewer.model.disk import disk_of  # noqa: PLC0415
    from blockstrata_viewer.model.viewport import Viewport  # noqa: PLC0415
    from made_up import SEED, made_up_chain  # noqa: PLC0415

    disk = disk_of(made_up_chain(layers, runs))
    palette = palette_for("truecolor", "dark")
    look, semantics = Look(0, palette), by_name("proposed")
    fit = Viewport(disk.size, columns).fit()
    rng = np.random.default_rng(SEED)
    walls, cpus = [], []
    for _ in range(frames):
        cell = fit.zoom(int(rng.integers(0, max(1, (fit.cell >> 12).bit_length()))), 0).cell
        left = int(rng.integers(0, max(1, fit.cells(cell) - columns)))
        viewport = Viewport(disk.size, columns, cell, left)
        for track in disk.tracks:
            rows = [Line(columns, Ink(palette.text, palette.page)) for _ in range(3)]
            wall, cpu = time.perf_counter(), time.process_time()
            draw_strip(rows, track, viewport, semantics, look)
            cpus.append(time.process_time() - cpu)
            walls.append(time.perf_counter() - wall)
    return {"cpu": statistics.median(cpus), "wall": statistics.median(walls)}


def ask_nbd(socket: str) -> dict[str, Any]:
    """Ask for the block status of a whole export, as much at a time as a request may cover."""
    import nbd  # type: ignore[import-not-found]  # noqa: PLC0415

    at_once = (1 << 32) - (1 << 16)
    runs = at = 0

    def count(_context: str, _offset: int, entries: list[int], _error: object) -> int:
        nonlocal runs, at
        runs += len(entries) // 2
        at += sum(entries[::2])
        return 0

    handle = nbd.NBD()
    handle.add_meta_context("base:allocation")

    def ask() -> None:
        handle.connect_unix(socket)
        size = handle.get_size()
        while at < size:
            handle.block_status(min(at_once, size - at), at, count)
        handle.shutdown()

    return {"in process": timed(ask), "runs": runs}


def walk_dissect(names: list[str]) -> dict[str, Any]:
    """Walk the runs of files by the one call that knows them, which is private."""
    from dissect.hypervisor.disk.qcow2 import QCow2  # type: ignore[import-not-found]  # noqa: PLC0415

    runs = 0

    def walk() -> None:
        nonlocal runs
        for name in names:
            with Path(name).open("rb") as file:
                disk = QCow2(file, backing_file=io.BytesIO())
                runs += sum(1 for _ in disk.open()._yield_runs(0, disk.size))

    return {"in process": timed(walk), "runs": runs}


def show_nothing() -> dict[str, Any]:
    """Run an app of two widgets until q is pressed."""
    from textual.app import App, ComposeResult  # noqa: PLC0415
    from textual.widgets import Static  # noqa: PLC0415

    class Nothing(App[None]):
        BINDINGS = [("q", "quit", "quit")]  # noqa: RUF012

        def compose(self) -> ComposeResult:
            yield Static("one")
            yield Static("two")

    Nothing().run()
    return {}


def main() -> int:
    """Measure one thing and say what it took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--raw", action="store_true")
    parser.add_argument("--runs", type=int, default=2_000_000)
    options = parser.parse_intermixed_args()
    names = options.names
    actions: dict[str, Callable[[], dict[str, Any]]] = {
        "map": lambda: measure_map(names, raw=options.raw),
        "answers": lambda: write_answers(names[0], Path(names[1])),
        "overview": lambda: measure_overview(names[0]),
        "strips": lambda: measure_strips(4, options.runs, 200, 100),
        "nbd": lambda: ask_nbd(names[0]),
        "dissect": lambda: walk_dissect(names),
        "app": show_nothing,
    }
    found = actions[options.what]()
    if found:
        json.dump(found, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
