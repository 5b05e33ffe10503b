"""Ways to name an image, sensible and not, all of them on the same few images."""

from __future__ import annotations

import json

from recipe import create, io

IMAGES = (
    create("base.qcow2", "1M"),
    io("base.qcow2", "write 0 192k"),
    create("top.qcow2", "1M", "base.qcow2"),
    io("top.qcow2", "write 64k 64k"),
    "cp --sparse=always top.qcow2 a,b.qcow2",
    create("three.qcow2", "1M", "top.qcow2"),
    create("old.qcow2", "1M", compat="0.10"),
    create("extern.qcow2", "1M", data_file="extern.raw"),
    io("extern.qcow2", "write 0 64k"),
    "truncate -s 1M a.raw b.raw",
    io("a.raw", "write 128k 64k", fmt="raw"),
    io("b.raw", "write 512k 64k", fmt="raw"),
    "cp --sparse=always a.raw a=b.raw",
    create("null.qcow2", "1M", "null-co://", "raw"),
    create("json.qcow2", "1M", 'json:{"driver":"qcow2","file.filename":"top.qcow2","lazy-refcounts":"on"}'),
)

PLAIN = (
    "top.qcow2 ./a.raw file:a.raw file:top.qcow2 file:./a.raw file://a.raw file: null-co:// null-aio://"
    " null-co: null-co://x nosuch nosuch:x . null.qcow2 json.qcow2"
).split()

FORMATS = ("raw", "qcow2", "file", "null-co", "null-aio", "host_device", "nosuch", "vmdk", "QCOW2", "")
"""What ``-f`` is given."""

FORMATTED = (
    *PLAIN,
    'json:{"driver":"raw","file.filename":"top.qcow2"}',
    'json:{"driver":"qcow2","file.filename":"top.qcow2"}',
    'json:{"file.filename":"top.qcow2"}',
    'json:{"driver":"file","filename":"a.raw"}',
    'json:{"driver":"null-co","size":512}',
    'json:{"driver":1,"file.filename":"a.raw"}',
    "json:{}",
)

