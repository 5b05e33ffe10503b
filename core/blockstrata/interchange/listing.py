"""Our own listings of map entries (a table with the letters of any semantics, CSV) and of dirty bitmaps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from blockstrata.facts.codes import NO_HOST
from blockstrata.formats.qcow2.bitmaps import DirtyRuns
from blockstrata.graph.chain import Layer
from blockstrata.interchange.columns import Words, csv_flags, csv_rows, json_array, numbers, text
from blockstrata.interchange.entries import Entries, file_names
from blockstrata.semantics.table import Semantics


def human_lines(parts: Iterable[Entries], layers: tuple[Layer, ...], semantics: Semantics) -> Iterator[str]:
    """Yield a table of every entry: offset, length and host offset in hexadecimal, letters, depth, file."""
    is_protocol = layers[0].node.is_protocol
    head = "".join(each.letter for each in semantics.lettered(is_protocol=is_protocol))
    yield f"{'Offset':<16}{'Length':<16}{head:<6}{'Depth':<6}{'Mapped to':<16}File\n"
    name_of = file_names(layers)
    letters = [semantics.letters(flags, is_protocol=is_protocol) for flags in range(256)]
    for entries in parts:
        for start, length, depth, source, flags, offset in numbers(
            entries.start, entries.length, entries.depth, entries.source, entries.flags, entries.offset
        ):
            where, name = "-", ""
            if offset != NO_HOST:
                where, name = f"{offset:#x}", name_of(source)
            row = f"{start:<#16x}{length:<#16x}{letters[flags]:<6}{depth:<6}{where:<16}{name}"
            yield f"{row.rstrip()}\n"


def csv_text(parts: Iterable[Entries], semantics: Semantics) -> Iterator[str]:
    """Yield the columns of the JSON form as CSV: numbers, flags as 0 and 1, no offset as an empty field."""
    yield (
        ",".join(["start", "length", "depth", *(column.key for column in semantics.columns), "offset"]) + "\n"
    )
    for each in parts:
        flags = csv_flags(semantics, each.flags)
        yield from csv_rows(len(each), each.start, each.length, each.depth, flags, each.offset)


def bitmap_lines(runs: DirtyRuns, output: str) -> Iterator[str]:
    """Yield what a dirty bitmap says of every run: as ``json``, ``csv``, or as a table for people."""
    starts, lengths = runs.edges[:-1], np.diff(runs.edges)
    if output == "human":
        yield f"{'Offset':<16}{'Length':<16}Bitmap\n"
        for start, length, dirty in numbers(starts, lengths, runs.dirty):
            yield f"{start:<#16x}{length:<#16x}{'dirty' if dirty else 'clean'}\n"
        return
    words = [b"false", b"true"] if output == "json" else [b"0", b"1"]
    dirty = Words(np.array(words), runs.dirty.astype(np.uint8))
    if output == "json":
        row = (b',\n{ "start": ', starts, b', "length": ', lengths, b', "dirty": ', dirty, b"}")
        yield from json_array(text(len(runs), *row))
    else:
        yield "start,length,dirty\n"
        yield from csv_rows(len(runs), starts, lengths, dirty)
