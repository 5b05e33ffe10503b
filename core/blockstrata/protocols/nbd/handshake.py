"""The start of a conversation: TLS, how replies are framed, which contexts, which export.

Fixed newstyle: the client asks options one by one and the server replies to each.  Whatever a server sends
here is bounded, in length, number and time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from blockstrata.protocols.nbd import wire
from blockstrata.protocols.nbd.tls import tls_context
from blockstrata.protocols.nbd.wire import (
    BlockSizes,
    ExportFlag,
    HandshakeFlag,
    Info,
    Option,
    OptionReply,
    WireError,
)

if TYPE_CHECKING:
    from blockstrata.protocols.nbd.address import Address
    from blockstrata.protocols.nbd.stream import Stream

BASE_ALLOCATION: Final = "base:allocation"
ALLOCATION_DEPTH: Final = "qemu:allocation-depth"

_MOST_REPLIES: Final = 4096
"""Replies to one option, each a context or a piece of information."""
_CLIENT_FLAGS: Final = HandshakeFlag.FIXED_NEWSTYLE | HandshakeFlag.NO_ZEROES


@dataclass(frozen=True, slots=True)
class Export:
    """What was agreed on.

    ``size`` in bytes; ``blocks`` None if the server stated none; ``offered`` are the contexts that the server
    lists, ``contexts`` the ids and names of those that were chosen.
    """

    size: int
    flags: ExportFlag
    blocks: BlockSizes | None
    description: str
    offered: tuple[str, ...]
    contexts: dict[int, str]
    structured: bool
    extended: bool
    tls: str | None


def shake_hands(stream: Stream, address: Address, contexts: tuple[str, ...]) -> Export:
    """Agree on everything; ``WireError`` in the server's words or ours if that fails.

    ``contexts`` are asked for by name; with them QEMU's allocation depth, where it is offered.
    """
    flags = _greet(stream)
    tls = None
    if not flags & HandshakeFlag.FIXED_NEWSTYLE:
        if address.tls:
            raise WireError("the server does not know TLS")
        size, export_flags = _export_name(stream, address.export, flags)
        return Export(size, export_flags, None, "", (), {}, structured=False, extended=False, tls=None)
    if address.tls:
        _agree(stream, Option.STARTTLS, b"", "TLS")
        tls = stream.start_tls(*tls_context(address.tls, address.host))
    extended = _offers(stream, Option.EXTENDED_HEADERS)
    structured = extended or _offers(stream, Option.STRUCTURED_REPLY)
    offered: tuple[str, ...] = ()
    chosen: dict[int, str] = {}
    if structured:
        offered = tuple(name for _, name in _contexts(stream, Option.LIST_META_CONTEXT, address.export))
        wanted = dict.fromkeys((*contexts, *({ALLOCATION_DEPTH} & set(offered))))
        if wanted:
            chosen = dict(_contexts(stream, Option.SET_META_CONTEXT, address.export, *wanted))
        if not set(chosen.values()) <= set(wanted):
            raise WireError("the server chooses a metadata context that was not asked for")
    gone = _go(stream, address.export)
    if gone is None:
        size, export_flags = _export_name(stream, address.export, flags)
        return Export(size, export_flags, None, "", offered, chosen, structured, extended, tls)
    size, export_flags, blocks, description = gone
    return Export(size, export_flags, blocks, description, offered, chosen, structured, extended, tls)


def _greet(stream: Stream) -> HandshakeFlag:
    """Return the server's flags; those that both know are sent back."""
    if stream.receive(8) != wire.INIT_MAGIC:
        raise WireError("this is no NBD server")
    style = stream.receive(8)
    if style == wire.OLDSTYLE_MAGIC:
        raise WireError("the server speaks the oldstyle protocol, which is not spoken here")
    if style != wire.NEWSTYLE_MAGIC:
        raise WireError("this is no NBD server: its second magic number is wrong")
    flags = HandshakeFlag(int.from_bytes(stream.receive(2), "big") & _CLIENT_FLAGS)
    stream.send(int(flags).to_bytes(4, "big"))
    return flags


