"""Random recipes: the same seed and round always give the same one.

``BLOCKSTRATA_FUZZ_SEED`` (the time, if not set), ``BLOCKSTRATA_FUZZ_ROUNDS`` (20) and
``BLOCKSTRATA_FUZZ_ONLY`` (one round alone) come from the environment.
"""

from __future__ import annotations

import json
import os
import random
import shlex
import time
from dataclasses import dataclass, field

from recipe import Recipe, create, io, io_options, poke, punch, until_done

SEED = os.environ.get("BLOCKSTRATA_FUZZ_SEED") or str(int(time.time()))
_ROUNDS = int(os.environ.get("BLOCKSTRATA_FUZZ_ROUNDS", "20"))
_ONLY = os.environ.get("BLOCKSTRATA_FUZZ_ONLY")
ROUNDS = [int(_ONLY)] if _ONLY else list(range(_ROUNDS))

_IF_POSSIBLE = " || :"
"""What not every image can: compressed data over other data, snapshots with refcounts of one bit."""

_OVERRIDES: tuple[dict[str, object], ...] = (
    {},
    {"backing": None},
    {"backing": {"backing": None}},
    {"backing.driver": "raw"},
)
"""What an overlay may say of the layers two and three below it."""

_MAX_CLUSTERS = 80
_MAX_SIZE = 12 << 20
_CLUSTER_BITS = (9, 10, 11, 12, 12, 13, 14, 15, 16, 16, 16, 17, 18, 20, 21)


def fuzz_recipe(seed: str, number: int) -> Recipe:
    """Return the recipe of one round: a chain of 1 to 12 layers, the last of them the active one."""
    dice = random.Random(f"{seed}/{number}")
    commands: list[str] = []
    layers: list[_Layer] = []
    for depth in range(dice.choice((1, 1, 2, 2, 3, 4, 5, 5, 12))):
        if depth == 0 and dice.random() < 0.06:
            layer, made = _null_layer(dice)
        elif depth == 0 and dice.random() < 0.3:
            layer, made = _raw_layer(dice)
        else:
            layer, made = _qcow2_layer(dice, f"{depth}.qcow2", layers)
        commands += made
        layers.append(layer)
    top = layers[-1]
    asked = None
    if top.secrets:
        keys = dict.fromkeys((f"{prefix}encrypt.key-secret" for prefix in top.secrets), "key")
        asked = "json:" + json.dumps({"driver": "qcow2", "file.filename": top.name, **keys})
    # qemu-img info walks by names alone, past what a reference says of the layers below
    misled = any('"backing' in command for command in commands)
    return Recipe(
        f"seed {seed}, round {number}",
        tuple(commands),
        top.name,
        asked,
        chain=(_alone(top),) if misled else None,
        also=_also(dice, layers),
    )


def _alone(layer: _Layer) -> str:
    """Return the name of a qcow2 layer without what lies below it."""
    key = {"encrypt.key-secret": "key"} if "key" in layer.options else {}
    return "json:" + json.dumps({"driver": "qcow2", "file.filename": layer.name, "backing": None, **key})


@dataclass(slots=True)
class _Layer:
    """What the generator remembers of a layer."""

    name: str
    size: int
    unit: int
    """Bytes of a cluster, or of a subcluster where there are any."""
    cluster: int
    fmt: str = "qcow2"
    options: dict[str, object] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    """Where in the layer's options a key is needed: ``""`` for itself, ``backing.`` for the one below."""

    @property
    def opts(self) -> str:
        """Return the layer as a list of options."""
        keys = [f"{prefix}encrypt.key-secret=key" for prefix in self.secrets]
        return ",".join([f"driver=qcow2,file.filename={self.name}", *keys])


def _also(dice: random.Random, layers: list[_Layer]) -> tuple[str, ...]:
    """Return the active layer as lists of options, with other layers below it than it states."""
    top = layers[-1]
    if top.fmt != "qcow2":
        return ()
    if any(layer.secrets for layer in layers):
        return (top.opts,)
    below = dice.choice(layers)
    size = dice.randrange(_MAX_SIZE)
    other = (
        f"backing.driver={below.fmt},backing.file.filename={below.name}"
        if below.name in (f"{n}.qcow2" for n in range(12)) or below.fmt == "raw"
        else "backing="
    )
    more = dice.choice(
        (
            "",
            "backing=",
            "backing.backing=",
            "backing.driver=raw",
            "backing.driver=qcow2,backing.lazy-refcounts=on",
            f"backing.driver=null-co,backing.size={size},backing.read-zeroes=on",
            f"backing.driver=raw,backing.size={size // 512 * 512}",
            f"backing.backing.driver=raw,backing.backing.offset={dice.randrange(64) * 512}",
            "file.driver=raw,file.file.filename=" + top.name,
            other,
            other.replace("backing.", "backing.backing."),
        )
    )
    return (f"{top.opts},{more}",)


