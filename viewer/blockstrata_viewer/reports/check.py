"""The text of ``check``: qemu-img's numbers with our findings, as JSON or for people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from blockstrata.questions.check import Check
from blockstrata.questions.checking.findings import Finding
from blockstrata.text.printable import printable
from blockstrata_viewer.draw.units import counted
from blockstrata_viewer.reports.findings import finding_json

_SHOWN: Final = 20
"""Findings of one kind that are written out for people."""


def as_json(found: Check) -> dict[str, Any]:
    """Return what ``qemu-img check --output=json`` has, left out where it leaves it out, and the findings."""
    optional = {
        "corruptions": found.corruptions,
        "leaks": found.leaks,
        "total-clusters": found.total_clusters,
        "allocated-clusters": found.allocated_clusters,
        "fragmented-clusters": found.fragmented_clusters,
        "compressed-clusters": found.compressed_clusters,
    }
    return {
        "filename": found.filename,
        "format": found.format,
        "check-errors": found.check_errors,
        "image-end-offset": found.image_end_offset,
        **{name: number for name, number in optional.items() if number},
        "findings": [finding_json(each) for each in found.findings],
    }


def json_lines(found: list[Check], *, is_chain: bool) -> Iterator[str]:
    """Yield an object, or an array of one object a layer."""
    each = [as_json(one) for one in found]
    yield json.dumps(each if is_chain else each[0], indent=4) + "\n"


def human_lines(found: list[Check], *, is_chain: bool) -> Iterator[str]:
    """Yield the findings in the order of what hurts, what they add up to, and qemu-img's last lines."""
    for nth, each in enumerate(found):
        if is_chain:
            yield ("\n" if nth else "") + f"{printable(each.filename)}\n"
        yield from (f"{line}\n" for line in _lines(each))


def _lines(found: Check) -> Iterator[str]:
    shown: dict[tuple[str, str], int] = {}
    for each in found.findings:
        key = each.severity, each.kind
        shown[key] = shown.get(key, 0) + 1
        if shown[key] <= _SHOWN:
            yield f"{each.severity}: {_place(each)}{printable(each.says)}"
        elif shown[key] == _SHOWN + 1:
            more = sum((other.severity, other.kind) == key for other in found.findings) - _SHOWN
            yield f"{each.severity}: … {counted(more, 'more finding')} of {each.kind}, all with --output json"
    sums = [
        counted(number, what)
        for number, what in (
            (found.check_errors, "unreadable refcount"),
            (found.corruptions, "corruption"),
            (found.leaks, "leaked cluster"),
        )
        if number
    ]
    yield ", ".join(sums) if sums else "No errors were found on the image."
    if found.total_clusters and found.allocated_clusters:
        allocated = found.allocated_clusters
        yield (
            f"{allocated}/{found.total_clusters} = {_percent(allocated, found.total_clusters)} allocated, "
            f"{_percent(found.fragmented_clusters, allocated)} fragmented, "
            f"{_percent(found.compressed_clusters, allocated)} compressed clusters"
        )
    yield f"Image end offset: {found.image_end_offset}"


def _percent(part: int, whole: int) -> str:
    return f"{part * 100 / whole:.2f}%"


def _place(each: Finding) -> str:
    if each.host is None:
        return ""
    length = "" if each.length is None else f" +{each.length:#x}"
    return f"{each.host:#x}{length}: "
