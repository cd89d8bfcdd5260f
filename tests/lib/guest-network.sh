# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash disable=SC2154
#
# The network of make-guest's machines: from its variables nics, gateway, bonds
# and vlans into the tree $root.
#
#     guest_network KIND       ifupdown, networkd, networkmanager, netplan

network_ifupdown() {
	local n a b v
	echo "source /etc/network/interfaces.d/*"
	printf '\nauto lo\niface lo inet loopback\n'
	for n in "${nics[@]}"; do
		printf '\nallow-hotplug %s\niface %s inet static\n' \
			"${n%%=*}" "${n%%=*}"
		printf '\taddress %s\n' "${n#*=}"
		[ -z "$gateway" ] || printf '\tgateway %s\n' "$gateway"
		gateway=
	done
	for b in "${bonds[@]}"; do
		printf '\nauto %s\niface %s inet manual\n' "${b%%=*}" "${b%%=*}"
		a=${b#*=}
		printf '\tbond-slaves %s\n\tbond-mode active-backup\n' \
			"${a//+/ }"
		printf '\tbond-miimon 100\n'
	done
	for v in "${vlans[@]}"; do
		printf '\nauto %s\niface %s inet static\n' "${v%%=*}" "${v%%=*}"
		a=${v%%=*}
		printf '\taddress %s\n\tvlan-raw-device %s\n' "${v#*=}" \
			"${a%.*}"
	done
}

network_networkd() {
	local d=$root/etc/systemd/network n b s v dev
	mkdir -p "$d"
	for n in "${nics[@]}"; do
		{
			printf '[Match]\nName=%s\n\n' "${n%%=*}"
			printf '[Network]\nAddress=%s\n' "${n#*=}"
			[ -z "$gateway" ] || printf 'Gateway=%s\n' "$gateway"
		} >"$d/10-${n%%=*}.network"
		gateway=
	done
	for b in "${bonds[@]}"; do
		printf '[NetDev]\nName=%s\nKind=bond\n\n[Bond]\n%s\n%s\n' \
			"${b%%=*}" Mode=active-backup MIIMonitorSec=100ms \
			>"$d/20-${b%%=*}.netdev"
		{
			printf '[Match]\nName=%s\n\n[Network]\n' "${b%%=*}"
			printf 'LinkLocalAddressing=no\n'
			for v in "${vlans[@]}"; do
				dev=${v%%=*}
				[ "${dev%.*}" != "${b%%=*}" ] ||
					printf 'VLAN=%s\n' "$dev"
			done
		} >"$d/20-${b%%=*}.network"
		s=${b#*=}
		for n in ${s//+/ }; do
			printf '[Match]\nName=%s\n\n[Network]\nBond=%s\n' \
				"$n" "${b%%=*}" >"$d/15-$n.network"
		done
	done
	for v in "${vlans[@]}"; do
		dev=${v%%=*}
		printf '[NetDev]\nName=%s\nKind=vlan\n\n[VLAN]\nId=%s\n' \
			"$dev" "${dev##*.}" >"$d/30-$dev.netdev"
		printf '[Match]\nName=%s\n\n[Network]\nAddress=%s\n' \
			"$dev" "${v#*=}" >"$d/30-$dev.network"
	done
}

# Keyfiles as nmcli leaves them.
network_networkmanager() {
	local d=$root/etc/NetworkManager/system-connections n id
	mkdir -p "$d"
	for n in "${nics[@]}"; do
		id="Wired ${n%%=*}"
		cat >"$d/$id.nmconnection" <<-KEYFILE
		[connection]
		id=$id
		uuid=$(cat /proc/sys/kernel/random/uuid)
		type=ethernet
		interface-name=${n%%=*}

		[ethernet]

		[ipv4]
		address1=${n#*=}${gateway:+,$gateway}
		method=manual

		[ipv6]
		addr-gen-mode=default
		method=disabled

		[proxy]
		KEYFILE
		chmod 600 "$d/$id.nmconnection"
		gateway=
	done
}

network_netplan() {
	local n
	printf 'network:\n  version: 2\n  renderer: networkd\n  ethernets:\n'
	for n in "${nics[@]}"; do
		printf '    %s:\n      addresses: [%s]\n' "${n%%=*}" "${n#*=}"
		[ -z "$gateway" ] || printf \
			'      routes:\n      - to: default\n        via: %s\n' \
			"$gateway"
		gateway=
	done
}

guest_network() {
	case $1 in
	ifupdown)
		network_ifupdown >"$root/etc/network/interfaces"
		return
		;;
	networkd) network_networkd ;;
	networkmanager) network_networkmanager ;;
	netplan)
		mkdir -p "$root/etc/netplan"
		network_netplan >"$root/etc/netplan/01-netcfg.yaml"
		chmod 600 "$root/etc/netplan/01-netcfg.yaml"
		;;
	esac
	quietly in_guest systemctl disable networking
	[ "$1" != networkd ] ||
		quietly in_guest systemctl enable systemd-networkd
}
