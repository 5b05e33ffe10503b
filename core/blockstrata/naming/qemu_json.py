"""QEMU's JSON, as it stands in a name after ``json:``, as options.

It is JSON but for strings, which may stand in single quotes; keys may have dots at every depth.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from blockstrata.errors import BadReferenceError
from blockstrata.naming.options import Options, flattened, nest
from blockstrata.text.printable import shortened

_LONGEST_NUMBER: Final = 1000
"""Characters; Python refuses to read some thousands of digits."""

_STRING: Final = re.compile(r"""\"(?:[^"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'""", re.DOTALL)
_TO_QUOTE: Final = re.compile(r'\\.|"', re.DOTALL)


def parse_json(text: str) -> Options:
    """Return the options that a name with ``json:`` means; ``BadReferenceError`` if it makes no sense."""
    name = shortened(text)
    quoted = _STRING.sub(_in_double_quotes, text.removeprefix("json:"))
    try:
        pairs = json.loads(
            quoted, object_pairs_hook=_Pairs, parse_int=_whole, parse_constant=_refuse_constant
        )
    except RecursionError:
        raise BadReferenceError(name, "", "is nested too deeply") from None
    except ValueError as error:
        raise BadReferenceError(name, "", f"is not JSON: {error}") from None
    if not isinstance(pairs, _Pairs):
        raise BadReferenceError(name, "", "is no JSON object")

    def members(value: object) -> list[tuple[str, object]]:
        if isinstance(value, _Pairs):
            if len({key for key, _ in value}) < len(value):
                raise BadReferenceError(name, "", "gives a key twice")
            return value
        return [(str(index), item) for index, item in enumerate(value)] if isinstance(value, list) else []

    return nest(flattened(members(pairs), members), name)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it was written, keys that are given twice included."""


def _in_double_quotes(string: re.Match[str]) -> str:
    """Return a string of QEMU's JSON, which may stand in single quotes, as JSON has it."""
    inner = _TO_QUOTE.sub(lambda part: {'"': r"\"", r"\'": "'"}.get(part[0], part[0]), string[0][1:-1])
    return f'"{inner}"'


def _whole(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError(f"{shortened(digits)} is too long for a number")
    return int(digits)


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is no number")
