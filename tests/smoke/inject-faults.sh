#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# An injection that is interrupted at its n-th write, by an error or a kill: the
# disk is complete, or as before once the undo log was applied, and the same
# command then gives what an undisturbed one gives.  Here some n; all:
# full/inject-faults.sh, a Windows too.  See tests/lib/inject-faults.py.
set -eu
. "$(dirname "$0")/../lib/common.sh"
requires gcc mke2fs e2fsck qemu-img qemu-nbd python3 depmod
requires_built v2v-server
export PYTHONDONTWRITEBYTECODE=1

# faults IMAGE FORMAT PROGRAM EVERY ARGUMENT...
faults() {
	local image=$1 format=$2 program=$3 every=$4 without=
	shift 4
	[ "$program" = v2v-server ] || without="$T/without"
	rm -rf "$T/faults"
	mkdir "$T/faults"
	python3 "$FY_TOP/tests/lib/inject-faults.py" --format "$format" \
		--program "$program" --every "$every" \
		${without:+--without "$without"} \
		${FAULTS_TIME:+--time "$FAULTS_TIME"} "$FY_BUILD/v2v-server" \
		"$T/write-faults.so" "$T/faults" "$image" "$@"
}

gcc -std=gnu17 -D_GNU_SOURCE -O2 -shared -fPIC -o "$T/write-faults.so" \
	"$FY_TOP/tests/lib/write-faults.c" || fail "write-faults.c"
gcc -o "$T/without" "$FY_TOP/tests/lib/without.c" -lseccomp ||
	fail "without.c"
python3 - "$FY_TOP/tests/lib" "$T/linux.img" <<'PY'
import sys
sys.path.insert(0, sys.argv[1])
import tinyguest
tinyguest.make_guest(sys.argv[2])
PY
qemu-img convert -f raw -O qcow2 -o cluster_size=4k "$T/linux.img" \
	"$T/linux.qcow2"
NIC='--nic enp0s5=52:54:00:00:00:01'
if [ -z "${FY_FAULTS_ALL:-}" ]; then
	# shellcheck disable=SC2086
	faults "$T/linux.img" raw v2v-server 23 $NIC
	# shellcheck disable=SC2086
	faults "$T/linux.qcow2" qcow2 qemu-nbd 3 $NIC
	exit 0
fi
# shellcheck disable=SC2086
for p in v2v-server qemu-nbd; do
	faults "$T/linux.qcow2" qcow2 $p 1 $NIC
done
# shellcheck disable=SC2086
faults "$T/linux.img" raw v2v-server 1 $NIC
. "$FY_TOP/tests/lib/windows.sh"
requires_windows
make_virtio_win "$T/vw" --os w10 --drivers viostor,vioscsi,netkvm
make_windows "$T/windows.img" --version 10 --size 24
FAULTS_TIME=1700000000
faults "$T/windows.img" raw v2v-server 1 --virtio-win "$T/vw"
