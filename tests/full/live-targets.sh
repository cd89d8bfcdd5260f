#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What the live system does besides the conversion over SSH, in the real image:
# targets on USB, NFS and SMB, by keys and by the menu; the server remembered on
# the stick; sshd; the network's dialog; keyboard; configuration by TFTP and
# HTTPS.  Parts can be named:
#
#     tests/full/live-targets.sh [by_keys|shares|stick]...
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
. "$(dirname "$0")/../lib/live.sh"
. "$(dirname "$0")/../lib/terminal.sh"
live_needs
requires_loop
requires tmux jq qemu-img mkfs.ext4 mkfs.xfs mkfs.exfat mkfs.ntfs sfdisk \
	openssl smbd smbpasswd ganesha.nfsd sshpass
live_iso

DISK=$T/disk.img
USB=$T/usb.img
# What may be written to there, a name a line.
# shellcheck disable=SC2016
WRITABLE='for b in /sys/class/block/*; do case ${b##*/} in loop*|ram*|zram*) ;; *) [ "$(cat "$b/ro")" = 1 ] || echo "${b##*/}" ;; esac; done'

make_source() {
	[ ! -e "$DISK" ] || return 0
	mkdir -p "$T/tree/etc"
	printf 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12 of a test"\n' \
		>"$T/tree/etc/os-release"
	echo iron >"$T/tree/etc/hostname"
	head -c 20M /dev/urandom >"$T/tree/random"
	mkfs.ext4 -q -d "$T/tree" "$T/fs.img" 100M >/dev/null
	truncate -s 104M "$DISK"
	printf 'label: dos\nstart=2048, size=204800, type=83, bootable\n' |
		sfdisk -q "$DISK"
	dd if="$T/fs.img" of="$DISK" bs=1M seek=1 conv=notrunc status=none
	rm -rf "$T/fs.img" "$T/tree"
	sum=$(sha256 <"$DISK")
}

# A disk of six partitions: what a person may have at hand, and one with the
# name that is given.
make_usb() {
	local n fs
	truncate -s 0 "$USB"
	truncate -s 1500M "$USB"
	{
		echo 'label: gpt'
		# XFS takes no less.
		for n in 200 200 200 310 200 200; do echo "size=${n}MiB"; done
	} | sfdisk -q "$USB"
	n=1
	for fs in "ext4 -q -F -L BACKUPS" "exfat -L EXFAT" "ntfs -q -F -L NTFS" \
		"xfs -q -f -L XFS" "vfat -n FAT" "ext4 -q -F -L ${1:-SIXTH}"; do
		part "$n"
		# shellcheck disable=SC2086
		truncate -s "$((PART_SIZE * 512))" "$T/part"
		mkfs.$fs "$T/part" >/dev/null 2>&1 ||
			fail "mkfs.$fs failed"
		dd if="$T/part" of="$USB" bs=1M seek="$((PART_START / 2048))" \
			conv=notrunc,sparse status=none
		rm -f "$T/part"
		n=$((n + 1))
	done
}

# part N: where it lies, in sectors.
part() {
	read -r PART_START PART_SIZE < <(sfdisk --json "$USB" | jq -r \
		".partitiontable.partitions[$1 - 1] | \"\(.start) \(.size)\"")
}

part_sum() {
	part "$1"
	dd if="$USB" bs=512 skip="$PART_START" count="$PART_SIZE" status=none |
		sha256
}

part_out() {
	part "$1"
	dd if="$USB" of="$2" bs=512 skip="$PART_START" count="$PART_SIZE" \
		conv=sparse status=none
}

# image_of PART PATH: the image there is what the disk is.
image_of() {
	part_out "$1" "$T/part"
	e2fsck -fn "$T/part" >"$T/fsck" 2>&1 || {
		cat "$T/fsck" >&2
		fail "the target's filesystem is not clean"
	}
	! dumpe2fs -h "$T/part" 2>/dev/null | grep needs_recovery ||
		fail "the target was not unmounted"
	debugfs -R "dump $2 $T/out.qcow2" "$T/part" 2>/dev/null
	qemu-img check -q "$T/out.qcow2" || fail "$2 on the target is damaged"
	qemu-img compare -q "$DISK" "$T/out.qcow2" ||
		fail "$2 is not what the disk is"
	rm -f "$T/part" "$T/out.qcow2"
}

