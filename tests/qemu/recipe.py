"""A recipe: real tool commands that make an image, and the image to ask about.

The commands are shell text, run by ``sh -e`` in a fresh directory, so that a recipe in a failure message can
be pasted into a terminal.  The helpers here only save typing.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

SECRET = ("--object", "secret,id=key,data=password")
"""What every QEMU command is given that may meet an encrypted image; the key's id is ``key``."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """``commands`` make ``image``.

    ``asked`` is what QEMU is asked, where that is not ``image`` (it needs a key, we do not).  ``chain`` says
    what QEMU is asked for each layer alone, where ``qemu-img info --backing-chain`` does not tell; ``layers``
    picks some layers of a long chain.  Each of the ``snapshots`` is compared too, as ``--snapshot`` takes it:
    to the Nth the image ``at-N.qcow2``, to which it was applied.  ``also`` are lists of options, asked of
    both by ``--image-opts``.
    """

    name: str
    commands: tuple[str, ...]
    image: str = "top.qcow2"
    asked: str | None = None
    chain: tuple[str, ...] | None = None
    layers: tuple[int, ...] | None = None
    snapshots: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    @property
    def script(self) -> str:
        """Return the commands as shell text."""
        return "\n".join(self.commands) + "\n"


def create(
    name: str,
    size: int | str | None = None,
    backing: str | None = None,
    fmt: str = "qcow2",
    **options: object,
) -> str:
    """Return the command that creates a qcow2 image.

    ``fmt`` is the backing file's format; with ``unsafe`` among the options that file is not looked at.
    """
    words = ["qemu-img", "create", "-q", "-f", "qcow2", *(["-u"] if options.pop("unsafe", False) else [])]
    if "key" in options:
        words += [*SECRET, "-o", f"encrypt.format={options.pop('key')},encrypt.key-secret=key"]
    if options:
        words += ["-o", ",".join(f"{key}={value}" for key, value in options.items())]
    if backing is not None:
        words += ["-b", backing, "-F", fmt]
    words.append(name)
    if size is not None:
        words.append(str(size))
    return shlex.join(words)


def io(name: str, *commands: str, fmt: str = "qcow2") -> str:
    """Return one qemu-io process that runs commands on an image; discards reach the file below."""
    words = [word for command in commands for word in ("-c", command)]
    return shlex.join(["qemu-io", "-f", fmt, *words, name])


def io_options(options: str, *commands: str) -> str:
    """Return one qemu-io process on an image named by options."""
    words = [word for command in commands for word in ("-c", command)]
    return shlex.join(["qemu-io", *SECRET, "--image-opts", *words, options])


def until_done(command: str) -> str:
    """Return the command, tried until it succeeds: qemu-img cannot always time the making of a LUKS key."""
    return f"until {command}; do :; done"


def poke(name: str, at: int, data: bytes | int, width: int = 8) -> str:
    """Return the command that overwrites bytes of a file; a number is big-endian, ``width`` bytes wide."""
    if isinstance(data, int):
        data = data.to_bytes(width, "big")
    octal = "".join(f"\\0{byte:03o}" for byte in data)
    return f"printf %b '{octal}' | dd of={shlex.quote(name)} bs=1 seek={at} conv=notrunc status=none"


def punch(name: str, at: int, length: int) -> str:
    """Return the command that makes a hole in a file."""
    return f"fallocate --punch-hole --offset {at} --length {length} {shlex.quote(name)}"
