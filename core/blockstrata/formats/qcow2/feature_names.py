"""What an image itself calls features that are not known here.

The feature name table is a header extension, entries of 48 bytes (docs/interop/qcow2.txt of QEMU)::

    kind │ bit │ name, 46 bytes, padded with NUL
"""

from __future__ import annotations

import os
import struct
from typing import Final

_ENTRY: Final = struct.Struct(">BB46s")
_INCOMPATIBLE: Final = 0
_MOST_SHOWN: Final = 8
"""Bits that a message names; an image may set every one."""


def unknown_bits(bits: int, table: bytes) -> str:
    """Say which incompatible features are set, by number, and by name where the image's table has one."""
    names: dict[int, str] = {}
    for at in range(0, len(table) - _ENTRY.size + 1, _ENTRY.size):
        kind, bit, name = _ENTRY.unpack_from(table, at)
        if kind == _INCOMPATIBLE:
            names.setdefault(bit, os.fsdecode(name.split(b"\0", 1)[0]))
    found = [bit for bit in range(64) if bits >> bit & 1]
    shown = [f"{bit} ('{names[bit]}')" if names.get(bit) else str(bit) for bit in found[:_MOST_SHOWN]]
    more = len(found) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
