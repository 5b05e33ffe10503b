"""What facts are called in text, for reports and screen alike."""

from __future__ import annotations

from typing import Final

from blockstrata.facts.codes import Storage, mapping_of, storage_of

DEFERRED: Final = "deferred to the backing layer"
"""Said of a layer that leaves a run to the one below, under every semantics that shows it."""


def storage_words(code: int) -> str:
    """Return the storage of a fact: ``beyond eof``; ``none`` where there is no host offset."""
    return storage_of(code).name.lower().replace("_", " ")


def fact_words(code: int) -> str:
    """Return a fact: ``zero alloc on hole``; where there is no host offset ``unallocated``."""
    words = mapping_of(code).name.lower().replace("_", " ")
    return words if storage_of(code) is Storage.NONE else f"{words} on {storage_words(code)}"
