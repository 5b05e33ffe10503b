"""What the author writes is judged by QEMU: clean, in the states asked for, and with the right bytes."""

from __future__ import annotations

import json
import os
import random
import subprocess
from typing import TYPE_CHECKING

import pytest

from blockstrata.formats.qcow2.author import (
    Cluster,
    Compressed,
    Data,
    Image,
    Preallocated,
    Subclusters,
    Unallocated,
    ZeroAlloc,
    ZeroPlain,
    write_image,
    write_raw,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

live = pytest.mark.live("qemu-img")

ZEROES: tuple[Cluster, ...] = (ZeroPlain(), ZeroAlloc(), ZeroAlloc(b"stale"))
PARTS: tuple[Cluster, ...] = (
    Subclusters("DdZzUu" * 5 + "DD", b"partly written "),
    Subclusters("zu" * 16, hosted=False),
    Subclusters("u" * 31 + "D", b"one at the end "),
)


def qemu_img(*arguments: object) -> str:
    done = subprocess.run(
        ["qemu-img", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check(path: Path) -> dict[str, object]:
    report = json.loads(qemu_img("check", "--output=json", path))
    assert {key: report.get(key, 0) for key in ("corruptions", "leaks", "check-errors")} == {
        "corruptions": 0,
        "leaks": 0,
        "check-errors": 0,
    }
    return report


def flags(path: Path, step: int) -> list[str]:
    """Return what the map says at every step: P present, Z zero, D data, O offset; lower case where not."""
    letters = []
    for run in json.loads(qemu_img("map", "--output=json", path)):
        word = "".join(
            letter if said else letter.lower()
            for letter, said in zip(
                "PZDO", (run["present"], run["zero"], run["data"], "offset" in run), strict=True
            )
        )
        assert run["start"] % step == run["length"] % step == 0
        letters += [word] * (run["length"] // step)
    return letters


def content(path: Path) -> bytes:
    raw = path.with_suffix(".content")
    qemu_img("convert", "-f", "qcow2", "-O", "raw", path, raw)
    return raw.read_bytes()


def fill(pattern: bytes, length: int) -> bytes:
    return (pattern * (length // len(pattern) + 1))[:length]


def expected(image: Image, clusters: Mapping[int, Cluster], below: bytes = b"") -> bytes:
    guest = bytearray(below[: image.size].ljust(image.clusters * image.cluster_size, b"\0"))
    size, step = image.cluster_size, image.cluster_size // 32
    for number, cluster in clusters.items():
        match cluster:
            case Data(pattern) | Compressed(pattern):
                states, stored = "D" * 32, fill(pattern, size)
            case Subclusters(states, pattern):
                stored = fill(pattern, size)
            case Unallocated():
                continue
            case _:
                states, stored = "z" * 32, b""
        for index, state in enumerate(states):
            at = index * step
            if state == "D":
                guest[number * size + at : number * size + at + step] = stored[at : at + step]
            elif state not in "uU":
                guest[number * size + at : number * size + at + step] = bytes(step)
    return bytes(guest[: image.size])


def letters_of(cluster: Cluster | None) -> str:
    """What the map says of a cluster that is one run, in an image without a backing file."""
    match cluster:
        case Data():
            return "PzDO"
        case Compressed():
            return "PzDo"
        case ZeroPlain():
            return "PZdo"
        case ZeroAlloc():
            return "PZdO"
        case _:
            return "pZdo"


def words(count: int, length: int, seed: int) -> list[bytes]:
    """Return texts that deflate to a little over half: hexadecimal digits."""
    source = random.Random(seed)
    return [source.randbytes(length // 2 + 1).hex().encode()[:length] for _ in range(count)]


def mixture(image: Image) -> dict[int, Cluster]:
    """One of everything the image can hold, in an order that is not the guest's."""
    texts = words(4, image.cluster_size, seed=image.cluster_bits)
    kinds: list[Cluster] = [
        Data(b"first "),
        *(Compressed(text) for text in texts),
        Unallocated(),
        Compressed(b"next to nothing"),
        Compressed(b"\0"),
        Data(b"in between "),
        Compressed(b"and again"),
    ]
    if image.version == 3:
        kinds += ZEROES
    if image.extended_l2:
        kinds += PARTS
    spread = max(1, image.clusters // len(kinds))
    order = random.Random(image.refcount_order).sample(range(len(kinds)), len(kinds))
    return {number * spread: kinds[number] for number in order}


IMAGES = [
    *(Image(size=24 << bits, cluster_bits=bits, refcount_order=bits % 7) for bits in range(9, 22)),
    *(Image(size=(24 << bits) - 512, cluster_bits=bits, version=2) for bits in (9, 12, 16)),
    *(Image(size=3 << 20, cluster_bits=9, refcount_order=order) for order in range(7)),
    *(Image(size=3 << 20, cluster_bits=12, refcount_order=order) for order in range(7)),
    *(
        Image(size=24 << bits, cluster_bits=bits, refcount_order=bits % 7, extended_l2=True)
        for bits in range(14, 22)
    ),
    Image(size=1 << 50, cluster_bits=21),
]


def name_of(image: Image) -> str:
    extended = "-extended" * image.extended_l2
    return f"v{image.version}-bits{image.cluster_bits}-order{image.refcount_order}-{image.size:#x}{extended}"


@live
@pytest.mark.parametrize("image", IMAGES, ids=name_of)
def test_a_mixture_is_clean_and_reads_as_stated(tmp_path: Path, image: Image) -> None:
    path = tmp_path / "image.qcow2"
    clusters = mixture(image)
    write_image(path, image, clusters)
    report = check(path)
    assert report["compressed-clusters"] == 7
    if image.size < 1 << 30:
        assert content(path) == expected(image, clusters)
    if image.size % image.cluster_size == 0 and image.size < 1 << 30:
        whole = (
            flags(path, image.cluster_size // 32) if image.extended_l2 else flags(path, image.cluster_size)
        )
        said = whole[:: 32 if image.extended_l2 else 1]
        of_one_state = [n for n in range(image.clusters) if not isinstance(clusters.get(n), Subclusters)]
        assert [said[n] for n in of_one_state] == [letters_of(clusters.get(n)) for n in of_one_state]


@live
@pytest.mark.parametrize("cluster_bits", [9, 12])
@pytest.mark.parametrize("refcount_order", range(7))
def test_many_refcount_blocks(tmp_path: Path, cluster_bits: int, refcount_order: int) -> None:
    path = tmp_path / "image.qcow2"
    image = Image(size=3000 << cluster_bits, cluster_bits=cluster_bits, refcount_order=refcount_order)
    write_image(path, image, dict.fromkeys(range(3000), Data(b"full ")))
    assert check(path)["allocated-clusters"] == 3000


@live
@pytest.mark.parametrize("refcount_order", range(7))
def test_compressed_clusters_share_host_clusters_as_far_as_refcounts_count(
    tmp_path: Path, refcount_order: int
) -> None:
    path = tmp_path / "image.qcow2"
    image = Image(size=100 << 16, refcount_order=refcount_order)
    clusters = {number: Compressed(b"packed %d " % number) for number in range(100)}
    write_image(path, image, clusters)
    check(path)
    assert content(path) == expected(image, clusters)
    sharing = min(100, (1 << (1 << refcount_order)) - 1)
    assert path.stat().st_size == (5 + -(-100 // sharing)) << 16


@live
def test_a_compressed_cluster_may_span_two_host_clusters(tmp_path: Path) -> None:
    path = tmp_path / "image.qcow2"
    image = Image(size=8 << 16)
    clusters = {number: Compressed(text) for number, text in enumerate(words(8, 1 << 16, seed=3))}
    write_image(path, image, clusters)
    check(path)
    assert content(path) == expected(image, clusters)
    assert path.stat().st_size == (5 + 5) << 16, "eight streams of about 37 KiB"


@live
def test_subclusters_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "image.qcow2"
    image = Image(size=2 << 17, cluster_bits=17, extended_l2=True)
    write_image(
        path, image, {0: Subclusters("DZzUu" + "D" * 27), 1: Subclusters("zzu" + "u" * 29, hosted=False)}
    )
    check(path)
    said = flags(path, 4096)
    assert said[:6] == ["PzDO", "PZdO", "PZdO", "pZdO", "pZdO", "PzDO"]
    assert said[32:35] == ["PZdo", "PZdo", "pZdo"]


@live
def test_what_is_left_to_the_layer_below(tmp_path: Path) -> None:
    below = random.Random(1).randbytes(5 << 16)
    write_raw(tmp_path / "below.raw", len(below), [(0, below)])
    path = tmp_path / "image.qcow2"
    image = Image(size=8 << 16, extended_l2=True, backing="below.raw", backing_format="raw")
    clusters = {1: PARTS[0], 2: PARTS[1], 3: Compressed(b"here"), 4: ZeroPlain(), 6: PARTS[2]}
    write_image(path, image, clusters)
    check(path)
    assert content(path) == expected(image, clusters, below)


@live
@pytest.mark.parametrize("extended_l2", [False, True])
@pytest.mark.parametrize("raw", [False, True])
def test_a_data_file_holds_each_byte_at_its_guest_offset(
    tmp_path: Path, extended_l2: bool, raw: bool
) -> None:
    data_file = tmp_path / "guest.raw"
    path = tmp_path / "image.qcow2"
    image = Image(size=16 << 16, extended_l2=extended_l2, data_file=str(data_file), data_file_raw=raw)
    clusters: dict[int, Cluster] = {0: Data(b"zeroth "), 9: ZeroAlloc(), 3: Data(b"third "), 5: ZeroPlain()}
    if extended_l2:
        clusters[7] = Subclusters("D" * 16 + "z" * 16)
    write_image(path, image, clusters)
    check(path)
    assert content(path) == data_file.read_bytes() == expected(image, clusters)
    entries = json.loads(qemu_img("map", "--output=json", path))
    assert all(entry["offset"] == entry["start"] for entry in entries if "offset" in entry)


@live
def test_aes_wants_a_key_and_is_clean(tmp_path: Path) -> None:
    path = tmp_path / "image.qcow2"
    write_image(path, Image(size=4 << 16, aes=True), {0: Data(b"noise"), 1: ZeroPlain()})
    key = ("--object", "secret,id=key,data=any")
    options = f"driver=qcow2,file.filename={path},encrypt.format=aes,encrypt.key-secret=key"
    qemu_img("check", *key, "--image-opts", options)
    runs = json.loads(qemu_img("map", "--output=json", *key, "--image-opts", options))
    assert [(run["data"], "offset" in run) for run in runs] == [(True, False), (False, False), (False, False)]


@live
@pytest.mark.parametrize("tail", [-40000, 0, 100, 10 << 16])
def test_the_tail(tmp_path: Path, tail: int) -> None:
    path = tmp_path / "image.qcow2"
    image = Image(size=4 << 16, tail=tail)
    write_image(path, image, {0: Data(b"kept"), 1: Preallocated()})
    assert path.stat().st_size == (7 << 16) + tail
    check(path)
    assert content(path) == expected(image, {0: Data(b"kept")})


@live
@pytest.mark.parametrize("image", [Image(size=0), Image(size=1 << 20, compression="zstd"), Image(size=1000)])
def test_without_clusters(tmp_path: Path, image: Image) -> None:
    path = tmp_path / "image.qcow2"
    write_image(path, image, {})
    check(path)


@live
def test_names_stand_in_the_header(tmp_path: Path) -> None:
    path = tmp_path / "image.qcow2"
    write_image(path, Image(size=1 << 20, version=2, backing="été.raw", backing_format="raw"), {})
    told = json.loads(qemu_img("info", "--output=json", path))
    assert told["backing-filename"] == "été.raw"
    assert told["backing-filename-format"] == "raw"
    assert told["format-specific"]["data"]["compat"] == "0.10"


def stored(path: Path) -> list[tuple[int, int]]:
    """Return where the file has data, as the file system tells."""
    found = []
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        at = 0
        while at < end:
            try:
                data = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            at = os.lseek(file.fileno(), data, os.SEEK_HOLE)
            found.append((data, at))
    return found


def test_only_what_is_asked_for_is_a_hole(tmp_path: Path) -> None:
    path = tmp_path / "image.qcow2"
    clusters = {
        0: Preallocated(),
        1: Data(b"1"),
        2: ZeroAlloc(),
        3: ZeroAlloc(b"3"),
        4: Subclusters("Uu" * 16),
    }
    image = Image(size=8 << 17, cluster_bits=17, extended_l2=True, tail=1 << 17)
    write_image(path, image, clusters)
    kib = 1 << 10
    metadata, cluster = 5 * 128 * kib, 128 * kib
    fifth = metadata + 4 * cluster
    assert stored(path) == [
        (0, metadata),
        (metadata + 1 * cluster, metadata + 2 * cluster),
        (metadata + 3 * cluster, fifth + 4 * kib),
        *((fifth + at * kib, fifth + at * kib + 4 * kib) for at in range(8, 128, 8)),
    ]


def test_the_stated_order_is_the_order_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "image.qcow2"
    write_image(path, Image(size=4 << 16), {3: Data(b"a"), 0: Data(b"b"), 2: Data(b"c")})
    assert path.read_bytes()[5 << 16 :: 1 << 16] == b"abc"


def test_the_same_statement_gives_the_same_bytes(tmp_path: Path) -> None:
    image = Image(size=24 << 16, extended_l2=True)
    for name in ("one", "two"):
        write_image(tmp_path / name, image, mixture(image))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert stored(tmp_path / "one") == stored(tmp_path / "two")


def test_never_writes_over_a_file(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_bytes(b"precious")
    with pytest.raises(FileExistsError):
        write_image(path, Image(size=1 << 20), {})
    with pytest.raises(FileExistsError):
        write_raw(path, 10, [])
    with pytest.raises(FileExistsError):
        write_image(tmp_path / "image.qcow2", Image(size=1 << 20, data_file=str(path)), {})
    assert path.read_bytes() == b"precious"
    assert [file.name for file in tmp_path.iterdir()] == ["precious"]


def test_only_the_owner_may_write(tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        write_raw(tmp_path / "a.raw", 512, [])
    finally:
        os.umask(before)
    assert (tmp_path / "a.raw").stat().st_mode & 0o777 == 0o644


def test_raw_files_end_where_they_should(tmp_path: Path) -> None:
    path = tmp_path / "file.raw"
    write_raw(path, 10, [(8, b"abcdef"), (20, b"x"), (0, b"0")])
    assert path.read_bytes() == b"0\0\0\0\0\0\0\0ab"


@pytest.mark.parametrize(
    ("image", "cluster"),
    [
        (Image(size=1 << 20, cluster_bits=8), Data(b"x")),
        (Image(size=1 << 20, version=4), Data(b"x")),
        (Image(size=1 << 20, refcount_order=7), Data(b"x")),
        (Image(size=1 << 20, cluster_bits=13, extended_l2=True), Data(b"x")),
        (Image(size=1 << 20, compression="lzo"), Data(b"x")),
        (Image(size=1 << 20, compression="zstd"), Compressed(b"x")),
        (Image(size=1 << 20, data_file="unused.raw"), Compressed(b"x")),
        (Image(size=1 << 20, data_file_raw=True), Data(b"x")),
        (Image(size=1 << 20, version=2), ZeroPlain()),
        (Image(size=1 << 20, version=2, refcount_order=5), Data(b"x")),
        (Image(size=1 << 20, version=2, extended_l2=True), Data(b"x")),
        (Image(size=0), Data(b"x")),
        (Image(size=1 << 20), Data(b"")),
        (Image(size=1 << 20), Compressed(random.Random(0).randbytes(1 << 16))),
        (Image(size=1 << 20), PARTS[0]),
        (Image(size=1 << 20, extended_l2=True), Subclusters("D")),
        (Image(size=1 << 20, extended_l2=True), Subclusters("x" * 32)),
        (Image(size=1 << 20, extended_l2=True), Subclusters("D" * 32, hosted=False)),
        (Image(size=1 << 20, cluster_bits=9, backing="b" * 500), Data(b"x")),
    ],
)
def test_what_the_format_cannot_say(tmp_path: Path, image: Image, cluster: Cluster) -> None:
    path = tmp_path / "image.qcow2"
    with pytest.raises(ValueError, match=r"."):
        write_image(path, image, {0: cluster})
    assert not path.exists()
