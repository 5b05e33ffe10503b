"""A file of which the storage is known from elsewhere: its bytes are read, its runs as recorded.

For showing what a file system at hand cannot do, such as space that is reserved and not written, or shared
with another file.  QEMU has no such driver; it plays the part of ``file``, and says of itself that it does.
What was recorded is text, run after run from the file's start::

    96K data, 32K unwritten, 16K hole, 64K shared
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from itertools import accumulate
from typing import Final

import numpy as np

from blockstrata.access import Probe
from blockstrata.errors import BadReferenceError
from blockstrata.facts.codes import Mapping, Storage, fact
from blockstrata.facts.extents import Extents
from blockstrata.facts.node import ProtocolNode
from blockstrata.naming.drivers import RECORDED
from blockstrata.protocols.file import FileNode, host_runs, open_file
from blockstrata.text.sizes import parse_size

_WORDS: Final = {
    each.name.lower(): each for each in (Storage.DATA, Storage.HOLE, Storage.UNWRITTEN, Storage.SHARED)
}


class RecordedNode(ProtocolNode):
    """An open file with recorded storage; ``runs`` are storages and their lengths, from the file's start."""

    tells_shared = True

    def __init__(self, source: FileNode, runs: list[tuple[Storage, int]]) -> None:
        super().__init__(source.name, RECORDED, source.length)
        self.host_driver = source.host_driver
        self.directory = source.directory
        self.identity = source.identity
        self.allocated = sum(length for storage, length in runs if storage is not Storage.HOLE)
        self._source = source
        starts = np.array([0, *accumulate(length for _, length in runs)], np.int64)[:-1]
        codes = np.array([fact(Mapping.PASSTHROUGH, storage) for storage, _ in runs], np.uint8)
        self._runs = host_runs(starts, codes, source.length).coalesce()

    def extents(self, start: int, length: int) -> Extents:
        """Return the recorded storage of a window of host bytes; past the end it is BEYOND_EOF."""
        return self._runs.cut(start, start + length)

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes of the file, zeroes past its end."""
        return self._source.read(offset, length)

    def notices(self) -> list[str]:
        """Say that the storage is recorded, and what there is to say of the file."""
        return ["recorded: where its storage is was noted on another machine", *self._source.notices()]

    def features(self) -> Dict[str, object]:
        """Return that the storage is recorded."""
        return {"recorded": True}

    def close(self) -> None:
        """Close the file."""
        super().close()
        self._source.close()


def open_recorded(name: str, storage: str, probe: Probe) -> RecordedNode:
    """Open a file with the storage that is recorded of it.

    ``OpenError`` and ``UnsupportedError`` as for any file, ``BadReferenceError`` for a record that makes no
    sense or is not as long as the file.
    """
    runs = _parse(name, storage)
    source = open_file(name, "file", probe)
    recorded = sum(length for _, length in runs)
    if recorded != source.length:
        source.close()
        raise BadReferenceError(
            name, "storage", f"{recorded} bytes are recorded of a file of {source.length}"
        )
    return RecordedNode(source, runs)


def _parse(name: str, text: str) -> list[tuple[Storage, int]]:
    runs = []
    for part in text.split(","):
        size, _, word = part.strip().partition(" ")
        try:
            length = parse_size(size)
        except ValueError as error:
            raise BadReferenceError(name, "storage", str(error)) from None
        if word not in _WORDS:
            raise BadReferenceError(name, "storage", f"'{word}' is none of {', '.join(_WORDS)}")
        if not length:
            raise BadReferenceError(name, "storage", "a run of no bytes")
        runs.append((_WORDS[word], length))
    return runs
