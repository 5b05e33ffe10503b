"""One read followed down the layers: what each says of a guest byte, and by which rule the read goes on.

::

    offset   │
    active   · deferred
    monday   · deferred
    golden   ■ data ──► byte 0x50000 of its file
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, Self

from blockstrata.errors import BadRangeError, UnsupportedError
from blockstrata.facts.codes import NO_HOST, SYNTHESISED, Mapping, Storage, mapping_of, storage_of
from blockstrata.facts.node import HostNode, protocol_node
from blockstrata.formats.qcow2.node import Qcow2Node
from blockstrata.formats.qcow2.tables import TableEntry
from blockstrata.graph.chain import Chain, Layer
from blockstrata.guest.merge import in_place
from blockstrata.questions.faults import lost_words
from blockstrata.semantics.table import Semantics

STORED_BYTES: Final = 16
"""How many bytes are read where a trace ends."""


class Rule(Enum):
    """What becomes of a read at one layer (docs/semantics.md, "The walk down the chain").

    The value is its name in text; ``sentence`` says what it means.
    """

    sentence: str

    def __new__(cls, words: str, sentence: str) -> Self:
        """Make a rule of its name in text and what it means."""
        rule = object.__new__(cls)
        rule._value_ = words
        rule.sentence = sentence
        return rule

    DEFERRED = "deferred", "nothing is allocated here, so the layer below is asked"
    DEFERRED_RESERVED = (
        "deferred, reserved",
        "a host cluster is reserved, but this subcluster is not in use: the layer below is asked",
    )
    END_OF_CHAIN = (
        "synthesised: end of the chain",
        "nothing is allocated here and nothing lies below, so the block layer supplies zeroes",
    )
    SHORT_BACKING = (
        "synthesised: short backing file",
        "nothing is allocated here and the layer below ends first, so the block layer supplies zeroes",
    )
    ZERO_PLAIN = "zero", "the entry says that it reads as zero, and nothing is stored"
    ZERO_ALLOC = (
        "zero, allocated",
        "the entry says that it reads as zero, whatever is stored in the host cluster",
    )
    DATA = "data", "the entry names the host cluster that holds the bytes"
    COMPRESSED = "compressed", "the bytes are compressed; no offset leads to the raw bytes"
    PASSTHROUGH = "passed through", "no tables of its own: the protocol layer's answer is this layer's"
    PROTOCOL = "protocol", "a protocol layer: its own bytes, mapped in place"
    OPAQUE_DATA = "data, offset unknown", "data of this layer; the tool gives no offset"
    INVALID = "invalid", "the read fails here"
    UNREAD = "not read yet", "this part of the layer is not read yet"


_BY_MAPPING: Final = {
    Mapping.UNALLOCATED: Rule.DEFERRED,
    Mapping.UNALLOCATED_ALLOC: Rule.DEFERRED_RESERVED,
    Mapping.ZERO_PLAIN: Rule.ZERO_PLAIN,
    Mapping.ZERO_ALLOC: Rule.ZERO_ALLOC,
    Mapping.NORMAL: Rule.DATA,
    Mapping.COMPRESSED: Rule.COMPRESSED,
    Mapping.OPAQUE_DATA: Rule.OPAQUE_DATA,
    Mapping.INVALID: Rule.INVALID,
    Mapping.UNREAD: Rule.UNREAD,
}


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One layer's part in a read.

    ``code`` is the fact code, ``host`` the byte in :attr:`file` or None; ``entry`` what the tables of a qcow2
    image hold, None for other formats; ``fault`` why the entry is INVALID, else empty.
    """

    layer: Layer
    code: int
    rule: Rule
    host: int | None
    entry: TableEntry | None = None
    fault: str = ""

    @property
    def defers(self) -> bool:
        """Whether the layer below is asked."""
        return self.rule in (Rule.DEFERRED, Rule.DEFERRED_RESERVED)

    @property
    def file(self) -> HostNode:
        """The node that ``host`` counts in: of raw over slices the innermost, as the offset is its."""
        host = self.layer.node.host
        return protocol_node(host) if self.rule is Rule.PASSTHROUGH else host

    def flags(self, semantics: Semantics) -> int:
        """Return the flags that the layer answers with, in its chain."""
        return int(semantics.table(self.layer.node.read_traits())[self.code])


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """A read of one guest byte: the steps from the active layer to the one that answers.

    ``stored`` are the first bytes at the last step's host offset, as they are stored, which need not be what
    the guest reads; None where there is no host offset.
    """

    offset: int
    steps: tuple[Step, ...]
    stored: bytes | None

    @property
    def last(self) -> Step:
        """The step that answers, or at which the trace breaks off."""
        return self.steps[-1]


def trace(chain: Chain, offset: int) -> Trace:
    """Follow a read of the guest byte at ``offset``.

    ``BadRangeError`` if it is not on the disk, ``ClosedError`` after the chain was closed; errors of reading
    as the drivers raise them.  Reads an L2 table a layer at the most, and after all else a few bytes where
    the last one points.
    """
    if not 0 <= offset < chain.size:
        raise BadRangeError(
            chain.layers[0].name, "offset", f"{offset:#x} is not on the disk of {chain.size:#x} bytes"
        )
    steps = []
    for layer in chain.layers:
        steps.append(_step(chain, layer, offset))
        if not steps[-1].defers:
            break
    return Trace(offset, tuple(steps), _stored(steps[-1]))


def _step(chain: Chain, layer: Layer, offset: int) -> Step:
    extents = in_place(chain, layer.depth, offset, 1).extents
    code, host = int(extents.facts[0]), int(extents.host[0])
    node = layer.node
    entry = node.entry_at(offset) if isinstance(node, Qcow2Node) else None
    rule = _rule(chain, layer, code)
    fault = layer.fault_at(offset) if rule is Rule.INVALID else lost_words(layer, code)
    return Step(layer, code, rule, None if host == NO_HOST else host, entry, fault)


def _rule(chain: Chain, layer: Layer, code: int) -> Rule:
    if code & SYNTHESISED:
        return Rule.SHORT_BACKING if chain.below(layer.depth) else Rule.END_OF_CHAIN
    mapping = mapping_of(code)
    if mapping is Mapping.PASSTHROUGH:
        return Rule.PROTOCOL if layer.node.is_protocol else Rule.PASSTHROUGH
    return _BY_MAPPING[mapping]


def _stored(last: Step) -> bytes | None:
    """Return the bytes where a read ends, none past the file's end; None where nobody can say."""
    if last.host is None or storage_of(last.code) is Storage.UNDEFINED:
        return None
    try:
        return last.file.read(last.host, max(0, min(STORED_BYTES, last.file.length - last.host)))
    except UnsupportedError:  # only QEMU opens the file
        return None
