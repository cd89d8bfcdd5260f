#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile Linux guests: the table.

  hostile_linux.py [--full] [--part I/N] V2V DIRECTORY [NAME...]
"""
import gzip
import lzma
import os
import struct
import subprocess
import sys
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import hostile
import tinyguest
from hostile import (Failed, crowd, debugfs, gone, kind, link, seq, text,
                     trap)
from tinyguest import MIB, VERSION, cpio, initramfs_entries, module

INITRD = "boot/initrd.img-" + VERSION
VMLINUZ = "boot/vmlinuz-" + VERSION
MODDIR = "lib/modules/" + VERSION
FSTAB = "/dev/sda1 / ext4 errors=remount-ro 0 1\n"
GRUB = "linux /boot/vmlinuz root=/dev/sda1 ro\n"
ESC = "\x1b]0;pwned\x07\x1b[31m\r\x9b2J"


def expects(what, why):
    if not what:
        raise Failed(why)


trap("plain", want="done", check=lambda r: expects(
    b"UUID=" in r.cat("/etc/fstab"), "fstab was not edited"))

# --- symlinks -------------------------------------------------------------------

trap("etc leads to the host", link("etc", "SENTINEL/etc"), "untouched",
     "no system")
trap("fstab leads to the host", link("etc/fstab", "SENTINEL/fstab"),
     "untouched", "no system")
trap("fstab leads up to the host",
     link("etc/fstab", "../" * 40 + "SENTINEL/fstab"), "untouched")
trap("os-release leads to the host", seq(
    link("etc/os-release", "SENTINEL/os-release"), gone("etc/debian_version")),
     "untouched")
trap("fstab is a loop of links", seq(link("etc/fstab", "fstab2"),
                                     link("etc/fstab2", "/etc/fstab")), "any")
trap("a chain of 100 links", seq(*[link("etc/l%d" % i, "l%d" % (i + 1))
                                   for i in range(100)],
                                 link("etc/fstab", "l0"),
                                 text("etc/l100", FSTAB)), "any")
trap("a chain of 30 links", seq(*[link("etc/l%d" % i, "l%d" % (i + 1))
                                  for i in range(30)],
                                link("etc/fstab", "l0"),
                                text("etc/l30", FSTAB)), "done",
     check=lambda r: expects("/etc/l30" in r.changed(), "not its target"))
trap("fstab is a link in the guest", seq(
    link("etc/fstab", "../../../usr/share/fstab"),
    text("usr/share/fstab", FSTAB)), "done", check=lambda r: expects(
        "/usr/share/fstab" in r.changed() and
        b"UUID=" in r.cat("/usr/share/fstab"), "not its target"))
trap("fstab is an absolute link in the guest", seq(
    link("etc/fstab", "/usr/share/fstab"), text("usr/share/fstab", FSTAB)),
     "done", check=lambda r: expects(
         b"UUID=" in r.cat("/usr/share/fstab"), "not its target"))
trap("links of 4000 bytes", link("etc/fstab", "./" * 500 + "x" * 20), "any")
trap("links that multiply paths", seq(*[link(
    "etc/m%d" % i, "/".join(["etc/..", "m%d" % (i + 1)] * 40))
    for i in range(30)], link("etc/fstab", "m0")), "any")
trap("network leads to the host", link("etc/systemd/network", "SENTINEL/new"),
     "refused")
trap("network leads to the host's /tmp", link("etc/systemd/network",
                                              "/tmp/outside"), "refused")
trap("systemd leads to the host", link("etc/systemd", "SENTINEL"), "refused")
trap("network leads elsewhere in the guest", seq(
    link("etc/systemd/network", "/usr/net"), text("usr/net/x", "")), "done",
     check=lambda r: expects(any(c.startswith("/usr/net/")
                                 for c in r.changed()), "not there"))
trap("the new file leads to the host", link(
    "etc/systemd/network/10-ironferry-enp0s5.link", "SENTINEL/new"))
trap("grub.cfg leads to a disk", seq(link("boot/grub/grub.cfg", "/dev/sda"),
                                     kind("dev/sda", "blk")), "done")
trap("initrd leads to the host", link(INITRD, "SENTINEL/" + INITRD), "refused",
     "virtio")
trap("modules lead to the host", link("lib/modules", "SENTINEL/lib/modules"),
     "refused")
trap("interfaces lead to the host", link("etc/network/interfaces",
                                         "SENTINEL/interfaces"), "done")
trap("a module leads to the host", link(
    MODDIR + "/kernel/drivers/block/virtio_blk.ko",
    "SENTINEL/" + MODDIR + "/kernel/drivers/block/virtio_blk.ko"), "refused")
trap("source leads to the host", text(
    "etc/network/interfaces", lambda root: "source %s/*\nsource ../../../../..%s"
    "/interfaces\nauto enp0s5\niface enp0s5 inet dhcp\n" % (
        hostile.Sentinel.path, hostile.Sentinel.path)), "done")

# --- what is no file where one is read -------------------------------------------

PLACES = ["etc/fstab", "etc/os-release", "etc/hostname", "etc/default/grub",
          "etc/network/interfaces", "etc/network/interfaces.d",
          "etc/systemd/network", "etc/initramfs-tools/initramfs.conf",
          "boot", "boot/grub", "boot/grub/grub.cfg", "boot/grub/grubenv",
          "boot/loader/entries/x.conf", VMLINUZ, INITRD, "bin/sh",
          "lib/modules", MODDIR, MODDIR + "/modules.dep",
          MODDIR + "/modules.builtin", MODDIR + "/modules.softdep",
          MODDIR + "/kernel/drivers/block/virtio_blk.ko",
          "etc/crypttab", "etc/selinux/config", "etc/netplan/x.yaml",
          "etc/systemd/network/x.link", "etc/udev/rules.d/x.rules",
          "etc/NetworkManager/system-connections/x.nmconnection",
          "etc/sysconfig/network-scripts/ifcfg-x", "etc/lvm/lvm.conf",
          "etc/systemd/system/x.mount", "etc/X11/xorg.conf",
          "var/cache/debconf/config.dat", "etc/depmod.d/x.conf",
          "usr/lib/systemd/systemd"]
KINDS = ["fifo", "sock", "chr", "blk", "dir", "huge", "sentinel", "self",
         "empty"]
for n, place in enumerate(PLACES):
    for k, what in enumerate(KINDS):
        trap("%s: %s" % (what, place), kind(place, what),
             full=(n + k) % len(KINDS) != 0)

# --- sizes and numbers ------------------------------------------------------------

trap("70,000 names in /boot", gone("boot"), "any",
     post=crowd("/boot", 70000, lambda i: b"x%07d" % i))
for path in ("boot", "lib/modules", "etc/network/interfaces.d",
             "etc/default/grub.d", "boot/loader/entries", "etc/netplan"):
    trap("200,000 names in /" + path, seq(text(path + "/x", ""), gone(path)),
         "any", post=crowd("/" + path, 200000, lambda i: b"x%07d" % i),
         full=path != "lib/modules")
trap("2,000 kernels", gone("boot"), "any", seconds=60, full=True, post=crowd(
    "/boot", 4000, lambda i: (b"vmlinuz-6.1.%d", b"initrd.img-6.1.%d")[i & 1] %
    (i >> 1)))
trap("20,000 files to edit", seq(text("etc/default/grub.d/x", ""),
                                 gone("etc/default/grub.d")), "any",
     post=crowd("/etc/default/grub.d", 20000, lambda i: b"x%07d.cfg" % i))
trap("fstab of 100,000 lines", text("etc/fstab", lambda r: FSTAB + "".join(
    "/dev/sd%s%d /mnt/%d ext4 x 0 0\n" % ("bcdefgh"[i % 7], i, i)
    for i in range(100000))), "any")
trap("fstab of 100,000 mounts of itself", text("etc/fstab", lambda r: FSTAB + "".join(
    "/dev/sda1 /boot ext4 x 0 0\n" for i in range(100000))), "any")
trap("fstab of one line of 4 MiB", text("etc/fstab", lambda r: FSTAB + "/dev/" +
                                        "x" * (4 << 20)), "any")
trap("fstab of zeros", text("etc/fstab", lambda r: FSTAB.encode() + bytes(100000)))
trap("fstab with places out of the root", text("etc/fstab", lambda r: FSTAB + "".join(
    "UUID=%s %s ext4 x 0 0\n" % (tinyguest.UUID, p) for p in (
        "/boot", "/usr", "/var", "/../../tmp", "/etc", "//", "/boot/../..",
        "boot", "/" * 4000, "/boot/grub/grub.cfg"))))
trap("grub.cfg of 20,000 unknown devices", text("boot/grub/grub.cfg", lambda r: "".join(
    "linux /x root=/dev/sdb%d\n" % i for i in range(20000))))
trap("grub.cfg of nested menus", text(
    "boot/grub/grub.cfg", lambda r: "submenu x {\n" * 200000 + GRUB + "}\n" * 200000),
     "done")
trap("os-release of one line of 7 MiB", text(
    "etc/os-release", lambda r: 'ID=debian\nPRETTY_NAME="%s"\n' % ("x" * (7 << 20))))
trap("200,000 unknown names in one configuration", text(
    "etc/lvm/lvm.conf", lambda r: " ".join("/dev/sdb%d" % i for i in range(200000))))

# --- names ------------------------------------------------------------------------

NAMES = [b"new\nline", b"\x1b[31mred", b"..x", b"...", b"\xff\xfe", b"a" * 251,
         b"\x7f\xc2\x9b", "\u202ertl".encode(), b"%s%n%d", b"a b", b"$(id)",
         b"-rf", b"'\"`"]
for n, name in enumerate(NAMES):
    shown = ascii(name[:12])[2:-1]
    trap("names: grub.d " + shown, text(
        b"etc/default/grub.d/" + name + b".cfg", GRUB), full=n % 6 != 0)
    trap("names: interfaces.d " + shown, text(
        b"etc/network/interfaces.d/" + name,
        "auto enp9\niface enp9 inet dhcp\n"), full=n % 6 != 1)
    trap("names: entries " + shown, text(
        b"boot/loader/entries/" + name[:250] + b".conf",
        "linux /vmlinuz-x\noptions root=/dev/sdq7\n"), full=n % 6 != 2)
    trap("names: kernels " + shown, seq(
        text(b"boot/vmlinuz-" + name[:240], "k"),
        text(b"boot/initrd.img-" + name[:240], tinyguest.initramfs()),
        text(b"lib/modules/" + name + b"/modules.dep", "")), full=n % 6 != 0)
    trap("names: modules " + shown, text(
        MODDIR.encode() + b"/kernel/" + name + b".ko", module()),
         full=n % 6 != 1)
    trap("names: mounts " + shown, text(
        b"etc/systemd/system/" + name[:240] + b".mount",
        "[Mount]\nWhat=/dev/sdq3\n"), full=n % 6 != 2)
trap("escapes in values", seq(
    text("etc/os-release", lambda r: 'ID="%s"\nPRETTY_NAME="%s"\nVERSION_ID="%s"\n' % (
        ESC, ESC, ESC)), text("etc/hostname", ESC + "\n"),
    text("etc/fstab", lambda r: FSTAB + "/dev/sdq1 /mnt/%s ext4 x 0 0\n/dev/sdr%s /x "
         "ext4 x 0 0\n" % (ESC, ESC)),
    text("etc/network/interfaces", lambda r: "auto %s\niface %s inet dhcp\n" % (
        ESC, ESC)),
    text("boot/grub/grub.cfg", lambda r: "linux /x root=/dev/sdz%s\n" % ESC)), "done")
trap("bytes that are no UTF-8 in values", seq(
    text("etc/os-release", lambda r: b'ID=\xff\nPRETTY_NAME="\xfe\xc0\x80\xed\xa0\x80"\n'),
    text("etc/hostname", b"\xff\n"),
    text("boot/grub/grub.cfg", lambda r: b"linux /x root=/dev/sdz\xff\n"),
    text("etc/crypttab", b"\xff /dev/sdq\xff \xff\n")), "done")

# --- includes and nesting ---------------------------------------------------------

trap("interfaces source themselves", seq(
    text("etc/network/interfaces", lambda r: "source /etc/network/interfaces\n"
         "source-directory /etc/network/interfaces.d\nsource /*/*/*\n"),
    text("etc/network/interfaces.d/a", "source /etc/network/interfaces.d/*\n"
         "source ../interfaces\n")), "done")
trap("interfaces that source each other", seq(*[text(
    "etc/network/interfaces.d/i%d" % i, "source /etc/network/interfaces.d/*\n"
    "iface eth%d inet dhcp\n" % i) for i in range(300)]))
trap("a pattern of many stars", seq(
    text("etc/network/interfaces", lambda r: "source /etc/network/interfaces.d/" +
         "*a" * 100 + "b\n"),
    text("etc/network/interfaces.d/" + "a" * 200, "x\n")))
trap("a pattern of many directories", seq(
    text("etc/network/interfaces", lambda r: "source /x/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*\n"),
    *[text("x/" + "/".join("%d" % (i >> b & 1) for b in range(8)) + "/f", "")
      for i in range(256)]))
trap("interfaces of binary data", text("etc/network/interfaces", lambda r: bytes(
    (i * 7919 >> 3) & 255 for i in range(500000))))
trap("20,000 interfaces", text("etc/network/interfaces", lambda r: "".join(
    "auto e%d\niface e%d inet dhcp\n" % (i, i) for i in range(20000))))
trap("netplan, nested 100,000 deep", text(
    "etc/netplan/x.yaml", lambda r: "network: " + "{a: " * 100000 + "}" * 100000))
trap("netplan, indented 2,000 deep", text("etc/netplan/x.yaml", lambda r: "".join(
    " " * i + "a%d:\n" % i for i in range(2000))))
trap("netplan with aliases", text("etc/netplan/x.yaml", lambda r: "a: &a [x,x]\n" +
     "".join("b%d: &b%d [*%s,*%s]\n" % (i, i, p, p) for i, p in enumerate(
         ["a"] + ["b%d" % k for k in range(40)]))))
trap("network files of 7 MiB", seq(*[text(p, b"[x]\n" + os.urandom(1 << 20) +
                                          b"\n" + b"y" * (4 << 20))
                                     for p in (
    "etc/systemd/network/x.network", "etc/sysconfig/network-scripts/ifcfg-eth0",
    "etc/NetworkManager/system-connections/x.nmconnection")]), size=40 * MIB)
trap("20,000 keyfiles' sections", text(
    "etc/NetworkManager/system-connections/x.nmconnection", lambda r: "".join(
        "[connection]\ntype=ethernet\ninterface-name=e%d\n" % i
        for i in range(20000))))
trap("directories 400 deep", text(MODDIR + "/kernel/" + "d/" * 400 + "x.ko",
                                    module()), options=("-N", "4096"))

# --- initramfs --------------------------------------------------------------------

# A file of 256 MiB; so many of them are behind each other.
BOMB_BYTES = 256 * MIB
BOMB_ENTRY = cpio([("x", 0o100644, b"", {"size": BOMB_BYTES})], False)


def gzip_bomb(gib):
    c = zlib.compressobj(9, zlib.DEFLATED, -15)
    one = c.compress(BOMB_ENTRY)
    for _ in range(16):
        one += c.compress(bytes(BOMB_BYTES // 16))
    one += c.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\3" + one * (gib * 4)


def zstd_bomb(gib, name="x"):
    """Blocks of one byte, repeated: 4 bytes for 128 KiB."""
    entry = cpio([(name, 0o100644, b"", {"size": BOMB_BYTES})], False)
    entry = struct.pack("<I", len(entry) << 3)[:3] + entry
    zeros = struct.pack("<I", 131072 << 3 | 1 << 1)[:3] + b"\0"
    # A window of 128 MiB.
    return struct.pack("<IBB", 0xfd2fb528, 0, (27 - 10) << 3) + (
        entry + zeros * (BOMB_BYTES // 131072)) * (gib * 4)


def xz_bomb(gib, how):
    c = lzma.LZMACompressor(format=how, preset=0)
    out = b""
    for _ in range(gib * 4):
        out += c.compress(BOMB_ENTRY)
        for _ in range(16):
            out += c.compress(bytes(BOMB_BYTES // 16))
    return out + c.flush()


def lz4_bomb(gib):
    # Literals; and one, then a match at distance 1, five at the end.
    size, head = 8 * MIB, BOMB_ENTRY
    head = b"\xf0" + bytes([len(head) - 15]) + head
    n = size - 1 - 5 - 4 - 15
    zeros = b"\x1f\0\1\0" + b"\xff" * (n // 255) + bytes([n % 255]) + \
        b"\x50" + bytes(5)
    head, zeros = (struct.pack("<I", len(b)) + b for b in (head, zeros))
    return struct.pack("<I", 0x184c2102) + \
        (head + zeros * (BOMB_BYTES // size)) * (gib * 4)


def initrd(data):
    return text(INITRD, data)


def more(*entries):
    return initrd(lambda root: gzip.compress(cpio(
        initramfs_entries() + list(entries)), 1, mtime=0))


BIG = dict(size=32 * MIB)
trap("gzip bomb of 8 GiB", initrd(lambda r: gzip_bomb(8)), "refused",
     "GiB unpacked", full=True, seconds=60, **BIG)
trap("zstd bomb of 100 GiB", initrd(lambda r: zstd_bomb(100)), "refused",
     "GiB unpacked", **BIG)
trap("zstd window of 2 GiB", initrd(
    struct.pack("<IBB", 0xfd2fb528, 0, (31 - 10) << 3) +
    struct.pack("<I", 131072 << 3 | 3)[:3] + b"0"), "refused")
trap("lz4 bomb of 5 GiB", initrd(lambda r: lz4_bomb(5)), "refused",
     "GiB unpacked", full=True, **BIG)
trap("xz bomb of 5 GiB", initrd(lambda r: xz_bomb(5, lzma.FORMAT_XZ)),
     "refused", "GiB unpacked", full=True, seconds=60, **BIG)
trap("lzma bomb of 5 GiB", initrd(lambda r: xz_bomb(5, lzma.FORMAT_ALONE)),
     "refused", "GiB unpacked", full=True, seconds=60, **BIG)


def packed_blk(end, data):
    """virtio_blk, packed."""
    blk = MODDIR + "/kernel/drivers/block/virtio_blk.ko"
    return seq(gone(blk), text(blk + end, data))


trap("an xz module of 1 GiB", packed_blk(".xz", lambda r: xz_bomb(
    1, lzma.FORMAT_XZ)), "refused", "no usable virtio_blk", full=True)
trap("a gzip module of 4 GiB", packed_blk(".gz", lambda r: gzip_bomb(4)),
     "refused", "no usable virtio_blk", **BIG)
trap("a zstd module of 100 GiB", packed_blk(".zst", lambda r: zstd_bomb(100)),
     "refused", "no usable virtio_blk", **BIG)
trap("modules of 100 GiB in the initramfs", initrd(lambda r: zstd_bomb(
    100, "lib/modules/%s/x.ko" % VERSION)), "refused", full=True, **BIG)
trap("20 kernels with a zstd bomb", initrd(lambda r: zstd_bomb(100)),
     "refused", "all initramfs together", size=32 * MIB, post=lambda image: debugfs(image, *[
         c for i in range(20) for c in (
             "ln /%s /boot/vmlinuz-6.2.%d" % (VMLINUZ, i),
             "ln /%s /boot/initrd.img-6.2.%d" % (INITRD, i),
             "symlink /lib/modules/6.2.%d %s" % (i, VERSION))] + [
                 "sif /%s links_count 21" % f for f in (VMLINUZ, INITRD)]))
trap("cpio: a size beyond the end", more(
    ("x", 0o100644, b"", {"size": 1 << 30})), "refused")
trap("cpio: a name of 4 GiB", more(("x", 0o100644, b"",
                                    {"namesize": 0xffffffff})), "refused")
trap("cpio: a name of nothing", more(("x", 0o100644, b"", {"namesize": 0})),
     "refused")
trap("cpio: names out of the root", more(
    *[(n, 0o100644, module()) for n in (
        "../../../../SENTINEL", "/etc/passwd", "..", ".", "/",
        "lib/modules/%s/../../../../../../../tmp/x.ko" % VERSION,
        "lib/modules/%s/kernel/../../../../evil.ko" % VERSION,
        "/lib/modules/%s/abs.ko" % VERSION,
        "lib/modules/%s/./a/../b.ko" % VERSION)]), "done")
trap("cpio: links out of the root", seq(more(
    ("lib/modules/%s/up" % VERSION, 0o120777, b"../../../../../../../tmp"),
    ("lib/modules/%s/up/x.ko" % VERSION, 0o100644, module()),
    ("lib/modules/%s/y.ko" % VERSION, 0o120777, b"/etc/passwd"),
    ("lib/modules/%s/z.ko" % VERSION, 0o120777, b"z.ko"),
    ("conf/conf.d/x", 0o120777, b"/etc/shadow"),
    ("usr", 0o120777, b"/tmp"), ("usr/lib", 0o120777, b".."))))
for n, name in enumerate(NAMES):
    trap("cpio: a module named " + ascii(name[:12])[2:-1], more(
        ("lib/modules/%s/kernel/" % VERSION + os.fsdecode(name) + ".ko",
         0o100644, module())), full=n % 4 != 0)
trap("cpio: modules' directories named '..'", more(
    ("lib/modules/%s/..a" % VERSION, 0o40755, b""),
    ("lib/modules/%s/..a/x.ko" % VERSION, 0o100644, module())), "done")
trap("cpio: 400,000 entries", initrd(lambda r: gzip.compress(cpio(
    [("x%d" % i, 0o100644, b"") for i in range(400000)]), 1, mtime=0)),
     "refused", size=24 * MIB, full=True)
trap("cpio: 4,000 segments", initrd(lambda r: cpio([("x", 0o100644, b"")]) *
                                    4000), "refused")
trap("cpio: deep directories", more(*[("/".join(["d"] * i), 0o40755, b"")
                                      for i in range(1, 1000)]), "done")
trap("cpio: 5,000 modules", more(*[
    ("lib/modules/%s/kernel/m%d.ko" % (VERSION, i), 0o100644, module())
    for i in range(5000)]), size=24 * MIB, full=True)
trap("cpio: 300 old names to override", more(*[
    ("conf/conf.d/x%d" % i, 0o100644, b"ROOT=/dev/sda1\n")
    for i in range(300)]))
trap("an initramfs of random bytes", initrd(os.urandom(200000)), "refused")
trap("an initramfs cut short", initrd(tinyguest.initramfs()[:-500]), "refused")

# --- modules ----------------------------------------------------------------------


def needs(name, depends="", *info):
    return text("%s/kernel/%s.ko" % (MODDIR, name), module(depends, *info))


BLK = MODDIR + "/kernel/drivers/block/virtio_blk.ko"
trap("modules.dep with cycles", text(MODDIR + "/modules.dep", "".join(
    "kernel/drivers/virtio/%s.ko: kernel/drivers/virtio/%s.ko\n" % p for p in (
        ("virtio", "virtio_ring"), ("virtio_ring", "virtio"),
        ("virtio_pci", "virtio_pci")))), "any")
trap("modules that depend in a cycle", seq(text(BLK, module("a")),
                                           needs("a", "b"), needs("b", "a")))
trap("1,000 modules that depend on each other", seq(
    text(BLK, module("m0")), *[needs("m%d" % i, "m%d" % (i + 1))
                               for i in range(1000)]), options=("-N", "4096"))
trap("soft dependencies that double", seq(
    text(BLK, module("", "softdep=pre: f0 e0")), *[c for i in range(18) for c in (
        needs("f%d" % i, "g%d,nothing" % i), needs("e%d" % i, "g%d,nothing" % i),
        needs("g%d" % i, "", "softdep=pre: f%d e%d" % (i + 1, i + 1)))]))
trap("300 soft dependencies of 300", seq(
    text(BLK, module("", "softdep=pre: " + " ".join(
        "s%d" % i for i in range(300)))), *[needs("s%d" % i, "", "softdep=" +
        " ".join("s%d" % k for k in range(300))) for i in range(300)]),
     size=24 * MIB, options=("-N", "4096"))
trap("modules.dep of unknown paths", text(
    MODDIR + "/modules.dep", "".join("../../../../etc/x%d.ko: ../../../etc/y.ko"
                                     "\n" % i for i in range(50000)) +
    "kernel/drivers/block/virtio_blk.ko: ../../../../../../etc/passwd "
    "/etc/shadow\n"))


def lie(at, fmt, value):
    elf = bytearray(module("virtio,virtio_ring"))
    struct.pack_into(fmt, elf, at, value)
    return text(BLK, bytes(elf))


for name, at, fmt, value in (
        ("sections far away", 40, "<Q", 1 << 63), ("sections at -1", 40, "<Q",
                                                   (1 << 64) - 1),
        ("65,535 sections", 60, "<H", 65535), ("headers of 0", 58, "<H", 0),
        ("headers of 65,535", 58, "<H", 65535), ("no names", 62, "<H", 65535),
        ("big-endian", 5, "<B", 2), ("32 bits", 4, "<B", 1)):
    trap("a module with " + name, lie(at, fmt, value), "any")
trap("a module of 1 TiB of holes", kind(BLK, "huge"), "refused")
trap("depmod's search goes up", text("etc/depmod.d/x.conf",
                                     "search ../../../../etc /etc built-in\n"
                                     "external x /etc\n"), "any")

# --- boot loaders -----------------------------------------------------------------

ENV = "# GRUB Environment Block\nkernelopts=root=/dev/sda1 ro\n"
for size in (0, 60, 1023, 1025, 65536):
    trap("grubenv of %d bytes" % size, text("boot/grub/grubenv", ENV.ljust(
        size, "#")[:size]))
trap("grubenv with no room", text("boot/grub/grubenv", ENV.ljust(
    1020, "x") + "\n###"))
trap("grubenv of 1 TiB", kind("boot/grub/grubenv", "huge"))

# --- filesystems ------------------------------------------------------------------

trap("ext: a directory in itself", None, "any", post=lambda image: debugfs(
    image, "ln /boot /boot/loop", "ln / /boot/root", "ln /etc /etc/etc"))
trap("ext: two files on the same blocks", None, "refused",
     post=lambda image: debugfs(image, "copy_inode <12> <20>",
                                "copy_inode /etc/fstab /etc/hostname"))
trap("ext: a file on the inode table", None, "any", post=lambda image: debugfs(
    image, "sif /etc/fstab flags 0", "sif /etc/fstab block[0] 5",
    "sif /etc/fstab size 4096"))
trap("ext: a file of 1 TiB", None, "any", post=lambda image: debugfs(
    image, "sif /etc/fstab size 0x10000000000"))
trap("ext: fstab of size -1", None, "any", post=lambda image: debugfs(
    image, "sif /etc/fstab size 0xffffffffffffffff"))
trap("ext: fstab's extents lie", None, "any", post=lambda image: debugfs(
    image, "sif /etc/fstab block[3] 0xffffffff",
    "sif /etc/fstab block[5] 0xffffffff"))
trap("ext: a directory that is a file", None, "any",
     post=lambda image: debugfs(image, "sif /etc mode 0100644"))
trap("ext: a link of 1 TiB", link("etc/fstab", "x" * 70), "any",
     post=lambda image: debugfs(image,
                                "sif /etc/fstab size 0x10000000000"))
trap("ext: no free inodes", None, "any", post=lambda image: debugfs(
    image, "ssv free_inodes_count 0"))
trap("ext: blocks count lies", None, "any", post=lambda image: debugfs(
    image, "ssv blocks_count 0xffffffff"))


def two_roots(image):
    """Each says that the other is its /boot, /usr and /var."""
    starts = tinyguest.make_disk(image, [(0x83, 12 * MIB)] * 2)
    uuids = [tinyguest.UUID, tinyguest.UUID.replace("1", "2")]
    for i in range(2):
        root = "%s.tree%d" % (image, i)
        tinyguest.make_tree(root)
        tinyguest.put(root, "etc/fstab", "/dev/sda%d / ext4 x 0 1\n" % (i + 1) +
                      "".join("UUID=%s %s ext4 x 0 0\n" % (uuids[1 - i], p)
                              for p in ("/boot", "/usr", "/var", "/etc")))
        tinyguest.mke2fs(image, root, 12 * MIB, offset=starts[i],
                         uuid=uuids[i])
        subprocess.run(["rm", "-r", root], check=True)


trap("two roots that mount each other", make=two_roots)


# --- the ESP ----------------------------------------------------------------------

def esp(root):
    tinyguest.put(root, "EFI/debian/shimx64.efi", b"shim")
    tinyguest.put(root, "EFI/debian/grubx64.efi", b"grub")
    tinyguest.put(root, "EFI/debian/grub.cfg", GRUB)


def with_esp(*changes):
    return seq(text("etc/fstab", FSTAB + "/dev/sda2 /boot/efi vfat x 0 1\n"),
               text("boot/efi/x", ""), gone("boot/efi/x"),
               gone("boot/grub/i386-pc"), *changes)


def fat_patch(change):
    """'change' gets the ESP's bytes, where its FATs are and how long one is."""
    def do(image):
        start = 14 * MIB - MIB
        with open(image, "r+b") as f:
            f.seek(start)
            data = bytearray(f.read(2 * MIB))
            reserved, fats, length = struct.unpack_from("<H", data, 14)[0], \
                data[16], struct.unpack_from("<H", data, 22)[0]
            change(data, reserved * 512, length * 512)
            data[reserved * 512 + length * 512:
                 reserved * 512 + 2 * length * 512] = \
                data[reserved * 512:reserved * 512 + length * 512]
            f.seek(start)
            f.write(data)
    return do


