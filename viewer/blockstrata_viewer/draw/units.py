"""Offsets, sizes, shares and counts for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

_DECIMALS: Final = 4
"""Digits after the point up to which a larger unit is better than a smaller one: 64 KiB are 0.0625 MiB."""
_PART_DECIMALS: Final = 2
"""Digits after the point of the parts of a sum."""

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


class Unit(NamedTuple):
    """The one unit in which a panel writes its offsets: a name, and the power of two that it stands for."""

    name: str
    power: int

    def write(self, offset: int) -> str:
        """Return an offset to the byte, with as many digits as it needs: ``4,732.6875 MiB``."""
        whole, rest = divmod(offset, 1 << self.power)
        digits = f"{rest * 10**self.power >> self.power:0{self.power}}".rstrip("0") if rest else ""
        return f"{whole:,}{'.' if digits else ''}{digits} {self.name}"

    def span(self, start: int, end: int) -> str:
        """Return where something starts and ends, with the unit's name once: ``0 – 32 KiB``."""
        return f"{self.write(start).removesuffix(f' {self.name}')} – {self.write(end)}"


def unit_of(offsets: Iterable[int]) -> Unit:
    """Return the largest unit in which offsets need four digits after the point at most, and one is 1."""
    common = most = 0
    for offset in offsets:
        common, most = common | offset, max(most, offset)
    # of 2**n, four digits after the point are enough to write a sixteenth
    power = min((common & -common).bit_length() - 1 + _DECIMALS, max(most, 1).bit_length() - 1)
    return next(Unit(name, each) for name, each in _UNITS if each <= max(0, power))


def exact_size(offset: int) -> str:
    """Return an offset to the byte, in the largest unit that needs four digits after the point at most."""
    return unit_of((offset,)).write(offset) if offset else "0"


def in_parts(amounts: Sequence[int], parts: int) -> list[int]:
    """Return of so many equal parts of a sum those of each amount: whole ones, which add up.

    What is left over goes to the largest remainders; all are 0 where the sum is.
    """
    whole = sum(amounts)
    if not whole:
        return [0] * len(amounts)
    found = [amount * parts // whole for amount in amounts]
    by_remainder = sorted(range(len(amounts)), key=lambda at: -(amounts[at] * parts % whole))
    for at in by_remainder[: parts - sum(found)]:
        found[at] += 1
    return found


def percents(amounts: Sequence[int]) -> list[str]:
    """Return the share of each amount in their sum: ``7.9%``; they add up to 100.0, and some is never 0."""
    tenths = in_parts(amounts, 1000)
    return [
        f"{tenth // 10}.{tenth % 10}%" if tenth or not amount else "<0.1%"
        for tenth, amount in zip(tenths, amounts, strict=True)
    ]


def sizes(amounts: Sequence[int], unit: Unit | None = None) -> tuple[str, list[str]]:
    """Return the sum of amounts and each, in one unit, so that they add up as they are shown.

    The unit is the largest of which the sum is one at least, if none is given.
    """
    whole = sum(amounts)
    unit = unit or next(Unit(name, each) for name, each in _UNITS if each <= max(0, whole.bit_length() - 1))
    is_whole = not any(amount % (1 << unit.power) for amount in amounts)
    scale = 1 if is_whole else 10**_PART_DECIMALS
    steps = (2 * whole * scale + (1 << unit.power)) >> (unit.power + 1)

    def write(step: int, *, is_short: bool = False) -> str:
        digits = "" if scale == 1 or (is_short and not step % scale) else f".{step % scale:0{_PART_DECIMALS}}"
        return f"{step // scale:,}{digits} {unit.name}"

    shown = [
        write(step) if step or not amount else f"<{write(1)}"
        for step, amount in zip(in_parts(amounts, steps), amounts, strict=True)
    ]
    return write(steps, is_short=True), shown
