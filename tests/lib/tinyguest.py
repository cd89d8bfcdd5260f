# SPDX-License-Identifier: GPL-3.0-or-later
"""
Tiny Linux guests for tests of the injection: a tree of some dozen files that
has all that is read and edited (os-release, fstab, interfaces, GRUB, a kernel
with modules, an initramfs of initramfs-tools' shape), and a disk around it.
Kernel modules are ELF files with nothing but .modinfo, which is all that
depmod and we read.  To be imported.
"""
import gzip
import os
import shutil
import struct
import subprocess

MIB = 1 << 20
VERSION = "6.1.0-1-tiny"
UUID = "11111111-2222-3333-4444-555555555555"
ESP_ID = "ABCD1234"
MODULES = {  # name: (place, depends)
    "virtio": ("drivers/virtio", "virtio_ring"),
    "virtio_ring": ("drivers/virtio", ""),
    "virtio_pci": ("drivers/virtio", "virtio,virtio_ring"),
    "virtio_blk": ("drivers/block", "virtio,virtio_ring"),
    "virtio_scsi": ("drivers/scsi", "virtio,virtio_ring"),
    "virtio_net": ("drivers/net", "virtio,net_failover"),
    "net_failover": ("drivers/net", "failover"),
    "failover": ("net/core", ""),
    "sd_mod": ("drivers/scsi", ""),
    "ahci": ("drivers/ata", ""),
}


def run(*argv, **more):
    r = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       **more)
    if r.returncode != 0:
        raise SystemExit("%s: %s" % (" ".join(map(str, argv)),
                                     r.stdout.decode(errors="replace")))
    return r.stdout


def elf(*info):
    """A module whose .modinfo holds these texts."""
    body = b"".join(i.encode() + b"\0" for i in info)
    names = b"\0.modinfo\0.shstrtab\0"
    table = 64 + len(body) + len(names) + 7 & ~7
    head = struct.pack("<4s5B7xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 0, 1,
                       62, 1, 0, 0, table, 0, 64, 0, 0, 64, 3, 2)
    sections = [(0, 0, 0, 0), (1, 1, 64, len(body)),
                (10, 3, 64 + len(body), len(names))]
    rows = b"".join(struct.pack("<IIQQQQIIQQ", n, t, 0, 0, at, size, 0, 0, 1,
                                0) for n, t, at, size in sections)
    return (head + body + names).ljust(table, b"\0") + rows


def module(depends="", *more):
    return elf("license=GPL", "depends=" + depends, *more,
               "vermagic=%s SMP mod_unload" % VERSION)


def put(root, path, data=b"", mode=0o644):
    full = os.path.join(os.fsencode(root), os.fsencode(path))
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "wb") as f:
        f.write(data.encode() if isinstance(data, str) else data)
    os.chmod(full, mode)
    return full


def put_modules(root, names, top="lib/modules"):
    for name in names:
        place, depends = MODULES[name]
        put(root, "%s/%s/kernel/%s/%s.ko" % (top, VERSION, place, name),
            module(depends))


def cpio(entries, trailer=True):
    """entries: (name, mode, data) or (name, mode, data, {field: value})"""
    out = bytearray()
    if trailer:
        entries = list(entries) + [("TRAILER!!!", 0, b"")]
    for i, (name, mode, data, *lies) in enumerate(entries):
        name = os.fsencode(name) + b"\0"
        f = dict(ino=i + 1, mode=mode, uid=0, gid=0, nlink=1, mtime=0,
                 size=len(data), major=0, minor=0, rmajor=0, rminor=0,
                 namesize=len(name), check=0)
        f.update(lies[0] if lies else {})
        out += b"070701" + b"".join(b"%08X" % v for v in f.values()) + name
        out += bytes(-len(out) & 3) + data
        out += bytes(-len(out) & 3)
    return bytes(out)


def initramfs_entries():
    """Of initramfs-tools' shape, with ahci and without virtio."""
    d, top = 0o40755, "lib/modules/" + VERSION
    e = [(n, d, b"") for n in ("conf", "conf/conf.d", "scripts", "etc", "lib",
                               "lib/modules", top, top + "/kernel",
                               top + "/kernel/drivers",
                               top + "/kernel/drivers/ata")]
    return e + [
        ("scripts/functions", 0o100644, b""),
        ("conf/initramfs.conf", 0o100644, b""),
        ("conf/modules", 0o100644, b"ext4\n"),
        ("conf/conf.d/resume", 0o100644, b"RESUME=/dev/sda1\n"),
        (top + "/modules.dep", 0o100644, b"kernel/drivers/ata/ahci.ko:\n"),
        (top + "/modules.order", 0o100644, b""),
        (top + "/modules.builtin", 0o100644, b""),
        (top + "/kernel/drivers/ata/ahci.ko", 0o100644, module())]


