#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Injection into phony Windows disks: every file and registry value that is
# wanted is there by ntfscat and hivexregedit, no other key differs, the NTFS is
# consistent, the undo log gives the untouched disk back, and what can't be
# done is refused before anything is written.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/windows.sh"
requires_windows
requires xmllint
requires_built v2v-server p2v-client

STATIC6=2001:db8::7/64,2001:db8::1,2001:db8::53
STATIC=192.0.2.7,255.255.255.0,192.0.2.1,192.0.2.53
VIOSTOR='VEN_1AF4&DEV_1001&SUBSYS_00021AF4&REV_00
VEN_1AF4&DEV_1042&SUBSYS_11001AF4&REV_01 VEN_1AF4&DEV_1001 VEN_1AF4&DEV_1042'
VIOSCSI='VEN_1AF4&DEV_1004&SUBSYS_00081AF4&REV_00
VEN_1AF4&DEV_1048&SUBSYS_11001AF4&REV_01 VEN_1AF4&DEV_1004 VEN_1AF4&DEV_1048'

make_virtio_win "$T/vw"
cat >"$T/machine.json" <<'JSON'
{"name": "phony", "nics": [
 {"name": "eno1", "kind": "ethernet", "pci": "0000:00:19.0",
  "permanent_mac": "52:54:00:12:34:56"},
 {"name": "eno2", "kind": "ethernet", "pci": "0000:01:00.0",
  "permanent_mac": "52:54:00:aa:aa:aa"}]}
JSON

test_2022() {
	local i=$T/2022.img p=Windows/System32 store f
	make_windows "$i" --version 2022 --static $STATIC \
		--static6 $STATIC6 --vmware --policy --no-fallback \
		--dirty-hive new --connection "Büro's \$(calc)"
	cp --sparse=always "$i" "$T/before.img"
	take_ntfs "$i" was
	"$V2V" inspect --json "$i" >"$T/inspect.json"
	jq -e '.systems[0] | .id == "windows" and .version == "10.0.20348" and
		.arch == "x86_64" and .hostname == "phony" and
		.firmware == "uefi" and .windows.server and
		.windows.clock == "localtime"' "$T/inspect.json" >/dev/null ||
		fail "described wrongly: $(cat "$T/inspect.json")"

	"$V2V" inject --dry-run --virtio-win "$T/vw" --quiet --json "$i" \
		>/dev/null 2>&1
	cmp "$i" "$T/before.img" || fail "a dry run wrote"
	"$V2V" inject --virtio-win "$T/vw" --machine-json "$T/machine.json" \
		--json --quiet "$i" >"$T/report.json" 2>"$T/log" ||
		{ cat "$T/log" >&2; fail "not injected"; }
	take_ntfs "$i" now
	check_ntfs_clean "$T/now.ntfs"

	check_service now viostor
	check_service now vioscsi
	check_database now vioscsi oem1.inf $VIOSCSI
	check_database now viostor oem2.inf $VIOSTOR
	! grep -q CriticalDeviceDatabase "$T/now.system.reg" ||
		fail "a database that this Windows does not use"
	for f in viostor vioscsi; do
		same_file "$T/now.ntfs" "/$p/drivers/$f.sys" \
			"$T/vw/$f/2k22/amd64/$f.sys"
		store="/$p/DriverStore/FileRepository"
		store=$store/${f}.inf_amd64_0000000000000000
		same_file "$T/now.ntfs" "$store/$f.inf" \
			"$T/vw/$f/2k22/amd64/$f.inf"
		same_file "$T/now.ntfs" "$store/$f.sys" \
			"$T/vw/$f/2k22/amd64/$f.sys"
	done
	same_file "$T/now.ntfs" /Windows/INF/oem2.inf \
		"$T/vw/viostor/2k22/amd64/viostor.inf"
	same_file "$T/now.ntfs" \
		"/$p/CatRoot/{F750E6C3-38EE-11D1-85E5-00C04FC295EE}/oem2.cat" \
		"$T/vw/viostor/2k22/amd64/viostor.cat"
	same_file "$T/now.ntfs" /Windows/Drivers/VirtIO/netkvm.inf \
		"$T/vw/NetKVM/2k22/amd64/netkvm.inf"
	value now.software 'Microsoft\Windows\CurrentVersion' DevicePath expand \
		'%SystemRoot%\inf;%SystemRoot%\Drivers\VirtIO'
	value now.system "$CCS\\Control\\CrashControl" AutoReboot dword 00000000
	value now.system "$CCS\\Services\\partmgr\\Parameters" SanPolicy dword \
		00000001
	value now.system "$CCS\\Services\\storahci" Start dword 00000000
	no_key now.system "$CCS\\Services\\storahci\\StartOverride"
	value now.system "$CCS\\Services\\atapi" Start dword 00000000
	value now.system "$CCS\\Services\\VMTools" Start dword 00000004
	value now.system "$CCS\\Services\\vmmouse" Start dword 00000004
	value now.system \
		"$CCS\\Control\\Class\\{4D36E96F-E325-11CE-BFC1-08002BE10318}" \
		UpperFilters multi mouclass
	# What was only in the logs is in the hive, and the logs are empty.
	! grep -q OnlyInTheLog "$T/was.system.reg" || fail "the test is wrong"
	value now.system "$CCS\\Marker" OnlyInTheLog dword 00000007
	[ "$(ntfscat "$T/now.ntfs" "/$p/config/SYSTEM.LOG1" | wc -c)" = 0 ] ||
		fail "SYSTEM.LOG1 is not empty"
	[ "$(ntfscat "$T/now.ntfs" "/$p/config/SYSTEM.LOG2" | wc -c)" = 0 ] ||
		fail "SYSTEM.LOG2 is not empty"
	only_there 'Services\\(viostor|vioscsi|partmgr|storahci|atapi|intelide|'"$(
		)"'pciide|disk|VMTools|vmmouse|[Ii]ronferry[^\\]*)|CrashControl|Marker|'"$(
		)"'DriverDatabase|4D36E96F-' was now

	network_2022
	cleanup_2022
	warned 'policy restricts'
	warned 'Sophos'
	warned 'VMTools, vmmouse'
	esp_2022 "$i"
	"$V2V" inject --undo --quiet "$i"
	cmp "$i" "$T/before.img" || fail "the undo log is not the whole truth"
}

