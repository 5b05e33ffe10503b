"""The drivers of QEMU's block layer: which are opened here, and which only QEMU opens."""

from __future__ import annotations

from typing import Final

from blockstrata.naming.options import Options

FILE_DRIVERS: Final = ("file", "host_device")
NULL_DRIVERS: Final = ("null-co", "null-aio")
RECORDED: Final = "recorded"
"""No driver of QEMU's: a file whose storage is as it was recorded (:mod:`blockstrata.protocols.recorded`)."""
PROTOCOL_DRIVERS: Final = (*FILE_DRIVERS, *NULL_DRIVERS, "nbd", RECORDED)

FOREIGN_FORMATS: Final = tuple("bochs cloop dmg parallels qcow qed vdi vhdx vmdk vpc".split())
"""Formats that only qemu-img reads."""
URL_DRIVERS: Final = tuple("ftp ftps http https".split())
"""Protocols that only QEMU speaks; an image is named by its URL."""
_PROTOCOL_NAMES: Final = tuple(
    "fat gluster gluster+rdma gluster+tcp gluster+unix host_cdrom iscsi iser nfs nvme rbd ssh".split()
)
BY_NAME_DRIVERS: Final = ("blkdebug", "blkverify", *_PROTOCOL_NAMES)
"""More of them, whose names only QEMU can take apart; here that is driver and filename."""
REMOTE_DRIVERS: Final = (*_PROTOCOL_NAMES, *URL_DRIVERS, "vvfat")
"""Protocols that only QEMU speaks, as drivers."""
_GRAPH_DRIVERS: Final = (
    *REMOTE_DRIVERS,
    *"blkdebug blklogwrites blkverify compress copy-before-write copy-on-read preallocate quorum".split(),
    *"replication snapshot-access throttle".split(),
)
"""Nodes that only QEMU opens, and all that lies below them."""


def needs_qemu(options: Options) -> bool:
    """Say whether only QEMU can open a node, and all that lies below it.

    That is so for the drivers only it has, and for a format that stands on another format; a foreign format
    on a file does not count.
    """
    driver = options.get("driver")
    if driver in _GRAPH_DRIVERS:
        return True
    if driver in PROTOCOL_DRIVERS:
        return False
    children = [options[key] for key in ("file", "data-file") if isinstance(options.get(key), dict)]
    return any(
        below.get("driver") in (*FOREIGN_FORMATS, "qcow2", "luks") or needs_qemu(below) for below in children
    )
