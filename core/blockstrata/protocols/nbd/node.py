"""An NBD export as a source of facts: what its server says of its bytes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Mapping as Dict
from typing import Final

import numpy as np

from blockstrata.access import Access, Probe
from blockstrata.errors import OpenError, ServerError, UnsupportedError
from blockstrata.facts.codes import MAX_LENGTH, Mapping, Storage, fact
from blockstrata.facts.extents import Extents, join, uniform
from blockstrata.facts.node import ProtocolNode, check_open, whole_sectors
from blockstrata.naming.nbd import Address
from blockstrata.protocols.nbd.connection import (
    Agenda,
    Connection,
    Job,
    ReadJob,
    RefusedError,
    StatusJob,
    open_connection,
)
from blockstrata.protocols.nbd.handshake import ALLOCATION_DEPTH, BASE_ALLOCATION
from blockstrata.protocols.nbd.patience import Pace
from blockstrata.protocols.nbd.status import Runs, StatusMap, runs_of
from blockstrata.protocols.nbd.stream import LostError, reason
from blockstrata.protocols.nbd.wire import MAX_STATUS_LENGTH, ExportFlag, Extent, Statuses, WireError

STORAGES: Final = (Storage.DATA, Storage.UNDEFINED, Storage.UNWRITTEN, Storage.HOLE)
"""What an export's storage is, by bit 0 HOLE and bit 1 ZERO of docs/semantics.md, "base:allocation"."""
_FACTS: Final = np.array([fact(Mapping.PASSTHROUGH, storage) for storage in STORAGES], np.uint8)
_OPAQUE: Final = fact(Mapping.PASSTHROUGH, Storage.OPAQUE)
_BEYOND: Final = fact(Mapping.PASSTHROUGH, Storage.BEYOND_EOF)

_QUESTIONS: Final = 16
"""Questions into which a window is cut, so that they are under way together."""
_LEAST_SLICE: Final = 1 << 28
_MOST_SLICE: Final = (1 << 32) - (1 << 25)
"""Bytes asked about at once where lengths have 32 bits; whole blocks of any size."""
_MOST_WINDOWS: Final = 64
_MOST_ASKED: Final = 1 << 50
"""Bytes asked about at all where lengths have 32 bits: some hundred thousand questions."""
_READ_SLICE: Final = 1 << 18
"""Bytes read at once; a slow line must carry them within the time limit."""
_RECONNECTS: Final = 3


