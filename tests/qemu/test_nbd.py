"""Real servers, asked by us, by qemu-img and by nbdinfo: the answers are the same.

qemu-nbd 7.2 and nbdkit 1.32 know no extended headers; those are shown with a scripted server
(``tests/core/protocols/test_nbd_hostile.py``).
"""

from __future__ import annotations

import asyncio
import json
import ssl
import struct
import sys
import time
from dataclasses import dataclass

import pytest
from oracle import Question, difference, our_answer, run, their_answer
from recipe import create, io
from scripted_nbd import ACK, REQ_ONE, STARTTLS, Server
from servers import nbdkit, nbdkit_tcp, qemu_nbd, qemu_nbd_tcp

from blockstrata.access import Access
from blockstrata.errors import ServerError
from blockstrata.graph.chain import open_chain
from blockstrata.graph.export_layers import as_opened, export_layers
from blockstrata.graph.opening import open_export
from blockstrata.guest.merge import merged
from blockstrata.semantics.proposed import PROPOSED
from blockstrata_viewer.app.app import ViewerApp
from blockstrata_viewer.app.setup import Setup

pytestmark = pytest.mark.live("qemu-img", "qemu-io", "qemu-nbd", "nbdinfo", "nbdkit")


def ours(work, *words):
    return run(sys.executable, "-m", "blockstrata_viewer", *words, cwd=work)


def sh(work, *commands):
    done = run("sh", "-e", "-c", "\n".join(commands), cwd=work)
    assert done.returncode == 0, done.stderr


def assert_same(work, uri, theirs=None):
    """Compare ``map`` with qemu-img's, and the wire with nbdinfo's, byte for byte."""
    assert_same_map(work, uri, theirs)
    assert_same_wire(work, uri)


def assert_same_map(work, image, theirs=None):
    question = Question(image, (), theirs or image)
    answer = their_answer(question, work)
    assert answer.entries is not None, answer.error
    assert difference(answer, our_answer(question, work)) == ""


def assert_same_wire(work, uri, context=None):
    theirs = run("nbdinfo", f"--map={context}" if context else "--map", "--json", uri, cwd=work)
    assert theirs.returncode == 0, theirs.stderr
    mine = ours(work, "map", "--output", "nbd-json", *(("--context", context) if context else ()), uri)
    assert (mine.stdout, mine.returncode) == (theirs.stdout, 0), mine.stderr


def entries(work, uri):
    return json.loads(ours(work, "map", "--output", "nbd-json", uri).stdout)


def error_of(work, *words):
    done = ours(work, *words)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("blockstrata: ")
    assert done.stderr.rstrip("\n").isprintable()
    return done.stderr


# ---------------------------------------------------------------- qemu-nbd

CHAIN = (
    create("base.qcow2", "2M"),
    io("base.qcow2", "write 0 64k", "write -z 128k 64k", "write 1M 64k"),
    create("top.qcow2", "3M", "base.qcow2"),
    io("top.qcow2", "write 256k 64k"),
    "qemu-img bitmap --add -g 64k top.qcow2 b0",
    io("top.qcow2", "write 512k 64k", "write -c 768k 64k"),
)


@pytest.fixture
def chain(work):
    sh(work, *CHAIN)
    return work


def test_a_chain(chain):
    with qemu_nbd(chain, "-f", "qcow2", "-A", "-B", "b0", "top.qcow2") as uri:
        assert_same(chain, uri)
        for context in ("base:allocation", "qemu:allocation-depth", "qemu:dirty-bitmap:b0"):
            assert_same_wire(chain, uri, context)
        line = error_of(chain, "map", "--output", "nbd-json", "--context", "qemu:none", uri)
        assert "context 'qemu:none': is not offered, but base:allocation, qemu:allocation-depth" in line


