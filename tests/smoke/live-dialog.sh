#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The live system's menu in a terminal of 80x24, driven by keys: a mistake in
# the configuration, the network's screens, a target disk, the inventory, a
# conversion to a private sshd, the shell, and the end.
#
# FY_SAVE_SCREENS=1 writes each screen to docs/screens/NAME.txt.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
. "$(dirname "$0")/../lib/terminal.sh"
. "$(dirname "$0")/../lib/disk.sh"
requires_root
requires tmux dialog qemu-img mke2fs sfdisk ssh-keygen jq losetup
requires_built p2v-client v2v-server used-blocks
requires_loop

DISK=$T/disk.img
# save NAME: the screen as text.  This run's directory gives way to another of
# the same length, so that the frames stay straight.
save() {
	local place cut=${T%/*}/fy
	[ "${FY_SAVE_SCREENS:-0}" = 1 ] || return 0
	mkdir -p "$FY_TOP/docs/screens"
	printf -v place '%-*.*s' ${#T} ${#T} \
		/run/ironferry/of/the/test/that/took/this/screen/and/more
	sleep 0.3
	# A line that ends in the middle of it, too.
	screen | sed -e "s|$T|$place|g" -e "s|$cut|${place:0:${#cut}}|g" \
		-e 's/ *$//' \
		>"$FY_TOP/docs/screens/$1.txt"
}

# The entry "ssh" is there where this machine has sshd and systemd.
choose_shell() {
	keys Home
	if shows ' ssh +let'; then
		keys -l ss
	else
		keys -l s
	fi
	sleep 0.3
	keys Enter
}

# The line of the target: as many steps down as lines above it.
select_target() {
	local n
	n=$(screen | grep -E '/dev/' | grep -nE "$TARGET " | cut -d: -f1)
	while [ "${n:-1}" -gt 1 ]; do
		keys Down
		n=$((n - 1))
	done
	sleep 0.3
}

# start WORDS...: the menu in a fresh terminal; exit status in $T/status.
start() {
	rm -rf "$T/status" "$T/state"
	printf '%s ' quiet "$@" >"$T/cmdline"
	{
		printf '%q ' env "HOME=$T/home" LC_ALL=C.UTF-8 TERM=screen \
			"PATH=$T/bin:$PATH" "FY_POWERED=$T/powered" \
			"$FY_BUILD/p2v-client" live --cmdline "$T/cmdline" \
			--medium "$T/medium" --run "$T/state" \
			--sysroot "$T/machine" --network-dir "$T/net" \
			--power-command "$T/power" --allow-write "$T/allow"
		printf '\necho $? >%q\nsleep 300\n' "$T/status"
	} >"$T/script"
	terminal_start "$T/script"
}

# A machine with two ports, as sysfs shows it.
make_machine() {
	local n=0 name d
	for name in enp1s0 enp2s0; do
		n=$((n + 1))
		d=$T/machine/sys/class/net/$name
		mkdir -p "$d/device" "$T/machine/sys/bus/drivers/e1000e"
		ln -s ../../../../bus/drivers/e1000e "$d/device/driver"
		echo 1 >"$d/type"
		echo $((n % 2)) >"$d/carrier"
		echo 1000 >"$d/speed"
		echo "52:54:00:12:34:5$n" >"$d/address"
	done
	mkdir -p "$T/bin" "$T/medium"
	cat >"$T/bin/ethtool" <<-SH
	#!/bin/sh
	echo "\$*" >>$T/blinked
	sleep 1
	SH
	cat >"$T/power" <<-'SH'
	#!/bin/sh
	echo "$1" >>"$FY_POWERED"
	SH
	cat >"$T/allow" <<-SH
	#!/bin/sh
	echo "\$*" >>$T/allowed
	SH
	chmod 755 "$T/bin/ethtool" "$T/power" "$T/allow"
}

# The medium: a filesystem on a loop device, read-only as an ISO is.
make_medium() {
	truncate -s 8M "$T/medium.img"
	mke2fs -q -t ext4 "$T/medium.img"
	MEDIUM=$(losetup -f --show "$T/medium.img")
	at_exit losetup -d "$MEDIUM"
	# The mark outlives a loop device's use.
	at_exit blockdev --setrw "$MEDIUM"
	blockdev --setrw "$MEDIUM"
	mount "$MEDIUM" "$T/medium" ||
		skip "loop devices cannot be mounted here"
	# Written, for mke2fs -d would leave a hole where zeros are.
	mkdir "$T/medium/ironferry"
	{
		printf 'IRONFERRY-REMEMBER-1\n'
		head -c $((65536 - 21)) /dev/zero
	} >"$T/medium/ironferry/remember.dat"
	umount "$T/medium"
	blockdev --setro "$MEDIUM"
	mount -o ro "$MEDIUM" "$T/medium"
	at_exit umount "$T/medium"
}

make_target() {
	truncate -s 96M "$T/target.img"
	mke2fs -q -t ext4 -L BACKUPS "$T/target.img"
	TARGET=$(losetup -f --show "$T/target.img")
	at_exit losetup -d "$TARGET"
	at_exit sh -c "umount '$T/state/target' 2>/dev/null || :"
}

file_is() {
	[ "$(cat "$1")" = "$2" ] || { cat "$1" >&2; fail "$1 is not as wanted"; }
}

mkdir -p "$T/home/.ssh"
debian_disk "$DISK" iron-host 16M 64
make_machine
make_medium
mkdir "$T/vms"
sshd_start --root "$T/vms"

say "--- a mistake is told; then the menu, at once"
start p2v.action=convert p2v.foo=1
see 'p2v.foo: there is no such key'
save problem
keys Enter
see 'convert +make a virtual machine'
[ "$(jq .exit "$T/state/result")" = 2 ] || fail "the result is another"
shows "The unattended run of '\?': failed" || fail "the menu hides the failure"

say "--- the menu"
start "p2v.disks=$DISK" "p2v.server=$SSHD_SERVER" \
	"p2v.identity=$SSHD_KEY" p2v.no-inject
see 'convert +make a virtual machine' 10
see "Images go to $SSHD_SERVER" 5
see 'poweroff +switch this machine off' 5
save menu

say "--- network: the list, a port that blinks, fixed addresses, a bond"
choose n
see 'enp1s0 +link up 1000 Mb/s +e1000e +52:54:00:12:34:51'
see 'enp2s0 +no link' 5
see 'bond +let several' 5
save network
keys Enter
see 'blink +make the port'
save network-port
choose b
see 'enp1s0 +link up'
wait_for 10 test -s "$T/blinked" || fail "no light blinked"
[ "$(cat "$T/blinked")" = "-p enp1s0 10" ] || fail "$(cat "$T/blinked")"
keys Enter
see 'addresses +DHCP'
keys Enter
see 'Addresses .none: DHCP'
keys -l '192.0.2.7'
keys Enter
see 'no address with its bits'
save network-wrong
keys Enter
see 'Addresses .none: DHCP'
type_over '192.0.2.7/24 2001:db8::7/64'
keys Down
keys -l '192.0.2.1'
keys Down
keys -l '192.0.2.53'
keys Down
keys -l '12'
save network-form
keys Enter
see 'Which interface'
file_is "$T/net/10-ironferry-enp1s0.12.network" "# by p2v-client live
[Match]
Name=enp1s0.12

[Network]
DHCP=no
Address=192.0.2.7/24
Address=2001:db8::7/64
Gateway=192.0.2.1
DNS=192.0.2.53"
choose b
see 'work together'
keys Space Down Space
save network-bond
keys Enter
see 'active-backup'
save network-bond-mode
keys Down Enter
see 'Network: bond0'
keys Enter
see 'Which interface'
grep -qx 'Mode=802.3ad' "$T/net/10-ironferry-bond0.netdev" ||
	fail "no such mode"
grep -qx 'Bond=bond0' "$T/net/10-ironferry-enp2s0.network" ||
	fail "no member"
keys Tab Enter
see 'poweroff +switch'

say "--- the server is remembered on the medium, and nothing else changed"
cp "$T/medium.img" "$T/medium.before"
choose t
see 'remember +write the server'
choose r
see 'The medium remembers now'
save remember
keys Enter
see 'poweroff +switch'
sync
cmp -l "$T/medium.before" "$T/medium.img" | awk '{ print $1 }' >"$T/changed" ||
	:
wanted="server=$SSHD_SERVER"
[ "$(($(tail -n 1 "$T/changed") - $(head -n 1 "$T/changed")))" -lt \
	$((${#wanted} + 100)) ] || fail "more than the lines was written"
grep -aq "^$wanted" "$T/medium.img" || fail "the medium has no such line"
[ "$(blockdev --getro "$MEDIUM")" = 1 ] || fail "the medium stays writable"
start
see "Images go to $SSHD_SERVER"
start "p2v.disks=$DISK" "p2v.server=$SSHD_SERVER" \
	"p2v.identity=$SSHD_KEY" p2v.no-inject
see 'poweroff +switch'

say "--- the hardware, shown and saved"
choose h
see 'show +show what is'
save hardware-menu
keys Enter
see 'Disk .*disk.img' 60
see 'Image files' 5
save hardware
keys Enter
see 'poweroff +switch'
choose h
see 'show +show what is'
choose s
see 'Name of the machine'
see 'iron-host' 5
keys Enter
see 'Unknown host key'
save host-key
keys Left Enter
see 'Saved as'
save machine-json
keys Enter
see 'poweroff +switch'
[ "$(jq -r '.disks[0].path' "$T/vms/iron-host.machine.json")" = "$DISK" ] ||
	fail "machine.json is not of this disk"

say "--- the target: a local disk, shown, made writable, mounted, let go"
make_target
choose t
see 'Where shall images go'
save target
choose d
see 'On which filesystem'
see "$TARGET" 5
see 'BACKUPS' 5
save target-disk
keys Home
select_target
keys Enter
see 'This disk will be written to'
see "$TARGET" 5
see 'BACKUPS' 5
save target-question
keys Left Enter
see "Images go to $T/state/target"
mountpoint -q "$T/state/target" || fail "the target is not mounted"
grep -qx "$TARGET" "$T/allowed" || fail "the target was not made writable"
grep -qx "$TARGET" "$T/state/targets" || fail "the target is not noted"
choose t
see 'release +unmount'
choose r
see 'poweroff +switch'
mountpoint -q "$T/state/target" && fail "the target is still mounted"

say "--- convert, by the menu"
choose t
see 'Where shall images go'
keys Enter
see 'of a server with v2v-server'
keys -l -- "$SSHD_SERVER"
keys Enter
see "Images go to $SSHD_SERVER"
choose c
see 'Where shall the virtual machine go'
save convert-server
keys Enter
see 'Choose the disks'
see 'disk.img.*67.1 MB.*used' 5
save convert-disks
keys Enter
see 'Directory on the server'
save convert-shape
keys Enter
see 'In which format'
save convert-format
keys Enter
see 'Start\?'
save convert-summary
keys Enter
see 'Files on ' 90
see 'iron-host.qcow2' 5
save convert-done
keys Enter
see 'poweroff +switch'
qemu-img compare -q "$DISK" "$T/vms/iron-host.qcow2" ||
	fail "the image differs from the disk"

say "--- the shell, and back; then off"
choose_shell
see 'leads back to the menu'
# The shell's arithmetic is what tells it from the echo of what is typed.
# shellcheck disable=SC2016
keys -l 'echo shell-$((40+2))'
keys Enter
see 'shell-42'
keys -l 'exit'
keys Enter
see 'poweroff +switch'
choose r
see 'Reboot this machine now'
keys Right Enter
see 'poweroff +switch'
[ ! -e "$T/powered" ] || fail "it rebooted unasked"
choose p
see 'Switch off this machine now'
save poweroff
keys Enter
wait_for 10 test -s "$T/powered" || fail "the machine was not switched off"
[ "$(cat "$T/powered")" = poweroff ] || fail "$(cat "$T/powered")"
say "passed"
