#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
#
# make-uki.py VERSION ARGUMENTS INITRAMFS FILE: a unified kernel image after its
# specification: a PE file with the sections .uname, .cmdline, .initrd, .linux.
import struct, sys

version, arguments, initrd, out = sys.argv[1:]
sections = [(b".osrel", b"ID=test\n"), (b".uname", version.encode()),
            (b".cmdline", arguments.encode() + b"\0"),
            (b".initrd", open(initrd, "rb").read()), (b".linux", b"kernel")]
head = bytearray(b"MZ".ljust(0x3c, b"\0") + struct.pack("<I", 0x40))
head += b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, len(sections), 0, 0, 0,
                                 240, 0x22)
head += struct.pack("<H", 0x20b).ljust(240, b"\0")
at, body = 4096, b""
for name, data in sections:
    stored = (len(data) + 511) & ~511
    head += name.ljust(8, b"\0") + struct.pack(
        "<IIIIIIHHI", len(data), 0x10000 + at, stored, at, 0, 0, 0, 0,
        0x40000040)
    body += data.ljust(stored, b"\0")
    at += stored
open(out, "wb").write(bytes(head).ljust(4096, b"\0") + body)
