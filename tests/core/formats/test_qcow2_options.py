"""Options of the driver qcow2 against the image."""

from __future__ import annotations

import pytest

from blockstrata.errors import BadReferenceError
from blockstrata.formats.qcow2.author import Image, write_image
from blockstrata.formats.qcow2.header import read_header
from blockstrata.formats.qcow2.node import check_for_image
from blockstrata.protocols.file import open_file


@pytest.mark.parametrize(
    ("right", "wrong", "key"),
    [
        ({"l2-cache-entry-size": "4k"}, {"l2-cache-entry-size": 1000}, "l2-cache-entry-size"),
        ({"l2-cache-entry-size": 65536}, {"l2-cache-entry-size": "128k"}, "l2-cache-entry-size"),
        ({"cache-size": 2, "l2-cache-size": 2}, {"cache-size": 2, "l2-cache-size": 3}, "l2-cache-size"),
        (
            {"cache-size": 2, "refcount-cache-size": 2},
            {"cache-size": 2, "refcount-cache-size": 3},
            "refcount-cache-size",
        ),
        (
            {"l2-cache-size": 1, "refcount-cache-size": 1},
            {"cache-size": 3, "l2-cache-size": 1, "refcount-cache-size": 1},
            "cache-size",
        ),
        ({"refcount-cache-size": "1M"}, {"refcount-cache-size": "128T"}, "refcount-cache-size"),
        ({"encrypt": {"key-secret": "k"}}, {"encrypt": {"format": "luks"}}, "encrypt.format"),
    ],
)
def test_options_that_must_fit_the_image(tmp_path, right, wrong, key):
    write_image(tmp_path / "a.qcow2", Image(1 << 20), {})
    file = open_file(str(tmp_path / "a.qcow2"))
    header = read_header(file)
    file.close()
    check_for_image(right, header, "x")
    with pytest.raises(BadReferenceError, match=f"^x: {key}: "):
        check_for_image(wrong, header, "x")
