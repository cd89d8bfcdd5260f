#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
#
# age-tree.py SEED DIR BYTES [OPERATIONS [FEATURE...]]: makes DIR, on a mounted
# filesystem, look used: files are created, grown, cut, punched, renamed and
# removed, thousands of times, from a seeded generator, with never more than
# BYTES alive.  FEATURES: links (hard and symbolic), holes, reflinks, xattrs;
# short (no long names).
# What the filesystem refuses (ENOSPC apart) is an error.
import errno
import fcntl
import os
import random
import sys

FICLONE = 0x40049409


class Tree:
    def __init__(self, seed, top, budget, features):
        self.rnd = random.Random(seed)
        self.top, self.budget, self.features = top, budget, features
        self.files, self.dirs, self.used, self.count = {}, [top], 0, 0

    def name(self):
        self.count += 1
        kind = self.rnd.random()
        tail = "x" * self.rnd.randrange(150) if kind < 0.05 else ""
        tail = "" if "short" in self.features else tail
        return "%s/n%d%s" % (self.rnd.choice(self.dirs), self.count, tail)

    def any(self):
        return self.rnd.choice(sorted(self.files)) if self.files else None

    def size(self):
        want = int(self.rnd.lognormvariate(9.0, 2.3)) + 1
        return min(want, self.budget // 4 + 1)

    def create(self):
        size, name = self.size(), self.name()
        with open(name, "wb") as f:
            self.files[name] = 0
            f.write(self.rnd.randbytes(size))
        self.files[name] = size
        self.used += size

    def append(self):
        name = self.any()
        if name and not os.path.islink(name):
            size = self.size()
            with open(name, "ab") as f:
                f.write(self.rnd.randbytes(size))
            self.files[name] += size
            self.used += size

    def cut(self):
        name = self.any()
        if name:
            keep = self.rnd.randrange(self.files[name] + 1)
            os.truncate(name, keep)
            self.used -= self.files[name] - keep
            self.files[name] = keep

    def remove(self):
        name = self.any()
        if name:
            os.unlink(name)
            self.used -= self.files.pop(name)

    def rename(self):
        name = self.any()
        if name:
            new = self.name()
            os.rename(name, new)
            self.files[new] = self.files.pop(name)

    def mkdir(self):
        if len(self.dirs) < 60:
            name = self.name()
            os.mkdir(name)
            self.dirs.append(name)

    def link(self):
        name = self.any()
        if name and "links" in self.features:
            if self.rnd.random() < 0.5:
                os.symlink("y" * self.rnd.randrange(1, 300), self.name())
            else:
                os.link(name, self.name())

    def hole(self):
        if "holes" in self.features:
            name = self.name()
            with open(name, "wb") as f:
                self.files[name] = 0
                for _ in range(self.rnd.randrange(1, 12)):
                    f.seek(self.rnd.randrange(1 << 20, 4 << 20), os.SEEK_CUR)
                    f.write(self.rnd.randbytes(4096))
                    self.files[name] += 4096
                    self.used += 4096

    def reflink(self):
        name = self.any()
        if name and "reflinks" in self.features:
            new = self.name()
            with open(name, "rb") as a, open(new, "wb") as b:
                fcntl.ioctl(b.fileno(), FICLONE, a.fileno())
            self.files[new] = self.files[name]
            self.used += self.files[name]

    def xattr(self):
        name = self.any()
        if name and "xattrs" in self.features:
            size = self.rnd.randrange(1, 1500)
            os.setxattr(name, "user.a", self.rnd.randbytes(size))

    def step(self):
        table = ((self.create, 30), (self.append, 12), (self.cut, 8),
                 (self.remove, 22), (self.rename, 6), (self.mkdir, 2),
                 (self.link, 4), (self.hole, 3), (self.reflink, 8),
                 (self.xattr, 5))
        if self.used > self.budget:
            return self.remove()
        return self.rnd.choices([f for f, _ in table],
                                [w for _, w in table])[0]()


def main(argv):
    seed, top, budget = int(argv[0]), argv[1], int(argv[2])
    steps = int(argv[3]) if len(argv) > 3 else 2000
    os.makedirs(top, exist_ok=True)
    tree = Tree(seed, top, budget, set(argv[4:]))
    for _ in range(steps):
        try:
            tree.step()
        except OSError as e:
            # On a full volume ntfs-3g calls a new name one that exists.
            full = (errno.ENOSPC, errno.EMLINK, errno.EEXIST)
            if e.errno not in full:
                raise
            tree.remove()


main(sys.argv[1:])
