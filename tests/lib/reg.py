#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""reg.py HIVE: all its values, one a line, KEY NAME TYPE VALUE with tabs
between, as hivexregedit reads them; "(key)" for a key alone."""
import re
import subprocess
import sys


def decode(kind, data):
    if kind in (1, 2, 7):
        text = data.decode("utf-16le", "replace").rstrip("\0")
        return text.replace("\0", ",")
    return data.hex()


def value(text):
    if text.startswith("dword:"):
        return "dword", text[6:]
    m = re.match(r"hex(?:\(([0-9a-f]+)\))?:(.*)", text)
    kind = int(m.group(1) or "3", 16)
    data = bytes.fromhex(m.group(2).replace(",", ""))
    names = {1: "sz", 2: "expand", 3: "binary", 7: "multi"}
    return names.get(kind, "type%d" % kind), decode(kind, data)


def main():
    out = subprocess.run(["hivexregedit", "--export", sys.argv[1], "\\"],
                         check=True, stdout=subprocess.PIPE).stdout.decode()
    key = ""
    lines = []
    for line in out.splitlines():
        if line.startswith("[") and line.endswith("]"):
            key = line[1:-1].lstrip("\\")
            lines.append("%s\t(key)" % key)
            continue
        m = re.match(r'(@|"(?:[^"\\]|\\.)*")=(.*)', line)
        if m:
            name = "@" if m.group(1) == "@" else m.group(1)[1:-1].replace(
                "\\\\", "\\")
            lines.append("\t".join((key, name) + value(m.group(2))))
    print("\n".join(sorted(lines)))


if __name__ == "__main__":
    main()
