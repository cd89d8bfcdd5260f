#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives a new, empty Btrfs (one device, CRC-32C, default features) a block
group tree, which mkfs.btrfs of Debian 12 can't make but kernels from 6.1 on
mount.

  btrfs-group-tree.py IMAGE

The UUID tree, which the kernel makes anew, yields its block: it becomes the
leaf of the block group tree, and the block groups move there from the extent
tree.  Nothing else is allocated or freed, so counts and free space stay right.
"""
import struct
import sys

TABLE = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ (0x82f63b78 if n & 1 else 0)
    TABLE.append(n)


def crc32c(data):
    crc = 0xffffffff
    for b in data:
        crc = TABLE[(crc ^ b) & 255] ^ crc >> 8
    return crc ^ 0xffffffff


def seal(block):
    struct.pack_into("<I", block, 0, crc32c(block[32:]))


class Disk:
    def __init__(self, f):
        self.f, self.chunks = f, []
        self.super = bytearray(self.read(65536, 4096))
        self.node, = struct.unpack_from("<I", self.super, 0x94)
        size, = struct.unpack_from("<I", self.super, 0xa0)
        at = 0x32b
        while at < 0x32b + size:
            start, = struct.unpack_from("<Q", self.super, at + 9)
            at += 17 + self.add_chunk(start, self.super[at + 17:])
        root, = struct.unpack_from("<Q", self.super, 0x58)
        for (_, kind, start), data in self.leaf(root)[1]:
            if kind == 228:
                self.add_chunk(start, data)

    def read(self, at, n):
        self.f.seek(at)
        return self.f.read(n)

    def add_chunk(self, start, item):
        length, = struct.unpack_from("<Q", item)
        n, = struct.unpack_from("<H", item, 44)
        places = [struct.unpack_from("<Q", item, 56 + 32 * i)[0]
                  for i in range(n)]
        self.chunks.append((start, length, places))
        return 48 + 32 * n

    def places(self, logical):
        for start, length, places in self.chunks:
            if start <= logical < start + length:
                return [p + logical - start for p in places]
        sys.exit("no chunk")

    def leaf(self, logical):
        """The block's head and its items."""
        b = self.read(self.places(logical)[0], self.node)
        if b[100] != 0:
            sys.exit("not empty")
        items = []
        for i in range(struct.unpack_from("<I", b, 96)[0]):
            o, k, x, at, n = struct.unpack_from("<QBQII", b, 101 + 25 * i)
            items.append(((o, k, x), b[101 + at:101 + at + n]))
        return bytearray(b[:101]), items

    def write(self, head, items):
        b, end = bytearray(self.node), self.node - 101
        b[:101] = head
        struct.pack_into("<I", b, 96, len(items))
        for i, (key, data) in enumerate(sorted(items)):
            end -= len(data)
            struct.pack_into("<QBQII", b, 101 + 25 * i, *key, end, len(data))
            b[101 + end:101 + end + len(data)] = data
        seal(b)
        for at in self.places(struct.unpack_from("<Q", b, 48)[0]):
            self.f.seek(at)
            self.f.write(b)


def main(path):
    with open(path, "r+b") as f:
        d = Disk(f)
        root_head, roots = d.leaf(struct.unpack_from("<Q", d.super, 0x50)[0])
        where = {k[0]: struct.unpack_from("<Q", data, 176)[0]
                 for k, data in roots if k[1] == 132}
        roots = [(((11,) + k[1:]) if k[:2] == (9, 132) else k, data)
                 for k, data in roots]
        head, extents = d.leaf(where[2])
        group_head, _ = d.leaf(where[9])
        struct.pack_into("<Q", group_head, 88, 11)
        groups = [(k, data) for k, data in extents if k[1] == 192]
        rest = []
        for k, data in extents:
            if k[1] == 192:
                continue
            if k[0] == where[9]:
                # The one reference: a tree block's, by its tree's number.
                data = data[:25] + struct.pack("<Q", 11)
            rest.append((k, data))
        d.write(group_head, groups)
        d.write(head, rest)
        d.write(root_head, roots)
        ro, = struct.unpack_from("<Q", d.super, 0xb4)
        struct.pack_into("<Q", d.super, 0xb4, ro | 8)
        for at in (65536, 64 << 20):
            if not d.read(at + 64, 8):
                continue
            b = bytearray(d.read(at, 4096))
            struct.pack_into("<Q", b, 0xb4, ro | 8)
            seal(b)
            f.seek(at)
            f.write(b)


main(sys.argv[1])
