# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# A small Debian system in QEMU that does things as root to a test's disks for
# which this machine's kernel has no driver: LVM and device-mapper, md, and
# filesystems like F2FS, JFS, NILFS2, APFS or exFAT.  After common.sh.
#
#     workbench_needs     skip unless it can be had; builds it the first time
#     workbench [OPTIONS] SCRIPT|- DISK...
#         --out DIR       /out there, written by both sides ($T/workbench)
#         --timeout S     for the script (1200)
#         --sector N      logical sectors of the disks (512)
#         --memory MIB    (1024)
#
# Runs the script (or what stdin holds) by bash -eu and returns its exit status.
# The raw images DISK are /dev/vdb, /dev/vdc, ... in that order.  Its stdout and
# stderr are the function's.  $OUT is --out's directory, /tests this directory's
# parent: `python3 /tests/lib/age-tree.py ...`.  There is no udev (so nothing in
# /dev/disk) and no network.  Modules load by themselves when something is
# mounted.
#
#     workbench_stack DISK...   the second half of make-guest --stack
#
# When the script ends, what it left mounted, assembled or active is put away as
# at a shutdown; what can't be is a failure (status 125).  A script that ends by
# `pull-the-plug [STATUS]` leaves its filesystems as a power cut does.
#
# That the machine itself fails (a panic, no status, the time limit) ends the
# test, even from within a subshell.  Only before the script has begun, it is
# started once more.

workbench_needs() {
	requires_root
	requires qemu-system-x86_64 mmdebstrap mke2fs cpio flock xz zstd \
		setpriv gcc-12 make strip
	WORKBENCH=$("$FY_TOP/tests/guests/make-workbench") ||
		fail "the workbench was not built"
	WORKBENCH_PID=
	at_exit workbench_stop
}

workbench_stop() {
	[ -z "$WORKBENCH_PID" ] || end_pid "$WORKBENCH_PID"
	WORKBENCH_PID=
}

# The end of the test, with what the machine said last.
workbench_broken() {
	local job=$1
	shift
	{
		tail -c 12000 "$job/console" | tr -d '\r' | tail -n 120
		tail -n 5 "$job/qemu"
	} >&2
	[ "$BASH_SUBSHELL" = 0 ] || kill $$
	fail "workbench: $*"
}

# Pass on what the script has written since the last time.
workbench_relay() {
	local job=$1 size
	size=$(stat -c %s "$job/stdout")
	if [ "$size" -gt "$seen_out" ]; then
		tail -c +$((seen_out + 1)) "$job/stdout" |
			head -c $((size - seen_out))
		seen_out=$size
	fi
	size=$(stat -c %s "$job/stderr")
	if [ "$size" -gt "$seen_err" ]; then
		tail -c +$((seen_err + 1)) "$job/stderr" |
			head -c $((size - seen_err)) >&2
		seen_err=$size
	fi
}

# workbench_power_on JOB TIMEOUT CMD...: until the machine is off; `verdict` says
# why it was not the script's end.
workbench_power_on() {
	local job=$1 limit=$2 pid start=$SECONDS begun='' status=0
	local hung='watchdog: BUG: soft lockup - CPU#[0-9]+ stuck for [0-9]{3,}s'
	shift 2
	verdict=
	: >"$job/console"
	# It ends with this shell, also with a subshell, which has no at_exit.
	setpriv --pdeathsig KILL "$@" </dev/null >"$job/qemu" 2>&1 &
	pid=$!
	WORKBENCH_PID=$pid
	while kill -0 "$pid" 2>/dev/null; do
		workbench_relay "$job"
		if [ -z "$begun" ] && [ -e "$job/started" ]; then
			begun=1
			start=$SECONDS
		elif [ -z "$begun" ] && grep -aqE "$hung" "$job/console"; then
			verdict="the emulator hangs"
		elif [ -z "$begun" ] && [ $((SECONDS - start)) -ge 600 ]; then
			verdict="it has not started in 600 s"
		elif [ -n "$begun" ] && [ $((SECONDS - start)) -ge "$limit" ]; then
			verdict="the script has not ended in $limit s"
		fi
		[ -z "$verdict" ] || end_pid "$pid"
		sleep 0.5
	done
	wait "$pid" || status=$?
	WORKBENCH_PID=
	workbench_relay "$job"
	if [ -z "$verdict" ] && [ "$status" != 0 ]; then
		verdict="QEMU ended with $status"
	elif [ -z "$verdict" ] && ! [ -s "$job/status" ]; then
		verdict="the machine ended without the script's status"
	fi
}