def test_how_deep_a_chain_is(chain):
    with qemu_nbd(chain, "-f", "qcow2", "-A", "top.qcow2") as uri:
        node = open_export(uri, Access(), ())
        try:
            depth = node.allocation_depth(0, node.length)
            assert node.extents(0, node.length).end == node.length
        finally:
            node.close()
        theirs = json.loads(run("nbdinfo", "--map=qemu:allocation-depth", "--json", uri, cwd=chain).stdout)
        found = [(entry["offset"], entry["type"]) for entry in theirs]
        assert list(zip(depth.edges[:-1].tolist(), depth.types.tolist(), strict=True)) == found
        assert {0, 1, 2} == set(depth.types.tolist())
    with qemu_nbd(chain, "-f", "qcow2", "top.qcow2") as uri:
        node = open_export(uri, Access(), ())
        assert node.allocation_depth(0, node.length) is None
        node.close()


def test_layers_are_rebuilt_from_how_deep_they_are(work):
    """What shows of each layer is where qemu-img finds it in the chain itself."""
    sh(
        work,
        create("0.qcow2", "2M"),
        io("0.qcow2", "write 0 256k", "write 1M 64k", "write -z 1152k 64k"),
        create("1.qcow2", "2M", "0.qcow2"),
        io("1.qcow2", "write 64k 64k", "write -z 512k 64k"),
        create("2.qcow2", "2M", "1.qcow2"),
        io("2.qcow2", "write 128k 64k", "write 1536k 64k"),
    )
    theirs = json.loads(run("qemu-img", "map", "--output=json", "2.qcow2", cwd=work).stdout)
    with qemu_nbd(work, "-f", "qcow2", "-A", "2.qcow2") as uri, open_chain(uri) as plain:
        chain = export_layers(plain)
        assert len(chain.layers) == 3
        view = merged(chain, 0, chain.size)
        letters = [PROPOSED.letters(flags) for flags in PROPOSED.flags(view).tolist()]
        for entry in theirs:
            run_at = view.extents.index_at(entry["start"])
            assert view.extents.edges[run_at + 1] >= entry["start"] + entry["length"]
            if entry["present"]:
                assert int(view.depth[run_at]) == entry["depth"]
            assert letters[run_at] == ("L·AO" if entry["data"] else "LZ·O" if entry["present"] else "LZ··")
    with qemu_nbd(work, "-f", "qcow2", "2.qcow2") as uri, open_chain(uri) as plain:
        assert export_layers(plain) is plain


def test_an_empty_layer_behind_an_export_is_a_layer(work):
    sh(
        work,
        create("base.qcow2", "1M"),
        io("base.qcow2", "write 0 64k"),
        create("top.qcow2", "1M", "base.qcow2"),
    )
    with qemu_nbd(work, "-f", "qcow2", "-A", "top.qcow2") as uri, open_chain(uri) as plain:
        chain = export_layers(plain)
        assert len(chain.layers) == 2
        view = merged(chain, 0, chain.size)
        assert [PROPOSED.letters(flags) for flags in PROPOSED.flags(view).tolist()] == ["L·AO", "LZ··"]
        assert view.depth.tolist() == [1, 1]
        assert len(as_opened(chain).layers) == 1


async def test_the_viewer_shows_the_layers_behind_an_export(chain):
    with qemu_nbd(chain, "-f", "qcow2", "-A", "top.qcow2") as uri:
        app = ViewerApp(Setup([uri]))
        async with app.run_test(size=(120, 36)) as pilot:
            await asyncio.wait_for(app.settled.wait(), 20)
            await pilot.pause()
            text = "\n".join(strip.text for strip in app.screen._compositor.render_strips())
            await pilot.press("v", "v", "r", "r", "enter", "escape", "j", "n")
    assert "depth 1" in text
    assert "depth 2" in text
    assert len(app.scene.disk.layers) == 2
    app.scene.chain_scene.disk.chain.close()


def test_raw_with_holes(work):
    sh(
        work,
        "truncate -s 3000000 s.raw",
        "dd if=/dev/urandom of=s.raw bs=4096 count=5 seek=100 conv=notrunc status=none",
    )
    with qemu_nbd(work, "-f", "raw", "s.raw") as uri:
        assert_same(work, uri)
        assert {entry["description"] for entry in entries(work, uri)} == {"data", "hole,zero"}


@pytest.mark.parametrize("read_zeroes", ["off", "on"])
def test_null(work, read_zeroes):
    with qemu_nbd(work, "--image-opts", f"driver=null-co,size=1M,read-zeroes={read_zeroes}") as uri:
        assert_same(work, uri)


