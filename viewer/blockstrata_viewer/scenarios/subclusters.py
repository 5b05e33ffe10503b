"""Extended L2 entries: one host cluster of 128 KiB, 32 subclusters of 4 KiB, each with a state of its own.

::

    web03.qcow2   1 MiB   eight clusters, extended L2 entries
    web03.raw     1 MiB   what they were copied from, were it not for subclusters

A write of a few KiB reserves a whole host cluster, but only the subclusters that were written are read from
it; the others still come from below, whether or not their place in the host cluster holds anything.
"""

from typing import Final

from blockstrata.formats.qcow2.author import Image, Subclusters
from blockstrata_viewer.model.aim import Aim
from blockstrata_viewer.scenarios.picture import Qcow2, raw
from blockstrata_viewer.scenarios.scenario import Scenario

# in blocks of 4 KiB, 32 to a cluster
_BASE_DRAWN: Final = "D32   .16 D16   D16 .16   D24 .8   D8 .8 D8 .8   D16 .8 D8   D4 .12 D16   D16 .16"

_CLUSTERS: Final = (
    Subclusters("D" * 8 + "U" * 24, b"web03, into a host cluster used before\n"),
    Subclusters("D" * 16 + "U" * 16, b"web03, into a host cluster used before\n"),
    Subclusters("D" * 24 + "u" * 8, b"web03, into a new host cluster\n"),
    Subclusters("D" * 32, b"web03, written from end to end\n"),
    Subclusters(("D" * 4 + "U" * 4) * 4, b"web03, here and there\n"),
    Subclusters("D" * 8 + "Z" * 16 + "D" * 8, b"web03, discarded in the middle\n"),
    Subclusters("u" * 8 + "z" * 16 + "u" * 8, hosted=False),
)
"""The eighth is not allocated."""

_BASE: Final = raw("web03.raw", _BASE_DRAWN, 4096, b"web03, as installed\n")
_IMAGE: Final = Image(1 << 20, 17, extended_l2=True, backing=_BASE.name, backing_format=_BASE.format)

SCENARIO: Final = Scenario(
    name="subclusters",
    title="Subclusters",
    summary="Extended L2 entries: 32 subclusters share a host cluster, each read or deferred.",
    opens=Aim(at=40 << 10),
    layers=(_BASE, Qcow2("web03.qcow2", _IMAGE, dict(enumerate(_CLUSTERS)))),
)
