"""A socket that waits no longer than the user allows, in the clear or under TLS."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from blockstrata.protocols.nbd.wire import WireError

if TYPE_CHECKING:
    from blockstrata.access import Access
    from blockstrata.protocols.nbd.address import Address

_PIECE: Final = 1 << 18
"""Bytes received at once."""
_SLICE: Final = 0.1
"""Seconds of waiting after which it is asked whether anybody still wants the answer."""
_CLOSED: Final = "the server closed the connection"


class LostError(WireError):
    """The connection ended; asking again over a new one may help."""


class Stream:
    """Bytes out and in, in order.

    A wait ends at a moment that :meth:`renew` moves ``timeout`` seconds ahead; ``WireError`` says so then.
    ``LostError`` if the server has gone.
    """

    def __init__(self, plug: socket.socket, access: Access) -> None:
        self._plug = plug
        self._timeout = access.timeout
        self._is_cancelled = access.is_cancelled
        self._buffer = bytearray()
        self.renew()

    def renew(self) -> None:
        """Start the time limit anew."""
        self._until = time.monotonic() + self._timeout

    def send(self, data: bytes) -> None:
        """Send all bytes."""
        try:
            self._plug.settimeout(self._left())
            self._plug.sendall(data)
        except TimeoutError:
            raise self._too_late() from None
        except OSError as error:
            raise LostError(reason(error)) from None

    def receive(self, length: int) -> bytes:
        """Return exactly so many bytes; memory grows with what arrives, not with what was announced."""
        while len(self._buffer) < length:
            try:
                piece = self._receive_some()
            except TimeoutError:
                raise self._too_late() from None
            except OSError as error:
                raise LostError(reason(error)) from None
            if not piece:
                raise LostError(_CLOSED)
            self._buffer += piece
        data = bytes(self._buffer[:length])
        del self._buffer[:length]
        return data

    def _receive_some(self) -> bytes:
        """Return what has come; ``TimeoutError`` in time, ``WireError`` once nobody wants it any more."""
        while True:
            if self._is_cancelled():
                raise WireError("given up")
            self._plug.settimeout(min(self._left(), _SLICE))
            try:
                return self._plug.recv(_PIECE)
            except TimeoutError:
                continue

    def start_tls(self, context: ssl.SSLContext, hostname: str | None) -> str:
        """Go on under TLS and return its version; ``WireError`` if the two sides do not agree."""
        if self._buffer:
            raise WireError("the server goes on in the clear where TLS should start")
        try:
            self._plug.settimeout(self._left())
            plug = context.wrap_socket(self._plug, server_hostname=hostname)
        except TimeoutError:
            raise self._too_late() from None
        except (OSError, ValueError) as error:
            raise WireError(f"TLS: {reason(error)}") from None
        self._plug = plug
        return plug.version() or "TLS"

    def close(self, farewell: bytes = b"") -> None:
        """Close the socket, with a last word if it can be said without waiting.

        A thread that waits for the server is woken by it, and sees the connection lost.
        """
        try:
            if farewell:
                self._plug.settimeout(0.1)
                self._plug.sendall(farewell)
            self._plug.shutdown(socket.SHUT_RDWR)
        except (OSError, ValueError):
            pass  # it has gone already
        finally:
            self._plug.close()

    def _left(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def _too_late(self) -> WireError:
        return WireError(f"no answer within {self._timeout:g} seconds")


def connect(address: Address, access: Access) -> Stream:
    """Open a socket to a server; ``OSError`` or ``ValueError`` if that fails, ``TimeoutError`` in time."""
    until = time.monotonic() + access.timeout
    if address.path is not None:
        return Stream(_plug(socket.AF_UNIX, address.path, until), access)
    found = _resolve(str(address.host), address.port, access.timeout)
    failure: OSError = OSError("the name has no address")
    for family, *_, place in found:
        try:
            return Stream(_plug(family, place, until), access)
        except OSError as error:
            failure = error
    raise failure


def _plug(family: int, place: Any, until: float) -> socket.socket:
    plug = socket.socket(family, socket.SOCK_STREAM)
    try:
        plug.settimeout(max(0.001, until - time.monotonic()))
        plug.connect(place)
        if family != socket.AF_UNIX:
            plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        plug.close()
        raise
    return plug


def _resolve(host: str, port: int, timeout: float) -> list[tuple[int, int, int, str, object]]:
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
    thread.join(timeout)
    if thread.is_alive():
        raise TimeoutError
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
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)
