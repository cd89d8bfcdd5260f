#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VLAN device for kernels without 802.1Q.

    vlan-relay.py PORT ID NAME

makes the TAP device NAME, takes the tag ID off frames that come in at the
device PORT and hands them to NAME, and puts it on those that go out.
"""
import fcntl
import os
import select
import socket
import struct
import sys

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 2, 0x1000, 0x4000
SOL_PACKET, PACKET_AUXDATA, PACKET_VNET_HDR = 263, 8, 15
# Before each frame: what of it is left for hardware to do (checksums, cutting
# into segments).  What comes from a virtual machine is often left so.
HDR = struct.Struct("=BBHHHH")
ETH_P_ALL = 3
VLAN_VALID = 1 << 4


def tag_of(message, control):
    """(VLAN or None, message without tag): the kernel may have taken it off."""
    for level, kind, data in control:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, _, _, _, _, tci, _ = struct.unpack("=IIIHHHH", data[:20])
            if status & VLAN_VALID:
                return tci & 0xFFF, message
    head, frame = HDR.unpack(message[:HDR.size]), message[HDR.size:]
    if frame[12:14] != b"\x81\x00":
        return None, message
    flags, gso, length, size, start, offset = head
    if flags & 1:
        start -= 4
    return struct.unpack("!H", frame[14:16])[0] & 0xFFF, \
        HDR.pack(flags, gso, max(0, length - 4), size, start, offset) + \
        frame[:12] + frame[16:]


def main():
    port, vlan, name = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(),
                                            IFF_TAP | IFF_NO_PI |
                                            IFF_VNET_HDR))
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                         socket.htons(ETH_P_ALL))
    wire.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    wire.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    wire.bind((port, ETH_P_ALL))
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([tap, wire], [], [])
        if wire in ready:
            message, control, _, source = wire.recvmsg(70000, 256)
            if source[2] != socket.PACKET_OUTGOING:
                tag, plain = tag_of(message, control)
                if tag == vlan:
                    try:
                        os.write(tap, plain)
                    except OSError:
                        pass    # the device is not up yet
        if tap in ready:
            # The kernel leaves nothing undone for a TAP that asks for nothing.
            frame = os.read(tap, 70000)[HDR.size:]
            wire.send(bytes(HDR.size) + frame[:12] +
                      struct.pack("!HH", 0x8100, vlan) + frame[12:])


main()