JSON = r"""
{'driver':'raw','file.filename':'a.raw'}
{'driver':"raw","file.filename":'a.raw'}
{"driver":"raw","file.filename":'\'a.raw'}
{"driver":"raw","file.filename":"\'a.raw"}
{"driver":'ra"w',"file.filename":"a.raw"}
 {"driver":"raw","file.filename":"a.raw"}
{"driver":"raw","file.filename":"a.raw",}
{"driver":"raw" "file.filename":"a.raw"}
{"driver":"raw","file.filename":"a.raw"}x
{"driver":"raw","driver":"raw","file.filename":"a.raw"}
{"driver":"raw","file":{"filename":"a.raw","filename":"b.raw"}}
{"driver":"raw","file.filename":"a.raw","file":{"filename":"b.raw"}}
{"driver":"raw","file":{"filename":"a.raw"},"file.filename":"b.raw"}
{"driver":"raw","file.filename":"a.raw","file":null}
{"driver":"raw","file.filename":"a.raw","file":{}}
{"driver":"raw","file.filename":"a.raw","file":1}
{"driver":"raw","file.filename":"a.raw","file":"x"}
{"driver":"raw","file":{"filename":"%s"}}
{"driver":"raw","file":%s}
{"driver":"raw","file.filename":"\u0061.raw"}
{"driver":"raw","file.filename":"\a.raw"}
{"driver":"raw","file.filename":"a.raw","size":NaN}
{"driver":"raw","file.filename":"a.raw","size":0512}
{"driver":"raw","file.filename":"a.raw","size":+512}
[]
"x"
null
{}
x
{"filename":"a.raw"}
{"filename":"null-co://"}
{"file.filename":"a.raw"}
{"file.filename":"top.qcow2","size":512}
{"file.filename":"a.raw","size":512}
{"file.filename":"file:a.raw"}
{"file.filename":"null-co://"}
{"file.filename":"json:{\"driver\":\"file\",\"filename\":\"a.raw\"}"}
{"file":"json:{\"driver\":\"file\",\"filename\":\"a.raw\"}"}
{"file":"a.raw"}
{"driver":"raw","filename":"a.raw"}
{"driver":"raw","file":null}
{"driver":"raw","file":{}}
{"driver":"raw","file":""}
{"driver":"raw","file":{"driver":"raw"}}
{"driver":"raw","file":{"file.filename":"a.raw"}}
{"driver":"raw","file":{"driver":"raw","file":{"driver":"raw","file.filename":"a.raw"}}}
{"driver":"raw","file.filename":1}
{"driver":"raw","file.filename":true}
{"driver":"raw","file.filename":null}
{"driver":"raw","file.filename":""}
{"driver":"raw","file.filename":["a.raw"]}
{"driver":1,"file.filename":"a.raw"}
{"driver":null,"file.filename":"a.raw"}
{"driver":{},"file.filename":"a.raw"}
{"driver":"","file.filename":"a.raw"}
{"driver":"raw","file.filename":"a.raw","x":[]}
{"driver":"raw","file.filename":"a.raw","x":null}
{"driver":"raw","file.filename":"a.raw","":1}
{"driver":"raw","file.filename":"a.raw","file.":1}
{"driver":"raw","file.filename":"a.raw","file..x":1}
{"driver":"raw","file.filename":"a.raw","offset":[1]}
{"driver":"raw","file.filename":"a.raw","offset":{"a":1}}
{"driver":"raw","file.filename":"a.raw","backing":null}
{"driver":"raw","file.filename":"a.raw","backing":""}
{"driver":"raw","file.filename":"a.raw","backing":{}}
{"driver":"raw","file.filename":"a.raw","backing":0}
{"driver":"raw","file.filename":"a.raw","backing.driver":"null-co"}
{"driver":"file","file.filename":"a.raw"}
{"driver":"file","filename":"a.raw","size":1}
{"driver":"file","filename":"a.raw","backing":null}
{"driver":"null-co","backing":""}
{"driver":"null-co","filename":"null-co://"}
{"driver":"null-co","file.filename":"a.raw"}
{"driver":"qcow2","file":{"driver":"raw","file":{"driver":"raw","file.filename":"top.qcow2"}}}
{"driver":"qcow2","file":{"driver":"qcow2","file.filename":"top.qcow2"}}
{"driver":"qcow2","file.filename":"top.qcow2","backing":null}
{"driver":"qcow2","file.filename":"top.qcow2","backing":""}
{"driver":"qcow2","file.filename":"top.qcow2","backing":"x"}
{"driver":"qcow2","file.filename":"top.qcow2","backing":{}}
{"driver":"qcow2","file.filename":"top.qcow2","backing":[]}
{"driver":"qcow2","file.filename":"top.qcow2","backing":false}
{"driver":"qcow2","file.filename":"top.qcow2","backing":0}
{"driver":"qcow2","file.filename":"top.qcow2","backing":null,"backing.driver":"raw"}
{"driver":"qcow2","file.filename":"top.qcow2","backing":"","backing.driver":"raw"}
{"driver":"qcow2","file.filename":"top.qcow2","backing":{"filename":"b.raw"}}
{"driver":"qcow2","file.filename":"top.qcow2","backing":{"file":"x"}}
{"driver":"qcow2","file.filename":"top.qcow2","backing":{"file":{"driver":"file"}}}
{"driver":"qcow2","file.filename":"top.qcow2","backing":{"file":{"locking":"off"}}}
{"driver":"qcow2","file.filename":"top.qcow2","backing":{"file":{"driver":"raw","file.filename":"base.qcow2"}}}
{"driver":"qcow2","file.filename":"top.qcow2","backing.file.filename":"b.raw"}
{"driver":"qcow2","file.filename":"top.qcow2","backing.driver":"raw","backing.file.filename":"b.raw"}
{"driver":"qcow2","file.filename":"top.qcow2","backing.driver":"raw"}
{"driver":"qcow2","file.filename":"top.qcow2","backing":{"driver":"raw","size":"64k"}}
{"driver":"qcow2","file.filename":"top.qcow2","backing.driver":"qcow2"}
{"driver":"qcow2","file.filename":"top.qcow2","backing.driver":"file"}
{"driver":"qcow2","file.filename":"top.qcow2","backing":{"driver":"file","filename":"b.raw"}}
{"driver":"qcow2","file.filename":"top.qcow2","backing.driver":"null-co","backing.size":"512k"}
{"driver":"qcow2","file.filename":"top.qcow2","backing":{"driver":"raw","file":{"driver":"null-co"}}}
{"driver":"qcow2","file.filename":"top.qcow2","backing.driver":1}
{"driver":"qcow2","file.filename":"top.qcow2","backing.driver":""}
{"driver":"qcow2","file.filename":"top.qcow2","backing.lazy-refcounts":"on"}
{"driver":"qcow2","file.filename":"top.qcow2","backing.nosuch":"on"}
{"driver":"qcow2","file.filename":"top.qcow2","backing.backing":null}
{"driver":"qcow2","file.filename":"top.qcow2","backing.backing.driver":"null-co"}
{"driver":"qcow2","file.filename":"top.qcow2","backing.backing.file.filename":"b.raw"}
{"driver":"qcow2","file.filename":"base.qcow2","backing":{}}
{"driver":"qcow2","file.filename":"base.qcow2","backing":false}
{"driver":"qcow2","file.filename":"base.qcow2","backing":"x"}
{"driver":"qcow2","file.filename":"base.qcow2","backing":""}
{"driver":"qcow2","file.filename":"base.qcow2","backing.driver":"raw"}
{"driver":"qcow2","file.filename":"base.qcow2","backing.file.filename":"b.raw"}
{"driver":"qcow2","file.filename":"base.qcow2","backing":{"driver":"file","filename":"b.raw"}}
{"driver":"qcow2","file.filename":"base.qcow2","backing":{"driver":"null-co","size":"512k","read-zeroes":true}}
{"driver":"qcow2","file.filename":"three.qcow2","backing.backing":null}
{"driver":"qcow2","file.filename":"three.qcow2","backing.backing":""}
{"driver":"qcow2","file.filename":"three.qcow2","backing.backing":{"driver":"raw","file.filename":"b.raw"}}
{"driver":"qcow2","file.filename":"three.qcow2","backing":{"file.filename":"base.qcow2","backing.driver":"null-co"}}
{"file.filename":"three.qcow2","backing":{"file.filename":"base.qcow2"}}
{"driver":"qcow2","file.filename":"json.qcow2","backing.lazy-refcounts":"off"}
{"driver":"qcow2","file.filename":"json.qcow2","backing.backing":null}
{"driver":"qcow2","file.filename":"json.qcow2","backing.file.filename":"base.qcow2"}
{"driver":"qcow2","file.filename":"null.qcow2","backing.file.size":"512k"}
{"driver":"qcow2","file.filename":"null.qcow2","backing.file.read-zeroes":"on"}
{"driver":"qcow2","file.filename":"extern.qcow2","data-file":null}
{"driver":"qcow2","file.filename":"extern.qcow2","data-file":""}
{"driver":"qcow2","file.filename":"extern.qcow2","data-file":"x"}
{"driver":"qcow2","file.filename":"extern.qcow2","data-file":{}}
{"driver":"qcow2","file.filename":"extern.qcow2","data-file":1}
{"driver":"qcow2","file.filename":"extern.qcow2","data-file":{"filename":"b.raw"}}
{"driver":"qcow2","file.filename":"extern.qcow2","data-file":{"driver":"file"}}
{"driver":"qcow2","file.filename":"extern.qcow2","data-file":{"locking":"off"}}
{"driver":"qcow2","file.filename":"extern.qcow2","data-file":{"driver":"raw"}}
{"driver":"qcow2","file.filename":"extern.qcow2","data-file":{"driver":"raw","offset":512,"file.filename":"b.raw"}}
{"driver":"qcow2","file.filename":"extern.qcow2","data-file":{"driver":"null-co","read-zeroes":true}}
{"driver":"qcow2","file.filename":"extern.qcow2","data-file":{"file.filename":"b.raw"}}
{"driver":"qcow2","file.filename":"base.qcow2","data-file":null}
{"driver":"qcow2","file.filename":"base.qcow2","data-file":{}}
{"driver":"qcow2","file.filename":"base.qcow2","data-file":{"filename":"b.raw"}}
"""