source_unchanged() {
	[ "$(sha256 <"$DISK")" = "$sum" ] || fail "the source has changed"
}

quiet_end() {
	! grep -aiE 'failed to unmount|busy|failed with result' "$LIVE_LOG" |
		cat -v | grep . ||
		fail "the machine was not switched off quietly"
}

run_ok() {
	live_run "$1" || fail "$2"
}

# What may be written to now, in one line; "" is nothing.
writable() {
	live_run "$WRITABLE" | grep -a . | paste -sd' '
}

# --- an HTTPS server that only the medium's certificate makes trusted ------------

https_start() {
	HTTPS_PORT=$(free_port)
	mkdir -p "$T/www"
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test \
		-addext subjectAltName=IP:10.0.2.2 -keyout "$T/tls.key" \
		-out "$T/tls.crt" 2>/dev/null
	python3 - "$T" "$HTTPS_PORT" >"$T/https.log" 2>&1 <<'PY' &
import functools, http.server, ssl, sys
top, port = sys.argv[1], int(sys.argv[2])
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(top + "/tls.crt", top + "/tls.key")
server = http.server.ThreadingHTTPServer(
    ("127.0.0.1", port),
    functools.partial(http.server.SimpleHTTPRequestHandler,
                      directory=top + "/www"))
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
PY
	own_pid $!
}

# Unattended to a filesystem of a USB disk; all keys come over HTTPS.
by_keys() {
	local before n
	make_source
	make_usb
	for n in 2 3 4 5 6; do before+=" $(part_sum "$n")"; done
	https_start
	cat >"$T/www/52-54-00-77-00-01.conf" <<-CONF
	action=convert
	target=/dev/disk/by-label/BACKUPS
	to=machines
	no-inject
	keyboard=de-latin1
	post=cat /proc/mounts >/run/mounts; { $WRITABLE; } >/run/while
	pre=dumpkeys >/run/keys
	CONF
	live_configure "$T/live.iso" --timeout 1 --ca "$T/tls.crt" --cmdline \
		"ironferry.shell=ttyS1 p2v.config=https://10.0.2.2:$HTTPS_PORT/{mac}.conf"
	live_start --cd "$T/live.iso" --shell --disk "$DISK" -- \
		-device qemu-xhci -drive "if=none,id=target,format=raw,file=$USB" \
		-device usb-storage,drive=target
	live_wait 600 "$LIVE_READY"
	live_wait 600 'DONE: |FAILED'
	live_wait 60 'unattended run of'
	! grep -aq FAILED "$LIVE_LOG" || fail "the job has failed"
	live_run 'cat /run/while; grep ironferry/target /run/mounts'
	[ "$(live_run 'cat /run/while' | grep -a . | paste -sd' ')" = \
		"sdb sdb1" ] ||
		fail "another device than the target was writable"
	[ -z "$(writable)" ] ||
		fail "something is writable after the job"
	run_ok '! grep ironferry/target /proc/mounts' "the target is mounted"
	# By what the kernel's table says of the key right of T.
	run_ok 'grep -E "^keycode +21 =" /run/keys; grep -qE "^keycode +21 = \+?z( |$)" /run/keys' \
		"the keyboard is another"
	run_ok '! ss -Hlnt | grep -w 22 && ! pgrep sshd' "sshd is there unasked"
	live_run 'systemctl poweroff' || :
	live_wait_off 120
	quiet_end
	source_unchanged
	image_of 1 /machines/iron.qcow2
	n=''
	n=$(for n in 2 3 4 5 6; do printf ' %s' "$(part_sum "$n")"; done)
	[ "$n" = "$before" ] || fail "another filesystem of the disk has changed"
	say "by keys: the image is on the USB disk"
}

# --- shares on this machine --------------------------------------------------------

