"""What a user or a header may name: a path, ``file:``, ``null-co://`` and NBD names, ``json:{…}``.

A reference becomes QEMU's block device options as one nested dictionary.  A plain name leaves the format
open, to be probed::

    top.qcow2                        {"file": {"filename": "top.qcow2"}}
    json:{"driver": "raw", "file.filename": "base.img"}
                                     {"driver": "raw", "file": {"filename": "base.img"}}
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, TypeAlias

from blockstrata.errors import BadReferenceError, UnsupportedError
from blockstrata.naming.paths import has_protocol
from blockstrata.protocols.nbd.address import parse_name as parse_nbd
from blockstrata.text.printable import shortened
from blockstrata.text.sizes import parse_size

Options: TypeAlias = dict[str, Any]
"""Nested block device options, values as JSON has them but for lists, which are dictionaries by index."""

FILE_DRIVERS: Final = ("file", "host_device")
NULL_DRIVERS: Final = ("null-co", "null-aio")
RECORDED: Final = "recorded"
"""No driver of QEMU's: a file whose storage is as it was recorded (:mod:`blockstrata.protocols.recorded`)."""
PROTOCOL_DRIVERS: Final = (*FILE_DRIVERS, *NULL_DRIVERS, "nbd", RECORDED)

FOREIGN_FORMATS: Final = tuple("bochs cloop dmg parallels qcow qed vdi vhdx vmdk vpc".split())
"""Formats that only qemu-img reads."""
URL_DRIVERS: Final = tuple("ftp ftps http https".split())
"""Protocols that only QEMU speaks; an image is named by its URL."""
_PROTOCOL_NAMES: Final = tuple(
    "fat gluster gluster+rdma gluster+tcp gluster+unix host_cdrom iscsi iser nfs nvme rbd ssh".split()
)
BY_NAME_DRIVERS: Final = ("blkdebug", "blkverify", *_PROTOCOL_NAMES)
"""More of them, whose names only QEMU can take apart; here that is driver and filename."""
REMOTE_DRIVERS: Final = (*_PROTOCOL_NAMES, *URL_DRIVERS, "vvfat")
"""Protocols that only QEMU speaks, as drivers."""
_GRAPH_DRIVERS: Final = (
    *REMOTE_DRIVERS,
    *"blkdebug blklogwrites blkverify compress copy-before-write copy-on-read preallocate quorum".split(),
    *"replication snapshot-access throttle".split(),
)
"""Nodes that only QEMU opens, and all that lies below them."""

_MAX_NESTING: Final = 128
"""Keys in one another in a json reference; far more than anyone writes, far less than a stack holds."""

_LONGEST_NUMBER: Final = 1000
"""Characters; Python refuses to read some thousands of digits."""

SWITCH: Final = {
    **dict.fromkeys(("on", "yes", "true", "y"), True),
    **dict.fromkeys(("off", "no", "false", "n"), False),
}
"""How a switch may be written."""

_NULL_NAME: Final = re.compile(r"(null-co|null-aio):(.*)", re.DOTALL)
_FILE_NAME: Final = re.compile(r"(file|host_device):(.*)", re.DOTALL)
_STRING: Final = re.compile(r"""\"(?:[^"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'""", re.DOTALL)
_TO_QUOTE: Final = re.compile(r'\\.|"', re.DOTALL)


def parse_reference(text: str, driver: str | None = None) -> Options:
    """Return the options that a name means; ``driver`` is the format if it is known, and wins over json's.

    ``BadReferenceError`` if the name makes no sense, ``UnsupportedError`` for a protocol that is not spoken.
    """
    if text.startswith("json:"):
        options = _parse_json(text)
        return options if driver is None else {**options, "driver": driver}
    if driver in FILE_DRIVERS and text:
        return {"driver": driver, "filename": text.removeprefix(f"{driver}:")}
    protocol = _parse_name(text)
    if driver in NULL_DRIVERS:
        if protocol != {"driver": driver}:
            raise BadReferenceError(text, "", f"the only name of this driver is {driver}://")
        return protocol
    return {"file": protocol} if driver is None else {"driver": driver, "file": protocol}


