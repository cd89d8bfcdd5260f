#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""apfs-seed.py IMAGE >SEED: an input of partclone/fuzz-apfs.c out of an APFS
with blocks of 4096 bytes in its first 256 MiB: block 0, the newest checkpoint's
superblock and maps, the space manager, what it names and its bitmaps."""
import struct
import sys

BLOCK = 4096


class Image:
    def __init__(self, path):
        self.file, self.seen = open(path, "rb"), {}

    def block(self, number):
        self.file.seek(number * BLOCK)
        self.seen[number] = self.file.read(BLOCK)
        return self.seen[number]


def number(block, at, size=8):
    return int.from_bytes(block[at:at + size], "little")


def newest(image, first):
    area, n = number(first, 112), number(first, 104, 4)
    best = max(range(area, area + n),
               key=lambda i: (image.block(i)[32:36] == b"NXSB",
                              number(image.block(i), 16)))
    image.seen = {0: first, best: image.block(best)}
    return area, n, image.seen[best]


def space(image, area, n, top):
    start, length = number(top, 136, 4), number(top, 140, 4)
    for i in range(length - 1):
        block = image.block(area + (start + i) % n)
        for k in range(number(block, 36, 4)):
            entry = block[40 + 40 * k:80 + 40 * k]
            if number(entry, 0, 4) == 0x80000005:
                return image.block(number(entry, 32))
    sys.exit("no space manager")


def main(path):
    image = Image(path)
    sm = space(image, *newest(image, image.block(0)))
    offset, cabs = number(sm, 80, 4), number(sm, 68, 4)
    lists = [number(sm, offset + 8 * i)
             for i in range(cabs or number(sm, 64, 4))]
    if cabs:
        lists = [number(cab, 40 + 8 * i)
                 for cab in map(image.block, lists)
                 for i in range(number(cab, 36, 4))]
    for cib in map(image.block, lists):
        for i in range(number(cib, 36, 4)):
            bitmap = number(cib, 40 + 32 * i + 24)
            if bitmap:
                image.block(bitmap)
    for where, block in sorted(image.seen.items()):
        sys.stdout.buffer.write(struct.pack("<H", where) + block)


main(sys.argv[1])
