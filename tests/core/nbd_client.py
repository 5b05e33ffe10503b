"""Scripts for the scripted NBD server, and what asks it as a user would."""

from __future__ import annotations

import struct
import time

import pytest
import scripted_nbd
from scripted_nbd import ACK, CONTEXT, EXTENDED, INFO, Talk

from blockstrata.access import Access
from blockstrata.errors import BlockstrataError, ServerError
from blockstrata.graph.opening import open_export

MIB = 1 << 20
PATIENT = Access(timeout=10)
IMPATIENT = Access(timeout=0.5)


def good(answer, **how):
    """Return a script that shakes hands and then lets ``answer(talk, request)`` speak."""

    def script(talk: Talk, _):
        talk.greet()
        talk.negotiate(**how)
        for asked in talk.requests():
            answer(talk, asked)

    return script


def one_line(error: BlockstrataError) -> str:
    text = str(error)
    assert text.isprintable()
    assert len(text) < 600
    return text


def refused(server, access=PATIENT, kind=ServerError, contexts=(), within=5):
    """Return the line with which opening, or asking for all block status, fails in so many seconds."""
    began = time.monotonic()
    with pytest.raises(kind) as caught:
        whole(server, access, contexts)
    assert time.monotonic() - began < within
    assert one_line(caught.value).startswith("nbd+unix://?socket=")
    return str(caught.value)


def whole(server, access=PATIENT, contexts=()):
    """Return (length, fact) of every run."""
    node = open_export(server.uri, access, contexts)
    try:
        extents = node.extents(0, node.length)
        return list(zip(extents.lengths.tolist(), extents.facts.tolist(), strict=True))
    finally:
        node.close()


def read(server, start, length, access=PATIENT):
    node = open_export(server.uri, access, ())
    try:
        return node.read(start, length)
    finally:
        node.close()


def haggling(**own):
    """Return a script whose replies to some options are its own."""

    def script(talk, _):
        talk.greet()
        talk.negotiate(own={getattr(scripted_nbd, name): reply for name, reply in own.items()})
        for _ in talk.requests():
            pass

    return script


def raw_reply(magic=0x3E889045565A9, option=EXTENDED, kind=ACK, length=0):
    return struct.pack(">QIII", magic, option, kind, length)


def replies(*pairs):
    """Return what replies to an option with (type, payload) one after the other."""

    def reply(talk, option):
        for kind, payload in pairs:
            talk.reply(option, kind, payload)

    return reply


def to(option, *pairs):
    return lambda talk, _: replies(*pairs)(talk, option)


EXPORT = (INFO, struct.pack(">HQH", 0, MIB, 1))


def sized(size):
    return (INFO, struct.pack(">HQH", 0, size, 1))


def blocks(*sizes):
    return (INFO, struct.pack(">HIII", 3, *sizes))


def context(number, name):
    return (CONTEXT, struct.pack(">I", number) + name)