def _parse_name(text: str) -> Options:
    if not text:
        raise BadReferenceError("''", "", "an image needs a name")
    null = _NULL_NAME.fullmatch(text)
    if null:
        if null[2] != "//":
            raise BadReferenceError(text, "", f"the only name of this driver is {null[1]}://")
        return {"driver": null[1]}
    file = _FILE_NAME.fullmatch(text)
    if file:
        return {"driver": file[1], "filename": file[2]}
    nbd = parse_nbd(text)
    if nbd is not None:
        return nbd
    if has_protocol(text):
        protocol = text.partition(":")[0]
        if protocol in URL_DRIVERS:
            return {"driver": protocol, "url": text}
        if protocol in BY_NAME_DRIVERS:
            return {"driver": protocol, "filename": text}
        raise UnsupportedError(
            text, "", f"protocol '{protocol}' is not supported; a file of this name is written ./{text}"
        )
    return {"filename": text}


def export_options(text: str) -> Options | None:
    """Return the options of the NBD export that a name means as it is; None if it means something else."""
    options = parse_reference(text)
    if options.get("driver") is None:
        options = child(options, "file", text) or {}
    return options if options.get("driver") == "nbd" else None


def needs_qemu(options: Options) -> bool:
    """Say whether only QEMU can open a node, and all that lies below it.

    That is so for the drivers only it has, and for a format that stands on another format; a foreign format
    on a file does not count.
    """
    driver = options.get("driver")
    if driver in _GRAPH_DRIVERS:
        return True
    if driver in PROTOCOL_DRIVERS:
        return False
    children = [options[key] for key in ("file", "data-file") if isinstance(options.get(key), dict)]
    return any(
        below.get("driver") in (*FOREIGN_FORMATS, "qcow2", "luks") or needs_qemu(below) for below in children
    )


def _parse_json(text: str) -> Options:
    name = shortened(text)
    quoted = _STRING.sub(_in_double_quotes, text.removeprefix("json:"))
    try:
        pairs = json.loads(
            quoted, object_pairs_hook=_Pairs, parse_int=_whole, parse_constant=_refuse_constant
        )
    except RecursionError:
        raise BadReferenceError(name, "", "is nested too deeply") from None
    except ValueError as error:
        raise BadReferenceError(name, "", f"is not JSON: {error}") from None
    if not isinstance(pairs, _Pairs):
        raise BadReferenceError(name, "", "is no JSON object")
    return nest(_flat(_members(pairs, name), name), name)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it was written, keys that are given twice included."""


def _in_double_quotes(string: re.Match[str]) -> str:
    """Return a string of QEMU's JSON, which may stand in single quotes, as JSON has it."""
    inner = _TO_QUOTE.sub(lambda part: {'"': r"\"", r"\'": "'"}.get(part[0], part[0]), string[0][1:-1])
    return f'"{inner}"'


