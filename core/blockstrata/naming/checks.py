"""The options that QEMU's drivers have, and which values they take.

Checked so that what QEMU refuses is refused, whether it concerns block status or not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

from blockstrata.errors import BadReferenceError
from blockstrata.naming.drivers import RECORDED
from blockstrata.naming.options import SWITCH, Options, size_of, switch_of, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Check: TypeAlias = Callable[[str], str]
    """Says what is wrong with an option's text; nothing if it is fine."""

_NUMBER: Final = re.compile(r"\s*([+-]?)(0x[0-9a-f]+|0[0-7]*|[1-9][0-9]*)", re.ASCII | re.IGNORECASE)
_LONGEST: Final = 64
"""Characters of a number; Python reads none out of thousands."""
_NODE_NAME: Final = re.compile("[a-z][a-z0-9._-]{0,30}", re.ASCII | re.IGNORECASE)


def _any(_: str) -> str:
    return ""


def _switch(text: str) -> str:
    return "" if text in SWITCH else f"'{text}' is neither on nor off"


def _size(text: str) -> str:
    try:
        size_of(text)
    except ValueError as error:
        return str(error)
    return ""


def _number(most: int) -> Check:
    """Return the check of a number of 64 bits; one below 0 counts as what its bits are without a sign."""

    def check(text: str) -> str:
        match = _NUMBER.fullmatch(text) if len(text) <= _LONGEST else None
        if not match:
            return f"'{text[:_LONGEST]}' is no number"
        octal = match[2].startswith("0") and match[2].isdigit()
        value = int(match[2], 8 if octal else 0)
        if value >= 1 << 64:
            return f"'{text}' is no number of 64 bits"
        if match[1] == "-":
            value = -value % (1 << 64)
        return f"{value} is more than {most}" if value > most else ""

    return check


def _one_of(*words: str) -> Check:
    return lambda text: "" if text in words else f"'{text}' is none of {', '.join(words)}"


def _node_name(text: str) -> str:
    return "" if _NODE_NAME.fullmatch(text) else f"'{text}' is no name for a node"


def _no_manager(text: str) -> str:
    return f"there is no persistent reservation manager '{text}'"


_DISCARD: Final = ("ignore", "off", "unmap", "on")
_OVERLAPS: Final = _one_of("none", "constant", "cached", "all")
_ANY_NUMBER: Final = _number(2**64 - 1)

_COMMON: Final[dict[str, Check]] = {
    "driver": _any,
    "node-name": _node_name,
    "cache.direct": _switch,
    "cache.no-flush": _switch,
    "read-only": _switch,
    "auto-read-only": _switch,
    "force-share": _switch,
    "discard": _one_of(*_DISCARD),
    "detect-zeroes": _one_of("off", "on", "unmap"),
}
COMMON_KEYS: Final = frozenset(key.partition(".")[0] for key in _COMMON)
"""Options that every driver has.  None of them names anything that could be opened."""

