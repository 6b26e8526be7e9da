# forge_log.py - another content in a stopped node's log, so that every checksum and hash of it is right.
#
# Meaning    Works on the first segment, as docs/log-format.md lays it out: replaces bytes of a message by as
#            many others, and follows the change through body hash, chain and checksums to the log's end and
#            into the mark.
# SPDX-License-Identifier: Apache-2.0
import ctypes
import ctypes.util
import os
import struct

BLOCK, HEADER, ENTRY = 4096, 192, 72
MAGIC = 0x31525850


def make_crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = make_crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


class Hash(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


xxhash = ctypes.CDLL(ctypes.util.find_library("xxhash"))
xxhash.XXH3_128bits.restype = Hash
xxhash.XXH3_128bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]


def hash_of(data):
    value = xxhash.XXH3_128bits(bytes(data), len(data))
    return struct.pack("<QQ", value.high, value.low)


def find_records(log):
    """Offsets of the records, in their order."""
    at = 0
    while at + HEADER <= len(log):
        if struct.unpack_from("<I", log, at)[0] == MAGIC:
            yield at
            size = struct.unpack_from("<Q", log, at + 160)[0]
            at += HEADER + (size + 7) // 8 * 8
        elif at % BLOCK:
            at += BLOCK - at % BLOCK
        else:
            return


def forge_payload(payload, count, old, new, chains):
    """Entries with `old` replaced, and the chain hashes that follow; returns whether it was there."""
    at, found = 0, False
    for _ in range(count):
        slot, kind, messages, index, stamp = struct.unpack_from("<QIIQQ", payload, at)
        size = struct.unpack_from("<Q", payload, at + 64)[0]
        body = bytes(payload[at + ENTRY:at + ENTRY + size])
        if old in body:
            found = True
            payload[at + ENTRY:at + ENTRY + size] = body.replace(old, new, 1)
            payload[at + 32:at + 48] = hash_of(payload[at + ENTRY:at + ENTRY + size])
        chains[slot] = hash_of(chains[slot - 1] + struct.pack("<QIIQQ", slot, kind, messages, index, stamp)
                               + payload[at + 32:at + 48])
        payload[at + 48:at + 64] = chains[slot]
        at += ENTRY + size
    return found


def forge_mark(path, chains):
    """Both lines of the mark state the chain hash at the log's length as it is now."""
    with open(path, "r+b") as file:
        mark = bytearray(file.read())
        for at in (0, 512):
            mark[at + 88:at + 104] = chains[struct.unpack_from("<Q", mark, at + 72)[0]]
            struct.pack_into("<Q", mark, at + 120, crc32c(mark[at:at + 120]))
        file.seek(0)
        file.write(mark)


def forge(folder, old, new):
    """Replaces the message `old` by `new`, as long as it, in the log of a stopped node."""
    assert len(old) == len(new)
    path = os.path.join(folder, "0000000000000001.log")
    with open(path, "rb") as file:
        log = bytearray(file.read())
    chains, before, found = {0: bytes(16)}, 0, False
    for at in find_records(log):
        after, count, size = (struct.unpack_from(form, log, at + offset)[0]
                              for form, offset in (("<Q", 128), ("<I", 152), ("<Q", 160)))
        payload = log[at + HEADER:at + HEADER + size]
        found |= forge_payload(payload, count, old, new, chains)
        log[at + HEADER:at + HEADER + size] = payload
        log[at + 136:at + 152] = chains[after]
        log[at + 168:at + 184] = chains[after + count]
        struct.pack_into("<I", log, at + 156, crc32c(payload))
        struct.pack_into("<I", log, at + 184, before)
        before = crc32c(log[at:at + HEADER - 4])
        struct.pack_into("<I", log, at + 188, before)
    assert found, f"{old} is not in the log"
    forge_mark(os.path.join(folder, "mark"), chains)
    with open(path, "r+b") as file:
        file.write(log)
