"""The NBD client without a socket: bytes out and in, names, and what is remembered."""

from __future__ import annotations

import json
import ssl
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockstrata.access import Access, Consent
from blockstrata.errors import BadReferenceError, BlockstrataError, ConsentError, UnsupportedError
from blockstrata.formats.qcow2.author import Image, write_image
from blockstrata.graph.chain import open_chain
from blockstrata.interchange import nbdinfo
from blockstrata.naming.nbd import Address, Tls, address_of
from blockstrata.naming.parse import parse_reference
from blockstrata.protocols.nbd import tls, wire
from blockstrata.protocols.nbd.status import StatusMap, joined, runs_of
from blockstrata.protocols.nbd.wire import Command, Extent, Info, Option, Statuses, WireError


def statuses(lengths, types):
    return Statuses(1, np.array(lengths, np.int64), np.array(types, np.uint64))


# ---------------------------------------------------------------- bytes


def test_options_as_they_are_sent():
    assert wire.pack_option(Option.STRUCTURED_REPLY) == b"IHAVEOPT\0\0\0\x08\0\0\0\0"
    assert wire.pack_go("ab", Info.DESCRIPTION, Info.BLOCK_SIZE) == b"\0\0\0\2ab\0\2\0\2\0\3"
    assert wire.pack_contexts("", "a:b") == b"\0\0\0\0\0\0\0\1\0\0\0\3a:b"
    assert wire.pack_string("\udcff") == b"\0\0\0\1\xff"
    with pytest.raises(WireError, match="longer than the protocol allows"):
        wire.pack_string("x" * 4097)


def test_requests_as_they_are_sent():
    assert wire.pack_request(Command.BLOCK_STATUS, 3, 1 << 40, 512).hex() == (
        "25609513:0000:0007:0000000000000003:0000010000000000:00000200".replace(":", "")
    )
    assert wire.pack_request(Command.READ, 3, 1, 1 << 40, extended=True).hex() == (
        "21e41c71:0000:0000:0000000000000003:0000000000000001:0000010000000000".replace(":", "")
    )


def test_no_command_that_writes_is_known():
    assert [command.name for command in Command] == ["READ", "DISC", "BLOCK_STATUS"]


def status_payload(extents, *, extended=False):
    numbers = [number for extent in extents for number in extent]
    if extended:
        return struct.pack(f">II{len(numbers)}Q", 7, len(extents), *numbers)
    return struct.pack(f">I{len(numbers)}I", 7, *numbers)


@given(
    extents=st.lists(st.tuples(st.integers(1, 2**32 - 1), st.integers(0, 2**32 - 1)), min_size=1, max_size=6),
    asked=st.integers(1, 2**34),
    extended=st.booleans(),
)
def test_extents_are_clipped_at_what_was_asked(extents, asked, extended):
    payload = status_payload(extents, extended=extended)
    total = sum(length for length, _ in extents)
    if total - extents[-1][0] >= asked:
        with pytest.raises(WireError, match="are past the requested range"):
            wire.parse_status(payload, asked, extended=extended)
        return
    found = wire.parse_status(payload, asked, extended=extended)
    assert found.context == 7
    assert found.types.tolist() == [kind for _, kind in extents]
    assert found.lengths.tolist()[:-1] == [length for length, _ in extents[:-1]]
    assert int(found.lengths.sum()) == min(total, asked)
    assert found.lengths.min() > 0


@given(
    before=st.lists(st.integers(1, 1 << 16), max_size=3),
    after=st.lists(st.integers(0, 2**32 - 1), max_size=3),
    extended=st.booleans(),
)
def test_an_extent_of_no_bytes_ends_what_is_told(before, after, extended):
    """As libnbd 1.18 and later have it, and QEMU, which looks at the first extent alone."""
    payload = status_payload([(length, 3) for length in [*before, 0, *after]], extended=extended)
    if not before:
        with pytest.raises(WireError, match="the first extent has no bytes"):
            wire.parse_status(payload, 1 << 20, extended=extended)
        return
    assert wire.parse_status(payload, 1 << 20, extended=extended).lengths.tolist() == before


