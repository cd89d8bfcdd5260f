#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Two NICs with static addresses, one of them in a bond that carries a VLAN;
# by ifupdown, then by systemd-networkd.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
. "$(dirname "$0")/../lib/libvirt.sh"
. "$(dirname "$0")/../lib/boot-pair.sh"
pair_begin

one() {
	local net=$1
	say "--- $net"
	rm -rf "$PAIR_TO" "$PAIR_DISK"
	pair_make --table gpt --net "$net" --nic enp0s5=10.77.0.2/24 \
		--gateway 10.77.0.1 --bond bond0=enp0s6 \
		--vlan bond0.42=10.77.42.2/24
	pair_iron --nic e1000 --nic e1000
	[ "$net" != ifupdown ] || pair_iron_fails
	pair_convert --nic "enp0s5=$PAIR_NIC_MAC" --nic "enp0s6=$PAIR_NIC2_MAC"
	pair_start
	pair_ssh_works 10.77.0.2
	pair_ssh_works 10.77.42.2
	pair_nic_moved enp0s5 0000:00:05.0
	pair_nic_moved enp0s6 0000:00:06.0
	pair_has 'cat /sys/class/net/bond0/bonding/slaves' '^enp0s6$'
	pair_has 'ip -o -4 addr show dev bond0.42' '10\.77\.42\.2/24'
	pair_has 'ip -o -4 addr show dev enp0s5' '10\.77\.0\.2/24'
	pair_healthy
	pair_off
	lv_virsh undefine machine
	pair_back --nic e1000 --nic e1000
}

lv_start
lv_vlan 42 10.77.42.1/24
one ifupdown
one networkd
