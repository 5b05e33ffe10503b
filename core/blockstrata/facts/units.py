"""Units counted off: quicker than a search or a sort where many offsets share a power of two.

::

    edges    0           5     7              10
    units    0   2   4   6   8        runs that start at or before each
    runs     0   0   0   1   2
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

_MOST: Final = 16
"""Units counted off for each offset: beyond, searching and sorting are quicker."""

_Value = TypeVar("_Value", bound=np.generic)


def common_unit(distances: Iterable[NDArray[np.int64]]) -> int:
    """Return the largest power of two, in bytes, that divides all of some distances; 0 if they are all 0."""
    apart = 0
    for each in distances:
        apart |= int(np.bitwise_or.reduce(each))
    return apart & -apart


def are_few(units: int, offsets: int) -> bool:
    """Say whether so many units are worth counting off for so many offsets."""
    return units <= _MOST * offsets


def in_units(
    values: NDArray[_Value], edges: NDArray[np.int64], start: int, unit: int, units: int
) -> NDArray[_Value]:
    """Return for each of so many units from byte ``start`` the value of the run that holds its first byte.

    ``values`` of n runs, (n,); ``edges`` int64 (n - 1,), bytes: where each after the first one starts.
    """
    # the unit in which a run is the first time the one that holds its first byte
    firsts = -((start - edges) // unit)
    return np.repeat(values, np.diff(firsts, prepend=0, append=units))