warned() {
	jq -r '.warnings[]' "$T/report.json" | grep -qF -- "$1" ||
		fail "no warning of '$1': $(jq -c .warnings "$T/report.json")"
}

# The last script puts the policies back: one that was another, one that was not
# there.
cleanup_2022() {
	local key='HKLM\SYSTEM\CurrentControlSet'
	ntfscat "$T/now.ntfs" "$(jq -r '.changes[].path |
		select(endswith("90-cleanup.cmd"))' "$T/report.json")" |
		tr -d '\r' >"$T/cleanup"
	grep -qF "reg add \"$key\Control\CrashControl\" /v AutoReboot /t $(
		)REG_DWORD /d 1 /f" "$T/cleanup" &&
		grep -qF "reg delete \"$key\Services\partmgr\Parameters\" $(
		)/v SanPolicy /f" "$T/cleanup" ||
		{ cat "$T/cleanup" >&2; fail "the policies stay"; }
}

# The script for the first start has the address for the right card.
network_2022() {
	local path
	path=$(jq -r '.changes[].path | select(test("10-network"))' \
		"$T/report.json")
	[ -n "$path" ] || fail "no script for the network"
	ntfscat "$T/now.ntfs" "$path" >"$T/network"
	grep -q "Find-Nic '52-54-00-12-34-56'" "$T/network" ||
		{ cat "$T/network" >&2; fail "for another card"; }
	grep -q "IPAddress '192.0.2.7' -PrefixLength 24" "$T/network" ||
		fail "another address"
	grep -q "NextHop '192.0.2.1'" "$T/network" || fail "another gateway"
	grep -q "ServerAddresses '192.0.2.53','2001:db8::53'" "$T/network" ||
		fail "another DNS"
	network_ipv6 "IPAddress '2001:db8::7' -PrefixLength 64" \
		"DestinationPrefix '::/0' -NextHop '2001:db8::1'" \
		"DestinationPrefix '2001:db8:5::/48' -NextHop 'fe80::1'"
	grep -qF "ghost = 'PCI\VEN_8086&DEV_10D3&SUBSYS_A01F8086&REV_00\4&2283F625&0&00E5'" \
		"$T/network" || fail "the old card stays"
	grep -qF "byte[]](66,195,188,114,111,39,115,32,36,40,99,97,108,99,41))" \
		"$T/network" || fail "the connection has another name"
	! grep -q calc "$T/network" || fail "a name stands there as it is"
	! grep -q AA-AA "$T/network" || fail "the other card, too"
}

# network_ipv6 TEXT...: in the script, which also takes the old card's rows out
# of the registry; what is of no card is told of.
network_ipv6() {
	local text
	for text in "$@" 0000000901000600 2001; do
		grep -qF -- "$text" "$T/network" ||
			{ cat "$T/network" >&2; fail "no $text"; }
	done
	tr -d '\r' <"$T/network" | grep -o '00000009010006002001[0-9a-f]*' |
		sort -u >"$T/a"
	printf '000000090100060020010db8%024x\n' 1 7 >"$T/b"
	cmp "$T/a" "$T/b" || fail "other rows"
	! grep -q -e dead "$T/network" || fail "an address of another card"
	warned 'address 2001:db8:dead::1/64 is not carried over'
}

