#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The dialog in a terminal of 80x24, driven by keys from first screen to a
# finished conversion: a server that isn't there, an unknown host key (refused,
# then trusted), a wrong password, a job that is cancelled and resumed.  Then
# on a terminal without UTF-8.
#
# The private sshd runs in a mount namespace of its own, where passwd and
# shadow have one more user; nothing of that is seen outside.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
. "$(dirname "$0")/../lib/terminal.sh"
. "$(dirname "$0")/../lib/disk.sh"
requires_root
requires tmux dialog qemu-img mke2fs sfdisk openssl jq unshare python3
requires_built p2v-client v2v-server used-blocks
unshare -m true 2>/dev/null || skip "mount namespaces cannot be made here"

DISK=$T/disk.img
PASSWORD='right, and with spaces'

# start ENV... -- ARGS...: the dialog in a fresh terminal; its exit status
# goes to $T/status.
start() {
	local env=()
	while [ "$1" != -- ]; do
		env+=("$1")
		shift
	done
	shift
	rm -f "$T/status"
	{
		printf '%q ' env "HOME=$T/home" "${env[@]}" \
			"$FY_BUILD/p2v-client" --disk "$DISK" \
			--known-hosts "$T/known" "$@"
		printf '\necho $? >%q\nsleep 300\n' "$T/status"
	} >"$T/run"
	terminal_start "$T/run"
}

ended() {
	[ -s "$T/status" ]
}

must_end() {
	wait_for 20 ended || { screen >&2; fail "the dialog did not end"; }
	[ "$(cat "$T/status")" = "$1" ] ||
		fail "exit status $(cat "$T/status"), not $1"
}

start_server() {
	local hash
	hash=$(openssl passwd -6 "$PASSWORD")
	cp /etc/passwd "$T/passwd"
	cp /etc/shadow "$T/shadow"
	chmod 600 "$T/shadow"
	mkdir "$T/vms"
	echo "ferry:x:0:0::$T/home:/bin/bash" >>"$T/passwd"
	echo "ferry:$hash:19000:0:99999:7:::" >>"$T/shadow"
	cat >"$T/namespace" <<-NS
	mount --make-rprivate /
	mount --bind "$T/passwd" /etc/passwd
	mount --bind "$T/shadow" /etc/shadow
	exec "\$@"
	NS
	sshd_start --no-command --in "unshare -m bash $T/namespace" \
		--config 'PubkeyAuthentication no' \
		--config 'PasswordAuthentication yes' \
		--config 'UsePAM no' \
		--config "ForceCommand $FY_BUILD/v2v-server serve --root $T/vms"
}

# The used extents of the disk have the same bytes in the image.
compare() {
	qemu-img convert -O raw "$1" "$T/out.img"
	"$FY_BUILD/used-blocks" map "$DISK" --json >"$T/map.json"
	python3 - "$DISK" "$T/out.img" "$T/map.json" <<-'PY'
	import json, sys
	a, b = open(sys.argv[1], "rb"), open(sys.argv[2], "rb")
	extents = json.load(open(sys.argv[3]))["extents"]
	assert sum(n for _, n in extents) > 40 << 20
	for offset, length in extents:
	    a.seek(offset)
	    b.seek(offset)
	    assert a.read(length) == b.read(length), offset
	PY
}


mkdir -p "$T/home/.ssh"
debian_disk "$DISK" dialog-guest 40M 128
start_server

say "--- the server, the host key, the password"
start LC_ALL=C.UTF-8 TERM=screen -- --no-inject --limit-rate 6M
see 'Conversion server'
keys -l "ferry@127.0.0.1:1"
keys Enter
see 'No connection'
see '127.0.0.1' 5
keys Enter
see 'Conversion server'
type_over "ferry@127.0.0.1:$SSHD_PORT"
keys Enter
see 'Unknown host key'
# Base64 has a plus, which means something else in a pattern.
see "${SSHD_FINGERPRINT//+/.}" 5
keys Enter
see 'No connection'
[ ! -s "$T/known" ] || fail "a refused key was remembered"
keys Enter
see 'Conversion server'
keys Enter
see 'Unknown host key'
keys Left Enter
see 'Password of ferry'
keys -l 'wrong'
keys Enter
see 'did not take it'
keys -l "$PASSWORD"
sleep 0.5
shows 'right, and' && fail "the password is shown"
keys Enter

say "--- disks and shape"
see 'Choose the disks'
see 'disk.img.*134.2 MB.*used' 5
see 'Debian 12 of a test' 5
keys Enter
see 'Directory on the server'
see 'dialog-guest' 5
type_over 'no/such name'
keys Enter
see 'OK'
keys Enter
see 'Directory on the server'
keys Enter
see 'In which format'
keys Enter
see 'Start\?'
see "ferry@127.0.0.1:$SSHD_PORT" 5

say "--- the gauge; cancelled, then resumed"
keys Enter
see 'Done +[0-9.]+ MB of [0-9.]+ MB'
see 'Rate +[1-9][0-9.]* [kM]?B'
see 'Time left +[0-9]+:[0-9]+'
keys Escape
see 'Cancel the conversion'
keys Left Enter
see 'Cancelled' 40
[ -d "$T/vms/dialog-guest.partial" ] || fail "nothing to resume"
keys Enter
see 'Files on ferry@127.0.0.1' 90
see 'virsh define /' 5
see 'dialog-guest.qcow2' 5
keys Enter
must_end 0
[ -s "$T/vms/dialog-guest.xml" ] || fail "no definition"
[ ! -e "$T/vms/dialog-guest.partial" ] || fail "a leftover"
compare "$T/vms/dialog-guest.qcow2"

say "--- again: the key is known; the result is there already"
start LC_ALL=C.UTF-8 TERM=screen -- --no-inject \
	--server "ferry@127.0.0.1:$SSHD_PORT"
see 'Conversion server'
keys Enter
see 'Password of ferry'
keys -l "$PASSWORD"
keys Enter
see 'Choose the disks'
keys Enter
see 'Directory on the server'
keys Enter
see 'In which format'
keys Enter
see 'Start\?'
keys Enter
see 'overwrite'
keys Enter
see 'Files on ferry' 60
keys Enter
must_end 0
compare "$T/vms/dialog-guest.qcow2"

say "--- a terminal without UTF-8, lines or colours"
start LC_ALL=C TERM=vt100 --
see 'Conversion server'
screen | LC_ALL=C grep -q '[^ -~]' && { screen; fail "not ASCII"; }
keys -l 'local'
keys Enter
see 'Choose the disks'
screen | LC_ALL=C grep -q '[^ -~]' && { screen; fail "not ASCII"; }
keys Escape
see 'nothing on this'
keys Enter
must_end 0
say "passed"
