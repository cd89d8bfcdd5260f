#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""btrfs-seed.py IMAGE [IMAGE2] >SEED: an input of partclone/fuzz-btrfs.c out of
Btrfs images of 128 MiB with nodes of 4096 bytes: the first superblock, and the
tree blocks of the trees that are read."""
import struct
import sys


def main(paths):
    out = sys.stdout.buffer
    for device, path in enumerate(paths):
        image = open(path, "rb").read()
        if len(image) > 128 << 20:
            sys.exit("longer than 128 MiB")
        fsid = image[65536 + 0x20:65536 + 0x30]
        for n in range(len(image) // 4096):
            block = image[n * 4096:n * 4096 + 4096]
            owner, = struct.unpack_from("<Q", block, 88)
            if n == 16 or (n > 255 and block[32:48] == fsid and
                           owner in (1, 2, 3, 4, 11)):
                out.write(struct.pack("<H", n | device << 15) + block)


main(sys.argv[1:])
