"""qemu-img as a child: how it is asked, what is made of its answers, and of those that are none."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from heeding import HEEDING
from hypothesis import given
from hypothesis import strategies as st

from blockstrata.access import Access, Consent
from blockstrata.errors import ConsentError, OpenError, UnsupportedError
from blockstrata.facts.codes import NO_HOST, Mapping, Storage, fact
from blockstrata.formats.luks import LuksNode
from blockstrata.formats.qemu import process as qemu
from blockstrata.formats.qemu.map import read_map
from blockstrata.formats.qemu.vmdk import remote_names
from blockstrata.graph.chain import open_chain
from blockstrata.guest.merge import alone, merged
from blockstrata.interchange.columns import csv_flags, text
from blockstrata.interchange.entries import entries
from blockstrata.interchange.qemu_img import json_text
from blockstrata.protocols.file import open_file
from blockstrata.semantics.historic import HISTORIC, Flag

ASKING = Access(consents=frozenset({Consent.VIA_QEMU}))
FOLLOWING = Access(consents=frozenset({Consent.VIA_QEMU, Consent.FOLLOW_REMOTE}))
SIZE = 1 << 20

ROWS = [
    # present, zero, data, compressed, offset: the mapping
    ((True, False, True, False, True), Mapping.NORMAL),
    ((True, True, True, False, True), Mapping.NORMAL),
    ((True, False, True, False, False), Mapping.OPAQUE_DATA),
    ((True, False, True, True, False), Mapping.COMPRESSED),
    ((True, True, False, False, True), Mapping.ZERO_ALLOC),
    ((True, True, False, False, False), Mapping.ZERO_PLAIN),
    ((False, True, False, False, False), Mapping.UNALLOCATED),
    ((False, True, False, False, True), Mapping.UNALLOCATED_ALLOC),
    ((False, False, False, False, False), Mapping.PASSTHROUGH),
]


def entry(start, length, flags, offset, *, with_compressed=True):
    present, zero, data, compressed, has_offset = flags
    found = {"start": start, "length": length, "depth": 0, "present": present, "zero": zero, "data": data}
    if with_compressed:
        found["compressed"] = compressed
    return {**found, "offset": offset} if has_offset else found


def text_of(entries):
    return ("[" + ",\n".join(json.dumps(each) for each in entries) + "]\n").encode()


runs = st.lists(
    st.tuples(st.integers(1, 1 << 40), st.sampled_from(ROWS), st.integers(0, 1 << 50)),
    min_size=1,
    max_size=30,
)


@given(runs, st.integers(1, 200))
def test_a_map_is_read_as_the_facts_it_was_written_from(runs, piece):
    starts = list(itertools.accumulate((length for length, _, _ in runs), initial=0))
    entries = [
        entry(start, length, flags, offset)
        for start, (length, (flags, _), offset) in zip(starts, runs, strict=False)
    ]
    text = text_of(entries)
    found = read_map([text[at : at + piece] for at in range(0, len(text), piece)], starts[-1], "x")
    assert found.extents.edges.tolist() == starts
    assert [code >> 3 for code in found.extents.facts.tolist()] == [mapping for _, (_, mapping), _ in runs]
    assert found.extents.host.tolist() == [offset if flags[4] else NO_HOST for _, (flags, _), offset in runs]
    assert found.holes.tolist() == [flags[1] and flags[2] for _, (flags, _), _ in runs]


def test_a_layer_further_down_is_not_this_layer():
    below = {**entry(0, 512, ROWS[0][0], 0), "depth": 1}
    found = read_map([text_of([below, entry(512, 512, ROWS[0][0], 4096)])], 1024, "x")
    assert found.extents.facts.tolist() == [fact(Mapping.UNALLOCATED), fact(Mapping.NORMAL)]
    assert found.extents.host.tolist() == [NO_HOST, 4096]


def test_an_image_of_no_bytes_has_no_runs():
    empty = entry(0, 0, ROWS[-1][0], 0)
    assert len(read_map([text_of([empty])], 0, "x").extents) == 0


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"nonsense",
        b"\x1b[2J\n" * 9,
        b"[" * 100000,
        b"[1, 2]",
        text_of([entry(0, 1, ROWS[0][0], 0), {"start": 1}]),
        text_of([{**entry(0, 512, ROWS[0][0], 0), "length": 1 << 70}]),
        text_of([{**entry(0, 512, ROWS[0][0], 0), "length": -512}]),
        text_of([{**entry(0, 512, ROWS[0][0], 0), "length": None}]),
        text_of([entry(0, 512, ROWS[0][0], -512)]),
        text_of([entry(0, 512, ROWS[0][0], 2**63 - 100)]),
        text_of([entry(0, 256, ROWS[0][0], 0), entry(300, 212, ROWS[0][0], 0)]),
        text_of([entry(0, 511, ROWS[0][0], 0)]),
        text_of([entry(0, 512, ROWS[0][0], 0)]) * 2,
    ],
)
def test_what_is_no_map_of_the_image_is_refused(text):
    with pytest.raises(OpenError, match="qemu-img map"):
        read_map([text], 512, "x")


ANSWERS = """
with open("asked", "a") as log: log.write(json.dumps([argv, os.environ["LC_ALL"], sys.stdin.read()]) + "\\n")
if argv == ["--version"]:
    print("qemu-img version 9.9.9 (made up)")
