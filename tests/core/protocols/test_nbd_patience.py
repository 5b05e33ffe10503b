"""How long servers are waited for: no way of answering slowly goes on past the time limit."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time

import pytest
from nbd_client import EXPORT, MIB, context, good, haggling, one_line, read, refused, to, whole
from scripted_nbd import (
    ACK,
    BLOCK_STATUS,
    DATA,
    ERROR,
    EXTENDED,
    GO,
    HOLE,
    INFO,
    LIST_CONTEXTS,
    SET_CONTEXTS,
    STARTTLS,
    UNKNOWN,
)

from blockstrata.access import Access
from blockstrata.errors import BlockstrataError, ServerError
from blockstrata.graph.opening import open_export
from blockstrata.protocols.nbd import stream
from blockstrata.protocols.nbd.patience import Pace, Patience
from blockstrata.protocols.nbd.stream import Stream
from blockstrata.protocols.nbd.wire import WireError

SECONDS = 0.2
TICK = 0.02
HASTY = Access(timeout=SECONDS)
LATE = "no answer within 0.2 seconds"


def drip(talk, data, step=1):
    """Send bytes a few at a time, each well within the limit, all of them long past it."""
    for at in range(0, len(data), step):
        talk.send(data[at : at + step])
        time.sleep(TICK)


def option_reply(option, kind, payload=b""):
    return struct.pack(">QIII", 0x3E889045565A9, option, kind, len(payload)) + payload


def endless(talk, option, kind, payload):
    while True:
        talk.reply(option, kind, payload)
        time.sleep(TICK)


# ---------------------------------------------------------------- the handshake


def test_a_dripped_greeting(serve):
    assert LATE in refused(serve(lambda talk, _: drip(talk, b"NBDMAGICIHAVEOPT\0\3")), HASTY)


@pytest.mark.parametrize(
    "own",
    [
        {"EXTENDED": lambda t, _: drip(t, option_reply(EXTENDED, ACK, bytes(100)))},
        {"LIST_CONTEXTS": lambda t, _: drip(t, option_reply(LIST_CONTEXTS, *context(1, b"a:" + b"b" * 99)))},
        {"LIST_CONTEXTS": lambda t, _: endless(t, LIST_CONTEXTS, *context(1, b"a:b"))},
        {"SET_CONTEXTS": lambda t, _: endless(t, SET_CONTEXTS, *context(1, b"base:allocation"))},
        {"GO": lambda t, _: endless(t, GO, *EXPORT)},
        {"GO": lambda t, _: drip(t, option_reply(GO, INFO, b"\0\2" + b"description" * 9))},
        {"GO": lambda t, _: drip(t, option_reply(GO, UNKNOWN, b"no such export " * 9))},
    ],
)
def test_dripped_options(serve, own):
    assert LATE in refused(serve(haggling(**own)), HASTY)


def test_the_handshake_as_a_whole_is_bounded(serve):
    """Every reply comes in time, and together they take too long."""

    def later(option, *pairs):
        def reply(talk, payload):
            time.sleep(0.6 * SECONDS)
            to(option, *pairs)(talk, payload)

        return reply

    own = {"EXTENDED": later(EXTENDED, (ACK, b"")), "GO": later(GO, EXPORT, (ACK, b""))}
    assert LATE in refused(serve(haggling(**own)), HASTY)


@pytest.mark.parametrize("extended_alone", [True, False])
def test_the_older_way_to_an_export_is_bounded(serve, extended_alone):
    def script(talk, _):
        talk.greet(flags=0)
        talk.option()
        drip(talk, struct.pack(">QH", 1000, 1) + bytes(124), step=1 if extended_alone else 10)

    assert LATE in refused(serve(script), HASTY)


@pytest.mark.parametrize("answer", [b"", b"\x16\3\3\x40\0" + bytes(200)])
def test_tls_that_does_not_come_about(serve, answer):
    def starttls(talk, _):
        talk.reply(STARTTLS, ACK)
        time.sleep(TICK)
        drip(talk, answer)
        while True:
            talk.receive(1)

    def script(talk, _):
        talk.greet()
        talk.negotiate(own={STARTTLS: starttls})

    server = serve(script)
    began = time.monotonic()
    with pytest.raises(ServerError, match=LATE):
        open_export(server.uri.replace("nbd+", "nbds+"), HASTY, ())
    assert time.monotonic() - began < 3


# ---------------------------------------------------------------- answers


@pytest.mark.parametrize(
    "answer",
    [
        lambda t, a: drip(t, t.header(a.cookie, BLOCK_STATUS, 12) + bytes(12)),
        lambda t, a: drip(t, t.header(a.cookie, BLOCK_STATUS, 804) + bytes(804), step=20),
        lambda t, a: drip(t, t.header(a.cookie, ERROR, 106) + struct.pack(">IH", 5, 100) + b"x" * 100, 4),
        lambda t, a: [(t.error(a, 5, b"well", done=False), time.sleep(TICK)) for _ in range(50)],
        lambda t, a: drip(t, struct.pack(">IIQ", 0x67446698, 22, a.cookie)),
    ],
)
def test_dripped_answers_about_block_status(serve, answer):
    assert LATE in refused(serve(good(answer)), HASTY)


@pytest.mark.parametrize(
    "answer",
    [
        lambda t, a: drip(t, t.header(a.cookie, DATA, 520) + bytes(520), step=20),
        lambda t, a: [(t.data(a, at, b"x", done=False), time.sleep(TICK)) for at in range(512)],
        lambda t, a: [
            (t.chunk(a, HOLE, struct.pack(">QI", at, 1), done=False), time.sleep(TICK)) for at in range(512)
        ],
    ],
)
def test_dripped_bytes(serve, answer):
    began = time.monotonic()
    with pytest.raises(ServerError) as caught:
        read(serve(good(answer)), 0, 512, HASTY)
    assert f"read: {LATE}" in one_line(caught.value)
    assert time.monotonic() - began < 3


def test_dripped_bytes_without_structured_replies(serve):
    def answer(talk, asked):
        drip(talk, struct.pack(">IIQ", 0x67446698, 0, asked.cookie) + bytes(512), step=16)

    with pytest.raises(ServerError, match=LATE):
        read(serve(good(answer, structured=False)), 0, 512, HASTY)


def test_no_time_is_lost_on_a_server_that_takes_one_question_after_the_other(serve):
    """Sixteen questions are under way; the last is answered long after it was asked, and in time."""

    def answer(talk, asked):
        time.sleep(2 * TICK)
        talk.status(asked, (asked.length, 0))

    assert sum(length for length, _ in whole(serve(good(answer, size=64 << 30)), HASTY)) == 64 << 30


def test_parts_of_a_read_come_in_any_number_in_bounded_memory(serve):
    """A byte a chunk is right, and takes no more memory than the bytes do."""

    def answer(talk, asked):
        for at in reversed(range(asked.offset, asked.offset + asked.length)):
            talk.data(asked, at, bytes([at % 251]), done=at == asked.offset)

    assert read(serve(good(answer)), 0, 2000) == bytes(at % 251 for at in range(2000))


# ---------------------------------------------------------------- answers that tell little


def test_small_answers_in_time_are_not_heard_for_ever(serve):
    def answer(talk, asked):
        time.sleep(TICK)
        talk.status(asked, (512, 0))

    line = refused(serve(good(answer, size=1 << 40)), HASTY)
    assert "takes more than 24 seconds, the server's answers cover too little" in line


def test_small_answers_of_a_small_export_are_heard_to_the_end(serve):
    def answer(talk, asked):
        time.sleep(TICK)
        talk.status(asked, (512, asked.offset // 512 % 2 * 3))

    assert len(whole(serve(good(answer, size=20 * 512)), HASTY)) == 20


def test_a_server_that_grows_slow_near_the_end_is_bounded_too():
    """Its pace so far is good for ever; what it took altogether is not."""
    pace = Pace(1 << 40, 1)
    pace.heard((1 << 40) - (1 << 20), 0.01, is_short=False)
    with pytest.raises(WireError, match="more than 120 seconds"):
        for _ in range(200):
            pace.heard(1, 0.9, is_short=True)


def test_whole_answers_may_take_their_time():
    pace = Pace(1 << 40, 1)
    for _ in range(1 << 10):
        pace.heard(1 << 30, 0.9, is_short=False)


# ---------------------------------------------------------------- connecting, sending, cancelling


@pytest.fixture
def full(tmp_path):
    """Return a listening unix socket whose queue takes nobody more, its path, and who tried."""
    path = str(tmp_path / "full")
    listening, waiting = socket.socket(socket.AF_UNIX), []
    listening.bind(path)
    listening.listen(0)
    while True:
        plug = socket.socket(socket.AF_UNIX)
        plug.setblocking(False)
        waiting.append(plug)
        if plug.connect_ex(path):
            break
    yield listening, path, waiting
    for plug in (listening, *waiting):
        plug.close()


def test_a_full_queue_is_waited_for_in_time(full):
    with pytest.raises(BlockstrataError, match=LATE):
        open_export(f"nbd+unix:///?socket={full[1]}", HASTY, ())


def test_a_full_queue_that_empties_lets_us_in(full):
    listening, path, waiting = full
    taken = []

    def serve_later():
        time.sleep(2 * TICK)
        for _ in range(len(waiting)):
            plug, _ = listening.accept()
            taken.append(plug)
            with contextlib.suppress(OSError):  # those before us have gone
                plug.sendall(b"HTTP/1.1 400\r\n\r\n")

    listening.settimeout(5)
    thread = threading.Thread(target=serve_later, daemon=True)
    thread.start()
    with pytest.raises(ServerError, match="this is not an NBD server"):
        open_export(f"nbd+unix:///?socket={path}", Access(timeout=5), ())
    thread.join(5)
    for plug in taken:
        plug.close()


def test_a_name_that_is_not_resolved(monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(stream.socket, "getaddrinfo", lambda *_, **__: over.wait(10) and [])
    began = time.monotonic()
    with pytest.raises(BlockstrataError, match=LATE):
        open_export("nbd://nowhere.example", HASTY, ())
    assert time.monotonic() - began < 3
    over.set()


def test_an_address_that_does_not_answer_leaves_time_for_the_next(monkeypatch):
    """The first one's queue is full, so that its connections are never made."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as deaf,
        socket.create_server(("127.0.0.1", 0)) as ears,
    ):
        waiting = []
        while True:
            plug = socket.socket()
            plug.settimeout(0.2)
            waiting.append(plug)
            try:
                plug.connect(deaf.getsockname())
            except TimeoutError:
                break

        def speak():
            plug, _ = ears.accept()
            with plug:
                plug.sendall(b"HTTP/1.1 400\r\n\r\n")

        thread = threading.Thread(target=speak, daemon=True)
        thread.start()
        places = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", each.getsockname()) for each in (deaf, ears)]
        monkeypatch.setattr(stream.socket, "getaddrinfo", lambda *_, **__: places)
        with pytest.raises(ServerError, match="this is not an NBD server"):
            open_export("nbd://two.example", Access(timeout=1), ())
        thread.join(5)
        for plug in waiting:
            plug.close()


