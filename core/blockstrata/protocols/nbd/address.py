"""Where an NBD export is, found in the options of the driver ``nbd``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from blockstrata.errors import BadReferenceError, UnsupportedError
from blockstrata.naming.checks import SERVER_KEYS
from blockstrata.naming.nbd_uri import DEFAULT_PORT, Tls
from blockstrata.naming.options import Options, in_text

_PORT: Final = re.compile(r"\s*\+?0*([0-9]{1,5})", re.ASCII)
"""As libc reads a service that is a number."""


@dataclass(frozen=True, slots=True)
class Address:
    """A server, by host and port or by the path of its socket, and the export there."""

    host: str | None
    port: int
    path: str | None
    export: str
    tls: Tls | None = None

    @property
    def name(self) -> str:
        """The URI as QEMU writes it: nothing in it is escaped."""
        scheme = "nbds" if self.tls else "nbd"
        export = f"/{self.export}" if self.export else ""
        if self.path is not None:
            return f"{scheme}+unix://{export}?socket={self.path}"
        host = f"[{self.host}]" if ":" in str(self.host) else self.host
        return f"{scheme}://{host}:{self.port}{export}"

    @property
    def identity(self) -> tuple[object, ...]:
        """Equal for two addresses of one export."""
        return ("nbd", self.host, self.port, self.path, self.export)


def address_of(options: Options, name: str) -> Address:
    """Return what options of the driver ``nbd`` mean.

    ``BadReferenceError`` if they make no sense, ``UnsupportedError`` for what is not spoken here.
    """
    options = in_text(options)
    if options.get("tls-creds") is not None:
        raise UnsupportedError(
            name, "tls-creds", "names an object of QEMU's; use nbds:// and tls-certificates="
        )
    if options.get("x-dirty-bitmap") is not None:
        raise UnsupportedError(name, "x-dirty-bitmap", "is not read; map has --context for other contexts")
    tls, export = options.get("tls"), options.get("export", "")
    if tls is not None and not isinstance(tls, Tls):
        raise BadReferenceError(name, "tls", "driver 'nbd' has no such option")
    if not isinstance(export, str):
        raise BadReferenceError(name, "export", f"{export} is no name")
    server = _server(options, name)
    known = SERVER_KEYS.get(str(server.get("type")))
    if server.get("type") in ("vsock", "fd"):
        raise UnsupportedError(name, "server.type", f"NBD over {server['type']} is not spoken")
    if known is None:
        raise BadReferenceError(name, "server.type", "is neither inet nor unix")
    if unknown := sorted(set(server) - known):
        raise BadReferenceError(name, f"server.{unknown[0]}", f"is no option of {server['type']} servers")
    if server["type"] == "unix":
        if server.get("abstract") not in (None, "off", "no", "false", "n"):
            raise UnsupportedError(name, "server.abstract", "abstract sockets are not spoken to")
        path = _text(server, "path", name)
        if "\0" in path:
            raise BadReferenceError(name, "server.path", "holds a null byte")
        return Address(None, 0, path, export, tls)
    return Address(_text(server, "host", name), _port(server.get("port"), name), None, export, tls)


def _server(options: Options, name: str) -> Options:
    """Return the server's options, also where the older ``path``, ``host`` and ``port`` state it."""
    server = options.get("server")
    old = {key: options[key] for key in ("path", "host", "port") if options.get(key) is not None}
    if server is not None:
        if not isinstance(server, dict):
            raise BadReferenceError(name, "server", "is no set of options")
        if old:
            raise BadReferenceError(name, "server", f"and '{next(iter(old))}' both name the server")
        return server
    if "path" in old:
        if len(old) > 1:
            raise BadReferenceError(name, "path", "and a host both name the server")
        return {"type": "unix", **old}
    if "host" in old:
        return {"type": "inet", "port": DEFAULT_PORT, **old}
    raise BadReferenceError(name, "server", "is missing")


def _text(server: Options, key: str, name: str) -> str:
    value = server.get(key)
    if not isinstance(value, str) or not value:
        raise BadReferenceError(name, f"server.{key}", "is missing")
    return value


def _port(value: object, name: str) -> int:
    if value is None:
        raise BadReferenceError(name, "server.port", "is missing")
    number = _PORT.fullmatch(str(value))
    if not number or not 0 < int(number[1]) < 65536:
        raise BadReferenceError(name, "server.port", f"{value} is no port")
    return int(number[1])
