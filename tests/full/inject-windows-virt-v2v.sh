#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The same phony Windows disk converted twice, by our injection and by Debian's
# virt-v2v; then every file, access list and registry value that either touched
# is the same in both, or has its reason in tests/lib/v2v-windows-reasons; and
# each reason is needed.  A version takes 45 seconds without KVM.
# V2V_FAMILIES and V2V_REFUSED choose, V2V_KEEP=DIR keeps disks and lists.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/windows.sh"
. "$(dirname "$0")/../lib/v2v-reasons.sh"
. "$(dirname "$0")/../lib/v2v-run.sh"
requires_windows
requires_built v2v-server
requires_v2v

at_exit hide_windows

REASONS=$FY_TOP/tests/lib/v2v-windows-reasons
STATIC=192.0.2.7,255.255.255.0,192.0.2.1,192.0.2.53
STATIC6=2001:db8::7/64,2001:db8::1,2001:db8::53

# Debian has none of the programs that virt-v2v puts into a Windows.
make_virtio_win "$T/vw"
mkdir "$T/tools"
echo rhsrvany >"$T/tools/rhsrvany.exe"
echo pnp_wait >"$T/tools/pnp_wait.exe"
export VIRTIO_WIN=$T/vw VIRT_TOOLS_DATA_DIR=$T/tools
echo '{"name":"phony","nics":[{"name":"eno1","kind":"ethernet",
 "permanent_mac":"52:54:00:12:34:56"}]}' >"$T/machine.json"

# disk_of FAMILY: what it is called, and what else is on it
disk_of() {
	case $1 in
	10uefi) set -- --version 10 --firmware uefi --no-fallback ;;
	11) set -- --version 11 --other-fallback ;;
	7) set -- --version 7 --static6 $STATIC6 ;;
	2019) set -- --version 2019 --vmware --dirty-hive new ;;
	dirty) set -- --version 10 --dirty ;;
	hibernated) set -- --version 10 --hibernated ;;
	*) set -- --version "$1" ;;
	esac
	make_windows "$T/before.img" --static $STATIC "$@"
}

# compare: every change of anyone
compare() {
	local w
	for w in before ours theirs; do
		list_windows "$w" virtio-win="$T/vw" tools="$T/tools" \
			build="$FY_BUILD/firstboot-amd64.exe" \
			build="$FY_BUILD/firstboot-x86.exe"
	done
	python3 "$FY_TOP/tests/lib/windows-changes.py" compare \
		"$T"/{before,ours,theirs}.list "$T/changes"
	[ -z "${V2V_KEEP:-}" ] || cp "$T"/changes.* "$V2V_KEEP/$FAMILY/"
	really_the_same
	check_ntfs_clean "$T/ours.ntfs"
	second_control_set
	: >"$T/used"
	for w in ours theirs both; do
		explain "$w" <"$T/changes.$w"
	done
	all_reasons_used
}

# What makes a Windows start from virtio is no difference.
really_the_same() {
	local change
	for change in 'system controlset001/services/viostor/start = dword 00000000' \
		'system controlset001/services/viostor/group = sz SCSI miniport' \
		'system controlset001/control/crashcontrol/autoreboot = dword 00000000' \
		'software microsoft/windows/currentversion/devicepath = expand %SystemRoot%\inf;%SystemRoot%\Drivers\VirtIO' \
		'file /windows/drivers/virtio = directory'; do
		cut -d' ' -f2- "$T/changes.same" | grep -qxF -- "$change" ||
			fail "$FAMILY: not in both: $change"
	done
}

# Ours does the same in the set that a failed start falls back to; but for what
# make-windows put into the logs of the one.
second_control_set() {
	diff <(sed -n '/\/marker\//d; s/ system controlset001/ /p' \
		"$T/changes.all.ours") \
		<(sed -n 's/ system controlset002/ /p' "$T/changes.all.ours") \
		>"$T/diff" ||
		{ cat "$T/diff" >&2; fail "$FAMILY: the sets differ"; }
}

for FAMILY in ${V2V_FAMILIES:-xp 2003 7 2008r2 8 10 10uefi 11 2019 2022 2025}; do
	disk_of "$FAMILY"
	convert_both --quiet --virtio-win "$T/vw" \
		--machine-json "$T/machine.json"
	compare
	say "$FAMILY: $(wc -l <"$T/changes.all.ours") changes in $OURS_S s," \
		"virt-v2v: $(wc -l <"$T/changes.all.theirs") in $THEIRS_S s," \
		"the same in both: $(wc -l <"$T/changes.same")"
done

# ours_refuses WORDS
ours_refuses() {
	! inject_ours --quiet --virtio-win "$T/vw" ||
		fail "$FAMILY: ours takes it: say so in docs"
	grep -qF -- "$1" "$T/log" ||
		{ cat "$T/log" >&2; fail "$FAMILY: ours says something else"; }
}

# What one of the two, or both, refuse: as docs/windows.md says.
for FAMILY in ${V2V_REFUSED-dirty hibernated}; do
	disk_of "$FAMILY"
	case $FAMILY in
	dirty)
		ours_refuses 'marked dirty'
		virt_v2v || fail "$FAMILY: virt-v2v: $(v2v_says error)"
		! v2v_says warning | grep -qiE 'dirty|chkdsk|unclean' ||
			fail "$FAMILY: virt-v2v warns: say so in docs"
		;;
	hibernated)
		ours_refuses 'hibernated'
		! virt_v2v || fail "$FAMILY: virt-v2v takes it"
		v2v_says error | grep -q 'mounted read-only' ||
			fail "$FAMILY: another error: $(v2v_says error)"
		;;
	esac
	say "$FAMILY: as expected"
done
say "passed"
