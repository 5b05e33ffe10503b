"""A server that breaks the protocol in every way it can: one clear line, in time, and nothing grows."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import struct
import subprocess
import sys
import threading
import time
import tracemalloc

import pytest
from click.testing import CliRunner
from heeding import HEEDING
from nbd_client import (
    EXPORT,
    IMPATIENT,
    MIB,
    PATIENT,
    blocks,
    context,
    good,
    haggling,
    one_line,
    raw_reply,
    read,
    refused,
    sized,
    to,
    whole,
)
from scripted_nbd import (
    ACK,
    BLOCK_STATUS,
    BLOCK_STATUS_EXT,
    CONTEXT,
    DATA,
    ERROR,
    ERROR_OFFSET,
    EXTENDED,
    GO,
    HOLE,
    INFO,
    LIST_CONTEXTS,
    NONE,
    POLICY,
    READ,
    SET_CONTEXTS,
    STRUCTURED,
    TLS_REQUIRED,
    UNKNOWN,
    UNSUPPORTED,
)

from blockstrata.access import Access
from blockstrata.errors import (
    BadReferenceError,
    ClosedError,
    OpenError,
    ServerError,
    UnsupportedError,
)
from blockstrata.facts import codes as facts
from blockstrata.graph.chain import open_chain
from blockstrata.graph.opening import open_export
from blockstrata.guest.chain_reader import Reader
from blockstrata.protocols.nbd import node as nbd_node
from blockstrata.protocols.nbd import patience
from blockstrata.protocols.nbd.wire import MAX_STATUS_PAYLOAD
from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.app.setup import Setup
from blockstrata_viewer.cli.group import main
from blockstrata_viewer.model.opening import Opening

DEPTH = "qemu:allocation-depth"
D, U, W, H = (
    facts.fact(facts.Mapping.PASSTHROUGH, storage)
    for storage in (facts.Storage.DATA, facts.Storage.UNDEFINED, facts.Storage.UNWRITTEN, facts.Storage.HOLE)
)


# ---------------------------------------------------------------- the greeting


@pytest.mark.parametrize(
    ("greeting", "says"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "this is not an NBD server"),
        (b"NBDMAGIC\x00\x00\x42\x02\x81\x86\x12\x53" + bytes(136), "oldstyle protocol"),
        (b"NBDMAGICIHAVEOPS\0\3", "second magic number is wrong"),
        (b"", "closed the connection"),
        (b"NBDMAG", "closed the connection"),
        (bytes(200), "this is not an NBD server"),
    ],
)
def test_a_wrong_greeting(serve, greeting, says):
    assert says in refused(serve(lambda talk, _: talk.send(greeting)))


@pytest.mark.parametrize("greeting", [b"", b"NBDMAGIC"])
def test_silence_ends_in_time(serve, greeting):
    def script(talk, _):
        talk.send(greeting)
        talk.receive(1)

    assert "no answer within 0.5 seconds" in refused(serve(script), IMPATIENT)


def test_a_trickle_ends_in_time_too(serve):
    def script(talk, _):
        for byte in b"NBDMAGICIHAVEOPT\0\3":
            talk.send(bytes([byte]))
            time.sleep(0.1)

    assert "no answer within 0.5 seconds" in refused(serve(script), IMPATIENT)


def test_nobody_listens(tmp_path):
    with pytest.raises(OpenError, match="No such file or directory") as caught:
        open_export(f"nbd+unix:///?socket={tmp_path}/none", PATIENT, ())
    one_line(caught.value)
    with pytest.raises(OpenError, match="Connection refused"):
        open_export("nbd://127.0.0.1:1", PATIENT, ())
    with pytest.raises(OpenError, match="too long"):
        open_export(f"nbd+unix:///?socket=/{'x' * 200}", PATIENT, ())
    with pytest.raises(BadReferenceError, match="null"):
        open_export("nbd+unix:///?socket=/a%00b", PATIENT, ())


# ---------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("own", "says"),
    [
        ({"EXTENDED": lambda talk, _: talk.send(raw_reply(magic=5))}, "not with its magic number"),
        ({"EXTENDED": lambda talk, _: talk.send(raw_reply(option=9))}, "the reply is to option 9"),
        ({"EXTENDED": lambda talk, _: talk.send(raw_reply(length=0xFFFFFFFF))}, "declares 4294967295 bytes"),
        ({"EXTENDED": to(EXTENDED, (77, b""))}, "the reply to EXTENDED_HEADERS is of type 77"),
        ({"STRUCTURED": to(STRUCTURED, (INFO, b"xx"))}, "the reply to STRUCTURED_REPLY is of type 3"),
        ({"LIST_CONTEXTS": to(LIST_CONTEXTS, (INFO, b"xx"))}, "the reply to LIST_META_CONTEXT is of type 3"),
        ({"LIST_CONTEXTS": to(LIST_CONTEXTS, (CONTEXT, b"\0\0\0"))}, "reply of 3 bytes"),
        (
            {"LIST_CONTEXTS": to(LIST_CONTEXTS, *[context(0, b"a:b")] * 5000)},
            "replies to LIST_META_CONTEXT without end",
        ),
        ({"GO": to(GO, *[EXPORT] * 5000)}, "replies to GO without end"),
        (
            {"SET_CONTEXTS": to(SET_CONTEXTS, context(1, b"evil:\x1b[31m"), (ACK, b""))},
            "chooses a metadata context that was not asked for",
        ),
        (
            {
                "SET_CONTEXTS": to(
                    SET_CONTEXTS, context(1, b"base:allocation"), context(1, b"a:b"), (ACK, b"")
                )
            },
            "two metadata contexts have one id",
        ),
        ({"GO": to(GO, (ACK, b""))}, "does not say how large"),
        ({"GO": to(GO, (INFO, b"\0"))}, "the reply to GO is of type 3, with 1 bytes"),
        ({"GO": to(GO, (INFO, b"\0\0\1"), (ACK, b""))}, "size and flags take 1 bytes"),
        ({"GO": to(GO, (ACK + 100, b""))}, "the reply to GO is of type 101"),
        ({"GO": to(GO, (UNKNOWN, b"no \x1b[31mx\n\xff"))}, r"no export of this name: no \x1b[31mx\x0a\xff"),
        ({"GO": to(GO, (POLICY, b""))}, "policy forbids"),
        ({"GO": to(GO, (1 << 31 | 999, b""))}, "replies with error 999"),
        ({"EXTENDED": to(EXTENDED, (TLS_REQUIRED, b""))}, "requires TLS; use nbds://"),
        ({"GO": to(GO, EXPORT, (INFO, b"\0\3" + bytes(11)), (ACK, b""))}, "block sizes take 11 bytes"),
        ({"GO": to(GO, EXPORT, blocks(0, 4096, 65536), (ACK, b""))}, "the minimum block size is 0"),
        ({"GO": to(GO, EXPORT, blocks(3, 4096, 65536), (ACK, b""))}, "the minimum block size is 3"),
        (
            {"GO": to(GO, EXPORT, blocks(1 << 31, 1 << 31, 1 << 31), (ACK, b""))},
            "minimum block size is 2147483648",
        ),
        ({"GO": to(GO, EXPORT, blocks(512, 512, 511), (ACK, b""))}, "maximum block size, 511, is below"),
        (
            {"GO": to(GO, sized(1000), blocks(512, 512, 4096), (ACK, b""))},
            "not a whole number of blocks of 512",
        ),
        ({"GO": lambda talk, _: talk.plug.shutdown(2)}, "closed the connection"),
    ],
)
def test_wrong_options(serve, own, says):
    assert says in refused(serve(haggling(**own)))


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        ((512, 512, 0), "the maximum block size, 0, is below the minimum, 512"),
        ((0, 0, 0), "the minimum block size is 0"),
        ((1 << 26, 1 << 26, 0xFFFFFFFF), "the minimum block size is 67108864"),
        ((0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF), "the minimum block size is 4294967295"),
    ],
)
def test_block_sizes_that_make_no_sense(serve, sizes, says):
    assert says in refused(serve(haggling(GO=to(GO, EXPORT, blocks(*sizes), (ACK, b"")))))


@pytest.mark.parametrize("sizes", [(512, 1, 4096), (4096, 0, 4096), (1, 3, 5), (1 << 20, 1, 0xFFFFFFFF)])
def test_a_preferred_size_is_no_more_than_that(serve, sizes):
    """Nothing is asked in preferred blocks, so that any will do, also one below the minimum."""

    def answer(talk, asked):
        assert asked.offset % sizes[0] == asked.length % sizes[0] == 0
        talk.status(asked, (asked.length, 3))

    assert whole(serve(good(answer, block=sizes))) == [(MIB, H)]


def test_a_name_of_as_many_bytes_as_there_may_be(serve):
    server = serve(good(lambda t, a: t.status(a, (a.length, 3))))
    for name, says in (("x" * 4096, ""), ("x" * 4097, "a name of 4097 bytes is longer than")):
        uri = server.uri.replace("///", f"///{name}")
        if says:
            with pytest.raises(ServerError, match=says) as caught:
                open_export(uri, PATIENT, ())
            assert str(caught.value).isprintable()
        else:
            node = open_export(uri, PATIENT, ())
            assert node.extents(0, MIB).facts.tolist() == [H]
            node.close()


@pytest.mark.parametrize("size", [2**64 - 1, 2**63, 2**63 - 511])
def test_a_size_past_all_bounds(serve, size):
    line = refused(serve(haggling(GO=to(GO, sized(size), (ACK, b"")))), kind=UnsupportedError)
    assert f"{size} bytes are 8 EiB or more" in line


def test_endless_replies_are_given_up_in_time(serve):
    def reply(talk, _):
        while True:
            talk.reply(GO, INFO, b"\0\2slow")
            time.sleep(0.01)

    assert "no answer within 0.5 seconds" in refused(serve(haggling(GO=reply)), IMPATIENT)


def test_a_server_without_tls(serve):
    server = serve(good(lambda *_: None))
    with pytest.raises(ServerError, match="TLS: the server does not know this"):
        open_export(server.uri.replace("nbd+", "nbds+"), PATIENT, ())


def test_nothing_in_the_clear_is_taken_for_tls(serve):
    def starttls(talk, _):
        talk.send(struct.pack(">QIII", 0x3E889045565A9, 5, ACK, 0) + b"injected")

    def script(talk, _):
        talk.greet()
        talk.negotiate(own={5: starttls})

    server = serve(script)
    with pytest.raises(ServerError, match="in the clear where TLS should start"):
        open_export(server.uri.replace("nbd+", "nbds+"), PATIENT, ())


def test_a_server_that_knows_no_go(serve):
    def script(talk, _):
        talk.greet()
        talk.negotiate(own={GO: to(GO, (UNSUPPORTED, b""))})
        talk.negotiate(size=5000)
        for asked in talk.requests():
            talk.status(asked, (asked.length, 3))

    assert whole(serve(script)) == [(5000, H)]


def test_a_server_that_knows_no_option_at_all(serve):
    def script(talk, _):
        talk.greet(flags=0)
        option, name = talk.option()
        assert (option, name) == (1, b"")
        talk.send(struct.pack(">QH", 1000, 1), bytes(124))
        for asked in talk.requests():
            assert asked.command == READ
            talk.send(struct.pack(">IIQ", 0x67446698, 0, asked.cookie), bytes(range(200)) * 5)

    server = serve(script)
    assert whole(server) == [(1000, facts.fact(facts.Mapping.PASSTHROUGH, facts.Storage.OPAQUE))]
    assert read(server, 0, 1010) == bytes(range(200)) * 5 + bytes(10)


# ---------------------------------------------------------------- block status


def raw_status(*numbers):
    return struct.pack(f">{len(numbers)}I", *numbers)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda t, _: t.send(bytes(20)), "a reply starts with 0x0"),
        (
            lambda t, a: t.send(struct.pack(">IHHQQQ", 0x6E8A278C, 1, 6, a.cookie, 0, 0)),
            "starts with 0x6e8a278c",
        ),
        (lambda t, a: t.chunk(a._replace(cookie=a.cookie + 99), BLOCK_STATUS), "which was not asked"),
        (lambda t, a: t.send(t.header(a.cookie, BLOCK_STATUS, 0xFFFFFFFF)), "declares 4294967295 bytes"),
        (lambda t, a: t.send(t.header(a.cookie, BLOCK_STATUS, MAX_STATUS_PAYLOAD + 1)), "a chunk declares"),
        (lambda t, a: t.chunk(a, 77, b"x"), "a chunk of type 77 is not an answer to BLOCK_STATUS"),
        (lambda t, a: t.data(a, 0, b"x"), "a chunk of type 1 is not an answer to BLOCK_STATUS"),
        (lambda t, a: t.chunk(a, BLOCK_STATUS_EXT, bytes(24)), "type 6 is not what was agreed on"),
        (lambda t, a: t.chunk(a, NONE, done=False), "holds nothing is not the last"),
        (lambda t, a: t.chunk(a, NONE), "context 'base:allocation' is not answered"),
        (lambda t, a: t.chunk(a, BLOCK_STATUS, b""), "a block status chunk of 0 bytes"),
        (lambda t, a: t.status(a), "a block status chunk of 4 bytes"),
        (lambda t, a: t.chunk(a, BLOCK_STATUS, raw_status(1, 4096)), "a block status chunk of 8 bytes"),
        (lambda t, a: t.status(a, (0, 3), (4096, 0)), "the first extent has no bytes"),
        (lambda t, a: t.status(a, (0, 0)), "the first extent has no bytes"),
        (lambda t, a: t.status(a, (MIB, 0), (1, 0)), "1 extents are past the requested range"),
        (lambda t, a: t.status(a, *[(0xFFFFFFFF, 0)] * 100_000), "99999 extents are past"),
        (lambda t, a: t.status(a, (MIB, 0), context=2), "context 2 was never agreed on"),
        (
            lambda t, a: (t.status(a, (1, 0), done=False), t.status(a, (1, 0))),
            "context 'base:allocation' is answered twice",
        ),
        (
            lambda t, a: t.send(struct.pack(">IIQ", 0x67446698, 0, a.cookie)),
            "a simple reply where structured",
        ),
        (lambda t, a: t.chunk(a, ERROR, b"\0\0\0\5"), "an error chunk of 4 bytes"),
        (lambda t, a: t.chunk(a, ERROR, b"\0\0\0\5\0\5no"), "an error chunk's lengths do not add up"),
        (lambda t, a: t.chunk(a, ERROR_OFFSET, b"\0\0\0\5\0\0"), "an error chunk's lengths do not add up"),
        (lambda t, a: t.send(t.header(a.cookie, ERROR, 1 << 20)), "a chunk declares 1048576 bytes"),
        (lambda t, a: [t.error(a, 5, done=False) for _ in range(100)], "holds errors without end"),
        (
            lambda t, a: t.error(a, 5, b"disk \x1b[2J on fire\n"),
            r"byte 0: the server answers with EIO: disk \x1b[2J",
        ),
        (lambda t, a: t.error(a, 4711), "the server answers with error 4711"),
        (lambda t, a: t.chunk(a, 0x80FF, b"\0\0\0\26\0\0"), "the server answers with EINVAL"),
        (
            lambda t, a: t.chunk(a, ERROR_OFFSET, b"\0\0\0\5\0\0" + bytes(7) + b"\7"),
            "answers with EIO at byte 7",
        ),
        (
            lambda t, a: t.send(struct.pack(">IIQ", 0x67446698, 22, a.cookie)),
            "the server answers with EINVAL",
        ),
    ],
)
def test_wrong_answers_about_block_status(serve, answer, says):
    line = refused(serve(good(answer)))
    assert says in line
    assert ": block status: " in line


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda t, a: t.chunk(a, BLOCK_STATUS, raw_status(1, MIB, 0)), "type 5 is not what was agreed on"),
        (
            lambda t, a: t.chunk(a, BLOCK_STATUS_EXT, struct.pack(">IIQQ", 1, 2, MIB, 0)),
            "of 1 extents that states another number",
        ),
        (lambda t, a: t.status(a, *[(2**64 - 1, 0)] * 9), "8 extents are past the requested range"),
        (
            lambda t, a: t.send(t.header(a.cookie, BLOCK_STATUS_EXT, 2**64 - 1)),
            "declares 18446744073709551615",
        ),
        (lambda t, a: t.send(struct.pack(">IHHQI", 0x668E33EF, 1, 5, a.cookie, 0)), "starts with 0x668e33ef"),
    ],
)
def test_wrong_answers_with_extended_headers(serve, answer, says):
    assert says in refused(serve(good(answer, extended=True)))


def test_silence_about_block_status_ends_in_time(serve):
    assert "no answer within 0.5 seconds" in refused(serve(good(lambda *_: None)), IMPATIENT)


def test_a_chunk_that_stops_in_its_middle_ends_in_time(serve):
    def answer(talk, asked):
        talk.send(talk.header(asked.cookie, BLOCK_STATUS, 1 << 24), bytes(5000))

    assert "no answer within 0.5 seconds" in refused(serve(good(answer)), IMPATIENT)


def test_what_is_declared_takes_no_memory(serve):
    def answer(talk, asked):
        talk.send(talk.header(asked.cookie, BLOCK_STATUS, MAX_STATUS_PAYLOAD))

    server = serve(good(answer))
    tracemalloc.start()
    try:
        refused(server, IMPATIENT)
        assert tracemalloc.get_traced_memory()[1] < 4 * MIB
    finally:
        tracemalloc.stop()


def test_extents_without_end_come_to_a_limit(serve):
    """One byte each: a small part of a large export would fill the machine."""
    many = (MAX_STATUS_PAYLOAD - 4) // 16
    payload = raw_status(1) + raw_status(1, 0, 1, 3) * many

    def answer(talk, asked):
        talk.chunk(asked, BLOCK_STATUS, payload)

    line = refused(serve(good(answer, size=1 << 40)), Access(timeout=20), within=20)
    assert "the server tells of more than 8,388,608 extents" in line


def test_answers_that_lead_nowhere_come_to_a_limit(serve, monkeypatch):
    monkeypatch.setattr(patience, "_MOST_SHORT", 1000)
    monkeypatch.setattr(patience, "_FIRST_SHORT", 100)
    line = refused(serve(good(lambda t, a: t.status(a, (1, 0)), size=1 << 40)))
    assert "takes more than 1,000 requests" in line


def test_an_export_that_is_too_large_for_short_questions_is_told_before_any(serve):
    asked_for = []
    line = refused(serve(good(lambda _, a: asked_for.append(a), size=1 << 62)))
    assert "block status: of more than 1 PiB needs extended headers" in line
    assert asked_for == []


OUTPUTS = [["human", "-f", "raw"], ["json", "-f", "raw"], ["csv", "-f", "raw"], ["nbd-json"]]


@pytest.mark.parametrize("output", OUTPUTS)
def test_more_than_a_pebibyte_is_refused_before_any_output(serve, output):
    asked_for = []
    server = serve(good(lambda _, a: asked_for.append(a), size=(1 << 50) + 512))
    done = CliRunner().invoke(main, ["map", server.uri, "--output", *output])
    assert done.exit_code == 1
    assert done.stdout == ""
    assert "block status: of more than 1 PiB needs extended headers" in done.stderr
    assert done.stderr.count("\n") == 1
    assert asked_for == []


def test_a_part_of_more_than_a_pebibyte_is_mapped(serve):
    server = serve(good(lambda t, a: t.status(a, (a.length, 3)), size=1 << 62))
    words = ["map", server.uri, "-f", "raw", "--output", "json", "--start-offset", "1T", "--max-length", "1G"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.stderr
    assert [(entry["start"], entry["length"]) for entry in json.loads(done.stdout)] == [(1 << 40, 1 << 30)]


@pytest.mark.parametrize("output", OUTPUTS)
def test_as_much_as_may_be_asked_about_is_mapped(serve, monkeypatch, output):
    """With a bound of a TiB: a PiB takes a quarter of a million questions."""
    monkeypatch.setattr(nbd_node, "_MOST_ASKED", 1 << 40)
    server = serve(good(lambda t, a: t.status(a, (a.length, 3)), size=1 << 40))
    done = CliRunner().invoke(main, ["map", server.uri, "--output", *output])
    assert done.exit_code == 0, done.stderr
    assert done.stdout.count("\n") < 5
    larger = serve(good(lambda t, a: t.status(a, (a.length, 3)), size=(1 << 40) + 512))
    done = CliRunner().invoke(main, ["map", larger.uri, "--output", *output])
    assert (done.exit_code, done.stdout) == (1, "")


def test_a_pebibyte_itself_may_be_asked_about(serve):
    server = serve(good(lambda *_: None, size=1 << 50))
    node = open_export(server.uri, PATIENT, ())
    try:
        *_, (start, length, _) = node.windows()
        assert start + length == 1 << 50
    finally:
        node.close()


def test_after_a_wrong_answer_nothing_more_is_asked(serve):
    server = serve(good(lambda t, a: t.status(a, (0, 3), (4096, 0))))
    node = open_export(server.uri, PATIENT, ())
    try:
        for _ in range(3):
            with pytest.raises(ServerError, match="the first extent has no bytes"):
                node.extents(0, MIB)
        with pytest.raises(ServerError, match="the first extent has no bytes"):
            node.read(0, 512)
        assert server.connections == 1
    finally:
        node.close()


def test_after_an_error_the_connection_goes_on(serve):
    asked_before = []

    def answer(talk, asked):
        if not asked_before:
            talk.error(asked, 12, b"try again")
        else:
            talk.status(asked, (asked.length, 0))
        asked_before.append(asked)

    server = serve(good(answer))
    node = open_export(server.uri, PATIENT, ())
    try:
        with pytest.raises(ServerError, match="ENOMEM: try again"):
            node.extents(0, MIB)
        assert node.extents(0, MIB).facts.tolist() == [D]
        assert server.connections == 1
    finally:
        node.close()


# ---------------------------------------------------------------- odd, but right


def types_at(offset):
    """Return what a made-up export holds: 7-byte runs of the four types in turn."""
    return offset // 7 % 4


def extents_of(offset, length, size):
    found = []
    while length > 0:
        step = min(7 - offset % 7, size - offset)
        found.append((min(step, length), types_at(offset)))
        offset, length = offset + step, length - step
    return found


EXPECTED_10K = [(min(7, 10_000 - at), (D, U, W, H)[types_at(at)]) for at in range(0, 10_000, 7)]


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("most", [1, 2, 100, 10_000])
def test_short_answers_are_asked_on(serve, most, extended):
    def answer(talk, asked):
        talk.status(asked, *extents_of(asked.offset, asked.length, 10_000)[:most])

    assert whole(serve(good(answer, size=10_000, extended=extended))) == EXPECTED_10K


def test_one_byte_an_answer(serve):
    server = serve(good(lambda t, a: t.status(a, (1, types_at(a.offset))), size=10_000))
    assert whole(server) == EXPECTED_10K


def test_the_last_extent_may_go_on(serve):
    def answer(talk, asked):
        *before, (length, kind) = extents_of(asked.offset, asked.length, 10_000)
        talk.status(asked, *before, (length + 12345, kind))

    assert whole(serve(good(answer, size=10_000))) == EXPECTED_10K


def test_answers_come_in_any_order(serve):
    size = 5 << 30
    waiting = []

    def answer(talk, asked):
        waiting.append(asked)
        if len(waiting) == 16:
            for each in reversed(waiting):
                talk.status(each, (each.length, 3 if each.offset < size // 2 else 0))
            waiting.clear()

    runs = whole(serve(good(answer, size=size)))
    assert [code for _, code in runs] == [H, D]
    assert sum(length for length, _ in runs) == size


def test_unknown_bits_of_base_allocation_are_not_heeded(serve):
    answer = lambda t, a: t.status(a, (4096, 0xFFFF0003), (a.length - 4096, 0x10))  # noqa: E731
    assert whole(serve(good(answer))) == [(4096, H), (MIB - 4096, D)]


def test_a_huge_export_is_cheap_with_extended_headers(serve):
    size = 2**63 - 512
    asked_for = []

    def answer(talk, asked):
        asked_for.append(asked)
        talk.status(asked, (2**64 - 1, 3))

    assert whole(serve(good(answer, size=size, extended=True))) == [(size, H)]
    assert len(asked_for) == 16


def test_contexts_are_answered_side_by_side(serve):
    def answer(talk, asked):
        talk.status(asked, (min(1000, asked.length), 3), context=7, done=False)
        talk.status(asked, (min(300, asked.length), asked.offset % 5), context=9)

    server = serve(good(answer, size=10_000, contexts={"base:allocation": 7, DEPTH: 9, "other:x": 11}))
    node = open_export(server.uri, PATIENT, ())
    try:
        assert node.contexts == ("base:allocation", DEPTH)
        assert node.extents(0, 10_000).facts.tolist() == [H]
        depth = node.allocation_depth(0, 10_000)
        assert depth.edges.tolist() == [0, 10_000]
        assert depth.types.tolist() == [0]
        assert node.features()["contexts"] == ["base:allocation", DEPTH, "other:x"]
        with pytest.raises(UnsupportedError, match="context 'other:x': is not offered, but base:allocation"):
            node.status("other:x", 0, 1)
    finally:
        node.close()


def test_a_context_is_asked_for_by_name(serve):
    server = serve(good(lambda t, a: t.status(a, (a.length, 2**32 - 1), context=5), contexts={"other:x": 5}))
    node = open_export(server.uri, PATIENT, ("other:x",))
    try:
        assert node.status("other:x", 10, 90).types.tolist() == [2**32 - 1]
        assert node.extents(0, MIB).facts.tolist() == [
            facts.fact(facts.Mapping.PASSTHROUGH, facts.Storage.OPAQUE)
        ]
    finally:
        node.close()


COMMANDS = [
    ["map"], ["map", "--output", "json"], ["map", "--output", "csv"], ["map", "--output", "nbd-json"],
    ["map", "--round-trip"], ["info"], ["info", "--quick"], ["audit"], ["table"],
]  # fmt: skip


@pytest.mark.parametrize("size", [0, 1, 511, 1000])
def test_exports_of_no_bytes_or_no_whole_sectors_in_every_command(serve, size):
    def answer(talk, asked):
        assert asked.length
        assert asked.offset + asked.length <= size
        if asked.command == READ:
            talk.data(asked, asked.offset, bytes(asked.length))
        else:
            talk.status(asked, (asked.length, 0))

    server = serve(good(answer, size=size))
    for words in COMMANDS:
        done = CliRunner().invoke(main, [*words, server.uri])
        # an audit with findings ends with 3
        assert done.exit_code in (0, 3 * (words == ["audit"])), (words, done.stderr)
        assert done.stdout
    done = CliRunner().invoke(main, ["trace", server.uri, "0"])
    assert done.exit_code == (0 if size else 1)
    if not size:
        assert "0x0 is not on the disk of 0x0 bytes" in done.stderr
    done = CliRunner().invoke(main, ["map", "-f", "qcow2", server.uri])
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (1, "", 1)


def test_questions_are_as_large_as_may_be_and_none_is_asked_twice(serve):
    size, asked_for = 1 << 40, []

    def answer(talk, asked):
        asked_for.append((asked.offset, asked.offset + asked.length))
        talk.status(asked, (asked.length, 3))

    server = serve(good(answer, size=size))
    done = CliRunner().invoke(main, ["map", "-f", "raw", "--output", "json", server.uri])
    assert done.exit_code == 0, done.stderr
    asked_for.sort()
    assert [start for start, _ in asked_for] == [0, *(end for _, end in asked_for[:-1])]
    assert asked_for[-1][1] == size
    # each question is of 4 GiB at the most, and qemu-img's are of 2
    assert size >> 32 < len(asked_for) < 1.1 * (size >> 32)


def test_what_was_answered_is_not_asked_again(serve):
    asked_for = []

    def answer(talk, asked):
        asked_for.append((asked.offset, asked.length))
        talk.status(asked, (asked.length, 0))

    server = serve(good(answer, block=(512, 4096, 1 << 25)))
    node = open_export(server.uri, PATIENT, ())
    try:
        node.extents(1000, 1000)
        assert asked_for == [(512, 1536)]
        node.extents(1100, 100)
        assert len(asked_for) == 1
        extents = node.extents(0, MIB)
        assert asked_for[1:] == [(0, 512), (2048, MIB - 2048)]
        assert extents.facts.tolist() == [D]
        beyond = node.extents(MIB, 2**63 - 1 - MIB)
        assert [facts.storage_of(code) for code in beyond.facts.tolist()] == [facts.Storage.BEYOND_EOF]
        assert len(asked_for) == 3
    finally:
        node.close()


def test_a_block_of_two_types_is_data_and_short_answers_go_on_at_blocks(serve):
    def answer(talk, asked):
        assert asked.offset % 512 == asked.length % 512 == 0
        talk.status(asked, (100, 3), (400, 0)) if asked.offset == 0 else talk.status(asked, (asked.length, 3))

    assert whole(serve(good(answer, block=(512, 512, 4096)))) == [(512, D), (MIB - 512, H)]


# ---------------------------------------------------------------- lost connections


def test_a_lost_connection_is_made_again_and_only_the_rest_is_asked(serve):
    asked_for = []

    def script(talk, nth):
        talk.greet()
        talk.negotiate(size=5 << 30)
        # all that are under way are taken first, so that closing does not drop answers
        for asked in list(itertools.islice(talk.requests(), 16 - 3 * nth))[: 3 if nth < 2 else 16]:
            asked_for.append(asked.offset)
            talk.status(asked, (asked.length, 3))

    server = serve(script)
    assert whole(server) == [(5 << 30, H)]
    assert server.connections == 3
    assert len(asked_for) == len(set(asked_for)) == 16


def test_a_connection_that_is_always_lost_is_given_up(serve):
    def script(talk, _):
        talk.greet()
        talk.negotiate()
        next(talk.requests())

    server = serve(script)
    line = refused(server)
    assert "block status: the server closed the connection, 4 times" in line
    assert server.connections == 4


@pytest.mark.parametrize("again", [{"size": 2 * MIB}, {"contexts": {}}, {"structured": False}])
def test_another_export_after_a_lost_connection_is_told(serve, again):
    def script(talk, nth):
        talk.greet()
        talk.negotiate(**(again if nth else {}))
        if not nth:
            next(talk.requests())
        else:
            list(talk.requests())

    assert "then it was another export" in refused(serve(script))


def test_a_server_that_goes_away(serve):
    def script(talk, nth):
        if nth:
            return
        talk.greet()
        talk.negotiate()
        next(talk.requests())

    assert "closed the connection; then: the server closed the connection" in refused(serve(script))


# ---------------------------------------------------------------- reading


CONTENT = bytes(range(256)) * 4096


def test_what_is_read_comes_in_pieces_and_holes(serve):
    def answer(talk, asked):
        assert asked.command == READ
        middle = asked.offset + asked.length // 2
        talk.data(asked, middle, CONTENT[middle : asked.offset + asked.length - 10], done=False)
        talk.chunk(asked, HOLE, struct.pack(">QI", asked.offset + asked.length - 10, 10), done=False)
        talk.data(asked, asked.offset, CONTENT[asked.offset : middle], done=False)
        talk.chunk(asked, NONE)

    assert read(serve(good(answer)), 1000, 2000) == CONTENT[1000:2990] + bytes(10)


def test_reads_keep_to_the_block_sizes(serve):
    def answer(talk, asked):
        assert asked.offset % 512 == asked.length % 512 == 0
        assert asked.length <= 4096
        talk.data(asked, asked.offset, CONTENT[asked.offset : asked.offset + asked.length])

    server = serve(good(answer, block=(512, 1024, 4096 + 100)))
    assert read(server, 1000, 100_000) == CONTENT[1000:101_000]
    assert read(server, MIB - 1, 5) == CONTENT[-1:] + bytes(4)
    assert read(server, MIB + 5, 5) == bytes(5)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda t, a: t.data(a, 500, b"x"), "bytes 500 to 501 arrived, but were not requested"),
        (lambda t, a: t.data(a, 1020, bytes(5)), "bytes 1020 to 1025 arrived, but were not requested"),
        (lambda t, a: t.data(a, 512, bytes(511)), "1 of 512 bytes do not come"),
        (lambda t, a: t.data(a, 513, bytes(511)), "1 of 512 bytes do not come"),
        (
            lambda t, a: (t.data(a, 512, bytes(256), done=False), t.data(a, 600, bytes(256))),
            "of the bytes 600 to 856 some come twice",
        ),
        (
            lambda t, a: [t.data(a, 512, bytes(256), done=False) for _ in range(3)],
            "of the bytes 512 to 768 some come twice",
        ),
        (lambda t, a: t.chunk(a, DATA, bytes(8)), "a data chunk without data"),
        (lambda t, a: t.chunk(a, HOLE, bytes(12)), "a hole of no bytes"),
        (lambda t, a: t.chunk(a, HOLE, bytes(11)), "a hole's chunk of 11 bytes"),
        (lambda t, a: t.chunk(a, HOLE, struct.pack(">QI", 0, 0xFFFFFFFF)), "but were not requested"),
        (lambda t, a: t.send(t.header(a.cookie, DATA, 0xFFFFFFFF)), "declares 4294967295 bytes"),
        (lambda t, a: t.send(t.header(a.cookie, HOLE, 13)), "declares 13 bytes"),
        (lambda t, a: t.status(a, (1, 0)), "a chunk of type 5 is not an answer to READ"),
        (lambda t, a: t.chunk(a, NONE), "512 of 512 bytes do not come"),
        (lambda t, a: t.send(struct.pack(">IIQ", 0x67446698, 0, a.cookie), bytes(512)), "a simple reply"),
        (lambda t, a: t.error(a, 5, b"bad sector"), "byte 512: the server answers with EIO: bad sector"),
    ],
)
def test_wrong_answers_to_reads(serve, answer, says):
    server = serve(good(answer))
    with pytest.raises(ServerError) as caught:
        read(server, 512, 512)
    assert f": read: {says}" in one_line(caught.value) or says in one_line(caught.value)


# ---------------------------------------------------------------- the user's patience


@pytest.mark.parametrize("command", [["map"], ["map", "--output", "nbd-json"], ["info"], ["view"]])
def test_the_command_line_says_one_line_in_time(serve, command):
    server = serve(good(lambda *_: None))
    words = [sys.executable, "-m", "blockstrata_viewer", *command, "--timeout", "0.5", server.uri]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    if command == ["view"]:
        assert "no answer within 0.5 seconds" in done.stdout + done.stderr
    else:
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert "no answer within 0.5 seconds" in done.stderr


def test_control_c_ends_the_waiting(serve):
    server = serve(good(lambda *_: None))
    words = [*HEEDING, sys.executable, "-m", "blockstrata_viewer", "map", "--timeout", "60", server.uri]
    with subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        until = time.monotonic() + 20
        while not server.connections and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=10)
    assert process.returncode == -signal.SIGINT
    assert stderr.strip() == ""


def test_what_nobody_wants_any_more_is_not_waited_for(serve):
    """A viewer that is left says so; the limit of a minute is not waited out."""
    server = serve(good(lambda *_: None))
    began = time.monotonic()
    access = Access(timeout=60, is_cancelled=lambda: time.monotonic() > began + 0.5)
    with pytest.raises(ServerError, match="given up"):
        whole(server, access)
    assert time.monotonic() - began < 10


def test_a_status_shorter_than_a_block_promises_neither_hole_nor_zero(serve):
    """qemu-img 7.2 takes such a block for data, too."""
    server = serve(good(lambda t, a: t.status(a, (100, 3)), block=(512, 512, 4096), size=2048))
    assert whole(server) == [(2048, D)]


def test_fiemap_over_nbd_is_answered_with_a_notice(serve):
    server = serve(good(lambda t, a: t.status(a, (a.length, 0))))
    words = ["map", "--storage", "fiemap", "-f", "raw", server.uri]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0
    assert done.stderr.count("\n") == 1
    assert "no FIEMAP over NBD" in done.stderr


async def test_a_server_that_lies_later_is_a_note_in_the_viewer(serve):
    """The file's axis asks about a slice's whole export, of which the picture needed a part."""

    def answer(talk, asked):
        talk.status(asked, (asked.length if asked.offset + asked.length <= MIB else 0, 0))

    server = serve(good(answer, size=64 * MIB))
    export = {"driver": "nbd", "path": server.uri.partition("socket=")[2]}
    app = ViewerApp(
        Setup([f"json:{json.dumps({'driver': 'raw', 'size': MIB, 'file': export})}"], Opening(PATIENT))
    )
    async with app.run_test(size=(120, 36)) as pilot:
        await asyncio.wait_for(app.settled.wait(), 20)
        await pilot.press("v")
        await pilot.pause()
        assert not app.scene.disk.is_file
        assert "the first extent has no bytes" in app.main.pane.footnote


def test_closing_wakes_whoever_waits(serve):
    server = serve(good(lambda *_: None))
    node = open_export(server.uri, Access(timeout=60), ())
    found = []

    def ask():
        try:
            node.extents(0, MIB)
        except ClosedError as error:
            found.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.2)
    node.close()
    thread.join(5)
    assert not thread.is_alive()
    assert found[0].endswith(": is closed")
    assert server.connections == 1
    with pytest.raises(ClosedError, match=r": is closed$"):
        node.read(0, 512)


def test_a_huge_export_is_read_in_some_steps(serve):
    def answer(talk, asked):
        if asked.command == READ:
            talk.data(asked, asked.offset, bytes(asked.length))
        else:
            talk.status(asked, (asked.length, 3 if asked.offset >= 1 << 60 else 0))

    server = serve(good(answer, size=1 << 62, extended=True))
    with open_chain(server.uri, PATIENT) as chain:
        reader = Reader(chain)
        assert 32 < reader.progress.known <= 64
        *_, progress = reader.steps()
        assert progress.read == progress.known
        known = reader.chain().layers[0].known
        assert known.edges.tolist() == [0, 1 << 60, 1 << 62]
        assert known.facts.tolist() == [D, H]
