#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The used bytes of a Btrfs by what `btrfs inspect-internal dump-tree` prints,
mapped a stripe at a time, against our map.

  btrfs-map.py check SUPER CHUNKS EXTENTS DEVID=JSON...
      SUPER    output of dump-super of one device
      CHUNKS   output of dump-tree -t chunk
      EXTENTS  output of dump-tree -t extent
      JSON     our map of that device; it must be the same, byte for byte
  btrfs-map.py partclone SUPER CHUNKS EXTENTS DOMAIN JSON
      what a domain log of partclone -D has as used is in our map, but for
      blocks that dump-tree knows to be free; and how much ours is over
"""
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from usedmap import domain, merge, subtract, total  # noqa: E402

STRIPE = 65536


def read_chunks(path):
    chunks, sizes, now = [], {}, None
    for line in open(path):
        if " CHUNK_ITEM " in line and "key (" in line:
            start = int(re.search(r"CHUNK_ITEM (\d+)\)", line).group(1))
            now = {"start": start, "stripes": []}
            chunks.append(now)
        m = re.search(r"length (\d+) owner \d+ stripe_len (\d+) type (\S+)",
                      line)
        if m:
            if int(m.group(2)) != STRIPE:
                sys.exit("stripes of another length")
            now["length"], now["type"] = int(m.group(1)), m.group(3)
        m = re.search(r"stripe \d+ devid (\d+) offset (\d+)", line)
        if m:
            now["stripes"].append((int(m.group(1)), int(m.group(2))))
        m = re.search(r"\bdevid (\d+) total_bytes (\d+)", line)
        if m:
            sizes[int(m.group(1))] = int(m.group(2))
    if not chunks or not sizes:
        sys.exit(path + ": no chunks")
    return chunks, sizes


def read_extents(path, node):
    out = []
    for line in open(path):
        # Not "tree block key", which extents of the old form have.
        m = re.match(r"\titem \d+ key \((\d+) (EXTENT|METADATA)_ITEM "
                     r"(\d+)\)", line)
        if m:
            length = int(m.group(3)) if m.group(2) == "EXTENT" else node
            out.append((int(m.group(1)), length))
    if not out:
        sys.exit(path + ": no extents")
    return sorted(out)


def profile(chunk):
    for p in ("RAID10", "RAID1C3", "RAID1C4", "RAID0", "RAID1", "RAID5",
              "RAID6", "DUP"):
        if p in chunk["type"].split("|"):
            return p
    return "single"


def pieces(chunk, at, length):
    """(devid, offset, length) of each piece of each copy, and parities."""
    p, stripes = profile(chunk), chunk["stripes"]
    n = len(stripes)
    while length > 0:
        nr, skip = divmod(at, STRIPE)
        size = min(length, STRIPE - skip)
        if p == "RAID0":
            row, column = divmod(nr, n)
            yield stripes[column], row * STRIPE + skip, size
        elif p == "RAID10":
            row, column = divmod(nr, n // 2)
            for s in stripes[2 * column:2 * column + 2]:
                yield s, row * STRIPE + skip, size
        elif p in ("RAID5", "RAID6"):
            row = nr // (n - (1 if p == "RAID5" else 2))
            for s in stripes:
                yield s, row * STRIPE, STRIPE
        else:
            for s in stripes:
                yield s, at, size
        at += size
        length -= size


def used_of_all(super_path, chunks_path, extents_path):
    node = int(re.search(r"^nodesize\s+(\d+)", open(super_path).read(),
                         re.M).group(1))
    chunks, sizes = read_chunks(chunks_path)
    used = {d: [[0, min(1 << 20, size)]] for d, size in sizes.items()}
    for d, size in sizes.items():
        for at in (64 << 20, 256 << 30):
            if at < size:
                used[d].append([at, at + 4096])
    chunks.sort(key=lambda c: c["start"])
    i = 0
    for start, length in read_extents(extents_path, node):
        while chunks[i]["start"] + chunks[i]["length"] <= start:
            i += 1
        for (d, base), at, n in pieces(chunks[i], start - chunks[i]["start"],
                                       length):
            used[d].append([base + at, base + at + n])
    return {d: merge(r) for d, r in used.items()}, sizes


def load(path):
    with open(path) as f:
        m = json.load(f)
    return [[a, a + n] for a, n in m["extents"]], m


def check(argv):
    used, sizes = used_of_all(*argv[:3])
    if len(argv) - 3 != len(used):
        sys.exit("%d devices, not %d" % (len(used), len(argv) - 3))
    for pair in argv[3:]:
        d, path = pair.split("=", 1)
        d = int(d)
        ours, m = load(path)
        want = merge(used[d] + [[sizes[d], m["disk_bytes"]]]
                     if m["disk_bytes"] > sizes[d] else used[d])
        missing, over = subtract(want, ours), subtract(ours, want)
        if missing:
            sys.exit("device %d: %d used bytes are missing, first at %d"
                     % (d, total(missing), missing[0][0]))
        if over:
            sys.exit("device %d: %d bytes are over, first at %d"
                     % (d, total(over), over[0][0]))
        if total(ours) != m["used_bytes"]:
            sys.exit("used_bytes is not the sum of the extents")
        print("device %d: %d used of %d" % (d, total(ours), m["disk_bytes"]))


def partclone(argv):
    used, _ = used_of_all(*argv[:3])
    theirs, end = domain(argv[3])
    ours, m = load(argv[4])
    missing = subtract(subtract(theirs, ours), [[end, 1 << 64]])
    if subtract(missing, subtract([[0, end]], used[1])):
        sys.exit("partclone has used bytes that we have not")
    over = total(subtract(ours, theirs))
    print("partclone: %d used, %d of them free by dump-tree; ours is %d over"
          % (total(theirs), total(missing), over))


if __name__ == "__main__":
    {"check": check, "partclone": partclone}[sys.argv[1]](sys.argv[2:])
