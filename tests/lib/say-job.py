#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Offer a job to a server, and show what it answers.

    say-job.py [KEY=JSON]... -- COMMAND...

starts COMMAND (`v2v-server serve ...`, or ssh to one), says HELLO and a JOB
whose members are changed by KEY=JSON, prints one line "TYPE payload" for each
frame that comes before READY or ERROR, and ends with the command's exit status
after ERROR, else with 0, leaving the job.  By docs/protocol.md, without the
program's code.
"""
import json
import struct
import subprocess
import sys

TABLE = []
for n in range(256):
    for _ in range(8):
        n = (n >> 1) ^ (0x82F63B78 if n & 1 else 0)
    TABLE.append(n)
NAMES = {2: "WELCOME", 4: "READY", 13: "LOG", 15: "ERROR", 16: "BEAT"}


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def frame(kind, payload):
    head = b"FYW1" + struct.pack("<BBHIIQI", kind, 0, 0, len(payload), 0, 0,
                                 crc32c(payload) if payload else 0)
    return head + struct.pack("<I", crc32c(head)) + payload


def main():
    cut = sys.argv.index("--")
    job = {
        "action": "convert", "name": "vm", "to": ".", "format": "raw",
        "inject": False,
        "disks": [{"path": "/dev/sda", "size_bytes": 1 << 20,
                   "used_bytes": 4096, "map_digest": "0" * 32}],
    }
    for word in sys.argv[1:cut]:
        key, _, value = word.partition("=")
        job[key] = json.loads(value)
    p = subprocess.Popen(sys.argv[cut + 1:], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
    hello = {"protocol": 1, "program": "say-job", "version": "0"}
    try:
        p.stdin.write(frame(1, json.dumps(hello).encode()))
        p.stdin.write(frame(3, json.dumps(job).encode()))
        p.stdin.flush()
    except BrokenPipeError:
        pass
    kind = 0
    while kind not in (4, 15):
        head = p.stdout.read(32)
        if len(head) < 32:
            break
        if head[:4] != b"FYW1" or \
                crc32c(head[:28]) != struct.unpack("<I", head[28:])[0]:
            sys.exit(f"no frame: {head!r}")
        kind = head[4]
        payload = p.stdout.read(struct.unpack("<I", head[8:12])[0])
        print(NAMES.get(kind, kind), payload.decode(), flush=True)
    p.stdin.close()
    status = p.wait()
    sys.exit(0 if kind == 4 else status)


main()
