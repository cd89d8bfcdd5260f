# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# A private libvirtd.  After common.sh, as root.
#
# It is the whole system daemon, as qemu:///system, but it lives in a mount
# namespace in which /etc/libvirt, /var/lib/libvirt, /run and so on are
# directories below $T, and in a network namespace of its own with the bridge
# $LV_BRIDGE.  So a domain's XML can be used unedited, and nothing of it is
# seen or left outside.
#
#     lv_start                     start it; the host's end of the bridge
#                                  is 10.77.0.1/24
#     lv_run COMMAND...            run in the namespaces
#     lv_virsh ARGS...
#     lv_vlan ID ADDRESS/LEN       an address on a VLAN of the bridge
#     lv_boot NAME LOG             start a defined domain, its serial console
#                                  going to LOG
#     lv_ssh KEY ADDRESS COMMAND   as root in the guest
#     lv_wait_ssh SECONDS KEY ADDRESS
#     lv_off NAME                  shut down properly, or else destroy

LV_BRIDGE=${LV_BRIDGE:-fybr0}
LV_PID=

# The part that runs inside: make the places, then become libvirtd.
lv_inside() {
	local dir=$1 bridge=$2 d
	mount --make-rprivate /
	for d in etc var/lib var/log var/cache; do
		mkdir -p "$dir/$d/libvirt" "/$d/libvirt"
		mount --bind "$dir/$d/libvirt" "/$d/libvirt"
	done
	mount -t tmpfs -o mode=755 tmpfs /run
	mkdir -p /run/libvirt /run/lock
	# Nothing of this must reach the machine's own cgroups.
	ip link set lo up
	ip link add "$bridge" type bridge forward_delay 0 stp_state 0
	ip addr add 10.77.0.1/24 dev "$bridge"
	ip link set "$bridge" up
	cat >/etc/libvirt/qemu.conf <<-CONF
	user = "root"
	group = "root"
	dynamic_ownership = 0
	remember_owner = 0
	security_driver = "none"
	cgroup_controllers = [ ]
	namespaces = [ ]
	stdio_handler = "file"
	seccomp_sandbox = 0
	CONF
	cat >/etc/libvirt/libvirtd.conf <<-CONF
	listen_tls = 0
	listen_tcp = 0
	unix_sock_rw_perms = "0700"
	auth_unix_rw = "none"
	auth_unix_ro = "none"
	log_outputs = "3:stderr"
	CONF
	# shellcheck disable=SC2093
	exec libvirtd --config /etc/libvirt/libvirtd.conf \
		--pid-file /run/libvirtd.pid
}

lv_run() {
	nsenter --target "$LV_PID" --mount --net -- "$@"
}

lv_virsh() {
	lv_run virsh --quiet --connect qemu:///system "$@"
}

lv_stop() {
	local name i
	[ -n "$LV_PID" ] || { ip netns del "$LV_NETNS"; return; }
	for name in $(lv_virsh list --name --state-running 2>/dev/null); do
		lv_virsh destroy "$name" >/dev/null 2>&1
	done
	# What libvirtd started are grandchildren of ours: all that is left in
	# its network namespace.
	for i in 1 2 3 4 5 6 7 8 9 10; do
		end_pid "$LV_PID"
		local left=
		for name in $(ip netns pids "$LV_NETNS" 2>/dev/null); do
			left=1
			kill "$name" 2>/dev/null
		done
		[ -n "$left" ] || break
		sleep 0.3
	done
	ip netns del "$LV_NETNS" 2>/dev/null
}

lv_start() {
	requires_root
	requires libvirtd virsh unshare nsenter ip qemu-system-x86_64
	[ -e /dev/net/tun ] || skip "there is no /dev/net/tun"
	LV_DIR=$(mktemp -d "$T/libvirt.XXXXXX")
	LV_LOG=$LV_DIR/log
	LV_NETNS=$(basename "$T" | tr -cd 'A-Za-z0-9')
	chmod 755 "$T" "$LV_DIR"
	ip netns add "$LV_NETNS" ||
		skip "a network namespace cannot be made here"
	at_exit lv_stop
	nsenter --net="/run/netns/$LV_NETNS" unshare --mount \
		bash -euc "$(declare -f lv_inside); lv_inside \"\$@\"" \
		lv_inside "$LV_DIR" "$LV_BRIDGE" >"$LV_LOG" 2>&1 &
	LV_PID=$!
	wait_for 30 lv_ready || {
		cat "$LV_LOG" >&2
		fail "the private libvirtd did not start"
	}
	lv_virsh version >/dev/null || {
		cat "$LV_LOG" >&2
		fail "the private libvirtd does not answer"
	}
}

lv_ready() {
	kill -0 "$LV_PID" 2>/dev/null || {
		cat "$LV_LOG" >&2
		fail "the private libvirtd has ended"
	}
	lv_run test -S /run/libvirt/libvirt-sock 2>/dev/null
}

lv_vlan() {
	local id=$1 address=$2 dev=vlan$1
	if ! lv_run ip link add link "$LV_BRIDGE" name "$dev" type vlan \
		id "$id" 2>/dev/null
	then
		# The kernel knows no VLANs.
		lv_run ip link add "port$id" type veth peer name "relay$id"
		lv_run ip link set "port$id" master "$LV_BRIDGE" up
		lv_run ip link set "relay$id" up
		lv_run python3 "$FY_TOP/tests/lib/vlan-relay.py" "relay$id" \
			"$id" "$dev" >"$LV_DIR/relay$id" &
		own_pid $!
		wait_for_line 20 "$LV_DIR/relay$id" ready $! ||
			fail "the VLAN's relay did not start"
		# IPv4 is all that is wanted here.
		lv_run sysctl -q "net.ipv6.conf.$dev.disable_ipv6=1" || :
	fi
	lv_run ip addr add "$address" dev "$dev"
	lv_run ip link set "$dev" up
}

lv_boot() {
	local name=$1 log=$2 tty
	: >"$log"
	lv_virsh start --paused "$name" >/dev/null || {
		lv_run sh -c "tail -n 20 /var/log/libvirt/qemu/$name.log" >&2
		fail "virsh cannot start $name"
	}
	tty=$(lv_virsh ttyconsole "$name" || :)
	if [ -n "$tty" ]; then
		stty -F "$tty" raw -echo
		cat "$tty" >"$log" 2>/dev/null &
		own_pid $!
	fi
	lv_virsh resume "$name" >/dev/null
}

lv_ssh() {
	local key=$1 address=$2
	shift 2
	lv_run ssh -n -i "$key" -o BatchMode=yes -o ConnectTimeout=10 \
		-o IdentitiesOnly=yes -o StrictHostKeyChecking=no \
		-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
		-F /dev/null "root@$address" "$@"
}

lv_wait_ssh() {
	local end=$((SECONDS + $1)) key=$2 address=$3
	until lv_ssh "$key" "$address" true 2>/dev/null; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 1
	done
}

lv_off() {
	local name=$1 end=$((SECONDS + 90))
	lv_virsh shutdown "$name" >/dev/null || :
	while [ "$(lv_virsh domstate "$name")" = running ]; do
		if [ "$SECONDS" -ge "$end" ]; then
			say "$name did not shut down by itself"
			lv_virsh destroy "$name" >/dev/null
			break
		fi
		sleep 1
	done
}
