#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The map of an XFS against xfs_db and partclone.

  xfsmap.py compare JSON FREESP [DOMAIN]
      FREESP  output of xfs_db: print of the superblock, freesp -d, and flcount
              of every AGF.  No used block is missing from the map, and just
              the blocks on the free lists are over.
      DOMAIN  a domain log of partclone -D: none is missing, and no more than
              those are over
  xfsmap.py protofile DIR                for mkfs.xfs -p: all files of DIR
  xfsmap.py churn DIR FILES              small files in DIR, every second one
                                         removed
  xfsmap.py move JSON SOURCE TARGET      what is used, between sparse files
"""
import os
import re
import sys

import usedmap


def freesp(path):
    """Used ranges in bytes, the filesystem's end, bytes on free lists."""
    text = open(path).read()

    def number(name):
        return int(re.search(r"^%s = (\d+)" % name, text, re.M).group(1))

    block, group = number("blocksize"), number("agblocks")
    end = number("dblocks") * block
    lists = [int(n) for n in re.findall(r"^flcount = (\d+)", text, re.M)]
    if len(lists) != number("agcount"):
        sys.exit(path + ": not every AGF is there")
    free = []
    for line in re.findall(r"^ *(\d+ +\d+ +\d+)$", text, re.M):
        ag, start, count = map(int, line.split())
        at = (ag * group + start) * block
        free.append([at, at + count * block])
    return (usedmap.subtract([[0, end]], usedmap.merge(free)), end,
            sum(lists) * block)


def check(what, ours, used, end, least, most):
    missing = usedmap.subtract(used, ours)
    if missing:
        sys.exit("%s: %d used bytes are missing, first at %d"
                 % (what, usedmap.total(missing), missing[0][0]))
    inside = usedmap.subtract(ours, [[end, 1 << 70]])
    over = usedmap.total(usedmap.subtract(inside, used))
    if not least <= over <= most:
        sys.exit("%s: %d bytes over, not %d to %d" % (what, over, least, most))
    print("%s: used %d, over %d" % (what, usedmap.total(used), over))


def compare(argv):
    m = usedmap.load(argv[0])
    ours = [[a, a + n] for a, n in m["extents"]]
    if usedmap.merge(ours) != ours:
        sys.exit("extents are not sorted and disjoint")
    if usedmap.total(ours) != m["used_bytes"]:
        sys.exit("used_bytes is not the sum of the extents")
    if ours[-1][1] > m["disk_bytes"]:
        sys.exit("extents reach behind the disk's end")
    used, end, lists = freesp(argv[1])
    check("xfs_db", ours, used, end, lists, lists)
    if len(argv) > 2:
        used, last = usedmap.domain(argv[2])
        if last != end:
            sys.exit("partclone ends at %d, not %d" % (last, end))
        check("partclone", ours, used, end, 0, lists)


def protofile(argv):
    print("/none\n0 0\nd--755 0 0")
    for name in sorted(os.listdir(argv[0])):
        print("%s ---644 0 0 %s" % (name, os.path.join(argv[0], name)))
    print("$")


def churn(argv):
    where, count = argv[0], int(argv[1])
    os.makedirs(where, exist_ok=True)
    for i in range(count):
        with open("%s/%d" % (where, i), "wb") as f:
            f.write(b"%d" % i)
    fd = os.open(where, os.O_RDONLY)
    os.fsync(fd)
    os.sync()
    for i in range(0, count, 2):
        os.unlink("%s/%d" % (where, i))


def move(argv):
    m = usedmap.load(argv[0])
    with open(argv[1], "rb") as source, open(argv[2], "r+b") as target:
        for a, n in m["extents"]:
            source.seek(a)
            target.seek(a)
            while n > 0:
                piece = source.read(min(n, 1 << 20))
                if not piece:
                    sys.exit("short source")
                target.write(piece)
                n -= len(piece)


if __name__ == "__main__":
    actions = {"compare": compare, "protofile": protofile, "churn": churn,
               "move": move}
    actions[sys.argv[1]](sys.argv[2:])
