#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The root on an LV inside LUKS, /boot on ext4.  The passphrase is given to the
# conversion (and is in no file that stays); the machine itself opens the volume
# by a key file in its initramfs.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
. "$(dirname "$0")/../lib/libvirt.sh"
. "$(dirname "$0")/../lib/workbench.sh"
. "$(dirname "$0")/../lib/boot-pair.sh"
pair_begin
workbench_needs
requires cryptsetup

word="Tr0ub4dor und 3 Pferde"
pair_make --stack luks --size 2200M --swap 64 --password "$word" \
	--nic enp0s5=10.77.0.2/24 --gateway 10.77.0.1
pair_iron --nic e1000
pair_iron_fails
luks=$(luks_uuid "$PAIR_DISK" 2)
echo "$word" >"$T/passphrase"
pair_convert --nic "enp0s5=$PAIR_NIC_MAC" --luks-key "$luks=$T/passphrase"
! grep -raFl "$word" "$PAIR_TO" "$SSHD_LOG" ||
	fail "the passphrase was written down"
jq -e '.injection.systems[] | select(.volume == "sys/root")' \
	"$PAIR_TO/machine.job/report.json" >/dev/null ||
	fail "the system inside of LUKS is not in the report"
judge="printf %s '$word' | cryptsetup open --key-file - /dev/vdb2 crypt
vgchange -q -ay sys
e2fsck -fn /dev/sys/root"
pair_clean "$judge"
pair_start
pair_ssh_works 10.77.0.2
pair_has 'findmnt -no SOURCE /' '^/dev/mapper/sys-root$'
pair_has 'lsblk -nso NAME,TYPE /dev/mapper/sys-root' 'sys_crypt.*crypt$'
pair_has 'lsblk -nso NAME,TYPE /dev/mapper/sys-root' 'vda2.*part$'
pair_has 'swapon --show=NAME --noheadings' '^/dev/dm-'
pair_nic_moved enp0s5 0000:00:05.0
pair_healthy
pair_off
pair_clean "$judge"
pair_back --nic e1000
