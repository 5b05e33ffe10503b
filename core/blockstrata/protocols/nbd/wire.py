"""The NBD protocol's numbers and byte layouts, as functions of bytes: no socket is touched here.

Names are those of the protocol's description (``doc/proto.md`` of the NBD project) without their prefixes.
Every number on the wire is big-endian.  What a server sends is never believed: ``WireError`` says in a few
words what is wrong with it.
"""

from __future__ import annotations

import errno
import struct
from enum import IntEnum, IntFlag
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray


class WireError(Exception):
    """The server breaks the protocol, or does not answer in time."""


INIT_MAGIC: Final = b"NBDMAGIC"
NEWSTYLE_MAGIC: Final = b"IHAVEOPT"
OLDSTYLE_MAGIC: Final = bytes.fromhex("0000420281861253")
OPTION_REPLY_MAGIC: Final = 0x0003E889045565A9
REQUEST_MAGIC: Final = 0x25609513
EXTENDED_REQUEST_MAGIC: Final = 0x21E41C71
SIMPLE_REPLY_MAGIC: Final = 0x67446698
STRUCTURED_REPLY_MAGIC: Final = 0x668E33EF
EXTENDED_REPLY_MAGIC: Final = 0x6E8A278C

MAX_STRING: Final = 4096
"""Bytes of a name or message; the protocol's own limit."""
MAX_OPTION_PAYLOAD: Final = 1 << 16
"""Bytes of an option's reply: more than any name, message or list of sizes takes."""
MAX_STATUS_PAYLOAD: Final = 1 << 25
"""Bytes of a block status chunk: 4 million extents, far more than servers put into one."""


class HandshakeFlag(IntFlag):
    """What the server offers, and we take, before options are haggled over."""

    FIXED_NEWSTYLE = 1
    NO_ZEROES = 2


class Option(IntEnum):
    """The options that are asked for."""

    EXPORT_NAME = 1
    STARTTLS = 5
    GO = 7
    STRUCTURED_REPLY = 8
    LIST_META_CONTEXT = 9
    SET_META_CONTEXT = 10
    EXTENDED_HEADERS = 11


IS_ERROR_REPLY: Final = 1 << 31


class OptionReply(IntEnum):
    """How a server replies to an option; of the errors, those that are told apart."""

    ACK = 1
    INFO = 3
    META_CONTEXT = 4
    ERR_UNSUP = IS_ERROR_REPLY | 1
    ERR_TLS_REQD = IS_ERROR_REPLY | 5


_REFUSALS: Final = {
    1: "the server does not know this",
    2: "the server's policy forbids it",
    3: "the server says that the request is invalid",
    4: "the server's platform does not support this",
    5: "the server requires TLS; use nbds:// or nbds+unix://",
    6: "the server has no export of this name",
    7: "the server is shutting down",
    8: "the server requires other block sizes",
    9: "the server says that the request is too large",
    10: "the server requires extended headers, which it does not offer",
}
"""What the errors mean, by number without bit 31."""


class Info(IntEnum):
    """The kinds of information that come with GO."""

    EXPORT = 0
    DESCRIPTION = 2
    BLOCK_SIZE = 3


class ExportFlag(IntFlag):
    """What holds for an export, as far as it is told here."""

    READ_ONLY = 1 << 1
    ROTATIONAL = 1 << 4
    CAN_MULTI_CONN = 1 << 8


class Command(IntEnum):
    """The commands that are sent; none of them writes."""

    READ = 0
    DISC = 2
    BLOCK_STATUS = 7


CHUNK_DONE: Final = 1
"""The flag of the last chunk of a reply."""
IS_ERROR_CHUNK: Final = 1 << 15


class ChunkType(IntEnum):
    """What a chunk of a structured reply holds."""

    NONE = 0
    OFFSET_DATA = 1
    OFFSET_HOLE = 2
    BLOCK_STATUS = 5
    BLOCK_STATUS_EXT = 6
    ERROR_OFFSET = IS_ERROR_CHUNK | 2


OPTION_REPLY_HEADER: Final = struct.Struct(">QIII")
SIMPLE_REPLY_REST: Final = struct.Struct(">IQ")
STRUCTURED_REPLY_REST: Final = struct.Struct(">HHQI")
EXTENDED_REPLY_REST: Final = struct.Struct(">HHQQQ")
_OPTION: Final = struct.Struct(">8sII")
_REQUEST: Final = struct.Struct(">IHHQQI")
_EXTENDED_REQUEST: Final = struct.Struct(">IHHQQQ")
_ONE_EXTENT: Final = struct.Struct(">III")
_ONE_EXTENT_EXT: Final = struct.Struct(">IIQQ")


# ---------------------------------------------------------------- options


def pack_option(option: int, payload: bytes = b"") -> bytes:
    """Return an option as it is sent."""
    return _OPTION.pack(NEWSTYLE_MAGIC, option, len(payload)) + payload