def test_sums_of_long_extents_do_not_wrap():
    asked = wire.MAX_STATUS_LENGTH
    found = wire.parse_status(
        status_payload([(asked - 1, 0), (2**64 - 1, 3)], extended=True), asked, extended=True
    )
    assert found.lengths.tolist() == [asked - 1, 1]
    with pytest.raises(WireError, match="are past"):
        wire.parse_status(status_payload([(2**63, 0)] * 64, extended=True), asked, extended=True)


@given(payload=st.binary(max_size=80), extended=st.booleans())
def test_any_bytes_are_a_status_or_an_error(payload, extended):
    try:
        found = wire.parse_status(payload, 1 << 20, extended=extended)
    except WireError:
        return
    assert 0 < int(found.lengths.sum()) <= 1 << 20


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2), st.booleans())
def test_one_extent_is_read_as_several_are(length, kind, count, extended):
    if extended:
        payload = struct.pack(">IIQQ", 7, count, length, kind)
    else:
        payload = struct.pack(">III", 7, length % 2**32, kind % 2**32)
    one = wire.parse_extent(payload, 1 << 20, extended=extended)
    try:
        found = wire.parse_status(payload, 1 << 20, extended=extended)
    except WireError:
        assert one is None
    else:
        assert one == (found.context, *found.lengths.tolist(), *found.types.tolist())
    assert wire.parse_extent(payload + bytes(8), 1 << 20, extended=extended) is None


# ---------------------------------------------------------------- what is remembered


@given(
    st.lists(st.integers(0, 3), min_size=40, max_size=40),
    st.permutations(range(8)),
    st.integers(1, 8),
    st.integers(0, 39),
    st.integers(1, 40),
)
def test_pieces_in_any_order_are_one_map(types, order, loose, start, length):
    known = StatusMap()
    known._loose = loose
    end = min(40, start + length)
    for place in order:
        first = place * 5
        kinds = types[first : first + 5]
        if len(set(kinds)) == 1:
            known.add_one(first, first + 5, (kinds[0], kinds[0]))
        else:
            runs = runs_of(first, statuses([1] * 5, kinds))
            known.add((runs, runs))
        covered = {byte for done in order[: order.index(place) + 1] for byte in range(done * 5, done * 5 + 5)}
        unknown = [byte for low, high in known.gaps(start, end) for byte in range(low, high)]
        assert unknown == [byte for byte in range(start, end) if byte not in covered]
    runs = known.runs(1, start, end)
    found = [
        kind
        for kind, run in zip(runs.types.tolist(), np.diff(runs.edges).tolist(), strict=True)
        for _ in range(run)
    ]
    assert found == types[start:end]
    assert (runs.types[1:] != runs.types[:-1]).all()


