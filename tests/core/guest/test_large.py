"""Size does not matter: a full terabyte is one run in little memory; an empty exabyte is free."""

from __future__ import annotations

import json
import struct
import subprocess
import sys

import numpy as np
import pytest

TIB = 1 << 40
CLUSTER = 1 << 16
ENTRIES = CLUSTER // 8

MEASURED = """
import resource, sys
from blockstrata_viewer.cli.group import main
try:
    main(["map", "--output", "json", sys.argv[1]])
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, file=sys.stderr)
"""


def write_dense(path, size):
    """Write an image whose clusters all are allocated, one after another in a sparse file."""
    clusters = size // CLUSTER
    tables = clusters // ENTRIES
    l1_at, l2_at = 2 * CLUSTER, 4 * CLUSTER
    data_at = l2_at + tables * CLUSTER
    with path.open("wb") as file:
        file.write(
            struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 0, 0, 16, size, 0, tables, l1_at, CLUSTER, 1, 0, 0)
        )
        file.seek(l1_at)
        file.write((l2_at + np.arange(tables, dtype=">u8") * CLUSTER | 1 << 63).astype(">u8").tobytes())
        for table in range(tables):
            first = data_at + table * ENTRIES * CLUSTER
            entries = np.arange(first, first + ENTRIES * CLUSTER, CLUSTER, dtype=np.uint64) | np.uint64(
                1 << 63
            )
            file.seek(l2_at + table * CLUSTER)
            file.write(entries.astype(">u8").tobytes())


@pytest.mark.timeout(360)  # longer than it waits itself, which says more
def test_a_full_terabyte_is_one_run_in_under_a_gibibyte(tmp_path):
    image = tmp_path / "dense.qcow2"
    write_dense(image, TIB)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(image)], capture_output=True, text=True, timeout=300, check=False
    )
    (entry,) = json.loads(done.stdout)
    assert (entry["start"], entry["length"], entry["data"]) == (0, TIB, True)
    assert entry["offset"] == 4 * CLUSTER + TIB // ENTRIES
    # its tables have no refcounts, which is said before
    assert int(done.stderr.split()[-1]) < 1 << 30


def test_an_almost_empty_exabyte_is_answered_at_once(tmp_path):
    """What no L1 entry maps costs nothing a cluster; the time limit only tells seconds from ages."""
    image = tmp_path / "empty.qcow2"
    size = 1 << 60
    with image.open("wb") as file:
        l1_entries = size >> 39
        file.write(
            struct.pack(
                ">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 0, 0, 21, size, 0, l1_entries, 4 << 21, 1 << 21, 1, 0, 0
            )
        )
        file.truncate((4 << 21) + l1_entries * 8)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(image)], capture_output=True, text=True, timeout=60, check=False
    )
    (entry,) = json.loads(done.stdout)
    assert (entry["length"], entry["present"], entry["zero"]) == (size, False, True)