_FILE: Final[dict[str, Check]] = {
    **_COMMON,
    "filename": _any,
    "aio": _one_of("threads", "native", "io_uring"),
    "aio-max-batch": _ANY_NUMBER,
    "locking": _one_of("on", "off", "auto"),
    "pr-manager": _no_manager,
    "drop-cache": _switch,
    "x-check-cache-dropped": _switch,
}
_NULL: Final[dict[str, Check]] = {
    **_COMMON,
    "size": _size,
    "latency-ns": _number(2**63 - 1),
    "read-zeroes": _switch,
}
SERVER_KEYS: Final = {
    "inet": frozenset("type host port to ipv4 ipv6 numeric keep-alive mptcp".split()),
    "unix": frozenset("type path abstract tight".split()),
}
"""Options of the server of an NBD export, by its kind."""
_NBD: Final[dict[str, Check]] = {
    **_COMMON,
    **dict.fromkeys("export path host port tls tls-creds tls-hostname x-dirty-bitmap".split(), _any),
    # which of them a kind of server has is looked at where the address is taken apart
    **dict.fromkeys((f"server.{key}" for key in {"cid", "str"}.union(*SERVER_KEYS.values())), _any),
    **dict.fromkeys("server.ipv4 server.ipv6 server.keep-alive server.mptcp".split(), _switch),
    **dict.fromkeys("server.numeric server.abstract server.tight".split(), _switch),
    "server.to": _number(2**16 - 1),
    **dict.fromkeys(("reconnect-delay", "open-timeout"), _number(2**32 - 1)),
}
_RAW: Final[dict[str, Check]] = {**_COMMON, "file": _any, "offset": _size, "size": _size}
_QCOW2: Final[dict[str, Check]] = {
    **_COMMON,
    **dict.fromkeys(("file", "backing", "data-file"), _any),
    **dict.fromkeys(("encrypt.format", "encrypt.key-secret"), _any),
    **dict.fromkeys(("lazy-refcounts", "pass-discard-request", "pass-discard-snapshot"), _switch),
    **dict.fromkeys(("pass-discard-other", "discard-no-unref"), _switch),
    **dict.fromkeys(("overlap-check", "overlap-check.template"), _OVERLAPS),
    **{
        f"overlap-check.{what}": _switch
        for what in (
            "main-header active-l1 active-l2 refcount-table refcount-block snapshot-table inactive-l1"
            " inactive-l2 bitmap-directory"
        ).split()
    },
    **dict.fromkeys(("cache-size", "l2-cache-size", "refcount-cache-size", "l2-cache-entry-size"), _size),
    "cache-clean-interval": _number(2**32 - 1),
}
_DRIVERS: Final[dict[str, dict[str, Check]]] = {
    "file": _FILE,
    "host_device": _FILE,
    "null-co": _NULL,
    "null-aio": _NULL,
    "nbd": _NBD,
    RECORDED: {**_COMMON, "filename": _any, "storage": _any},
    "raw": _RAW,
    "luks": {**_COMMON, "file": _any, "key-secret": _any},
    "qcow2": _QCOW2,
}
_CHILDREN: Final = ("file", "backing", "data-file")
"""Keys whose options are those of another node."""


def check_options(options: Options, driver: str, name: str) -> None:
    """Refuse an option that QEMU's driver does not have, or a value that it does not take.

    ``BadReferenceError`` names the option.  What several options or the image together forbid is not all
    seen; that of a qcow2 image is by the format.
    """
    checks = _DRIVERS[driver]
    for key, text in sorted(_texts(options)):
        # to have no backing layer is allowed for every driver
        if key not in checks and not (key == "backing" and options[key] in (None, "")):
            raise BadReferenceError(name, key, f"driver '{driver}' has no such option")
        wrong = checks[key](text) if text is not None and key in checks else ""
        if wrong:
            raise BadReferenceError(name, key, wrong)
    if text_of(options, "detect-zeroes") == "unmap" and text_of(options, "discard") not in ("unmap", "on"):
        raise BadReferenceError(name, "detect-zeroes", "'unmap' needs discard to be unmap too")
    if switch_of(options, "force-share") and switch_of(options, "read-only") is False:
        raise BadReferenceError(name, "force-share", "does not go with read-only being off")
    direct = switch_of(options.get("cache") or {}, "direct")
    if driver in ("file", "host_device") and text_of(options, "aio") == "native" and not direct:
        raise BadReferenceError(name, "aio", "'native' needs cache.direct to be on")


def _texts(options: Options) -> Iterator[tuple[str, str | None]]:
    """Yield the node's own options by dotted key, as text; those of its children under the child's key."""
    waiting = list(options.items())
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, dict) and value and key not in _CHILDREN:
            waiting += [(f"{key}.{inner}", item) for inner, item in value.items()]
        else:
            yield key, text_of({key: value}, key)