esp_2022() {
	local at=1M
	mtype -i "$1@@$at" ::/EFI/Microsoft/Boot/bootmgfw.efi >"$T/bootmgfw"
	mtype -i "$1@@$at" ::/EFI/Boot/bootx64.efi >"$T/fallback" ||
		fail "no fallback loader"
	cmp "$T/bootmgfw" "$T/fallback" || fail "another fallback loader"
	mtype -i "$1@@$at" ::/EFI/Microsoft/Boot/BCD >"$T/bcd"
	python3 "$FY_TOP/tests/lib/reg.py" "$T/bcd" >"$T/bcd.reg"
	! grep -q '16000046' "$T/bcd.reg" || fail "no graphics mode"
	grep -q '12000002' "$T/bcd.reg" || fail "more than that was deleted"
}

test_xp() {
	local i=$T/xp.img
	make_windows "$i" --version xp --static $STATIC
	cp --sparse=always "$i" "$T/before.img"
	take_ntfs "$i" was
	"$V2V" inject --virtio-win "$T/vw" --machine-json "$T/machine.json" \
		--json --quiet "$i" >"$T/report.json" 2>"$T/log" ||
		{ cat "$T/log" >&2; fail "XP was not injected"; }
	take_ntfs "$i" now
	check_ntfs_clean "$T/now.ntfs"
	check_service now viostor
	check_critical now viostor $VIOSTOR
	value now.system \
		"$CCS\\Control\\CriticalDeviceDatabase\\Primary_IDE_Channel" \
		Service sz atapi
	value now.system "$CCS\\Control\\CriticalDeviceDatabase\\PCI#CC_0101" \
		Service sz pciide
	! grep -q DriverDatabase "$T/now.system.reg" ||
		fail "a database that XP does not know"
	same_file "$T/now.ntfs" /WINDOWS/system32/drivers/viostor.sys \
		"$T/vw/viostor/xp/x86/viostor.sys"
	value now.software \
		'Policies\Microsoft\Windows\DeviceInstall\Settings' \
		SuppressNewHWUI dword 00000001
	# Heads, as a BIOS counts those of a small disk.
	[ "$(od -An -tx1 -j26 -N2 "$T/now.ntfs")" = ' 40 00' ] ||
		fail "the heads are $(od -An -tx1 -j26 -N2 "$T/now.ntfs")"
	"$V2V" inject --undo --quiet "$i"
	cmp "$i" "$T/before.img" || fail "XP: the undo log is not the whole truth"
}

# An upgrade of 2000, and a folder that only boot.ini names: the server finds
# both, and the client refuses to send them without drivers.
test_elsewhere() {
	local i=$T/elsewhere.img root
	for root in WINNT Other.XP; do
		make_windows "$i" --version xp --root "$root"
		"$V2V" inject --virtio-win "$T/vw" --json --quiet "$i" \
			>"$T/report.json" 2>"$T/log" ||
			{ cat "$T/log" >&2; fail "not injected in $root"; }
		dd if="$i" of="$T/now.ntfs" bs=1M skip=1 conv=sparse status=none
		same_file "$T/now.ntfs" "/$root/system32/drivers/viostor.sys" \
			"$T/vw/viostor/xp/x86/viostor.sys"
		rm -rf "$i.job"
		[ ! -e /usr/share/virtio-win ] || continue
		expect_status 1 convert "$i"
		grep -q 'there is a Windows on the disks' "$T/log" ||
			{ cat "$T/log" >&2; fail "the client saw none in $root"; }
	done
}

# convert IMAGE ARGS...
convert() {
	local image=$1
	shift
	PATH=$FY_BUILD:$PATH setsid -w "$FY_BUILD/p2v-client" convert \
		--server local --disk "$image" --name phony --to "$T/vms" \
		--format raw --progress none --json "$@" >"$T/out.json" \
		2>"$T/log"
}

# refused WORDS IMAGE ARGS...
refused() {
	local words=$1 image=$2 sum
	shift 2
	sum=$(sha256 <"$image")
	expect_status 1 "$V2V" inject "$@" "$image" >"$T/log" 2>&1
	grep -qF -- "$words" "$T/log" ||
		{ cat "$T/log" >&2; fail "'$words' is not told"; }
	[ "$(sha256 <"$image")" = "$sum" ] || fail "it was written to"
	[ ! -e "$image.job/undo.log" ] || fail "an undo log was left"
}

