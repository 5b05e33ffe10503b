"""A web server on a golden image, with Monday's snapshot in between: the demo.

::

    web01-active.qcow2   64 MiB   extended L2 entries   what was written since Monday
    web01-monday.qcow2   56 MiB   standard L2 entries   the server as it stood on Monday
    debian-golden.raw    50 MB    with holes            the base that many servers share

Each layer is longer than the one below it, and the base is not a whole number of sectors long.  Between
them the layers show every mapping that qcow2 has, on written storage and on holes.

The monday image looks metadata-preallocated to QEMU (docs/semantics.md, "RECURSE"): whole areas of it are
reserved and never written, so QEMU asks the file about its data, and the holes answer "data, zero".  The
active image has such holes too, but far less than a tenth of what it stores: there QEMU does not ask, and
answers "data".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from blockstrata.formats.qcow2.author import Cluster, Image, Subclusters
from blockstrata_viewer.model.aim import Aim
from blockstrata_viewer.scenarios.picture import Qcow2, Raw, kinds
from blockstrata_viewer.scenarios.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Area:
    """Units (clusters, or blocks of a raw file) from ``first`` up to ``end``, with the runs that lie there.

    A run is a letter for its kind, followed by its length in units; runs are separated by blanks.  If they
    fill the area there are no gaps, so a run can also be put in its place exactly.
    """

    first: int
    end: int
    runs: str


def scatter(random: Random, areas: Sequence[Area]) -> Iterator[tuple[str, int]]:
    """Yield kind and number of each unit that lies in a run; ``ValueError`` if an area is too small.

    ::

        first                                  end
        ├ gap ┤ D3 ┤ gap ┤ C12 ┤ D1 ┤ gap ─────┤
    """
    for area in areas:
        runs = [(run[0], int(run[1:])) for run in area.runs.split()]
        free = area.end - area.first - sum(length for _, length in runs)
        if free < 0:
            raise ValueError(f"the runs do not fit between {area.first} and {area.end}")
        shifts = sorted(random.randint(0, free) for _ in runs)
        at = area.first
        for (kind, length), shift in zip(runs, shifts, strict=True):
            for unit in range(at + shift, at + shift + length):
                yield kind, unit
            at += length


_BASE: Final = "debian-golden.raw"
_MIDDLE: Final = "web01-monday.qcow2"

_SEED: Final = 20180223
_BLOCK: Final = 4096
_BASE_LENGTH: Final = 50_000_000
_MIB: Final = 1 << 20

# in blocks of 4 KiB: 256 to a MiB, 12207 and a bit in all
_BASE_AREAS: Final = (
    Area(0, 16, "D9"),  # partition table and boot loader
    Area(256, 620, "D96 D3 D150 D24"),  # kernel and initrd
    Area(1024, 2500, "D40 D8 D130 D16 D4 D190 D2 D33 D92 D6 D21 D150 D5 D44"),  # the system
    Area(2500, 4800, "D3 D24 D1 D7 D62 D2 D60 D1 D12 D4 D35 D1 D18"),  # packages and documentation
    Area(4800, 4816, "D16"),  # under a partial write of the active image
    Area(4816, 7600, "D9 D1 D30 D2 D14 D1 D5 D1"),
    Area(7600, 10800, "D2 D1 D4 D1 D9 D1 D3 D1"),  # inodes here and there
)

# in clusters of 64 KiB: 896 in all, of which the base reaches into the 763rd
_MIDDLE_AREAS: Final = (
    Area(4, 64, "C8 D3 C14 D1 C6"),  # a kernel update
    Area(64, 250, "C22 D2 C9 P12 C31 D1 Z3 C12 D2 C18"),  # an upgrade of the system
    Area(250, 300, "D3 C5 P4 D1"),  # /var
    Area(310, 312, "D2"),  # under a partial write of the active image
    Area(312, 470, "C9 Z2 D2 C3 P9 D1 C6"),
    Area(480, 590, "D2 h22 D4 h14 D1 h26 D3 h9 z6 D2"),  # the database, reserved in advance
    Area(600, 763, "C3 D1 z4 P6 D1"),
    Area(763, 896, "P5 D2 h6 C4"),  # past the base's end
)

# in clusters of 64 KiB: 1024 in all, of which monday covers 896
# in the order of writing, so host clusters do not follow the guest's
_ACTIVE_AREAS: Final = (
    Area(484, 580, "D5 s1 D9 r1 D4 Z2 D8 s1 D5 h1 D7 z1 D6 s1 D4"),  # the database
    Area(300, 302, "s1 D1"),  # over the base's data
    Area(310, 312, "r1 D1"),  # over monday's data
    Area(320, 480, "D2 q1 C4 D3 P3 D1 s1 D2 C2 Z1 q1"),  # logs and caches
    Area(80, 300, "C18 D2 C7 P10 D3 q1 C24 D1 P3 C11 z1 C5"),  # an upgrade, packed afterwards
    Area(650, 890, "D1 P2 D1 q1 D1 P7 D1"),  # new files
    Area(898, 950, "D2 s1 P6 D1 h1"),  # past monday's end
    Area(2, 60, "D4 C9 D3 C5"),  # the next kernel
)

_MIDDLE_KINDS: Final = kinds(
    D=b"web01, as it stood on Monday\n",
    C=b"web01, as it stood on Monday, packed\n",
    Z=b"web01, discarded on Monday\n",
)

_TODAY: Final = b"web01, written since Monday\n"

_ACTIVE_KINDS: Final = kinds(
    D=_TODAY, C=b"web01, written since Monday, packed\n", Z=b"web01, discarded since\n"
) | {
    # in part: written into a host cluster used before, written into a new one, discarded without any;
    # subclusters are 2 KiB and come in pairs, because a file system's holes are whole blocks of 4 KiB
    "s": Subclusters("U" * 8 + "D" * 12 + "U" * 12, _TODAY),
    "r": Subclusters("D" * 14 + "u" * 10 + "Z" * 4 + "z" * 4, _TODAY),
    "q": Subclusters("u" * 6 + "z" * 16 + "u" * 10, hosted=False),
}

_TEXT: Final = (b"debian golden image\n" * _BLOCK)[:_BLOCK]
_RANDOM: Final = Random(_SEED)  # noqa: S311  only chooses positions


def _clusters(areas: Sequence[Area], kinds: dict[str, Cluster]) -> dict[int, Cluster]:
    return {number: kinds[kind] for kind, number in scatter(_RANDOM, areas)}


SCENARIO: Final = Scenario(
    name="web-server",
    title="A web server on a golden image",
    summary="Three layers, each longer than the one below, and every kind of cluster in qcow2.",
    opens=Aim(at=0x1E60000, cell=128 << 10),
    # in this order, since they share the dice
    layers=(
        Raw(_BASE, _BASE_LENGTH, [(number * _BLOCK, _TEXT) for _, number in scatter(_RANDOM, _BASE_AREAS)]),
        Qcow2(
            _MIDDLE,
            Image(56 * _MIB, backing=_BASE, backing_format="raw"),
            _clusters(_MIDDLE_AREAS, _MIDDLE_KINDS),
        ),
        Qcow2(
            "web01-active.qcow2",
            Image(64 * _MIB, extended_l2=True, backing=_MIDDLE, backing_format="qcow2"),
            _clusters(_ACTIVE_AREAS, _ACTIVE_KINDS),
        ),
    ),
)