IMAGE_OPTS = """
driver=qcow2,file.driver=file,file.filename=a,,b.qcow2
file.filename=top.qcow2
filename=top.qcow2
top.qcow2
top.qcow2,driver=qcow2
,driver=raw,file.filename=a.raw
driver=raw,file.filename=a.raw,
driver=raw,file.filename=a.raw,,
driver=raw,,file.filename=a.raw
driver=raw,file.filename=a.raw,=
driver=raw,file.filename=a.raw,=x
driver=raw,file.filename=a=b.raw
driver=raw,file.filename=
driver=raw,file=a.raw
driver=raw,file=
driver=raw,file.filename=a.raw,file=
driver=raw,file.filename=a.raw,file.driver=
driver=raw,file.filename=a.raw,file.filename=top.qcow2
driver=raw,driver=qcow2,file.filename=top.qcow2
driver=raw, file.filename=a.raw
 driver=raw,file.filename=a.raw
driver=RAW,file.filename=a.raw
driver=
driver
nodriver,file.filename=a.raw
driver=raw,file.filename=a.raw,help
driver=raw,help
help
json:{"driver":"null-co"}
file.filename=json:{"driver":"file"}
file.filename=file:a.raw
file.filename=null-co://
driver=raw,file.driver=null-co,file.size=1M
driver=raw,size=64k,offset=0x10000,file.filename=a.raw
driver=raw,size=64k,size=128k,file.filename=a.raw
driver=raw,size=,file.filename=a.raw
driver=null-co,size=1M,read-zeroes
driver=null-co,size=1M,noread-zeroes
driver=null-co,size=1M,noread-zeroes,read-zeroes=on
driver=null-co,size=1M,read-zeroes=1
driver=null-co,size=1M,read-zeroes=
driver=null-co,size=1M,nono
driver=null-co,size=1M,?
driver=null-co,size=1M,x,,y
driver=null-co,size=1M,id=foo
driver=null-co,size=1M,node-name
driver=null-co,size=010
driver=file,filename=a.raw,filename=b.raw
driver=host_device,filename=a.raw
driver=qcow2,file.filename=a.raw
driver=raw,file.driver=raw,file.file.filename=a.raw
driver=qcow2,file.filename=top.qcow2,backing=
driver=qcow2,file.filename=top.qcow2,backing=null
driver=qcow2,file.filename=top.qcow2,backing
driver=qcow2,file.filename=top.qcow2,nobacking
driver=qcow2,file.filename=top.qcow2,backing=x,backing.driver=raw
driver=qcow2,file.filename=top.qcow2,backing.driver=null-co
driver=qcow2,file.filename=top.qcow2,backing.driver=raw
driver=qcow2,file.filename=top.qcow2,backing.driver=raw,backing.file.filename=a.raw
driver=qcow2,file.filename=top.qcow2,backing.file.filename=a.raw
driver=qcow2,file.filename=base.qcow2,backing.driver=null-co,backing.size=512k
driver=qcow2,file.filename=three.qcow2,backing.backing.driver=raw,backing.backing.file.filename=b.raw
driver=qcow2,file.filename=base.qcow2,lazy-refcounts
driver=qcow2,file.filename=base.qcow2,nosuch
driver=qcow2,file.filename=top.qcow2,cache.direct=on,backing.file.filename=base.qcow2,backing.file.aio=native
driver=qcow2,file.filename=top.qcow2,cache.direct=on,file.aio=native
driver=qcow2,file.filename=top.qcow2,cache.direct=on,file.aio=native,file.cache.direct=off
driver=qcow2,file.filename=top.qcow2,file.cache.direct=on,file.aio=native
driver=qcow2,file.filename=top.qcow2,discard=ignore,file.detect-zeroes=unmap
driver=qcow2,file.filename=top.qcow2,file.discard=ignore,file.detect-zeroes=unmap
driver=qcow2,file.filename=top.qcow2,backing.detect-zeroes=unmap
driver=qcow2,file.filename=top.qcow2,detect-zeroes=unmap
driver=qcow2,file.filename=top.qcow2,discard=unmap,detect-zeroes=unmap
driver=qcow2,file.filename=base.qcow2,cache-size=1M,l2-cache-size=1M
driver=qcow2,file.filename=base.qcow2,cache-size=1M,l2-cache-size=2M
driver=qcow2,file.filename=base.qcow2,cache-size=1M,refcount-cache-size=2M
driver=qcow2,file.filename=base.qcow2,cache-size=1M,refcount-cache-size=1M
driver=qcow2,file.filename=base.qcow2,cache-size=1M,l2-cache-size=512k,refcount-cache-size=512k
driver=qcow2,file.filename=base.qcow2,l2-cache-size=512k,refcount-cache-size=512k
driver=qcow2,file.filename=base.qcow2,overlap-check.template=all,overlap-check.bitmap-directory=off
driver=qcow2,file.filename=base.qcow2,overlap-check.nosuch=on
driver=qcow2,file.filename=base.qcow2,encrypt.key-secret=x
driver=qcow2,file.filename=base.qcow2,encrypt.format=luks
"""