elif argv[0] == "info":
    print(json.dumps({info}))
else:
    print({map!r})
"""
INFO = {"format": "vdi", "virtual-size": SIZE, "cluster-size": 65536}
MAP = text_of([entry(0, SIZE, ROWS[0][0], 0)]).decode()


def vdi(path, size=SIZE):
    path.write_bytes(bytes(64) + b"\x7f\x10\xda\xbe" + bytes(size - 68))
    return path


def answering(info=INFO, text=MAP):
    return ANSWERS.replace("{info}", repr(info)).replace("{map!r}", repr(text))


DATA_NOWHERE = {"start": 0, "length": SIZE, "depth": 0, "present": True, "zero": False, "data": True}


@pytest.mark.parametrize(
    ("told", "member", "field"),
    [
        ({}, "", ""),
        ({"compressed": False}, ', "compressed": false', "0"),
        ({"compressed": True}, ', "compressed": true', "1"),
    ],
)
def test_whether_data_is_compressed_is_left_out_where_it_is_not_told(fake, tmp_path, told, member, field):
    fake(answering(text=json.dumps([{**DATA_NOWHERE, **told}])))
    vdi(tmp_path / "top.vdi")
    with open_chain("top.vdi", ASKING) as chain:
        found = entries(merged(chain, 0, SIZE), HISTORIC)
        (row,) = "".join(json_text([found])).splitlines()
        assert row.endswith(f'"data": true{member}}}]')
        (flags,) = text(1, csv_flags(HISTORIC, found.flags))
        assert flags.split(",")[3] == field


def test_what_is_asked_and_what_is_told(fake, tmp_path):
    fake(answering())
    name = "-U, or 'x' $(y) \u00e9.vdi"
    vdi(tmp_path / name)
    with open_chain(name, ASKING) as chain:
        node = chain.layers[0].node
        assert node.driver == "vdi"
        assert node.features() == {"via": "qemu-img 9.9.9", "cluster-size": 65536}
        view = merged(chain, 0, chain.size)
        assert view.extents.facts.tolist() == [fact(Mapping.NORMAL, Storage.DATA)]
    asked = [json.loads(line) for line in (tmp_path / "asked").read_text().splitlines()]
    reference = {"file": {"filename": name, "driver": "file"}, "driver": "vdi", "backing": None}
    assert [words[0] for words, _, _ in asked] == ["info", "--version", "map"]
    for words, locale, given_input in asked:
        assert (locale, given_input) == ("C", "")
        if words != ["--version"]:
            command, *options, divider, image = words
            assert (options, divider) == (["-U", "--output=json"], "--"), command
            assert json.loads(image.removeprefix("json:")) == reference


def test_nothing_is_run_without_consent(fake, tmp_path):
    fake(answering())
    vdi(tmp_path / "top.vdi")
    with pytest.raises(
        ConsentError, match="format 'vdi' is not read here; --via-qemu asks qemu-img"
    ) as caught:
        open_chain("top.vdi")
    assert caught.value.consent is Consent.VIA_QEMU
    assert not (tmp_path / "asked").exists()


@pytest.mark.parametrize("access", [Access(), ASKING])
def test_without_qemu_img_there_is_something_to_install(monkeypatch, tmp_path, access):
    monkeypatch.setenv("PATH", str(tmp_path))
    image = vdi(tmp_path / "top.vdi")
    with pytest.raises(UnsupportedError, match=r"format 'vdi' is not read here.*qemu-utils"):
        open_chain(str(image), access)


def test_headers_alone_need_no_map(fake, tmp_path):
    fake(answering(text="nonsense"))
    vdi(tmp_path / "top.vdi")
    with open_chain("top.vdi", ASKING) as chain:
        assert chain.size == SIZE
        with pytest.raises(OpenError, match="qemu-img map"):
            merged(chain, 0, SIZE)


@pytest.mark.parametrize(
    "info",
    [
        "nonsense",
        [],
        {"format": "vdi"},
        {"virtual-size": -1},
        {"virtual-size": "1"},
        {"virtual-size": 1 << 70},
    ],
)
def test_info_that_makes_no_sense(fake, tmp_path, info):
    fake(answering(info))
    vdi(tmp_path / "top.vdi")
    with pytest.raises(OpenError, match="qemu-img info"):
        open_chain("top.vdi", ASKING)


_LOG = """qemu-img: Could not open 'json:{}': VHDX image file 'top.vdi' opened read-only, but \
contains a log that needs to be replayed
To replay the log, run:
qemu-img check -r all 'top.vdi'
"""


def test_all_of_its_sentence_is_told(fake, tmp_path):
    """The last line alone would be a command, and not say what is wrong."""
    fake(f"sys.stderr.write({_LOG!r})\nsys.exit(1)")
    vdi(tmp_path / "top.vdi")
    with pytest.raises(OpenError) as caught:
        open_chain("top.vdi", ASKING)
    assert str(caught.value) == (
        "top.vdi: qemu-img: VHDX image file 'top.vdi' opened read-only, but contains a log that needs to be "
        "replayed To replay the log, run: qemu-img check -r all 'top.vdi'"
    )


def test_its_words_are_one_bounded_printable_line(fake, tmp_path):
    fake(
        "print('half an answer')\n"
        "sys.stderr.write('first\\nqemu-img: Could not open \\'json:{}\\': bad \\x1b[2J\\x07' + 'x' * 9999)\n"
        "sys.exit(1)"
    )
    vdi(tmp_path / "top.vdi")
    with pytest.raises(OpenError) as caught:
        open_chain("top.vdi", ASKING)
    message = str(caught.value)
    assert message.startswith(r"top.vdi: qemu-img: first bad \x1b[2J\x07xxx")
    assert message.endswith("x…")
    assert message.isprintable()
    assert len(message) < 1100


@pytest.mark.parametrize(
    ("body", "reason"), [("sys.exit(3)", "status 3"), ("os.kill(os.getpid(), 9)", "signal 9")]
)
def test_an_end_without_words(fake, tmp_path, body, reason):
    fake(body)
    vdi(tmp_path / "top.vdi")
    with pytest.raises(OpenError, match=reason):
        open_chain("top.vdi", ASKING)


HANGS = """
with open("child", "w") as file: file.write(str(os.getpid()))
%s
time.sleep(600)
"""


def is_gone(path) -> bool:
    """Say whether a process has ended, also if nobody has asked how."""
    try:
        status = Path(f"/proc/{path.read_text()}/stat").read_text()
    except FileNotFoundError:
        return True
    return status.rpartition(")")[2].split()[0] in "ZX"


@pytest.mark.parametrize(
    "meanwhile",
    [
        "",
        "os.close(1); os.close(2)",
        "\nwhile True: print('x' * 9, flush=True); time.sleep(0.05)",
        "\nwhile True: os.write(2, bytes(1 << 16))",
    ],
)
def test_one_that_hangs_is_ended(fake, tmp_path, meanwhile):
    fake(HANGS % meanwhile)
    vdi(tmp_path / "top.vdi")
    said = "has not answered within 1 seconds and was ended; --timeout allows more"
    with pytest.raises(OpenError, match=said):
        open_chain("top.vdi", replace(ASKING, timeout=1.0))
    assert is_gone(tmp_path / "child")


LEAVES_ONE_BEHIND = """
import subprocess
behind = subprocess.Popen(["sleep", "600"])
with open("child", "w") as file: file.write(str(behind.pid))
"""


def test_what_it_leaves_behind_is_not_waited_for_and_ends_too(fake, tmp_path):
    """Such as a helper of a protocol, which holds the pipes open."""
    fake(LEAVES_ONE_BEHIND + answering())
    vdi(tmp_path / "top.vdi")
    began = time.monotonic()
    with open_chain("top.vdi", ASKING) as chain:
        assert chain.size == SIZE
        assert len(merged(chain, 0, SIZE).extents) == 1
    assert time.monotonic() - began < 20
    until = time.monotonic() + 5
    while not is_gone(tmp_path / "child"):
        assert time.monotonic() < until, "what qemu-img started is still there"
        time.sleep(0.02)


ASKS = """
import sys
from blockstrata.access import Access, Consent
from blockstrata.graph.chain import open_chain
from threading import Thread