test_refused() {
	local i=$T/no.img
	make_windows "$i" --version 10 --hibernated
	refused 'hibernated' "$i" --virtio-win "$T/vw"
	make_windows "$i" --version 10 --dirty
	refused 'marked dirty' "$i" --virtio-win "$T/vw"
	make_windows "$i" --version 10
	if [ ! -e /usr/share/virtio-win ]; then
		refused '--virtio-win' "$i"
		refused '--no-inject' "$i"
	fi
	mkdir -p "$T/nothing"
	refused 'has no drivers' "$i" --virtio-win "$T/nothing"
	printf '\0' | dd of="$i" bs=1 seek=$((1048576 + 3)) conv=notrunc \
		status=none
	printf -- '-FVE-FS-' | dd of="$i" bs=1 seek=$((1048576 + 3)) \
		conv=notrunc status=none
	refused 'BitLocker' "$i" --virtio-win "$T/vw"
}

# A person's wishes: scripts for Windows run after our own; what is for Linux is
# an error, before anything is written.
test_wishes() {
	local i=$T/wishes.img top="Program Files/Ironferry/Firstboot/scripts"
	make_windows "$i" --version 10
	printf 'echo hello\n' >"$T/hello.CMD"
	printf 'echo hello\n' >"$T/hello.sh"
	inspected_state "$i"
	refused '--set-hostname' "$i" --virtio-win "$T/vw" --set-hostname x
	refused '--first-boot' "$i" --virtio-win "$T/vw" \
		--first-boot "$T/hello.sh"
	printf 'secret\n' >"$T/password"
	refused '--root-password-file' "$i" --virtio-win "$T/vw" \
		--root-password-file "$T/password"
	"$V2V" inject --virtio-win "$T/vw" --quiet \
		--first-boot "$T/hello.CMD" "$i" >"$T/log" 2>&1 ||
		{ cat "$T/log" >&2; fail "not injected"; }
	take_ntfs "$i" wishes
	[ "$(ntfscat "$T/wishes.ntfs" "$top/50-001-hello.CMD" | od -An -c |
		tr -d ' \n')" = 'echohello\r\n' ] ||
		fail "the script is not there: $(ntfsls "$T/wishes.ntfs" \
			-p "$top")"
	i=$T/wishes-xp.img
	make_windows "$i" --version xp
	printf 'Get-Date\n' >"$T/date.ps1"
	refused 'has no PowerShell' "$i" --virtio-win "$T/vw" \
		--first-boot "$T/date.ps1"
}

# What inspect says of a state that the injection refuses.
inspected_state() {
	local h=$T/state.img
	"$V2V" inspect --json "$1" >"$T/inspect.json"
	jq -e '.systems[0] | .editable and .refused == null' \
		"$T/inspect.json" >/dev/null || fail "$(cat "$T/inspect.json")"
	make_windows "$h" --version 10 --hibernated
	"$V2V" inspect --json "$h" >"$T/inspect.json"
	jq -e '.systems[0] | (.editable | not) and
		(.refused | contains("hibernated"))' "$T/inspect.json" \
		>/dev/null || fail "hibernated: $(cat "$T/inspect.json")"
	"$V2V" inspect "$h" >"$T/inspect.txt"
	grep -q 'can be edited: .*hibernated' "$T/inspect.txt" ||
		fail "hibernated: $(cat "$T/inspect.txt")"
}

# A conversion without drivers ends before anything is sent; without injection
# it goes on, and the definition's clock and features are a Windows'.
test_convert() {
	local i=$T/convert.img
	[ ! -e /usr/share/virtio-win ] || return 0
	make_windows "$i" --version 10
	expect_status 1 convert "$i"
	grep -q 'there is a Windows on the disks' "$T/log" ||
		{ cat "$T/log" >&2; fail "refused for another reason"; }
	[ -z "$(ls "$T/vms" 2>/dev/null)" ] ||
		fail "something was left: $(ls "$T/vms")"
	convert "$i" --no-inject || { cat "$T/log" >&2; fail "not converted"; }
	xmllint --noout --xpath "/domain[clock[@offset='timezone' and
		@timezone='Europe/Berlin']/timer[@name='hypervclock'] and
		features/hyperv/relaxed]" "$T/vms/phony.xml" >"$T/null" ||
		fail "the clock is $(grep '<clock' "$T/vms/phony.xml")"
}

case ${1:-all} in
all)
	test_2022
	test_xp
	test_elsewhere
	test_refused
	test_wishes
	test_convert
	;;
*) "test_$1" ;;
esac
say "passed"
