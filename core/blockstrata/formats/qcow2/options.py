"""Options of the driver ``qcow2`` that must fit the image or one another."""

from __future__ import annotations

from typing import Final

from blockstrata.errors import BadReferenceError
from blockstrata.formats.qcow2.header import Header
from blockstrata.naming.options import Options, size_option, switch_of, text_of

_MOST_CACHED: Final = 2**31 - 1
"""Clusters of refcounts that QEMU would cache."""


def check_for_image(options: Options, header: Header, name: str) -> None:
    """Refuse what does not fit the qcow2 image or each other; ``BadReferenceError`` names the option."""
    if header.version < 3 and switch_of(options, "lazy-refcounts"):
        raise BadReferenceError(name, "lazy-refcounts", "an image of compat 0.10 has none")
    entry = size_option(options, "l2-cache-entry-size", name)
    if entry is not None and (entry.bit_count() != 1 or not 512 <= entry <= header.cluster_size):
        what = f"{entry} is no power of two from 512 to the cluster size ({header.cluster_size})"
        raise BadReferenceError(name, "l2-cache-entry-size", what)
    _check_caches(options, header, name)
    stated = text_of(options.get("encrypt") or {}, "format")
    encryption = header.encryption.name.lower()
    if stated is not None and stated != encryption:
        raise BadReferenceError(
            name, "encrypt.format", f"is '{stated}', the image's encryption is {encryption}"
        )


def _check_caches(options: Options, header: Header, name: str) -> None:
    whole = size_option(options, "cache-size", name)
    parts = {key: size_option(options, key, name) for key in ("l2-cache-size", "refcount-cache-size")}
    for key, part in parts.items():
        if whole is not None and part is not None and part > whole:
            raise BadReferenceError(name, key, f"{part} is more than cache-size ({whole})")
    if whole is not None and None not in parts.values():
        raise BadReferenceError(name, "cache-size", "cannot stand beside those of both its parts")
    for key, size in (("cache-size", whole), ("refcount-cache-size", parts["refcount-cache-size"])):
        if size is not None and size // header.cluster_size > _MOST_CACHED:
            raise BadReferenceError(name, key, f"{size} is too large")
