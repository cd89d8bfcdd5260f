# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of Windows that are none: headers and a section with a text."""
import struct

MACHINES = {"x86": 0x14C, "amd64": 0x8664, "ARM64": 0xAA64}


def pe(arch, version, marker):
    """A driver as a linker leaves it, for VERSION (major, minor) of Windows."""
    major, minor = version
    machine = MACHINES[arch]
    wide = arch != "x86"
    text = marker.encode() + b"\0" * (512 - len(marker))
    optional = struct.pack("<HBBIIIII", 0x20B if wide else 0x10B, 14, 0, 512,
                           0, 0, 0x1000, 0x1000)
    if not wide:
        optional += struct.pack("<I", 0x2000)
    optional += struct.pack("<Q" if wide else "<I", 0x10000)
    optional += struct.pack("<II6HIIIIHH", 0x1000, 512, major, minor, 0, 0,
                            major, minor, 0, 0x2000, 512, 0, 1, 0)
    optional += struct.pack("<4Q" if wide else "<4I", 0x40000, 0x1000,
                            0x100000, 0x1000)
    optional += struct.pack("<II", 0, 16) + b"\0" * 128
    coff = struct.pack("<HHIIIHH", machine, 1, 0x60000000, 0, 0,
                       len(optional), 0x22 if wide else 0x102)
    section = b".text\0\0\0" + struct.pack("<IIIIIIHHI", 512, 0x1000, 512,
                                            512, 0, 0, 0, 0, 0x68000020)
    dos = b"MZ" + b"\0" * 58 + struct.pack("<I", 0x40)
    head = dos + b"PE\0\0" + coff + optional + section
    return head + b"\0" * (512 - len(head)) + text
