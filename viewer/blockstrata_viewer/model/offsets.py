"""Where "go to" goes: an offset, a share of the disk, a cluster, a sector."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

from blockstrata.facts.codes import SECTOR
from blockstrata.text.printable import shortened
from blockstrata.text.sizes import parse_size

FORMS: Final = "0x10000 · 1.5G · 37% · cluster:123 · sector:456"
_SHARE: Final = re.compile(r"[+-]?(?:[0-9]{1,999}(?:\.[0-9]{0,999})?|\.[0-9]{1,999})")


def parse_offset(text: str, size: int, cluster_size: int | None) -> int:
    """Return the byte that a text means on a disk of ``size`` bytes.

    ``cluster_size`` in bytes, None if the layer has no clusters.  ``ValueError`` with the reason if it means
    none, or one past the end.
    """
    text = text.strip()
    if not text:
        raise ValueError(f"write one of {FORMS}")
    unit, colon, number = text.partition(":")
    if colon:
        offset = _unit(unit.strip().lower(), cluster_size) * _whole(number.strip())
    elif text.endswith("%"):
        offset = _share(text[:-1].strip(), size)
    else:
        offset = parse_size(text)
    if offset >= size:
        raise ValueError(f"{shortened(text)} is past the end of the disk, {size:#x}")
    return offset


def _unit(unit: str, cluster_size: int | None) -> int:
    if unit == "sector":
        return SECTOR
    if unit != "cluster":
        raise ValueError(f"'{shortened(unit)}' is neither cluster nor sector")
    if cluster_size is None:
        raise ValueError("the selected layer has no clusters")
    return cluster_size


def _whole(number: str) -> int:
    try:
        return parse_size(number)
    except ValueError:
        raise ValueError(f"'{shortened(number)}' is not a whole number") from None


def _share(number: str, size: int) -> int:
    # a fraction that Python reads may have an exponent of any size
    if not _SHARE.fullmatch(number):
        raise ValueError(f"'{shortened(number)}%' is not a share of the disk")
    share = Fraction(number)
    if not 0 <= share <= 100:
        raise ValueError(f"'{shortened(number)}%' is not in 0% to 100%")
    return min(int(share * size / 100), max(0, size - 1))
