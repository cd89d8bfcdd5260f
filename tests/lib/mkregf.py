#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registry hives of the tests.

mkregf.py empty FILE            an empty hive of 8 KiB, for hivexregedit --merge
mkregf.py dirty-old OLD NEW FILE LOG
mkregf.py dirty-new OLD NEW FILE LOG1 LOG2
    FILE becomes OLD, not written whole, LOG* what is missing to NEW (its size
    is OLD's or more): in one log of the old format, or in two of the new one.

Format: "Windows registry file format specification", github.com/msuhanov/regf.
"""
import struct
import sys

ROOT_SD = bytes.fromhex(
    # self-relative, owner and group Administrators; a DACL: SYSTEM and
    # Administrators all, Users read; inherited by what is below
    "01000480" "60000000" "70000000" "00000000" "14000000"
    "02004c00" "03000000"
    "00021400" "3f000f00" "010100000000000512000000"
    "00021800" "3f000f00" "01020000000000052000000020020000"
    "00021800" "19000200" "01020000000000052000000021020000"
    "01020000000000052000000020020000"
    "01020000000000052000000020020000")


def checksum(block):
    c = 0
    for (v,) in struct.iter_unpack("<I", block[:508]):
        c ^= v
    return {0: 1, 0xFFFFFFFF: 0xFFFFFFFE}.get(c, c)


def sign(block):
    block[508:512] = struct.pack("<I", checksum(block))


def empty():
    base = bytearray(4096)
    base[0:4] = b"regf"
    struct.pack_into("<IIQIIIIIII", base, 4, 1, 1, 132000000000000000, 1, 5, 0,
                     1, 32, 4096, 1)
    sign(base)
    bins = bytearray(4096)
    struct.pack_into("<4sIIQQI", bins, 0, b"hbin", 0, 4096, 0,
                     132000000000000000, 0)
    name = b"ROOT"
    nk = struct.pack("<2sHQIIIIIIIIIIIIIIIHH", b"nk", 0x2C,
                     132000000000000000, 0, 0x600, 0, 0, 0xFFFFFFFF,
                     0xFFFFFFFF, 0, 0xFFFFFFFF, 0x80, 0xFFFFFFFF, 0, 0, 0, 0,
                     0, len(name), 0) + name
    nk_cell = -(-(4 + len(nk)) // 8) * 8
    assert 32 + nk_cell <= 0x80
    struct.pack_into("<i", bins, 32, -(0x80 - 32))
    bins[36:36 + len(nk)] = nk
    sk = struct.pack("<2sHIIII", b"sk", 0, 0x80, 0x80, 1,
                     len(ROOT_SD)) + ROOT_SD
    sk_cell = -(-(4 + len(sk)) // 8) * 8
    struct.pack_into("<i", bins, 0x80, -sk_cell)
    bins[0x84:0x84 + len(sk)] = sk
    free = 0x80 + sk_cell
    struct.pack_into("<i", bins, free, 4096 - free)
    return bytes(base + bins)


def rol(v, n):
    return ((v << n) | (v >> (32 - n))) & 0xFFFFFFFF


def marvin32(data):
    lo, hi = 0x7A4E55C5, 0x82EF4D88
    data = data + b"\x80"
    data += bytes(-len(data) % 4) + bytes(4)
    for (v,) in struct.iter_unpack("<I", data):
        lo = (lo + v) & 0xFFFFFFFF
        hi ^= lo
        lo = (rol(lo, 20) + hi) & 0xFFFFFFFF
        hi = rol(hi, 9) ^ lo
        lo = (rol(lo, 27) + hi) & 0xFFFFFFFF
        hi = rol(hi, 19)
    return hi << 32 | lo


def dirty(old):
    """The base block says that a write had begun; pages differ at random."""
    block = bytearray(old)
    one, two = struct.unpack_from("<II", block, 4)
    struct.pack_into("<II", block, 4, two + 1, two)
    sign(block)
    return block, two + 1


def pages(old, new, size):
    return [i for i in range(0, len(new) - 4096, size)
            if old[4096 + i:4096 + i + size] != new[4096 + i:4096 + i + size]]


def log_base(new, kind, sequence, time):
    base = bytearray(new[:512])
    struct.pack_into("<IIQ", base, 4, sequence, sequence, time)
    struct.pack_into("<I", base, 28, kind)
    sign(base)
    return bytes(base)


def dirty_old(old, new):
    block, sequence = dirty(old)
    time = struct.unpack_from("<Q", block, 12)[0]
    bits = bytearray((len(new) - 4096) // 512 // 8)
    body = b""
    for i in pages(old, new, 512):
        bits[i // 512 // 8] |= 1 << (i // 512 % 8)
        body += new[4096 + i:4096 + i + 512]
    vector = b"DIRT" + bytes(bits)
    vector += bytes(-len(vector) % 512)
    return block, log_base(new, 1, sequence, time) + vector + body


def entry(new, some, sequence):
    body = b"".join(struct.pack("<II", i, 4096) for i in some)
    body += b"".join(new[4096 + i:4096 + i + 4096] for i in some)
    size = -(-(40 + len(body)) // 512) * 512
    body += bytes(size - 40 - len(body))
    head = struct.pack("<4sIIIIIQ", b"HvLE", size, 0, sequence,
                       len(new) - 4096, len(some), marvin32(body))
    return head + struct.pack("<Q", marvin32(head)) + body


def dirty_new(old, new):
    """The second log has the earlier entries, and the first one stale ones
    behind its own."""
    block, s = dirty(old)
    time = struct.unpack_from("<Q", block, 12)[0]
    p = pages(old, new, 4096)
    cut = (len(p) + 1) // 2
    two = log_base(new, 6, s, time) + entry(new, p[:cut], s)
    one = (log_base(new, 6, s + 1, time) + entry(new, p[cut:], s + 1) +
           entry(old, p[:1], s - 1))
    return block, one, two


def main():
    what, *names = sys.argv[1:]
    read = [open(n, "rb").read() for n in names[:2]] if what != "empty" else []
    out = {"empty": lambda: [empty()],
           "dirty-old": lambda: dirty_old(*read),
           "dirty-new": lambda: dirty_new(*read)}[what]()
    for name, data in zip(names[len(read):], out):
        with open(name, "wb") as f:
            f.write(data)


if __name__ == "__main__":
    main()
