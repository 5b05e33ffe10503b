"""Opening nodes: what fails leaves nothing open."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blockstrata.errors import BlockstrataError
from blockstrata.formats.qcow2.author import Image, write_image
from blockstrata.graph.chain import open_chain

BEYOND = 1 << 40


@pytest.mark.parametrize(
    "node",
    [
        {"driver": "raw", "offset": BEYOND, "file": {"filename": "base"}},
        {"driver": "qcow2", "file": {"driver": "raw", "offset": BEYOND, "file": {"filename": "base"}}},
        {"driver": "qcow2", "file": {"driver": "raw", "x": "on", "file": {"filename": "base"}}},
        {"driver": "qcow2", "cache-size": "1", "l2-cache-size": "2", "file": {"filename": "base"}},
        {"driver": "qcow2", "file": {"filename": "base"}, "data-file": {"filename": "other"}},
        {"driver": "luks", "file": {"filename": "base"}},
    ],
)
def test_what_cannot_be_opened_leaves_no_file_open(tmp_path, monkeypatch, node):
    monkeypatch.chdir(tmp_path)
    write_image(tmp_path / "base", Image(1 << 20), {})
    (tmp_path / "other").write_bytes(bytes(512))
    before = set(Path("/proc/self/fd").iterdir())
    with pytest.raises(BlockstrataError):
        open_chain(f"json:{json.dumps(node)}")
    assert set(Path("/proc/self/fd").iterdir()) <= before
