"""An NBD server that says what a test wants it to say, right or wrong, in a thread on a unix socket.

Its bytes are packed here by hand, from the protocol's description, so that a mistake in the client's own
packing does not hide.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

EXPORT_NAME, STARTTLS, GO, STRUCTURED, LIST_CONTEXTS, SET_CONTEXTS, EXTENDED = 1, 5, 7, 8, 9, 10, 11
ACK, INFO, CONTEXT = 1, 3, 4
UNSUPPORTED, POLICY, TLS_REQUIRED, UNKNOWN = (1 << 31 | number for number in (1, 2, 5, 6))
READ, DISC, STATUS = 0, 2, 7
NONE, DATA, HOLE, BLOCK_STATUS, BLOCK_STATUS_EXT, ERROR, ERROR_OFFSET = 0, 1, 2, 5, 6, 0x8001, 0x8002
REQ_ONE = 8
"""The flag with which QEMU asks for one extent alone."""

_SECONDS = 20
"""How long the server waits for a client that does not come back; tests are done long before."""


class Request(NamedTuple):
    """A request of the client."""

    command: int
    cookie: int
    offset: int
    length: int


class GoneError(Exception):
    """The client has closed the connection."""


class Talk:
    """One connection, from the server's side."""

    def __init__(self, plug: socket.socket) -> None:
        plug.settimeout(_SECONDS)
        self.plug = plug
        self.extended = False
        self.structured = False
        self.chosen: list[str] = []
        """The contexts that the client chose."""

    def send(self, *parts: bytes) -> None:
        try:
            self.plug.sendall(b"".join(parts))
        except OSError:
            raise GoneError from None

    def receive(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            try:
                part = self.plug.recv(length - len(data))
            except ConnectionError:
                raise GoneError from None
            if not part:
                raise GoneError
            data += part
        return data

    # ------------------------------------------------------------ handshake

    def greet(self, flags: int = 3) -> None:
        self.send(b"NBDMAGIC", b"IHAVEOPT", struct.pack(">H", flags))
        self.receive(4)

    def option(self) -> tuple[int, bytes]:
        magic, option, length = struct.unpack(">8sII", self.receive(16))
        assert magic == b"IHAVEOPT"
        return option, self.receive(length)

    def reply(self, option: int, kind: int, payload: bytes = b"") -> None:
        self.send(struct.pack(">QIII", 0x3E889045565A9, option, kind, len(payload)), payload)

    def negotiate(
        self,
        size: int = 1 << 20,
        *,
        flags: int = 0x83,
        contexts: dict[str, int] | None = None,
        block: tuple[int, int, int] | None = None,
        structured: bool = True,
        extended: bool = False,
        own: dict[int, Callable[[Talk, bytes], None]] | None = None,
    ) -> None:
        """Haggle as a good server does, until GO; ``own`` replies to some options in the script's way."""
        contexts = {"base:allocation": 1} if contexts is None else contexts
        while True:
            option, payload = self.option()
            if own and option in own:
                own[option](self, payload)
                if option == GO:
                    return
            elif (option == EXTENDED and extended) or (option == STRUCTURED and structured):
                self.extended |= option == EXTENDED
                self.structured = True
                self.reply(option, ACK)
            elif option in (LIST_CONTEXTS, SET_CONTEXTS):
                wanted = queries(payload)
                if option == SET_CONTEXTS:
                    self.chosen = [name for name in contexts if name in wanted]
                for name, number in contexts.items():
                    if not wanted or name in wanted:
                        self.reply(option, CONTEXT, struct.pack(">I", number) + name.encode())
                self.reply(option, ACK)
            elif option == GO:
                self.reply(GO, INFO, struct.pack(">HQH", 0, size, flags))
                if block:
                    self.reply(GO, INFO, struct.pack(">HIII", 3, *block))
                self.reply(GO, ACK)
                return
            elif option == EXPORT_NAME:
                self.send(struct.pack(">QH", size, flags))
                return
            else:
                self.reply(option, UNSUPPORTED)

    # ------------------------------------------------------------ transmission

    def requests(self, flags: tuple[int, ...] = (0,)) -> Iterator[Request]:
        """Yield requests until the client leaves; they have one of some flags, 0 from our own client."""
        with contextlib.suppress(GoneError):
            while True:
                layout = ">IHHQQQ" if self.extended else ">IHHQQI"
                magic, flag, command, cookie, offset, length = struct.unpack(
                    layout, self.receive(struct.calcsize(layout))
                )
                assert magic == (0x21E41C71 if self.extended else 0x25609513)
                assert flag in flags
                assert command in (READ, DISC, STATUS), "the client only ever asks"
                if command == DISC:
                    return
                yield Request(command, cookie, offset, length)

    def chunk(self, asked: Request, kind: int, payload: bytes = b"", *, done: bool = True) -> None:
        self.send(self.header(asked.cookie, kind, len(payload), done=done), payload)

    def header(self, cookie: int, kind: int, length: int, *, done: bool = True) -> bytes:
        if self.extended:
            return struct.pack(">IHHQQQ", 0x6E8A278C, done, kind, cookie, 0, length)
        return struct.pack(">IHHQI", 0x668E33EF, done, kind, cookie, length)

    def status(self, asked: Request, *extents: tuple[int, int], context: int = 1, done: bool = True) -> None:
        """Answer with (length, type) of each extent."""
        numbers = [number for extent in extents for number in extent]
        if self.extended:
            payload = struct.pack(f">II{len(numbers)}Q", context, len(extents), *numbers)
            self.chunk(asked, BLOCK_STATUS_EXT, payload, done=done)
        else:
            self.chunk(asked, BLOCK_STATUS, struct.pack(f">I{len(numbers)}I", context, *numbers), done=done)

    def data(self, asked: Request, offset: int, data: bytes, *, done: bool = True) -> None:
        self.chunk(asked, DATA, struct.pack(">Q", offset) + data, done=done)

    def error(self, asked: Request, number: int, message: bytes = b"", *, done: bool = True) -> None:
        self.chunk(asked, ERROR, struct.pack(">IH", number, len(message)) + message, done=done)


def queries(payload: bytes) -> list[str]:
    """Return the names in a question about contexts."""
    at = 4 + int.from_bytes(payload[:4], "big")
    count = int.from_bytes(payload[at : at + 4], "big")
    names, at = [], at + 4
    for _ in range(count):
        length = int.from_bytes(payload[at : at + 4], "big")
        names.append(payload[at + 4 : at + 4 + length].decode())
        at += 4 + length
    return names


class Server:
    """Runs ``script(talk, n)`` for the nth connection, 0 being the first, until it is closed."""

    def __init__(self, path: Path, script: Callable[[Talk, int], Any]) -> None:
        self.uri = f"nbd+unix:///?socket={path}"
        self.connections = 0
        self.failures: list[BaseException] = []
        self._script = script
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen()
        self._listening.settimeout(0.05)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                plug, _ = self._listening.accept()
            except TimeoutError:
                continue
            nth, self.connections = self.connections, self.connections + 1
            with plug:
                try:
                    self._script(Talk(plug), nth)
                except GoneError:
                    pass
                except BaseException as error:
                    self.failures.append(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(_SECONDS + 5)
        self._listening.close()
        assert not self._thread.is_alive()
        assert not self.failures, self.failures
