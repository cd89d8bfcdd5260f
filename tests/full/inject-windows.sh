#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Phony Windows disks of all versions: the database that the version has, the
# right folder of virtio-win, nothing else changed, NTFS consistent; the old
# format of hives' logs; from an ISO image; twice.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/windows.sh"
requires_windows
requires xorriso
requires_built v2v-server

STATIC6=2001:db8::7/64,2001:db8::1,2001:db8::53
STATIC=192.0.2.7,255.255.255.0,192.0.2.1,192.0.2.53
BLK='VEN_1AF4&DEV_1001&SUBSYS_00021AF4&REV_00
VEN_1AF4&DEV_1042&SUBSYS_11001AF4&REV_01'
ALLOWED='Services\\(viostor|vioscsi|partmgr|storahci|msahci|atapi|intelide|'
ALLOWED+='pciide|disk|PlugPlay|ironferry-firstboot)|CrashControl|'
ALLOWED+='DriverDatabase|CriticalDeviceDatabase|Marker|Services\\PlugPlay'

make_virtio_win "$T/vw.iso"
make_virtio_win "$T/vw"
echo '{"name":"phony","nics":[{"name":"eno1","kind":"ethernet",
 "permanent_mac":"52:54:00:12:34:56"}]}' >"$T/machine.json"

# one VERSION ARCH FOLDER DATABASE SCRIPT [ARGS...]
one() {
	local v=$1 arch=$2 folder=$3 database=$4 script=$5 i=$T/disk.img root
	shift 5
	ARCH=$arch # for check_database
	say "--- $v $arch"
	rm -rf "$i" "$i.job"
	make_windows "$i" --version "$v" --arch "$arch" --static $STATIC "$@"
	cp --sparse=always "$i" "$T/before.img"
	take_ntfs "$i" was
	"$V2V" inject --virtio-win "$T/vw.iso" --machine-json \
		"$T/machine.json" --json --quiet "$i" >"$T/report.json" \
		2>"$T/log" || { cat "$T/log" >&2; fail "$v: not injected"; }
	take_ntfs "$i" now
	check_ntfs_clean "$T/now.ntfs"
	check_service now viostor
	# shellcheck disable=SC2086
	if [ "$database" = driver ]; then
		check_database now viostor oem2.inf $BLK
		! grep -q CriticalDeviceDatabase "$T/now.system.reg" ||
			fail "$v: the other database, too"
	else
		check_critical now viostor $BLK
		! grep -q DriverDatabase "$T/now.system.reg" ||
			fail "$v: the other database, too"
	fi
	only_there "$ALLOWED" was now
	root=$(in_any_case "$T/now.ntfs" Windows System32 drivers)
	same_file "$T/now.ntfs" "$root/viostor.sys" \
		"$T/vw/viostor/$folder/$arch/viostor.sys"
	jq -e --arg s "$script" '[.changes[].path] | any(endswith($s))' \
		"$T/report.json" >/dev/null || fail "$v: no $script"
	value now.system "$CCS\\Services\\ironferry-firstboot" Start dword \
		00000002
	ntfscat "$T/now.ntfs" "$(jq -r --arg s "$script" '.changes[].path |
		select(endswith($s))' "$T/report.json")" | tr -d '\r' \
		>"$T/network"
	case " $* " in *" --static6 "*) with_ipv6 "$script" ;; esac
	"$V2V" inject --undo --quiet "$i"
	cmp "$i" "$T/before.img" || fail "$v: the undo log"
}

# with_ipv6 SCRIPT: what it says of IPv6, by netsh or PowerShell.
with_ipv6() {
	local row what
	row=000000090100060020010db8$(printf %024x 7)
	case $1 in
	*.cmd) set -- "MACAddress='52:54:00:12:34:56'" \
		'add address %nic% 2001:db8::7/64 store=persistent' \
		'add route ::/0 %nic% 2001:db8::1 store=persistent' \
		'add route 2001:db8:5::/48 %nic% fe80::1 store=persistent' \
		'add dnsserver %nic% 2001:db8::53' \
		"10\" /v $row /f" \
		"DeviceID='PCI\\\\VEN_8086&DEV_10D3&SUBSYS" \
		'Enum\PCI\VEN_8086&DEV_10D3&SUBSYS_A01F8086&REV_00\4&2283' \
		'set NetConnectionID="Ethernet"' ;;
	*) set -- "IPAddress '2001:db8::7' -PrefixLength 64" \
		"DestinationPrefix '::/0' -NextHop '2001:db8::1'" \
		"'192.0.2.53','2001:db8::53'" "10\" -Name '$row'" \
		"byte[]](69,116,104,101,114,110,101,116))" ;;
	esac
	for what in "$@"; do
		grep -qF -- "$what" "$T/network" ||
			{ cat "$T/network" >&2; fail "no $what"; }
	done
}

one xp x86 xp critical 10-network.cmd
one 2003 x86 2k3 critical 10-network.cmd
one 7 x86 w7 critical 10-network.cmd --static6 $STATIC6
one 7 amd64 w7 critical 10-network.cmd --dirty-hive old --static6 $STATIC6
one 2008r2 amd64 2k8R2 critical 10-network.cmd --static6 $STATIC6
one 2008r2 amd64 2k8R2 critical 10-network.cmd --connection 'a" & calc & "'
! grep -q calc "$T/network" || fail "a name stands there as it is"
one 8 amd64 w8 driver 10-network.ps1
one 10 x86 w10 driver 10-network.ps1
one 10 amd64 w10 driver 10-network.ps1 --firmware uefi --static6 $STATIC6
one 11 amd64 w11 driver 10-network.ps1
one 2019 amd64 2k19 driver 10-network.ps1 --dirty-hive new --static6 $STATIC6
one 2022 amd64 2k22 driver 10-network.ps1
one 2025 amd64 2k25 driver 10-network.ps1 --controller --static6 $STATIC6
jq -r '.warnings[]' "$T/report.json" | grep -q 'domain controller' ||
	fail "a domain controller is not told of"

say "--- twice"
i=$T/disk.img
"$V2V" inject --virtio-win "$T/vw" --quiet --json "$i" >/dev/null 2>&1
take_ntfs "$i" once
rm -rf "$i.job"
"$V2V" inject --virtio-win "$T/vw" --quiet --json "$i" >/dev/null 2>&1
take_ntfs "$i" twice
cmp "$T/once.system.reg" "$T/twice.system.reg" ||
	fail "a second injection does something else"
cmp "$T/once.software.reg" "$T/twice.software.reg" ||
	fail "a second injection does something else"
check_ntfs_clean "$T/twice.ntfs"
say "passed"
