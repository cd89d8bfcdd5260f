#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Injection into real Debian trees, without booting them: fsck is clean, every
# file that is not in the report is what it was (content, owner, mode, times,
# extended attributes; seen by the kernel's ext4 and by mtools), the undo log
# gives the untouched image back, also after a kill at any moment, a dry run
# writes nothing, and an unreplayed journal is replayed first.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/inject.sh"
requires jq sfdisk e2fsck debugfs mcopy python3 tune2fs
requires_loop
requires_built v2v-server

V2V=$FY_BUILD/v2v-server

# esp_tree IMAGE NUMBER
esp_tree() {
	rm -rf "$T/esp"
	mkdir "$T/esp"
	mcopy -s -Q -n -i "$1@@$(part_start "$1" "$2")" '::/*' "$T/esp"
	(cd "$T/esp" && find . -type f -exec sha256sum {} + | sort -k2)
}

test_bios() {
	local i=$T/bios.img sum left
	make_guest "$i" --fstab dev --separate-boot --swap 64 \
		--nic enp0s5=10.77.0.2/24
	cp --sparse=always "$i" "$T/before.img"
	sum=$(sha256 <"$i")

	"$V2V" inject --dry-run --json "$i" >"$T/dry.json"
	[ "$(sha256 <"$i")" = "$sum" ] || fail "a dry run wrote to the image"
	[ ! -e "$i.job" ] || fail "a dry run made a job directory"

	"$V2V" inject --json "$i" >"$T/report.json"
	[ "$(jq -c '[.changes[].path]' "$T/dry.json")" = \
		"$(jq -c '[.changes[].path]' "$T/report.json")" ] ||
		fail "the dry run told something else"
	check_clean "$i" 1
	check_clean "$i" 2
	tree "$T/before.img" 1 >"$T/a1"
	tree "$i" 1 >"$T/b1"
	tree "$T/before.img" 2 >"$T/a2"
	tree "$i" 2 >"$T/b2"
	! cmp -s "$T/a2" "$T/b2" || fail "nothing changed on the root"
	left=$(unreported "$T/a1" "$T/b1" "$T/report.json" p1 /boot)
	left+=$(unreported "$T/a2" "$T/b2" "$T/report.json" p2 '')
	[ -z "$left" ] || fail "changed without a word: $left"
	! grep -q '/dev/sda' <(debugfs -R 'cat /etc/fstab' \
		"$i?offset=$(part_start "$i" 2)" 2>/dev/null | grep -v '^#') ||
		fail "fstab still names /dev/sda"
	check_originals "$T/before.img" 2 /etc/fstab "$i.job/originals/0/p2"
	check_originals "$T/before.img" 1 /grub/grub.cfg \
		"$i.job/originals/0/p1/boot"

	expect_status 1 "$V2V" inject "$i" 2>/dev/null
	"$V2V" inject --undo "$i"
	cmp "$i" "$T/before.img" || fail "the undo log does not give it back"
	say "BIOS, separate /boot: $(jq '.changes | length' "$T/report.json") changes"
}

# check_originals IMAGE NUMBER PATH DIR
check_originals() {
	debugfs -R "cat $3" "$1?offset=$(part_start "$1" "$2")" 2>/dev/null |
		cmp - "$4$3" || fail "the original of $3 is not kept"
}

# Ended at any moment, it is undone; again, it comes out the same.
test_kills() {
	local i=$T/bios.img n delay pid
	for n in 1 3 5 7; do
		delay=$(python3 -c "print($n * 0.12)")
		"$V2V" inject "$i" >/dev/null 2>&1 &
		pid=$!
		sleep "$delay"
		kill -9 "$pid" 2>/dev/null || :
		wait "$pid" 2>/dev/null || :
		if [ -e "$i.job/undo.log" ]; then
			"$V2V" inject --undo "$i"
		fi
		cmp "$i" "$T/before.img" || fail "killed after $delay s"
	done
	! grep -q ironferry /proc/mounts || fail "a mount was left behind"
	say "four kills"
}

# The journal holds a file that is nowhere else yet.
test_dirty() {
	local i=$T/dirty.img m=$T/mnt off
	off=$(part_start "$T/before.img" 2)
	cp --sparse=always "$T/before.img" "$T/live.img"
	mount -o "loop,offset=$off" "$T/live.img" "$m"
	echo "written before the crash" >"$m/etc/crash-test"
	sync "$m/etc/crash-test"
	cp --sparse=always "$T/live.img" "$i"
	umount "$m"
	dumpe2fs -h "$i?offset=$off" 2>/dev/null | grep -q needs_recovery ||
		fail "the copy is not dirty"
	cp --sparse=always "$i" "$T/dirty-before.img"
	"$V2V" inject --json "$i" >"$T/report.json"
	jq -e '.warnings[] | select(test("not clean"))' "$T/report.json" \
		>/dev/null || fail "the repair is not reported"
	check_clean "$i" 2
	[ "$(debugfs -R 'cat /etc/crash-test' "$i?offset=$off" 2>/dev/null)" = \
		"written before the crash" ] || fail "the journal was lost"
	"$V2V" inject --undo "$i"
	cmp "$i" "$T/dirty-before.img" || fail "undo after a repair"
	say "an unreplayed journal"
}

test_uefi() {
	local i=$T/uefi.img left
	make_guest "$i" --firmware uefi --nic enp0s5=10.77.0.2/24 \
		--nic enp0s6=10.77.1.2/24
	cp --sparse=always "$i" "$T/before-uefi.img"
	"$V2V" inject --json --nic enp0s5=52:54:00:00:00:01 \
		--nic enp0s6=52:54:00:00:00:02 "$i" >"$T/report.json"
	check_clean "$i" 2
	tree "$T/before-uefi.img" 2 >"$T/a2"
	tree "$i" 2 >"$T/b2"
	left=$(unreported "$T/a2" "$T/b2" "$T/report.json" p2 '')
	[ -z "$left" ] || fail "changed without a word: $left"
	esp_tree "$T/before-uefi.img" 1 >"$T/e1"
	esp_tree "$i" 1 >"$T/e2"
	! diff "$T/e1" "$T/e2" | grep '^<' || fail "a file of the ESP is gone"
	for f in BOOTX64.EFI:shimx64.efi grubx64.efi:grubx64.efi; do
		cmp "$T/esp/EFI/BOOT/${f%:*}" "$T/esp/EFI/debian/${f#*:}" ||
			fail "EFI/BOOT/${f%:*} is not the guest's"
	done
	for f in enp0s5 enp0s6; do
		jq -e --arg p "/etc/systemd/network/10-ironferry-$f.link" \
			'.changes[] | select(.path == $p)' "$T/report.json" \
			>/dev/null || fail "$f is not kept"
	done
	[ "$(jq -r .firmware "$T/report.json")" = uefi ] || fail "not UEFI"
	"$V2V" inject --undo "$i"
	cmp "$i" "$T/before-uefi.img" || fail "undo of the ESP"
	say "UEFI, two network cards"
}

test_bios
# The rest takes minutes on a slow disk: full/inject.sh.
if [ -n "${FY_INJECT_ALL:-}" ]; then
	test_kills
	test_dirty
	test_uefi
fi
