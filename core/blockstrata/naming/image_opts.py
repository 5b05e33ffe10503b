"""A list of options as ``qemu-img --image-opts`` takes it in place of an image's name.

::

    driver=qcow2,file.filename=a,,b.qcow2,read-only
                                     {"driver": "qcow2", "file": {"filename": "a,b.qcow2"}, "read-only": "on"}

Values are text.  A comma in a value is doubled, the last of several equal keys wins, one comma may stand at
the end.  A key without a value is a switch: on, or off where it starts with ``no``.
"""

from __future__ import annotations

import re
from typing import Final

from blockstrata.naming.options import Options, nest

_VALUE: Final = "((?:[^,]|,,)*)"
_FIRST: Final = re.compile(f"(?![^=,]*=){_VALUE}(?:,|\\Z)", re.DOTALL)
"""A first part without a key is the value of ``file``."""
_PART: Final = re.compile(f"([^=,]*)(?:={_VALUE})?(?:,|\\Z)", re.DOTALL)


def parse_image_opts(text: str) -> Options:
    """Return the options that a list means; ``BadReferenceError`` if it makes no sense."""
    flat: dict[str, object] = {}
    first = _FIRST.match(text) if text else None
    if first:
        flat["file"] = first[1].replace(",,", ",")
    for part in _PART.finditer(text, first.end() if first else 0):
        key, value = part[1], part[2]
        if part.start() == len(text):
            break
        if value is not None:
            flat[key] = value.replace(",,", ",")
        elif key.startswith("no"):
            flat[key.removeprefix("no")] = "off"
        else:
            flat[key] = "on"
    return nest(flat, text)
