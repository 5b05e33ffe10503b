"""The null driver, whose patch started it all: an offset at which there is neither data nor zeroes.

::

    bench01.qcow2        its data file replaced by null-co, to measure without a disk
    null-co under raw    without read-zeroes: nothing is promised
    null-co              with read-zeroes, opened directly

The image stands on a null-co that reads as zeroes.  In its header the data file is ``bench01.raw``; QEMU
takes that for a file's name whatever it looks like, so only who opens the image can put another driver in
its place.
"""

from typing import Final

from blockstrata_viewer.scenarios.picture import kinds, qcow2
from blockstrata_viewer.scenarios.scenario import Scenario, reference

_IMAGE: Final = "bench01.qcow2"

# in clusters of 16 KiB
_DRAWN: Final = "D12 .4   D4 Z4 D4 .4   P8 .8   .4 D8 .4"
_KINDS: Final = kinds(D=b"bench01\n", Z=b"bench01\n")


def _null(*, read_zeroes: bool) -> dict[str, object]:
    return {"driver": "null-co", "size": 1 << 20, "read-zeroes": read_zeroes}


SCENARIO: Final = Scenario(
    name="null-driver",
    title="The null driver",
    summary="null-co as data file, under raw and alone: OFFSET_VALID where there is no DATA.",
    layers=(
        qcow2(
            _IMAGE,
            _DRAWN,
            _KINDS,
            cluster_bits=14,
            data_file="bench01.raw",
            backing=reference({"driver": "raw", "file": _null(read_zeroes=True)}),
            backing_format="raw",
        ),
    ),
    # the data file is not used
    opened=(
        {
            "driver": "qcow2",
            "file": {"driver": "file", "filename": _IMAGE},
            "data-file": _null(read_zeroes=False),
        },
        {"driver": "raw", "file": _null(read_zeroes=False)},
        _null(read_zeroes=True),
    ),
)
