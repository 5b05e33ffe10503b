"""Offsets and counts for people."""

from __future__ import annotations

_UNITS = (("EiB", 60), ("PiB", 50), ("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0))


def counted(count: int, noun: str) -> str:
    """Return a count in full, with a noun that has a plural in s: ``1 run``, ``1,024 runs``."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def short_count(count: int) -> str:
    """Return a count in full below a million, else in a few digits: ``999,999``, ``1.1M``, ``24M``."""
    # from 999.5 million on, it is nearer to a thousand million
    for unit, power, least in (("G", 9, 999_500_000), ("M", 6, 1_000_000)):
        if count >= least:
            value = count / 10**power
            return f"{value:.1f}{unit}" if value < 9.95 else f"{value:.0f}{unit}"
    return f"{count:,}"


def exact_size(offset: int) -> str:
    """Return an offset in the largest unit that says it in three decimals, else in hexadecimal."""
    if offset == 0:
        return "0"
    for unit, power in _UNITS:
        thousandths, rest = divmod(offset * 1000, 1 << power)
        if rest == 0 and 1000 <= thousandths < 100_000_000:
            return f"{thousandths // 1000}{f'.{thousandths % 1000:03}'.rstrip('0').rstrip('.')} {unit}"
    return f"{offset:#x}"
