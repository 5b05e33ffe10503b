"""Options about how QEMU opens and caches files: most change no answer, ``cache.direct`` changes some."""

from __future__ import annotations

import errno
import json
import os

import pytest
from oracle import TOOLS, Question, build, difference, our_answer, their_answer, workplace
from recipe import Recipe, create, io

pytestmark = pytest.mark.live(*TOOLS)

_IMAGES = (
    # no whole number of sectors, with data at the end, and without
    "head -c 1000001 /dev/zero | tr '\\0' x > odd.raw",
    "cp odd.raw hole.raw && truncate -s 1500001 hole.raw",
    "printf x > one.raw",
    create("over.qcow2", "2M", "odd.raw", "raw"),
    io("over.qcow2", "write 64k 64k"),
    create("third.qcow2", "2M", "over.qcow2"),
    create("states.qcow2", "2M", 'json:{"cache.direct":false,"file.filename":"odd.raw"}', "raw"),
    create("demands.qcow2", "2M", 'json:{"cache.direct":true,"file.filename":"odd.raw"}', "raw"),
    create("half.qcow2", "2M", 'json:{"file":{"filename":"odd.raw","cache.direct":true}}', "raw"),
    create("outside.qcow2", "1M", data_file="data.raw"),
    io("outside.qcow2", "write 0 1M"),
    "truncate -s 900001 data.raw",
    create("cut.qcow2", "1M", preallocation="metadata"),
    io("cut.qcow2", "write 0 1M"),
    "truncate -s 1300001 cut.qcow2",
)  # fmt: skip

_ODD = (
    "driver=file,filename=odd.raw",
    "driver=raw,file.filename=odd.raw",
    "driver=raw,file.filename=hole.raw",
    "driver=raw,file.filename=one.raw",
    "driver=raw,offset=999936,file.filename=odd.raw",
    "driver=raw,file.driver=raw,file.file.filename=odd.raw",
    "driver=qcow2,file.filename=over.qcow2",
    "driver=qcow2,file.filename=third.qcow2",
    "driver=qcow2,file.filename=states.qcow2",
    "driver=qcow2,file.filename=demands.qcow2",
    "driver=qcow2,file.filename=half.qcow2",
    "driver=qcow2,file.filename=outside.qcow2",
    "driver=qcow2,file.filename=outside.qcow2,data-file.filename=odd.raw",
    "driver=qcow2,file.filename=cut.qcow2",
    "file.filename=odd.raw",
    "driver=null-co,size=1000001",
)

_DIRECT = (
    "",
    ",cache.direct=on",
    ",cache.direct=on,file.cache.direct=off",
    ",file.cache.direct=on",
    ",cache.direct=on,backing.cache.direct=off",
    ",backing.cache.direct=on",
    ",backing.file.cache.direct=on",
    ",cache.direct=on,backing.node-name=x",
    ",cache.direct=on,backing.backing.cache.direct=off",
    ",backing.backing.node-name=x,cache.direct=on",
)

_OTHERS = (
    *(f",{key}={word}" for key in ("cache.no-flush", "force-share", "read-only") for word in ("on", "off")),
    *(f",file.{key}" for key in ("locking=on", "locking=off", "locking=auto", "aio=threads", "aio=io_uring")),
    ",file.aio=native",
    ",file.aio=native,file.cache.direct=on",
    ",aio=threads",
    *(f",discard={word}" for word in ("unmap", "ignore", "x")),
    *(f",detect-zeroes={word}" for word in ("on", "off", "unmap", "unmap,discard=unmap")),
    ",auto-read-only=on,read-only=on",
    ",force-share=on,read-only=off",
    ",force-share=on,file.read-only=off",
    ",file.force-share=on,read-only=off",
    ",force-share=on,read-only=on,file.read-only=off",
    ",backing.force-share=on,read-only=off",
    ",backing.force-share=on,backing.read-only=off",
    ",force-share=on,backing.read-only=off",
    ",backing.force-share=on,backing.file.read-only=off",
    ",backing.file.locking=off,read-only=off",
    ",auto-read-only=on,force-share=on",
    ",l2-cache-size=64k",
    ",cache-clean-interval=1",
    ",file.drop-cache=off",
    ",cache=on",
    ",cache.writeback=off",
    ",cache.direct=perhaps",
)
_ANY = ("driver=raw,file.filename=odd.raw", "driver=qcow2,file.filename=over.qcow2")


@pytest.fixture(scope="module")
def images():
    with workplace() as directory:
        build(Recipe("opening", _IMAGES), directory)
        yield directory


def _as_json(opts: str) -> str:
    """Return a list of options, in which no comma is doubled, as the same options by ``json:``."""
    return "json:" + json.dumps(dict(part.split("=", 1) for part in opts.split(",")))


@pytest.mark.parametrize(
    "opts",
    [
        *(image + more for image in _ODD for more in _DIRECT),
        *(image + more for image in _ANY for more in _OTHERS),
    ],
)
def test_same_answer_however_it_is_opened(opts, images):
    asked = [(opts, ("--image-opts",))]
    if opts.startswith(_ANY):
        asked.append((_as_json(opts), ()))
    for image, switches in asked:
        question = Question(image, switches, image, switches)
        found = difference(their_answer(question, images), our_answer(question, images))
        assert not found, f"{image}\n{found}"


def test_a_file_system_may_have_no_o_direct(images):
    name = "/sys/kernel/mm/transparent_hugepage/enabled"
    try:
        os.close(os.open(name, os.O_RDONLY | os.O_DIRECT))
    except FileNotFoundError:
        pytest.skip(f"no {name}")
    except OSError as error:
        assert error.errno == errno.EINVAL
    else:
        pytest.skip("sysfs has O_DIRECT")
    opts = f"driver=raw,file.filename={name},cache.direct=on"
    question = Question(opts, ("--image-opts",), opts, ("--image-opts",))
    assert their_answer(question, images).entries is None
    assert (
        our_answer(question, images).error
        == f"blockstrata: {name}: cache.direct: its file system has no O_DIRECT\n"
    )