class NbdNode(ProtocolNode):
    """An export of an NBD server.

    What the server says is asked as it is needed, and remembered.  Threads may share a node.
    """

    def __init__(self, address: Address, connection: Connection, contexts: tuple[str, ...], access: Access):
        export = connection.export
        super().__init__(address.name, "nbd", export.size)
        self.identity = address.identity
        self._address = address
        self._asked = contexts
        self._access = access
        self._connection: Connection | None = connection
        self._export = export
        self.contexts = export.names
        """The metadata contexts that the server answers in on this connection, sorted."""
        self._block = export.blocks.minimum if export.blocks else 1
        self._known = StatusMap()
        self._pace = Pace(export.size, access.timeout)
        self._heard = 0.0
        self._reconnects = 0
        self._failure: ServerError | None = None
        self._lock = threading.RLock()

    def extents(self, start: int, length: int) -> Extents:
        """Return the storage of a window of the export; past the end it is BEYOND_EOF.

        Without block status it is OPAQUE, and so is the tail of the last sector, as QEMU has it.
        ``ServerError`` if the server does not answer as it should.
        """
        end = start + length
        is_told = BASE_ALLOCATION in self.contexts and self._access.probe is not Probe.NONE
        last = max(start, min(end, self.length if is_told else whole_sectors(self.length)))
        inside = (
            self._storage(start, last) if is_told and start < last else uniform(start, last, _OPAQUE, start)
        )
        return join([inside, uniform(last, end, _BEYOND, last)])

    def status(self, context: str, start: int, length: int) -> Runs:
        """Return the types that the server gives a window in a context, as it gives them.

        ``UnsupportedError`` if it does not answer in that context; ``ServerError`` as :meth:`extents`.
        """
        if context not in self.contexts:
            offers = ", ".join(self._export.offered)
            what = f"is not offered, but {offers}" if offers else "is not offered; the server has none"
            raise UnsupportedError(self.name, f"context '{context}'", what)
        low, high = self._in_blocks(start, start + length)
        with self._lock:
            self._ask(low, high)
            return self._known.runs(self.contexts.index(context), start, start + length)

    def allocation_depth(self, start: int, length: int) -> Runs | None:
        """Return how deep in the server's chain a window's bytes lie, None if the server does not tell.

        Types: 0 allocated in no layer, 1 in the layer that is exported, N in the Nth
        (docs/semantics.md, "qemu:allocation-depth").
        """
        if ALLOCATION_DEPTH not in self.contexts:
            return None
        return self.status(ALLOCATION_DEPTH, start, length)

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes, zeroes past the end; ``ServerError`` if the server does not give them."""
        start, end = min(offset, self.length), min(offset + length, self.length)
        low, high = self._in_blocks(start, end)
        most = self._export.blocks.maximum if self._export.blocks else _READ_SLICE
        step = max(self._block, min(most, _READ_SLICE) // self._block * self._block)
        agenda = Agenda(ReadJob(at, min(step, high - at)) for at in range(low, high, step))
        parts: dict[int, bytes | bytearray] = {}

        def keep(job: Job) -> Iterable[Job]:
            assert isinstance(job, ReadJob)  # noqa: S101  the agenda holds no others
            parts[job.offset] = job.data
            return ()

        if start < end:
            self._run("read", agenda, keep)
        data = b"".join(parts[at] for at in sorted(parts))[start - low : end - low]
        return data + bytes(length - len(data))

    def notices(self) -> list[str]:
        """Say that the server does not tell what is a hole, if so."""
        found = []
        if BASE_ALLOCATION not in self.contexts:
            found.append("the server has no block status: its holes are unknown")
        if self._access.probe is Probe.FIEMAP:
            found.append("no FIEMAP over NBD; using the server's block status")
        return found

    def windows(self) -> Iterator[tuple[int, int, int]]:
        """Yield windows that take a few questions each; each counts as one table.

        ``ServerError`` at the first byte that is too far out to be asked about.
        """
        size = whole_sectors(self.length)
        most = size if self._export.extended else min(size, _MOST_ASKED)
        step = max(_QUESTIONS * _MOST_SLICE, -(-most // _MOST_WINDOWS >> 25) << 25)
        for start in range(0, size, step):
            length = min(step, size - start)
            self._require_askable(start + length)
            yield start, length, 1

    def features(self) -> Dict[str, object]:
        """Return what the server says of the export and what is spoken with it."""
        export, flags = self._export, self._export.flags
        found: dict[str, object] = {
            "export": self._address.export,
            "export-size": export.size,
            "description": export.description,
            "read-only": ExportFlag.READ_ONLY in flags,
            "rotational": ExportFlag.ROTATIONAL in flags,
            "multi-conn": ExportFlag.CAN_MULTI_CONN in flags,
            "tls": export.tls or False,
            "structured-replies": export.structured,
            "extended-headers": export.extended,
            "contexts": list(export.offered),
            "block-status": BASE_ALLOCATION in self.contexts,
        }
        if export.blocks:
            found |= {f"block-size-{name}": size for name, size in export.blocks._asdict().items()}
        return found

    def close(self) -> None:
        """Say goodbye and close the connection, also if another thread is asking over it."""
        super().close()
        self._hang_up(politely=True)

    def _in_blocks(self, start: int, end: int) -> tuple[int, int]:
        """Return start and end of the whole minimum blocks that hold a window."""
        block = self._block
        return start // block * block, min(-(-end // block) * block, self.length)

    def _storage(self, start: int, end: int) -> Extents:
        """Return what ``base:allocation`` says of a window inside the export, in whole minimum blocks.

        A block that is not of one type throughout counts as data, as in QEMU::

            server   ├─── data ───┼── hole ─────────┼─ data ─┤
            blocks   ├────┼────┼────┼────┼────┼────┼────┼────┤
            storage  ├──── data ────┼─── hole ─┼──── data ───┤
        """
        block = self._block
        low, high = self._in_blocks(start, end)
        runs = self.status(BASE_ALLOCATION, low, high - low)
        edges, types = runs.edges, (runs.types & np.uint64(3)).astype(np.uint8)
        inner = edges[1:-1]
        inside = inner[inner % block != 0]
        if len(inside):
            # np.unique loads numpy's masked arrays, which takes longer than most exports
            mixed = np.unique(inside // block) * block
            aligned = edges[edges % block == 0]
            starts = np.unique(np.concatenate([aligned[aligned < high], mixed, mixed + block]))
            starts = starts[starts < high]
            at = np.searchsorted(edges, starts, side="right") - 1
            types = np.where(np.isin(starts, mixed), np.uint8(0), types[at])
            edges = np.append(starts, high)
        return Extents(edges, _FACTS[types], edges[:-1].copy()).coalesce().cut(start, end)

    def _ask(self, start: int, end: int) -> None:
        """Ask the server for what is not known of a window in whole blocks."""
        gaps = self._known.gaps(start, end)
        self._require_askable(sum(high - low for low, high in gaps))
        self._run("block status", Agenda(self._status_jobs(gaps)), self._remember)

    def _status_jobs(self, gaps: list[tuple[int, int]]) -> Iterator[StatusJob]:
        """Yield questions about whole blocks of some ranges."""
        most = MAX_STATUS_LENGTH if self._export.extended else _MOST_SLICE
        for low, high in gaps:
            share = -(-(high - low) // _QUESTIONS // self._block) * self._block
            step = min(most, max(_LEAST_SLICE, share))
            for at in range(low, high, step):
                yield StatusJob(at, min(step, high - at))

    def _require_askable(self, length: int) -> None:
        """``ServerError`` if so many bytes take too many questions."""
        if not self._export.extended and length > _MOST_ASKED:
            what = "of more than 1 PiB needs extended headers, which the server does not support"
            raise ServerError(self.name, "block status", what)

    def _remember(self, job: Job) -> Iterable[Job]:
        """Keep an answer as far as it goes in every context, and ask for the rest."""
        assert isinstance(job, StatusJob)  # noqa: S101  the agenda holds no others
        start, asked_end = job.offset, job.offset + job.length
        told = [job.found[name] for name in self.contexts]
        extents = [each for each in told if isinstance(each, Extent)]
        if len(extents) == len(told) and all(each.length == job.length for each in extents):
            end = asked_end
            self._known.add_one(start, end, tuple([each.type for each in extents]))
        else:
            end = self._add(start, asked_end, told)
        before, self._heard = self._heard, time.monotonic()
        self._pace.heard(end - start, self._heard - before, is_short=end < asked_end)
        return [StatusJob(end, asked_end - end)] if end < asked_end else []

    def _add(self, start: int, asked_end: int, told: list[Extent | Statuses]) -> int:
        """Keep an answer as far as it goes in every context, and return up to where that is."""
        found = [runs_of(start, each) for each in told]
        end = min(runs.end for runs in found)
        if end < asked_end:
            end = end // self._block * self._block
        if end == start:
            # less than a block is told, and less cannot be asked for
            end = min(start + self._block, asked_end)
            found = [_stretched(name, runs, end) for name, runs in zip(self.contexts, found, strict=True)]
        self._known.add(tuple(runs.cut(start, end) for runs in found))
        return end

    def _run(self, what: str, agenda: Agenda, done: Callable[[Job], Iterable[Job]]) -> None:
        """Ask questions; a lost connection is made again a few times."""
        with self._lock:
            if self._failure:
                raise self._failure
            try:
                while True:
                    connection = self._connection
                    if connection is None:
                        raise WireError("the connection was closed")
                    self._heard = time.monotonic()
                    try:
                        connection.run(agenda, done)
                    except LostError as error:
                        self._reconnect(error)
                    else:
                        return
            except RefusedError as error:
                raise ServerError(self.name, what, str(error)) from None
            except WireError as error:
                self._hang_up()
                check_open(self)
                self._failure = ServerError(self.name, what, str(error))
                raise self._failure from None
            except BaseException:
                self._hang_up()
                raise

    def _reconnect(self, lost: LostError) -> None:
        self._hang_up()
        check_open(self)
        if self._reconnects == _RECONNECTS:
            raise WireError(f"{lost}, {_RECONNECTS + 1} times")
        self._reconnects += 1
        try:
            connection = open_connection(self._address, self._access, self._asked)
        except (OSError, ValueError, WireError) as error:
            raise WireError(f"{lost}; then: {reason(error) or 'no answer'}") from None
        self._connection = connection
        again = connection.export
        if (again.size, again.blocks, again.names) != (self.length, self._export.blocks, self.contexts):
            raise WireError(f"{lost}; then it was another export")
        self._export = again

    def _hang_up(self, *, politely: bool = False) -> None:
        connection, self._connection = self._connection, None
        if connection:
            connection.close(politely=politely)


def _stretched(context: str, runs: Runs, end: int) -> Runs:
    """Return runs that reach up to a byte; of what was not told, no zeroes and no hole are promised."""
    if runs.end >= end:
        return runs
    types = np.zeros_like(runs.types) if context == BASE_ALLOCATION else runs.types
    return Runs(np.append(runs.edges[:-1], end), types)


def open_nbd(address: Address, access: Access, contexts: tuple[str, ...] = ()) -> NbdNode:
    """Connect to an export; block status is asked for in ``base:allocation`` and the ``contexts`` named.

    ``OpenError`` if nobody listens, ``ServerError`` if the server says no, comes too late or makes no sense,
    ``UnsupportedError`` for a size that is past all bounds.
    """
    contexts = (BASE_ALLOCATION, *contexts)
    try:
        connection = open_connection(address, access, contexts)
    except WireError as error:
        raise ServerError(address.name, "", str(error)) from None
    except (OSError, ValueError) as error:
        raise OpenError(address.name, "", reason(error)) from None
    export = connection.export
    fault: UnsupportedError | ServerError | None = None
    if export.size > MAX_LENGTH:
        fault = UnsupportedError(address.name, "", f"{export.size} bytes are 8 EiB or more")
    elif export.blocks and export.size % export.blocks.minimum:
        what = f"{export.size} bytes are not a whole number of blocks of {export.blocks.minimum}"
        fault = ServerError(address.name, "export size", what)
    if fault:
        connection.close(politely=True)
        raise fault
    return NbdNode(address, connection, contexts, access)
