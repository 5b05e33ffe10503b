"""Offsets for people: exact, and as short as that allows."""

from __future__ import annotations

_UNITS = (("EiB", 60), ("PiB", 50), ("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0))


def exact_size(offset: int) -> str:
    """Return an offset in the largest unit that divides it, in hexadecimal if that takes too many digits."""
    if offset == 0:
        return "0"
    unit, power = next((unit, power) for unit, power in _UNITS if offset % (1 << power) == 0)
    number = offset >> power
    return f"{number} {unit}" if number < 100_000 else f"{offset:#x}"
