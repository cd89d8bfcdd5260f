# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash disable=SC2154
#
# Of make-guest's machines, those whose root lies on LVM, on LVM inside LUKS,
# or on md's RAID 1.
#
#     stack_modules            what their initramfs loads
#     guest_stack              their configuration, into the tree $root
#     stack_lvm                the volume group onto the disk, without LVM
#     stack_script             LUKS and md, for the workbench: what makes the
#                              volumes and puts the root there

stack_modules() {
	case $stack in
	lvm) echo dm_mod ;;
	luks)
		echo dm_mod dm_crypt aes_generic aesni_intel xts ecb cbc \
			sha256_generic algif_skcipher
		;;
	md) echo md_mod raid1 ;;
	esac
}

# The key file in the initramfs starts the machine without a person; /boot is
# not encrypted here, so it is no secret.
stack_luks() {
	local key=$root/etc/keys/root.key
	install -d -m 700 "$root/etc/keys"
	head -c 64 /dev/urandom >"$key"
	chmod 400 "$key"
	printf %s "$password" | cryptsetup luksAddKey -q --pbkdf pbkdf2 \
		--pbkdf-force-iterations 1000 --key-file - "$(part pv)" "$key"
	echo "sys_crypt UUID=$(uuid_of pv) /etc/keys/root.key luks,initramfs" \
		>"$root/etc/crypttab"
	echo 'KEYFILE_PATTERN="/etc/keys/*.key"' \
		>>"$root/etc/cryptsetup-initramfs/conf-hook"
	echo UMASK=0077 >>"$root/etc/initramfs-tools/initramfs.conf"
}

# As an administrator may have it: the members by name.
stack_md() {
	cat >"$root/etc/mdadm/mdadm.conf" <<-CONF
	DEVICE /dev/sda1 /dev/sdb1
	HOMEHOST <system>
	MAILADDR root
	ARRAY /dev/md0 metadata=1.2 level=raid1 num-devices=2 UUID=$md_uuid
	   devices=/dev/sda1,/dev/sdb1
	CONF
}


guest_stack() {
	case $stack in
	luks) stack_luks ;;
	md) stack_md ;;
	esac
}

stack_lvm() {
	local start extents lvs root_extents=$((root_mib / 4))
	start=$(sfdisk -J "$out.building" | jq \
		".partitiontable.partitions[] | select(.node |
			endswith(\"building${number[pv]}\")) | .start * $sector")
	extents=$root_extents
	lvs=$(printf '{"name": "root", "image": "%s", "segments": [{"count": %d,
		"areas": [[0, 0]]}]}' "$out.root.building" "$root_extents")
	if [ "$swap" != 0 ] && [ -z "$swap_part" ]; then
		truncate -s "${swap}M" "$work/swap"
		mkswap -q "$work/swap"
		extents=$((extents + swap / 4))
		lvs+=$(printf ',{"name": "swap", "image": "%s", "segments": [
			{"count": %d, "areas": [[0, %d]]}]}' "$work/swap" \
			$((swap / 4)) "$root_extents")
	fi
	cat >"$work/layout" <<-LAYOUT
	{"vg": "sys", "extent_bytes": 4194304,
	 "pvs": [{"disk": "$out.building", "start": $start, "extents": $extents}],
	 "lvs": [$lvs]}
	LAYOUT
	python3 "$(dirname "$0")/../lib/lvm-image.py" make "$work/layout" ||
		die "the volume group was not made"
	rm "$out.root.building"
}

stack_script() {
	local pv=/dev/vdb${number[pv]:-}
	echo 'export LVM_SUPPRESS_FD_WARNINGS=1'
	if [ "$stack" = md ]; then
		cat <<-SCRIPT
		mdadm --create /dev/md0 --run --level=1 --raid-devices=2 \
			--metadata=1.2 --uuid=$md_uuid --homehost=$name --name=0 \
			--assume-clean /dev/vdb1 /dev/vdc1
		dd if=/dev/vdd of=/dev/md0 bs=1M conv=sparse status=none
		SCRIPT
		return
	fi
	# What a new disk has not been written to is no zero behind dm-crypt.
	cat <<-SCRIPT
	printf %s '$password' | cryptsetup open --key-file - $pv crypt
	vgcreate -q sys /dev/mapper/crypt
	lvcreate -q -y -W n -L ${root_mib}M -n root sys
	dd if=/dev/vdc of=/dev/sys/root bs=1M status=none
	SCRIPT
	[ "$swap" = 0 ] || [ -n "$swap_part" ] || cat <<-SCRIPT
	lvcreate -q -y -W n -L ${swap}M -n swap sys
	mkswap /dev/sys/swap
	SCRIPT
}
