"""Where an NBD export is: its names, QEMU's options of the driver ``nbd``, and the address that they mean.

::

    nbd://host:port/export          nbd+unix:///export?socket=PATH        in the clear
    nbds://user@host/export?tls-…   nbds+unix:///export?socket=PATH       under TLS
    nbd:host:port:exportname=NAME   nbd:unix:PATH:exportname=NAME         QEMU's older names

URIs are those of doc/uri.md in the NBD project, but for vsock.  QEMU has no name for TLS; it is the option
``tls``, which holds a :class:`Tls` and so cannot come from JSON.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from blockstrata.errors import BadReferenceError, UnsupportedError
from blockstrata.naming.checks import SERVER_KEYS
from blockstrata.naming.options import Options, switch_of, text_option, texts

_DEFAULT_PORT: Final = "10809"

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


def parse_nbd(text: str) -> Options | None:
    """Return the options that a name of an export means, or None if it is no such name."""
    if re.match(r"nbds?(\+[a-z]+)?://", text):
        return _parse_uri(text)
    return _parse_old(text) if text.startswith("nbd:") else None


def _parse_uri(text: str) -> Options:
    uri = _URI.fullmatch(text)
    server = _SERVER.fullmatch(uri["server"]) if uri else None
    if uri is None or server is None:
        raise BadReferenceError(text, "", "is not an NBD URI; write nbd://HOST:PORT/EXPORT")
    secure, _, transport = uri["scheme"].partition("+")
    if transport == "vsock":
        raise UnsupportedError(text, "", "NBD over vsock is not supported")
    if transport not in ("", "tcp", "unix"):
        raise BadReferenceError(text, "", f"'{uri['scheme']}' is not an NBD scheme")
    given = _parameters(text, uri["query"] or "")
    options: Options = {"driver": "nbd"}
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
        options["server"] = {"type": "inet", "host": host, "port": server["port"] or _DEFAULT_PORT}
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
            raise BadReferenceError(
                text, key, f"is not a parameter here; use one of {', '.join(_PARAMETERS)}"
            )
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


def _parse_old(text: str) -> Options:
    place, has_export, export = text.removeprefix("nbd:").partition(":exportname=")
    if place.startswith("unix:") and len(place) > len("unix:"):
        server = {"type": "unix", "path": place.removeprefix("unix:")}
    else:
        found = _OLD_SERVER.fullmatch(place)
        if found is None:
            raise BadReferenceError(text, "", "is not an NBD name; write nbd:HOST:PORT or nbd:unix:PATH")
        server = {"type": "inet", "host": found["host"].strip("[]"), "port": found["port"]}
    if has_export and not export:
        raise BadReferenceError(text, "exportname", "is missing")
    return {"driver": "nbd", "server": server, **({"export": export} if export else {})}


def _decoded(text: str) -> str:
    return unquote(text, errors="surrogateescape")


def address_of(options: Options, name: str) -> Address:
    """Return what checked options of the driver ``nbd`` mean.

    ``BadReferenceError`` if they make no sense together, ``UnsupportedError`` for what is not spoken here.
    """
    told = texts(options)
    given = {key: text for key, text in told.items() if text is not None}
    if "tls-creds" in given:
        raise UnsupportedError(
            name, "tls-creds", "names an object of QEMU's; use nbds:// and tls-certificates="
        )
    if "x-dirty-bitmap" in given:
        raise UnsupportedError(name, "x-dirty-bitmap", "is not read; map has --context for other contexts")
    export = given.get("export", "")
    tls = options["tls"] if "tls" in given else None
    if tls is not None and not isinstance(tls, Tls):
        raise BadReferenceError(name, "tls", "driver 'nbd' has no such option")
    older = [key for key in ("path", "host", "port") if key in given]
    if any(key.startswith("server.") for key in told):
        if older:
            raise BadReferenceError(name, "server", f"and '{older[0]}' both name the server")
    elif "path" in given:
        if len(older) > 1:
            raise BadReferenceError(name, "path", "and a host both name the server")
        given |= {"server.type": "unix", "server.path": given["path"]}
    elif "host" in given:
        port = given.get("port", _DEFAULT_PORT)
        given |= {"server.type": "inet", "server.host": given["host"], "server.port": port}
    else:
        raise BadReferenceError(name, "server", "is missing")
    return _address(given, export, tls, name)


def _address(given: dict[str, str], export: str, tls: Tls | None, name: str) -> Address:
    kind = given.get("server.type", "")
    if kind in ("vsock", "fd"):
        raise UnsupportedError(name, "server.type", f"NBD over {kind} is not supported")
    if kind not in SERVER_KEYS:
        raise BadReferenceError(name, "server.type", "is neither inet nor unix")
    if unknown := {key for key in given if key.startswith("server.")} - SERVER_KEYS[kind]:
        raise BadReferenceError(name, min(unknown), f"is not an option of {kind} servers")
    if kind == "unix":
        if switch_of(given, "server.abstract"):
            raise UnsupportedError(name, "server.abstract", "abstract sockets are not supported")
        path = text_option(given, "server.path", name)
        if "\0" in path:
            raise BadReferenceError(name, "server.path", "holds a null byte")
        return Address(None, 0, path, export, tls)
    host, port = text_option(given, "server.host", name), given.get("server.port")
    if port is None:
        raise BadReferenceError(name, "server.port", "is missing")
    number = _PORT.fullmatch(port)
    if not number or not 0 < int(number[1]) < 65536:
        raise BadReferenceError(name, "server.port", f"{port} is not a port")
    return Address(host, int(number[1]), None, export, tls)