nfs_start() {
	local try
	NFS_PORT=$(free_port)
	mkdir -p "$T/nfs" "$T/ganesha"
	cat >"$T/ganesha.conf" <<-CONF
	NFS_CORE_PARAM {
		Protocols = 4;
		NFS_Port = $NFS_PORT;
		Bind_addr = 127.0.0.1;
		Enable_NLM = false;
		Enable_RQUOTA = false;
	}
	NFSv4 {
		Graceless = true;
		RecoveryBackend = fs;
		RecoveryRoot = "$T/ganesha";
		Only_Numeric_Owners = true;
	}
	EXPORT {
		Export_Id = 1;
		Path = "$T/nfs";
		Pseudo = "/vms";
		Access_Type = RW;
		Squash = No_Root_Squash;
		SecType = sys;
		FSAL { Name = VFS; }
	}
	CONF
	mkdir -p /var/run/ganesha /var/lib/nfs/ganesha
	ganesha.nfsd -F -L "$T/ganesha.log" -f "$T/ganesha.conf" \
		-p "$T/ganesha.pid" </dev/null >"$T/ganesha.out" 2>&1 &
	own_pid $!
	for ((try = 0; try < 100; try++)); do
		! ss -Hlnt "sport = :$NFS_PORT" | grep -q . || return 0
		sleep 0.2
	done
	tail "$T/ganesha.log" "$T/ganesha.out" >&2
	fail "the NFS server did not start"
}

smb_start() {
	local try
	SMB_PORT=$(free_port)
	mkdir -p "$T/smb" "$T/samba"
	cat >"$T/smb.conf" <<-CONF
	[global]
	interfaces = 127.0.0.1
	bind interfaces only = yes
	smb ports = $SMB_PORT
	disable netbios = yes
	server role = standalone server
	private dir = $T/samba
	lock directory = $T/samba
	state directory = $T/samba
	cache directory = $T/samba
	pid directory = $T/samba
	ncalrpc dir = $T/samba
	log file = $T/smb.log
	passdb backend = tdbsam
	load printers = no
	[vms]
	path = $T/smb
	writable = yes
	CONF
	printf '%s\n%s\n' "$SMB_PASSWORD" "$SMB_PASSWORD" |
		smbpasswd -c "$T/smb.conf" -s -a root >/dev/null ||
		fail "smbpasswd failed"
	smbd --foreground --configfile="$T/smb.conf" \
		</dev/null >"$T/smbd.out" 2>&1 &
	own_pid $!
	for ((try = 0; try < 100; try++)); do
		! ss -Hlnt "sport = :$SMB_PORT" | grep -q . || return 0
		sleep 0.2
	done
	cat "$T/smbd.out" "$T/smb.log" >&2
	fail "the SMB server did not start"
}

same_as_disk() {
	qemu-img check -q "$1" || fail "$1 is damaged"
	qemu-img compare -q "$DISK" "$1" || fail "$1 is not what the disk is"
	say "${1#"$T/"} is what the disk is"
}

# live CMDLINE: what p2v-client does unattended, in the running system, with
# other words than it was booted with.
live_job() {
	run_ok "rm -f /run/ironferry/result; printf '%s\n' 'p2v.action=convert p2v.no-inject $1' >/run/words
		p2v-client live --cmdline /run/words </dev/null" \
		"the conversion with $1 failed"
	[ -z "$(writable)" ] ||
		fail "something is writable after the job"
	run_ok '! grep ironferry/target /proc/mounts' "the target is mounted"
}

