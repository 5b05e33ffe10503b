"""Listings of a round trip through NBD: what is meant, what is said, what is concluded, what is lost."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from blockstrata.interchange import columns
from blockstrata.questions.round_trip import RoundTrip
from blockstrata.semantics.table import Semantics


def json_text(sent: RoundTrip) -> Iterator[str]:
    """Yield a JSON array, one object a line: ``means``, ``wire`` and ``concludes`` hold flags by name."""
    means, said, concludes = (columns.json_flags(*each) for each in _flags(sent))
    lost = columns.by_flags(sent.lost, lambda lost: ", ".join(f'"{name}"' for name in _names(sent, lost)))
    rows = columns.text(
        len(sent),
        *(b',\n{ "start": ', sent.start, b', "length": ', sent.length, b', "depth": ', sent.depth),
        *(b', "means": { ', means, b'}, "wire": { ', said, b'}, "concludes": { ', concludes),
        *(b'}, "lost": [', lost, b"]}"),
    )
    return columns.json_array(rows)


def csv_text(sent: RoundTrip) -> Iterator[str]:
    """Yield the same as CSV: flags as 0 and 1, the names of what is lost separated by spaces."""
    heads = zip(("means_", "", "concludes_"), _flags(sent), strict=True)
    names = [f"{prefix}{column.key}" for prefix, (semantics, _) in heads for column in semantics.columns]
    yield ",".join(["start", "length", "depth", *names, "lost"]) + "\n"
    flags = (columns.csv_flags(*each) for each in _flags(sent))
    lost = columns.by_flags(sent.lost, lambda lost: " ".join(_names(sent, lost)))
    yield from columns.csv_rows(len(sent), sent.start, sent.length, sent.depth, *flags, lost)


def human_lines(sent: RoundTrip) -> Iterator[str]:
    """Yield a table with letters, and below it how much is lost."""
    base, server = sent.wire.base, sent.wire.server
    yield f"{server.name}: {sent.wire.rule}\n"
    yield f"{'Offset':<16}{'Length':<16}{'Depth':<7}{'Means':<8}{'Wire':<7}{'Concludes':<11}Lost\n"
    for at, length, depth, means, said, concludes, lost in columns.numbers(
        sent.start, sent.length, sent.depth, sent.means, sent.said, sent.concludes, sent.lost
    ):
        row = (
            f"{at:<#16x}{length:<#16x}{depth:<7}{base.letters(means):<8}{server.letters(said):<7}"
            f"{base.letters(concludes):<11}{' '.join(sent.wire.changes(lost, concludes))}"
        )
        yield f"{row.rstrip()}\n"
    whole = int(sent.length.sum())
    yield f"{sent.lossy_runs} of {len(sent)} runs lossy, {sent.lossy_bytes} of {whole} bytes\n"


def _flags(sent: RoundTrip) -> tuple[tuple[Semantics, NDArray[np.uint8]], ...]:
    """Return what is meant, said and concluded, each with whose flags they are."""
    base, server = sent.wire.base, sent.wire.server
    return (base, sent.means), (server, sent.said), (base, sent.concludes)


def _names(sent: RoundTrip, lost: int) -> list[str]:
    """Return the names of the flags in which two ends differ."""
    return [column.key for column in sent.wire.base.columns if lost & column.flag]
