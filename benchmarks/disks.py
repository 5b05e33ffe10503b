"""One disk measured: ours beside the peers, the answers compared, memory, and growth with the disk's size."""

from __future__ import annotations

import contextlib
import math
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import targets
from agreement import count, difference
from page import SHARES, judged, mib, ms, number, verdict
from peers import (
    ALONE,
    DISSECT,
    FILEFRAG,
    IN_PROCESS,
    INFO,
    LIBNBD,
    MAP,
    NBDINFO,
    PLAIN_READ,
    QEMU_IMG,
    QEMU_IMG_ALONE,
    Place,
    in_process,
    ours,
    peers,
    qemu_img_alone,
)
from processes import NoAnswerError, Sample, median, run
from race import race

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from cases import Case
    from page import Page

_MAKING: Final = 3600.0
"""Seconds in which the images of a disk must have been written."""

PAIRS: Final = (
    (IN_PROCESS, (QEMU_IMG, NBDINFO, LIBNBD, FILEFRAG)),
    (ALONE, (QEMU_IMG_ALONE, DISSECT)),
    (MAP, (QEMU_IMG,)),
    (INFO, (QEMU_IMG,)),
)
"""Which of ours is told beside which of the peers."""


def measure(case: Case, place: Place, options: argparse.Namespace, page: Page) -> None:
    """Measure one disk."""
    found: dict[str, Any] = {}
    contestants = ours(case, place, found)
    samples, silent = race({**contestants, **peers(case, place)}, options.warm_up, options.runs)
    for name in contestants:
        if name in silent:
            raise NoAnswerError(silent[name])
    page.notes += [f"{case.name}: no answer from {name}: {why}" for name, why in silent.items()]
    taken = {name: median(each) for name, each in samples.items()}
    tell_disk(case, place, page, found, has_qemu=QEMU_IMG in taken and QEMU_IMG not in silent)
    tell_ratios(case, taken, page)
    tell_memory(case, place, taken, page)


def tell_disk(case: Case, place: Place, page: Page, found: dict[str, Any], *, has_qemu: bool) -> None:
    """Say what a disk has, as it was found in process, and whether both sides say the same of it."""
    equal = agreement(case, place) if has_qemu else "not asked"
    tables = mib(found["bytes"]) if "bytes" in found else "–"
    entries = count(place.scratch / "ours.json")
    page.disks.rows.append((case.name, case.what, f"{found['runs']:,}", f"{entries:,}", tables, equal))


def agreement(case: Case, place: Place) -> str:
    """Return "yes" if our answers are QEMU's, else the first thing that differs."""
    found = difference(place.scratch / "theirs.json", place.scratch / "ours.json")
    if found or not case.is_chain:
        return found or "yes"
    place.ask("answers", case.image, str(place.scratch))
    for depth in range(len(case.files)):
        theirs = place.scratch / f"their-layer-{depth}.json"
        if not theirs.exists():
            place.run(qemu_img_alone(case, depth), theirs.name)
        found = difference(theirs, place.scratch / f"layer-{depth}.json")
        if found:
            return f"layer {depth}: {found}"
    return "yes, each layer alone too"


def tell_ratios(case: Case, taken: dict[str, Sample], page: Page) -> None:
    """Put the ratios of a disk into the page."""
    for mine, others in PAIRS:
        # a disk of one layer is the same alone
        name = mine if mine in taken else IN_PROCESS
        for theirs in others:
            if theirs not in taken:
                continue
            own, other = taken[name], taken[theirs]
            cpu, wall = other.cpu / own.cpu, other.wall / own.wall
            wanted = judged(targets.RATIOS.get((case.name, name, theirs)), cpu, wall)
            row = (case.name, name, theirs, ms(own.cpu), number(cpu), ms(own.wall), number(wall))
            page.ratios.rows.append((*row, *wanted))
    if PLAIN_READ in taken:
        own, least = taken[IN_PROCESS], taken[PLAIN_READ]
        cpu, wall = own.cpu / least.cpu, own.wall / least.wall
        wanted = judged(targets.BOUNDS.get((case.name, IN_PROCESS, PLAIN_READ)), cpu, wall)
        figures = (ms(least.cpu), number(cpu), number(wall))
        page.bounds.rows.append((case.name, IN_PROCESS, PLAIN_READ, *figures, *wanted))


def tell_memory(case: Case, place: Place, taken: dict[str, Sample], page: Page) -> None:
    """Put the peaks of whole processes into the page; the runs are those of the guest's view."""
    runs = int(page.disks.rows[-1][2].replace(",", ""))
    most = targets.MEMORY_BASE + targets.MEMORY_A_RUN * runs
    for name in (MAP, INFO):
        peak = taken[name].memory
        page.memory.rows.append((case.name, name, mib(peak), f"≤ {mib(most)}", verdict(peak <= most)))
    if case.name != "huge-64T":
        return
    found = place.ask("overview", case.image)
    seconds, grown = found["overview"]["cpu"], found["grown"]
    page.drawing.rows += [
        (
            f"{case.name}, opened: all that L1 says, cpu ms",
            ms(seconds),
            f"≤ {ms(targets.OVERVIEW_SECONDS)}",
            verdict(seconds <= targets.OVERVIEW_SECONDS),
        ),
        (
            f"{case.name}, opened: all that L1 says, MiB",
            mib(grown),
            f"≤ {mib(targets.OVERVIEW_BYTES)}",
            verdict(grown <= targets.OVERVIEW_BYTES),
        ),
    ]


@contextlib.contextmanager
def made(case: Case, options: argparse.Namespace, share: float = 1.0) -> Iterator[Place]:
    """Yield the place where a disk is, at a share of the scale.

    It is the directory that was named, if all of it is asked for, else a fresh one with images of our own.
    """
    with tempfile.TemporaryDirectory(prefix="blockstrata-") as name:
        directory = Path(name)
        if options.images is not None and share == 1:
            yield Place(options.images, directory, options.patience)
            return
        writer = str(Path(__file__).with_name("images.py"))
        words = [sys.executable, writer, name, "--scale", str(options.scale * share), "--only", case.name]
        run(words, cwd=directory, patience=_MAKING)
        yield Place(directory, directory, options.patience)


def grow(case: Case, whole: Place, options: argparse.Namespace, page: Page) -> None:
    """Measure a disk at shares of the scale; all of it is there already."""
    with contextlib.ExitStack() as more:
        smaller = [more.enter_context(made(case, options, share)) for share in SHARES[:-1]]
        measures = {
            f"{share:g}": in_process(case, place, f"{share:g}")
            for share, place in zip(SHARES, [*smaller, whole], strict=True)
        }
        samples, silent = race(measures, options.warm_up, options.runs)
    for why in silent.values():
        raise NoAnswerError(why)
    cpus = [median(samples[name]).cpu for name in measures]
    page.growth.rows.append((case.name, *map(ms, cpus), f"{slope(SHARES, cpus):.2f}"))


def slope(xs: tuple[float, ...], ys: list[float]) -> float:
    """Return the exponent of the power that fits best."""
    logs = [(math.log(x), math.log(y)) for x, y in zip(xs, ys, strict=True)]
    mean_x, mean_y = (sum(column) / len(logs) for column in zip(*logs, strict=True))
    return float(sum((x - mean_x) * (y - mean_y) for x, y in logs) / sum((x - mean_x) ** 2 for x, _ in logs))
