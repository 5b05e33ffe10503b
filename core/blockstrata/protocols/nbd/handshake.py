"""The start of a conversation: TLS, how replies are framed, which contexts, which export.

Fixed newstyle: the client asks options one by one and the server replies to each.  Whatever a server sends
here is bounded, in length, number and time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from blockstrata.naming.nbd import Address
from blockstrata.protocols.nbd import wire
from blockstrata.protocols.nbd.stream import Stream
from blockstrata.protocols.nbd.tls import tls_context
from blockstrata.protocols.nbd.wire import Info, Option, OptionReply, WireError

BASE_ALLOCATION: Final = "base:allocation"
ALLOCATION_DEPTH: Final = "qemu:allocation-depth"

_MOST_REPLIES: Final = 4096
"""Replies to one option, each a context or a piece of information."""
_CLIENT_FLAGS: Final = wire.HandshakeFlag.FIXED_NEWSTYLE | wire.HandshakeFlag.NO_ZEROES


@dataclass(frozen=True, slots=True)
class Export:
    """What was agreed on.

    ``size`` in bytes; ``blocks`` None if the server stated none; ``offered`` are the contexts that the server
    lists, ``contexts`` the ids and names of those that were chosen.
    """

    size: int
    flags: wire.ExportFlag
    blocks: wire.BlockSizes | None = None
    description: str = ""
    offered: tuple[str, ...] = ()
    contexts: dict[int, str] = field(default_factory=dict)
    structured: bool = False
    extended: bool = False
    tls: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The contexts that were chosen, each once, sorted."""
        return tuple(sorted(set(self.contexts.values())))


def shake_hands(stream: Stream, address: Address, contexts: tuple[str, ...]) -> Export:
    """Agree on everything; ``WireError`` in the server's words or ours if that fails.

    ``contexts`` are asked for by name; with them QEMU's allocation depth, where it is offered.
    """
    flags = _greet(stream)
    if not flags & wire.HandshakeFlag.FIXED_NEWSTYLE:
        if address.tls:
            raise WireError("the server does not support TLS")
        return _export_name(stream, address.export, flags)
    tls = None
    if address.tls:
        if refused := _refusal(stream, Option.STARTTLS):
            raise WireError(f"TLS: {refused}")
        tls = stream.start_tls(*tls_context(address.tls, address.host))
    extended = not _refusal(stream, Option.EXTENDED_HEADERS)
    structured = extended or not _refusal(stream, Option.STRUCTURED_REPLY)
    offered: tuple[str, ...] = ()
    chosen: dict[int, str] = {}
    if structured:
        offered = tuple(name for _, name in _contexts(stream, Option.LIST_META_CONTEXT, address.export))
        wanted = dict.fromkeys((*contexts, *({ALLOCATION_DEPTH} & set(offered))))
        if wanted:
            chosen = dict(_contexts(stream, Option.SET_META_CONTEXT, address.export, *wanted))
        if not set(chosen.values()) <= set(wanted):
            raise WireError("the server chooses a metadata context that was not asked for")
    export = _go(stream, address.export) or _export_name(stream, address.export, flags)
    return replace(
        export, offered=offered, contexts=chosen, structured=structured, extended=extended, tls=tls
    )


def _greet(stream: Stream) -> wire.HandshakeFlag:
    """Return the server's flags; those that both know are sent back."""
    if stream.receive(8) != wire.INIT_MAGIC:
        raise WireError("this is not an NBD server")
    style = stream.receive(8)
    if style == wire.OLDSTYLE_MAGIC:
        raise WireError("the server speaks the oldstyle protocol, which is not supported")
    if style != wire.NEWSTYLE_MAGIC:
        raise WireError("this is not an NBD server: its second magic number is wrong")
    flags = wire.HandshakeFlag(int.from_bytes(stream.receive(2), "big") & _CLIENT_FLAGS)
    stream.send(int(flags).to_bytes(4, "big"))
    return flags


def _replies(stream: Stream, option: Option, payload: bytes = b"") -> Iterator[tuple[int, bytes]]:
    """Send an option and yield type and payload of each reply, up to the one that ends it."""
    stream.send(wire.pack_option(option, payload))
    for _ in range(_MOST_REPLIES):
        kind, length = wire.parse_option_reply(stream.receive(wire.OPTION_REPLY_HEADER.size), option)
        said = stream.receive(length)
        if kind == OptionReply.ERR_TLS_REQD:
            raise WireError(wire.refusal(kind, said))
        yield kind, said
        if kind == OptionReply.ACK or kind & wire.IS_ERROR_REPLY:
            return
    raise WireError(f"the server replies to {option.name} without end")


def _refusal(stream: Stream, option: Option) -> str:
    """Return why the server does not take an option that has no payload; empty if it does."""
    kind, said = next(_replies(stream, option))
    if kind & wire.IS_ERROR_REPLY:
        return wire.refusal(kind, said)
    if kind != OptionReply.ACK:
        raise WireError(f"the reply to {option.name} is of type {kind}")
    return ""


def _contexts(stream: Stream, option: Option, export: str, *queries: str) -> list[tuple[int, str]]:
    """Return ids and names; none if the server does not take the option (GO will say what is wrong)."""
    found: list[tuple[int, str]] = []
    is_refused = False
    for kind, payload in _replies(stream, option, wire.pack_contexts(export, *queries)):
        if kind == OptionReply.META_CONTEXT:
            found.append(wire.parse_context(payload))
        elif kind & wire.IS_ERROR_REPLY:
            is_refused = True
        elif kind != OptionReply.ACK:
            raise WireError(f"the reply to {option.name} is of type {kind}")
    if option is Option.SET_META_CONTEXT and len(dict(found)) < len(found):
        raise WireError("two metadata contexts have one id")
    return [] if is_refused else found


def _go(stream: Stream, export: str) -> Export | None:
    """Return what is told of the export; None if the server does not know GO."""
    size, flags, blocks, description = None, wire.ExportFlag(0), None, ""
    for kind, payload in _replies(stream, Option.GO, wire.pack_go(export, Info.DESCRIPTION, Info.BLOCK_SIZE)):
        if kind == OptionReply.ERR_UNSUP:
            return None
        if kind & wire.IS_ERROR_REPLY:
            raise WireError(wire.refusal(kind, payload))
        if kind == OptionReply.ACK:
            break
        if kind != OptionReply.INFO or len(payload) < 2:
            raise WireError(f"the reply to GO is of type {kind}, with {len(payload)} bytes")
        match int.from_bytes(payload[:2], "big"):
            case Info.EXPORT:
                size, flags = wire.parse_export(payload[2:])
            case Info.BLOCK_SIZE:
                blocks = wire.parse_block_sizes(payload[2:])
            case Info.DESCRIPTION:
                description = wire.text_of(payload[2 : 2 + wire.MAX_STRING])
    if size is None:
        raise WireError("the server does not say how large the export is")
    return Export(size, flags, blocks, description)


def _export_name(stream: Stream, export: str, flags: wire.HandshakeFlag) -> Export:
    """Return size and flags by the older option, to which a server that says no just hangs up."""
    stream.send(wire.pack_option(Option.EXPORT_NAME, wire.pack_string(export)[4:]))
    size, export_flags = wire.parse_export(stream.receive(10))
    if not flags & wire.HandshakeFlag.NO_ZEROES:
        stream.receive(124)
    return Export(size, export_flags)
