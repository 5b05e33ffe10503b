"""Layers drawn as text: one letter a unit (a cluster, a block of a raw file), a dot where there is nothing.

Blanks only part what is drawn; ``D4`` is short for ``DDDD``::

    D4 .4 Z2     DDDD....ZZ
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from blockstrata.formats.qcow2.author import Cluster

_RUN: Final = re.compile(r"([A-Za-z.])([0-9]*)")


def units(picture: str) -> Iterator[tuple[int, str]]:
    """Yield number and letter of each unit that is not a dot."""
    letters = "".join(letter * int(count or 1) for letter, count in _RUN.findall(picture))
    return ((number, letter) for number, letter in enumerate(letters) if letter != ".")


def clusters(picture: str, kinds: Mapping[str, Cluster]) -> dict[int, Cluster]:
    """Return guest clusters by their numbers, in order."""
    return {number: kinds[letter] for number, letter in units(picture)}


def blocks(picture: str, size: int, pattern: bytes) -> list[tuple[int, bytes]]:
    """Return offset and content of the blocks of a raw file that are drawn, whatever their letter."""
    content = (pattern * -(-size // len(pattern)))[:size]
    return [(number * size, content) for number, _ in units(picture)]


def reference(options: object) -> str:
    """Return block device options as the command line takes them, without a blank."""
    return "json:" + json.dumps(options, separators=(",", ":"))