def ask():
    open_chain("top.vdi", Access(consents=frozenset({Consent.VIA_QEMU})))

if sys.argv[1] == "thread":
    thread = Thread(target=ask)
    thread.start()
    thread.join()
ask()
"""


@pytest.mark.parametrize(
    ("number", "where"),
    [
        (signal.SIGTERM, "main"),
        (signal.SIGHUP, "thread"),
        (signal.SIGINT, "main"),
        (signal.SIGKILL, "main"),
        (signal.SIGKILL, "thread"),
    ],
)
def test_one_that_hangs_ends_with_us(fake, tmp_path, number, where):
    """However we end, and with all that it started; it has no terminal and nothing to read."""
    ours = "os.getsid(0) == os.getsid(os.getppid()) or sys.stdin.read()"
    fake(f"""
import subprocess
if {ours}: sys.exit("is not on its own")
behind = subprocess.Popen(["sleep", "600"])
with open("child~", "w") as file: file.write(str(behind.pid))
os.rename("child~", "child")
time.sleep(600)
""")
    vdi(tmp_path / "top.vdi")
    asking = subprocess.Popen([*HEEDING, sys.executable, "-c", ASKS, where], stderr=subprocess.DEVNULL)
    until = time.monotonic() + 20
    while not (tmp_path / "child").exists():
        assert time.monotonic() < until
        assert asking.poll() is None
        time.sleep(0.01)
    asking.send_signal(number)
    assert asking.wait(20) != 0
    until = time.monotonic() + 5
    while not is_gone(tmp_path / "child"):
        assert time.monotonic() < until, "what was started is still there"
        time.sleep(0.01)


def test_one_that_nobody_waits_for_is_ended(fake, tmp_path):
    fake(HANGS % "")
    vdi(tmp_path / "top.vdi")
    child = tmp_path / "child"
    access = Access(consents=ASKING.consents, is_cancelled=child.exists)
    began = time.monotonic()
    with pytest.raises(OpenError, match="no longer needed"):
        open_chain("top.vdi", access)
    assert time.monotonic() - began < 20
    assert is_gone(child)


def test_one_that_never_stops_talking_is_ended(fake, tmp_path, monkeypatch):
    fake("while True: sys.stdout.write('[{}]\\n' * 10000)")
    monkeypatch.setattr(qemu, "_MOST_INFO", 1 << 20)
    vdi(tmp_path / "top.vdi")
    with pytest.raises(OpenError, match="prints more than is accepted"):
        open_chain("top.vdi", ASKING)


def test_a_name_of_another_protocol_is_no_option(fake, tmp_path):
    fake(answering({**INFO, "format": "raw", "filename": "rbd:pool/image"}))
    with open_chain("rbd:pool/image", ASKING, image_format="raw") as chain:
        assert chain.layers[0].name == "rbd:pool/image"
        assert len(merged(chain, 0, SIZE).extents) == 1
    asked = [json.loads(line)[0] for line in (tmp_path / "asked").read_text().splitlines()]
    assert asked[-1] == ["map", "-U", "--output=json", "-f", "raw", "--", "rbd:pool/image"]
    with pytest.raises(UnsupportedError, match="protocol '-rbd' is not supported"):
        open_chain("-rbd:pool/image", ASKING)


def test_a_backing_layer_of_such_a_name_needs_consent(fake):
    fake(answering({**INFO, "format": "qed", "backing-filename": "base"}))
    with pytest.raises(ConsentError, match="names a backing layer") as caught:
        open_chain("ssh://host/top.qed", ASKING, image_format="qed")
    assert caught.value.consent is Consent.FOLLOW_REMOTE


@pytest.mark.parametrize(
    "image",
    [
        'json:{"driver": "vmdk", "file": {"driver": "blkdebug", "image": {"filename": "a"}}}',
        'json:{"driver": "qcow2", "file": {"driver": "blkdebug", "image.filename": "a"}}',
        'json:{"driver": "quorum", "vote-threshold": 1, "children": [{"driver": "qcow2", "file.x": "a"}]}',
        "blkdebug::a.qcow2",
        "https://host/a",
    ],
)
def test_what_qemu_alone_would_look_into_needs_consent_before_it_is_run(fake, tmp_path, image):
    """A data file or an extent may be a device; nobody here looks inside such a graph."""
    fake(answering({**INFO, "format": "qcow2"}))
    with pytest.raises(ConsentError) as caught:
        open_chain(image, ASKING)
    assert caught.value.consent is Consent.FOLLOW_REMOTE
    assert not (tmp_path / "asked").exists()


def test_a_name_in_a_vmdk_ends_where_qemu_s_does(fake, tmp_path):
    fake(answering({**INFO, "format": "vmdk"}))
    text = b'# Disk DescriptorFile\nversion=1\ncreateType="vmfs"\nRW 8 VMFS "nbd:host:1\0.vmdk"\n'
    (tmp_path / "a.vmdk").write_bytes(text)
    with pytest.raises(ConsentError) as caught:
        open_chain("a.vmdk", ASKING, image_format="vmdk")
    assert caught.value.consent is Consent.FOLLOW_REMOTE
    assert not (tmp_path / "asked").exists()


def test_a_protocol_node_has_no_local(fake):
    fake(answering({**INFO, "format": "https"}))
    with open_chain('json:{"driver": "https", "url": "https://host/x"}', ASKING) as chain:
        assert chain.layers[0].node.is_protocol
        found = merged(chain, 0, SIZE)
        assert found.extents.facts.tolist() == [fact(Mapping.PASSTHROUGH, Storage.OPAQUE)]
        assert HISTORIC.flags(found).tolist() == [Flag.DATA | Flag.OFFSET_VALID | Flag.ALLOCATED]


def test_every_node_of_a_graph_is_asked_about_alone(fake, tmp_path):
    """In a list, under dotted keys, or as a child: no node brings a backing layer along."""
    fake(answering({**INFO, "format": "quorum"}))
    open_chain(
        'json:{"driver": "quorum", "vote-threshold": 1,'
        ' "children": [{"driver": "qed", "file.filename": "a"}],'
        ' "more.0.driver": "raw", "more.0.file.filename": "b"}',
        ASKING,
    ).close()
    asked = [json.loads(line)[0] for line in (tmp_path / "asked").read_text().splitlines()]
    references = [json.loads(words[-1].removeprefix("json:")) for words in asked if words[0] == "info"]
    assert references == [
        {"driver": "qed", "file": {"filename": "a", "backing": None}, "backing": None},
        {
            "driver": "quorum",
            "vote-threshold": 1,
            "children": {"0": {"driver": "qed", "file": {"filename": "a", "backing": None}, "backing": None}},
            "more": {"0": {"driver": "raw", "file": {"filename": "b", "backing": None}, "backing": None}},
            "backing": None,
        },
    ]


@pytest.mark.parametrize("backing", ['"backing": {"file.filename": "b"}, ', ""])
def test_a_backing_layer_inside_a_graph_is_not_left_out_silently(fake, backing):
    fake(answering({**INFO, "backing-filename": "base"}))
    image = f'json:{{"driver": "raw", "file": {{"driver": "qed", {backing}"file.filename": "a"}}}}'
    with pytest.raises(UnsupportedError, match="file: has a backing layer"):
        open_chain(image, ASKING)


def test_what_is_remote_and_named_by_an_image_needs_its_own_consent(fake, tmp_path):
    fake(answering({**INFO, "format": "vdi", "backing-filename": "https://host/base"}))
    with pytest.raises(ConsentError, match="driver 'quorum'"):
        open_chain('json:{"driver": "quorum", "vote-threshold": 1}')
    fake(answering({**INFO, "format": "vmdk", "backing-filename": "https://host/base"}))
    (tmp_path / "top.vmdk").write_bytes(b"KDMV" + bytes(SIZE - 4))
    with open_chain("top.vmdk", ASKING) as chain:
        assert isinstance(chain.missing, ConsentError)
        assert chain.missing.consent is Consent.FOLLOW_REMOTE
        assert "https://host/base" in str(chain.missing)


def test_options_of_the_user_reach_qemu(fake, tmp_path):
    fake(answering())
    vdi(tmp_path / "top.vdi")
    words = {"driver": "vdi", "file": {"filename": "top.vdi", "aio": "threads"}, "detect-zeroes": "off"}
    open_chain("json:" + json.dumps(words), ASKING).close()
    asked = json.loads((tmp_path / "asked").read_text().splitlines()[0])[0][-1]
    reference = json.loads(asked.removeprefix("json:"))
    assert reference["detect-zeroes"] == "off"
    assert reference["file"] == {"driver": "file", "filename": "top.vdi", "aio": "threads"}


def test_storage_follows_the_file_and_qemu_where_it_asked(fake, tmp_path):
    """Data over a hole of the file keeps the hole as its storage; D Z O is a hole whatever the file says."""
    half = SIZE // 2
    data, asked_hole = ROWS[0][0], ROWS[1][0]
    path = vdi(tmp_path / "top.vdi", half)
    os.truncate(path, SIZE)
    fake(answering(text=text_of([entry(0, SIZE, data, 0)]).decode()))
    with open_chain("top.vdi", ASKING) as chain:
        found = alone(chain.layers[0], 0, SIZE)
        assert found.extents.facts.tolist()[-1] == fact(Mapping.NORMAL, Storage.HOLE)
        assert np.unique(HISTORIC.flags(found)).tolist() == [Flag.DATA | Flag.OFFSET_VALID | Flag.ALLOCATED]
    # the other way round: where the file has data QEMU says hole, where it has a hole, data
    fake(answering(text=text_of([entry(0, half, asked_hole, 0), entry(half, half, data, half)]).decode()))
    with open_chain("top.vdi", ASKING) as chain:
        found = alone(chain.layers[0], 0, SIZE)
        every = Flag.DATA | Flag.OFFSET_VALID | Flag.ALLOCATED
        assert found.extents.edges.tolist() == [0, half, SIZE]
        assert HISTORIC.flags(found).tolist() == [every | Flag.ZERO, every]


DESCRIPTOR = b'# Disk DescriptorFile\nversion=1\ncreateType="custom"\n'


@pytest.mark.parametrize(
    ("lines", "remote"),
    [
        (b'RW 8 FLAT "local.bin" 0\n', []),
        (b'RW 8 FLAT "https://host/x" 0\n', ["https://host/x"]),
        (b'  RW 8 VMFS "nbd:host:1"\nRW 1 FLAT "a"\nRW\t8 FLAT "ssh://b" 0', ["nbd:host:1", "ssh://b"]),
        (b'RW 8 FLAT "json:{\\"driver\\": 1}" 0\n', ["json:{\\"]),
        (b'RDONLY 8 FLAT "https://host/x" 0\n', []),
        (b'RW 8\nFLAT\n"https://host/x" 0\n', ["https://host/x"]),
        (b'RW 8FLAT "rbd:x" 0\n', ["rbd:x"]),
        (b'RW 8 SPARSE "inner.vmdk"\n', ["iscsi://inner"]),
        (b'RW 8 SPARSE "top.vmdk"\n', []),
    ],
)
def test_a_vmdk_that_names_what_is_remote(tmp_path, monkeypatch, lines, remote):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "local.bin").write_bytes(b"x")
    inner = b'RW 8 FLAT "iscsi://inner" 0\n'
    header = b"KDMV" + bytes(24) + (1).to_bytes(8, "little")
    (tmp_path / "inner.vmdk").write_bytes(header.ljust(512, b"\0") + inner)
    (tmp_path / "top.vmdk").write_bytes(DESCRIPTOR + lines)
    file = open_file("top.vmdk")
    assert sorted(remote_names(file)) == sorted(remote)
    file.close()


def test_qemu_is_not_asked_about_such_a_vmdk_before_the_user_is(fake, tmp_path):
    fake(answering({**INFO, "format": "vmdk"}))
    (tmp_path / "top.vmdk").write_bytes(DESCRIPTOR + b'RW 8 FLAT "https://host/x" 0\n')
    with pytest.raises(ConsentError, match=r"https://host/x.*top\.vmdk names it") as caught:
        open_chain("top.vmdk", ASKING)
    assert caught.value.consent is Consent.FOLLOW_REMOTE
    assert not (tmp_path / "asked").exists()
    open_chain("top.vmdk", FOLLOWING).close()
    assert (tmp_path / "asked").exists()


def test_a_luks_header_that_is_cut_short(tmp_path):
    (tmp_path / "short").write_bytes(b"LUKS\xba\xbe\x00\x01")
    file = open_file(str(tmp_path / "short"))
    with pytest.raises(Exception, match="LUKS"):
        LuksNode(file)
    file.close()
