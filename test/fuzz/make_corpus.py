#!/usr/bin/env python3
# make_corpus.py - writes the starting inputs of the fuzz targets from the wire format's page.
#
# Meaning    The examples of the page are kept true by a test, so its lines are good inputs: for wire each
#            line, for parser streams of them, for batch their bodies, for json whatever lies near the edges
#            of JSON.
# Usage      test/fuzz/make_corpus.py     after a change of the format; writes test/fuzz/corpus/
# SPDX-License-Identifier: Apache-2.0
import base64
import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CORPUS = ROOT / "test/fuzz/corpus"

GOOD_AND_BAD_JSON = {
    "empty_object": b"{}",
    "empty_array": b" [ ] ",
    "nested": b'{"a":[1,-2.5e3,true,null,{"b":"x"}],"c":false}',
    "escapes": b'"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u00e9\\ud83d\\ude00"',
    "utf8": '"grün € 😀"'.encode(),
    "overlong": b'"\xc0\xaf"',
    "surrogate_bytes": b'"\xed\xa0\x80"',
    "lone_high": b'"\\ud800"',
    "lone_low": b'"\\udc00"',
    "two_highs": b'"\\ud800\\ud800"',
    "control": b'"a\x01b"',
    "zero_byte": b'{"a":1\x00}',
    "int64_max": b"9223372036854775807",
    "int64_min": b"-9223372036854775808",
    "uint64_max": b"18446744073709551615",
    "too_large": b"123456789012345678901234567890",
    "minus_zero": b"[-0,0,-0.0,0e0]",
    "leading_zero": b"[01]",
    "fraction": b"[1.,.5,1e,1E+2]",
    "trailing": b"{} {}",
    "comma": b"[1,]",
    "twice": b'{"a":1,"a":2,"\\u0061":3}',
    "escaped_key": b'{"\\u0074ype":"ping","\\u0061aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":1}',
    "depth_32": b"[" * 32 + b"]" * 32,
    "depth_33": b"[" * 33 + b"]" * 33,
    "deep_objects": b'{"a":' * 31 + b"[]" + b"}" * 31,
    "spaces": b' \t\r\n{ "a" : 1 ,\n"b" : [ 2 , 3 ] } ',
    "byte_order_mark": b"\xef\xbb\xbf{}",
}


def write(target, name, content):
    path = CORPUS / target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def bodies_of(message):
    """Yields (name, bytes) for each body in a message."""
    if "body" in message:
        yield message["type"], base64.b64decode(message["body"])
    for slot in message.get("slots", []):
        yield f'{message["type"]}_{slot["slot"]}', base64.b64decode(slot["body"])


def main():
    page = (ROOT / "docs/wire-format.md").read_text()
    lines = [line for line in page.split("\n") if line.startswith(('{"to":', '{"type":'))]
    for line in lines:
        message = json.loads(line)
        write("wire", message["type"] + ".json", line.encode())
        as_others_write = json.dumps(message, sort_keys=True, indent=1)
        write("wire", message["type"] + "_sorted.json", as_others_write.encode())
        write("json", "message_" + message["type"] + ".json", line.encode())
        for name, body in bodies_of(message):
            write("batch", name, body)
    for name, content in GOOD_AND_BAD_JSON.items():
        write("json", name + ".json", content)
    write("wire", "long_escaped_key.json", b'{"' + b"a" * 32 + b'\\n\\r\\r":1,"type":"x"}')
    # Two bytes before the stream: the seed of the cuts and the longest line.
    short = b'{"a":1}\r\n\r\n\n{"b":2}\r{"c":3}\n\n\n\rlast\r\nrest'
    write("parser", "ends", b"\x01\x20" + short)
    write("parser", "limit", b"\x02\x07" + short)
    write("parser", "zero_limit", b"\x03\x00" + short)
    write("parser", "messages", b"\x04\xff" + b"\r\n".join(line.encode() for line in lines))
    write("parser", "only_ends", b"\x05\x01" + b"\r\n" * 20)
    write("parser", "one_line", b"\x06\xff" + b"x" * 255 + b"\n")


if __name__ == "__main__":
    main()
