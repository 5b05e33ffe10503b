"""A finding as the JSON of ``check`` and ``info`` has it."""

from __future__ import annotations

from typing import Any

from blockstrata.questions.checking.findings import Finding


def finding_json(each: Finding) -> dict[str, Any]:
    """Return a finding as JSON has it, None where it names no place."""
    return {
        "kind": each.kind,
        "severity": each.severity,
        "host": each.host,
        "length": each.length,
        "guest": each.guest,
        "entry": each.entry,
        "says": each.says,
    }