def _whole(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError(f"{shortened(digits)} is too long for a number")
    return int(digits)


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is no number")


def _flat(level: list[tuple[str, object]], name: str) -> dict[str, object]:
    """Return values by dotted key; of one key in two spellings the more deeply nested wins, as in QEMU."""
    flat: dict[str, object] = {}
    while level:
        deeper: list[tuple[str, object]] = []
        for key, value in level:
            members = _members(value, name)
            deeper += [(f"{key}.{inner}", item) for inner, item in members]
            if not members:
                flat[key] = {} if isinstance(value, list) else value
        level = deeper
    return flat


def _members(value: object, name: str) -> list[tuple[str, object]]:
    """Return what is in an object or a list, by key or index; nothing for a plain value."""
    if isinstance(value, _Pairs):
        if len({key for key, _ in value}) < len(value):
            raise BadReferenceError(name, "", "gives a key twice")
        return value
    if isinstance(value, dict):
        return list(value.items())
    return [(str(index), item) for index, item in enumerate(value)] if isinstance(value, list) else []


def nest(flat: dict[str, object], text: str) -> Options:
    """Turn dotted keys into nested dictionaries: ``file.filename`` and ``file: {filename}`` mean the same.

    ``BadReferenceError`` for options under a key that itself is text, the name of a node.  Another value
    beside options counts for nothing, as in QEMU.
    """
    name = shortened(text)
    nested: Options = {}
    for key, value in flat.items():
        *parents, last = key.split(".")
        if len(parents) >= _MAX_NESTING:
            raise BadReferenceError(name, "", "is nested too deeply")
        options = nested
        for parent in parents:
            options = _options_at(options, parent, {}, name)
        if value == {} or last in options:
            _options_at(options, last, value, name)
        else:
            options[last] = value
    return nested


def _options_at(options: Options, key: str, other: object, name: str) -> Options:
    """Return the options under a key, where there may be another value or is one beside them."""
    before = options.get(key, {})
    for value in (before, other):
        # null for a backing layer says that there is none
        if isinstance(value, str) or (value is None and key == "backing"):
            raise BadReferenceError(name, key, "is a value, and options are given for it too")
    if not isinstance(before, dict) or key not in options:
        before = options[key] = {}
    return before


def merge(below: Options, above: Options, name: str) -> Options:
    """Return options in which those of ``above`` replace or complete those of ``below``, at every depth."""
    return nest({**_flat(list(below.items()), name), **_flat(list(above.items()), name)}, name)


def child(options: Options, key: str, name: str) -> Options | None:
    """Return the options of a child, with those it inherits, or None if there are none.

    ``BadReferenceError`` for the name of a node.  What is neither text nor options counts for nothing.
    """
    value = options.get(key)
    if isinstance(value, str):
        raise BadReferenceError(name, key, f"names a node, '{value}', but there are none; give its options")
    if not isinstance(value, dict) or not value:
        return None
    return merge(inherited(options, key), value, name)


def inherited(options: Options, key: str) -> Options:
    """Return what a child has too, however it is named, unless its own options say otherwise."""
    # what is backing is opened read-only, whatever is above it
    keys = ("cache", "force-share", *(() if key == "backing" else ("read-only",)))
    return {"discard": "unmap", **{each: options[each] for each in keys if each in options}}


def text_of(options: Options, key: str) -> str | None:
    """Return an option as QEMU's drivers take it, as text; None if it is not given (null, ``{}``, ``[]``)."""
    value = options.get(key)
    if value is None or isinstance(value, dict):
        return None
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.17g}" if isinstance(value, float) else str(value)


def in_text(options: Options) -> Options:
    """Return options with JSON's values as text, at every depth; what counts as not given is left out."""
    found: Options = {}
    for key, value in options.items():
        if isinstance(value, dict) and value:
            found[key] = in_text(value)
        elif value is None or isinstance(value, (dict, bool, int, float)):
            text = text_of(options, key)
            found |= {} if text is None else {key: text}
        else:
            found[key] = value
    return found


def driver_option(options: Options) -> str | None:
    """Return the driver, None if it is to be probed: what is no text counts for nothing, as in QEMU."""
    driver = options.get("driver")
    return driver if isinstance(driver, str) else None


def size_option(options: Options, key: str, name: str) -> int | None:
    """Return an option in bytes, written as a number or as QEMU writes sizes."""
    text = text_of(options, key)
    try:
        return None if text is None else parse_size(text.lstrip().removeprefix("+"))
    except ValueError as error:
        raise BadReferenceError(name, key, str(error)) from None


def bool_option(options: Options, key: str, name: str) -> bool:
    """Return a switch, written true, "on", "yes" or their opposites; off if it is not there."""
    text = text_of(options, key)
    if text is not None and text not in SWITCH:
        raise BadReferenceError(name, key, f"'{text}' is neither on nor off")
    return text is not None and SWITCH[text]


def text_option(options: Options, key: str, name: str) -> str:
    """Return an option that must be there as text."""
    value = options.get(key)
    if not isinstance(value, str) or not value:
        raise BadReferenceError(name, key, "is missing")
    return value
