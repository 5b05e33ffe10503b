"""The text of ``audit``: findings, a summary by driver, and what each client concludes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from blockstrata.graph.chain import Chain
from blockstrata.questions.audit import Conclusion, Judged, audit, conclusions, totals_by_driver
from blockstrata.semantics.audit import FINDINGS, Judgement
from blockstrata.semantics.historic import HISTORIC
from blockstrata.text.printable import base_name
from blockstrata.text.sizes import format_size
from blockstrata_viewer.draw.units import counted
from blockstrata_viewer.model.states import paint_of
from blockstrata_viewer.reports.told import Spot, Told

_LETTERS: Final = 14
"""Column of today's letters in the summary."""
_MOST_RANGES: Final = 5
"""Ranges that are written out for people, of one kind."""


class AuditReport:
    """A chain that was audited; its answers as JSON, as text, and the number of findings."""

    def __init__(self, chain: Chain) -> None:
        """``BlockstrataError`` if the chain is not whole."""
        chain.require_opened(None)
        self.name = chain.layers[0].name
        self.judged = audit(chain)
        self.conclusions = conclusions(chain)

    @property
    def findings(self) -> int:
        """How many runs are findings; questions are none."""
        return sum(judged.findings for judged in self.judged)

    def json_lines(self) -> Iterator[str]:
        """Yield everything as one JSON object, ranges in bytes."""
        yield f'{{ "image": {json.dumps(self.name)},\n"findings": {self.findings}'
        parts = {"summary": self._summary(), "runs": self._runs(), "clients": map(_client, self.conclusions)}
        for name, rows in parts.items():
            yield f',\n"{name}": [\n'
            separator = ""
            for row in rows:
                yield separator + json.dumps(row)
                separator = ",\n"
            yield "\n]"
        yield "}\n"

    def _summary(self) -> Iterator[dict[str, Any]]:
        for judged in self.judged:
            for judgement, runs, size in judged.totals():
                yield {**_where(judged), **_what(judgement), "count": runs, "bytes": size}

    def _runs(self) -> Iterator[dict[str, Any]]:
        for judged in self.judged:
            where = _where(judged)
            whats = [_what(judgement) for judgement in judged.judgements]
            for start, length, kind in zip(
                judged.start.tolist(), judged.length.tolist(), judged.kind.tolist(), strict=True
            ):
                yield {**where, "start": start, "length": length, **whats[kind]}

    def human_lines(self) -> Iterator[str]:
        """Yield the same for people."""
        return (f"{line.text}\n" for line in self.told())

    def told(self) -> Iterator[Told]:
        """Yield the lines for people, with the places that they name."""
        count = counted(self.findings, "finding")
        yield Told(f"{count}: QEMU's answers that the proposed tables do not allow")
        yield Told("whether the image itself is sound, blockstrata check says")
        yield from self._summary_lines()
        yield from _client_lines(self.conclusions)
        for judged in self.judged:
            yield from _judged_lines(judged)

    def _summary_lines(self) -> Iterator[Told]:
        """Yield the findings of all layers by driver, in the manner of the source's two tables."""
        for is_protocol, title in ((False, "format drivers"), (True, "protocol drivers")):
            rows = totals_by_driver(each for each in self.judged if each.is_protocol is is_protocol)
            yield from map(Told, ("", title))
            if not rows:
                yield Told("  nothing to report")
                continue
            yield Told(
                f"  {'driver':<12}{'today':<6}{'row':<6}{'facts':<7}"
                f"{'class':<20}{'count':>6}{'bytes':>9}  words",
                at=_LETTERS,
            )
            for (driver, _, judgement), (runs, size) in rows.items():
                yield Told(
                    f"  {driver:<12}{judgement.today:<6}{judgement.reading:<6}{judgement.derived:<7}"
                    f"{judgement.verdict.words:<20}{runs:>6,}{format_size(size):>9}  {judgement.why}",
                    None,
                    paint_of(HISTORIC.switch, judgement.today),
                    _LETTERS,
                )


def _where(judged: Judged) -> dict[str, Any]:
    kind = "protocol" if judged.is_protocol else "format"
    return {"layer": judged.depth, "driver": judged.driver, "kind": kind, "filename": judged.name}


def _what(judgement: Judgement) -> dict[str, Any]:
    verdict = judgement.verdict
    return {
        "class": int(verdict) if verdict in FINDINGS else None,
        "verdict": verdict.words,
        "today": judgement.today,
        "row": judgement.reading,
        "words": judgement.row,
        "derived": judgement.derived,
        "why": judgement.why,
    }


def _client(each: Conclusion) -> dict[str, Any]:
    question = each.question
    ranges = zip(each.start.tolist(), each.length.tolist(), each.yes_today.tolist(), strict=True)
    return {
        "client": question.client,
        "asks": question.asks,
        "today": {"flag": question.today.name, "bytes": each.today},
        "proposed": {"flag": question.proposed.name, "bytes": each.proposed},
        "differing": each.differing,
        "ranges": [
            {"start": start, "length": length, "today": yes, "proposed": not yes}
            for start, length, yes in ranges
        ],
    }


def _judged_lines(judged: Judged) -> Iterator[Told]:
    kind = "protocol layer under" if judged.is_protocol else "layer"
    yield Told("")
    yield Told(f"{kind} {judged.depth}, {judged.driver}: {base_name(judged.name)}")
    totals = judged.totals()
    if not totals:
        yield Told("  nothing to report")
    for judgement, runs, size in totals:
        derived = "" if judgement.derived in judgement.why else f", facts say {judgement.derived}"
        yield Told(
            f"  {judgement.verdict.words}: today {judgement.today}, read as {judgement.reading}{derived}; "
            f"{judgement.why}"
        )
        chosen = np.flatnonzero(judged.kind == judged.judgements.index(judgement))
        for index in chosen[:_MOST_RANGES].tolist():
            start, length = int(judged.start[index]), int(judged.length[index])
            spot = Spot(judged.depth, start, judged.is_protocol, HISTORIC.name)
            yield Told(f"    {start:#014x}  {format_size(length)}", spot)
        if runs > _MOST_RANGES:
            yield Told(f"    … {runs - _MOST_RANGES:,} more, {format_size(size)} in all")
    if judged.invalid:
        yield Told(f"  {format_size(judged.invalid)} invalid, not judged")


def _client_lines(found: list[Conclusion]) -> Iterator[Told]:
    yield from map(Told, ("", "clients"))
    yield Told(
        f"  {'client':<28}{'asks':<27}{'today':<10}{'yes for':>9}  {'would':<6}{'yes for':>9}{'differs':>9}"
    )
    for each in found:
        question = each.question
        today, proposed, differing = map(format_size, (each.today, each.proposed, each.differing))
        yield Told(
            f"  {question.client:<28}{question.asks:<27}{question.today.name:<10}{today:>9}"
            f"  {question.proposed.name:<6}{proposed:>9}{differing:>9}"
        )
        for start, length in zip(each.start[:_MOST_RANGES].tolist(), each.length.tolist(), strict=False):
            yield Told(f"    {start:#014x}  {format_size(length)}", Spot(-1, start, semantics=HISTORIC.name))
        if len(each.start) > _MOST_RANGES:
            yield Told(f"    … {counted(len(each.start) - _MOST_RANGES, 'more range')}")