def all_loops(data, at, length):
    """Each chain leads back to cluster 2 (FAT12)."""
    for i in range(at + 3, at + length - 3, 3):
        data[i:i + 3] = b"\x02\x20\x00"


trap("ESP: plain", with_esp(), "done", esp=esp, check=lambda r: expects(
    any("BOOTX64" in c.upper() for c in r.changed()), "no fallback loader"))
trap("ESP: loops in chains", with_esp(), esp=esp, post=fat_patch(all_loops))
trap("ESP: all clusters free", with_esp(), esp=esp, post=fat_patch(
    lambda d, at, n: d.__setitem__(slice(at + 3, at + n), bytes(n - 3))))
trap("ESP: a sector of 0 bytes", with_esp(), esp=esp, post=fat_patch(
    lambda d, at, n: d.__setitem__(slice(11, 13), b"\0\0")))
trap("ESP: a file of 4 GiB", with_esp(), esp=esp, post=fat_patch(
    lambda d, at, n: d.__setitem__(slice(d.find(b"GRUB    CFG") + 28, d.find(
        b"GRUB    CFG") + 32), b"\xff\xff\xff\xff")))
trap("ESP: names of other bytes", with_esp(), esp=esp, post=fat_patch(
    lambda d, at, n: d.__setitem__(slice(d.find(b"GRUB    CFG"), d.find(
        b"GRUB    CFG") + 8), b"\x1b[31m\n/.")))