def test_a_thousand_extents(work):
    writes = [word for at in range(1000) for word in ("-c", f"write {at * 8192} 4096")]
    sh(
        work,
        "truncate -s 8192000 s.raw",
        "qemu-io -f raw " + " ".join(f"'{word}'" for word in writes) + " s.raw",
    )
    with qemu_nbd(work, "-f", "raw", "s.raw") as uri:
        assert_same(work, uri)
        assert len(entries(work, uri)) == 2000


def test_names_of_one_export(chain):
    with qemu_nbd(chain, "-f", "qcow2", "-x", "a b/c", "top.qcow2") as uri:
        path = uri.partition("socket=")[2]
        server = {"type": "unix", "path": path}
        for name in (
            f"nbd+unix:///a%20b/c?socket={path}",
            f"nbd:unix:{path}:exportname=a b/c",
            "json:" + json.dumps({"driver": "nbd", "server": server, "export": "a b/c"}),
            "json:" + json.dumps({"driver": "nbd", "path": path, "export": "a b/c"}),
            "json:"
            + json.dumps({"driver": "raw", "file": {"driver": "nbd", "path": path, "export": "a b/c"}}),
        ):
            assert_same_map(chain, name)
        human = ours(chain, "map", f"nbd+unix:///a%20b/c?socket={path}")
        assert human.stdout == run("qemu-img", "map", f"nbd+unix:///a%20b/c?socket={path}", cwd=chain).stdout
        assert "no export of this name" in error_of(chain, "map", uri)


def test_over_tcp(chain):
    with qemu_nbd_tcp(chain, "-f", "qcow2", "-x", "disk", "top.qcow2") as (host, port):
        assert_same(chain, f"nbd://{host}:{port}/disk")
        assert_same_map(chain, f"nbd:{host}:{port}:exportname=disk")
        server = {"type": "inet", "host": host, "port": str(port)}
        assert_same_map(chain, "json:" + json.dumps({"driver": "nbd", "server": server, "export": "disk"}))
        legacy = {"driver": "nbd", "host": host, "port": str(port), "export": "disk"}
        assert_same_map(chain, "json:" + json.dumps(legacy))
        assert_same_map(chain, "json:" + json.dumps({**legacy, "port": port}))
        assert_same_map(chain, "json:" + json.dumps({**legacy, "port": float(port), "host": 2130706433}))
        assert "Connection refused" in error_of(chain, "map", f"nbd://{host}:1")


# ---------------------------------------------------------------- images on an export


def test_qcow2_on_an_export_is_probed(work):
    sh(work, create("base.qcow2", "1M"), io("base.qcow2", "write 0 128k", "write -z 256k 64k"))
    with qemu_nbd(work, "-f", "raw", "base.qcow2") as uri:
        assert_same(work, uri)
        path = uri.partition("socket=")[2]
        raw = {"driver": "raw", "file": {"driver": "nbd", "path": path}}
        assert_same_map(work, "json:" + json.dumps(raw))
        assert_same_map(work, "json:" + json.dumps({**raw, "driver": "qcow2"}))


def test_preallocated_metadata_is_not_seen_through_an_export(work):
    """QEMU's nbd driver cannot say how much is stored, so the rule RECURSE stays off."""
    sh(work, create("pre.qcow2", "4M", preallocation="metadata"))
    with qemu_nbd(work, "-f", "raw", "pre.qcow2") as uri:
        assert_same(work, uri)
    assert_same_map(work, "pre.qcow2")


def test_a_relative_backing_name_has_no_directory_on_an_export(chain):
    with qemu_nbd(chain, "-f", "raw", "top.qcow2") as uri:
        assert "Cannot generate a base directory" in run("qemu-img", "map", uri, cwd=chain).stderr
        line = error_of(chain, "map", uri)
        assert "base.qcow2: backing file of nbd+unix://" in line
        assert "is relative, but an NBD export has no directory" in line
    sh(chain, f"qemu-img rebase -u -b {chain}/base.qcow2 -F qcow2 top.qcow2")
    with qemu_nbd(chain, "-f", "raw", "top.qcow2") as uri:
        assert_same(chain, uri)


