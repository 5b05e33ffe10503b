"""Sizes as QEMU writes and reads them: 1024-based suffixes, a fraction, hexadecimal."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

from blockstrata.text.printable import shortened

_SUFFIXES: Final = "BKMGTPE"
_LONGEST: Final = 1000
"""Characters.  Python refuses to read some thousands of digits, and takes its time for fewer."""
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_DECIMAL = re.compile(r"([0-9]+(?:\.[0-9]*)?)([BKMGTPE]?)", re.IGNORECASE | re.ASCII)
_HEXADECIMAL = re.compile(r"0x[0-9a-f]+", re.IGNORECASE | re.ASCII)


def parse_size(text: str) -> int:
    """Return the bytes that a text such as ``4096``, ``64k``, ``1.5G`` or ``0x10000`` means.

    ``ValueError`` with the reason if it means none, or 2**63 bytes or more.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"'{shortened(text)}' is too long for a size")
    if _HEXADECIMAL.fullmatch(text):
        size = int(text, 16)
    else:
        match = _DECIMAL.fullmatch(text)
        if not match:
            raise ValueError(f"'{shortened(text)}' is not a size; write bytes as 65536, 0x10000, 64k or 1.5G")
        exact = Fraction(match[1]) * 1024 ** _SUFFIXES.index(match[2].upper() or "B")
        if match[2].upper() in ("", "B") and exact.denominator != 1:
            raise ValueError(f"'{shortened(text)}' is not a whole number of bytes")
        size = int(exact)
    if size >= 1 << 63:
        raise ValueError(f"'{shortened(text)}' is 8 EiB or more")
    return size


def format_size(size: int) -> str:
    """Return a size in bytes for people: ``512 B``, ``64 KiB``, ``1.50 GiB``; whole numbers stay whole."""
    nth = 0
    # what would be written as 1024 is written as 1 of the next unit
    while nth < len(_UNITS) - 1 and 2 * size >= 2047 << 10 * nth:
        nth += 1
    whole, rest = divmod(size, 1 << 10 * nth)
    if not rest:
        return f"{whole} {_UNITS[nth]}"
    digits = 2 if whole < 10 else 1 if whole < 100 else 0
    return f"{size / (1 << 10 * nth):.{digits}f} {_UNITS[nth]}"
