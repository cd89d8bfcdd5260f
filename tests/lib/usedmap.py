#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of used-blocks compute, apart from the program itself.

  usedmap.py compare JSON [--over=BYTES] [--until=OFFSET] REFERENCE...
                                         no used byte of a reference is missing
                                         from the map, and at most 0.1 % is
                                         over, or so many bytes; from OFFSET on
                                         it is not believed
      REFERENCE  dumpe2fs:FILE  output of dumpe2fs: all that is not free
                 domain:FILE    a domain log of partclone -D
                 ntfsclone:FILE an image of ntfsclone -s
                 start OFFSET of the volume on the disk: REFERENCE@OFFSET
  usedmap.py copy JSON SOURCE TARGET     the used extents into a file of 0xA5
  usedmap.py carried JSON SOURCE IMAGE   a raw image has the used extents' bytes
                                         and, farther than 64 KiB from them,
                                         nothing but zeros
  usedmap.py table JSON SFDISK-JSON      the partitions are sfdisk's
  usedmap.py age SEED DIR FULL           files and a debugfs script: make, cut,
                                         remove; FULL in percent of FREE blocks
"""
import json
import os
import random
import re
import struct
import sys


def load(path):
    with open(path) as f:
        return json.load(f)


def merge(ranges):
    out = []
    for a, b in sorted(ranges):
        if out and a <= out[-1][1]:
            out[-1][1] = max(out[-1][1], b)
        else:
            out.append([a, b])
    return out


def subtract(x, y):
    """Bytes of x that are not in y (both merged)."""
    out, j = [], 0
    for a, b in x:
        while j < len(y) and y[j][1] <= a:
            j += 1
        k = j
        while a < b and k < len(y) and y[k][0] < b:
            if y[k][0] > a:
                out.append([a, y[k][0]])
            a = max(a, y[k][1])
            k += 1
        if a < b:
            out.append([a, b])
    return out


def total(ranges):
    return sum(b - a for a, b in ranges)


def dumpe2fs(path):
    """Used ranges of a filesystem, and its end, in bytes."""
    free, text = [], open(path).read()
    size = int(re.search(r"^Block size:\s+(\d+)", text, re.M).group(1))
    count = int(re.search(r"^Block count:\s+(\d+)", text, re.M).group(1))
    first = int(re.search(r"^First block:\s+(\d+)", text, re.M).group(1))
    cluster = re.search(r"^Cluster size:\s+(\d+)", text, re.M)
    ratio = int(cluster.group(1)) // size if cluster else 1
    for line in re.findall(r"^  Free blocks: (.*)$", text, re.M):
        for item in re.findall(r"(\d+)(?:-(\d+))?", line):
            a = int(item[0])
            b = int(item[1] or a)
            # In clusters the last one is named by its first block.
            free.append([a * size, min(b + ratio, count) * size])
    groups = len(re.findall(r"^Group \d+:", text, re.M))
    if groups == 0:
        sys.exit(path + ": no groups")
    return (subtract([[first * size, count * size]], merge(free)),
            count * size)


def domain(path):
    used, end = [], 0
    for line in open(path):
        m = re.match(r"0x([0-9A-Fa-f]+)\s+0x([0-9A-Fa-f]+)\s+([+?])", line)
        if m:
            a, n = int(m.group(1), 16), int(m.group(2), 16)
            end = max(end, a + n)
            if m.group(3) == "+":
                used.append([a, a + n])
    if not used:
        sys.exit(path + ": nothing used")
    return merge(used), end


def ntfsclone(path):
    used = []
    with open(path, "rb") as f:
        head = f.read(50)
        if head[:16] != b"\0ntfsclone-image":
            sys.exit(path + ": no image of ntfsclone")
        size, _, clusters, in_use, start = struct.unpack_from("<IqqqI", head,
                                                              18)
        f.seek(start)
        at = n = 0
        while at < clusters:
            command = f.read(1)
            if command == b"\0":
                at += struct.unpack("<q", f.read(8))[0]
            elif command == b"\1":
                f.seek(size, os.SEEK_CUR)
                used.append([at * size, (at + 1) * size])
                at, n = at + 1, n + 1
            else:
                break
        if n != in_use:
            sys.exit("%s: %d clusters, not %d" % (path, n, in_use))
    return merge(used), clusters * size


def compare(argv):
    m = load(argv[0])
    ours = [[a, a + n] for a, n in m["extents"]]
    if merge(ours) != ours:
        sys.exit("extents are not sorted and disjoint")
    if total(ours) != m["used_bytes"]:
        sys.exit("used_bytes is not the sum of the extents")
    if ours and ours[-1][1] > m["disk_bytes"]:
        sys.exit("extents reach behind the disk's end")
    allowed, until = 0, 1 << 64
    readers = {"dumpe2fs": dumpe2fs, "domain": domain,
               "ntfsclone": ntfsclone}
    for ref in argv[1:]:
        if ref.startswith("--over="):
            allowed = int(ref[7:])
            continue
        if ref.startswith("--until="):
            until = int(ref[8:])
            continue
        kind, rest = ref.split(":", 1)
        path, _, start = rest.partition("@")
        start = int(start or 0)
        used, end = readers[kind](path)
        used = [[a + start, b + start] for a, b in used]
        end = min(end + start, until)
        used = subtract(used, [[until, 1 << 64]])
        missing = subtract(used, ours)
        if missing:
            sys.exit("%s: %d used bytes are missing, first at %d"
                     % (ref, total(missing), missing[0][0]))
        # What lies behind the filesystem's end is a gap's affair.
        inside = subtract(ours, [[0, start], [end, 1 << 64]])
        over = total(subtract(inside, used))
        # The boot block is in no bitmap of 1 KiB blocks.
        if over > max(total(used) / 1000 + 1024, allowed):
            sys.exit("%s: %d bytes over %d" % (ref, over, total(used)))
        print("%s: used %d, over %d" % (ref, total(used), over))


def copy(argv):
    m = load(argv[0])
    with open(argv[1], "rb") as source, open(argv[2], "wb") as target:
        junk, left = b"\xa5" * (1 << 20), m["disk_bytes"]
        while left > 0:
            left -= target.write(junk[:min(left, len(junk))])
        for a, n in m["extents"]:
            source.seek(a)
            target.seek(a)
            while n > 0:
                piece = source.read(min(n, 1 << 20))
                if not piece:
                    sys.exit("short source")
                target.write(piece)
                n -= len(piece)


def carried(argv):
    m, piece = load(argv[0]), 1 << 20
    with open(argv[1], "rb") as source, open(argv[2], "rb") as image:
        if os.fstat(image.fileno()).st_size != m["disk_bytes"]:
            sys.exit("the image has another size")
        for a, n in m["extents"]:
            for at in range(a, a + n, piece):
                source.seek(at)
                image.seek(at)
                count = min(piece, a + n - at)
                data = source.read(count)
                if len(data) != count or image.read(count) != data:
                    sys.exit("the image differs within %d bytes at %d"
                             % (count, at))
        block = 65536
        near = merge([a // block * block, -(-(a + n) // block) * block]
                     for a, n in m["extents"])
        for a, b in subtract([[0, m["disk_bytes"]]], near):
            for at in range(a, b, piece):
                image.seek(at)
                if image.read(min(piece, b - at)).strip(b"\0"):
                    sys.exit("unused bytes were carried, behind %d" % at)
    print("%d bytes carried in %d extents" % (m["used_bytes"],
                                              len(m["extents"])))


def table(argv):
    m, t = load(argv[0]), load(argv[1])["partitiontable"]
    sector = t.get("sectorsize", 512)
    kinds = {"dos": "mbr", "gpt": "gpt"}
    if m["table"] != kinds[t["label"]]:
        sys.exit("table is %s, not %s" % (m["table"], t["label"]))
    theirs = {}
    for p in t["partitions"]:
        kind = p["type"].lower()
        if t["label"] == "dos" and kind in ("5", "f", "85"):
            continue
        number = int(re.search(r"(\d+)$", p["node"]).group(1))
        if t["label"] == "dos":
            kind = "0x%02x" % int(kind, 16)
        theirs[number] = (p["start"] * sector, p["size"] * sector, kind,
                          p.get("uuid", "").lower(), p.get("name"),
                          bool(p.get("bootable")) or
                          "LegacyBIOSBootable" in p.get("attrs", ""))
    ours = {v["number"]: (v["start"], v["length"], v["type"],
                          (v["partuuid"] or "")
                          if t["label"] == "gpt" else "",
                          v["part_label"], v["boot"])
            for v in m["volumes"] if "number" in v}
    if ours != theirs:
        sys.exit("partitions differ:\n ours   %s\n sfdisk %s"
                 % (ours, theirs))
    spans = sorted([v["start"], v["start"] + v["length"]]
                   for v in m["volumes"])
    if merge(spans) != [[0, m["disk_bytes"]]]:
        sys.exit("the volumes do not cover the disk: %s" % spans)
    print("%d partitions" % len(ours))


def age(argv):
    seed, where, budget = int(argv[0]), argv[1], int(argv[2])
    rnd, alive, used, script = random.Random(seed), {}, 0, []
    os.makedirs(where)
    for d in range(8):
        script.append("mkdir /d%d" % d)
    for i in range(100000):
        if used >= budget or i >= 600:
            break
        size = min(int(rnd.lognormvariate(9.5, 2.2)) + 1, 4 << 20,
                   budget - used + 1)
        name = "%s/f%d" % (where, i)
        with open(name, "wb") as f:
            f.write(rnd.randbytes(size))
        to = "/d%d/f%d" % (rnd.randrange(8), i)
        script.append("write %s %s" % (name, to))
        alive[to] = size
        used += size
        what = rnd.random()
        if what < 0.35 and alive:
            victim = rnd.choice(sorted(alive))
            used -= alive.pop(victim)
            script.append("rm " + victim)
        elif what < 0.5 and alive:
            victim = rnd.choice(sorted(alive))
            blocks = alive[victim] // 4096
            script.append("punch %s %d %d"
                          % (victim, blocks // 3, blocks // 2 + 1))
        elif what < 0.55:
            script.append("symlink /d%d/s%d %s" %
                          (rnd.randrange(8), i, "x" * rnd.randrange(1, 200)))
    with open(where + ".debugfs", "w") as f:
        f.write("\n".join(script) + "\n")


if __name__ == "__main__":
    actions = {"compare": compare, "copy": copy, "carried": carried,
               "table": table, "age": age}
    actions[sys.argv[1]](sys.argv[2:])
