"""The output of ``qemu-img map``: JSON and the table for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from blockstrata.facts.codes import NO_HOST
from blockstrata.graph.chain import Layer
from blockstrata.interchange.columns import Words, json_array, json_flags, numbers, text
from blockstrata.interchange.entries import Entries, file_names
from blockstrata.semantics.historic import Flag


def json_text(parts: Iterable[Entries]) -> Iterator[str]:
    """Yield a JSON array in pieces, one object a line, laid out as qemu-img lays them out.

    ``parts`` follow one another.  The keys are ``start, length, depth``, the flags of the semantics by name,
    and ``offset`` where valid.
    """
    return json_array(piece for part in parts for piece in _json_rows(part))


def _json_rows(entries: Entries) -> Iterator[str]:
    has_offset = (entries.offset != NO_HOST).astype(np.uint8)
    return text(
        len(entries),
        *(b',\n{ "start": ', entries.start, b', "length": ', entries.length, b', "depth": ', entries.depth),
        *(b", ", json_flags(entries.semantics, entries.flags)),
        *(Words(np.array([b"", b', "offset": ']), has_offset), entries.offset, b"}"),
    )


class NoOffsetError(Exception):
    """A run has data that no offset leads to, which the table for people cannot show."""


def human_lines(parts: Iterable[Entries], layers: tuple[Layer, ...]) -> Iterator[str]:
    """Yield the lines of qemu-img's table: the runs that have data and are not zero, in hexadecimal.

    ``NoOffsetError`` when it comes to data that has no offset, as qemu-img ends there too.
    """
    yield f"{'Offset':<16}{'Length':<16}{'Mapped to':<16}File\n"
    name_of = file_names(layers)
    is_first = True
    for entries in parts:
        has_data, is_zero = ((entries.flags & np.uint8(flag)) != 0 for flag in (Flag.DATA, Flag.ZERO))
        shown = has_data & ~is_zero
        without = shown & (entries.offset == NO_HOST)
        if is_first and len(entries):
            # of the first run qemu-img asks for an offset even if it is zero
            without[0] = has_data[0] and entries.offset[0] == NO_HOST
            is_first = False
        end = int(without.argmax()) if without.any() else len(entries)
        kept = np.flatnonzero(shown[:end])
        columns = (entries.start, entries.length, entries.offset, entries.source)
        for start, length, offset, source in numbers(*(column[kept] for column in columns)):
            yield f"{_hex(start)}{_hex(length)}{_hex(offset)}{name_of(source)}\n"
        if end < len(entries):
            raise NoOffsetError("File contains external, encrypted or compressed clusters.")


def _hex(number: int) -> str:
    """Return a number as C's ``%#-16x`` writes it: 0 has no prefix."""
    return f"{number:<#16x}" if number else f"{0:<16}"
