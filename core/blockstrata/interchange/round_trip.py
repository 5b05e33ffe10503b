"""Listings of a round trip through NBD: what is meant, what is said, what is concluded, what is lost."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from blockstrata.interchange.columns import by_flags, csv_flags, json_array, json_flags, numbers, text
from blockstrata.questions.round_trip import RoundTrip


def json_text(sent: RoundTrip) -> Iterator[str]:
    """Yield a JSON array, one object a line: ``means``, ``wire`` and ``concludes`` hold flags by name."""
    base, server = partial(json_flags, sent.wire.base), partial(json_flags, sent.wire.server)
    lost = by_flags(sent.lost, lambda lost: ", ".join(f'"{name}"' for name in _names(sent, lost)))
    return json_array(
        text(
            len(sent),
            *(b',\n{ "start": ', sent.start, b', "length": ', sent.length, b', "depth": ', sent.depth),
            *(b', "means": { ', by_flags(sent.means, base), b'}, "wire": { ', by_flags(sent.said, server)),
            *(b'}, "concludes": { ', by_flags(sent.concludes, base), b'}, "lost": [', lost, b"]}"),
        )
    )


def csv_text(sent: RoundTrip) -> Iterator[str]:
    """Yield the same as CSV: flags as 0 and 1, the names of what is lost separated by spaces."""
    base, server = sent.wire.base, sent.wire.server
    heads = [f"means_{column.key}" for column in base.columns]
    heads += [column.key for column in server.columns]
    heads += [f"concludes_{column.key}" for column in base.columns]
    yield ",".join(["start", "length", "depth", *heads, "lost"]) + "\n"
    means, concludes = (by_flags(each, partial(csv_flags, base)) for each in (sent.means, sent.concludes))
    yield from text(
        len(sent),
        *(sent.start, b",", sent.length, b",", sent.depth, b",", means, b","),
        *(by_flags(sent.said, partial(csv_flags, server)), b",", concludes, b","),
        *(by_flags(sent.lost, lambda lost: " ".join(_names(sent, lost))), b"\n"),
    )


def human_lines(sent: RoundTrip) -> Iterator[str]:
    """Yield a table with letters, and below it how much is lost."""
    base, server = sent.wire.base, sent.wire.server
    yield f"{server.name}: {sent.wire.rule}\n"
    yield f"{'Offset':<16}{'Length':<16}{'Depth':<7}{'Means':<8}{'Wire':<7}{'Concludes':<11}Lost\n"
    for at, length, depth, means, said, concludes, lost in numbers(
        sent.start, sent.length, sent.depth, sent.means, sent.said, sent.concludes, sent.lost
    ):
        row = (
            f"{at:<#16x}{length:<#16x}{depth:<7}{base.letters(means):<8}{server.letters(said):<7}"
            f"{base.letters(concludes):<11}{' '.join(sent.wire.changes(lost, concludes))}"
        )
        yield f"{row.rstrip()}\n"
    whole = int(sent.length.sum())
    yield f"{sent.lossy_runs} of {len(sent)} runs lossy, {sent.lossy_bytes} of {whole} bytes\n"


def _names(sent: RoundTrip, lost: int) -> list[str]:
    """Return the names of the flags in which two ends differ."""
    return [column.key for column in sent.wire.base.columns if lost & column.flag]
