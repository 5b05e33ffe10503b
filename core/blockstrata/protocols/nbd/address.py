"""Where an NBD export is: the spellings that name one, and what they mean.

::

    nbd://host:port/export          nbd+unix:///export?socket=PATH        in the clear
    nbds://user@host/export?tls-…   nbds+unix:///export?socket=PATH       under TLS
    nbd:host:port:exportname=NAME   nbd:unix:PATH:exportname=NAME         QEMU's older names

A name becomes QEMU's options of the driver ``nbd``.  QEMU has no name for TLS; it is the option ``tls``,
which holds a :class:`Tls` and so cannot come from JSON.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from blockstrata.errors import BadReferenceError, UnsupportedError

DEFAULT_PORT: Final = 10809

_URI: Final = re.compile(
    r"(?P<scheme>nbds?(?:\+[a-z]+)?)://(?P<server>[^/?#]*)(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?:#.*)?",
    re.DOTALL,
)
_SERVER: Final = re.compile(
    r"(?:(?P<user>[^@]*)@)?(?P<host>\[[^\]]*\]|[^:\[\]@]*)(?::(?P<port>[0-9]{0,5}))?", re.DOTALL
)
_OLD_SERVER: Final = re.compile(r"(?P<host>\[[^\]]+\]|[^:\[\],]+):(?P<port>[0-9]{1,5})", re.DOTALL)
_PORT: Final = re.compile(r"\s*\+?0*([0-9]{1,5})", re.ASCII)
"""As libc reads a service that is a number."""
_PARAMETERS: Final = ("socket", "tls-certificates", "tls-verify-peer", "tls-hostname", "tls-psk-file")
SERVER_KEYS: Final = {
    "inet": frozenset("type host port to ipv4 ipv6 numeric keep-alive mptcp".split()),
    "unix": frozenset("type path abstract tight".split()),
}
"""Options by the kind of server."""


@dataclass(frozen=True, slots=True)
class Tls:
    """How a connection is secured.

    ``certificates`` is a directory with ca-cert.pem and, if the server wants to know us, client-cert.pem and
    client-key.pem; the system's authorities if None.  ``psk_file`` holds lines of user:key instead.
    """

    certificates: str | None = None
    verify: bool = True
    hostname: str | None = None
    psk_file: str | None = None
    username: str | None = None


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


def parse_name(text: str) -> dict[str, Any] | None:
    """Return the options that a name of an export means, or None if it is no such name."""
    if re.match(r"nbds?(\+[a-z]+)?://", text):
        return _parse_uri(text)
    return _parse_old(text) if text.startswith("nbd:") else None


def _parse_uri(text: str) -> dict[str, Any]:
    uri = _URI.fullmatch(text)
    server = _SERVER.fullmatch(uri["server"]) if uri else None
    if uri is None or server is None:
        raise BadReferenceError(text, "", "is no NBD URI; write nbd://HOST:PORT/EXPORT")
    secure, _, transport = uri["scheme"].partition("+")
    if transport == "vsock":
        raise UnsupportedError(text, "", "NBD over vsock is not spoken")
    if transport not in ("", "tcp", "unix"):
        raise BadReferenceError(text, "", f"'{uri['scheme']}' is no scheme of NBD")
    given = _parameters(text, uri["query"] or "")
    options: dict[str, Any] = {"driver": "nbd"}
    if transport == "unix":
        if server["host"] or server["port"]:
            raise BadReferenceError(text, "", f"{uri['scheme']} has no host; write {uri['scheme']}:///EXPORT")
        if not given.get("socket"):
            raise BadReferenceError(text, "socket", "is missing; write ?socket=PATH")
        options["server"] = {"type": "unix", "path": given["socket"]}
    else:
        if "socket" in given:
            raise BadReferenceError(text, "socket", "goes with nbd+unix and nbds+unix only")
        host = _decoded(server["host"]).strip("[]") or "localhost"
        options["server"] = {"type": "inet", "host": host, "port": server["port"] or str(DEFAULT_PORT)}
    export = _decoded(uri["path"]).removeprefix("/")
    if export:
        options["export"] = export
    if secure == "nbds":
        options["tls"] = _tls(text, given, server["user"])
    elif server["user"] or any(key != "socket" for key in given):
        raise BadReferenceError(text, "", "user and tls-… parameters go with nbds and nbds+unix only")
    return options


def _parameters(text: str, query: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for part in filter(None, re.split("[&;]", query)):
        key, _, value = part.partition("=")
        if key not in _PARAMETERS:
            raise BadReferenceError(text, key, f"is no parameter here; there are {', '.join(_PARAMETERS)}")
        if key in given:
            raise BadReferenceError(text, key, "is given twice")
        given[key] = _decoded(value)
    return given


def _tls(text: str, given: dict[str, str], user: str | None) -> Tls:
    verify = given.get("tls-verify-peer", "true").lower()
    if verify not in ("true", "false", "1", "0", "on", "off", "yes", "no"):
        raise BadReferenceError(text, "tls-verify-peer", f"'{verify}' is neither true nor false")
    return Tls(
        certificates=given.get("tls-certificates"),
        verify=verify in ("true", "1", "on", "yes"),
        hostname=given.get("tls-hostname"),
        psk_file=given.get("tls-psk-file"),
        username=_decoded(user) if user else None,
    )


def _parse_old(text: str) -> dict[str, Any]:
    place, has_export, export = text.removeprefix("nbd:").partition(":exportname=")
    if place.startswith("unix:") and len(place) > len("unix:"):
        server = {"type": "unix", "path": place.removeprefix("unix:")}
    else:
        found = _OLD_SERVER.fullmatch(place)
        if found is None:
            raise BadReferenceError(text, "", "is no NBD name; write nbd:HOST:PORT or nbd:unix:PATH")
        server = {"type": "inet", "host": found["host"].strip("[]"), "port": found["port"]}
    if has_export and not export:
        raise BadReferenceError(text, "exportname", "is missing")
    return {"driver": "nbd", "server": server, **({"export": export} if export else {})}


def _decoded(text: str) -> str:
    return unquote(text, errors="surrogateescape")


def address_of(options: dict[str, Any], name: str) -> Address:
    """Return what options of the driver ``nbd`` mean, their values as text.

    ``BadReferenceError`` if they make no sense, ``UnsupportedError`` for what is not spoken here.
    """
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


def _server(options: dict[str, Any], name: str) -> dict[str, Any]:
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


def _text(server: dict[str, Any], key: str, name: str) -> str:
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
