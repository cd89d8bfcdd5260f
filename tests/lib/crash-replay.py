#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a disk may hold after a power cut.

    crash-replay.py LOG count             how many crash points the log has
    crash-replay.py LOG make N SEED DIR   one state of after its first N records

LOG is recordfs's.  The model is that of a filesystem with a journal for its
metadata and none for data:

- what was written to a file is sure when the file was synced afterwards; each
  other write is there, is not there, or is torn (some of its 512-byte sectors
  are there, the rest is what was there before or zeros);
- names (made, renamed, removed) are sure up to the last one in a directory that
  was synced afterwards; of the later ones a random first part is there, for a
  journal keeps their order;
- a length that was set without a sync is there or is not.

With SEED 'none', all that is not sure is lost; with 'all', nothing is.
"""
import os
import random
import sys


def records(log):
    """Yield (kind, fields, payload position, payload length)."""
    with open(log, "rb") as f:
        while True:
            line = f.readline()
            if not line:
                return
            kind, _, rest = line[:-1].decode().partition(" ")
            if kind in "CMH":
                ino, _, path = rest.partition(" ")
                yield kind, (int(ino), path), 0, 0
            elif kind == "W":
                ino, offset, length = map(int, rest.split())
                pos = f.tell()
                f.seek(length, os.SEEK_CUR)
                yield kind, (ino, offset), pos, length
            elif kind in "TP":
                yield kind, tuple(map(int, rest.split())), 0, 0
            elif kind in "SD":
                yield kind, (int(rest),), 0, 0
            elif kind in "RL":
                a, _, b = rest.partition("\t")
                yield kind, (a, b), 0, 0
            elif kind in "UX":
                yield kind, (rest,), 0, 0
            else:
                raise SystemExit(f"a bad record: {line!r}")


def parent(path):
    return path.rsplit("/", 1)[0] or "/"


class Model:
    """The records up to a point, sorted into names and files' data."""

    def __init__(self, log, count):
        self.log = open(log, "rb")
        self.names = []      # (record, directories touched as objects)
        self.data = {}       # object: [(index, kind, ...)]
        self.synced = {}     # object: index of the last sync
        self.sure_names = 0
        objects = {}         # inode: object; numbers are used again
        tree = {}            # path: object, as the program saw it
        fresh = 0
        for index, (kind, f, pos, length) in enumerate(records(log)):
            if index >= count:
                break
            if kind in "CM":
                fresh += 1
                objects[f[0]] = fresh
                self.data[fresh] = []
                tree[f[1]] = fresh
                if f[1] != "/":
                    self.names.append((kind, f[1], fresh,
                                       {tree[parent(f[1])]}))
            elif kind == "H":
                tree[f[1]] = objects[f[0]]
                self.names.append((kind, f[1], objects[f[0]],
                                   {tree[parent(f[1])]}))
            elif kind == "W":
                self.data[objects[f[0]]].append((index, "W", f[1], pos, length))
            elif kind == "T":
                self.data[objects[f[0]]].append((index, "T", f[1]))
            elif kind == "P":
                self.data[objects[f[0]]].append((index, "P", f[1], f[2]))
            elif kind == "S":
                self.synced[objects[f[0]]] = index
            elif kind == "D":
                d = objects[f[0]]
                for i in range(len(self.names), self.sure_names, -1):
                    if d in self.names[i - 1][3]:
                        self.sure_names = i
                        break
            elif kind == "R":
                self.names.append(("R", f[0], f[1], {tree[parent(f[0])],
                                                     tree[parent(f[1])]}))
                for path in [p for p in tree if p == f[0] or
                             p.startswith(f[0] + "/")]:
                    tree[f[1] + path[len(f[0]):]] = tree.pop(path)
            elif kind == "L":
                self.names.append(("L", f[1], f[0], {tree[parent(f[1])]}))
            else:
                self.names.append((kind, f[0], None, {tree[parent(f[0])]}))
                tree.pop(f[0], None)

    def make(self, seed, where):
        self.rng = random.Random(seed)
        self.lossless = seed == "all"
        self.lossy = seed == "none"
        pending = len(self.names) - self.sure_names
        if self.lossless:
            kept = pending
        elif self.lossy:
            kept = 0
        else:
            kept = self.rng.randint(0, pending)
        tree = {"/": ("M", None)}
        for n in self.names[:self.sure_names + kept]:
            self.apply_name(tree, n)
        made = {}
        for path in sorted(tree):
            kind, what = tree[path]
            full = where + path
            if kind == "M":
                os.makedirs(full, exist_ok=True)
            elif kind == "L":
                os.symlink(what, full)
            elif what in made:
                os.link(made[what], full)
            else:
                made[what] = full
                self.make_file(what, full)

    @staticmethod
    def apply_name(tree, n):
        kind, path, what, _ = n
        if kind in "CH":
            tree[path] = ("C", what)
        elif kind == "M":
            tree[path] = ("M", None)
        elif kind == "L":
            tree[path] = ("L", what)
        elif kind == "R":
            for p in [p for p in tree if p == path or
                      p.startswith(path + "/")]:
                tree[what + p[len(path):]] = tree.pop(p)
        else:
            tree.pop(path, None)

    def make_file(self, what, full):
        synced = self.synced.get(what, -1)
        with open(full, "wb", buffering=0) as f:
            for op in self.data[what]:
                fate = "kept" if op[0] < synced else self.fate()
                if fate == "lost":
                    continue
                if op[1] == "T":
                    f.truncate(op[2])
                elif op[1] == "P":
                    self.punch(f, op[2], op[3])
                else:
                    self.write(f, op, fate)

    def fate(self):
        if self.lossless:
            return "kept"
        if self.lossy:
            return "lost"
        return self.rng.choices(("kept", "lost", "torn"), (4, 4, 2))[0]

    @staticmethod
    def punch(f, offset, length):
        size = os.fstat(f.fileno()).st_size
        length = min(length, max(0, size - offset))
        while length > 0:
            n = min(length, 1 << 20)
            os.pwrite(f.fileno(), bytes(n), offset)
            offset += n
            length -= n

    def write(self, f, op, fate):
        _, _, offset, pos, length = op
        self.log.seek(pos)
        data = self.log.read(length)
        if fate == "kept":
            os.pwrite(f.fileno(), data, offset)
            return
        # Sectors of the disk, so aligned by the place in the file.
        at = offset
        while at < offset + length:
            end = min(offset + length, (at // 512 + 1) * 512)
            if self.rng.random() < 0.5:
                os.pwrite(f.fileno(), data[at - offset:end - offset], at)
            at = end


def main():
    log, what = sys.argv[1:3]
    if what == "count":
        print(sum(1 for _ in records(log)))
    elif what == "make":
        count, seed, where = int(sys.argv[3]), sys.argv[4], sys.argv[5]
        Model(log, count).make(seed, where)
    else:
        raise SystemExit(__doc__)


main()
