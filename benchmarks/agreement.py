"""Whether two maps say the same, read from files line by line so that nobody has to hold them."""

from __future__ import annotations

import json
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FLAGS: Final = ("depth", "present", "zero", "data")
_PLAIN: Final = b', "compressed": false'


def difference(theirs: Path, ours: Path) -> str:
    """Return an empty string if two maps are equal, else the first entries that differ.

    QEMU before 8.2 does not tell compressed data from other data; so the key is dropped on both sides and
    entries are merged again, by QEMU's rule.
    """
    if _same_text(theirs, ours):
        return ""
    for index, (left, right) in enumerate(zip_longest(_entries(theirs), _entries(ours))):
        if left != right:
            return f"entry {index}: QEMU {json.dumps(left)}, ours {json.dumps(right)}"
    return ""


def count(path: Path) -> int:
    """Return the entries of a map."""
    with path.open("rb") as file:
        return sum(1 for _ in file)


def _same_text(theirs: Path, ours: Path) -> bool:
    """Say whether the lines are equal but for the key where it says nothing: quicker than to parse them."""
    with theirs.open("rb") as left, ours.open("rb") as right:
        return all(
            a is not None and b is not None and a.replace(_PLAIN, b"") == b.replace(_PLAIN, b"")
            for a, b in zip_longest(left, right)
        )


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    last: dict[str, Any] | None = None
    with path.open() as file:
        for line in file:
            entry = json.loads(line.strip().lstrip("[").rstrip(",]") or "null")
            if entry is None:
                continue
            entry.pop("compressed", None)
            if last is not None and _continues(last, entry):
                last["length"] += entry["length"]
                continue
            if last is not None:
                yield last
            last = entry
    if last is not None:
        yield last


def _continues(before: dict[str, Any], after: dict[str, Any]) -> bool:
    if any(before[key] != after[key] for key in _FLAGS):
        return False
    if "offset" not in before or "offset" not in after:
        return "offset" not in before and "offset" not in after
    return bool(before["offset"] + before["length"] == after["offset"])