def _reply(stream: Stream, option: Option) -> tuple[int, bytes]:
    kind, length = wire.parse_option_reply(stream.receive(wire.OPTION_REPLY_HEADER.size), option)
    payload = stream.receive(length)
    if kind == OptionReply.ERR_TLS_REQD:
        raise WireError(wire.refusal(kind, payload))
    return kind, payload


def _offers(stream: Stream, option: Option) -> bool:
    """Say whether the server takes an option that has no payload."""
    stream.send(wire.pack_option(option))
    kind, _ = _reply(stream, option)
    if kind != OptionReply.ACK and not kind & wire.IS_ERROR_REPLY:
        raise WireError(f"the reply to {option.name} is of type {kind}")
    return kind == OptionReply.ACK


def _agree(stream: Stream, option: Option, payload: bytes, what: str) -> None:
    """Send an option that the server must take."""
    stream.send(wire.pack_option(option, payload))
    kind, said = _reply(stream, option)
    if kind & wire.IS_ERROR_REPLY:
        raise WireError(f"{what}: {wire.refusal(kind, said)}")
    if kind != OptionReply.ACK:
        raise WireError(f"the reply to {option.name} is of type {kind}")


def _contexts(stream: Stream, option: Option, export: str, *queries: str) -> list[tuple[int, str]]:
    """Return ids and names; none if the server does not take the option (GO will say what is wrong)."""
    stream.send(wire.pack_option(option, wire.pack_contexts(export, *queries)))
    found: list[tuple[int, str]] = []
    for _ in range(_MOST_REPLIES):
        kind, payload = _reply(stream, option)
        if kind == OptionReply.ACK or kind & wire.IS_ERROR_REPLY:
            if option is Option.SET_META_CONTEXT and len(dict(found)) < len(found):
                raise WireError("two metadata contexts have one id")
            return found if kind == OptionReply.ACK else []
        if kind != OptionReply.META_CONTEXT:
            raise WireError(f"the reply to {option.name} is of type {kind}")
        found.append(wire.parse_context(payload))
    raise WireError(f"the server replies to {option.name} without end")


def _go(stream: Stream, export: str) -> tuple[int, ExportFlag, BlockSizes | None, str] | None:
    """Return size, flags, block sizes and description; None if the server does not know GO."""
    payload = wire.pack_go(export, Info.DESCRIPTION, Info.BLOCK_SIZE)
    stream.send(wire.pack_option(Option.GO, payload))
    size, flags, blocks, description = None, ExportFlag(0), None, ""
    for _ in range(_MOST_REPLIES):
        kind, payload = _reply(stream, Option.GO)
        if kind == OptionReply.ERR_UNSUP:
            return None
        if kind & wire.IS_ERROR_REPLY:
            raise WireError(wire.refusal(kind, payload))
        if kind == OptionReply.ACK:
            if size is None:
                raise WireError("the server does not say how large the export is")
            return size, flags, blocks, description
        if kind != OptionReply.INFO or len(payload) < 2:
            raise WireError(f"the reply to GO is of type {kind}, with {len(payload)} bytes")
        match int.from_bytes(payload[:2], "big"):
            case Info.EXPORT:
                size, number = wire.parse_export(payload[2:])
                flags = ExportFlag(number)
            case Info.BLOCK_SIZE:
                blocks = wire.parse_block_sizes(payload[2:])
            case Info.DESCRIPTION:
                description = wire.text_of(payload[2 : 2 + wire.MAX_STRING])
    raise WireError("the server replies to GO without end")


def _export_name(stream: Stream, export: str, flags: HandshakeFlag) -> tuple[int, ExportFlag]:
    """Return size and flags by the older option, to which a server that says no just hangs up."""
    stream.send(wire.pack_option(Option.EXPORT_NAME, wire.pack_string(export)[4:]))
    size, number = wire.parse_export(stream.receive(10))
    if not flags & HandshakeFlag.NO_ZEROES:
        stream.receive(124)
    return size, ExportFlag(number)
