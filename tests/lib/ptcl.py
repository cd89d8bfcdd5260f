#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""partclone images for the tests, read and made apart from the program.

  ptcl.py flip FILE OFFSET           one bit of a byte; negative: from the end
  ptcl.py put FILE OFFSET HEX        bytes put in place, the header's CRC renewed
  ptcl.py show FILE                  header as JSON, with data_at
  ptcl.py strips FILE                offset, length and stored checksum (hex) of
                                     each strip's data, one a line
  ptcl.py same JSON A B              A and B agree in the used extents of the map
  ptcl.py untouched JSON FILE        outside of them FILE has 0xA5 only
  ptcl.py v1 SOURCE TARGET BS [EXTRA]  an image of format 0001 of SOURCE, blocks of
                                     zeros left out
"""
import json
import struct
import sys
import zlib


def jam(data, crc=0xFFFFFFFF):
    return ~zlib.crc32(data, ~crc & 0xFFFFFFFF) & 0xFFFFFFFF


def header(f):
    h = f.read(110)
    assert h[:16] == b"partclone-image\0" and h[34:36] == b"\xde\xc0", "header"
    out = dict(zip(("device", "blocks", "super", "used"),
                   struct.unpack_from("<QQQQ", h, 52)))
    out["block"], out["options"] = struct.unpack_from("<II", h, 84)
    out["mode"], out["size"], out["strip"] = struct.unpack_from("<HHI", h, 96)
    out["reseed"], out["bitmap"] = h[104], h[105]
    out["filesystem"] = h[36:52].rstrip(b"\0").decode()
    out["crc_ok"] = struct.unpack_from("<I", h, 106)[0] == jam(h[:106])
    out["data_at"] = 110 + (out["blocks"] + 7) // 8 + 4
    return out


def used_bits(f, h):
    f.seek(110)
    bits = f.read((h["blocks"] + 7) // 8)
    return sum(bin(b).count("1") for b in bits)


def flip(path, offset):
    with open(path, "r+b") as f:
        f.seek(offset, 0 if offset >= 0 else 2)
        at = f.tell()
        b = f.read(1)[0]
        f.seek(at)
        f.write(bytes([b ^ 1]))


def put(path, offset, data):
    with open(path, "r+b") as f:
        f.seek(offset)
        f.write(data)
        f.seek(0)
        head = f.read(106)
        f.write(struct.pack("<I", jam(head)))


def strips(path):
    with open(path, "rb") as f:
        h = header(f)
        left, at = used_bits(f, h), h["data_at"]
        while left > 0:
            n = min(left, h["strip"]) * h["block"]
            f.seek(at + n)
            print(at, n, f.read(h["size"]).hex())
            at += n + h["size"]
            left -= h["strip"]


def same(extents, a, b):
    with open(a, "rb") as fa, open(b, "rb") as fb:
        for at, n in extents:
            fa.seek(at)
            fb.seek(at)
            while n > 0:
                k = min(n, 1 << 20)
                if fa.read(k) != fb.read(k):
                    sys.exit(f"{a} and {b} differ near byte {at}")
                n -= k


def untouched(extents, path):
    at = 0
    with open(path, "rb") as f:
        for off, n in extents + [[f.seek(0, 2), 0]]:
            f.seek(at)
            gap = f.read(off - at)
            # Blocks are rounded outwards: the neighbours may be used too.
            inner = gap[4096:-4096]
            if inner.strip(b"\xa5"):
                sys.exit(f"{path}: something was written in {at}..{off}")
            at = off + n


def v1(source, target, bs, extra):
    data = open(source, "rb").read()
    blocks = [data[i:i + bs] for i in range(0, len(data), bs)]
    used = [b.strip(b"\0") != b"" for b in blocks]
    head = b"partclone-image" + b"EXTFS".ljust(15, b"\0") + b"0001\0\0"
    head += struct.pack("<IQQQ", bs, len(data), len(blocks), sum(used))
    crc = 0xFFFFFFFF
    with open(target, "wb") as f:
        f.write(head.ljust(4160, b"\0") + bytes(used) + b"BiTmAgIc")
        for b, u in zip(blocks, used):
            if u:
                crc = jam(b[:1] * bs, crc)
                f.write(b + struct.pack("<I", crc) + b"junk"[:extra])


def main():
    what, a = sys.argv[1], sys.argv[2:]
    if what == "flip":
        flip(a[0], int(a[1]))
    elif what == "put":
        put(a[0], int(a[1]), bytes.fromhex(a[2]))
    elif what == "show":
        with open(a[0], "rb") as f:
            print(json.dumps(header(f)))
    elif what == "strips":
        strips(a[0])
    elif what == "same":
        same(json.load(open(a[0]))["extents"], a[1], a[2])
    elif what == "untouched":
        untouched(json.load(open(a[0]))["extents"], a[1])
    elif what == "v1":
        v1(a[0], a[1], int(a[2]), int(a[3]) if len(a) > 3 else 0)
    else:
        sys.exit(__doc__)


main()
