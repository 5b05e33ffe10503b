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
        says = "in use: a program has the image open for writing, so that a finding may be a change half made"
        yield Finding("in-use", Severity.WARNING, says)
    if node.is_encrypted:
        says = "encrypted: refcounts and tables are checked, which takes no key; guest data is not looked at"
        yield Finding("encrypted", Severity.WARNING, says)
    flags = (
        (
            Incompatible.DIRTY,
            "dirty",
            "the dirty bit is set: refcounts may be wrong, and QEMU mends them before it writes",
        ),
        (
            Incompatible.CORRUPT,
            "corrupt",
            "the corrupt bit is set: QEMU met damage here before, and refuses to write",
        ),
    )
    for bit, kind, says in flags:
        if header.incompatible & bit:
            yield Finding(kind, Severity.WARNING, f"header: {says}", 72, 8, None, "header")
    if header.orphaned_bitmaps and not header.autoclear & Autoclear.BITMAPS:
        says = (
            f"header: of {header.orphaned_bitmaps} bitmaps none is valid, as a program that knows none wrote "
            "the image: their space is lost, and the next backup must be a full one"
        )
        yield Finding("bitmap-orphaned", Severity.WARNING, says, None, None, None, "header")
    for number, bitmap in enumerate(node.read_bitmaps()):
        if bitmap.in_use:
            entry = f"bitmap directory, entry {number}"
            says = (
                f"{entry}: bitmap '{bitmap.name}' is in use: not stored after the last writes, and the "
                "next backup must be a full one"
            )
            yield Finding("bitmap-in-use", Severity.WARNING, says, None, None, None, entry)
    length = node.file.length
    if length > end:
        says = f"{length - end} bytes behind the image's end, which nothing in it names"
        yield Finding("tail", Severity.WARNING, says, end, length - end)
