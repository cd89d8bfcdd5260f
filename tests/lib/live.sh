# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# The live image in QEMU.  After common.sh.
#
#     live_needs                 what building and booting it takes
#     live_iso                   builds it, unless it is there and newer than its
#                                sources: $LIVE_ISO, $LIVE_DIR.  FY_LIVE_LEVEL=1
#                                compresses less, for working on it
#     live_configure OUT ARGS    live-image/configure of $LIVE_ISO
#     live_start OPTIONS [-- QEMU ARGS]
#         --cd ISO | --usb FILE | --pxe DIR   what it boots from
#         --firmware bios|uefi|secure   (bios)
#         --memory MIB    (1024)
#         --disk FILE[,ahci|nvme|virtio]   again for more: attached writable,
#                         without a snapshot, so that a write would show
#         --no-net        (a NIC e1000, id net0, 52:54:00:77:00:01, whose host
#                         10.0.2.2 is this machine's 127.0.0.1)
#         --nic-at SLOT   the NIC's PCI slot (QEMU's choice)
#         --shell         a second serial line, for live_run; the kernel argument
#                         ironferry.shell=ttyS1 must be there (live_configure)
#     live_run COMMAND           in a root shell there; its output and status
#     live_wait SECONDS PATTERN  until the serial line has shown it
#     live_type TEXT             printf's \r and the like are understood
#     live_monitor COMMAND       of QEMU's human monitor: set_link net0 off
#     live_wait_off SECONDS      until the machine has powered itself off
#     live_stop                  pull the plug
#
# $LIVE_SERIAL is a Unix socket, the serial line; $LIVE_LOG has all it showed.

LIVE_DIR=$FY_BUILD/live-image
LIVE_ISO=$LIVE_DIR/ironferry.iso
LIVE_PID=
LIVE_LOG=$T/serial.log
LIVE_SERIAL=$T/serial.sock
# What a live system shows on a console that is ready for the program.
LIVE_READY='Ironferry [0-9.]+ live image: ttyS0 is ready'

live_needs() {
	requires mmdebstrap tar2sqfs xorriso grub-mkimage mcopy mkfs.vfat \
		qemu-system-x86_64 python3 lsinitramfs
	requires_root
	requires_built p2v-client v2v-server used-blocks block-ro
	[ -s /usr/share/OVMF/OVMF_CODE_4M.secboot.fd ] || skip "ovmf is missing"
}

# shellcheck disable=SC2120
live_iso() {
	local start=$SECONDS
	if [ -s "$LIVE_ISO" ] &&
		[ -z "$(find "$FY_TOP/live-image" "$FY_BUILD/p2v-client" \
			"$FY_BUILD/v2v-server" "$FY_BUILD/used-blocks" \
			"$FY_BUILD/block-ro" -newer "$LIVE_ISO" -type f \
			-print -quit)" ]; then
		say "using $LIVE_ISO"
		return 0
	fi
	"$FY_TOP/live-image/build" --programs "$FY_BUILD" --out "$LIVE_DIR" \
		--cache "$FY_CACHE" ${FY_LIVE_LEVEL:+--level "$FY_LIVE_LEVEL"} "$@" ||
		fail "the live image was not built"
	say "live image built in $((SECONDS - start)) s"
}

live_configure() {
	local out=$1
	shift
	"$FY_TOP/live-image/configure" "$LIVE_ISO" "$out" "$@" ||
		fail "live-image/configure failed"
}

live_firmware() {
	case $1 in
	bios) LIVE_CMD+=(-machine q35) ;;
	uefi)
		cp /usr/share/OVMF/OVMF_VARS_4M.fd "$T/vars.fd"
		LIVE_CMD+=(-machine q35
			-drive "if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd"
			-drive "if=pflash,format=raw,unit=1,file=$T/vars.fd") ;;
	secure)
		cp /usr/share/OVMF/OVMF_VARS_4M.ms.fd "$T/vars.fd"
		LIVE_CMD+=(-machine q35,smm=on
			-global driver=cfi.pflash01,property=secure,value=on
			-global ICH9-LPC.disable_s3=1
			-drive "if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"
			-drive "if=pflash,format=raw,unit=1,file=$T/vars.fd") ;;
	*) fail "live_start: what is the firmware '$1'?" ;;
	esac
}

live_disk() {
	local file=${1%,*} as=${1##*,} n=$2
	LIVE_CMD+=(-drive "if=none,id=d$n,format=raw,file=$file,cache=unsafe")
	case $as in
	nvme) LIVE_CMD+=(-device "nvme,drive=d$n,serial=LIVE$n") ;;
	virtio) LIVE_CMD+=(-device "virtio-blk-pci,drive=d$n,serial=LIVE$n") ;;
	# The first port of the controller is the CD's.
	*) LIVE_CMD+=(-device "ide-hd,drive=d$n,bus=ide.$((n + 1)),serial=LIVE$n") ;;
	esac
}