workbench() {
	local out=$T/workbench timeout=1200 sector=512 memory=1024
	local script job d n=0 cmd verdict status seen_out=0 seen_err=0
	while [ $# -gt 0 ]; do
		case $1 in
		--out) out=$2 ;;
		--timeout) timeout=$2 ;;
		--sector) sector=$2 ;;
		--memory) memory=$2 ;;
		--*) fail "workbench: what is '$1'?" ;;
		*) break ;;
		esac
		shift 2
	done
	[ $# -gt 0 ] || fail "workbench: which script?"
	script=$1
	shift
	[ -n "${WORKBENCH:-}" ] || fail "workbench: workbench_needs comes first"
	[ $# -le 20 ] || fail "workbench: more than 20 disks"
	job=$(mktemp -d "$T/workbench-job.XXXXXX") ||
		fail "workbench: no directory for the job"
	mkdir -p "$out" || fail "workbench: no directory '$out'"
	cat "$script" >"$job/script" || fail "workbench: no script '$script'"
	: >"$job/stdout"
	: >"$job/stderr"

	cmd=(qemu-system-x86_64 -accel "tcg,thread=multi" -cpu max -smp 1
		-machine pc -m "$memory" -nodefaults -no-user-config
		-display none -no-reboot -serial "file:$job/console"
		-kernel "$WORKBENCH/vmlinux" -initrd "$WORKBENCH/initrd"
		-append "console=ttyS0 no_timer_check panic=-1 oops=panic \
mitigations=off random.trust_cpu=on loglevel=7 fy.disks=$#"
		-drive "if=none,id=root,format=raw,file=$WORKBENCH/root.img,snapshot=on"
		-device virtio-blk-pci,drive=root,serial=root)
	for d; do
		cmd+=(-drive "if=none,id=d$n,format=raw,file=${d//,/,,},cache=unsafe,discard=unmap"
			-device "virtio-blk-pci,drive=d$n,serial=disk$n,logical_block_size=$sector,physical_block_size=$sector")
		n=$((n + 1))
	done
	cmd+=(-virtfs "local,path=${FY_TOP//,/,,}/tests,mount_tag=tests,security_model=none,readonly=on"
		-virtfs "local,path=${job//,/,,},mount_tag=job,security_model=none"
		-virtfs "local,path=${out//,/,,},mount_tag=out,security_model=none")

	workbench_power_on "$job" "$timeout" "${cmd[@]}"
	if [ -n "$verdict" ] && ! [ -e "$job/started" ]; then
		say "workbench: $verdict: once more" >&2
		workbench_power_on "$job" "$timeout" "${cmd[@]}"
	fi
	[ -z "$verdict" ] || workbench_broken "$job" "$verdict"
	status=$(cat "$job/status")
	[[ $status =~ ^[0-9]+$ ]] ||
		workbench_broken "$job" "what is the status '$status'?"
	[ "$status" = 0 ] || tail -n 15 "$job/console" | tr -d '\r' >&2
	[ -n "${FY_KEEP:-}" ] || rm -rf "$job"
	return "$status"
}

# workbench_stack DISK...: what make-guest --stack left to be done: the root onto
# its volume, with what LUKS and LVM or md are.
workbench_stack() {
	workbench "$1.make" "$@" "$1.root" >"$T/stack.log" 2>&1 || {
		cat "$T/stack.log"
		fail "the guest's volumes were not made"
	}
	rm -f "$1.root" "$1.make"
}
