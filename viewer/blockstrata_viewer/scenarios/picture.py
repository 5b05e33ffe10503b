"""Layers drawn as text: one letter a unit (a cluster, a block of a raw file), a dot where there is nothing.

Blanks only part what is drawn; ``D4`` is short for ``DDDD``::

    D4 .4 Z2     DDDD....ZZ
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final

from blockstrata.formats.qcow2.author import (
    Cluster,
    Compressed,
    Data,
    Image,
    Preallocated,
    Subclusters,
    ZeroAlloc,
    ZeroPlain,
    write_image,
    write_raw,
)

_RUN: Final = re.compile(r"([A-Za-z.])([0-9]*)")

_FILLED: Final[dict[str, Callable[[bytes], Cluster]]] = {
    "D": Data,
    "C": Compressed,
    "Z": ZeroAlloc,
    "R": partial(Subclusters, "U" * 32),
}
"""Clusters with bytes stored in them: data, packed data, zero over stale bytes, nothing over stale bytes."""

_EMPTY: Final[dict[str, Cluster]] = {
    "N": Data(b"\0"),
    "P": ZeroPlain(),
    "h": Preallocated(),
    "f": Preallocated(reserved=True),
    "z": ZeroAlloc(),
    "r": Subclusters("u" * 32, reserved=True),
}
"""And without: zeroes that were written, a plain zero; data in a hole, in reserved space; zero over a hole;
nothing over reserved space."""


@dataclass(frozen=True, slots=True)
class Raw:
    """A raw file of ``length`` bytes; it stores each (offset, content), and is a hole everywhere else."""

    name: str
    length: int
    stored: Sequence[tuple[int, bytes]]
    format: ClassVar = "raw"

    @property
    def files(self) -> tuple[str, ...]:
        """The files that are written."""
        return (self.name,)

    def write(self, directory: Path) -> None:
        """Write it into a directory."""
        write_raw(directory / self.name, self.length, self.stored)


@dataclass(frozen=True, slots=True)
class Qcow2:
    """A qcow2 image, with its data file if it has one; ``clusters`` are the guest's, by number."""

    name: str
    image: Image
    clusters: Mapping[int, Cluster]
    format: ClassVar = "qcow2"

    @property
    def files(self) -> tuple[str, ...]:
        """The files that are written."""
        return (self.name,) if self.image.data_file is None else (self.name, self.image.data_file)

    def write(self, directory: Path) -> None:
        """Write it into a directory."""
        data = self.image.data_file
        write_image(directory / self.name, self.image, self.clusters, directory / data if data else None)


def raw(name: str, picture: str, block: int, pattern: bytes) -> Raw:
    """Return a raw file drawn in blocks of so many bytes."""
    return Raw(name, len(_letters(picture)) * block, blocks(picture, block, pattern))


def qcow2(
    name: str,
    picture: str,
    kinds: Mapping[str, Cluster],
    below: Raw | Qcow2 | None = None,
    *,
    cluster_bits: int,
    **image: Any,
) -> Qcow2:
    """Return an image drawn to its end, cluster by cluster; ``image`` is what else :class:`Image` takes."""
    if below is not None:
        image |= {"backing": below.name, "backing_format": below.format}
    size = len(_letters(picture)) << cluster_bits
    return Qcow2(name, Image(size, cluster_bits, **image), clusters(picture, kinds))


def stack(drawn: Iterable[tuple[str, str, str]], *, cluster_bits: int) -> Iterator[Qcow2]:
    """Yield images of (name, picture, text of its data), each standing on the one before it."""
    layer = None
    for name, picture, text in drawn:
        layer = qcow2(name, picture, kinds(D=text.encode()), layer, cluster_bits=cluster_bits)
        yield layer


def kinds(**patterns: bytes) -> dict[str, Cluster]:
    """Return what letters mean: those with bytes stored in them as these are stated, and all others."""
    return _EMPTY | {letter: _FILLED[letter](pattern) for letter, pattern in patterns.items()}


def units(picture: str) -> Iterator[tuple[int, str]]:
    """Yield number and letter of each unit that is not a dot."""
    return ((number, letter) for number, letter in enumerate(_letters(picture)) if letter != ".")


def clusters(picture: str, kinds: Mapping[str, Cluster]) -> dict[int, Cluster]:
    """Return guest clusters by their numbers, in order."""
    return {number: kinds[letter] for number, letter in units(picture)}


def blocks(picture: str, size: int, pattern: bytes) -> list[tuple[int, bytes]]:
    """Return offset and content of the blocks of a raw file that are drawn, whatever their letter."""
    content = (pattern * -(-size // len(pattern)))[:size]
    return [(number * size, content) for number, _ in units(picture)]


def _letters(picture: str) -> str:
    return "".join(letter * int(count or 1) for letter, count in _RUN.findall(picture))
