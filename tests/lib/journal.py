#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a job's journal by docs/journal.md, without the program's code.

    journal.py FILE           prints "DURABLE STAGE": durable units, last stage
    journal.py FILE units     prints "DISK UNIT" of each durable unit
    journal.py FILE pin KEY   prints a member of the pins as JSON
"""
import json
import struct
import sys


def crc32c_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = (n >> 1) ^ 0x82F63B78 if n & 1 else n >> 1
        table.append(n)
    return table


TABLE = crc32c_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for b in data:
        crc = TABLE[(crc ^ b) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def read(path):
    with open(path, "rb") as f:
        data = f.read()
    if data[:8] != b"FYJRNL1\n" or len(data) < 32:
        raise SystemExit("no journal")
    version, pins_len, disks, body_crc, _, head_crc = struct.unpack_from(
        "<IIIIII", data, 8)
    if version != 1 or crc32c(data[:28]) != head_crc:
        raise SystemExit("a damaged header")
    end = 32 + 8 * disks + pins_len
    if crc32c(data[32:end]) != body_crc:
        raise SystemExit("damaged pins")
    pins = json.loads(data[32 + 8 * disks:end])
    durable, stage, number = set(), "", 0
    at = (end + 63) // 64 * 64
    while at + 64 <= len(data):
        r = data[at:at + 64]
        count, = struct.unpack_from("<I", r, 48)
        crc, = struct.unpack_from("<I", r, 60)
        if count != number or crc != crc32c(r[:60]):
            break
        kind, disk, unit = r[0], *struct.unpack_from("<HxxxxQ", r, 2)
        if kind == 1:
            durable.add((disk, unit))
        elif kind == 2:
            durable.discard((disk, unit))
        elif kind == 3:
            stage = r[32:48].rstrip(b"\0").decode()
        else:
            break
        at += 64
        number += 1
    return pins, durable, stage


def main():
    pins, durable, stage = read(sys.argv[1])
    if sys.argv[2:] == ["units"]:
        for disk, unit in sorted(durable):
            print(disk, unit)
    elif sys.argv[2:3] == ["pin"]:
        print(json.dumps(pins.get(sys.argv[3])))
    else:
        print(len(durable), stage or "-")


main()
