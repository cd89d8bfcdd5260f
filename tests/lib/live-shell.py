# SPDX-License-Identifier: GPL-3.0-or-later
"""live-shell.py SOCKET SECONDS COMMAND: run it in the root shell that listens on
a serial line (kernel argument ironferry.shell=ttyS1); its output and status."""
import base64
import re
import socket
import sys
import time

path, seconds, command = sys.argv[1], float(sys.argv[2]), sys.argv[3]
end = time.monotonic() + seconds
sock = socket.socket(socket.AF_UNIX)
sock.connect(path)
sock.settimeout(1)


def read_until(pattern, seen=b""):
    again = time.monotonic() + 5
    while True:
        m = re.search(pattern, seen, re.S)
        if m:
            return m
        if time.monotonic() > end:
            sys.stderr.write(seen.decode("utf-8", "replace"))
            sys.exit("live-shell: no answer")
        try:
            data = sock.recv(4096)
            if not data:
                sys.exit("live-shell: the line is closed")
            seen += data
        except socket.timeout:
            if pattern == READY and time.monotonic() > again:
                sock.sendall(HELLO)
                again = time.monotonic() + 5


# No echo, no prompt, no editing; the answer differs from what was typed.
HELLO = (b"\rstty -echo; export SYSTEMD_PAGER= PAGER=cat; "
         b"bind 'set enable-bracketed-paste off' 2>/dev/null; "
         b"PS1= PS2= ; echo FY-READ''Y\r")
READY = rb"FY-READY\r?\n"
sock.sendall(HELLO)
read_until(READY)
# What the line's editor says behind it may come in pieces: none of it is the
# answer.
quiet = time.monotonic() + 0.5
sock.settimeout(0.1)
while time.monotonic() < quiet:
    try:
        if not sock.recv(4096):
            sys.exit("live-shell: the line is closed")
    except socket.timeout:
        pass
sock.settimeout(1)
# Encoded, in pieces: the line's editor has ideas about tabs, and a serial line
# has no room for much at once.
code = base64.b64encode(command.encode()).decode()
line = f"echo {code} | base64 -d | bash 2>&1; echo \"FY-EN\"D ${{PIPESTATUS[2]}}\r"
for i in range(0, len(line), 64):
    sock.sendall(line[i:i + 64].encode())
    time.sleep(0.05)
m = read_until(rb"^(.*?)FY-END (\d+)\r?\n")
out = m.group(1).replace(b"\r\n", b"\n")
# What an impatient hello left.
out = re.sub(rb"FY-READY\n", b"", out)
# The line's editor switches a mode of the terminal on and off, with a line end.
out = re.sub(rb"\x1b\[\?2004(h|l\r?\n?)", b"", out)
sys.stdout.buffer.write(out)
sys.exit(int(m.group(2)))
