"""Options of QEMU's block devices as one tree: put together, handed down to children, read by type.

::

    {"driver": "qcow2", "file": {"driver": "file", "filename": "top.qcow2"}, "backing": None}

A key with dots leads into the options under another key: ``file.filename`` is the ``filename`` of the child
``file``.  What the names in it mean is in docs/semantics.md, "Names and formats".
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from blockstrata.errors import BadReferenceError
from blockstrata.text.printable import shortened
from blockstrata.text.sizes import parse_size

Options: TypeAlias = dict[str, Any]
"""Nested block device options, values as JSON has them but for lists, which are dictionaries by index."""

SWITCH: Final = {
    **dict.fromkeys(("on", "yes", "true", "y"), True),
    **dict.fromkeys(("off", "no", "false", "n"), False),
}
"""How a switch may be written."""

_MAX_NESTING: Final = 128
"""Keys in one another; far more than anyone writes, far less than a stack holds."""


def flattened(options: Options) -> dict[str, object]:
    """Return values by dotted key; of one key in two spellings the more deeply nested wins, as in QEMU."""
    found: dict[str, object] = {}
    level = list(options.items())
    while level:
        deeper: list[tuple[str, object]] = []
        for key, value in level:
            inside = dict(enumerate(value)) if isinstance(value, list) else value
            if isinstance(inside, dict) and inside:
                deeper += [(f"{key}.{inner}", item) for inner, item in inside.items()]
            else:
                found[key] = inside
        level = deeper
    return found


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
    return nest({**flattened(below), **flattened(above)}, name)


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


def texts(options: Options) -> dict[str, str | None]:
    """Return options by dotted key as text; None for what is not given."""
    flat = flattened(options)
    return {key: text_of(flat, key) for key in flat}


def driver_option(options: Options) -> str | None:
    """Return the driver, None if it is to be probed: what is no text counts for nothing, as in QEMU."""
    driver = options.get("driver")
    return driver if isinstance(driver, str) else None


def size_of(text: str) -> int:
    """Return bytes from an option's text, which may start with spaces and a plus; ``ValueError`` if none."""
    return parse_size(text.lstrip().removeprefix("+"))


def size_option(options: Options, key: str, name: str) -> int | None:
    """Return an option in bytes, written as a number or as QEMU writes sizes."""
    text = text_of(options, key)
    try:
        return None if text is None else size_of(text)
    except ValueError as error:
        raise BadReferenceError(name, key, str(error)) from None


def switch_of(options: Options, key: str) -> bool | None:
    """Return a switch; None if it is not there, or is written as no switch is."""
    return SWITCH.get(text_of(options, key) or "")


def text_option(options: Options, key: str, name: str) -> str:
    """Return an option that must be there as text."""
    value = options.get(key)
    if not isinstance(value, str) or not value:
        raise BadReferenceError(name, key, "is missing")
    return value
