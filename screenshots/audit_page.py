"""The audit of every scenario as one page: ``python screenshots/audit_page.py > docs/audit.md``.

Files are made afresh in memory where that is possible, so that the answer does not depend on a disk's file
system; what does depend on one (holes are seen in whole blocks) comes out the same wherever these are 4 KiB.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from blockstrata.graph.chain import open_chain
from blockstrata.questions.audit import totals_by_driver
from blockstrata.semantics.audit import FINDINGS
from blockstrata.text.printable import base_name
from blockstrata.text.sizes import format_size
from blockstrata_viewer.process.scratch import scratch_directory
from blockstrata_viewer.reports.audit import AuditReport
from blockstrata_viewer.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from blockstrata.questions.audit import Judged
    from blockstrata_viewer.scenarios.scenario import Scenario

_MEMORY: Final = Path("/dev/shm")  # noqa: S108  a directory of one's own is made in it

_INTRODUCTION: Final = """\
# The audit of the scenarios

This page shows what `blockstrata audit` finds in each image of `blockstrata demo --list`. The audit takes
today's answer of every layer as it stands in its chain, and of every file under it. It reads the answer
letter by letter with the proposed meanings, and looks it up in the tables that `blockstrata table` prints.
*today* is QEMU's DATA, ZERO and OFFSET_VALID. *read as* is the resulting row of LOCAL, ZERO, ALLOC and
OFFSET_VALID (without LOCAL for files). *facts say* is the row that follows from where the bytes really are.

- *bug row*: the table marks the row as a bug.
- *misstatement*: the row is legal, but it is not the row that follows from the facts.
- *offset without data*: a protocol driver gives an offset and says that there is no data there.
- *question*: the same for a hole in a file. Eric Blake's message of 2018, which proposed the rows, leaves
  open whether this is right. It is not a finding.

`python screenshots/audit_page.py > docs/audit.md` writes this page; a test keeps it true.
"""


def page() -> Iterator[str]:
    """Yield the lines of the page."""
    yield _INTRODUCTION
    found = {name: _audited(scenario) for name, scenario in SCENARIOS.items()}
    yield "\n## In all\n\n"
    every = [judged for reports in found.values() for report in reports for judged in report.judged]
    yield from _table(every, with_words=True)
    for name, reports in found.items():
        scenario = SCENARIOS[name]
        yield f"\n## {name}\n\n{scenario.title}. {scenario.summary}\n"
        for report in reports:
            driver = report.judged[0].driver
            yield f"\n**{base_name(report.name)}** ({driver}): {_count(report.findings)}\n\n"
            yield from _table(report.judged, with_words=False)


def _audited(scenario: Scenario) -> list[AuditReport]:
    memory = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    reports = []
    with scratch_directory(memory) as directory:
        for image in scenario.build(directory):
            with open_chain(image) as chain:
                reports.append(AuditReport(chain))
    return reports


def _count(findings: int) -> str:
    return "no findings" if not findings else f"{findings} finding{'s' if findings > 1 else ''}"


def _table(judged: Iterable[Judged], *, with_words: bool) -> Iterator[str]:
    """Yield a table: a line for each kind of judgement by each driver, the worst first."""
    lines = totals_by_driver(judged)
    if not lines:
        yield "Nothing to report.\n"
        return
    yield f"| driver | today | read as | facts say | class | runs | bytes |{' why |' if with_words else ''}\n"
    yield f"| --- | --- | --- | --- | --- | ---: | ---: |{' --- |' if with_words else ''}\n"
    order = sorted(lines, key=lambda key: (key[1], key[2].verdict, key[0], key[2].today, key[2].derived))
    for driver, is_protocol, judgement in order:
        runs, size = lines[driver, is_protocol, judgement]
        words = judgement.verdict.words
        yield (
            f"| {driver} | `{judgement.today}` | `{judgement.reading}` | `{judgement.derived}` "
            f"| {f'**{words}**' if judgement.verdict in FINDINGS else words} | {runs} | {format_size(size)} |"
            f"{f' {judgement.why} |' if with_words else ''}\n"
        )


if __name__ == "__main__":
    sys.stdout.writelines(page())
