#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
#
# tree-changes.py BEFORE AFTER: what differs between two directory trees, one
# line each: 'added', 'changed' (content, target or kind), 'removed' or
# 'attributes' (mode, owner, extended attributes), and the path.  What is below
# an added or removed directory is named, too; times are not looked at.
import filecmp, os, stat, sys

def entries(top):
    ret = {}
    for where, dirs, files in os.walk(top):
        for name in dirs + files:
            path = os.path.join(where, name)
            ret[path[len(top):]] = os.lstat(path)
    return ret

def attributes(path, st):
    return (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid,
            [(a, os.getxattr(path, a, follow_symlinks=False))
             for a in sorted(os.listxattr(path, follow_symlinks=False))])

def same(a, b, sa, sb):
    if stat.S_IFMT(sa.st_mode) != stat.S_IFMT(sb.st_mode):
        return False
    if stat.S_ISLNK(sa.st_mode):
        return os.readlink(a) == os.readlink(b)
    return not stat.S_ISREG(sa.st_mode) or filecmp.cmp(a, b, shallow=False)

before, after = (top.rstrip("/") for top in sys.argv[1:])
old, new = entries(before), entries(after)
if len(old) < 10:
    raise SystemExit(f"{before} has nothing in it")
for path in sorted(old.keys() | new.keys()):
    a, b = before + path, after + path
    if path not in new:
        print("removed", path)
    elif path not in old:
        print("added", path)
    elif not same(a, b, old[path], new[path]):
        print("changed", path)
    elif attributes(a, old[path]) != attributes(b, new[path]):
        print("attributes", path)
