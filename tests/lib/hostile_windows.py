#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile Windows guests: the table.  Needs root and ntfs-3g, to make them.

  hostile_windows.py [--full] [--part I/N] V2V DIRECTORY [NAME...]
"""
import os
import random
import shutil
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import hostile
import tinyguest
from hostile import Failed, Sentinel, trap
from tinyguest import MIB

GUESTS = os.path.join(HERE, "../guests")
CONFIG = "Windows/System32/config"
SYSTEM = CONFIG + "/SYSTEM"
SIZE = 40
ARGUMENTS = ["--virtio-win", "vw"]


def base(what):
    """Made once: the disk, or the drivers."""
    path = os.path.join(os.path.dirname(Sentinel.path), "base-" + what)
    if not os.path.exists(path):
        if what == "vw":
            tinyguest.run(GUESTS + "/make-virtio-win", "--os", "w10",
                          "--drivers", "viostor,vioscsi,netkvm", path)
        else:
            tinyguest.run(GUESTS + "/make-windows", "--version", "10",
                          "--size", str(SIZE), path)
    return path


def ntfs(image):
    """The NTFS on a disk as a file; put it back with tinyguest.place."""
    part = image + ".ntfs"
    tinyguest.run("dd", "if=" + image, "of=" + part, "bs=1M", "skip=1",
                  "count=%d" % (SIZE - 2), "conv=sparse", "status=none")
    return part


def inside(image, change):
    """'change' gets the root of the mounted NTFS."""
    part, mnt = ntfs(image), image + ".mnt"
    os.mkdir(mnt)
    p = subprocess.Popen(["ntfs-3g", "-o", "no_detach", part, mnt],
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
    for _ in range(600):
        if os.path.ismount(mnt):
            break
        if p.poll() is not None:
            raise Failed("ntfs-3g does not mount")
        time.sleep(0.02)
    try:
        change(mnt)
    finally:
        tinyguest.run("umount", mnt)
        p.wait(60)
        os.rmdir(mnt)
    os.truncate(part, (SIZE - 2) * MIB)
    # What became zeros must be written, too.
    tinyguest.run("dd", "if=" + part, "of=" + image, "bs=1M", "seek=1",
                  "conv=notrunc", "status=none")
    os.unlink(part)


def windows(change=None, raw=None, drivers=None):
    def make(image):
        shutil.copyfile(base("disk"), image)
        vw = os.path.join(os.path.dirname(image), "vw")
        shutil.copytree(base("vw"), vw)
        if drivers is not None:
            drivers(vw)
        if change is not None:
            inside(image, change)
        if raw is not None:
            with open(image, "r+b") as f:
                f.seek(MIB)
                data = bytearray(f.read((SIZE - 2) * MIB))
                raw(data)
                f.seek(MIB)
                f.write(data)
    return make


def add(name, change=None, want="any", says=None, raw=None, drivers=None,
        **more):
    trap("Windows: " + name, None, want, says, arguments=ARGUMENTS,
         make=windows(change, raw, drivers), **more)


# --- changes ----------------------------------------------------------------------

def reparse(path, tag, target):
    """A junction or symlink in the place of what is there."""
    name = target.encode("utf-16le")
    head = struct.pack("<HHHH", 0, len(name), len(name) + 2, 0)
    if tag == 0xa000000c:
        head += struct.pack("<I", 0)
    body = head + name + b"\0\0\0\0"
    data = struct.pack("<IHH", tag, len(body), 0) + body

    def do(root):
        full = os.path.join(root, path)
        os.rename(full, os.path.join(root, "moved"))
        if os.path.isdir(os.path.join(root, "moved")):
            os.mkdir(full)
        else:
            open(full, "w").close()
        os.setxattr(full, "system.ntfs_reparse_data", data)
    return do


def replace(path, data):
    def do(root):
        full = os.path.join(root, path)
        if os.path.isdir(full):
            shutil.rmtree(full)
        elif os.path.lexists(full):
            os.unlink(full)
        if data is None:
            os.makedirs(full)
        elif isinstance(data, int):
            with open(full, "wb") as f:
                f.truncate(data)
        else:
            with open(full, "wb") as f:
                f.write(data)
    return do


def patch(path, change):
    """'change' gets a file's bytes."""
    def do(root):
        with open(os.path.join(root, path), "r+b") as f:
            data = bytearray(f.read())
            change(data)
            f.seek(0)
            f.truncate()
            f.write(data)
    return do


