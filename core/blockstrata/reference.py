"""What a user or a header may name: a path, ``file:`` and ``null-co://`` names, ``json:{…}``.

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
from blockstrata.sizes import parse_size

Options: TypeAlias = dict[str, Any]
"""Nested block device options, values as JSON has them."""

FILE_DRIVERS: Final = ("file", "host_device")
NULL_DRIVERS: Final = ("null-co", "null-aio")
RECORDED: Final = "recorded"
"""No driver of QEMU's: a file whose storage is as it was recorded (:mod:`blockstrata.protocols.recorded`)."""
PROTOCOL_DRIVERS: Final = (*FILE_DRIVERS, *NULL_DRIVERS, RECORDED)

_MAX_NESTING: Final = 128
"""Keys in one another in a json reference; far more than anyone writes, far less than a stack holds."""

_NULL_NAME: Final = re.compile(r"(null-co|null-aio):(.*)", re.DOTALL)
_COMMON: Final = frozenset(
    "driver node-name cache discard read-only auto-read-only force-share detect-zeroes".split()
)
_KNOWN: Final = {
    "file": _COMMON
    | set("filename aio aio-max-batch locking pr-manager drop-cache x-check-cache-dropped".split()),
    "null-co": _COMMON | {"size", "latency-ns", "read-zeroes"},
    "raw": _COMMON | {"file", "offset", "size"},
    "qcow2": _COMMON
    | set(
        "file backing data-file encrypt lazy-refcounts pass-discard-request pass-discard-snapshot"
        " pass-discard-other overlap-check cache-size l2-cache-size l2-cache-entry-size refcount-cache-size"
        " cache-clean-interval discard-no-unref".split()
    ),
}
_KNOWN["host_device"] = _KNOWN["file"]
_KNOWN["null-aio"] = _KNOWN["null-co"]
_KNOWN[RECORDED] = frozenset(("driver", "filename", "storage"))


def parse_reference(text: str, driver: str | None = None) -> Options:
    """Return the options that a name means; ``driver`` is the format if it is known, and wins over json's.

    ``BadReferenceError`` if the name makes no sense, ``UnsupportedError`` for a protocol that is not spoken.
    """
    if text.startswith("json:"):
        options = _parse_json(text)
        return {**options, "driver": driver} if driver else options
    protocol = _parse_name(text)
    if driver in PROTOCOL_DRIVERS:
        return {**protocol, "driver": driver}
    return {"driver": driver, "file": protocol} if driver else {"file": protocol}


def _parse_name(text: str) -> Options:
    if not text:
        raise BadReferenceError("''", "", "an image needs a name")
    null = _NULL_NAME.fullmatch(text)
    if null:
        if null[2] != "//":
            raise BadReferenceError(text, "", f"the only name of this driver is {null[1]}://")
        return {"driver": null[1]}
    if text.startswith("file:"):
        return {"driver": "file", "filename": text.removeprefix("file:")}
    if has_protocol(text):
        protocol = text.partition(":")[0]
        raise UnsupportedError(
            text, "", f"protocol '{protocol}' is not supported; a file of this name is written ./{text}"
        )
    return {"filename": text}


def has_protocol(name: str) -> bool:
    """Say whether a name starts with a protocol: it has a colon before any slash (SPEC.md section 7)."""
    return re.match(r"[^:/]*:", name) is not None


def join_backing(overlay: str, backing: str) -> str:
    """Return a backing name as QEMU opens it: relative to the directory of the overlay as it was named."""
    if has_protocol(backing) or backing.startswith("/"):
        return backing
    return overlay[: overlay.rfind("/") + 1] + backing


def _parse_json(text: str) -> Options:
    name = text if len(text) <= 60 else text[:59] + "…"
    try:
        pairs = json.loads(text.removeprefix("json:"), object_pairs_hook=_Pairs)
    except RecursionError:
        raise BadReferenceError(name, "", "is nested too deeply") from None
    except ValueError as error:
        raise BadReferenceError(name, "", f"is not JSON: {error}") from None
    if not isinstance(pairs, _Pairs):
        raise BadReferenceError(name, "", "is no JSON object")
    return _nest(pairs, name)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it was written, keys that are given twice included."""


def _nest(pairs: _Pairs, name: str) -> Options:
    """Turn dotted keys into nested dictionaries: ``file.filename`` and ``file: {filename}`` mean the same."""
    nested: Options = {}
    waiting: list[tuple[list[str], Any]] = [([], pairs)]
    while waiting:
        path, value = waiting.pop()
        if len(path) > _MAX_NESTING:
            raise BadReferenceError(name, "", "is nested too deeply")
        if isinstance(value, _Pairs):
            if path:
                _put(nested, path, {}, name)
            waiting.extend(([*path, *key.split(".")], inner) for key, inner in reversed(value))
        else:
            _put(nested, path, value, name)
    return nested


def _put(nested: Options, path: list[str], value: object, name: str) -> None:
    """Put a value at a path; dictionaries are shared, anything else may be given once."""
    *parents, last = path
    for parent in parents:
        nested = nested.setdefault(parent, {})
        if not isinstance(nested, dict):
            raise BadReferenceError(name, ".".join(path), f"'{parent}' is given twice")
    if value == {} and isinstance(nested.get(last), dict):
        return
    if last in nested:
        raise BadReferenceError(name, ".".join(path), "is given twice")
    nested[last] = value


def merge(below: Options, above: Options) -> Options:
    """Return options in which those of ``above`` replace or complete those of ``below``, at every depth."""
    merged = dict(below)
    for key, value in above.items():
        before = merged.get(key)
        merged[key] = merge(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return merged


def check_options(options: Options, driver: str, name: str) -> None:
    """Refuse an option that QEMU's driver of that name does not have; ``BadReferenceError`` names it."""
    # to have no backing layer is allowed for every driver
    unknown = sorted(
        key for key in set(options) - _KNOWN[driver] if key != "backing" or options[key] is not None
    )
    if unknown:
        raise BadReferenceError(name, unknown[0], f"driver '{driver}' has no such option")


def child(options: Options, key: str, name: str) -> Options | None:
    """Return the options of a child, or None if there are none; ``BadReferenceError`` for a node name."""
    value = options.get(key)
    if value is None or isinstance(value, dict):
        return value
    raise BadReferenceError(name, key, f"names a node, '{value}', but there are none; give its options")


def size_option(options: Options, key: str, name: str) -> int | None:
    """Return an option in bytes, written as a number or as QEMU writes sizes."""
    value = options.get(key)
    if value is None:
        return None
    try:
        size = parse_size(str(value)) if not isinstance(value, bool) else -1
    except ValueError as error:
        raise BadReferenceError(name, key, str(error)) from None
    if size < 0:
        raise BadReferenceError(name, key, f"{value} is not a size")
    return size


def bool_option(options: Options, key: str, name: str) -> bool:
    """Return a switch, written true, "on", "yes" or their opposites; off if it is not there."""
    value = options.get(key)
    if value is True or value in ("on", "yes", "true", "y"):
        return True
    if value is None or value is False or value in ("off", "no", "false", "n"):
        return False
    raise BadReferenceError(name, key, f"'{value}' is neither on nor off")


def text_option(options: Options, key: str, name: str) -> str:
    """Return an option that must be there as text."""
    value = options.get(key)
    if not isinstance(value, str) or not value:
        raise BadReferenceError(name, key, "is missing")
    return value
