"""Listings of a round trip through NBD: what is meant, what is said, what is concluded, what is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blockstrata.interchange.qemu_img import WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blockstrata.questions.round_trip import RoundTrip
    from blockstrata.semantics.table import Semantics


def json_lines(trip: RoundTrip) -> Iterator[str]:
    """Yield a JSON array, one object a line: ``means``, ``wire`` and ``concludes`` hold flags by name."""
    base, server = trip.wire.base, trip.wire.server
    start = "["
    for at, length, depth, means, said, concludes, lost in _rows(trip):
        names = ", ".join(f'"{name}"' for name in _names(trip, lost))
        yield (
            f'{start}{{ "start": {at}, "length": {length}, "depth": {depth}, '
            f'"means": {_object(base, means)}, "wire": {_object(server, said)}, '
            f'"concludes": {_object(base, concludes)}, "lost": [{names}]}}'
        )
        start = ",\n"
    yield "[]\n" if start == "[" else "]\n"


def csv_lines(trip: RoundTrip) -> Iterator[str]:
    """Yield the same as CSV: flags as 0 and 1, the names of what is lost separated by spaces."""
    base, server = trip.wire.base, trip.wire.server
    heads = [f"means_{column.key}" for column in base.columns]
    heads += [column.key for column in server.columns]
    heads += [f"concludes_{column.key}" for column in base.columns]
    yield ",".join(["start", "length", "depth", *heads, "lost"]) + "\n"
    for at, length, depth, means, said, concludes, lost in _rows(trip):
        flags = [(base, means), (server, said), (base, concludes)]
        bits = [f"{bool(value & column.flag):d}" for each, value in flags for column in each.columns]
        yield ",".join([str(at), str(length), str(depth), *bits, " ".join(_names(trip, lost))]) + "\n"


def human_lines(trip: RoundTrip) -> Iterator[str]:
    """Yield a table with letters, and below it how much is lost."""
    base, server = trip.wire.base, trip.wire.server
    yield f"{server.name}: {trip.wire.rule}\n"
    yield f"{'Offset':<16}{'Length':<16}{'Depth':<7}{'Means':<8}{'Wire':<7}{'Concludes':<11}Lost\n"
    for at, length, depth, means, said, concludes, lost in _rows(trip):
        row = (
            f"{at:<#16x}{length:<#16x}{depth:<7}{base.letters(means):<8}{server.letters(said):<7}"
            f"{base.letters(concludes):<11}{' '.join(trip.wire.changes(lost, concludes))}"
        )
        yield f"{row.rstrip()}\n"
    whole = int(trip.length.sum())
    yield f"{trip.lossy_runs} of {len(trip)} runs lossy, {trip.lossy_bytes} of {whole} bytes\n"


def _names(trip: RoundTrip, lost: int) -> list[str]:
    """Return the names of the flags in which two ends differ."""
    return [column.key for column in trip.wire.base.columns if lost & column.flag]


def _object(semantics: Semantics, flags: int) -> str:
    pairs = ", ".join(f'"{column.key}": {WORDS[bool(flags & column.flag)]}' for column in semantics.columns)
    return f"{{ {pairs}}}"


def _rows(trip: RoundTrip) -> Iterator[tuple[int, ...]]:
    columns = (trip.start, trip.length, trip.depth, trip.means, trip.said, trip.concludes, trip.lost)
    return zip(*(column.tolist() for column in columns), strict=True)
