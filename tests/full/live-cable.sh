#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A bad cable: in the middle of an unattended conversion from the live image
# the NIC's link goes down, for 20 s and then for 90 s, and comes back.  The job
# goes on by itself, and its result is what an undisturbed run gives.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
. "$(dirname "$0")/../lib/live.sh"
live_needs
live_iso
requires jq qemu-img mkfs.ext4

# Files that do not shrink, so that the rate below is what it takes.
disk=$T/disk.img
mkdir "$T/files"
for i in $(seq 40); do
	head -c 12M /dev/urandom >"$T/files/$i"
done
truncate -s 1G "$disk"
mkfs.ext4 -q -F -d "$T/files" "$disk"
rm -rf "$T/files"
before=$(sha256 <"$disk")
sshd_start --root "$T"

mkdir "$T/reference"
"$FY_BUILD/p2v-client" convert --server local --disk "$disk" --name cable \
	--to "$T/reference" --no-inject --progress none >"$T/log" 2>&1 || {
	cat "$T/log" >&2
	fail "the undisturbed run failed"
}

# durable: how much of the job the server has.
durable() {
	python3 "$FY_TOP/tests/lib/journal.py" \
		"$T/vms/cable.partial/journal" 2>/dev/null | cut -d" " -f1 |
		grep . || echo 0
}
durable_is() {
	[ "$(durable)" -ge "$1" ]
}

live_configure "$T/live.iso" --inject-key "$SSHD_KEY" --timeout 1 \
	--cmdline "p2v.action=convert p2v.server=root@10.0.2.2:$SSHD_PORT \
p2v.fingerprint=$SSHD_FINGERPRINT p2v.name=cable p2v.to=vms p2v.no-inject \
p2v.limit-rate=4M p2v.then=poweroff"
live_start --cd "$T/live.iso" --disk "$disk"
live_first_screen BIOS 300
wait_for 300 durable_is 60 || fail "the job does not get going"
say "link down at $(durable) units"
live_monitor 'set_link net0 off'
sleep 20
live_monitor 'set_link net0 on'
had=$(durable)
wait_for 120 durable_is $((had + 60)) ||
	fail "the job does not go on after 20 s without a link"
say "link down for longer at $(durable) units"
live_monitor 'set_link net0 off'
sleep 90
live_monitor 'set_link net0 on'
live_wait_off 600
say "powered off $((SECONDS - LIVE_STARTED)) s after power-on"

[ "$(sha256 <"$disk")" = "$before" ] || fail "the disk is not what it was"
[ -s "$T/vms/cable.xml" ] || fail "there is no cable.xml"
qemu-img check -q "$T/vms/cable.qcow2" || fail "qemu-img check finds errors"
qemu-img compare "$T/vms/cable.qcow2" "$T/reference/cable.qcow2" ||
	fail "the result is not what an undisturbed run gives"
# The second gap is longer than a connection can live.
grep -aqi 'reconnect\|trying again' "$LIVE_LOG" ||
	fail "the console does not tell that the connection was lost"
