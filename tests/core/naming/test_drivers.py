"""Which drivers only QEMU has."""

from __future__ import annotations

import pytest

from blockstrata.naming.drivers import needs_qemu


@pytest.mark.parametrize(
    ("options", "needs"),
    [
        ({"file": {"filename": "x"}}, False),
        ({"driver": "vmdk", "file": {"driver": "file", "filename": "x"}}, False),
        ({"driver": "raw", "file": {"driver": "raw", "file": {"filename": "x"}}}, False),
        ({"driver": "nosuch", "file": {"filename": "x"}}, False),
        ({"driver": "qcow2", "file": "node"}, False),
        ({"file": {"driver": "https", "url": "https://h/x"}}, True),
        ({"driver": "https", "url": "https://h/x"}, True),
        ({"driver": "raw", "file": {"driver": "raw", "file": {"driver": "qcow2"}}}, True),
        ({"driver": "qcow2", "file": {"driver": "vmdk", "file": {"filename": "x"}}}, True),
        ({"driver": "quorum", "children": []}, True),
        ({"driver": []}, False),
        ({"driver": {}, "file": {"driver": {}}}, False),
    ],
)
def test_what_only_qemu_opens(options, needs: bool):
    assert needs_qemu(options) is needs
