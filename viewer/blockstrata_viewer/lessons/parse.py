"""Lessons read from Markdown.

::

    # The title
    One sentence.

    ## The first step
    ```step
    scenario: web-server
    at: 20M
    layer: 1
    ```
    Text with `code` and **strong** words.

    > What is shown once the step's question is answered.

A place's keys (scenario, image, file, at, layer, zoom, semantics, view) that a step leaves out are as in the
step before; a new scenario or file starts afresh, but for the semantics.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from blockstrata.semantics import SWITCH, by_name
from blockstrata.text.sizes import parse_size
from blockstrata_viewer.lessons.files import own_file
from blockstrata_viewer.lessons.lesson import GUEST, VIEWS, Lesson, LessonError, Source, Step
from blockstrata_viewer.lessons.questions import ASKS
from blockstrata_viewer.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Callable

_LARGEST: Final = 1 << 20
"""Bytes; no lesson is that long."""

_FRESH: Final[dict[str, Any]] = {
    "scenario": None,
    "image": 1,
    "file": None,
    "at": "0",
    "layer": 0,
    "zoom": "fit",
    "semantics": "proposed",
    "view": "chain",
}
_ASKING: Final[dict[str, Any]] = {"ask": "", "prompt": "", "choices": ()}


def read_lesson(path: str) -> Lesson:
    """Return the lesson in a file; ``LessonError`` says what is wrong with it, and in which line."""
    try:
        with Path(path).open("rb") as file:
            raw = file.read(_LARGEST + 1)
        if len(raw) > _LARGEST:
            raise LessonError(path, "", "is too long for a lesson")
        text = raw.decode()
    except OSError as error:
        raise LessonError(path, "", error.strerror or str(error)) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise LessonError(path, f"line {line}", "is not UTF-8 text") from None
    lesson = parse_lesson(text, path)
    for step in lesson.steps:
        if step.source.file is not None and "file" in step.lines:
            own_file(lesson, step)
    return lesson


def parse_lesson(text: str, file: str) -> Lesson:
    """Return the lesson that a text is; ``file`` is what messages call it."""
    return _Parser(text, file).lesson()


class _Parser:
    """Goes through a lesson's lines once; ``at`` is the index of the next one."""

    def __init__(self, text: str, file: str) -> None:
        self.lines = text.splitlines()
        self.file = file
        self.at = 0

    def error(self, what: str, line: int | None = None) -> LessonError:
        return LessonError(self.file, f"line {self.at + 1 if line is None else line}", what)

    def lesson(self) -> Lesson:
        self._skip_blank()
        if not self._next().startswith("# "):
            raise self.error("a lesson begins with '# ' and its title")
        title = self._take()[2:].strip()
        summary = " ".join(self._paragraphs()[0])
        place = _FRESH
        steps = []
        while self.at < len(self.lines):
            step, place = self._step(place)
            steps.append(step)
        if not steps:
            raise self.error("there is no step; one begins with '## ' and its title")
        name = re.sub(r"^[0-9]+-", "", Path(self.file).stem)
        return Lesson(name, self.file, title, summary, tuple(steps))

    def _step(self, before: dict[str, Any]) -> tuple[Step, dict[str, Any]]:
        line = self.at + 1
        title = self._take()[3:].strip()
        self._skip_blank()
        if self._next().strip() != "```step":
            raise self.error("here stands the step's block, ```step")
        given, lines = self._block()
        if "scenario" in given or "file" in given:
            before = {**_FRESH, "semantics": before["semantics"]}
        place = {**before, **{key: value for key, value in given.items() if key in _FRESH}}
        if (place["scenario"] is None) == (place["file"] is None):
            raise self.error("a step names either a scenario or a file", line)
        asking = {**_ASKING, **{key: value for key, value in given.items() if key in _ASKING}}
        for key in ("prompt", "choices"):
            if asking[key] and not asking["ask"]:
                raise self.error(f"{key} without ask", lines[key])
        text, afterwards = self._paragraphs()
        if not text:
            raise self.error("the step has no text", line)
        if afterwards and not asking["ask"]:
            raise self.error("there is an answer ('> '), but nothing is asked", line)
        source = Source(place["scenario"], place["image"], place["file"])
        shown = {key: place[key] for key in ("at", "layer", "zoom", "semantics", "view")}
        step = Step(
            title=title,
            source=source,
            text=text,
            afterwards=afterwards,
            line=line,
            lines=lines,
            **shown,
            **asking,
        )
        return step, place

    def _block(self) -> tuple[dict[str, Any], dict[str, int]]:
        """Return the keys of a step's block with their values, and the lines they stand in."""
        opened = self.at + 1
        self._take()
        given: dict[str, Any] = {}
        lines: dict[str, int] = {}
        while self._next().strip() != "```":
            if self.at >= len(self.lines):
                raise self.error("the step's block does not end", opened)
            line = self._next()
            key, colon, value = (part.strip() for part in line.partition(":"))
            if line.strip():
                if not colon:
                    raise self.error(f"'{line.strip()}' is not 'key: value'")
                if key not in _READ:
                    raise self.error(f"'{key}' is no key; there are {', '.join(_READ)}")
                if key in given:
                    raise self.error(f"{key} is given twice")
                try:
                    given[key], lines[key] = _READ[key](value), self.at + 1
                except ValueError as error:
                    raise self.error(f"{key}: {error}") from None
            self.at += 1
        self._take()
        return given, lines

    def _paragraphs(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the paragraphs up to the next step, and those of them that are quoted."""
        found: tuple[list[str], list[str]] = ([], [])
        words: list[str] = []
        quoted = False
        while self.at < len(self.lines) and not self._next().startswith("## "):
            line = self._take()
            if line.startswith("```"):
                self.at -= 1
                raise self.error("a block stands right under a step's title, nowhere else")
            is_quote = line.startswith(">")
            bare = line.removeprefix(">").strip()
            if words and (not bare or is_quote != quoted):
                found[quoted].append(" ".join(words))
                words = []
            if bare:
                words.append(bare)
                quoted = is_quote
        if words:
            found[quoted].append(" ".join(words))
        return tuple(found[0]), tuple(found[1])

    def _next(self) -> str:
        return self.lines[self.at] if self.at < len(self.lines) else ""

    def _take(self) -> str:
        line = self._next()
        self.at += 1
        return line

    def _skip_blank(self) -> None:
        while self.at < len(self.lines) and not self._next().strip():
            self.at += 1


def _scenario(value: str) -> str:
    if value not in SCENARIOS:
        raise ValueError(f"'{value}' is no scenario; blockstrata demo --list names them")
    return value


def _text(value: str) -> str:
    if not value:
        raise ValueError("is empty")
    return value


def _number(value: str) -> int:
    if not re.fullmatch("[0-9]{1,4}", value, re.ASCII):
        raise ValueError(f"'{value}' is no number")
    return int(value)


def _image(value: str) -> int:
    if not _number(value):
        raise ValueError("images are counted from 1")
    return int(value)


def _layer(value: str) -> int:
    return GUEST if value == "guest" else _number(value)


def _zoom(value: str) -> str | int:
    if value in ("fit", "extent"):
        return value
    size = parse_size(value)
    if size.bit_count() != 1:
        raise ValueError(f"'{value}' is neither fit, extent nor a power of two")
    return size


def _semantics(value: str) -> str:
    try:
        return by_name(value).name
    except KeyError:
        known = ", ".join(each.name for each in SWITCH)
        raise ValueError(f"'{value}' is no semantics; there are {known}") from None


def _one_of(known: tuple[str, ...]) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in known:
            raise ValueError(f"'{value}' is none of {', '.join(known)}")
        return value

    return read


def _choices(value: str) -> tuple[str, ...]:
    found = tuple(part.strip() for part in value.split(","))
    if not 2 <= len(found) <= 9 or len(set(found)) < len(found) or "" in found:
        raise ValueError("wants 2 to 9 different ones, with commas between")
    return found


_READ: Final[dict[str, Callable[[str], Any]]] = {
    "scenario": _scenario,
    "image": _image,
    "file": _text,
    "at": _text,
    "layer": _layer,
    "zoom": _zoom,
    "semantics": _semantics,
    "view": _one_of(VIEWS),
    "ask": _one_of(tuple(ASKS)),
    "prompt": _text,
    "choices": _choices,
}
"""Every key of a step's block, and how its value is read."""