def test_an_export_below_an_image_needs_consent(chain):
    with qemu_nbd(chain, "-f", "qcow2", "top.qcow2") as uri:
        sh(chain, create("over.qcow2", "4M", uri, "raw"), io("over.qcow2", "write 0 4k"))
        assert "consent with --follow-remote" in error_of(chain, "map", "over.qcow2")
        question = Question("over.qcow2", ("--follow-remote",), "over.qcow2")
        assert difference(their_answer(question, chain), our_answer(question, chain)) == ""


# ---------------------------------------------------------------- nbdkit


@dataclass(frozen=True)
class Kit:
    """An nbdkit command line, as a test's parameter."""

    name: str
    words: tuple[str, ...]


EXTENTS = "0 4096\n4096 4096 hole\n8192 4096 zero\n12288 4096 hole,zero\n16384 100\n16484 900 hole,zero\n"
ODD_BLOCKS = "0 1000\n1000 3500 hole,zero\n4500 200 hole\n12000 1 zero\n"
EVERY_BYTE = (
    "o=$4; e=$(($4 + $3)); while [ $o -lt $e ]; do"
    " case $(($o % 3)) in 0) t=;; 1) t=hole;; 2) t=zero;; esac; echo $o 1 $t; o=$(($o + 1)); done"
)
ONE_EXTENT = "echo $4 7 $([ $(($4 / 7 % 2)) = 0 ] && echo hole,zero)"

KITS = [
    Kit("memory", ("memory", "10M")),
    Kit("memory of 0 bytes", ("memory", "0")),
    Kit("memory of 1 byte", ("memory", "1")),
    Kit("memory of 1000 bytes", ("memory", "1000")),
    Kit("data", ("data", "@100 1 @70000 2 @1000000 3", "size=10000000")),
    Kit("sparse-random", ("sparse-random", "8G", "seed=7")),
    Kit("pattern", ("pattern", "1000001")),
    Kit("null", ("null", "100M")),
    Kit("no extents", ("--filter=noextents", "memory", "10000")),
    Kit("all four types", ("--filter=extentlist", "memory", "20000", "extentlist=extents")),
    Kit(
        "all four types in blocks",
        ("--filter=blocksize-policy", "--filter=extentlist", "memory", "20480", "extentlist=extents",
         "blocksize-minimum=512", "blocksize-preferred=4096", "blocksize-maximum=65536"),
    ),
    Kit(
        "blocks of several types",
        ("--filter=blocksize-policy", "--filter=extentlist", "memory", "16384", "extentlist=odd",
         "blocksize-minimum=4096", "blocksize-preferred=4096"),
    ),
    Kit("every byte", ("eval", "get_size=echo 300", "can_extents=exit 0", f"extents={EVERY_BYTE}",
                       "pread=head -c $3 /dev/zero")),
    Kit("one extent an answer", ("eval", "get_size=echo 500", "can_extents=exit 0", f"extents={ONE_EXTENT}",
                                 "pread=head -c $3 /dev/zero")),
    Kit("copy on write", ("--filter=cow", "data", "@1000000 1", "size=2M")),
    Kit("slow", ("--filter=delay", "data", "@1000000 1", "size=2M", "delay-extents=200ms")),
]  # fmt: skip


@pytest.fixture
def kitchen(work):
    (work / "extents").write_text(EXTENTS)
    (work / "odd").write_text(ODD_BLOCKS)
    return work


@pytest.mark.parametrize("kit", KITS, ids=[kit.name for kit in KITS])
def test_nbdkit(kitchen, kit):
    with nbdkit(kitchen, *kit.words) as uri:
        assert_same(kitchen, uri)


@pytest.mark.parametrize("words", [("--no-sr",), ("--mask-handshake=0",)])
def test_without_block_status_all_is_opaque(work, words):
    with nbdkit(work, *words, "memory", "10000") as uri:
        assert_same_map(work, uri)
        assert run("nbdinfo", "--map", "--json", uri, cwd=work).returncode == 1
        line = error_of(work, "map", "--output", "nbd-json", uri)
        assert "context 'base:allocation': is not offered; the server has none" in line
        facts = json.loads(ours(work, "info", "--output", "json", uri).stdout)
        assert facts["layers"][0]["server"]["block-status"] is False


