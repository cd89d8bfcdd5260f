#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
#
# unpack-initramfs.py IMAGE DIR: unpack all segments of an initramfs one after
# the other, by cpio and the compressors themselves, each segment's length by
# its own end.  Only what our tests make: plain, gzip, xz and zstd.
import subprocess, sys, zlib, lzma

data = open(sys.argv[1], "rb").read()
top = sys.argv[2]

def cpio(archive):
    subprocess.run(["cpio", "-idmu", "--quiet", "--no-absolute-filenames"],
                   cwd=top, input=archive, check=True)

def plain_end(at):
    while True:
        if data[at:at + 6] != b"070701":
            raise SystemExit(f"no cpio header at {at}")
        size = int(data[at + 54:at + 62], 16)
        name = int(data[at + 94:at + 102], 16)
        what = data[at + 110:at + 110 + name - 1]
        at = (at + 110 + name + 3) & ~3
        at = (at + size + 3) & ~3
        if what == b"TRAILER!!!":
            return at

at = segments = 0
while at < len(data):
    if data[at] == 0:
        at += 1
        continue
    segments += 1
    if data[at:at + 6] == b"070701":
        end = plain_end(at)
        cpio(data[at:end])
        at = end
    elif data[at:at + 2] == b"\x1f\x8b":
        d = zlib.decompressobj(31)
        cpio(d.decompress(data[at:]))
        at = len(data) - len(d.unused_data)
    elif data[at:at + 6] == b"\xfd7zXZ\0":
        d = lzma.LZMADecompressor()
        cpio(d.decompress(data[at:]))
        at = len(data) - len(d.unused_data)
    elif data[at:at + 4] == b"\x28\xb5\x2f\xfd":
        # The frame's end: its blocks' headers say how long they are.
        end = at + 5
        flags = data[at + 4]
        single = flags >> 5 & 1
        end += (0 if single else 1) + (0, 1, 2, 4)[flags & 3]
        end += {0: 1 if single else 0, 1: 2, 2: 4, 3: 8}[flags >> 6]
        while True:
            h = int.from_bytes(data[end:end + 3], "little")
            end += 3 + (1 if h >> 1 & 3 == 1 else h >> 3)
            if h & 1:
                break
        end += 4 if flags & 4 else 0
        out = subprocess.run(["zstd", "-dcq"], input=data[at:end],
                             stdout=subprocess.PIPE, check=True).stdout
        cpio(out)
        at = end
    else:
        raise SystemExit(f"unknown segment at {at}: {data[at:at + 8]!r}")
if segments == 0:
    raise SystemExit("an empty initramfs")
print(segments, "segments")