trap("ESP: a directory in itself", with_esp(), esp=esp, post=fat_patch(
    lambda d, at, n: d.__setitem__(slice(d.find(b"SHIMX64 EFI") + 11, d.find(
        b"SHIMX64 EFI") + 12), b"\x10")))

# --- names of volumes -------------------------------------------------------------


def in_lvm(vg, lv):
    """The guest in an LV of that name."""
    def make(image):
        root = image + ".tree"
        tinyguest.make_tree(root)
        tinyguest.put(root, "etc/default/grub.d/x.cfg", GRUB)
        tinyguest.mke2fs(image + ".lv", root, 12 * MIB)
        subprocess.run(["rm", "-r", root], check=True)
        start = tinyguest.make_disk(image, [(0x8e, 16 * MIB)])[0]
        layout = {"vg": vg, "extent_bytes": 4 * MIB, "pvs": [
            {"disk": image, "start": start, "extents": 3}],
            "lvs": [{"name": lv, "image": image + ".lv", "segments": [
                {"count": 3, "stripe_bytes": 0, "areas": [[0, 0]]}]}]}
        import json
        with open(image + ".json", "w") as f:
            json.dump(layout, f)
        tinyguest.run("python3", os.path.join(os.path.dirname(os.path.abspath(
            __file__)), "lvm-image.py"), "make", image + ".json")
        os.unlink(image + ".json")
        os.unlink(image + ".lv")
    return make


trap("LVM: plain", make=in_lvm("vg", "root"), want="done")
for vg, lv in (("..", ".."), ("..", "../.."), ("vg", "../../../../x"),
               (".", "."), ("vg", ".."), ("/", "x"), ("-vg", "-lv"),
               ("a/b", "c")):
    trap("LVM: named %s/%s" % (vg, lv), make=in_lvm(vg, lv))

if __name__ == "__main__":
    sys.exit(hostile.main(__doc__))
