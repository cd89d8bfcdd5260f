#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Injection through libguestfs: trees that look like Debian with their roots on
# XFS (its /boot on ext4), on Btrfs (subvolumes @ and @var), on ext4 inside of
# LUKS, on md's RAID 1 (by ourselves) and on RAID 5.  All are made by guestfish; after the injection
# guestfish's own mounts, xfs_repair -n and btrfs check judge them: every file
# that is not in the report is what it was.  A dry run writes nothing, the undo
# log gives both disks back, and without its key LUKS is left alone.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/inject.sh"
requires jq sfdisk python3 guestfish cryptsetup mke2fs
requires_built v2v-server

V2V=$FY_BUILD/v2v-server
MIB=$((1 << 20))
export LIBGUESTFS_BACKEND=direct
kvm_works || export LIBGUESTFS_BACKEND_SETTINGS=force_tcg

# fish SCRIPT: a key is the line behind the command that asks for it.
fish() {
	guestfish --keys-from-stdin -f "$1" >"$T/fish.log" 2>&1 || {
		cat "$T/fish.log"
		fail "guestfish: $1"
	}
}

# --- the guests -------------------------------------------------------------

# phony NAME FSTAB...: a tree that looks like Debian, without a kernel.
phony() {
	local d=$T/$1 i
	mkdir -p "$d"/{etc/network,usr/lib,var/cache/debconf,boot,srv}
	cp /etc/debian_version "$d/etc/" 2>/dev/null || echo 12 >"$d/etc/debian_version"
	printf 'ID=debian\nPRETTY_NAME="Phony %s"\n' "$1" >"$d/etc/os-release"
	echo "$1" >"$d/etc/hostname"
	printf 'auto enp0s5\niface enp0s5 inet dhcp\n' \
		>"$d/etc/network/interfaces"
	printf 'Name: grub-pc/install_devices\nValue: /dev/sda\n\n' \
		>"$d/var/cache/debconf/config.dat"
	for i in 1 2 3; do
		head -c "${i}00000" /dev/urandom >"$d/srv/file$i"
	done
	printf '%s\n' "${@:2}" '/dev/sda1 /old ext4 noauto 0 0' >"$d/etc/fstab"
	tar -C "$d" --numeric-owner --owner=0 --group=0 -cf "$d.tar" .
}

make_disks() {
	mkdir -p "$T/boot/grub"
	echo 'linux /vmlinuz root=/dev/sda2 ro' >"$T/boot/grub/grub.cfg"
	mke2fs -q -t ext4 -d "$T/boot" "$T/boot.img" 60M
	phony xfs '/dev/sda2 / xfs defaults 0 1' '/dev/sda1 /boot ext4 defaults 0 2'
	phony btrfs 'LABEL=broot / btrfs subvol=@ 0 0' \
		'LABEL=broot /var btrfs defaults,subvol=/@var 0 0'
	phony luks 'LABEL=lroot / ext4 defaults 0 1'
	phony raid1 'LABEL=r1root / ext4 defaults 0 1'
	phony raid5 'LABEL=r5root / ext4 defaults 0 1'
	tar -C "$T/btrfs/var" --numeric-owner -cf "$T/bvar.tar" .
	truncate -s 450M "$T/a"
	truncate -s 1200M "$T/b"
	sfdisk -q "$T/a" <<-'PT'
	label: gpt
	size=64M
	size=360M
	PT
	# 1 Btrfs, 2 LUKS, 3+4 RAID 1, 5+6+7 RAID 5
	sfdisk -q "$T/b" <<-'PT'
	label: gpt
	size=300M
	size=100M
	size=100M
	size=100M
	size=100M
	size=100M
	size=100M
	PT
	# Few iterations, for the emulated processor's sake.
	truncate -s 100M "$T/luks.img"
	cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 \
		--pbkdf-force-iterations 1000 "$T/luks.img" "$T/passphrase"
	dd if="$T/luks.img" of="$T/b" bs=$MIB seek=301 conv=notrunc,sparse \
		status=none
	cat >"$T/make.fish" <<-FISH
	add-drive $T/a format:raw
	add-drive $T/b format:raw
	run
	upload $T/boot.img /dev/sda1
	mkfs xfs /dev/sda2
	mount /dev/sda2 /
	tar-in $T/xfs.tar /
	umount /
	mkfs btrfs /dev/sdb1 label:broot
	mount /dev/sdb1 /
	btrfs-subvolume-create /@
	btrfs-subvolume-create /@var
	tar-in $T/btrfs.tar /@
	tar-in $T/bvar.tar /@var
	umount /
	cryptsetup-open /dev/sdb2 x
	correct horse
	mkfs ext4 /dev/mapper/x label:lroot
	mount /dev/mapper/x /
	tar-in $T/luks.tar /
	umount /
	cryptsetup-close /dev/mapper/x
	md-create one "/dev/sdb3 /dev/sdb4" level:raid1
	md-create five "/dev/sdb5 /dev/sdb6 /dev/sdb7" level:raid5
	mkfs ext4 /dev/md/one label:r1root
	mount /dev/md/one /
	tar-in $T/raid1.tar /
	umount /
	mkfs ext4 /dev/md/five label:r5root
	mount /dev/md/five /
	tar-in $T/raid5.tar /
	umount /
	! sleep 5
	md-stop /dev/md/one
	md-stop /dev/md/five
	FISH
	fish "$T/make.fish"
}