def flips(seed, count, first, last=None):
    """So many random bytes."""
    def do(data):
        r = random.Random(seed)
        for _ in range(count):
            at = r.randrange(first, last or len(data))
            data[at] = r.choice((0, 255, 128, 127, 1, r.randrange(256)))
    return do


def cells(data, kind):
    """Where cells of that signature begin (their sizes), in a hive."""
    at = 4096
    while True:
        at = data.find(kind, at)
        if at < 0:
            return
        if at % 8 == 4:
            yield at - 4
        at += 2


def key(data, name):
    for c in cells(data, b"nk"):
        if bytes(data[c + 80:c + 80 + len(name)]) == name:
            return c
    raise Failed("no key %s" % name)


def field(name, at, value, fmt="<I"):
    return lambda d: struct.pack_into(fmt, d, key(d, name) + at, value)


def all_lists_to_root(data):
    root = struct.unpack_from("<I", data, 4096 - 4096 + 36)[0]
    for kind in (b"lf", b"lh", b"li"):
        for c in cells(data, kind):
            step = 4 if kind == b"li" else 8
            n = struct.unpack_from("<H", data, c + 6)[0]
            for i in range(min(n, (len(data) - c - 8) // step)):
                struct.pack_into("<I", data, c + 8 + i * step, root)


def services_to_itself(data):
    """Each subkey of Services is Services."""
    me = key(data, b"Services")
    lst = struct.unpack_from("<I", data, me + 4 + 28)[0] + 4096
    for i in range(struct.unpack_from("<H", data, lst + 6)[0]):
        struct.pack_into("<I", data, lst + 8 + i * 8, me - 4096)


def each_value(at, fmt, value):
    def do(data):
        for c in cells(data, b"vk"):
            struct.pack_into(fmt, data, c + at, value)
    return do


def each_key(at, fmt, value):
    def do(data):
        for c in cells(data, b"nk"):
            struct.pack_into(fmt, data, c + at, value)
    return do


def inf(*pairs):
    """Texts of viostor's INF files."""
    def do(vw):
        for d, _, files in os.walk(vw):
            for f in files:
                if f != "viostor.inf":
                    continue
                with open(os.path.join(d, f), "rb") as h:
                    data = h.read()
                wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
                t = data.decode("utf-16" if wide else "latin-1")
                for a, b in pairs:
                    t = t.replace(a, b)
                with open(os.path.join(d, f), "wb") as h:
                    h.write(t.encode("utf-16" if wide else "latin-1"))
    return do


def sys_is(target):
    def do(vw):
        for d, _, files in os.walk(vw):
            for f in files:
                if f == "viostor.sys":
                    os.unlink(os.path.join(d, f))
                    os.symlink(target.replace("SENTINEL", Sentinel.path),
                               os.path.join(d, f))
    return do


def only_in(*tops):
    """What was changed lies there, and nowhere else."""
    def do(run):
        for c in run.report["changes"] if run.report else ():
            if ".." in c["path"].split("/") or not c["path"].startswith(tops):
                raise Failed("changed: %s" % c["path"])
    return do


# --- the table --------------------------------------------------------------------

HERE_ONLY = dict(check=only_in("/Windows/", "/Program Files/Ironferry",
                               "/ProgramData/"))

add("plain", want="done", **HERE_ONLY)
for tag, name in ((0xa000000c, "symlink"), (0xa0000003, "junction"),
                  (0x80000013, "deduplicated file"), (0xdeadbeef, "tag")):
    for path in (CONFIG, "Windows/System32", SYSTEM,
                 "Windows/System32/drivers", "Windows"):
        if name == "junction" and path == SYSTEM:
            continue  # for directories only
        add("%s is a %s" % (path, name), reparse(path, tag, "\\??\\C:\\moved"),
            full=(tag, path) not in (
                (0xa000000c, CONFIG), (0xa0000003, "Windows/System32/drivers"),
                (0x80000013, SYSTEM)))
for path in (SYSTEM, CONFIG + "/SOFTWARE", "Windows/System32/drivers",
             "Windows/INF", "Windows/System32/DriverStore/FileRepository"):
    add("%s is a directory or file" % path, replace(
        path, None if "config" in path else b"x"), full=path != SYSTEM)
for size in (0, 1, 4096, 8 << 30):
    add("a hive of %d bytes" % size, replace(SYSTEM, size), "any",
        full=size in (1, 4096))
add("a hive of no hive", replace(SYSTEM, b"regf" + os.urandom(65536)))
add("hive: each list leads to the root", patch(SYSTEM, all_lists_to_root))
add("hive: Services in Services", patch(SYSTEM, services_to_itself))
for n, (name, change) in enumerate((
        ("the root lies outside", lambda d: struct.pack_into(
            "<I", d, 36, 0x7ffffff0)),
        ("subkeys without number", each_key(4 + 20, "<I", 0xffffffff)),
        ("lists of subkeys outside", each_key(4 + 28, "<I", 0x7ffffff0)),
        ("values without number", each_key(4 + 36, "<I", 0xffffffff)),
        ("lists of values outside", each_key(4 + 40, "<I", 0x10)),
        ("names of 65,535 bytes", each_key(4 + 72, "<H", 65535)),
        ("parents that lie", each_key(4 + 16, "<I", 0x20)),
        ("security outside", each_key(4 + 44, "<I", 0x7ffffff0)),
        ("classes outside", each_key(4 + 48, "<I", 0x10)),
        ("values of 2 GiB", each_value(4 + 4, "<I", 0x7fffffff)),
        ("values of 4 bytes in place", each_value(4 + 4, "<I", 0x80000004)),
        ("values outside", each_value(4 + 8, "<I", 0x7ffffff0)),
        ("cells of 0 bytes", each_key(0, "<i", 0)),
        ("cells of -2 GiB", each_key(0, "<I", 0x80000000)),
        ("free cells in use", each_value(0, "<i", 64)),
        ("bins of 0 bytes", lambda d: struct.pack_into("<I", d, 4096 + 8, 0)),
        ("bins of 4 GiB", lambda d: struct.pack_into("<I", d, 4096 + 8,
                                                     0xfffff000)))):
    add("hive: " + name, patch(SYSTEM, change), full=n % 3 != 0)
    add("hive: SOFTWARE, " + name, patch(CONFIG + "/SOFTWARE", change),
        full=True)
for seed in range(40):
    add("hive: %d random bytes, seed %d" % (seed * 3 + 1, seed), patch(
        SYSTEM, flips(seed, seed * 3 + 1, 4096)), full=seed % 10 != 0)
# The MFT lies at cluster 4 of a volume that mkntfs made.
for seed in range(60):
    add("MFT: %d random bytes, seed %d" % (8 * seed + 1, seed),
        raw=lambda d, s=seed: flips(s, 8 * s + 1, 16384, 16384 + 98304)(d),
        full=seed % 15 != 0)
for seed in range(10):
    add("boot sector, seed %d" % seed,
        raw=lambda d, s=seed: flips(s, 2, 11, 80)(d), full=seed != 3)
add("20,000 files in INF", lambda root: [
    open(os.path.join(root, "Windows/INF/oem%d.inf" % i), "w").close()
    for i in range(20000)], full=True)
add("names that end in dots", lambda root: [
    open(os.path.join(root, "Windows/System32/drivers", n), "w").close()
    for n in ("viostor.sys.", "VIOSTOR.SYS ", "\x01x.sys")])
add("INF: a file that goes up", want="refused", says="leads out of the package", drivers=inf(
    ("viostor.sys", "..\\..\\..\\..\\evil.sys")), **HERE_ONLY)
add("INF: a file that goes up by /", want="refused",
    says="leads out of the package", drivers=inf(
    ("viostor.sys", "../../../../evil.sys")), **HERE_ONLY)
add("INF: a catalog that goes up", want="done", says="is not there", drivers=inf(
    ("viostor.cat", "..\\..\\..\\..\\evil.cat")), **HERE_ONLY)
add("INF: a service that goes up", want="refused", says="no name of a service", drivers=inf(
    ("%12%\\viostor.sys", "%12%\\..\\..\\..\\evil.sys"),
    ("AddService = viostor", "AddService = ..\\..\\evil"),
    ("AddService=viostor", "AddService=..\\..\\evil")), **HERE_ONLY)
add("INF: an endless text", want="refused", says="more than 1 MiB", drivers=inf(
    ("[Version]", ";" + "x" * (8 << 20) + "\n[Version]")))
add("INF: strings in each other", want="done", drivers=inf(
    ("[Strings]", "[Strings]\n" + "".join(
        'v%d="%%v%d%%%%v%d%%"\n' % (i, i + 1, i + 1) for i in range(60)) +
     'v60="x"\n'), ("[Version]", "[Version]\nProvider=%v0%\n")))
add("drivers that lead to the host", want="refused", says="out of the directory", drivers=sys_is(
    "/etc/passwd"))
add("drivers that are a loop", want="refused", says="or nowhere", drivers=sys_is("viostor.sys"))
add("drivers that are a device", want="refused", says="out of the directory", drivers=sys_is("/dev/zero"))

if __name__ == "__main__":
    sys.exit(hostile.main(__doc__))