def pack_string(text: str) -> bytes:
    """Return a text's length and the text; ``WireError`` if it is longer than the protocol allows."""
    raw = text.encode("utf-8", "surrogateescape")
    if len(raw) > MAX_STRING:
        raise WireError(f"a name of {len(raw)} bytes is longer than the protocol allows ({MAX_STRING})")
    return struct.pack(">I", len(raw)) + raw


def pack_go(export: str, *infos: Info) -> bytes:
    """Return the payload of GO."""
    return pack_string(export) + struct.pack(f">H{len(infos)}H", len(infos), *infos)


def pack_contexts(export: str, *queries: str) -> bytes:
    """Return the payload of LIST_META_CONTEXT and SET_META_CONTEXT."""
    packed = [pack_string(query) for query in queries]
    return pack_string(export) + struct.pack(">I", len(queries)) + b"".join(packed)


def parse_option_reply(raw: bytes, option: int) -> tuple[int, int]:
    """Return type and payload length of the reply to an option."""
    magic, replied, kind, length = OPTION_REPLY_HEADER.unpack(raw)
    if magic != OPTION_REPLY_MAGIC:
        raise WireError(f"an option's reply starts with {magic:#x}, not with its magic number")
    if replied != option:
        raise WireError(f"option {option} was asked, the reply is to option {replied}")
    if length > MAX_OPTION_PAYLOAD:
        raise WireError(f"an option's reply declares {length} bytes")
    return kind, length


def refusal(kind: int, payload: bytes) -> str:
    """Return what an error reply to an option says, the server's own words included."""
    number, said = kind ^ IS_ERROR_REPLY, text_of(payload[:MAX_STRING])
    words = _REFUSALS.get(number, f"the server replies with error {number}")
    return f"{words}: {said}" if said else words


def text_of(raw: bytes) -> str:
    """Return a name or message from the wire."""
    return raw.decode("utf-8", "surrogateescape")


def parse_context(payload: bytes) -> tuple[int, str]:
    """Return id and name of a metadata context."""
    if not 4 < len(payload) <= 4 + MAX_STRING:
        raise WireError(f"a metadata context's reply of {len(payload)} bytes")
    return int.from_bytes(payload[:4], "big"), text_of(payload[4:])


class BlockSizes(NamedTuple):
    """The lengths, in bytes, that a server states for requests."""

    minimum: int
    preferred: int
    maximum: int


def parse_export(payload: bytes) -> tuple[int, ExportFlag]:
    """Return size in bytes and flags, from an INFO reply past its type."""
    if len(payload) != 10:
        raise WireError(f"the export's size and flags take {len(payload)} bytes, not 10")
    return int.from_bytes(payload[:8], "big"), ExportFlag(int.from_bytes(payload[8:], "big"))


def parse_block_sizes(payload: bytes) -> BlockSizes:
    """Return the block sizes, from an INFO reply past its type."""
    if len(payload) != 12:
        raise WireError(f"the block sizes take {len(payload)} bytes, not 12")
    sizes = BlockSizes(*struct.unpack(">3I", payload))
    if sizes.minimum.bit_count() != 1 or sizes.minimum > 1 << 25:
        raise WireError(f"the minimum block size is {sizes.minimum}")
    if sizes.maximum < sizes.minimum:
        raise WireError(f"the maximum block size, {sizes.maximum}, is below the minimum, {sizes.minimum}")
    return sizes


# ---------------------------------------------------------------- requests and replies


def pack_request(
    command: Command, cookie: int, offset: int = 0, length: int = 0, *, extended: bool = False
) -> bytes:
    """Return a request without flags and payload; lengths have 64 bits if extended, else 32."""
    if extended:
        return _EXTENDED_REQUEST.pack(EXTENDED_REQUEST_MAGIC, 0, command, cookie, offset, length)
    return _REQUEST.pack(REQUEST_MAGIC, 0, command, cookie, offset, length)


class Chunk(NamedTuple):
    """The header of a reply, or of one chunk of it.  ``kind`` is None for a simple reply."""

    cookie: int
    kind: int | None
    length: int
    is_done: bool
    error: int = 0


def rest_of_reply(magic: bytes, *, structured: bool, extended: bool) -> struct.Struct:
    """Return the layout of what follows a reply's magic number; ``WireError`` if it is none we agreed on."""
    number = int.from_bytes(magic, "big")
    if number == EXTENDED_REPLY_MAGIC and extended:
        return EXTENDED_REPLY_REST
    if number == STRUCTURED_REPLY_MAGIC and structured and not extended:
        return STRUCTURED_REPLY_REST
    if number == SIMPLE_REPLY_MAGIC and not extended:
        return SIMPLE_REPLY_REST
    raise WireError(f"a reply starts with {number:#x}, which is not a magic number that was agreed on")


def parse_reply(rest: struct.Struct, raw: bytes) -> Chunk:
    """Return a reply's header from what follows its magic number."""
    if rest is SIMPLE_REPLY_REST:
        error, cookie = rest.unpack(raw)
        return Chunk(cookie, None, 0, is_done=True, error=error)
    flags, kind, cookie, *_, length = rest.unpack(raw)
    return Chunk(cookie, kind, length, is_done=bool(flags & CHUNK_DONE))