def _null_layer(dice: random.Random) -> tuple[_Layer, list[str]]:
    size = dice.randrange(_MAX_SIZE)
    null = {"driver": "null-co", "size": size, "read-zeroes": dice.random() < 0.5}
    spec = null if dice.random() < 0.5 else {"driver": "raw", "file": null}
    return _Layer(f"json:{json.dumps(spec)}", size, 4096, 65536, fmt=str(spec["driver"])), []


def _raw_layer(dice: random.Random) -> tuple[_Layer, list[str]]:
    layer = _Layer("0.raw", dice.choice((0, 1, 1000, dice.randrange(1, _MAX_SIZE))), 4096, 65536, fmt="raw")
    commands = [f"truncate -s {layer.size} {layer.name}"]
    if layer.size >= 4096:
        commands.append(
            io(layer.name, *_writes(dice, layer, ("write", "write", "write -z", "discard")), fmt="raw")
        )
    return layer, commands


def _qcow2_layer(dice: random.Random, name: str, layers: list[_Layer]) -> tuple[_Layer, list[str]]:
    backing = layers[-1] if layers else None
    layer = _geometry(dice, name, backing)
    commands = [_create(dice, layer, backing)]
    for _ in range(dice.choice((0, 1, 1, 1, 2))):
        if not layer.size:
            break
        commands.append(_written(dice, layer))
        if dice.random() < 0.3 and not layer.secrets:
            commands += _job(dice, layer, layers)
    # with a spoilt LUKS header an image is refused, but by QEMU alone
    if dice.random() < 0.25 and layer.options.get("key") != "luks":
        commands += _damage(dice, layer)
    return layer, commands


def _geometry(dice: random.Random, name: str, backing: _Layer | None) -> _Layer:
    cluster = 1 << dice.choice(_CLUSTER_BITS)
    options: dict[str, object] = {"cluster_size": cluster}
    if dice.random() < 0.15:
        options["compat"] = "0.10"
    else:
        options["refcount_bits"] = dice.choice((1, 2, 4, 8, 16, 16, 16, 32, 64))
        options["lazy_refcounts"] = dice.choice(("on", "off", "off"))
        if cluster >= 16384 and dice.random() < 0.4:
            options["extended_l2"] = "on"
        if dice.random() < 0.12:
            options["data_file"] = f"{name}.data"
            if backing is None and dice.random() < 0.3:
                options["data_file_raw"] = "on"
        if dice.random() < 0.2:
            options["compression_type"] = "zstd"
    below = tuple(f"backing.{prefix}" for prefix in backing.secrets) if backing else ()
    encrypted = "data_file" not in options and dice.random() < 0.1
    if encrypted:
        options["key"] = dice.choice(("aes", "luks"))
        if options["key"] == "luks":
            options["encrypt.iter-time"] = 10
    elif (backing is None or "extended_l2" in options) and dice.random() < 0.2:
        options["preallocation"] = dice.choice(("metadata", "metadata", "falloc", "full"))
    limit = min(_MAX_SIZE, cluster * _MAX_CLUSTERS)
    size = dice.choice((0, 512, limit, dice.randrange(limit), dice.randrange(limit), dice.randrange(limit)))
    if backing is not None and dice.random() < 0.6:
        size = min(backing.size + dice.choice((0, 0, -512, 512, 4096, -cluster, cluster)), 2 * _MAX_SIZE)
    size = max(size, 0) // 512 * 512
    unit = cluster // 32 if "extended_l2" in options else cluster
    return _Layer(name, size, unit, cluster, options=options, secrets=("", *below) if encrypted else below)


def _create(dice: random.Random, layer: _Layer, backing: _Layer | None) -> str:
    luks = layer.options.get("key") == "luks"
    if backing is None:
        command = create(layer.name, layer.size, **layer.options)
    else:
        name = _reference(dice, backing)
        command = create(layer.name, layer.size, name, backing.fmt, unsafe=True, **layer.options)
    return until_done(command) if luks else command


