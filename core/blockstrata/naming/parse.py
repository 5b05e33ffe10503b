"""What a user or a header may name: a path, ``file:``, ``null-co://`` and NBD names, ``json:{…}``, options.

A reference becomes QEMU's block device options as one nested dictionary.  A plain name leaves the format
open, to be probed (docs/semantics.md, "Names and formats")::

    top.qcow2                        {"file": {"filename": "top.qcow2"}}
    json:{"driver": "raw", "file.filename": "base.img"}
                                     {"driver": "raw", "file": {"filename": "base.img"}}
"""

from __future__ import annotations

import json
import re
from typing import Final

from blockstrata.errors import BadReferenceError, UnsupportedError
from blockstrata.naming.drivers import BY_NAME_DRIVERS, FILE_DRIVERS, NULL_DRIVERS, URL_DRIVERS
from blockstrata.naming.nbd import parse_nbd
from blockstrata.naming.options import Options, child, flattened, nest
from blockstrata.naming.paths import has_protocol
from blockstrata.text.printable import shortened

_NULL_NAME: Final = re.compile(r"(null-co|null-aio):(.*)", re.DOTALL)
_FILE_NAME: Final = re.compile(r"(file|host_device):(.*)", re.DOTALL)

_LONGEST_NUMBER: Final = 1000
"""Characters; Python refuses to read some thousands of digits."""
_STRING: Final = re.compile(r"""\"(?:[^"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'""", re.DOTALL)
_TO_QUOTE: Final = re.compile(r'\\.|"', re.DOTALL)

_VALUE: Final = "((?:[^,]|,,)*)"
_FIRST: Final = re.compile(f"(?![^=,]*=){_VALUE}(?:,|\\Z)", re.DOTALL)
"""A first part without a key is the value of ``file``."""
_PART: Final = re.compile(f"([^=,]*)(?:={_VALUE})?(?:,|\\Z)", re.DOTALL)


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
    if null := _NULL_NAME.fullmatch(text):
        if null[2] != "//":
            raise BadReferenceError(text, "", f"the only name of this driver is {null[1]}://")
        return {"driver": null[1]}
    if file := _FILE_NAME.fullmatch(text):
        return {"driver": file[1], "filename": file[2]}
    nbd = parse_nbd(text)
    if nbd is not None:
        return nbd
    if not has_protocol(text):
        return {"filename": text}
    protocol = text.partition(":")[0]
    if protocol in URL_DRIVERS:
        return {"driver": protocol, "url": text}
    if protocol in BY_NAME_DRIVERS:
        return {"driver": protocol, "filename": text}
    raise UnsupportedError(
        text, "", f"protocol '{protocol}' is not supported; a file of this name is written ./{text}"
    )


def export_options(text: str) -> Options | None:
    """Return the options of the NBD export that a name means as it is; None if it means something else."""
    options = parse_reference(text)
    if options.get("driver") is None:
        options = child(options, "file", text) or {}
    return options if options.get("driver") == "nbd" else None


def _parse_json(text: str) -> Options:
    """Return the options that a name with ``json:`` means.

    It is JSON but for strings, which may stand in single quotes; keys may have dots at every depth.
    """
    name = shortened(text)
    quoted = _STRING.sub(_in_double_quotes, text.removeprefix("json:"))
    are_unique = True

    def members(pairs: list[tuple[str, object]]) -> Options:
        nonlocal are_unique
        found = dict(pairs)
        are_unique &= len(found) == len(pairs)
        return found

    try:
        options = json.loads(
            quoted, object_pairs_hook=members, parse_int=_whole, parse_constant=_refuse_constant
        )
    except RecursionError:
        raise BadReferenceError(name, "", "is nested too deeply") from None
    except ValueError as error:
        raise BadReferenceError(name, "", f"is not JSON: {error}") from None
    if not isinstance(options, dict):
        raise BadReferenceError(name, "", "is not a JSON object")
    if not are_unique:
        raise BadReferenceError(name, "", "gives a key twice")
    return nest(flattened(options), name)


def _in_double_quotes(string: re.Match[str]) -> str:
    """Return a string of QEMU's JSON, which may stand in single quotes, as JSON has it."""
    inner = _TO_QUOTE.sub(lambda part: {'"': r"\"", r"\'": "'"}.get(part[0], part[0]), string[0][1:-1])
    return f'"{inner}"'


def _whole(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError(f"{shortened(digits)} is too long for a number")
    return int(digits)


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not a number")


def parse_image_opts(text: str) -> Options:
    """Return what options mean that ``qemu-img --image-opts`` takes in place of an image's name.

    ::

        driver=qcow2,file.filename=a,,b.qcow2,read-only
            {"driver": "qcow2", "file": {"filename": "a,b.qcow2"}, "read-only": "on"}

    Values are text.  A comma in a value is doubled, the last of several equal keys wins, one comma may stand
    at the end.  A key without a value is a switch: on, or off where it starts with ``no``.
    ``BadReferenceError`` if the list makes no sense.
    """
    flat: dict[str, object] = {}
    first = _FIRST.match(text) if text else None
    if first:
        flat["file"] = first[1].replace(",,", ",")
    for part in _PART.finditer(text, first.end() if first else 0):
        key, value = part[1], part[2]
        if part.start() == len(text):
            break
        if value is not None:
            flat[key] = value.replace(",,", ",")
        elif key.startswith("no"):
            flat[key.removeprefix("no")] = "off"
        else:
            flat[key] = "on"
    return nest(flat, text)
