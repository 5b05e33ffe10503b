"""What is wrong, or may be, and QEMU counts nothing for."""

from __future__ import annotations

from collections.abc import Iterator

from blockstrata.facts.node import protocol_node
from blockstrata.formats.qcow2.header import Autoclear, Incompatible
from blockstrata.formats.qcow2.node import Qcow2Node
from blockstrata.questions.checking.findings import Finding, Severity


def warnings(node: Qcow2Node, end: int) -> Iterator[Finding]:
    """Yield warnings about an image that is in use up to host byte ``end``."""
    header = node.header
    if protocol_node(node.file).is_written():
        says = "in use: a program has the image open for writing, so a finding may be an unfinished change"
        yield Finding("in-use", Severity.WARNING, says)
    if node.is_encrypted:
        says = "encrypted: checking refcounts and tables needs no key; guest data is not checked"
        yield Finding("encrypted", Severity.WARNING, says)
    flags = (
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
    for bit, kind, says in flags:
        if header.incompatible & bit:
            yield Finding(kind, Severity.WARNING, f"header: {says}", 72, 8, None, "header")
    if header.orphaned_bitmaps and not header.autoclear & Autoclear.BITMAPS:
        says = (
            f"header: none of {header.orphaned_bitmaps} bitmaps is valid, because a program without bitmap "
            "support wrote the image: their space is lost, and the next backup must be a full one"
        )
        yield Finding("bitmap-orphaned", Severity.WARNING, says, None, None, None, "header")
    for number, bitmap in enumerate(node.read_bitmaps()):
        if bitmap.in_use:
            entry = f"bitmap directory, entry {number}"
            says = (
                f"{entry}: bitmap '{bitmap.name}' is in use: it was not stored after the last writes, "
                "so the next backup must be a full one"
            )
            yield Finding("bitmap-in-use", Severity.WARNING, says, None, None, None, entry)
    length = node.file.length
    if length > end:
        says = f"{length - end} bytes past the image's end, to which nothing in it refers"
        yield Finding("tail", Severity.WARNING, says, end, length - end)