def test_a_server_that_does_not_read_is_not_written_to_for_ever():
    ours, theirs = socket.socketpair()
    with theirs:
        out = Stream(ours, Patience(HASTY))
        began = time.monotonic()
        with pytest.raises(WireError, match=LATE):
            out.send(bytes(64 * MIB))
        assert SECONDS <= time.monotonic() - began < 3
        out.close(b"goodbye")


def silent(talk, _=None):
    while True:
        talk.receive(1)


def starttls_then_silent(talk, _):
    def starttls(talk, _):
        talk.reply(STARTTLS, ACK)
        silent(talk)

    talk.greet()
    talk.negotiate(own={STARTTLS: starttls})


@pytest.mark.parametrize(("script", "scheme"), [(silent, "nbd+"), (starttls_then_silent, "nbds+")])
def test_a_handshake_that_nobody_wants_any_more_is_not_waited_for(serve, script, scheme):
    server = serve(script)
    began = time.monotonic()
    access = Access(timeout=60, is_cancelled=lambda: time.monotonic() > began + SECONDS)
    with pytest.raises(ServerError, match="given up"):
        open_export(server.uri.replace("nbd+", scheme), access, ())
    assert time.monotonic() - began < 5


def test_connecting_that_nobody_wants_any_more_is_not_waited_for(full):
    began = time.monotonic()
    access = Access(timeout=60, is_cancelled=lambda: time.monotonic() > began + SECONDS)
    with pytest.raises(ServerError, match="given up"):
        open_export(f"nbd+unix:///?socket={full[1]}", access, ())
    assert time.monotonic() - began < 5