def test_ranges_that_go_on_from_one_another_are_one_piece():
    known = StatusMap()
    for at in range(100):
        known.add_one(at * 10, at * 10 + 10, (3, at // 50))
    assert known.gaps(0, 2000) == [(1000, 2000)]
    assert known.runs(0, 0, 1000).edges.tolist() == [0, 1000]
    assert known.runs(1, 0, 1000).edges.tolist() == [0, 500, 1000]
    assert known.runs(1, 0, 1000).types.tolist() == [0, 1]


def test_there_is_a_limit_to_what_is_remembered():
    known = StatusMap(most=100)
    with pytest.raises(WireError, match="more than 100 extents"):
        for at in range(0, 1000, 2):
            known.add((runs_of(at, statuses([1, 1], [0, 3])),))
    known = StatusMap(most=100)
    with pytest.raises(WireError, match="more than 100 extents"):
        for at in range(1000):
            known.add_one(at, at + 1, (at % 2,))
    one_type = StatusMap(most=100)
    for at in range(1000):
        one_type.add((runs_of(at, Extent(1, 1, 0)),))
    assert one_type.runs(0, 0, 1000).edges.tolist() == [0, 1000]


def test_joining_joins_equal_neighbours():
    one = runs_of(0, statuses([1, 2], [3, 3]))
    assert one.edges.tolist() == [0, 3]
    assert joined([one, runs_of(3, Extent(1, 4, 3))]).edges.tolist() == [0, 7]


# ---------------------------------------------------------------- names


def address(text: str) -> Address:
    options = parse_reference(text)
    if "file" in options:
        options = options["file"]
    return address_of(options, text)


def inet(host="h", port=10809, export="", tls=None):
    return Address(host, port, None, export, tls)


def unix(path="/s", export="", tls=None):
    return Address(None, 0, path, export, tls)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("nbd://h", inet()),
        ("nbd://h/", inet()),
        ("nbd://h:1/a", inet(port=1, export="a")),
        ("nbd+tcp://h/a/b", inet(export="a/b")),
        ("nbd://h//a", inet(export="/a")),
        ("nbd://[::1]:7/x", inet("::1", 7, "x")),
        ("nbd:///x", inet("localhost", export="x")),
        ("nbd://h/%41%2f%c3%bc%20?", inet(export="A/ü ")),
        ("nbd://h/a+b", inet(export="a+b")),
        ("nbd://h/%ff#part", inet(export="\udcff")),
        ("nbd+unix://?socket=/s", unix()),
        ("nbd+unix:///?socket=/s", unix()),
        ("nbd+unix:///e?socket=/a%26b+c", unix("/a&b+c", "e")),
        ("nbds://h/e", inet(export="e", tls=Tls())),
        ("nbds://me@h?tls-psk-file=/k", inet(tls=Tls(psk_file="/k", username="me"))),
        (
            "nbds+unix:///?socket=/s&tls-certificates=/c&tls-verify-peer=false&tls-hostname=n",
            unix(tls=Tls("/c", verify=False, hostname="n")),
        ),
        ("nbd:h:7", inet(port=7)),
        ("nbd:[::1]:7:exportname=a:b", inet("::1", 7, "a:b")),
        ("nbd:unix:/s:exportname=a b", unix(export="a b")),
        ("nbd:unix:a:b", unix("a:b")),
        ('json:{"driver":"nbd","host":"h"}', inet()),
        ('json:{"driver":"nbd","host":"h","port":"7","export":"e"}', inet(port=7, export="e")),
        ('json:{"driver":"nbd","path":"/s"}', unix()),
        ('json:{"driver":"nbd","server.type":"unix","server.path":"/s"}', unix()),
        ('json:{"driver":"nbd","server":{"type":"inet","host":"h","port":"7"}}', inet(port=7)),
        ('json:{"driver":"raw","file":{"driver":"nbd","path":"/s"}}', unix()),
        # JSON's values count as text, and numbers of ports as libc reads them
        ('json:{"driver":"nbd","path":"/s","export":7}', unix(export="7")),
        ('json:{"driver":"nbd","path":5,"export":5.0}', unix("5", "5")),
        ('json:{"driver":"nbd","path":"/s","export":true}', unix(export="on")),
        ('json:{"driver":"nbd","path":"/s","export":null}', unix()),
        ('json:{"driver":"nbd","path":"/s","export":{}}', unix()),
        ('json:{"driver":"nbd","host":127,"port":10810}', inet("127", 10810)),
        ('json:{"driver":"nbd","host":"h","port":null}', inet()),
        ('json:{"driver":"nbd","server":{"type":"inet","host":1,"port":7.0}}', inet("1", 7)),
        ('json:{"driver":"nbd","server":{"type":"inet","host":"h","port":" +0010810"}}', inet(port=10810)),
        (
            'json:{"driver":"nbd","server":{"type":"inet","host":"h","port":7,"ipv4":true,"to":9}}',
            inet(port=7),
        ),
        ('json:{"driver":"nbd","server":{"type":"unix","path":5,"abstract":"no"}}', unix("5")),
    ],
)
def test_names_of_exports(text, means):
    assert address(text) == means