# sums DIR A B: of all files of all systems, by guestfish; and the checks.
sums() {
	local out=$1
	mkdir -p "$out"
	cat >"$T/sums.fish" <<-FISH
	add-drive $2 format:raw
	add-drive $3 format:raw
	run
	mount-ro /dev/sda2 /
	checksums-out sha256 / $out/xfs
	download /etc/fstab $out/xfs.fstab
	umount /
	xfs-repair /dev/sda2 nomodify:true
	mount-options ro,subvol=@ /dev/sdb1 /
	checksums-out sha256 / $out/btrfs
	download /etc/fstab $out/btrfs.fstab
	umount /
	mount-options ro,subvol=@var /dev/sdb1 /
	checksums-out sha256 / $out/bvar
	umount /
	btrfs-fsck /dev/sdb1
	cryptsetup-open /dev/sdb2 x
	correct horse
	mount-ro /dev/mapper/x /
	checksums-out sha256 / $out/luks
	download /etc/fstab $out/luks.fstab
	umount /
	e2fsck /dev/mapper/x correct:true
	cryptsetup-close /dev/mapper/x
	mount-ro LABEL=r1root /
	checksums-out sha256 / $out/raid1
	umount /
	mount-ro LABEL=r5root /
	checksums-out sha256 / $out/raid5
	umount /
	FISH
	sed -i 's,LABEL=r1root,/dev/disk/by-label/r1root,;
		s,LABEL=r5root,/dev/disk/by-label/r5root,' "$T/sums.fish"
	fish "$T/sums.fish"
	# xfs_repair -n tells by its status, which guestfish prints.
	! grep -qx 1 "$T/fish.log" || fail "xfs_repair -n is not content"
}

# compare NAME VOLUME STRIP: what differs is in the report.
compare() {
	local left
	sort -k2 "$T/before/$1" >"$T/x"
	sort -k2 "$T/after/$1" >"$T/y"
	! cmp -s "$T/x" "$T/y" || fail "nothing changed on $1"
	diff "$T/x" "$T/y" | sed -n 's/^[<>] [0-9a-f]*  \.//p' | sort -u \
		>"$T/differ" || :
	jq -r --arg v "$2" --arg s "$3" '.changes[] | select(.volume == $v) |
		.path | ltrimstr($s)' "$T/report.json" | sort -u >"$T/told"
	left=$(comm -23 "$T/differ" "$T/told")
	[ -z "$left" ] || fail "$1: changed without a word: $left"
	[ -s "$T/told" ] || fail "$1: nothing was told"
}

