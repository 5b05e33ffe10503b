"""A socket that waits no longer than the user allows, in the clear or under TLS.

The socket never blocks: whatever is to be done is tried, and where it cannot be done yet, :meth:`Stream._do`
is the one place that waits.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar, TypeVarTuple

from blockstrata.errors import words_of
from blockstrata.naming.nbd import Address
from blockstrata.protocols.nbd.patience import Patience
from blockstrata.protocols.nbd.wire import WireError

_PIECE: Final = 1 << 18
"""Bytes received at once."""
_RETRY: Final = 0.01
"""Seconds after which a unix socket is tried again whose queue was full."""
_CLOSED: Final = "the server closed the connection"

T = TypeVar("T")
Args = TypeVarTuple("Args")


class LostError(WireError):
    """The connection ended; asking again over a new one may help."""


class Stream:
    """Bytes out and in, in order, as long as there is patience: ``WireError`` when there is none.

    ``LostError`` if the server has gone.
    """

    def __init__(self, plug: socket.socket, patience: Patience) -> None:
        plug.setblocking(False)
        self._plug = plug
        self.patience = patience
        self._buffer = bytearray()

    def send(self, data: bytes) -> None:
        """Send all bytes."""
        while data:
            data = data[self._do(select.POLLOUT, self._plug.send, data) :]

    def receive(self, length: int) -> bytes:
        """Return exactly so many bytes; memory grows with what arrives, not with what was announced."""
        while len(self._buffer) < length:
            # a server that never leaves us waiting is not heard for ever either
            self.patience.left()
            piece = self._do(select.POLLIN, self._plug.recv, _PIECE)
            if not piece:
                raise LostError(_CLOSED)
            self._buffer += piece
        with memoryview(self._buffer) as view:
            data = bytes(view[:length])
        del self._buffer[:length]
        return data

    def start_tls(self, context: ssl.SSLContext, hostname: str | None) -> str:
        """Go on under TLS and return its version; ``WireError`` if the two sides do not agree."""
        if self._buffer:
            raise WireError("the server goes on in the clear where TLS should start")
        try:
            plug = context.wrap_socket(self._plug, server_hostname=hostname, do_handshake_on_connect=False)
            self._plug = plug
            self._do(select.POLLIN, plug.do_handshake)
        except (OSError, ValueError, LostError) as error:
            raise WireError(f"TLS: {reason(error)}") from None
        return plug.version() or "TLS"

    def close(self, farewell: bytes = b"") -> None:
        """Close the socket, with a last word if it can be said without waiting.

        A thread that waits for the server is woken by it, and sees the connection lost.
        """
        try:
            if farewell:
                self._plug.send(farewell)
            self._plug.shutdown(socket.SHUT_RDWR)
        except (OSError, ValueError):
            pass  # it has gone already, or does not listen
        finally:
            self._plug.close()

    def _do(self, event: int, what: Callable[[*Args], T], *args: *Args) -> T:
        """Do something with the socket once it can be done; TLS may have to read in order to write."""
        while True:
            # another thread may close the socket at any time, also between being told to wait and waiting
            try:
                try:
                    return what(*args)
                except ssl.SSLWantReadError:
                    awaited = select.POLLIN
                except ssl.SSLWantWriteError:
                    awaited = select.POLLOUT
                except BlockingIOError:
                    awaited = event
                wait_for(self._plug, awaited, self.patience)
            except (OSError, ValueError) as error:
                raise LostError(reason(error)) from None


def wait_for(plug: socket.socket, event: int, patience: Patience) -> None:
    """Wait until a socket can be read, or written; ``WireError`` when the patience is over."""
    poll = select.poll()
    poll.register(plug, event)
    while not poll.poll(patience.left() * 1000):
        pass


def connect(address: Address, patience: Patience) -> Stream:
    """Open a socket to a server; ``OSError`` or ``ValueError`` if that fails, ``WireError`` in time."""
    if address.path is not None:
        return Stream(_plug(socket.AF_UNIX, address.path, patience), patience)
    found = _resolve(str(address.host), address.port, patience)
    failure: Exception = OSError("the name has no address")
    for nth, (family, *_, place) in enumerate(found):
        try:
            return Stream(_plug(family, place, patience.share(len(found) - nth)), patience)
        except (OSError, WireError) as error:
            patience.left()
            failure = error
    raise failure


def _plug(family: int, place: Any, patience: Patience) -> socket.socket:
    plug = socket.socket(family, socket.SOCK_STREAM)
    try:
        plug.setblocking(False)
        while (number := plug.connect_ex(place)) == errno.EAGAIN:
            # a unix socket's queue is full, which nothing wakes us from
            time.sleep(min(patience.left(), _RETRY))
        if number == errno.EINPROGRESS:
            wait_for(plug, select.POLLOUT, patience)
            number = plug.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise OSError(number, os.strerror(number))
        if family != socket.AF_UNIX:
            plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        plug.close()
        raise
    return plug


def _resolve(host: str, port: int, patience: Patience) -> list[tuple[int, int, int, str, object]]:
    """Return the addresses of a name; the system's resolver knows no time limit, so a thread waits for it."""
    found: list[tuple[int, int, int, str, object]] = []
    failure: list[OSError | UnicodeError] = []

    def look_up() -> None:
        try:
            found.extend(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            failure.append(error)

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(patience.left())
    if failure:
        raise OSError(reason(failure[0]))
    return found


def reason(error: Exception) -> str:
    """Return an error's words for one line."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message or str(error)
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return _CLOSED
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    return words_of(error)
