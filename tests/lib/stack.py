#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of device-mapper and md, put together from disk images by the tables
that the kernel had, apart from the programs themselves.

  stack.py carve TABLES DEVICE TARGET DISK...   the bytes of the device
  stack.py same DUMPE2FS SOURCE COPY SHARE      all blocks in use are the same,
                                                and of the free ones at most
                                                SHARE are not 0xA5 in the copy

The images are vdb, vdc, ... in their order.  TABLES holds the lines
  dev MAJOR:MINOR NAME START      a block device, its start in sectors
  dm NAME MAJOR MINOR
  table NAME: START LENGTH TARGET ARGUMENTS
  md NAME MAJOR:MINOR OFFSET SIZE a member, its data's start; the array's size
"""
import re
import sys

sys.path.insert(0, sys.path[0])
import usedmap  # noqa: E402

SECTOR = 512


class Stack:
    def __init__(self, tables, disks):
        self.files = [open(d, "rb") for d in disks]
        self.devices, self.numbers, self.tables, self.md = {}, {}, {}, {}
        for line in open(tables):
            w = line.split()
            if w[0] == "dev":
                self.devices[w[1]] = (w[2], int(w[3]))
            elif w[0] == "dm":
                self.numbers["%s:%s" % (w[2], w[3])] = w[1]
            elif w[0] == "table":
                self.tables.setdefault(w[1].rstrip(":"), []).append(
                    (int(w[2]), int(w[3]), w[4], w[5:]))
            elif w[0] == "md":
                self.md.setdefault(w[1], []).append(
                    (w[2], int(w[3]), int(w[4])))

    def disk(self, number, at, n):
        """n sectors at a place of the device with this number."""
        if number in self.numbers:
            return self.read(self.numbers[number], at, n)
        name, start = self.devices[number]
        if name in self.md:
            return self.read(name, at, n)
        f = self.files[ord(re.match(r"vd([b-z])\d*$", name).group(1)) -
                       ord("b")]
        f.seek((start + at) * SECTOR)
        data = f.read(n * SECTOR)
        if len(data) != n * SECTOR:
            sys.exit("%s ends early" % name)
        return data

    def size(self, name):
        if name in self.md:
            return self.md[name][0][2]
        return max(a + n for a, n, _, _ in self.tables[name])

    def target(self, kind, args, at, n):
        """n sectors at a place of one line of a table."""
        if kind == "linear":
            return self.disk(args[0], int(args[1]) + at, n)
        if kind == "snapshot-origin":
            return self.disk(args[0], at, n)
        if kind == "striped":
            k, chunk = int(args[0]), int(args[1])
            out = b""
            while n > 0:
                part = min(n, chunk - at % chunk)
                stripe = at // chunk
                leg = stripe % k
                place = int(args[3 + 2 * leg]) + \
                    stripe // k * chunk + at % chunk
                out += self.disk(args[2 + 2 * leg], place, part)
                at, n = at + part, n - part
            return out
        if kind == "mirror":
            rest = args[2 + int(args[1]):]
            legs = int(rest[0])
            return self.legs([(rest[1 + 2 * i], int(rest[2 + 2 * i]))
                              for i in range(legs)], at, n)
        if kind == "raid" and args[0] == "raid1":
            rest = args[2 + int(args[1]):]
            legs = int(rest[0])
            return self.legs([(rest[2 + 2 * i], 0) for i in range(legs)],
                             at, n)
        if kind == "raid" and args[0] in ("raid0", "raid0_meta"):
            chunk = args[2]
            rest = args[2 + int(args[1]):]
            legs = []
            for i in range(int(rest[0])):
                legs += [rest[2 + 2 * i], "0"]
            return self.target("striped", [rest[0], chunk] + legs, at, n)
        sys.exit("no idea of the target " + kind)

    def legs(self, legs, at, n):
        """All legs hold the same."""
        data = [self.disk(d, off + at, n) for d, off in legs]
        if any(d != data[0] for d in data):
            sys.exit("legs differ at sector %d" % at)
        return data[0]

    def read(self, name, at, n):
        if name in self.md:
            return self.legs([(d, off) for d, off, _ in self.md[name]], at, n)
        out = b""
        for start, length, kind, args in sorted(self.tables[name]):
            if start + length <= at or start >= at + n:
                continue
            a, b = max(at, start), min(at + n, start + length)
            out += self.target(kind, args, a - start, b - a)
        return out


def carve(argv):
    s = Stack(argv[0], argv[3:])
    size = s.size(argv[1])
    with open(argv[2], "wb") as f:
        for at in range(0, size, 2048):
            f.write(s.read(argv[1], at, min(2048, size - at)))


def same(argv):
    used, end = usedmap.dumpe2fs(argv[0])
    share = float(argv[3])
    with open(argv[1], "rb") as a, open(argv[2], "rb") as b:
        for start, stop in used:
            for at in range(start, stop, 1 << 20):
                n = min(1 << 20, stop - at)
                a.seek(at)
                b.seek(at)
                if a.read(n) != b.read(n):
                    sys.exit("used bytes near %d differ" % at)
        over = 0
        for start, stop in usedmap.subtract([[0, end]], used):
            for at in range(start, stop, 4096):
                n = min(4096, stop - at)
                b.seek(at)
                over += n if b.read(n) != b"\xa5" * n else 0
    print("used %d, over %d" % (usedmap.total(used), over))
    if over > usedmap.total(used) * share + 8192:
        sys.exit("too much is copied")


if __name__ == "__main__":
    {"carve": carve, "same": same}[sys.argv[1]](sys.argv[2:])
