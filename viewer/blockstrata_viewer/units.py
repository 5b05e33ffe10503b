"""Offsets for people: exact, and as short as that allows."""

from __future__ import annotations

_UNITS = (("EiB", 60), ("PiB", 50), ("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0))


def exact_size(offset: int) -> str:
    """Return an offset in the largest unit that says it in three decimals, else in hexadecimal."""
    if offset == 0:
        return "0"
    for unit, power in _UNITS:
        thousandths, rest = divmod(offset * 1000, 1 << power)
        if rest == 0 and 1000 <= thousandths < 100_000_000:
            return f"{thousandths // 1000}{f'.{thousandths % 1000:03}'.rstrip('0').rstrip('.')} {unit}"
    return f"{offset:#x}"