printf 'correct horse' >"$T/passphrase"
make_disks
sha256sum "$T/a" "$T/b" >"$T/digests"
for d in a b; do
	cp --sparse=always "$T/$d" "$T/$d.before"
done
sums "$T/before" "$T/a.before" "$T/b.before"
cp --sparse=always "$T/a" "$T/a.before"
cp --sparse=always "$T/b" "$T/b.before"
echo >>"$T/passphrase" # a newline at its end is not a part of it
luks=$(blkid -p -O $((301 * MIB)) -s UUID -o value "$T/b")
boot=$(blkid -p -s UUID -o value "$T/boot.img")

say "without the key, a dry run"
"$V2V" inject --dry-run --json "$T/a" "$T/b" >"$T/dry.json"
sha256sum --quiet -c "$T/digests" || fail "a dry run wrote to the disks"
jq -e '.skipped[] | select(.volume == "p2" and .disk == 1) |
	select(.why | test("--luks-key"))' "$T/dry.json" >/dev/null ||
	fail "LUKS without a key is not told: $(jq -c .skipped "$T/dry.json")"
[ "$(jq '.systems | length' "$T/dry.json")" = 4 ] ||
	fail "not four systems: $(jq -c '.systems[].volume' "$T/dry.json")"

say "with it"
"$V2V" inject --json --job-dir "$T/job" --luks-key "$luks=$T/passphrase" \
	"$T/a" "$T/b" >"$T/report.json"
[ "$(jq -r '.systems[] | .volume + ":" + (.subvolume // "")' \
	"$T/report.json" | sed 's,md/.*,md:,; s,^md[0-9].*,md:,' | sort |
	tr '\n' ' ')" = "luks/$luks: md: md: p1:@ p2: " ] ||
	fail "the systems: $(jq -c '.systems[] | [.volume, .subvolume]' \
		"$T/report.json")"
# Members of an array that was put together are no closed volumes.
jq -e '[.skipped[] | select(.disk == 1)] == []' "$T/report.json" >/dev/null ||
	fail "skipped: $(jq -c .skipped "$T/report.json")"
cp --sparse=always "$T/a" "$T/a.after"
cp --sparse=always "$T/b" "$T/b.after"
sums "$T/after" "$T/a.after" "$T/b.after"
compare xfs p2 ''
compare btrfs p1 ''
compare bvar p1 /var
compare luks "luks/$luks" ''
r1=$(jq -r '.systems[] | select(.pretty_name == "Phony raid1") | .volume' \
	"$T/report.json")
r5=$(jq -r '.systems[] | select(.pretty_name == "Phony raid5") | .volume' \
	"$T/report.json")
compare raid1 "$r1" ''
compare raid5 "$r5" ''
for f in btrfs luks; do
	grep -q "^UUID=$boot /old" "$T/after/$f.fstab" ||
		fail "$f: fstab names /dev/sda1: $(cat "$T/after/$f.fstab")"
done
! grep -q '^/dev/sda' "$T/after/xfs.fstab" || fail "XFS: fstab"
[ "$(jq '[.changes[] | select(.path == "/boot/grub/grub.cfg" and
	.volume == "p1" and .disk == 0)] | length' "$T/report.json")" = 1 ] ||
	fail "/boot of the XFS system was not edited"
# Both members of the RAID 1 have the same data.
cmp -s -n $((90 * MIB)) \
	<(tail -c +$((401 * MIB + 2 * MIB + 1)) "$T/b" | head -c $((90 * MIB))) \
	<(tail -c +$((501 * MIB + 2 * MIB + 1)) "$T/b" | head -c $((90 * MIB))) ||
	fail "the members of the RAID 1 differ"

"$V2V" inject --undo --job-dir "$T/job" "$T/a" "$T/b"
sha256sum --quiet -c "$T/digests" || fail "the undo log does not give it back"
say "$(jq '.changes | length' "$T/report.json") changes in five systems"
