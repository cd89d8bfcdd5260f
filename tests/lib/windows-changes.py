#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
What two conversions of one Windows disk changed, line by line.

    windows-changes.py tree DIR WHERE [LABEL=DIR|FILE]...

lists a tree: "WHERE /path", a tab, and what there is: "directory", "hive", or a
file's digest, or its name where one of the sources has the same content; with
ntfs-3g's, lines "acl /path", too.

    windows-changes.py compare BEFORE OURS THEIRS OUT

reads such lists and those of reg.py with "system " and so on before each line;
names are of any case.  Into OUT.ours and OUT.theirs goes what only one changed,
into OUT.both what both changed to something else, into OUT.all.ours and
OUT.all.theirs everything of one:

    added|changed|removed WHERE NAME = VALUE
    differ WHERE NAME = OURS <> THEIRS
"""
import hashlib
import os
import struct
import sys

HIVES = ("config/system", "config/software", "boot/bcd")


# --- a tree ---------------------------------------------------------------------

def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def sources(args):
    ret = {}
    for arg in args:
        label, top = arg.split("=", 1)
        paths = [top] if os.path.isfile(top) else sorted(
            os.path.join(where, f) for where, _, files in os.walk(top)
            for f in files)
        for path in paths:
            name = label + path[len(top):]
            ret.setdefault(digest(path), name)
    return ret


def sid(data):
    count = data[1]
    parts = struct.unpack_from("<%dI" % count, data, 8)
    return "S-%d-%d-%s" % (data[0], data[7], "-".join(map(str, parts)))


def acl(path):
    """The access list as MASK@SID, in order; what is inherited has a '+'."""
    try:
        data = os.getxattr(path, "system.ntfs_acl", follow_symlinks=False)
    except OSError:
        return "none"
    at = struct.unpack_from("<I", data, 16)[0]
    if at == 0:
        return "none"
    count = struct.unpack_from("<H", data, at + 4)[0]
    at += 8
    ret = []
    for _ in range(count):
        kind, flags, size, mask = struct.unpack_from("<BBHI", data, at)
        ret.append("%s%x@%s%s" % ("!" if kind else "", mask,
                                  sid(data[at + 8:at + size]),
                                  "+" if flags & 3 and os.path.isdir(path)
                                  else ""))
        at += size
    return " ".join(ret)


def tree(top, kind, names):
    def show(path, what):
        name = path[len(top):].lower()
        print("%s %s\t%s" % (kind, name, what))
        if kind == "file":
            print("acl %s\t%s" % (name, acl(path)))

    for where, dirs, files in os.walk(top):
        for d in dirs:
            show(os.path.join(where, d), "directory")
        for f in files:
            path = os.path.join(where, f)
            if path.lower().endswith(HIVES):
                show(path, "hive")
            elif os.path.getsize(path) == 0:
                show(path, "empty")
            else:
                d = digest(path)
                show(path, names.get(d, "sha256:" + d[:16]))


# --- the comparison ---------------------------------------------------------------

def entry(line):
    """(name, value) of a line of a list."""
    where, rest = line.split(" ", 1)
    parts = rest.split("\t")
    name = parts[0].replace("\\", "/").lower()
    if where in ("file", "acl", "esp", "boot"):
        return "%s %s" % (where, name), parts[1]
    if parts[1] == "(key)":
        return "%s %s/" % (where, name), "key"
    return ("%s %s/%s" % (where, name, parts[1].replace("\\", "/").lower()),
            " ".join(parts[2:]))


def load(path):
    ret = {}
    with open(path, encoding="utf-8", errors="surrogateescape") as f:
        for line in f:
            name, value = entry(line.rstrip("\n"))
            if name in ret:
                raise SystemExit("%s: twice: %s" % (path, name))
            ret[name] = value
    if len(ret) < 20:
        raise SystemExit("%s has nothing in it" % path)
    return ret


def change(name, old, new):
    if name not in new:
        return "removed %s = %s" % (name, old[name])
    return "%s %s = %s" % ("changed" if name in old else "added", name,
                           new[name])


def compare(before, ours, theirs, out):
    before, ours, theirs = load(before), load(ours), load(theirs)
    lists = {"ours": [], "theirs": [], "both": [], "all.ours": [],
             "all.theirs": [], "same": []}
    for name in sorted(before.keys() | ours.keys() | theirs.keys()):
        b, o, t = (x.get(name) for x in (before, ours, theirs))
        if o != b:
            lists["all.ours"].append(change(name, before, ours))
        if t != b:
            lists["all.theirs"].append(change(name, before, theirs))
        if o == t:
            if o != b:
                lists["same"].append(change(name, before, ours))
        elif t == b:
            lists["ours"].append(change(name, before, ours))
        elif o == b:
            lists["theirs"].append(change(name, before, theirs))
        else:
            lists["both"].append("differ %s = %s <> %s" % (name, o, t))
    for which, lines in lists.items():
        with open("%s.%s" % (out, which), "w", encoding="utf-8",
                  errors="surrogateescape") as f:
            f.writelines(line + "\n" for line in lines)


if sys.argv[1] == "tree":
    tree(sys.argv[2].rstrip("/"), sys.argv[3], sources(sys.argv[4:]))
else:
    compare(*sys.argv[2:6])