def initramfs():
    return gzip.compress(cpio(initramfs_entries()), 6, mtime=0)


def make_tree(root):
    os.makedirs(root)
    put(root, "etc/os-release", 'ID=debian\nVERSION_ID="12"\n'
        'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n')
    put(root, "etc/debian_version", "12.5\n")
    put(root, "etc/hostname", "tiny\n")
    put(root, "etc/fstab", "/dev/sda1 / ext4 errors=remount-ro 0 1\n")
    put(root, "etc/network/interfaces", "auto lo\niface lo inet loopback\n"
        "source /etc/network/interfaces.d/*\n"
        "auto enp0s5\niface enp0s5 inet dhcp\n")
    os.makedirs(os.path.join(root, "etc/network/interfaces.d"))
    os.makedirs(os.path.join(root, "etc/systemd/network"))
    put(root, "etc/default/grub", "GRUB_TIMEOUT=5\n"
        'GRUB_CMDLINE_LINUX="root=/dev/sda1"\n')
    put(root, "etc/initramfs-tools/initramfs.conf", "MODULES=most\n")
    put(root, "boot/grub/grub.cfg", "menuentry x {\n  linux /boot/vmlinuz-%s "
        "root=/dev/sda1 ro\n  initrd /boot/initrd.img-%s\n}\n" % (VERSION,
                                                                 VERSION))
    put(root, "boot/grub/i386-pc/normal.mod", b"x")
    put(root, "boot/vmlinuz-" + VERSION, b"kernel\n")
    put(root, "boot/initrd.img-" + VERSION, initramfs())
    put(root, "usr/lib/systemd/systemd", elf(), 0o755)
    put(root, "usr/lib/systemd/libsystemd-shared-252.so", b"")
    put(root, "usr/sbin/update-initramfs", b"#!/bin/sh\n", 0o755)
    put(root, "bin/sh", elf(), 0o755)
    put(root, "var/lib/dpkg/status", "Package: base\n")
    put_modules(root, MODULES)
    top = "lib/modules/%s/" % VERSION
    put(root, top + "modules.builtin", "")
    put(root, top + "modules.order", "")
    put(root, top + "modules.dep", "".join(
        "kernel/%s/%s.ko:%s\n" % (place, name, "".join(
            " kernel/%s/%s.ko" % (MODULES[d][0], d)
            for d in depends.split(",") if d))
        for name, (place, depends) in MODULES.items()))


def mke2fs(out, root, size, *options, offset=0, uuid=UUID):
    run("mke2fs", "-q", "-F", "-t", "ext4", "-U", uuid, "-J", "size=1", "-E",
        "root_owner=0:0,hash_seed=%s,offset=%d" % (uuid, offset), "-N",
        "1024", *options, "-d", root, out, str(size // 1024) + "k")


def make_esp(out, tree, size=2 * MIB):
    with open(out, "wb") as f:
        f.truncate(size)
    run("mkfs.vfat", "-i", ESP_ID, "--invariant", out)
    if os.listdir(tree):
        run("mcopy", "-s", "-Q", "-i", out, *[os.path.join(tree, n) for n in
                                              sorted(os.listdir(tree))],
            "::/", env=dict(os.environ, MTOOLS_SKIP_CHECK="1"))


def mbr(rows):
    """rows: (type, first byte, bytes)"""
    table = b"".join(struct.pack("<B3sB3sII", 0, b"\0\2\0", kind, b"\xff" * 3,
                                 start // 512, size // 512)
                     for kind, start, size in rows)
    return (b"\0" * 440 + b"TINY\0\0" + table).ljust(510, b"\0") + b"\x55\xaa"


def make_disk(out, sizes):
    """sizes: (type, bytes) of partitions; gives where they start."""
    at, rows = MIB, []
    for kind, size in sizes:
        rows.append((kind, at, size))
        at += size + -size % MIB
    with open(out, "wb") as f:
        f.truncate(at)
        f.write(mbr(rows))
    return [start for _, start, _ in rows]


def place(out, part, start):
    """A file into a disk; it is taken."""
    run("dd", "if=" + part, "of=" + out, "bs=64k", "oflag=seek_bytes",
        "seek=%d" % start, "conv=notrunc,sparse", "status=none")
    os.unlink(part)


def make_guest(out, size=12 * MIB, change=None, esp=None, options=()):
    """A disk with one guest; 'change' may do what it likes to the tree."""
    root = out + ".tree"
    shutil.rmtree(root, ignore_errors=True)
    make_tree(root)
    if change is not None:
        change(root)
    starts = make_disk(out, [(0x83, size)] + ([(0xef, 2 * MIB)] if esp
                                              else []))
    mke2fs(out, root, size, *options, offset=starts[0])
    if esp is not None:
        make_esp(out + ".esp", esp)
        place(out, out + ".esp", starts[1])
    shutil.rmtree(root)
