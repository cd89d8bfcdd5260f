# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# The steps of the boot tests: a machine is built and booted as the iron that
# it was, converted over SSH, and booted from the emitted definition, unedited,
# by a private libvirtd.  After common.sh, sshd.sh and libvirt.sh, and for a root
# on LVM, LUKS or md (make-guest --stack) workbench.sh.
#
#     pair_begin                   what the test needs; the login key
#     pair_make ARGS...            make-guest -> $PAIR_DISK (${PAIR_DISKS[@]})
#     pair_iron ARGS...            boots as the physical machine
#     pair_iron_fails ARGS...      as it is, on virtio, it must not boot
#     pair_convert ARGS...         p2v-client convert -> $PAIR_TO/machine.*
#     pair_clean [JUDGE]           the checkers on the images' filesystems
#     pair_start                   virsh define, start
#     pair_ssh_works ADDRESS       the proof
#     pair_has COMMAND PATTERN     the command's output in the guest
#     pair_off                     shut it down
#     pair_back ARGS...            the converted disk boots on iron again
#
# While working on a test, FY_PAIR_QUICK=1 leaves out all boots but those of the
# definition.

PAIR_NIC_MAC=52:54:00:77:00:01
PAIR_NIC2_MAC=52:54:00:77:00:02

pair_begin() {
	requires_loop
	requires qemu-system-x86_64 qemu-img mmdebstrap sfdisk partx mcopy \
		ssh ssh-keygen virsh virt-xml-validate python3
	requires_built p2v-client v2v-server
	PAIR_DISK=$T/disk.img
	PAIR_DISKS=("$PAIR_DISK")
	PAIR_TO=$T/vms
	PAIR_KEY=$T/login
	ssh-keygen -q -t ed25519 -N '' -f "$PAIR_KEY"
	chmod 755 "$T"
}

pair_make() {
	local start=$SECONDS
	"$FY_TOP/tests/guests/make-guest" --out "$PAIR_DISK" \
		--ssh-key "$PAIR_KEY.pub" "$@" ||
		fail "the guest could not be built"
	[ ! -e "$PAIR_DISK.2" ] || PAIR_DISKS=("$PAIR_DISK" "$PAIR_DISK.2")
	[ ! -e "$PAIR_DISK.make" ] || workbench_stack "${PAIR_DISKS[@]}"
	say "guest built in $((SECONDS - start)) s"
}

# The LUKS volume in that partition of a disk.
luks_uuid() {
	local start
	start=$(sfdisk -J "$1" | jq ".partitiontable.partitions[$2 - 1].start")
	blkid -p -O $((start * 512)) -s UUID -o value "$1"
}