_FILE = {"driver": "file", "filename": "a.raw"}
_NULL = {"driver": "null-co"}
_RAW = {"driver": "raw", "file.filename": "a.raw"}
_QCOW2 = {"driver": "qcow2", "file.filename": "base.qcow2"}
_OLD = {"driver": "qcow2", "file.filename": "old.qcow2"}

_SWITCH = (
    "on",
    "off",
    "yes",
    "no",
    "true",
    "false",
    "y",
    "n",
    "On",
    "",
    "1",
    True,
    False,
    None,
    1,
    0,
    [],
    {},
)
_SIZE = (0, 512, 1000, -1, 65536.0, 0.5e3, True, None, [], {}, 2**64, *(
    "512 64k 64K 1.5M 0.5K .5K 5.K 0x200 0x1B 00512 512b +512 -1 1e3 1kk x".split()
), "", " 512", "512 ")  # fmt: skip
_NUMBER = (0, 5, -1, 1.0, 1.5, True, None, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1, 2**64, *(
    "5 x 0x10 1k 010 08 +8".split()
), "", " 8", "8 ")  # fmt: skip
_WORDS = ("", "nosuch", 1, True, False, None, [], {})

VALUES = (
    (_RAW, "size", _SIZE),
    (_RAW, "offset", [value for value in _SIZE if value not in (1000, 500, "0x1B")]),
    (_NULL, "size", [value for value in _SIZE if value != 2**64]),
    (_NULL, "read-zeroes", _SWITCH),
    (_NULL, "latency-ns", _NUMBER),
    (_FILE, "aio", ("threads", "native", "io_uring", *_WORDS)),
    (_FILE, "aio-max-batch", _NUMBER),
    (_FILE, "locking", ("on", "off", "auto", "yes", *_WORDS)),
    (_FILE, "pr-manager", _WORDS),
    (_FILE, "drop-cache", _SWITCH),
    (_FILE, "x-check-cache-dropped", _SWITCH),
    (_FILE, "node-name", ("a", "a.b-c_d", "1a", "a b", "#x", "é", "a" * 31, "a" * 32, *_WORDS)),
    (_FILE, "discard", ("ignore", "unmap", "on", "off", "yes", *_WORDS)),
    (_FILE, "detect-zeroes", ("on", "off", "unmap", "yes", *_WORDS)),
    (_FILE, "read-only", _SWITCH),
    (_RAW, "auto-read-only", _SWITCH),
    (_QCOW2, "force-share", _SWITCH),
    (_NULL, "cache", ("none", True, None, {}, {"direct": "on"}, {"direct": "x"}, {"no-flush": 1}, {"x": 1})),
    (_QCOW2, "lazy-refcounts", _SWITCH),
    (_OLD, "lazy-refcounts", _SWITCH),
    (_QCOW2, "pass-discard-request", _SWITCH),
    (_QCOW2, "pass-discard-snapshot", _SWITCH),
    (_QCOW2, "pass-discard-other", _SWITCH),
    (_QCOW2, "overlap-check", ("none", "constant", "cached", "all", *_WORDS)),
    (_QCOW2, "overlap-check", ({"template": "x"}, {"main-header": "x"}, {"main-header": True})),
    (_QCOW2, "cache-size", _SIZE),
    (_QCOW2, "l2-cache-size", [value for value in _SIZE if value != 2**64]),
    (_QCOW2, "refcount-cache-size", ("128T", *_SIZE)),
    (_QCOW2, "l2-cache-entry-size", (256, 131072, *_SIZE)),
    (_QCOW2, "cache-clean-interval", _NUMBER),
    (_QCOW2, "encrypt", ("x", None, {}, {"format": "aes"}, {"format": "x"}, {"key-secret": "x"})),
)  # fmt: skip
"""Options, one more of them, and its values; QEMU aborts on what is left out (docs/limits.md)."""


def asked() -> list[tuple[tuple[str, ...], str]]:
    """Return everything to ask: options of the command line, and the image."""
    return [
        *(((), name) for name in PLAIN),
        *((("-f", fmt), name) for fmt in FORMATS for name in FORMATTED),
        *(((), f"json:{line}") for line in JSON.splitlines() if line),
        *((("--image-opts",), line) for line in IMAGE_OPTS.splitlines() if line),
        *(
            ((), "json:" + json.dumps({**options, key: value}))
            for options, key, values in VALUES
            for value in values
        ),
    ]
