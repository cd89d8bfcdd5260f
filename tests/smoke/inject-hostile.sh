#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Injection into guests that are made to attack their editor: links and names
# that lead out of the guest, other things than files, bombs, loops and damage.
# Each ends in time and with little memory; nothing of the host is touched; the
# image is as it was or has a clean filesystem.  Here a choice of them (all:
# full/inject-hostile.sh); tests/lib/hostile.py says what is checked.
set -eu
. "$(dirname "$0")/../lib/common.sh"
requires mke2fs e2fsck debugfs mkfs.vfat mcopy python3 dd
requires_root # for device nodes
requires_built v2v-server

export PYTHONDONTWRITEBYTECODE=1

# family NAME: its table, in as many parts as there are processors
family() {
	local n parts i pids=() bad=0
	parts=$(nproc)
	for ((i = 1; i <= parts; i++)); do
		mkdir -p "$T/$1.$i"
		python3 "$FY_TOP/tests/lib/hostile_$1.py" \
			${FY_HOSTILE_ALL:+--full} --part "$i/$parts" \
			"$FY_BUILD/v2v-server" "$T/$1.$i" >"$T/$1.$i.log" 2>&1 &
		pids+=($!)
		own_pid $!
	done
	for n in "${pids[@]}"; do
		wait "$n" || bad=1
	done
	cat "$T/$1".*.log
	[ "$bad" = 0 ] || fail "$(grep -h FAILED "$T/$1".*.log || echo "$1")"
}

family linux
if command -v ntfs-3g >/dev/null && command -v hivexregedit >/dev/null &&
	[ -w /dev/fuse ]; then
	family windows
else
	say "no Windows guests: ntfs-3g, hivexregedit and /dev/fuse are needed"
fi
