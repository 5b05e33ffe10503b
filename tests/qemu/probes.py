"""Files that try how formats are told apart: a table with QEMU's answers, and more by dice.

``BLOCKSTRATA_PROBES`` (120) says how many are thrown, ``BLOCKSTRATA_FUZZ_SEED`` how the dice fall.
"""

from __future__ import annotations

import os
import random
import struct

from fuzzer import SEED

COUNT = int(os.environ.get("BLOCKSTRATA_PROBES", "120"))

_PROBED = 512
_CLOOP = b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n"
_VDI = b"<<< an image >>>".ljust(64, b"\0") + b"\x7f\x10\xda\xbe"


def _bochs(
    magic: bytes = b"Bochs Virtual HD Image",
    kind: bytes = b"Redolog",
    subkind: bytes = b"Growing",
    version: int = 0x20000,
) -> bytes:
    return struct.pack("<32s16s16sII", magic, kind, subkind, version, 512)


def _comment(length: int) -> bytes:
    """Return a line of so many bytes."""
    return b"#".ljust(length - 1, b"x") + b"\n"


TABLE: tuple[tuple[str, bytes], ...] = (
    ("raw", b""),
    ("raw", b"x"),
    ("raw", b"QFI\xfb"),
    ("raw", b"QFI\xfb\0\0\0\0"),
    ("qcow", b"QFI\xfb\0\0\0\1"),
    ("qcow2", b"QFI\xfb\0\0\0\2"),
    ("qcow2", b"QFI\xfb\0\0\1\0"),
    ("qcow2", b"QFI\xfb\xff\xff\xff\xff"),
    ("raw", b"LUKS\xba\xbe\0\0"),
    ("luks", b"LUKS\xba\xbe\0\1"),
    ("raw", b"LUKS\xba\xbe\0\2"),
    ("qed", b"QED"),
    ("raw", b"QE"),
    ("raw", b"QED\1"),
    ("vdi", _VDI),
    ("raw", _VDI[:-1]),
    ("vhdx", b"vhdxfile"),
    ("vpc", b"conectix"),
    ("raw", b"cxsparse"),
    ("raw", bytes(1024) + b"conectix".ljust(512, b"\0")),
    ("vmdk", b"KDMV"),
    ("vmdk", b"COWD"),
    ("raw", b"WithoutFreeSpace"),
    ("raw", b"WithoutFreeSpace\1"),
    ("parallels", b"WithoutFreeSpace\2"),
    ("raw", b"WithoutFreeSpace\0\0\0\2"),
    ("parallels", b"WithouFreSpacExt\2"),
    ("raw", b"WithouFreSpacExt\3"),
    ("bochs", _bochs()),
    ("bochs", _bochs(version=0x10000)),
    ("raw", _bochs(version=0x30000)),
    ("raw", _bochs(version=0x20001)),
    ("raw", _bochs(kind=b"Redologs")),
    ("raw", _bochs(subkind=b"Undoable")),
    ("raw", _bochs(magic=b"Bochs Virtual HD Images")),
    ("bochs", _bochs(magic=b"Bochs Virtual HD Image\0x", kind=b"Redolog\0y", subkind=b"Growing\0z")),
    ("cloop", _CLOOP),
    ("cloop", _CLOOP + b"x"),
    ("raw", _CLOOP[:-1]),
    ("vmdk", b"version=1\n"),
    ("vmdk", b"version=3\r\n"),
    ("raw", b"version=4\n"),
    ("raw", b"version=1"),
    ("raw", b"version=1\r"),
    ("raw", b"version=1 \n"),
    ("raw", b" version=1\n"),
    ("vmdk", b" \nversion=1\n"),
    ("vmdk", b"  \r\nversion=1\n"),
    ("raw", b"\nversion=1\n"),
    ("raw", b"\r\nversion=1\n"),
    ("raw", b"\t\nversion=1\n"),
    ("raw", b" \r\r\nversion=1\n"),
    ("vmdk", b"#\n \n#\0\r\n  \nversion=2\n"),
    ("raw", b" #\nversion=1\n"),
    ("raw", b"# a comment\rversion=1\n"),
    ("raw", b"encoding=x\nversion=1\n"),
    ("vmdk", _comment(_PROBED - 10) + b"version=1\n"),
    ("raw", _comment(_PROBED - 9) + b"version=1\n"),
    ("vmdk", _comment(_PROBED - 11) + b"version=1\r\n"),
    ("raw", _comment(_PROBED - 10) + b"version=1\r\n"),
    # what fits two formats
    ("parallels", b"WithoutFreeSpace\2".ljust(64, b"\0") + _VDI[64:]),
    ("qed", b"QED\0".ljust(64, b"\0") + _VDI[64:]),
    ("vdi", b"QFI\xfb\0\0\0\1".ljust(64, b"\0") + _VDI[64:]),
    ("vdi", b"QFI\xfb\0\0\0\3".ljust(64, b"\0") + _VDI[64:]),
    ("vdi", b"LUKS\xba\xbe\0\1".ljust(64, b"\0") + _VDI[64:]),
    ("vdi", b"vhdxfile".ljust(64, b"\0") + _VDI[64:]),
    ("vdi", b"conectix".ljust(64, b"\0") + _VDI[64:]),
    ("vdi", b"KDMV".ljust(64, b"\0") + _VDI[64:]),
    ("vdi", b"#\nversion=1\n".ljust(64, b"\0") + _VDI[64:]),
)
"""What QEMU 7.2 takes files for, whatever follows in them; a live test holds it to that."""

