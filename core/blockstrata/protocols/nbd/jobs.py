"""What is asked of a server, each thing with the part of the answer that has arrived."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

from blockstrata.protocols.nbd import wire
from blockstrata.protocols.nbd.handshake import Export
from blockstrata.protocols.nbd.wire import ChunkType, Command, Extent, Statuses, WireError


class ReadJob:
    """Reading ``length`` bytes at ``offset``.  The parts of an answer come in any order, each byte once.

    ``most`` is how many bytes a chunk of each kind may have, as in any job; ``data`` is whole once finished.
    """

    command: Final = Command.READ

    def __init__(self, offset: int, length: int) -> None:
        self.offset = offset
        self.length = length
        self.most: dict[int, int] = {
            ChunkType.NONE: 0,
            ChunkType.OFFSET_DATA: 8 + length,
            ChunkType.OFFSET_HOLE: 12,
        }
        self.error = ""
        self.data: bytes | bytearray = b""
        self._parts = bytearray()
        self._came = bytearray()
        self._missing = length

    def accept(self, kind: int, payload: bytes, export: Export) -> None:  # noqa: ARG002
        """Take a chunk."""
        if kind == ChunkType.OFFSET_DATA:
            start, data = wire.parse_data(payload)
            self._take(start, len(data), data)
        else:
            start, length = wire.parse_hole(payload)
            self._take(start, length, None)

    def accept_simple(self, payload: bytes) -> None:
        """Take all bytes at once."""
        self._take(self.offset, len(payload), payload)

    def _take(self, start: int, length: int, data: bytes | None) -> None:
        at, end = start - self.offset, start - self.offset + length
        if at < 0 or end > self.length:
            raise WireError(f"bytes {start} to {start + length} come, which were not asked for")
        if length == self._missing == self.length:
            self.data, self._missing = bytes(length) if data is None else data, 0
            return
        if self._missing == self.length:
            # as many bytes however many parts they come in
            self.data = self._parts = bytearray(self.length)
            self._came = bytearray(self.length)
        if not self._missing or 1 in self._came[at:end]:
            raise WireError(f"of the bytes {start} to {start + length} some come twice")
        self._came[at:end] = b"\1" * length
        self._missing -= length
        if data is not None:
            self._parts[at:end] = data

    def finish(self, export: Export) -> None:  # noqa: ARG002
        """``WireError`` if bytes are missing."""
        if self._missing:
            raise WireError(f"{self._missing} of {self.length} bytes do not come")


class StatusJob:
    """Asking for the block status of ``length`` bytes at ``offset``, in every context that was agreed on."""

    command: Final = Command.BLOCK_STATUS
    most: Final[dict[int, int]] = {
        ChunkType.NONE: 0,
        ChunkType.BLOCK_STATUS: wire.MAX_STATUS_PAYLOAD,
        ChunkType.BLOCK_STATUS_EXT: wire.MAX_STATUS_PAYLOAD,
    }

    def __init__(self, offset: int, length: int) -> None:
        self.offset = offset
        self.length = length
        self.error = ""
        self.found: dict[str, Extent | Statuses] = {}

    def accept(self, kind: int, payload: bytes, export: Export) -> None:
        """Take a chunk: the extents of one context."""
        if (kind == ChunkType.BLOCK_STATUS_EXT) != export.extended:
            raise WireError(f"a chunk of type {kind} is not what was agreed on for block status")
        found = wire.parse_extent(payload, self.length, extended=export.extended) or wire.parse_status(
            payload, self.length, extended=export.extended
        )
        name = export.contexts.get(found.context)
        if name is None:
            raise WireError(f"context {found.context} was never agreed on")
        if name in self.found:
            raise WireError(f"context '{name}' is answered twice")
        self.found[name] = found

    def accept_simple(self, payload: bytes) -> None:  # noqa: ARG002
        """``WireError``: block status has no simple reply."""
        raise WireError("block status is answered without any")

    def finish(self, export: Export) -> None:
        """``WireError`` if a context is missing."""
        for name in export.names:
            if name not in self.found:
                raise WireError(f"context '{name}' is not answered")


Job: TypeAlias = ReadJob | StatusJob


class Agenda:
    """Jobs that are still to be asked: those put first, then the others, made as they are needed."""

    def __init__(self, jobs: Iterator[Job]) -> None:
        self._first: deque[Job] = deque()
        self._jobs = jobs

    def next(self) -> Job | None:
        """Return the next job, None if there is no more."""
        return self._first.popleft() if self._first else next(self._jobs, None)

    def put_first(self, jobs: Iterable[Job]) -> None:
        """Put jobs before all others."""
        self._first.extendleft(reversed(list(jobs)))
