"""QEMU's ``luks`` format: an encrypted disk behind a LUKS version 1 header.

QEMU's driver has no block status, so all of the disk is data at no known offset; that takes no key to say::

    file     ├─ header, key slots ─┤payload ──── encrypted bytes ────┤ end, in whole sectors
    guest                          0                                 size
"""

from __future__ import annotations

import struct
from collections.abc import Mapping as Dict
from typing import Final

from blockstrata.errors import BadImageError, UnsupportedError
from blockstrata.facts.codes import SECTOR, Mapping, fact
from blockstrata.facts.extents import Extents, uniform
from blockstrata.facts.node import Driver, HostNode, whole_sectors

_HEADER: Final = struct.Struct(">6sH32s32s32sII20s32sI40s")
"""Magic, version, cipher, mode, hash, payload (sectors), key bytes, digest, salt, iterations, uuid."""
_SLOT: Final = struct.Struct(">II32sII")
"""State, iterations, salt, key material (sectors), stripes; eight of them follow the header."""
_SLOTS: Final = 8
_MAGIC: Final = b"LUKS\xba\xbe"
_STATES: Final = {0x00AC71F3: True, 0x0000DEAD: False}
"""What a slot's state says, and whether there is a key in it."""
_STRIPES: Final = 4000
_ALIGNMENT: Final = 8
"""Sectors.  Header and key material take whole pieces of this size."""

_DATA = fact(Mapping.OPAQUE_DATA)


class LuksNode(Driver):
    """An open LUKS image on a host node."""

    driver = "luks"
    is_encrypted = True

    def __init__(self, host: HostNode) -> None:
        """``BadImageError`` or ``UnsupportedError`` where QEMU refuses the header, whatever the key."""
        super().__init__(host)
        header, payload = _read_header(host)
        self.length = whole_sectors(host.length) - payload
        self._features = {**header, "payload-offset": payload}

    def extents(self, start: int, length: int) -> Extents:
        """Return one run: data at no known offset."""
        return uniform(start, start + length, _DATA)

    def features(self) -> Dict[str, object]:
        """Return how the disk is encrypted."""
        return self._features


def _read_header(host: HostNode) -> tuple[dict[str, object], int]:
    """Return what the header says of the encryption, and where the payload starts, in bytes."""
    raw = host.read(0, _HEADER.size + _SLOTS * _SLOT.size)
    magic, version, *names, payload, key_bytes, _, _, iterations, _ = _HEADER.unpack_from(raw)
    if magic != _MAGIC:
        raise BadImageError(host.name, "LUKS header", "has no LUKS magic")
    if version != 1:
        raise UnsupportedError(
            host.name, "LUKS header", f"version {version} is not supported, nor is it by QEMU"
        )
    texts = {}
    for field, value in zip(("cipher", "mode", "hash"), names, strict=True):
        text, end, _ = value.partition(b"\0")
        if not end:
            raise BadImageError(host.name, f"LUKS {field}", "does not end within its field")
        texts[field] = text.decode("ascii", "backslashreplace")
    if "-" not in texts["mode"]:
        raise BadImageError(host.name, "LUKS mode", "names no way to make initialisation vectors")
    if iterations == 0 or key_bytes == 0:
        raise BadImageError(host.name, "LUKS master key", "has no length or takes no iterations")
    if payload < _ALIGNMENT:
        raise BadImageError(host.name, "LUKS payload", f"starts at sector {payload}, inside the header")
    _check_slots(host.name, raw, payload, key_bytes)
    if payload * SECTOR > whole_sectors(host.length):
        raise BadImageError(host.name, "LUKS payload", f"starts at sector {payload}, past the file's end")
    encryption: dict[str, object] = {
        "encryption": f"{texts['cipher']}-{texts['mode']}",
        "hash": texts["hash"],
    }
    return encryption, payload * SECTOR


def _check_slots(name: str, raw: bytes, payload: int, key_bytes: int) -> None:
    """Refuse key slots as QEMU does: each must be sane, keyed or not, and share no sector with another."""
    size = -(-key_bytes * _STRIPES // (SECTOR * _ALIGNMENT)) * _ALIGNMENT
    taken: list[int] = []
    for index, slot in enumerate(_SLOT.iter_unpack(raw[_HEADER.size :])):
        state, iterations, _, start, stripes = slot
        faults = {
            f"has {stripes} stripes, not {_STRIPES}": stripes != _STRIPES,
            f"has an unknown state, {state:#x}": state not in _STATES,
            "takes no iterations": _STATES.get(state) and iterations == 0,
            "overlaps the header": start < _ALIGNMENT,
            "overlaps the payload": start + size > payload,
            "overlaps another key slot": any(abs(start - other) < size for other in taken),
        }
        for what, is_wrong in faults.items():
            if is_wrong:
                raise BadImageError(name, f"LUKS key slot {index}", what)
        taken.append(start)
