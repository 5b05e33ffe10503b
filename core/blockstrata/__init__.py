"""Block status of QEMU disks: facts of every layer of a backing chain, and what they mean.

>>> from blockstrata import PROPOSED, merged, open_chain
>>> with open_chain("top.qcow2") as chain:               # doctest: +SKIP
...     view = merged(chain, 0, chain.size)
...     for run, flags in zip(view, PROPOSED.flags(view)):
...         print(run.start, run.length, run.layer.name, PROPOSED.letters(flags))

What can be imported from here is the library's face; all other modules and names are private.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

__version__ = "0.1.0"

if TYPE_CHECKING:
    from blockstrata.access import Access, Consent, Probe
    from blockstrata.errors import (
        BackingLoopError,
        BadImageError,
        BadRangeError,
        BadReferenceError,
        BlockstrataError,
        ClosedError,
        ConsentError,
        OpenError,
        ServerError,
        UnsupportedError,
    )
    from blockstrata.facts.codes import (
        NO_HOST,
        SECTOR,
        SYNTHESISED,
        Mapping,
        Storage,
        Traits,
        fact,
        mapping_of,
        storage_of,
    )
    from blockstrata.facts.extents import Extents
    from blockstrata.facts.node import Driver, HostNode
    from blockstrata.formats.qcow2.tables import TableEntry
    from blockstrata.graph.chain import Chain, Layer, open_chain
    from blockstrata.guest.merge import alone, in_place, merged
    from blockstrata.guest.view import Run, View
    from blockstrata.questions.anatomy import Anatomy, HostRun, anatomy
    from blockstrata.questions.audit import Conclusion, Judged, audit, conclusions
    from blockstrata.questions.check import Check, check
    from blockstrata.questions.checking.canvas import HostRuns, HostUse
    from blockstrata.questions.checking.findings import Finding, Severity
    from blockstrata.questions.checking.host_walk import Sums
    from blockstrata.questions.checking.users import User
    from blockstrata.questions.trace import Rule, Step, Trace, trace
    from blockstrata.semantics import SEMANTICS
    from blockstrata.semantics.audit import Judgement, Question, Verdict
    from blockstrata.semantics.historic import HISTORIC
    from blockstrata.semantics.nbd import NBD_6_0, NBD_2018, NBD_PROPOSED
    from blockstrata.semantics.proposed import PROPOSED
    from blockstrata.semantics.table import Column, Letter, Row, Semantics

__all__ = [
    "HISTORIC",
    "NBD_6_0",
    "NBD_2018",
    "NBD_PROPOSED",
    "NO_HOST",
    "PROPOSED",
    "SECTOR",
    "SEMANTICS",
    "SYNTHESISED",
    "Access",
    "Anatomy",
    "BackingLoopError",
    "BadImageError",
    "BadRangeError",
    "BadReferenceError",
    "BlockstrataError",
    "Chain",
    "Check",
    "ClosedError",
    "Column",
    "Conclusion",
    "Consent",
    "ConsentError",
    "Driver",
    "Extents",
    "Finding",
    "HostNode",
    "HostRun",
    "HostRuns",
    "HostUse",
    "Judged",
    "Judgement",
    "Layer",
    "Letter",
    "Mapping",
    "OpenError",
    "Probe",
    "Question",
    "Row",
    "Rule",
    "Run",
    "Semantics",
    "ServerError",
    "Severity",
    "Step",
    "Storage",
    "Sums",
    "TableEntry",
    "Trace",
    "Traits",
    "UnsupportedError",
    "User",
    "Verdict",
    "View",
    "alone",
    "anatomy",
    "audit",
    "check",
    "conclusions",
    "fact",
    "in_place",
    "mapping_of",
    "merged",
    "open_chain",
    "storage_of",
    "trace",
]

_HOME: Final = {
    "blockstrata.access": "Access Consent Probe",
    "blockstrata.questions.anatomy": "Anatomy HostRun anatomy",
    "blockstrata.questions.audit": "Conclusion Judged audit conclusions",
    "blockstrata.questions.check": "Check check",
    "blockstrata.questions.checking.canvas": "HostRuns HostUse",
    "blockstrata.questions.checking.host_walk": "Sums",
    "blockstrata.questions.checking.users": "User",
    "blockstrata.questions.checking.findings": "Finding Severity",
    "blockstrata.graph.chain": "Chain Layer open_chain",
    "blockstrata.facts.node": "Driver HostNode",
    "blockstrata.errors": "BackingLoopError BadImageError BadRangeError BadReferenceError BlockstrataError"
    " ClosedError ConsentError OpenError ServerError UnsupportedError",
    "blockstrata.facts.extents": "Extents",
    "blockstrata.facts.codes": "NO_HOST SECTOR SYNTHESISED Mapping Storage Traits fact mapping_of storage_of",
    "blockstrata.formats.qcow2.tables": "TableEntry",
    "blockstrata.guest.merge": "alone in_place merged",
    "blockstrata.guest.view": "Run View",
    "blockstrata.semantics": "SEMANTICS",
    "blockstrata.semantics.audit": "Judgement Question Verdict",
    "blockstrata.semantics.historic": "HISTORIC",
    "blockstrata.semantics.nbd": "NBD_2018 NBD_6_0 NBD_PROPOSED",
    "blockstrata.semantics.proposed": "PROPOSED",
    "blockstrata.semantics.table": "Column Letter Row Semantics",
    "blockstrata.questions.trace": "Rule Step Trace trace",
}
_MODULE_OF: Final = {name: module for module, names in _HOME.items() for name in names.split()}


def __getattr__(name: str) -> object:
    """Import the face's names when they are first used, so that a viewer can paint before numpy is loaded."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'blockstrata' has no attribute '{name}'")
    value = globals()[name] = getattr(import_module(_MODULE_OF[name]), name)
    return value


def __dir__() -> list[str]:
    """Return the face, and what every module has."""
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