live_start() {
	local firmware=bios memory=1024 net=1 shell='' n=0 disks=() boot=() d
	local nic=e1000,netdev=net0,mac=52:54:00:77:00:01,romfile=
	LIVE_CMD=(qemu-system-x86_64 -accel 'tcg,thread=multi' -cpu max -smp 2
		-display none -nodefaults -vga std -no-reboot
		-chardev "socket,id=ser,path=$LIVE_SERIAL,server=on,wait=off,logfile=$LIVE_LOG"
		-serial chardev:ser
		-monitor "unix:$T/monitor.sock,server=on,wait=off")
	while [ $# -gt 0 ]; do
		case $1 in
		--no-net) net=''; shift; continue ;;
		--shell) shell=1; shift; continue ;;
		--) shift; break ;;
		esac
		case $1 in
		--cd) boot=(-drive "if=none,id=cd,format=raw,readonly=on,file=$2"
			-device ide-cd,drive=cd,bus=ide.0,bootindex=0) ;;
		--usb) boot=(-device qemu-xhci
			-drive "if=none,id=usb,format=raw,file=$2"
			-device usb-storage,drive=usb,bootindex=0,removable=on) ;;
		--pxe) boot=(-netdev "user,id=net0,tftp=$2,bootfile=boot.ipxe"
			-device e1000,netdev=net0,bootindex=0)
			net='' ;;
		--firmware) firmware=$2 ;;
		--nic-at) nic+=,addr=0x$(printf %x "$2") ;;
		--memory) memory=$2 ;;
		--disk) disks+=("$2") ;;
		*) fail "live_start: what is '$1'?" ;;
		esac
		shift 2
	done
	live_firmware "$firmware"
	LIVE_CMD+=(-m "$memory" "${boot[@]}")
	for d in "${disks[@]}"; do
		live_disk "$d" "$n"
		n=$((n + 1))
	done
	[ -z "$shell" ] || LIVE_CMD+=(-serial
		"unix:$T/shell.sock,server=on,wait=off")
	[ -z "$net" ] || LIVE_CMD+=(-netdev user,id=net0
		-device "$nic")
	rm -f "$LIVE_LOG" "$LIVE_SERIAL"
	"${LIVE_CMD[@]}" "$@" </dev/null 2>"$T/qemu.log" &
	LIVE_PID=$!
	own_pid "$LIVE_PID"
	LIVE_STARTED=$SECONDS
}

live_wait() {
	# A live system that gave up is not waited for.
	wait_for_line "$1" "$LIVE_LOG" "$2|The live system cannot start" \
		"$LIVE_PID" || :
	! grep -aqE "$2" "$LIVE_LOG" || return 0
	tail -c 3000 "$LIVE_LOG" | cat -v >&2
	cat "$T/qemu.log" >&2
	fail "no '$2' on the serial line in $((SECONDS - LIVE_STARTED)) s"
}

live_send() {
	python3 - "$1" "$2" <<'PY'
import socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
# A key at a time, as somebody types.
for b in sys.argv[2].encode():
    s.sendall(bytes([b]))
    time.sleep(0.02)
time.sleep(0.5)
PY
}

live_type() {
	local text
	printf -v text '%b_' "$1"
	live_send "$LIVE_SERIAL" "${text%_}"
}

live_run() {
	python3 "$FY_TOP/tests/lib/live-shell.py" "$T/shell.sock" \
		"${LIVE_RUN_S:-120}" "$1"
}

live_monitor() {
	live_send "$T/monitor.sock" "$1
"
}

live_wait_off() {
	local end=$((SECONDS + $1)) status=0
	while kill -0 "$LIVE_PID" 2>/dev/null; do
		if [ "$SECONDS" -ge "$end" ]; then
			tail -c 3000 "$LIVE_LOG" | cat -v >&2
			fail "the machine has not powered off in $1 s"
		fi
		sleep 0.5
	done
	wait "$LIVE_PID" || status=$?
	[ "$status" = 0 ] || fail "QEMU ended with $status"
	LIVE_PID=
}

live_stop() {
	[ -z "$LIVE_PID" ] || end_pid "$LIVE_PID"
	LIVE_PID=
}

# live_first_screen WHAT SECONDS: it is up, that long after power-on.
live_first_screen() {
	live_wait "$2" "$LIVE_READY"
	say "$1: first screen $((SECONDS - LIVE_STARTED)) s after power-on"
}