refused() {
	local out
	out=$(live_run "rm -f /run/ironferry/result; printf '%s\n' 'p2v.action=convert p2v.no-inject p2v.name=no p2v.wait=5 $1' >/run/words
		p2v-client live --cmdline /run/words </dev/null") &&
		fail "$1 was not refused"
	grep -qE "$2" <<<"$out" || {
		printf '%s\n' "$out" >&2
		fail "$1: no '$2'"
	}
	say "refused: $(grep -E "$2" <<<"$out" | head -n 1)"
	[ -z "$(writable)" ] ||
		fail "something is writable after $1"
}

# NFS, SMB, and the filesystems of others, by keys; and what is refused.
shares() {
	SMB_PASSWORD='Pass word,1'
	make_source
	make_usb BACKUPS
	nfs_start
	smb_start
	printf '%s\n' "$SMB_PASSWORD" >"$T/smb-password"
	live_configure "$T/live.iso" --timeout 1 \
		--smb-password "$T/smb-password" \
		--cmdline "ironferry.shell=ttyS1"
	live_start --cd "$T/live.iso" --shell --disk "$DISK" -- \
		-device qemu-xhci -drive "if=none,id=target,format=raw,file=$USB" \
		-device usb-storage,drive=target
	live_wait 600 "$LIVE_READY"
	sleep 20
	live_job "p2v.name=nfs p2v.to=deep/er p2v.target=nfs://10.0.2.2:$NFS_PORT/vms"
	same_as_disk "$T/nfs/deep/er/nfs.qcow2"
	live_job "p2v.name=smb p2v.target=smb://root@10.0.2.2:$SMB_PORT/vms p2v.target-password-file=medium:ironferry/password"
	same_as_disk "$T/smb/smb.qcow2"
	live_job "p2v.name=xfs p2v.target=LABEL=XFS"
	live_job "p2v.name=exfat p2v.target=LABEL=EXFAT"
	live_job "p2v.name=ntfs p2v.target=LABEL=NTFS"
	live_job "p2v.name=vfat p2v.target=LABEL=FAT"
	run_ok 'mkdir -p /run/look; for p in 2=exfat 3=ntfs 4=xfs 5=vfat; do
		n=${p#*=}; t=$n; [ $t != ntfs ] || t=ntfs-3g
		mount -t $t -o ro /dev/sdb${p%=*} /run/look || exit 1
		qemu-img check -q /run/look/$n.qcow2 || exit 1
		qemu-img compare -q /dev/sda /run/look/$n.qcow2 || exit 1
		umount /run/look; done' \
		"an image on the USB disk is not what the disk is"
	refused "p2v.target=smb://root@10.0.2.2:$SMB_PORT/vms" \
		'[Pp]ermission denied|LOGON'
	refused "p2v.target=nfs://10.0.2.2:$NFS_PORT/none" 'mount'
	refused "p2v.target=LABEL=NOSUCH" 'no local disk'
	refused "p2v.target=LABEL=BACKUPS" 'may be /dev/sdb1 or /dev/sdb6'
	refused "p2v.target=LABEL=XFS p2v.disks=sdb" \
		"can't be converted: it is the target"
	refused "p2v.target=LABEL=XFS p2v.server=root@10.0.2.2" 'exclude'
	live_run 'systemctl poweroff' || :
	live_wait_off 120
	quiet_end
	source_unchanged
	say "shares: NFS, SMB, xfs, exfat, ntfs, vfat"
}

# --- by the menu, from a stick -----------------------------------------------------

serial_terminal() {
	cat >"$T/terminal" <<-RUN
	exec python3 "$FY_TOP/tests/lib/serial-terminal.py" "$LIVE_SERIAL"
	RUN
	wait_for 20 test -S "$LIVE_SERIAL" || fail "QEMU has no serial line"
	terminal_start "$T/terminal"
	see 'convert +make a virtual machine' 600
	say "menu $((SECONDS - LIVE_STARTED)) s after power-on"
}

# stick_start QEMU ARGS: two NICs, of which the first is at the server's net.
stick_start() {
	live_start --usb "$T/stick" --shell --no-net --disk "$DISK" -- \
		-netdev "user,id=net0,tftp=$T/tftp,hostfwd=tcp:127.0.0.1:$SSH_PORT-10.0.2.15:22,hostfwd=tcp:127.0.0.1:$SSH_PORT2-10.0.2.77:22" \
		-device e1000,netdev=net0,mac=52:54:00:77:00:01,romfile= \
		-netdev user,id=net1,net=10.0.9.0/24 \
		-device e1000,netdev=net1,mac=52:54:00:77:00:02,romfile= "$@"
}

log_in() {
	sshpass -p "$2" ssh -F none -o UserKnownHostsFile=/dev/null \
		-o StrictHostKeyChecking=no -o ConnectTimeout=20 \
		-o PubkeyAuthentication=no -p "$1" root@127.0.0.1 "$3"
}

# How many interfaces the list shows above this one.
above() {
	screen | grep -Eo '(bond[0-9]+|enp[0-9a-z.]+) +(no )?link' |
		awk -v name="$1" '$1 == name { exit } { n++ } END { print n + 0 }'
}

# The one port's screen of the network: configure IFACE.
port_form() {
	local n
	choose n
	see 'Which interface'
	see "$1 +(no )?link" 5
	keys Home
	for ((n = $(above "$1"); n > 0; n--)); do
		keys Down
	done
	keys Enter
	see 'addresses +DHCP'
	keys Enter
	see 'Addresses .none: DHCP'
}

convert_by_menu() {
	choose c
	see 'Where shall the virtual machine go' 60
	see "$1" 5
	keys Enter
	[ -z "${UNKNOWN:-}" ] || {
		see 'Unknown host key' 90
		see "${SSHD_FINGERPRINT//+/\\+}"
		keys Left Enter
	}
	see 'Choose the disks' 200
	see '/dev/sd' 5
	offered=$(screen | grep -Eo '\[[ *]\] +/dev/sd[a-z]' |
		grep -o '/dev/.*' | sort -u | paste -sd' ')
	say "disks: $offered; $(screen | grep -Eo 'Not /dev/[^|]*[a-z]' |
		paste -sd';')"
	[ "$offered" = "$2" ] || fail "other disks than $2 are offered"
	keys Enter
	see 'Directory' 60
	keys Enter
	see 'In which format'
	keys Enter
	see 'Start\?'
	keys Enter
	see 'Files on ' 400
	see 'iron.qcow2'
	keys Enter
	see 'poweroff +switch'
}

stick() {
	local loop place password
	make_source
	make_usb
	SSH_PORT=$(free_port)
	SSH_PORT2=$(free_port)
	mkdir -p "$T/tftp" "$T/vms"
	echo no-inject >"$T/tftp/machine.conf"
	sshd_start --root "$T/vms"
	live_configure "$T/live.iso" --timeout 1 --inject-key "$SSHD_KEY" \
		--cmdline "ironferry.shell=ttyS1 p2v.ssh=1 p2v.config=tftp://10.0.2.2/machine.conf"
	truncate -s 1G "$T/stick"
	loop=$(losetup --find --show "$T/stick")
	"$FY_TOP/live-image/write-usb" "$loop" "$T/live.iso" --yes || {
		losetup -d "$loop"
		fail "write-usb failed"
	}
	losetup -d "$loop"
	cp --sparse=always "$T/stick" "$T/stick.before"
	stick_start -drive "if=none,id=target,format=raw,file=$USB" \
		-device usb-storage,drive=target
	serial_terminal
	NIC1=$(live_run "grep -l 52:54:00:77:00:01 /sys/class/net/*/address" |
		grep -a / | cut -d/ -f5)
	NIC2=$(live_run "grep -l 52:54:00:77:00:02 /sys/class/net/*/address" |
		grep -a / | cut -d/ -f5)
	SOURCE=$(live_run 'lsblk -dnpo NAME,SERIAL' | awk '$2 == "LIVE0" { print $1 }')
	[ -n "$SOURCE" ] || fail "where is the source?"
	MEDIUM=$(live_run 'cat /run/ironferry/medium-device' | grep -a .)

	say "--- a one-time password on the screen lets in"
	see 'Password, until it is switched off: [a-z0-9]+'
	password=$(screen | sed -n 's/.*switched off: \([a-z0-9]*\).*/\1/p')
	log_in "$SSH_PORT" "$password" 'p2v-client inventory --json' \
		>"$T/inventory.json" || fail "the password does not let in"
	jq -e --arg d "$SOURCE" '[.disks[].path] | index($d)' \
		"$T/inventory.json" >/dev/null ||
		fail "the inventory has no disk"
	! log_in "$SSH_PORT" "wrong$password" true 2>/dev/null ||
		fail "any password lets in"

	say "--- a USB disk, by the menu"
	choose t
	see 'Where shall images go'
	choose d
	see 'On which filesystem'
	see 'BACKUPS'
	screen
	shows "/dev/$MEDIUM" && fail "the medium is offered as a target"
	keys Home
	keys -l -- "/"
	keys Enter
	see 'This disk will be written to'
	screen
	see 'BACKUPS' 5
	keys Left Enter
	see 'Images go to /run/ironferry/target'
	place=$(live_run "grep ironferry/target /proc/mounts | cut -d' ' -f1 | grep ^/")
	say "target: $place"
	place=${place#/dev/}
	[ "$(writable)" = "${place%1} $place" ] ||
		fail "something else is writable: $(writable)"
	convert_by_menu local "$SOURCE"
	choose t
	see 'release +unmount'
	choose r
	see 'poweroff +switch' 60
	[ -z "$(writable)" ] || fail "the target stays writable"

	say "--- an address typed, and a conversion through it"
	port_form "$NIC1"
	keys -l '10.0.2.77/24'
	keys Down
	keys -l '10.0.2.2'
	keys Enter
	see 'Which interface' 60
	see '10.0.2.77' 10
	keys Tab Enter
	see 'poweroff +switch'
	run_ok "ip -4 -o addr show $NIC1 | grep '10.0.2.77/24' &&
		! ip -4 -o addr show $NIC1 | grep '10.0.2.15' &&
		ip route | grep 'default via 10.0.2.2'" \
		"the address is not in force"
	log_in "$SSH_PORT2" "$password" 'ip -o addr' ||
		fail "the typed address does not answer"
	choose t
	see 'Where shall images go'
	keys Enter
	see 'of a server with v2v-server'
	keys -l -- "root@10.0.2.2:$SSHD_PORT"
	keys Enter
	see "Images go to root@10.0.2.2:$SSHD_PORT"
	UNKNOWN=1 convert_by_menu "10.0.2.2:$SSHD_PORT" "$SOURCE"
	same_as_disk "$T/vms/iron.qcow2"

	say "--- remembered"
	choose t
	see 'remember +write the server'
	keys -l r
	keys Enter
	see 'The medium remembers now'
	see 'fingerprint='
	keys Enter
	see 'poweroff +switch'
	[ -z "$(writable)" ] || fail "the stick stays writable"

	say "--- a VLAN, then a bond, then DHCP again"
	port_form "$NIC2"
	keys -l '10.9.0.7/24'
	keys Down
	keys Down
	keys Down
	keys -l '12'
	keys Enter
	see 'Which interface' 60
	keys Tab Enter
	see 'poweroff +switch'
	run_ok "ip -d link show $NIC2.12 | grep 'vlan protocol 802.1Q id 12' &&
		ip -4 -o addr show $NIC2.12 | grep 10.9.0.7/24" "no VLAN"
	choose n
	see 'bond +let several'
	choose b
	see 'work together'
	keys Space Down Space
	keys Enter
	see 'active-backup'
	keys Enter
	see 'Network: bond0'
	keys Enter
	see 'Which interface' 60
	keys Tab Enter
	see 'poweroff +switch'
	run_ok "ip -d link show bond0 | grep 'bond mode active-backup' &&
		ip -d link show $NIC1 | grep 'master bond0' &&
		ip -d link show $NIC2 | grep 'master bond0' &&
		ip -4 -o addr show bond0 | grep inet" "no bond"
	port_form "$NIC1"
	keys Enter
	see 'Which interface' 60
	keys Tab Enter
	see 'poweroff +switch'
	run_ok "for i in 1 2 3 4 5 6 7 8 9 10; do
		ip -4 -o addr show $NIC1 | grep 10.0.2.15/24 && exit 0
		sleep 1; done; ip -d addr; exit 1" "no DHCP again"

	say "--- off"
	choose p
	see 'Switch off this machine now'
	keys Enter
	live_wait_off 120
	quiet_end
	source_unchanged
	stick_changed
	part_out 1 "$T/part"
	image_of 1 /iron.qcow2

	say "--- the next boot proposes the server"
	stick_start
	serial_terminal
	see "Images go to root@10.0.2.2:$SSHD_PORT"
	choose c
	see 'Where shall the virtual machine go' 60
	see "root@10.0.2.2:$SSHD_PORT" 5
	keys Enter
	# Its host key is known now.
	see 'Choose the disks' 200
	keys Escape
	live_run 'systemctl poweroff' || :
	live_wait_off 120
}

# Only the 64 KiB of remember.dat.
stick_changed() {
	local at
	at=$(xorriso -indev "$T/live.iso" -find /ironferry/remember.dat \
		-exec report_lba 2>/dev/null |
		sed -n 's/^File data lba: *[0-9]* , *\([0-9]*\) .*/\1/p')
	[ -n "$at" ] || fail "where is remember.dat?"
	cmp -l "$T/stick.before" "$T/stick" | awk -v at="$((at * 2048))" '
		{ n++; if ($1 <= at || $1 > at + 65536) bad++ }
		END { print n+0, bad+0 }' >"$T/changed"
	say "bytes changed on the stick, and outside of remember.dat:" \
		"$(cat "$T/changed")"
	read -r n bad <"$T/changed"
	[ "$n" -gt 0 ] && [ "$bad" = 0 ] || fail "the stick's other bytes changed"
}

if [ $# -eq 0 ]; then
	set -- by_keys shares stick
fi
for p; do
	"$p"
done
say "passed"
