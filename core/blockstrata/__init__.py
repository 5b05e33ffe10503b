"""Block status of QEMU disks: facts of every layer of a backing chain, and what they mean.

>>> from blockstrata import SEMANTICS, merged, open_chain
>>> chain = open_chain("top.qcow2")                      # doctest: +SKIP
>>> view = merged(chain, 0, chain.size)                  # doctest: +SKIP
>>> [semantics.flags(view) for semantics in SEMANTICS]   # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from blockstrata.chain import Chain, Layer, open_chain
    from blockstrata.errors import BlockstrataError
    from blockstrata.extents import Extents
    from blockstrata.facts import Mapping, Storage
    from blockstrata.guest import View, alone, in_place, merged
    from blockstrata.semantics import SEMANTICS

__all__ = [
    "SEMANTICS",
    "BlockstrataError",
    "Chain",
    "Extents",
    "Layer",
    "Mapping",
    "Storage",
    "View",
    "alone",
    "in_place",
    "merged",
    "open_chain",
]

_HOME = {
    "BlockstrataError": "errors",
    "Chain": "chain",
    "Extents": "extents",
    "Layer": "chain",
    "Mapping": "facts",
    "SEMANTICS": "semantics",
    "Storage": "facts",
    "View": "guest",
    "alone": "guest",
    "in_place": "guest",
    "merged": "guest",
    "open_chain": "chain",
}


def __getattr__(name: str) -> object:
    """Import the face's names when they are first used, so that a viewer can paint before numpy is loaded."""
    if name in _HOME:
        import importlib  # noqa: PLC0415

        return getattr(importlib.import_module(f"blockstrata.{_HOME[name]}"), name)
    raise AttributeError(f"module 'blockstrata' has no attribute '{name}'")
