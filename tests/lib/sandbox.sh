# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# An attacker in the place of what reads the disks (sandbox-probe.c), and what it
# aims at: files in $T/d, a listener.  After common.sh; $TMPDIR and $HOME are
# directories of our own from here on.

cc -shared -fPIC -o "$T/probe.so" "$FY_TOP/tests/lib/sandbox-probe.c" -ldl ||
	fail "sandbox-probe.c does not compile"

mkdir "$T/tmp" "$T/home" "$T/d"
echo secret >"$T/d/secret"
printf '#!/bin/sh\n: >%q\n' "$T/d/ran" >"$T/d/program"
chmod 755 "$T/d/program"
export TMPDIR=$T/tmp HOME=$T/home FY_PROBE_DIR=$T/d

# A listener that notes who comes.
python3 - "$T/port" "$T/came" <<'PY' &
import socket, sys
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen()
with open(sys.argv[1] + ".new", "w") as f:
    f.write(str(s.getsockname()[1]))
import os
os.rename(sys.argv[1] + ".new", sys.argv[1])
while True:
    s.accept()[0].close()
    open(sys.argv[2], "w").close()
PY
own_pid $!
wait_for 20 test -e "$T/port" || fail "no listener"
FY_PROBE_PORT=$(cat "$T/port")
export FY_PROBE_PORT

# with_probe WHAT COMMAND...
with_probe() {
	FY_PROBE=$1 LD_PRELOAD=$T/probe.so "${@:2}" 2>"$T/err"
}

# check_refused WHERE [STATUS]: all was tried, and refused.  STATUS is what comes of
# a signal to the parent, which with libguestfs's appliance is let through.
check_refused() {
	local name want
	for name in shadow:13 home:13 read:13 write:13 image:13 create:13 \
		undo-log:13 connect:1 program:13 trace:1 limit:1 \
		"parent:${2:-1}"; do
		want=${name#*:}
		name=${name%:*}
		grep -qE "(^|: )probe: $name $want\$" "$T/err" ||
			fail "$1: $name: $(grep "probe: $name " "$T/err" ||
				cat "$T/err")"
	done
	[ ! -e "$T/came" ] || fail "$1: it connected"
	[ ! -e "$T/d/ran" ] || fail "$1: it ran a program"
	[ ! -e "$T/d/planted" ] || fail "$1: it made a file"
	[ "$(cat "$T/d/secret")" = secret ] || fail "$1: it wrote a file"
}

check_nothing_left() {
	[ -z "$(ls -A "$T/tmp")" ] || fail "$1: left in TMPDIR: $(ls -A "$T/tmp")"
	! grep -qF "$T/tmp" /proc/mounts || fail "$1: a mount was left"
}
