# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# One disk, $T/before.img, converted by our injection and by Debian's virt-v2v.
# Wants $FAMILY, which is what the disk is of.

# requires_v2v: installs it where that can be done
requires_v2v() {
	if ! command -v virt-v2v >/dev/null; then
		"$FY_TOP/tests/setup" bench-v2v >"$T/setup.log" 2>&1 || :
	fi
	requires virt-v2v
	export LIBGUESTFS_BACKEND=direct
	kvm_works || export LIBGUESTFS_BACKEND_SETTINGS=force_tcg
}

# inject_ours [ARGS...]: $T/before.img into $T/ours.img
inject_ours() {
	rm -rf "$T/ours.img.job"
	cp --sparse=always "$T/before.img" "$T/ours.img"
	"$FY_BUILD/v2v-server" inject --json "$@" "$T/ours.img" \
		>"$T/report.json" 2>"$T/log"
}

# convert_both [ARGS for inject...]: $T/before.img into ours.img and theirs.img;
# the seconds in OURS_S and THEIRS_S
convert_both() {
	local began=$EPOCHREALTIME
	inject_ours "$@" ||
		{ cat "$T/log" >&2; fail "$FAMILY: ours refused"; }
	OURS_S=$(seconds_since "$began")
	began=$EPOCHREALTIME
	virt_v2v || fail "$FAMILY: virt-v2v: $(v2v_says error)"
	THEIRS_S=$(seconds_since "$began")
	mv "$T/out/theirs-sda" "$T/theirs.img"
	grep -q "bus='virtio'" "$T/out/theirs.xml" ||
		fail "$FAMILY: virt-v2v sees no virtio"
	[ -n "${V2V_KEEP:-}" ] || return 0
	mkdir -p "$V2V_KEEP/$FAMILY"
	cp --sparse=always "$T"/{before,ours,theirs}.img "$T/v2v.out" \
		"$T/v2v.log" "$V2V_KEEP/$FAMILY/"
}

seconds_since() {
	echo "$1 $EPOCHREALTIME" | awk '{ printf "%.1f\n", $2 - $1 }'
}

# As virt-p2v describes a machine: without the bus it takes SUSE's disk for hda.
virt_v2v() {
	rm -rf "$T/out"
	mkdir "$T/out"
	cat >"$T/machine.xml" <<-E
		<domain type='physical'>
		<name>theirs</name><memory unit='MiB'>1024</memory><vcpu>1</vcpu>
		<os><type arch='x86_64'>hvm</type></os>
		<devices><disk type='file' device='disk'>
		<driver name='qemu' type='raw'/><source file='$T/before.img'/>
		<target dev='sda' bus='sata'/></disk></devices>
		</domain>
	E
	timeout 1800 virt-v2v -i libvirtxml "$T/machine.xml" -o local \
		-os "$T/out" -of raw >"$T/v2v.out" 2>"$T/v2v.log"
}

v2v_says() { # warning|error
	sed -n "s/^virt-v2v: $1: //p" "$T/v2v.log"
}