# ---------------------------------------------------------------- lost connections


def test_connections_that_are_lost_and_drip_when_made_again(serve):
    def script(talk, nth):
        if nth:
            drip(talk, b"NBDMAGICIHAVEOPT\0\3")
        talk.greet()
        talk.negotiate()
        next(talk.requests())

    line = refused(serve(script), HASTY)
    assert f"block status: the server closed the connection; then: {LATE}" in line


def test_a_context_may_have_another_id_after_a_lost_connection(serve):
    def script(talk, nth):
        talk.greet()
        talk.negotiate(contexts={"base:allocation": 1 + nth})
        requests = talk.requests()
        asked = next(requests)
        talk.status(asked, (MIB // 2 if nth == 0 else asked.length, 0), context=1 + nth)
        if nth:
            list(requests)

    server = serve(script)
    assert sum(length for length, _ in whole(server)) == MIB
    assert server.connections == 2


class ClosedWhileWaiting:
    """A socket that another thread closes after it has nothing yet, and before anybody waits for it."""

    def __init__(self, plug):
        self.plug = plug
        self.setblocking = plug.setblocking
        self.fileno = plug.fileno

    def later(self, *_):
        self.plug.close()
        raise BlockingIOError

    recv = send = later


@pytest.mark.parametrize("do", [lambda stream: stream.receive(4), lambda stream: stream.send(b"word")])
def test_a_connection_that_is_closed_between_asking_and_waiting_is_lost(do):
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(stream.LostError):
        do(Stream(ClosedWhileWaiting(ours), Patience(Access(timeout=1))))