def test_oldstyle_is_refused(work):
    with nbdkit(work, "-o", "memory", "1M") as uri:
        assert "the server speaks the oldstyle protocol" in error_of(work, "map", uri)


def test_errors_of_the_server_are_told(work):
    with nbdkit(work, "--filter=error", "memory", "1M", "error-extents-rate=100%") as uri:
        assert "block status: byte 0: the server answers with EIO" in error_of(work, "map", uri)
        assert "block status: byte 0: the server answers with EIO" in error_of(
            work, "map", "--output", "nbd-json", uri
        )
    with nbdkit(work, "--filter=error", "memory", "1M", "error-pread-rate=100%") as uri:
        assert "read: byte 0: the server answers with EIO" in error_of(work, "map", uri)
        assert_same_wire(work, uri)


def test_too_slow(work):
    with nbdkit(work, "--filter=delay", "memory", "1M", "delay-extents=5") as uri:
        assert "no answer within 0.5 seconds" in error_of(work, "map", "--timeout", "0.5", uri)


def test_what_is_read_is_what_is_stored(work):
    content = bytes(range(1, 252)) * 30_000
    (work / "disk").write_bytes(content)
    for words in (
        ("--filter=blocksize-policy", "file", "disk", "blocksize-minimum=1", "blocksize-maximum=65536"),
        ("file", "disk"),
        ("--no-sr", "file", "disk"),
    ):
        with nbdkit(work, *words) as uri:
            node = open_export(uri, Access(), ())
            try:
                assert node.read(0, len(content)) == content
                assert node.read(12345, 6_000_000) == content[12345:6_012_345]
                assert node.read(len(content) - 3, 10) == content[-3:] + bytes(7)
            finally:
                node.close()


def test_info_tells_what_the_server_tells(chain):
    with qemu_nbd(
        chain, "-f", "qcow2", "-A", "-B", "b0", "-x", "disk", "-D", "the disk", "top.qcow2"
    ) as plain:
        uri = plain.replace("///", "///disk")
        theirs = json.loads(run("nbdinfo", "--json", uri, cwd=chain).stdout)
        export = theirs["exports"][0]
        mine = json.loads(ours(chain, "info", "--output", "json", uri).stdout)["layers"][0]["server"]
        assert mine["export"] == export["export-name"]
        assert mine["export-size"] == export["export-size"]
        assert mine["description"] == export["description"]
        assert mine["contexts"] == export["contexts"]
        assert mine["read-only"] == export["is_read_only"]
        assert mine["rotational"] == export["is_rotational"]
        assert mine["multi-conn"] == export["can_multi_conn"]
        assert mine["structured-replies"] == theirs["structured"]
        assert mine["tls"] == theirs["TLS"]
        for key in ("minimum", "preferred", "maximum"):
            assert mine[f"block-size-{key}"] == export[f"block_size_{key}"]
        human = ours(chain, "info", uri).stdout
        assert "contexts base:allocation qemu:allocation-depth qemu:dirty-bitmap:b0" in human


# ---------------------------------------------------------------- nbdinfo's words

TYPES = [0, 1, 2, 3, 4, 5, 7, 255, 2**32 - 1]


