"""What is asked of a server, each thing with the part of the answer that has arrived."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, TypeAlias

from blockstrata.protocols.nbd import wire
from blockstrata.protocols.nbd.wire import ChunkType, Command, WireError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from blockstrata.protocols.nbd.handshake import Export
    from blockstrata.protocols.nbd.wire import Statuses

_MOST_ERROR: Final = 6 + wire.MAX_STRING + 8
"""Bytes of an error chunk."""


class ReadJob:
    """Reading ``length`` bytes at ``offset``.  The parts of an answer come in any order, each byte once."""

    command: Final = Command.READ

    def __init__(self, offset: int, length: int) -> None:
        self.offset = offset
        self.length = length
        self.error = ""
        self._parts: list[tuple[int, int, bytes | None]] = []
        self._filled = 0

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
        if start < self.offset or start + length > self.offset + self.length:
            raise WireError(f"bytes {start} to {start + length} come, which were not asked for")
        self._filled += length
        if self._filled > self.length:
            raise WireError(f"more bytes come than the {self.length} that were asked for")
        self._parts.append((start, start + length, data))

    def finish(self, export: Export) -> None:  # noqa: ARG002
        """``WireError`` if bytes are missing or came twice."""
        self._parts.sort(key=lambda part: part[0])
        at = self.offset
        for start, end, _ in self._parts:
            if start != at:
                raise WireError(f"the bytes from {min(start, at)} on come twice or not at all")
            at = end
        if at != self.offset + self.length:
            raise WireError(f"{self.offset + self.length - at} of {self.length} bytes do not come")

    def data(self) -> bytes:
        """Return the bytes, once finished."""
        return b"".join(bytes(end - start) if data is None else data for start, end, data in self._parts)


class StatusJob:
    """Asking for the block status of ``length`` bytes at ``offset``, in every context that was agreed on."""

    command: Final = Command.BLOCK_STATUS

    def __init__(self, offset: int, length: int) -> None:
        self.offset = offset
        self.length = length
        self.error = ""
        self.found: dict[str, Statuses] = {}

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
        found = wire.parse_status(payload, self.length, extended=kind == ChunkType.BLOCK_STATUS_EXT)
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
        missing = sorted(set(export.contexts.values()) - set(self.found))
        if missing:
            raise WireError(f"context '{missing[0]}' is not answered")


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
