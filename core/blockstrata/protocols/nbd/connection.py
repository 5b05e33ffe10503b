"""Asking many things at once over one connection: the questions, and sorting out the answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

from blockstrata.access import Access
from blockstrata.naming.nbd import Address
from blockstrata.protocols.nbd import wire
from blockstrata.protocols.nbd.handshake import Export, shake_hands
from blockstrata.protocols.nbd.patience import Patience
from blockstrata.protocols.nbd.stream import LostError, Stream, connect
from blockstrata.protocols.nbd.wire import Chunk, ChunkType, Command, Extent, Statuses, WireError

_IN_FLIGHT: Final = 16
"""Questions that wait for their answers at one time."""
_FEW: Final = 8
"""Questions in flight below which more are sent, many with one call."""
_MOST_ERROR: Final = 6 + wire.MAX_STRING + 8
"""Bytes of an error chunk."""
_MOST_ERRORS: Final = 64
"""Error chunks in one reply."""


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

    def accept(self, kind: int, payload: bytes, export: Export) -> None:
        """Take a chunk."""
        self.take(*wire.parse_bytes(kind, payload))

    def take(self, start: int, length: int, data: bytes | None) -> None:
        """Take some bytes; None stands for zeroes."""
        at, end = start - self.offset, start - self.offset + length
        if at < 0 or end > self.length:
            raise WireError(f"bytes {start} to {start + length} arrived, but were not requested")
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

    def finish(self, export: Export) -> None:
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


class RefusedError(WireError):
    """The server answers with an error; the connection goes on."""


class Connection:
    """A connection on which everything is agreed.  After a ``WireError`` that is no refusal it is useless."""

    def __init__(self, stream: Stream, export: Export) -> None:
        self.export = export
        self._stream = stream
        self._flying: dict[int, Job] = {}
        self._errors: dict[int, int] = {}
        self._cookie = 0

    def run(self, agenda: Agenda, done: Callable[[Job], Iterable[Job]]) -> None:
        """Ask all that the agenda holds, some at a time, in whatever order the answers come.

        ``done`` takes each answered job and returns what is to be asked next.  After ``LostError`` the jobs
        without an answer are on the agenda again.  ``RefusedError`` comes when nothing is under way any more.

        A server may take one question after the other.  So the time limit of an answer starts when the answer
        before it is complete, or with the question if nothing else was under way.
        """
        refused = ""
        self._stream.patience.renew()
        try:
            while True:
                if not refused and len(self._flying) <= _FEW:
                    self._send(agenda)
                if not self._flying:
                    break
                job = self._receive()
                if job is None:
                    continue
                if job.error:
                    refused = refused or f"byte {job.offset}: {job.error}"
                else:
                    agenda.put_first(done(job))
                self._stream.patience.renew()
        except LostError:
            agenda.put_first(type(job)(job.offset, job.length) for job in self._flying.values())
            raise
        if refused:
            raise RefusedError(refused)

    def close(self, *, politely: bool) -> None:
        """Close, with a word to the server if the connection is good."""
        extended = self.export.extended
        self._stream.close(wire.pack_request(Command.DISC, 0, extended=extended) if politely else b"")

    def _send(self, agenda: Agenda) -> None:
        """Send as many questions as may be under way."""
        extended = self.export.extended
        requests = []
        while len(self._flying) < _IN_FLIGHT and (job := agenda.next()):
            self._cookie += 1
            self._flying[self._cookie] = job
            requests.append(
                wire.pack_request(job.command, self._cookie, job.offset, job.length, extended=extended)
            )
        self._stream.send(b"".join(requests))

    def _receive(self) -> Job | None:
        """Receive one reply, or one chunk of it, and return the job if that was the last."""
        structured, extended = self.export.structured, self.export.extended
        rest = wire.rest_of_reply(self._stream.receive(4), structured=structured, extended=extended)
        chunk = wire.parse_reply(rest, self._stream.receive(rest.size))
        job = self._flying.get(chunk.cookie)
        if job is None:
            raise WireError(f"a reply to request {chunk.cookie}, which was not asked")
        if chunk.kind is not None:
            self._receive_chunk(chunk, chunk.kind, job)
        elif chunk.error:
            job.error = wire.error_words(chunk.error)
        elif structured or isinstance(job, StatusJob):
            raise WireError("a simple reply where structured ones were agreed on")
        else:
            job.take(job.offset, job.length, self._stream.receive(job.length))
        if not chunk.is_done:
            return None
        del self._flying[chunk.cookie]
        self._errors.pop(chunk.cookie, None)
        if not job.error:
            job.finish(self.export)
        return job

    def _receive_chunk(self, chunk: Chunk, kind: int, job: Job) -> None:
        is_error = kind & wire.IS_ERROR_CHUNK
        most = _MOST_ERROR if is_error else job.most.get(kind)
        if most is None:
            raise WireError(f"a chunk of type {kind} is not an answer to {job.command.name}")
        if chunk.length > most:
            raise WireError(f"a chunk declares {chunk.length} bytes, more than the {most} there can be")
        payload = self._stream.receive(chunk.length)
        if is_error:
            self._errors[chunk.cookie] = self._errors.get(chunk.cookie, 0) + 1
            if self._errors[chunk.cookie] > _MOST_ERRORS:
                raise WireError("a reply holds errors without end")
            job.error = job.error or wire.parse_error(kind, payload)
        elif kind == ChunkType.NONE:
            if not chunk.is_done:
                raise WireError("a chunk that holds nothing is not the last")
        else:
            job.accept(kind, payload, self.export)


def open_connection(address: Address, access: Access, contexts: tuple[str, ...]) -> Connection:
    """Connect and shake hands, all within the time that one answer may take.

    ``WireError``, or ``OSError`` or ``ValueError`` if there is nobody to talk to.
    """
    stream = connect(address, Patience(access))
    try:
        return Connection(stream, shake_hands(stream, address, contexts))
    except BaseException:
        stream.close()
        raise