def _reference(dice: random.Random, backing: _Layer) -> str:
    """Return the name by which an overlay names its backing layer."""
    name = backing.name
    if name == "0.raw" and backing.size >= 4096 and dice.random() < 0.3:
        offset = dice.randrange(backing.size // 1024) * 512
        spec = {"driver": "raw", "offset": offset, "file": {"driver": "file", "filename": name}}
        if dice.random() < 0.5:
            spec["size"] = dice.randrange((backing.size - offset) // 512 + 1) * 512
        return "json:" + json.dumps(spec)
    if backing.fmt == "qcow2" and dice.random() < 0.2:
        spec = {"driver": "qcow2", "file.filename": name, "read-only": "on"}
        if not backing.secrets:
            spec |= dice.choice(
                ({}, {"backing": None}, {"backing": {"backing": None}}, {"backing.driver": "raw"})
            )
        return "json:" + json.dumps(spec)
    return name


def _written(dice: random.Random, layer: _Layer) -> str:
    kinds = ["write", "write", "write", "write -z", "write -z -u", "discard"]
    if "data_file" not in layer.options and "key" not in layer.options:
        kinds.append("write -c")
    commands = _writes(dice, layer, kinds)
    kept = dice.random() < 0.3
    if kept or layer.secrets:
        line = io_options(layer.opts + (",pass-discard-request=off" if kept else ""), *commands)
    else:
        line = io(layer.name, *commands)
    return line + _IF_POSSIBLE


def _writes(dice: random.Random, layer: _Layer, kinds: list[str] | tuple[str, ...]) -> list[str]:
    """Return qemu-io commands; most keep to clusters or subclusters, compressed ones have to."""
    commands = []
    for _ in range(dice.randrange(1, dice.choice((4, 16, 40)))):
        kind = dice.choice(kinds)
        grain = (
            layer.cluster
            if kind == "write -c"
            else dice.choice((512, layer.unit, layer.cluster, layer.cluster))
        )
        at = dice.randrange(-(-layer.size // grain)) * grain
        room = (layer.size - at) // 512 * 512
        length = min(grain * (1 if kind == "write -c" else dice.choice((1, 1, 2, 3, 9))), room)
        if length:
            commands.append(f"{kind} {at} {length}")
    return commands or [f"write 0 {512}"]


def _job(dice: random.Random, layer: _Layer, layers: list[_Layer]) -> list[str]:
    """Resize the image, change its format or its backing layer, commit it, or take a snapshot of it."""
    name, options = layer.name, layer.options
    written = [_written(dice, layer)]
    match dice.choice(("snapshot", "resize", "amend", "rebase", "commit")):
        case "snapshot" if "compat" not in options and "data_file" not in options:
            taken = f"qemu-img snapshot -c before {name}{_IF_POSSIBLE}"
            after = dice.choice(((), ("-a",), ("-d",)))
            return [
                taken,
                *written,
                *(f"qemu-img snapshot {word} before {name}{_IF_POSSIBLE}" for word in after),
            ]
        case "amend":
            kinds = ["compat=0.10", "compat=1.1", "lazy_refcounts=on"]
            if layer.cluster < 65536:  # QEMU 7.2 never ends with larger ones
                kinds.append("refcount_bits=64")
            option = dice.choice(kinds)
            if option == "compat=0.10":
                options["compat"] = "0.10"
            return [f"qemu-img amend -q -o {option} {name}{_IF_POSSIBLE}", *written]
        case "rebase" if layers:
            other = dice.choice([*layers, _Layer("", 0, 0, 0, options={})])
            how = dice.choice(("", "-u "))
            words = ["-b", other.name, *(("-F", other.fmt) if other.name else ())]
            return [f"qemu-img rebase {how}{shlex.join(words)} {name}{_IF_POSSIBLE}", *written]
        case "commit" if layers:
            how = dice.choice(("", "-d "))
            return [f"qemu-img commit -q {how}{name}{_IF_POSSIBLE}", *written]
        case "resize" if "data_file_raw" not in options:
            before, layer.size = layer.size, dice.randrange(1, 2 * layer.size // 512 + 2) * 512
            shrink = "--shrink " if layer.size < before else ""
            resized = f"qemu-img resize -q -f qcow2 {shrink}{name} {layer.size}{_IF_POSSIBLE}"
            return [resized, _written(dice, layer)]
    return []


def _damage(dice: random.Random, layer: _Layer) -> list[str]:
    """Punch holes, cut the file short, set harmless bits or spoil a table; nothing writes to it then."""
    name = str(layer.options.get("data_file", layer.name)) if dice.random() < 0.5 else layer.name
    first = 0 if name != layer.name else 1
    match dice.randrange(8):
        case 0:
            length = dice.randrange(first + 3, 40) * layer.cluster + dice.choice((0, 512, 100))
            return [f"truncate -s '<{length}' {name}"]
        case 1:
            return [f"truncate -s '>{dice.randrange(100) * layer.cluster}' {name}"]
        case 2 if "compat" not in layer.options:
            return [poke(layer.name, 72 + 7, dice.choice((1, 2, 3)) | _incompatible(layer), width=1)]
        case 3 | 4:
            return [_spoilt_entry(dice, layer) for _ in range(dice.choice((1, 2, 8)))]
        case _:
            return [
                punch(name, dice.randrange(first, 60) * layer.cluster, dice.randrange(1, 12) * layer.cluster)
                for _ in range(dice.choice((1, 1, 2, 4)))
            ]


def _spoilt_entry(dice: random.Random, layer: _Layer) -> str:
    """Overwrite 64 bits near the start of a cluster in which a small image has its L1 or an L2 table."""
    at = dice.choice((3, 4, 4, 5)) * layer.cluster + 8 * dice.randrange(dice.choice((4, 64)))
    offset = dice.randrange(40) * layer.cluster + dice.choice((0, 0, 0, 0, 512))
    flags = dice.choice((0, 1 << 63, 1 << 63, 1 << 62, 1 << 63 | 1, 1, dice.getrandbits(64)))
    return poke(layer.name, at, dice.choice((offset | flags, flags, dice.getrandbits(64))))


def _incompatible(layer: _Layer) -> int:
    """Return the incompatible bits that the image has by its making."""
    return 4 * ("data_file" in layer.options) | 16 * ("extended_l2" in layer.options)
