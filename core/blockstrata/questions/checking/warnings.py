"""What is wrong, or may be, and QEMU counts nothing for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from blockstrata.facts.node import protocol_node
from blockstrata.formats.qcow2.bitmaps import Bitmap
from blockstrata.formats.qcow2.header import Autoclear, Header, Incompatible
from blockstrata.formats.qcow2.node import Qcow2Node
from blockstrata.questions.checking.findings import Finding, Severity, bytes_behind

_FLAGS: Final = (
    (
        Incompatible.DIRTY,
        "dirty",
        "the dirty bit is set: refcounts may be wrong, and QEMU repairs them before it writes",
    ),
    (
        Incompatible.CORRUPT,
        "corrupt",
        "the corrupt bit is set: QEMU found damage here before, and refuses to write",
    ),
)


def warnings(node: Qcow2Node, end: int | None) -> Iterator[Finding]:
    """Yield warnings about an image that is in use up to host byte ``end``; None if that is not known."""
    yield from of_use(node)
    if node.is_encrypted:
        says = "encrypted: checking refcounts and tables needs no key; guest data is not checked"
        yield Finding("encrypted", Severity.WARNING, says)
    yield from of_header(node.header)
    yield from of_bitmaps(node.read_bitmaps())
    if end is not None and node.file.length > end:
        yield bytes_behind(end, node.file.length)


def of_use(node: Qcow2Node) -> Iterator[Finding]:
    """Yield whether a program has the image open for writing."""
    if protocol_node(node.file).is_written():
        says = "in use: a program has the image open for writing, so a finding may be an unfinished change"
        yield Finding("in-use", Severity.WARNING, says)


def of_header(header: Header) -> Iterator[Finding]:
    """Yield what the header says of damage that was met, or of work that was not ended."""
    for bit, kind, says in _FLAGS:
        if header.incompatible & bit:
            yield Finding(kind, Severity.WARNING, f"header: {says}", 72, 8, None, "header")
    if header.orphaned_bitmaps and not header.autoclear & Autoclear.BITMAPS:
        says = (
            f"header: none of {header.orphaned_bitmaps} bitmaps is valid, because a program without bitmap "
            "support wrote the image: their space is lost, and the next backup must be a full one"
        )
        yield Finding("bitmap-orphaned", Severity.WARNING, says, None, None, None, "header")


def of_bitmaps(bitmaps: Sequence[Bitmap]) -> Iterator[Finding]:
    """Yield which bitmaps are in use, that is inconsistent unless a program is writing to the image now."""
    for number, bitmap in enumerate(bitmaps):
        if bitmap.in_use:
            entry = f"bitmap directory, entry {number}"
            says = (
                f"{entry}: bitmap '{bitmap.name}' is in use: it was not stored after the last writes, "
                "so the next backup must be a full one"
            )
            yield Finding("bitmap-in-use", Severity.WARNING, says, None, None, None, entry)