# pair_images: the converted ones, in the order of the disks.
pair_images() {
	local i
	echo "$PAIR_TO/machine.qcow2"
	for ((i = 2; i <= ${#PAIR_DISKS[@]}; i++)); do
		echo "$PAIR_TO/machine-$i.qcow2"
	done
}

pair_boot() {
	"$FY_TOP/tests/guests/boot" "$@"
}

# pair_power LOG ARGS...: with the disks that stdin lists.
pair_power() {
	local log=$1 disk disks=()
	shift
	while read -r disk; do
		disks+=(--disk "$disk")
	done
	pair_boot "${disks[@]}" --log "$log" --timeout 900 "$@" </dev/null
}

pair_iron() {
	[ -z "${FY_PAIR_QUICK:-}" ] || return 0
	say "booting as the physical machine"
	printf '%s\n' "${PAIR_DISKS[@]}" | pair_power "$T/iron.log" "$@" || {
		tail -c 2000 "$T/iron.log"
		fail "the machine does not boot as it was built"
	}
}

# Otherwise the test would prove nothing.
pair_iron_fails() {
	local status=0
	[ -z "${FY_PAIR_QUICK:-}" ] || return 0
	say "booting it unconverted on virtio (which must fail)"
	# No NIC: UEFI would try to boot from it for minutes.
	printf '%s\n' "${PAIR_DISKS[@]}" | pair_power "$T/unconverted.log" \
		--snapshot --as virtio "$@" || status=$?
	[ "$status" = 1 ] ||
		fail "unconverted on virtio: status $status, not a failed boot"
}

pair_convert() {
	local status=0 start=$SECONDS disk image disks=()
	for disk in "${PAIR_DISKS[@]}"; do
		disks+=(--disk "$disk")
	done
	[ -n "${SSHD_PORT:-}" ] || sshd_start --root "$T"
	say "converting over SSH"
	"$FY_BUILD/p2v-client" convert --server "$SSHD_SERVER" \
		--identity "$SSHD_KEY" --fingerprint "$SSHD_FINGERPRINT" \
		"${disks[@]}" --name machine --to "$PAIR_TO" \
		--virt-type qemu --bridge "$LV_BRIDGE" --progress none \
		"$@" || status=$?
	if [ "$status" != 0 ]; then
		tail -n 20 "$SSHD_LOG" >&2
		fail "p2v-client convert ended with $status"
	fi
	say "converted in $((SECONDS - start)) s"
	[ -s "$PAIR_TO/machine.xml" ] || fail "there is no machine.xml"
	for image in $(pair_images); do
		qemu-img check -q "$image" ||
			fail "qemu-img check of ${image##*/}"
	done
	# The server removes it after its last word to the client.
	wait_for 10 test ! -e "$PAIR_TO/machine.partial" ||
		fail "machine.partial is left"
	virt-xml-validate "$PAIR_TO/machine.xml" domain ||
		fail "virt-xml-validate refuses machine.xml"
}

# The filesystems in the partitions, as the images are now (before a boot, after
# which the kernel has tidied up): by this machine's checkers, and what lies on
# volumes by the workbench's, with the script JUDGE.
pair_clean() {
	local image raw start size type at=$T/clean.part n=0 raws=()
	for image in $(pair_images); do
		raw=$T/${image##*/}.raw
		raws+=("$raw")
		qemu-img convert -O raw "$image" "$raw"
		while read -r start size; do
			rm -f "$at"
			dd if="$raw" of="$at" bs=1M iflag=skip_bytes,count_bytes \
				skip="$start" count="$size" conv=sparse status=none
			truncate -s "$size" "$at"
			type=$(blkid -p -s TYPE -o value "$at" || :)
			case $type in
			ext*) e2fsck -fn "$at" ;;
			xfs) xfs_repair -n -f "$at" ;;
			btrfs) btrfs check --readonly "$at" ;;
			vfat) fsck.vfat -n "$at" ;;
			*) continue ;;
			esac >"$T/clean.log" 2>&1 || {
				cat "$T/clean.log"
				fail "$type at $start in ${image##*/} is not whole"
			}
			n=$((n + 1))
		done < <(sfdisk -J "$raw" | jq -r '.partitiontable |
			(.sectorsize // 512) as $s | .partitions[] |
			"\(.start * $s) \(.size * $s)"')
	done
	if [ -n "${1:-}" ]; then
		workbench - "${raws[@]}" <<<"$1" >"$T/clean.log" 2>&1 || {
			cat "$T/clean.log"
			fail "what lies on the volumes is not whole"
		}
		n=$((n + 1))
	fi
	rm -f "${raws[@]}" "$at"
	[ "$n" -gt 0 ] || fail "there was no filesystem to check"
	say "$n filesystems are whole"
}

pair_start() {
	[ -n "$LV_PID" ] || lv_start
	lv_virsh define "$PAIR_TO/machine.xml" ||
		fail "virsh does not take machine.xml"
	PAIR_STARTED=$SECONDS
	lv_boot machine "$T/console.log"
	say "started by libvirt"
}

pair_ssh_works() {
	if ! lv_wait_ssh 1800 "$PAIR_KEY" "$1"; then
		tail -c 3000 "$T/console.log" | cat -v
		fail "no login at $1 after $((SECONDS - PAIR_STARTED)) s"
	fi
	PAIR_ADDRESS=$1
	say "ssh to $1 works, $((SECONDS - PAIR_STARTED)) s after the start"
}

# The output of a command in the guest, some of it shown.
pair_has() {
	local out
	out=$(lv_ssh "$PAIR_KEY" "$PAIR_ADDRESS" "$1") || :
	if ! grep -qE -- "$2" <<<"$out"; then
		printf '%s\n' "$out" | head -n 30
		fail "in the guest, '$1' does not show '$2'"
	fi
}

pair_lacks() {
	local out
	out=$(lv_ssh "$PAIR_KEY" "$PAIR_ADDRESS" "$1") ||
		fail "in the guest, '$1' failed"
	if grep -qE -- "$2" <<<"$out"; then
		printf '%s\n' "$out" | head -n 30
		fail "in the guest, '$1' shows '$2'"
	fi
}

# The NIC has its old name, virtio's driver, and sits elsewhere than before.
pair_nic_moved() {
	local nic=$1 old_slot=$2 path
	pair_has "readlink /sys/class/net/$nic/device/driver" 'virtio_net$'
	path=$(lv_ssh "$PAIR_KEY" "$PAIR_ADDRESS" \
		"readlink -f /sys/class/net/$nic/device")
	case $path in
	*"/$old_slot/"*|*"/$old_slot")
		fail "$nic sits in the slot $old_slot as before: no proof" ;;
	esac
	say "$nic is at ${path#/sys/devices/}"
}

pair_healthy() {
	lv_ssh "$PAIR_KEY" "$PAIR_ADDRESS" \
		'systemctl is-system-running --wait' >/dev/null || :
	pair_lacks 'systemctl --failed --plain --no-legend' '.'
	pair_has 'ls /sys/bus/virtio/drivers/virtio_blk' '^virtio[0-9]'
}

pair_off() {
	lv_off machine
}

pair_back() {
	[ -z "${FY_PAIR_QUICK:-}" ] || return 0
	say "booting the converted disk on AHCI and e1000 again"
	pair_images | pair_power "$T/back.log" --format qcow2 --snapshot "$@" || {
		tail -c 2000 "$T/back.log"
		fail "the converted disk no longer boots on the iron"
	}
}
