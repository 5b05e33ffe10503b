"""Keys as they are written on a command line: ``s s``, ``shift+left``, ``g 3 7 % enter``."""

from __future__ import annotations

import re
from typing import Final

_NAMED: Final = frozenset(
    "backspace delete down end enter escape home insert left pagedown pageup right space tab up".split()
)
"""Names of keys that are no character."""
_MODIFIED: Final = re.compile(r"(?:ctrl\+|shift\+)*(.+)", re.DOTALL)
_FUNCTION: Final = re.compile(r"f([1-9]|1[0-9]|2[0-4])")


def parse_keys(text: str) -> tuple[str, ...]:
    """Return keys that are parted by blanks; ``ValueError`` names the first that is none."""
    keys = tuple(text.split())
    for key in keys:
        match = _MODIFIED.fullmatch(key)
        bare = match[1] if match else key
        if not (len(bare) == 1 or bare in _NAMED or _FUNCTION.fullmatch(bare)):
            raise ValueError(
                f"'{key}' is no key; keys are parted by blanks, and are characters, f1 to f24, or one of "
                f"{', '.join(sorted(_NAMED))}"
            )
    return keys