def parse_error(kind: int, payload: bytes) -> str:
    """Return what an error chunk says: number, the server's own words, and where if it tells.

    ``WireError`` if its length fields do not add up.
    """
    if len(payload) < 6:
        raise WireError(f"an error chunk of {len(payload)} bytes")
    number, said = struct.unpack_from(">IH", payload)
    message, rest = payload[6 : 6 + said], payload[6 + said :]
    if len(message) != said or said > MAX_STRING or (kind == ChunkType.ERROR_OFFSET and len(rest) != 8):
        raise WireError("an error chunk's lengths do not add up")
    where = f" at byte {int.from_bytes(rest, 'big')}" if kind == ChunkType.ERROR_OFFSET else ""
    return error_words(number) + where + (f": {text_of(message)}" if message else "")


def error_words(number: int) -> str:
    """Return the words for an error number of the protocol, which are Linux's."""
    name = errno.errorcode.get(number)
    return f"the server answers with {name}" if name else f"the server answers with error {number}"


class Statuses(NamedTuple):
    """One context's part of a reply: n extents one after the other, from the byte that was asked for.

    ``lengths`` int64 of shape (n,), bytes, positive; ``types`` uint64 of shape (n,).
    """

    context: int
    lengths: NDArray[np.int64]
    types: NDArray[np.uint64]


class Extent(NamedTuple):
    """One context's part of a reply that is one extent, as most are; lengths in bytes."""

    context: int
    length: int
    type: int


MAX_STATUS_LENGTH: Final = 1 << 60
"""Bytes that one request for block status may ask about, so that sums of extents stay below 2**63."""


def parse_extent(payload: bytes, asked: int, *, extended: bool) -> Extent | None:
    """Return the extent of a block status chunk clipped as :func:`parse_status` does; None if it is not one.

    Arrays for two numbers would take longer than the wire.
    """
    layout = _ONE_EXTENT_EXT if extended else _ONE_EXTENT
    if len(payload) != layout.size:
        return None
    context, *count, length, kind = layout.unpack(payload)
    if not length or count not in ([], [1]):
        return None
    return Extent(context, min(length, asked), kind)


def parse_status(payload: bytes, asked: int, *, extended: bool) -> Statuses:
    """Return the extents of a block status chunk, the last one clipped at the ``asked`` length in bytes.

    A server may end before, and may say of the last extent that it goes on past what was asked.  An extent of
    no bytes ends what is told, as in libnbd since 1.18; the first must have some, as in QEMU::

        asked    ├───────────────────────┤
        answer   ├── 0 ──┼── 3 ──┼───── 0 ────┤     clipped
                 ├── 0 ──┼─ 3 ─┤                    short: the rest is asked again
                 ├── 0 ──┼┼───── 3 ──────┤          short as well: the second has no bytes
                 ├── 0 ──┼───────── 3 ────┼─ 0 ─┤   more than was asked: WireError
    """
    head = 8 if extended else 4
    field = np.dtype(">u8" if extended else ">u4")
    count, odd = divmod(len(payload) - head, 2 * field.itemsize)
    if count < 1 or odd:
        raise WireError(f"a block status chunk of {len(payload)} bytes")
    if extended and int.from_bytes(payload[4:8], "big") != count:
        raise WireError(f"a block status chunk of {count} extents that states another number")
    pairs = np.frombuffer(payload, field, offset=head).reshape(-1, 2).astype(np.uint64)
    if not pairs[:, 0].all():
        count = int(pairs[:, 0].argmin())
        pairs = pairs[:count]
    if not count:
        raise WireError("the first extent has no bytes")
    lengths, types = pairs[:, 0], pairs[:, 1].copy()
    lengths = np.minimum(lengths, np.uint64(asked))
    # the sum of many long extents does not fit; its rough size tells how many of them can matter
    many = int(np.searchsorted(np.cumsum(lengths.astype(np.float64)), 2.0 * asked)) + 1
    ends = np.cumsum(lengths[:many].astype(np.int64))
    needed = int(np.searchsorted(ends, asked)) + 1
    if needed < count:
        raise WireError(f"{count - needed} extents are past the requested range")
    clipped = lengths.astype(np.int64)
    clipped[-1] -= max(0, int(ends[-1]) - asked)
    return Statuses(int.from_bytes(payload[:4], "big"), clipped, types)


def parse_bytes(kind: int, payload: bytes) -> tuple[int, int, bytes | None]:
    """Return offset and length of a chunk of data or of a hole, and the bytes; None stands for zeroes."""
    if kind == ChunkType.OFFSET_DATA:
        if len(payload) <= 8:
            raise WireError("a data chunk without data")
        return int.from_bytes(payload[:8], "big"), len(payload) - 8, payload[8:]
    if len(payload) != 12:
        raise WireError(f"a hole's chunk of {len(payload)} bytes")
    offset, length = struct.unpack(">QI", payload)
    if not length:
        raise WireError("a hole of no bytes")
    return offset, length, None
