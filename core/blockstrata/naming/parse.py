"""What a user or a header may name: a path, ``file:``, ``null-co://`` and NBD names, ``json:{…}``.

A reference becomes QEMU's block device options as one nested dictionary.  A plain name leaves the format
open, to be probed (docs/semantics.md, "Names and formats")::

    top.qcow2                        {"file": {"filename": "top.qcow2"}}
    json:{"driver": "raw", "file.filename": "base.img"}
                                     {"driver": "raw", "file": {"filename": "base.img"}}
"""

from __future__ import annotations

import re
from typing import Final

from blockstrata.errors import BadReferenceError, UnsupportedError
from blockstrata.naming.drivers import BY_NAME_DRIVERS, FILE_DRIVERS, NULL_DRIVERS, URL_DRIVERS
from blockstrata.naming.nbd_uri import parse_nbd
from blockstrata.naming.options import Options, child
from blockstrata.naming.paths import has_protocol
from blockstrata.naming.qemu_json import parse_json

_NULL_NAME: Final = re.compile(r"(null-co|null-aio):(.*)", re.DOTALL)
_FILE_NAME: Final = re.compile(r"(file|host_device):(.*)", re.DOTALL)


def parse_reference(text: str, driver: str | None = None) -> Options:
    """Return the options that a name means; ``driver`` is the format if it is known, and wins over json's.

    ``BadReferenceError`` if the name makes no sense, ``UnsupportedError`` for a protocol that is not spoken.
    """
    if text.startswith("json:"):
        options = parse_json(text)
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
