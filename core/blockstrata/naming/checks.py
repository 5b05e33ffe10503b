"""The options that QEMU's drivers have, and which values they take.

Checked so that what QEMU refuses is refused, whether it concerns block status or not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias

from blockstrata.errors import BadReferenceError
from blockstrata.naming.drivers import FILE_DRIVERS, NULL_DRIVERS, RECORDED
from blockstrata.naming.options import SWITCH, Options, size_of, switch_of, text_of, texts

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
            return f"'{text[:_LONGEST]}' is not a number"
        octal = match[2].startswith("0") and match[2].isdigit()
        value = int(match[2], 8 if octal else 0)
        if value >= 1 << 64:
            return f"'{text}' is not a 64-bit number"
        if match[1] == "-":
            value = -value % (1 << 64)
        return f"{value} is more than {most}" if value > most else ""

    return check


def _one_of(*words: str) -> Check:
    return lambda text: "" if text in words else f"'{text}' is none of {', '.join(words)}"


def _node_name(text: str) -> str:
    return "" if _NODE_NAME.fullmatch(text) else f"'{text}' is not a node name"


_COMMON: Final[dict[str, Check]] = {
    "driver": _any,
    "node-name": _node_name,
    **dict.fromkeys("cache.direct cache.no-flush read-only auto-read-only force-share".split(), _switch),
    "discard": _one_of("ignore", "off", "unmap", "on"),
    "detect-zeroes": _one_of("off", "on", "unmap"),
}
COMMON_KEYS: Final = frozenset(key.partition(".")[0] for key in _COMMON)
"""Options that every driver has.  None of them names anything that could be opened."""

_FILE: Final[dict[str, Check]] = {
    "filename": _any,
    "aio": _one_of("threads", "native", "io_uring"),
    "aio-max-batch": _number(2**64 - 1),
    "locking": _one_of("on", "off", "auto"),
    "pr-manager": lambda text: f"there is no persistent reservation manager '{text}'",
    **dict.fromkeys(("drop-cache", "x-check-cache-dropped"), _switch),
}
_NULL: Final[dict[str, Check]] = {"size": _size, "latency-ns": _number(2**63 - 1), "read-zeroes": _switch}
SERVER_KEYS: Final = {
    kind: frozenset(f"server.{key}" for key in keys.split())
    for kind, keys in {
        "inet": "type host port to ipv4 ipv6 numeric keep-alive mptcp",
        "unix": "type path abstract tight",
    }.items()
}
"""Options of the server of an NBD export, by its kind."""
_NBD: Final[dict[str, Check]] = {
    **dict.fromkeys("export path host port tls tls-creds tls-hostname x-dirty-bitmap".split(), _any),
    # which of them a kind of server has is looked at where the address is taken apart
    **dict.fromkeys({"server.cid", "server.str"}.union(*SERVER_KEYS.values()), _any),
    **dict.fromkeys(
        (f"server.{key}" for key in "ipv4 ipv6 keep-alive mptcp numeric abstract tight".split()), _switch
    ),
    "server.to": _number(2**16 - 1),
    **dict.fromkeys(("reconnect-delay", "open-timeout"), _number(2**32 - 1)),
}
_OVERLAP_PARTS: Final = (
    "main-header active-l1 active-l2 refcount-table refcount-block snapshot-table inactive-l1 inactive-l2"
    " bitmap-directory"
).split()
_QCOW2: Final[dict[str, Check]] = {
    **dict.fromkeys("file backing data-file encrypt.format encrypt.key-secret".split(), _any),
    **dict.fromkeys("lazy-refcounts discard-no-unref".split(), _switch),
    **dict.fromkeys((f"pass-discard-{what}" for what in ("request", "snapshot", "other")), _switch),
    **dict.fromkeys(
        ("overlap-check", "overlap-check.template"), _one_of("none", "constant", "cached", "all")
    ),
    **dict.fromkeys((f"overlap-check.{part}" for part in _OVERLAP_PARTS), _switch),
    **dict.fromkeys(("cache-size", "l2-cache-size", "refcount-cache-size", "l2-cache-entry-size"), _size),
    "cache-clean-interval": _number(2**32 - 1),
}
_DRIVERS: Final[dict[str, dict[str, Check]]] = {
    **dict.fromkeys(FILE_DRIVERS, _FILE),
    **dict.fromkeys(NULL_DRIVERS, _NULL),
    "nbd": _NBD,
    RECORDED: {"filename": _any, "storage": _any},
    "raw": {"file": _any, "offset": _size, "size": _size},
    "luks": {"file": _any, "key-secret": _any},
    "qcow2": _QCOW2,
}
_CHILDREN: Final = ("file", "backing", "data-file")
"""Keys whose options are those of another node."""


def check_options(options: Options, driver: str, name: str) -> None:
    """Refuse an option that QEMU's driver does not have, or a value that it does not take.

    ``BadReferenceError`` names the option.  What several options or the image together forbid is not all
    seen; that of a qcow2 image is by the format.
    """
    checks = _COMMON | _DRIVERS[driver]
    # a child's are looked at with the child
    own = {
        key: None if key in _CHILDREN and isinstance(value, dict) else value for key, value in options.items()
    }
    for key, text in sorted(texts(own).items()):
        check = checks.get(key)
        # to have no backing layer is allowed for every driver
        if check is None and not (key == "backing" and options[key] in (None, "")):
            raise BadReferenceError(name, key, f"driver '{driver}' has no such option")
        if check and text is not None and (wrong := check(text)):
            raise BadReferenceError(name, key, wrong)
    if text_of(options, "detect-zeroes") == "unmap" and text_of(options, "discard") not in ("unmap", "on"):
        raise BadReferenceError(name, "detect-zeroes", "'unmap' needs discard to be unmap too")
    if switch_of(options, "force-share") and switch_of(options, "read-only") is False:
        raise BadReferenceError(name, "force-share", "cannot be used with read-only=off")
    direct = switch_of(options.get("cache") or {}, "direct")
    if driver in FILE_DRIVERS and text_of(options, "aio") == "native" and not direct:
        raise BadReferenceError(name, "aio", "'native' needs cache.direct to be on")