@pytest.mark.parametrize(
    "text",
    [
        "nbd:",
        "nbd:h",
        "nbd:h:",
        "nbd::7",
        "nbd:unix:",
        "nbd:unix:/s:exportname=",
        "nbd:h:7,ipv4",
        "nbd+udp://h",
        "nbd+unix:///x",
        "nbd+unix:///x?socket=",
        "nbd+unix://h/x?socket=/s",
        "nbd+unix:///x?socket=/s&socket=/t",
        "nbd+unix:///x?socket=/s&foo=1",
        "nbd+unix:///x?socket=a%00b",
        "nbd://h?socket=/s",
        "nbd://h:0",
        "nbd://h:99999",
        "nbd://h:x",
        "nbd://a:b:c",
        "nbd://me@h",
        "nbd://h?tls-psk-file=/k",
        "nbds://h?tls-verify-peer=perhaps",
        'json:{"driver":"nbd"}',
        'json:{"driver":"nbd","port":7}',
        'json:{"driver":"nbd","path":"/s","host":"h"}',
        'json:{"driver":"nbd","path":"/s","server.type":"unix","server.path":"/s"}',
        'json:{"driver":"nbd","server":{"path":"/s"}}',
        'json:{"driver":"nbd","server":{"type":"unix"}}',
        'json:{"driver":"nbd","server":{"type":"unix","path":""}}',
        'json:{"driver":"nbd","server":{"type":"unix","path":"/s","cid":3}}',
        'json:{"driver":"nbd","server":{"type":"inet","host":"h"}}',
        'json:{"driver":"nbd","server":{"type":"inet","host":"h","port":true}}',
        'json:{"driver":"nbd","server":"/s"}',
        'json:{"driver":"nbd","host":"h","port":7.5}',
        'json:{"driver":"nbd","host":"h","port":"7 "}',
        'json:{"driver":"nbd","host":"h","port":-1}',
        'json:{"driver":"nbd","server":{"type":"inet","host":"h","port":7,"ipv4":1}}',
        'json:{"driver":"nbd","server":{"type":"inet","host":"h","port":7,"to":"x"}}',
        'json:{"driver":"nbd","server":{"type":"unix","path":"/s","abstract":0}}',
        'json:{"driver":"nbd","server":{"type":1,"path":"/s"}}',
        'json:{"driver":"nbd","path":"/s","tls":{"verify":false}}',
        'json:{"driver":"nbd","path":"/s","foo":7}',
        'json:{"driver":"nbd","filename":"nbd://h"}',
    ],
)
def test_names_that_make_no_sense(text):
    with pytest.raises(BadReferenceError) as caught:
        open_chain(text)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "nbd+vsock://2:3/x",
        "nbds+vsock://2:3/x",
        'json:{"driver":"nbd","server":{"type":"vsock","cid":"2","port":"3"}}',
        'json:{"driver":"nbd","server":{"type":"fd","str":"3"}}',
        'json:{"driver":"nbd","server":{"type":"unix","path":"/s","abstract":true}}',
        'json:{"driver":"nbd","path":"/s","tls-creds":"x"}',
        'json:{"driver":"nbd","path":"/s","x-dirty-bitmap":"x"}',
    ],
)
def test_what_is_not_spoken_is_told(text):
    with pytest.raises(UnsupportedError):
        open_chain(text)


@given(
    st.sampled_from(["nbd:", "nbd://", "nbds://", "nbd+unix://", "nbds+unix:///?socket="]),
    st.text(st.sampled_from("ab:/@?#&=%[]\n\x1b,;+0 "), max_size=20),
)
def test_any_name_is_an_address_or_one_line(start, text):
    try:
        address(start + text)
    except BlockstrataError as error:
        assert str(error).isprintable()


def test_the_names_are_qemu_s():
    assert unix(export="a b").name == "nbd+unix:///a b?socket=/s"
    assert unix().name == "nbd+unix://?socket=/s"
    assert inet().name == "nbd://h:10809"
    assert inet("::1", 7, "x").name == "nbd://[::1]:7/x"
    assert unix(tls=Tls()).name == "nbds+unix://?socket=/s"


# ---------------------------------------------------------------- consent


