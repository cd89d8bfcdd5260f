#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The root (with /boot) on md's RAID 1 over two disks, which mdadm.conf names by
# their devices; GRUB on both.  Both members are the same after the injection.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
. "$(dirname "$0")/../lib/libvirt.sh"
. "$(dirname "$0")/../lib/workbench.sh"
. "$(dirname "$0")/../lib/boot-pair.sh"
pair_begin
workbench_needs

pair_make --stack md --fstab dev --size 2000M \
	--nic enp0s5=10.77.0.2/24 --gateway 10.77.0.1
pair_iron --nic e1000
pair_iron_fails
pair_convert --nic "enp0s5=$PAIR_NIC_MAC"
# shellcheck disable=SC2016 # the workbench expands it
judge='mdadm --assemble /dev/md0 /dev/vdb1 /dev/vdc1
grep -F "[UU]" /proc/mdstat
e2fsck -fn /dev/md0
cd /sys/block/md0/md
echo check >sync_action
until grep -qx idle sync_action; do sleep 1; done
[ "$(cat mismatch_cnt)" = 0 ]'
pair_clean "$judge"
pair_start
pair_ssh_works 10.77.0.2
pair_has 'findmnt -no SOURCE /' '^/dev/md0$'
pair_has 'cat /proc/mdstat' '\[UU\]'
pair_has 'cat /sys/block/md0/md/dev-*/block/uevent' 'DEVNAME=vda1'
pair_has 'cat /sys/block/md0/md/dev-*/block/uevent' 'DEVNAME=vdb1'
pair_lacks 'cat /etc/mdadm/mdadm.conf' '/dev/sd'
pair_nic_moved enp0s5 0000:00:05.0
pair_healthy
pair_off
pair_clean "$judge"
pair_back --nic e1000
