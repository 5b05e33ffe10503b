"""What is asked of a server, each thing with the part of the answer that has arrived."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, TypeAlias

from blockstrata.protocols.nbd import wire
from blockstrata.protocols.nbd.wire import ChunkType, Command, WireError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from blockstrata.protocols.nbd.handshake import Export
    from blockstrata.protocols.nbd.wire import Extent, Statuses

_MOST_ERROR: Final = 6 + wire.MAX_STRING + 8
"""Bytes of an error chunk."""


class ReadJob:
    """Reading ``length`` bytes at ``offset``.  The parts of an answer come in any order, each byte once."""

    command: Final = Command.READ

    def __init__(self, offset: int, length: int) -> None:
        self.offset = offset
        self.length = length
        self.error = ""
        self._whole: bytes | None = None
        self._data = bytearray()
        self._came = bytearray()
        self._missing = length

    def again(self) -> ReadJob:
        """Return the same question with no answer."""
        return ReadJob(self.offset, self.length)

    def most(self, kind: int) -> int:
        """Return how many bytes a chunk may have; -1 if there may be none of its kind."""
        return {ChunkType.OFFSET_DATA: 8 + self.length, ChunkType.OFFSET_HOLE: 12}.get(ChunkType(kind), -1)

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
            self._whole, self._missing = bytes(length) if data is None else data, 0
            return
        if not self._came and self._missing:
            # as many bytes however many parts they come in
            self._data, self._came = bytearray(self.length), bytearray(self.length)
        if not self._missing or 1 in self._came[at:end]:
            raise WireError(f"of the bytes {start} to {start + length} some come twice")
        self._came[at:end] = b"\1" * length
        self._missing -= length
        if data is not None:
            self._data[at:end] = data

    def finish(self, export: Export) -> None:  # noqa: ARG002
        """``WireError`` if bytes are missing."""
        if self._missing:
            raise WireError(f"{self._missing} of {self.length} bytes do not come")

    def data(self) -> bytes:
        """Return the bytes, once finished."""
        return bytes(self._data) if self._whole is None else self._whole


class StatusJob:
    """Asking for the block status of ``length`` bytes at ``offset``, in every context that was agreed on."""

    command: Final = Command.BLOCK_STATUS

    def __init__(self, offset: int, length: int) -> None:
        self.offset = offset
        self.length = length
        self.error = ""
        self.found: dict[str, Extent | Statuses] = {}

    def again(self) -> StatusJob:
        """Return the same question with no answer."""
        return StatusJob(self.offset, self.length)

    def most(self, kind: int) -> int:
        """Return how many bytes a chunk may have; -1 if there may be none of its kind."""
        is_status = kind in (ChunkType.BLOCK_STATUS, ChunkType.BLOCK_STATUS_EXT)
        return wire.MAX_STATUS_PAYLOAD if is_status else -1

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
        if len(self.found) < len(set(export.contexts.values())):
            missing = min(set(export.contexts.values()) - set(self.found))
            raise WireError(f"context '{missing}' is not answered")


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


def most_of_chunk(job: Job, kind: int) -> int:
    """Return how many bytes a chunk of the reply to a job may have; ``WireError`` if it must not come."""
    if kind & wire.IS_ERROR_CHUNK:
        return _MOST_ERROR
    if kind == ChunkType.NONE:
        return 0
    most = job.most(kind) if kind in ChunkType._value2member_map_ else -1
    if most < 0:
        raise WireError(f"a chunk of type {kind} is no answer to {job.command.name}")
    return most
