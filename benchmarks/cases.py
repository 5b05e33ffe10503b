"""The disks that are measured, by name.  Imports nothing large: whoever starts processes must stay small."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LAYERS: Final = 32
"""Of the chain."""


@dataclass(frozen=True, slots=True)
class Case:
    """One disk: ``files`` from the active layer down, all of one format, and what it is for."""

    name: str
    files: tuple[str, ...]
    what: str
    format: str = "qcow2"

    @property
    def image(self) -> str:
        """The file that is opened."""
        return self.files[0]

    @property
    def is_chain(self) -> bool:
        """Whether there are several layers."""
        return len(self.files) > 1


CASES: Final = {
    case.name: case
    for case in (
        Case(
            "frag-1M",
            ("frag-1M.qcow2",),
            "a million clusters of 64 KiB, each beside an unallocated one, shuffled",
        ),
        Case("big-16T", ("big-16T.qcow2",), "16 TiB in clusters of 2 MiB, long runs of all kinds"),
        Case("dense-1T", ("dense-1T.qcow2",), "1 TiB, all allocated, one run on the host"),
        Case(
            "chain",
            tuple(f"chain-{layer:02d}.qcow2" for layer in reversed(range(LAYERS))),
            "32 layers of 64 GiB, 20,000 clusters each, some compressed",
        ),
        Case("subcluster", ("subcluster.qcow2",), "8 GiB, extended L2, about a million runs of subclusters"),
        Case("huge-64T", ("huge-64T.qcow2",), "64 TiB, one L1 entry of a thousand populated"),
        Case("raw-holes", ("raw-holes.img",), "raw, 100,000 holes between as many stretches of data", "raw"),
    )
}