@pytest.mark.parametrize(
    "context",
    ["base:allocation", "qemu:allocation-depth", "qemu:dirty-bitmap:a:b", "qemu:other", "x-any:thing"],
)
def test_types_that_nbdinfo_has_no_words_for(work, context):
    size = 100 * len(TYPES)

    def script(talk, _):
        talk.greet()
        talk.negotiate(
            size, contexts={"base:allocation": 1, context: 5 if context != "base:allocation" else 1}
        )
        for asked in talk.requests():
            extents = []
            at = asked.offset
            while at < asked.offset + asked.length:
                step = 100 - at % 100
                extents.append((step, TYPES[at // 100]))
                at += step
            is_base = context == "base:allocation"
            # nbdinfo asks in one context, we in two
            numbers = [number for extent in extents for number in extent]
            payload = struct.pack(f">{len(numbers)}I", *numbers)
            if not is_base and len(talk.chosen) > 1:
                talk.chunk(asked, 5, struct.pack(">I", 1) + payload, done=False)
            talk.chunk(asked, 5, struct.pack(">I", 1 if is_base else 5) + payload)

    with Server(work / "scripted", script) as server:
        assert_same_wire(work, server.uri, context)


# ---------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Return a directory with an authority, a server that it vouches for by name, and a client."""
    work = tmp_path_factory.mktemp("certificates")
    names = {
        "server": "DNS:localhost,IP:127.0.0.1",
        "stranger": "DNS:elsewhere.example",
        "client": "DNS:client",
    }
    new = "openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj"
    commands = [f"{new} /CN=authority -x509 -keyout ca-key.pem -out ca-cert.pem"]
    for name, alternatives in names.items():
        commands += [
            f"{new} /CN={name} -keyout {name}-key.pem -out {name}.csr",
            f"printf 'subjectAltName={alternatives}' > {name}.ext",
            (
                f"openssl x509 -req -in {name}.csr -CA ca-cert.pem -CAkey ca-key.pem -CAcreateserial -days 2"
                f" -extfile {name}.ext -out {name}-cert.pem"
            ),
        ]
    for directory, client in (("known", True), ("unknown", False)):
        commands += [f"mkdir {directory}", f"cp ca-cert.pem {directory}/"]
        if client:
            commands.append(f"cp client-cert.pem client-key.pem {directory}/")
    commands += [
        "mkdir other elsewhere",
        f"{new} /CN=other -x509 -keyout other/ca-key.pem -out other/ca-cert.pem",
        "cp ca-cert.pem elsewhere/",
        "cp stranger-cert.pem elsewhere/server-cert.pem",
        "cp stranger-key.pem elsewhere/server-key.pem",
    ]
    sh(work, *commands)
    return work


DATA = ("data", "@100000 1", "size=300000")


@pytest.mark.live("openssl")
def test_tls_with_certificates(work, certificates):
    tls = ("--tls=require", f"--tls-certificates={certificates}", "--tls-verify-peer")
    with nbdkit_tcp(work, *tls, *DATA) as port:
        good = f"nbds://localhost:{port}/?tls-certificates={certificates}/known"
        assert_same_wire(work, good)
        assert {entry["type"] for entry in entries(work, good)} == {0, 3}
        tells = json.loads(ours(work, "info", "--output", "json", good).stdout)["layers"][0]["server"]["tls"]
        assert tells.startswith("TLSv1")
        plain = f"nbd://localhost:{port}"
        assert "the server requires TLS; use nbds://" in error_of(work, "map", plain)
        unknown = error_of(work, "map", f"nbds://localhost:{port}/?tls-certificates={certificates}/unknown")
        # the server may have gone before its alert is read
        assert any(words in unknown for words in ("certificate required", "closed the connection", "reset"))


@pytest.mark.live("openssl")
def test_tls_over_a_unix_socket(work, certificates):
    with nbdkit(work, "--tls=require", f"--tls-certificates={certificates}", *DATA) as plain:
        secure = plain.replace("nbd+", "nbds+") + f"&tls-certificates={certificates}"
        assert_same_wire(work, f"{secure}/unknown")
        assert "unable to get local issuer certificate" in error_of(work, "map", f"{secure}/other")
        assert ours(work, "map", f"{secure}/other&tls-verify-peer=false").returncode == 0
        assert "Hostname mismatch" in error_of(work, "map", f"{secure}/known&tls-hostname=elsewhere.example")
        assert ours(work, "map", f"{secure}/known&tls-hostname=localhost").returncode == 0


@pytest.mark.live("openssl")
@pytest.mark.parametrize("step", [1, 0], ids=["dripped", "silent"])
def test_answers_under_tls_are_bounded_as_a_whole(work, certificates, step):
    """A record a byte, or none at all: neither is waited for past the limit."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server-cert.pem", certificates / "server-key.pem")

    def script(talk, _):
        talk.greet()
        assert talk.option() == (STARTTLS, b"")
        talk.reply(STARTTLS, ACK)
        with context.wrap_socket(talk.plug, server_side=True) as talk.plug:
            talk.negotiate()
            for asked in talk.requests():
                reply = talk.header(asked.cookie, 5, 12) + struct.pack(">III", 1, 1 << 20, 0)
                for at in range(step * len(reply)):
                    talk.send(reply[at : at + 1])
                    time.sleep(0.03)

    with Server(work / "scripted", script) as server:
        secure = server.uri.replace("nbd+", "nbds+")
        uri = f"{secure}&tls-certificates={certificates}/unknown&tls-hostname=localhost"
        node = open_export(uri, Access(timeout=0.4), ())
        began = time.monotonic()
        with pytest.raises(ServerError, match=r"no answer within 0\.4 seconds"):
            node.extents(0, 1 << 20)
        assert time.monotonic() - began < 3
        node.close()


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize(
    "after", [[(0, 3)], [(0, 0), (1 << 20, 3)], [(0, 3), (0, 3), (1, 0)]], ids=["last", "more", "twice"]
)
def test_what_follows_an_extent_of_no_bytes_is_not_believed(work, after, extended):
    """It is asked again, as qemu-img asks about all that follows the first extent."""

    def script(talk, _):
        talk.greet()
        talk.negotiate(extended=extended)
        for asked in talk.requests((0, REQ_ONE)):
            talk.status(asked, (65536 - asked.offset % 65536, 3 if asked.offset >> 16 & 1 else 0), *after)

    with Server(work / "scripted", script) as server:
        file = {"driver": "nbd", "path": server.uri.partition("socket=")[2]}
        image = "json:" + json.dumps({"driver": "raw", "file": file})
        assert_same_map(work, image)
        assert len(json.loads(ours(work, "map", "--output", "json", image).stdout)) == 16


def test_a_first_extent_of_no_bytes_is_refused(work):
    def script(talk, _):
        talk.greet()
        talk.negotiate()
        for asked in talk.requests((0, REQ_ONE)):
            talk.status(asked, (0, 3), (asked.length, 0))

    with Server(work / "scripted", script) as server:
        assert run("qemu-img", "map", "-f", "raw", server.uri, cwd=work).returncode == 1
        assert "the first extent has no bytes" in error_of(work, "map", "-f", "raw", server.uri)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 1000])
def test_sizes_that_are_no_whole_sectors(work, size):
    """nbdkit serves as many bytes as there are, qemu-nbd whole sectors."""
    (work / "disk").write_bytes(b"x" * size)
    with nbdkit(work, "file", "disk") as uri:
        assert_same(work, uri)
    with qemu_nbd(work, "-f", "raw", "disk") as uri:
        assert_same(work, uri)


@pytest.mark.live("openssl")
def test_a_certificate_for_another_host(work, certificates):
    with nbdkit_tcp(work, "--tls=on", f"--tls-certificates={certificates}/elsewhere", *DATA) as port:
        name = f"nbds://localhost:{port}/?tls-certificates={certificates}/known"
        assert "Hostname mismatch" in error_of(work, "map", name)
        assert_same_wire(work, f"nbd://localhost:{port}")


def test_a_server_without_tls(work):
    with nbdkit(work, "--tls=off", *DATA) as plain:
        assert "TLS: the server" in error_of(work, "map", plain.replace("nbd+", "nbds+"))


def test_tls_with_a_shared_key(work):
    (work / "keys").write_text("me:0123456789abcdef0123456789abcdef\n")
    (work / "keys").chmod(0o600)
    with nbdkit(work, "--tls=require", f"--tls-psk={work}/keys", *DATA) as plain:
        secure = plain.replace("nbd+unix://", "nbds+unix://me@") + f"&tls-psk-file={work}/keys"
        assert run("nbdinfo", "--map", "--json", secure, cwd=work).returncode == 0
        if hasattr(ssl.SSLContext, "set_psk_client_callback"):
            assert_same_wire(work, secure)
        else:
            assert "needs Python 3.13 or later" in error_of(work, "map", secure)


def test_servers_are_ended(work):
    with nbdkit(work, "memory", "1M") as uri:
        assert ours(work, "map", uri).returncode == 0
    assert "Connection refused" in error_of(work, "map", uri)
