"""Contestants measured in turn, A B C A B C …, so that whatever else the machine does falls on all alike."""

from __future__ import annotations

from collections.abc import Callable

from processes import NoAnswerError, Sample

Measure = Callable[[], dict[str, Sample]]
"""Runs a contestant once, and returns what each thing took that was measured in it, by name."""


def race(
    contestants: dict[str, Measure], warm_up: int, runs: int
) -> tuple[dict[str, list[Sample]], dict[str, str]]:
    """Run all in turn, ``runs`` times after ``warm_up`` times that do not count.

    Return the samples by what was measured, and why contestants gave no answer; those are not asked again.
    """
    samples: dict[str, list[Sample]] = {}
    silent: dict[str, str] = {}
    for turn in range(warm_up + runs):
        for name, contestant in contestants.items():
            if name in silent:
                continue
            try:
                found = contestant()
            except NoAnswerError as error:
                silent[name] = str(error)
                continue
            for what, taken in found.items() if turn >= warm_up else ():
                samples.setdefault(what, []).append(taken)
    return samples, silent
