#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small edits of NTFS images, for what no tool does.

  ntfs-edit.py flags IMAGE FLAGS           the flags of $Volume
  ntfs-edit.py version IMAGE MAJOR MINOR
  ntfs-edit.py log IMAGE open|closed|torn  a restart page in $LogFile
  ntfs-edit.py bad IMAGE FIRST COUNT       these clusters go onto $BadClus
  ntfs-edit.py mark IMAGE FIRST COUNT 0|1  their bits in $Bitmap
  ntfs-edit.py where IMAGE RECORD          offset and length of a record
  ntfs-edit.py runs IMAGE RECORD           offset and length of each run of its
                                           data
"""
import struct
import sys


def size_of(b, unit):
    return b * unit if b < 128 else 1 << (256 - b)


class Ntfs:
    def __init__(self, path):
        self.f = open(path, "r+b")
        boot = self.f.read(512)
        self.sector = struct.unpack_from("<H", boot, 11)[0]
        per = boot[13] if boot[13] <= 128 else 1 << (256 - boot[13])
        self.cluster = self.sector * per
        total, self.mft, self.mirror = struct.unpack_from("<QQQ", boot, 40)
        self.clusters = total * self.sector // self.cluster
        self.record = size_of(boot[64], self.cluster)
        self.mft_runs = [(0, self.mft, 1 << 40)]
        self.mft_runs = self.runs(self.load(0), "")

    def place(self, number):
        at = number * self.record
        for vcn, lcn, n in self.mft_runs:
            start = vcn * self.cluster
            if start <= at < start + n * self.cluster:
                return lcn * self.cluster + at - start
        sys.exit("record %d is not in the first piece of the MFT" % number)

    def load(self, number):
        self.f.seek(self.place(number))
        b = bytearray(self.f.read(self.record))
        usa, n = struct.unpack_from("<HH", b, 4)
        for i in range(1, n):
            b[i * 512 - 2:i * 512] = b[usa + 2 * i:usa + 2 * i + 2]
        return b

    def store(self, number, b):
        usa, n = struct.unpack_from("<HH", b, 4)
        for i in range(1, n):
            b[usa + 2 * i:usa + 2 * i + 2] = b[i * 512 - 2:i * 512]
            b[i * 512 - 2:i * 512] = b[usa:usa + 2]
        self.f.seek(self.place(number))
        self.f.write(b)
        if number < 4:
            self.f.seek(self.mirror * self.cluster + number * self.record)
            self.f.write(b)

    def attributes(self, b):
        at = struct.unpack_from("<H", b, 20)[0]
        while True:
            kind, n = struct.unpack_from("<II", b, at)
            if kind == 0xffffffff:
                return
            name = b[at + struct.unpack_from("<H", b, at + 10)[0]:]
            yield at, kind, n, name[:2 * b[at + 9]].decode("utf-16-le")
            at += n

    def runs(self, b, name):
        out = []
        for at, kind, n, called in self.attributes(b):
            if kind != 0x80 or called != name or b[at + 8] == 0:
                continue
            p = at + struct.unpack_from("<H", b, at + 32)[0]
            vcn, lcn = struct.unpack_from("<Q", b, at + 16)[0], 0
            while p < at + n and b[p] != 0:
                x, y = b[p] & 15, b[p] >> 4
                count = int.from_bytes(b[p + 1:p + 1 + x], "little")
                p += 1 + x
                if y > 0:
                    lcn += int.from_bytes(b[p:p + y], "little", signed=True)
                    out.append((vcn, lcn, count))
                vcn += count
                p += y
        return out

    def value(self, number, kind):
        b = self.load(number)
        for at, k, _, _ in self.attributes(b):
            if k == kind:
                return b, at + struct.unpack_from("<H", b, at + 20)[0]
        sys.exit("no such attribute")


def code(n, delta=None):
    x = n.to_bytes(4, "little")
    y = b"" if delta is None else delta.to_bytes(4, "little", signed=True)
    return bytes([len(y) << 4 | len(x)]) + x + y


def flags(nt, value):
    b, at = nt.value(3, 0x70)
    struct.pack_into("<H", b, at + 10, int(value, 0))
    nt.store(3, b)


def version(nt, major, minor):
    b, at = nt.value(3, 0x70)
    b[at + 8], b[at + 9] = int(major), int(minor)
    nt.store(3, b)


def log(nt, how):
    page = bytearray(4096)
    page[:4] = b"RSTR"
    struct.pack_into("<HH", page, 4, 30, 9)
    struct.pack_into("<IIHhhH", page, 16, 4096, 4096, 48, 1, 1, 0)
    struct.pack_into("<QHHHH", page, 48, 4711, 1, 0xffff,
                     0xffff if how == "closed" else 0,
                     2 if how == "closed" else 0)
    for i in range(1, 9):
        page[i * 512 - 2:i * 512] = b"\0\0"
    if how == "torn":
        page[1022] = 1
    nt.f.seek(nt.runs(nt.load(2), "")[0][1] * nt.cluster)
    nt.f.write(page)


def mark(nt, first, count, value):
    at = nt.runs(nt.load(6), "")[0][1] * nt.cluster
    for i in range(int(first), int(first) + int(count)):
        nt.f.seek(at + i // 8)
        byte = nt.f.read(1)[0] & ~(1 << i % 8) | int(value) << i % 8
        nt.f.seek(at + i // 8)
        nt.f.write(bytes([byte]))


def bad(nt, first, count):
    first, count = int(first), int(count)
    b = nt.load(8)
    at, n = [(a, n) for a, k, n, name in nt.attributes(b)
             if k == 0x80 and name == "$Bad"][0]
    pairs = (code(first) + code(count, first) +
             code(nt.clusters - first - count) + b"\0")
    start = struct.unpack_from("<H", b, at + 32)[0]
    need = (start + len(pairs) + 7) // 8 * 8
    tail = bytes(b[at + n:])
    end = struct.unpack_from("<I", b, 24)[0] + need - n
    new = bytes(b[:at]) + bytes(b[at:at + start]) + pairs
    new = new.ljust(at + need, b"\0") + tail
    b = bytearray(new[:nt.record].ljust(nt.record, b"\0"))
    struct.pack_into("<I", b, at + 4, need)
    struct.pack_into("<I", b, 24, end)
    nt.store(8, b)
    mark(nt, first, count, 1)


def where(nt, number):
    print(nt.place(int(number)), nt.record)


def runs(nt, number):
    for _, lcn, n in nt.runs(nt.load(int(number)), ""):
        print(lcn * nt.cluster, n * nt.cluster)


if __name__ == "__main__":
    actions = {"flags": flags, "version": version, "log": log, "bad": bad,
               "mark": mark, "where": where, "runs": runs}
    actions[sys.argv[1]](Ntfs(sys.argv[2]), *sys.argv[3:])
