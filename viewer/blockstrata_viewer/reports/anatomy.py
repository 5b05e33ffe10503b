"""The text of ``anatomy``: what each byte of a file is for, as JSON or for people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from blockstrata.facts.codes import Storage
from blockstrata.questions.anatomy import Anatomy, HostRun
from blockstrata.questions.checking.canvas import NUMBER, USES, HostUse
from blockstrata.questions.checking.tick import Tick, no_tick
from blockstrata.text.printable import printable
from blockstrata.text.sizes import format_size
from blockstrata_viewer.draw.units import counted, percents

WRONG: Final = (HostUse.OVERLAP, HostUse.BEYOND_END, HostUse.LEAKED, HostUse.UNKNOWN)
"""Uses that an image in order has none of, the worst first."""
_WORDS: Final = {
    HostUse.OVERLAP: "overlap: used as two things, so writing one damages the other",
    HostUse.BEYOND_END: "beyond-end: references past the file's end, which read as zeroes",
    HostUse.LEAKED: "leaked: no reference, but the refcount is not 0: the space is lost",
    HostUse.UNKNOWN: "unknown: no reference, and the refcount cannot be read",
    HostUse.TAIL: "tail: past the last cluster in use",
}
_SHOWN: Final = 20
"""Runs of one use that are written out for people."""


def json_lines(found: Anatomy) -> Iterator[str]:
    """Yield one object, run by run as the file is gone through."""
    head: dict[str, Any] = {
        "filename": found.filename,
        "format": found.format,
        "length": found.length,
        "cluster-size": found.cluster_size,
    }
    if found.data_file is not None:
        head["data-file"] = found.data_file
    yield json.dumps(head, indent=4)[:-2] + ',\n    "runs": ['
    comma = ""
    for run in found:
        yield f"{comma}\n        {_as_json(run)}"
        comma = ","
    yield '\n    ],\n    "storage": ['
    comma = ""
    for host, length, storage in found.storage():
        each = {"host": host, "length": length, "storage": _storage(storage)}
        yield f"{comma}\n        {json.dumps(each)}"
        comma = ","
    yield "\n    ],\n" + json.dumps(_sums(found), indent=4)[2:] + "\n"


def _as_json(run: HostRun) -> str:
    """Return a run with those of its users that it has; of a million runs json takes its time."""
    text = f'{{"host": {run.host}, "length": {run.length}, "use": "{run.use}"'
    if run.guest is not None:
        text += f', "guest": {run.guest}'
    if run.snapshot is not None:
        text += f', "snapshot": {json.dumps(run.snapshot)}'
    if run.bitmap is not None:
        text += f', "bitmap": {json.dumps(run.bitmap)}'
    if run.index is not None:
        text += f', "index": {run.index}'
    return text + "}"


def _storage(storage: Storage) -> str:
    return storage.name.lower().replace("_", "-")


def _sums(found: Anatomy) -> dict[str, Any]:
    sums = found.sums
    totals = {}
    for use in USES:
        size = sums.bytes_of(use)
        if size:
            row = sums.by_use[NUMBER[use]].tolist()
            stored = {_storage(each): row[each] for each in Storage if row[each]}
            totals[str(use)] = {"bytes": size, "clusters": -(-size // found.cluster_size), **stored}
    if found.cluster_size == 1:
        return {"totals": {use: {**each, "clusters": None} for use, each in totals.items()}}
    return {
        "totals": totals,
        "fragmentation": {
            "allocated-clusters": sums.allocated,
            "fragmented-clusters": sums.fragmented,
            "compressed-clusters": sums.compressed,
            "stretches": sums.stretches,
            "mean-stretch": sums.mean_stretch,
        },
        "references-beyond-end": sums.beyond,
    }


def human_lines(found: Anatomy, *, with_map: bool = False, tick: Tick = no_tick) -> Iterator[str]:
    """Yield what the bytes are for, how fragmented the guest's are, and where something is wrong.

    ``with_map``: all runs first, as the file is gone through; otherwise ``tick`` is told how far that is.
    """
    told: dict[HostUse, list[HostRun]] = {use: [] for use in _WORDS}
    counts = dict.fromkeys(told, 0)
    if with_map:
        yield f"{'host':>18}  {'length':>18}  use\n"
    for run in found if with_map else _of_uses(found, told, tick):
        if with_map:
            yield f"{run.host:#18x}  {run.length:#18x}  {run.use}{_user(run)}\n"
        if run.use in told:
            counts[run.use] += 1
            if len(told[run.use]) < _SHOWN:
                told[run.use].append(run)
    if with_map:
        yield "\n"
    yield from (f"{line}\n" for line in (*_table(found), *_fragmentation(found)))
    for use, runs in told.items():
        if runs:
            yield f"{_WORDS[use]}\n"
            yield from (f"  {run.host:#x} +{run.length:#x}{_user(run)}\n" for run in runs)
            more = counts[use] - len(runs)
            if more:
                yield f"  … {counted(more, 'more run')}, all with --map or --output json\n"


def _of_uses(found: Anatomy, uses: dict[HostUse, list[HostRun]], tick: Tick) -> Iterator[HostRun]:
    """Yield the runs of some uses; of millions of others no record is made."""
    numbers = [int(NUMBER[use]) for use in uses]
    for runs in found.windows(tick):
        if any((runs.use == number).any() for number in numbers):
            yield from (run for run in found.told(runs) if run.use in uses)


def _user(run: HostRun) -> str:
    words = []
    if run.guest is not None:
        words.append(f"guest {run.guest:#x}")
    if run.snapshot is not None:
        words.append(f"snapshot {run.snapshot}")
    if run.bitmap is not None:
        words.append(f"bitmap {run.bitmap}")
    if run.index is not None:
        words.append(f"entry {run.index}")
    return f"  {printable(', '.join(words))}" if words else ""


def _table(found: Anatomy) -> Iterator[str]:
    sums = found.sums
    used = [use for use in USES if sums.bytes_of(use)]
    sizes = [sums.bytes_of(use) for use in used]
    has_clusters = found.cluster_size > 1
    about = f", clusters of {format_size(found.cluster_size)}" if has_clusters else ""
    yield f"{printable(found.filename)}: {found.format}, {counted(found.length, 'byte')}{about}"
    if found.data_file is not None:
        name = printable(found.data_file)
        yield f"The guest's data is in {name}, each byte at its guest offset: use map."
    rows = [("use", "bytes", "share", "clusters", "stored")]
    rows += [
        (str(use), f"{size:,}", share, _clusters(size, found), f"{sums.stored_of(use):,}")
        for use, size, share in zip(used, sizes, percents(sizes), strict=True)
    ]
    stored = sum(sums.stored_of(use) for use in used)
    rows.append(("sum", f"{sums.total:,}", "100.0%", _clusters(sums.total, found), f"{stored:,}"))
    widths = [max(len(row[at]) for row in rows) for at in range(5)]
    for name, *numbers in rows:
        cells = [number.rjust(width) for number, width in zip(numbers, widths[1:], strict=True)]
        if not has_clusters:
            del cells[2]
        yield "  ".join([name.ljust(widths[0]), *cells])


def _clusters(size: int, found: Anatomy) -> str:
    whole, rest = divmod(size, found.cluster_size)
    if not rest:
        return f"{whole:,}"
    return f"{size / found.cluster_size:,.1f}" if size * 20 >= found.cluster_size else "<0.1"


def _fragmentation(found: Anatomy) -> Iterator[str]:
    sums = found.sums
    if not sums.allocated:
        return
    share = f"{sums.fragmented * 100 / sums.allocated:.2f}%"
    yield (
        f"fragmentation: {sums.fragmented:,} of {counted(sums.allocated, 'guest cluster')} do not follow "
        f"the one before ({share})"
    )
    if sums.mean_stretch is not None:
        mean = format_size(sums.mean_stretch)
        yield f"data lies in {counted(sums.stretches, 'run')}, {mean} long on average"
