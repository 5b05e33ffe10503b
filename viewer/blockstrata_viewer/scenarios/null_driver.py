"""The null driver, whose patch started it all: an offset at which there is neither data nor zeroes.

::

    bench01.qcow2        its data file replaced by null-co, to measure without a disk
    null-co under raw    without read-zeroes: nothing is promised
    null-co              with read-zeroes, opened directly

The image stands on a null-co that reads as zeroes.  In its header the data file is ``bench01.raw``; QEMU
takes that for a file's name whatever it looks like, so only who opens the image can put another driver in
its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from blockstrata.formats.qcow2.author import Cluster, Data, Image, ZeroAlloc, ZeroPlain, write_image
from blockstrata_viewer.scenarios.picture import clusters, reference
from blockstrata_viewer.scenarios.scenario import Scenario

if TYPE_CHECKING:
    from pathlib import Path

_IMAGE: Final = "bench01.qcow2"
_DATA: Final = "bench01.raw"

_SIZE: Final = 1 << 20
_CLUSTER_BITS: Final = 14

# in clusters of 16 KiB, 64 in all
_DRAWN: Final = "D12 .4   D4 Z4 D4 .4   P8 .8   .4 D8 .4"

_KINDS: Final[dict[str, Cluster]] = {"D": Data(b"bench01\n"), "Z": ZeroAlloc(b"bench01\n"), "P": ZeroPlain()}


def _null(*, read_zeroes: bool) -> dict[str, object]:
    return {"driver": "null-co", "size": _SIZE, "read-zeroes": read_zeroes}


def build(directory: Path) -> tuple[str, ...]:
    """Write the image and the data file that is not used; to be opened: the image, raw on null, and null."""
    image = Image(
        _SIZE,
        _CLUSTER_BITS,
        data_file=_DATA,
        backing=reference(driver="raw", file=_null(read_zeroes=True)),
        backing_format="raw",
    )
    write_image(directory / _IMAGE, image, clusters(_DRAWN, _KINDS), directory / _DATA)
    file = {"driver": "file", "filename": str(directory / _IMAGE)}
    return (
        reference(**{"driver": "qcow2", "file": file, "data-file": _null(read_zeroes=False)}),
        reference(driver="raw", file=_null(read_zeroes=False)),
        reference(**_null(read_zeroes=True)),
    )


SCENARIO: Final = Scenario(
    name="null-driver",
    title="The null driver",
    summary="null-co as data file, under raw and alone: OFFSET_VALID where there is no DATA.",
    files=(_IMAGE, _DATA),
    build=build,
)
