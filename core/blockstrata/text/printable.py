"""Text from files made safe to print: names and messages never carry control bytes to a terminal."""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import unquote

_UNSAFE = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
_MOST_KNOWN: Final = 4096
_NBD: Final = re.compile(r"nbds?(?:\+[a-z]+)?://([^/?#]*)/?([^?#]*)(?:.*[?&;]socket=([^&;#]+))?.*", re.DOTALL)
"""Server, export and socket of an export's URI."""


class _Shown(dict[str, str]):
    """What is shown of each character; that of many is kept, as an image may name a million things."""

    def __missing__(self, char: str) -> str:
        shown = _escape(char) if unicodedata.category(char) in _UNSAFE else char
        if len(self) < _MOST_KNOWN:
            self[char] = shown
        return shown


_SHOWN: Final = _Shown()


def printable(text: str) -> str:
    r"""Return the text with control characters, direction marks and undecodable bytes as ``\x..`` escapes."""
    # what str calls printable is less than what is safe
    return text if text.isprintable() else "".join([_SHOWN[char] for char in text])


def base_name(name: str) -> str:
    """Return the last part of a file's name, printable; the whole name if it ends in a slash.

    Of an NBD address it is the server, or the last part of its socket's path, and the export.
    """
    if address := _NBD.fullmatch(name):
        server, export, socket = address.groups()
        name = f"{server or (socket or '').rpartition('/')[2]}/{export}".rstrip("/")
        return printable(unquote(name))
    return printable(name.rpartition("/")[2] or name)


def shortened(text: str, most: int = 60) -> str:
    """Return text cut at its end to so many characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _escape(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as os.fsdecode carries it
        code -= 0xDC00
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
