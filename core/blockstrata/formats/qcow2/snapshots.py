"""Internal snapshots: the table that lists them, checked as QEMU 7.2 checks it when it opens an image.

An entry has a fixed part and three lengths; the next one starts at a multiple of 8 (docs/interop/qcow2.txt
of QEMU, all big-endian)::

    ├─ 40 bytes ─┼─ extra data ─┼─ id ─┼─ name ─┤0…7├─ 40 bytes ─ …
                 │ VM state size, disk size, icount: as far as the length reaches
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from blockstrata.errors import BadImageError, BadReferenceError
from blockstrata.facts.codes import SECTOR
from blockstrata.facts.node import HostNode
from blockstrata.formats.qcow2.header import MAX_L1_BYTES, Header, c_text, table_fault

_ENTRY: Final = struct.Struct(">QIHHIIQII")
_EXTRA: Final = struct.Struct(">QQQ")
_MAX_EXTRA: Final = 1024
_MAX_TABLE: Final = 64 << 20
_NO_ICOUNT: Final = 2**64 - 1
_NAMED_AT_MOST: Final = 5
"""Snapshots that a message names."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One entry of the table.  Sizes and offsets in bytes, the L1 table in entries.

    Neither the L1 table nor ``disk_size`` is checked here: QEMU opens an image whatever they are, and looks
    at them when the snapshot is asked for (:func:`require_usable`).
    """

    id: str
    name: str
    date_sec: int
    """Seconds since 1970, UTC."""
    date_nsec: int
    vm_clock_nsec: int
    """How long the guest had run."""
    vm_state_size: int
    disk_size: int
    """Guest bytes; the active layer's where the entry does not say."""
    l1_offset: int
    l1_entries: int
    icount: int | None
    # how the entry is written is no part of what it says
    extra_size: int = field(default=_EXTRA.size, compare=False)
    """Bytes of extra data."""
    end: int = field(default=0, compare=False)
    """Host byte after the entry."""


def read_snapshots(file: HostNode, header: Header) -> tuple[Snapshot, ...]:
    """Return the snapshots in the table's order; ``BadImageError`` names the entry that QEMU refuses."""
    found = []
    at = header.snapshots_offset
    for index in range(header.snapshots):
        field = f"qcow2 snapshot table, entry {index}"
        at = (at + 7) & ~7
        fixed = _ENTRY.unpack(file.read(at, _ENTRY.size))
        l1_offset, l1_entries, id_size, name_size, date_sec, date_nsec, clock, state_size, extra_size = fixed
        at += _ENTRY.size
        if extra_size > _MAX_EXTRA:
            raise BadImageError(
                file.name, field, f"{extra_size} bytes of extra data are more than {_MAX_EXTRA}"
            )
        size = extra_size + id_size + name_size
        if at + size - header.snapshots_offset > _MAX_TABLE:
            raise BadImageError(file.name, field, f"reaches past the {_MAX_TABLE} bytes a table may have")
        rest = file.read(at, size)
        at += size
        extra = _EXTRA.unpack(rest[:extra_size][: _EXTRA.size].ljust(_EXTRA.size, b"\0"))
        found.append(
            Snapshot(
                id=c_text(rest[extra_size : extra_size + id_size]),
                name=c_text(rest[extra_size + id_size :]),
                date_sec=date_sec,
                date_nsec=date_nsec,
                vm_clock_nsec=clock,
                vm_state_size=extra[0] if extra_size >= 8 else state_size,
                disk_size=extra[1] if extra_size >= 16 else header.size,
                l1_offset=l1_offset,
                l1_entries=l1_entries,
                icount=extra[2] if extra_size >= 24 and extra[2] != _NO_ICOUNT else None,
                extra_size=extra_size,
                end=at,
            )
        )
    return tuple(found)


def find_snapshot(snapshots: Sequence[Snapshot], wanted: str, file: str) -> Snapshot:
    """Return the snapshot that ``qemu-nbd --load-snapshot`` finds by the same words.

    ``wanted`` is an id or, if no snapshot has that id, a name; or ``snapshot.id=ID``,
    ``snapshot.name=NAME``, or both with a comma between them, a comma in a value being doubled.  Of several
    the first in the table.  ``BadReferenceError`` if there is none.
    """
    ways = [_options(wanted, file)] if wanted.startswith("snapshot.") else [{"id": wanted}, {"name": wanted}]
    for asked in ways:
        for each in snapshots:
            if all(getattr(each, key) == value for key, value in asked.items()):
                return each
    raise BadReferenceError(file, f"snapshot '{wanted}'", f"is not in the image, {_named(snapshots)}")


def _options(wanted: str, file: str) -> dict[str, str]:
    options = {}
    for part in wanted.replace(",,", "\0").split(","):
        key, equals, value = part.replace("\0", ",").partition("=")
        if not equals or key not in ("snapshot.id", "snapshot.name"):
            raise BadReferenceError(file, f"snapshot '{wanted}'", f"'{key}' is not an option of a snapshot")
        options[key.removeprefix("snapshot.")] = value
    return options


def _named(snapshots: Sequence[Snapshot]) -> str:
    if not snapshots:
        return "which has none"
    names = [f"{each.id} ({each.name[:40]})" for each in snapshots[:_NAMED_AT_MOST]]
    more = len(snapshots) - len(names)
    return f"which has {', '.join(names)}" + (f" and {more} more" if more else "")


def require_usable(snapshot: Snapshot, file: str, header: Header) -> None:
    """``BadImageError`` if ``qemu-img snapshot -a`` refuses a snapshot's L1 table or disk size.

    A table shorter than the disk needs is fine: what it does not map is unallocated.
    """
    field = f"qcow2 snapshot '{snapshot.id}'"
    what = table_fault(snapshot.l1_offset, snapshot.l1_entries * 8, MAX_L1_BYTES, header.cluster_size)
    if what:
        raise BadImageError(file, field, f"L1 table: {what}")
    if snapshot.disk_size % SECTOR:
        raise BadImageError(file, field, f"disk size {snapshot.disk_size} is not a multiple of {SECTOR}")
    if -(-snapshot.disk_size // header.l2_span) * 8 > MAX_L1_BYTES:
        raise BadImageError(file, field, f"disk size {snapshot.disk_size} needs too large an L1 table")