@pytest.mark.parametrize(
    "backing", ["nbd://127.0.0.1:1/x", 'json:{"driver":"raw","file":{"driver":"nbd","path":"/nowhere"}}']
)
def test_a_server_that_an_image_names_needs_consent(tmp_path, backing):
    write_image(tmp_path / "top.qcow2", Image(1 << 20, backing=backing, backing_format="raw"), {})
    with open_chain(str(tmp_path / "top.qcow2")) as chain:
        assert isinstance(chain.missing, ConsentError)
        assert "is a server that an image names; consent with --follow-remote" in str(chain.missing)
    access = Access(consents=frozenset({Consent.FOLLOW_REMOTE}), timeout=5)
    with open_chain(str(tmp_path / "top.qcow2"), access) as chain:
        assert chain.missing is not None
        assert not isinstance(chain.missing, ConsentError)


def test_a_server_that_a_user_s_own_options_name_needs_no_consent(tmp_path):
    write_image(tmp_path / "top.qcow2", Image(1 << 20), {})
    top = {"driver": "qcow2", "file": {"driver": "file", "filename": str(tmp_path / "top.qcow2")}}
    below = {"driver": "raw", "file": {"driver": "nbd", "path": str(tmp_path / "none")}}
    with open_chain("json:" + json.dumps({**top, "backing": below})) as chain:
        assert "No such file or directory" in str(chain.missing)


# ---------------------------------------------------------------- TLS


class _NewerContext:
    """Python 3.13's context as far as we use it."""

    def __init__(self, _protocol):
        pass

    def set_psk_client_callback(self, callback):
        self.callback = callback

    def set_ciphers(self, ciphers):
        self.ciphers = ciphers


@pytest.mark.parametrize(("user", "key"), [("alice", "0102"), ("bob", "0304"), (None, "0102")])
def test_a_shared_key(tmp_path, monkeypatch, user, key):
    monkeypatch.setattr(tls.ssl, "SSLContext", _NewerContext)
    (tmp_path / "psk").write_text("alice:0102\nbob:0304\n")
    context, hostname = tls.tls_context(Tls(psk_file=str(tmp_path / "psk"), username=user), "h")
    assert context.callback(None) == (user or "alice", bytes.fromhex(key))
    assert (context.ciphers, hostname) == ("PSK", "h")


@pytest.mark.parametrize(
    ("content", "says"), [("", "holds no key for user 'me'"), ("me:xyz", "tls-psk-file")]
)
def test_a_wrong_file_of_keys(tmp_path, monkeypatch, content, says):
    monkeypatch.setattr(tls.ssl, "SSLContext", _NewerContext)
    (tmp_path / "psk").write_text(content)
    with pytest.raises(WireError, match=says):
        tls.tls_context(Tls(psk_file=str(tmp_path / "psk"), username="me"), "h")


@pytest.mark.skipif(hasattr(ssl.SSLContext, "set_psk_client_callback"), reason="this Python can do it")
def test_a_python_without_shared_keys_says_so():
    with pytest.raises(WireError, match=r"needs Python 3\.13"):
        tls.tls_context(Tls(psk_file="/k"), "h")


def test_missing_certificates(tmp_path):
    with pytest.raises(WireError, match="TLS certificates: No such file"):
        tls.tls_context(Tls(str(tmp_path)), "h")


# ---------------------------------------------------------------- nbdinfo's JSON


def test_json_as_nbdinfo_lays_it_out():
    edges, types = np.array([0, 1, 3, 9], np.int64), np.array([0, 3, 7], np.uint64)
    lines = "".join(nbdinfo.json_text([(edges, types)], "base:allocation")).splitlines()
    assert lines == [
        "[",
        '{ "offset": 0, "length": 1, "type": 0, "description": "data"},',
        '{ "offset": 1, "length": 2, "type": 3, "description": "hole,zero"},',
        '{ "offset": 3, "length": 6, "type": 7}',
        "]",
    ]


def test_json_of_many_entries_is_one_array():
    edges = np.arange(20_001, dtype=np.int64)
    entries = json.loads("".join(nbdinfo.json_text([(edges, np.arange(20_000, dtype=np.uint64))], "x:y")))
    assert [entry["offset"] for entry in entries] == edges[:-1].tolist()
    assert all(entry["type"] == entry["offset"] and "description" not in entry for entry in entries)