DMG: tuple[tuple[str, str, bytes], ...] = (
    ("dmg", "d.dmg", bytes(1024)),
    ("dmg", "d.dmg", _CLOOP),
    ("vmdk", "d.dmg", b"KDMV"),
    ("raw", "d.dmg", b""),
    ("raw", ".dmg", bytes(1024)),
    ("raw", "d.DMG", bytes(1024)),
)
"""The same of files where the name says something."""

_HEADS = tuple(dict.fromkeys(start for driver, start in TABLE if driver != "raw"))
_WORDS = (
    *(b"#", b" ", b"  ", b"\n", b"\n", b"\r\n", b"\r", b"\t", b"\0", b"x", b"# text\n", b" \n"),
    *(b"version=1\n", b"version=2\r\n", b"version=3", b"version=4\n", b"Version=1\n", b"version="),
)


def thrown(number: int) -> tuple[str, bytes]:
    """Return the name and the bytes of one file by dice: a format's first bytes, changed a little."""
    dice = random.Random(f"{SEED}/probe/{number}")
    name = dice.choice(("f.img",) * 8 + ("f.dmg",))
    if dice.random() < 0.3:
        text = b"".join(dice.choices(_WORDS, k=dice.randrange(1, 9)))
        if dice.random() < 0.3:
            # near the end of what is looked at
            text = _comment(dice.randrange(_PROBED - len(text) - 12, _PROBED)) + text
        return name, text + _tail(dice)
    head = bytearray(dice.choice(_HEADS))
    kind = dice.randrange(5)
    if kind == 0:
        return name, bytes(head[: dice.randrange(len(head) + 1)])
    if kind == 1:
        at = dice.randrange(len(head))
        head[at] = dice.choice((head[at] ^ 1 << dice.randrange(8), dice.randrange(5), dice.randrange(256)))
    elif kind == 2:
        at = dice.randrange(len(head))
        head[at : at + 4] = struct.pack(dice.choice(("<I", ">I")), dice.randrange(4))
    elif kind == 3:
        head[: len(head)] = dice.choice(_HEADS)[:64].ljust(64, b"\0") + _VDI[64:]
    return name, bytes(head) + _tail(dice)


def _tail(dice: random.Random) -> bytes:
    length = dice.choice((0, 1, 3, 4, dice.randrange(700)))
    return dice.choice((bytes(length), dice.randbytes(length), b"\n" * length, b" " * length))
