#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Be the terminal at the other end of a serial line.

    serial-terminal.py SOCKET     what is typed goes there, what comes is shown
"""
import os
import select
import socket
import sys
import tty

line = socket.socket(socket.AF_UNIX)
line.connect(sys.argv[1])
tty.setraw(0)
while True:
    ready, _, _ = select.select([0, line], [], [])
    if line in ready:
        data = line.recv(65536)
        if not data:
            break
        os.write(1, data)
    if 0 in ready:
        data = os.read(0, 4096)
        if not data:
            break
        line.sendall(data)
