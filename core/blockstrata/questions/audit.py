"""The audit of a chain: every layer as it stands there, and every protocol layer, by today's answers.

What is wrong with an answer is in :mod:`blockstrata.semantics.audit`; here it is found in an image.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blockstrata.facts.codes import Mapping
from blockstrata.facts.node import protocol_node
from blockstrata.graph.chain import Chain, Layer, MissingNode
from blockstrata.guest.merge import alone, in_place, merged
from blockstrata.guest.view import View
from blockstrata.semantics.audit import FINDINGS, QUESTIONS, Judgement, Question, Verdict, judgements
from blockstrata.semantics.historic import HISTORIC
from blockstrata.semantics.proposed import PROPOSED


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One node, judged.  Its n runs are those that are not sound, in the fewest pieces.

    ``start`` and ``length`` int64 of shape (n,), bytes on the node's own axis; ``kind`` uint8, the index of
    a run's judgement in ``judgements``.  ``depth`` is the layer's, of a protocol layer that of the layer on
    it.  ``invalid`` bytes could not be judged.
    """

    depth: int
    name: str
    driver: str
    is_protocol: bool
    judgements: list[Judgement]
    start: NDArray[np.int64]
    length: NDArray[np.int64]
    kind: NDArray[np.uint8]
    invalid: int

    def totals(self) -> list[tuple[Judgement, int, int]]:
        """Return each judgement that occurs, with its runs and bytes, the worst verdict first."""
        found = [
            (judgement, int((self.kind == index).sum()), int(self.length[self.kind == index].sum()))
            for index, judgement in enumerate(self.judgements)
        ]
        return sorted((each for each in found if each[1]), key=lambda each: (each[0].verdict, each[0].today))

    @property
    def findings(self) -> int:
        """How many runs are findings."""
        return sum(runs for judgement, runs, _ in self.totals() if judgement.verdict in FINDINGS)


def totals_by_driver(nodes: Iterable[Judged]) -> dict[tuple[str, bool, Judgement], tuple[int, int]]:
    """Return runs and bytes by a driver's name, whether it is a protocol's, and judgement."""
    found: dict[tuple[str, bool, Judgement], tuple[int, int]] = {}
    for node in nodes:
        for judgement, runs, size in node.totals():
            key = node.driver, node.is_protocol, judgement
            before = found.get(key, (0, 0))
            found[key] = before[0] + runs, before[1] + size
    return found


def audit(chain: Chain) -> list[Judged]:
    """Judge a chain: for each layer itself, then the protocol layers that it stands on.

    Reads every layer as a whole; errors as :func:`blockstrata.guest.merge.merged` has them.
    """
    found = []
    seen: set[tuple[object, ...]] = set()
    for layer in chain.layers:
        if isinstance(layer.node, MissingNode):
            continue
        if not layer.node.is_protocol:
            found.append(_judge(in_place(chain, layer.depth, 0, layer.size), layer))
        for host in dict.fromkeys((layer.node.file, layer.node.host)):
            protocol = protocol_node(host)
            if protocol.identity not in seen:
                seen.add(protocol.identity)
                below = Layer(layer.depth, protocol)
                found.append(_judge(alone(below, 0, below.size), below))
    return found


def _judge(view: View, layer: Layer) -> Judged:
    index, found = judgements(np.unique(view.extents.facts), layer.node.read_traits())
    kinds = index[view.extents.facts]
    verdicts = np.array([judgement.verdict for judgement in found], np.uint8)
    first, edges = view.extents.stretches(kinds)
    kinds = kinds[first]
    unsound = verdicts[kinds] != Verdict.SOUND
    invalid = view.extents.having(Mapping.INVALID)
    return Judged(
        layer.depth,
        layer.name,
        layer.node.driver,
        layer.node.is_protocol,
        found,
        edges[:-1][unsound],
        np.diff(edges)[unsound],
        kinds[unsound],
        int(view.extents.lengths[invalid].sum()),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Conclusion:
    """What one client concludes of an image: bytes for which the answer is yes, today and as proposed.

    ``start`` and ``length`` int64 of shape (n,), bytes, ``yes_today`` bool (n,): the runs where the answers
    differ.
    """

    question: Question
    today: int
    proposed: int
    start: NDArray[np.int64]
    length: NDArray[np.int64]
    yes_today: NDArray[np.bool_]

    @property
    def differing(self) -> int:
        """Bytes for which the answers differ."""
        return int(self.length.sum())


def conclusions(chain: Chain) -> list[Conclusion]:
    """Return what each client concludes of a chain, and would conclude.

    Reads what the guest does, and the active layer, as a whole; errors as
    :func:`blockstrata.guest.merge.merged` has them.
    """
    of_chain, of_layer = (
        (view, HISTORIC.flags(view), PROPOSED.flags(view))
        for view in (merged(chain, 0, chain.size), in_place(chain, 0, 0, chain.layers[0].size))
    )
    return [_conclude(each, *(of_layer if each.of_layer else of_chain)) for each in QUESTIONS]


def _conclude(question: Question, view: View, old: NDArray[np.uint8], new: NDArray[np.uint8]) -> Conclusion:
    lengths = view.extents.lengths
    today = (old & np.uint8(question.today)) != 0
    proposed = (new & np.uint8(question.proposed)) != 0
    first, edges = view.extents.stretches(today, proposed)
    differs = (today != proposed)[first]
    return Conclusion(
        question,
        int(lengths[today].sum()),
        int(lengths[proposed].sum()),
        edges[:-1][differs],
        np.diff(edges)[differs],
        today[first][differs],
    )
