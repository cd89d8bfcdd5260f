# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# What every test script stands on.  A script says
#
#     set -eu
#     . "$(dirname "$0")/../lib/common.sh"
#
# and has: $FY_TOP (the source tree), $FY_BUILD (the programs), $T (a temporary
# directory that goes away at the end), and the functions below.  At the end,
# however it comes, what 'at_exit' noted is undone in reverse order, and only
# processes that the script started are ended.

FY_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
FY_BUILD=${FY_BUILD:-build}
case $FY_BUILD in
/*) ;;
*) FY_BUILD=$FY_TOP/$FY_BUILD ;;
esac
FY_CACHE=${FY_CACHE:-${XDG_CACHE_HOME:-/var/cache}/ironferry-tests}
export FY_TOP FY_BUILD FY_CACHE LC_ALL=C

FY_NAME=$(basename "$0" .sh)
FY_SKIPPED=
FY_EXIT_LIST=()
FY_PIDS=()
T=$(mktemp -d "${TMPDIR:-/var/tmp}/fy-$FY_NAME.XXXXXX")

say() {
	printf '%s: %s\n' "$FY_NAME" "$*"
}

# End the test: it failed, for this reason.
fail() {
	printf '%s: FAILED: %s\n' "$FY_NAME" "$*" >&2
	exit 1
}

# End the test: it cannot run here, for want of this.
skip() {
	printf '%s: skipped: %s\n' "$FY_NAME" "$*" >&2
	FY_SKIPPED=1
	exit 77
}

# Note a command (with its arguments) to be run at the end.
at_exit() {
	FY_EXIT_LIST+=("$(printf '%q ' "$@")")
}

# Kill a process that this script started, and wait for its end.
end_pid() {
	local pid=$1 i
	kill "$pid" 2>/dev/null || return 0
	for ((i = 0; i < 100; i++)); do
		kill -0 "$pid" 2>/dev/null || return 0
		# A zombie child of ours answers kill -0 until waited for.
		[[ $(ps -o stat= -p "$pid" 2>/dev/null) != Z* ]] || break
		sleep 0.1
	done
	kill -9 "$pid" 2>/dev/null || :
	wait "$pid" 2>/dev/null || :
}

# Note a background process to be ended at the end.
own_pid() {
	FY_PIDS+=("$1")
}

fy_cleanup() {
	local status=$? i
	trap - EXIT INT TERM HUP
	set +e
	for ((i = ${#FY_EXIT_LIST[@]} - 1; i >= 0; i--)); do
		eval "${FY_EXIT_LIST[i]}"
	done
	for i in "${FY_PIDS[@]}"; do
		end_pid "$i"
	done
	cd /
	if [ -n "${FY_KEEP:-}" ]; then
		printf '%s: kept %s\n' "$FY_NAME" "$T" >&2
	else
		rm -rf "$T"
	fi
	exit "$status"
}
trap fy_cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# Skip unless all these commands are there.
requires() {
	local c
	for c; do
		command -v "$c" >/dev/null ||
			skip "the command '$c' is not installed (tests/setup all)"
	done
}

requires_root() {
	[ "$(id -u)" = 0 ] || skip "this needs root"
}

# Skip unless these programs of ours have been built.  A tree in which they
# cannot be built is the build's failure, not this test's.
requires_built() {
	local p
	for p; do
		[ -x "$FY_BUILD/$p" ] || skip "$FY_BUILD/$p has not been built"
	done
}

# Loop devices with partitions: what building a guest needs.
requires_loop() {
	requires_root
	[ -e /dev/loop-control ] || skip "no loop devices here"
	losetup -f >/dev/null 2>&1 || skip "no loop device can be had"
}

# Run a command; its exit status must be the first argument.
expect_status() {
	local want=$1 got=0
	shift
	"$@" || got=$?
	[ "$got" = "$want" ] || fail "exit status $got, not $want: $*"
}

# wait_for SECONDS COMMAND...: until it succeeds; false when it never does.
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.2
	done
}

# wait_for_line SECONDS FILE PATTERN [PID]: until the file has such a line
# (extended regular expression).  False when time is over or PID has ended.
wait_for_line() {
	local end=$((SECONDS + $1)) file=$2 pattern=$3 pid=${4:-}
	while :; do
		grep -aqE "$pattern" "$file" 2>/dev/null && return 0
		[ "$SECONDS" -lt "$end" ] || return 1
		if [ -n "$pid" ] && ! kill -0 "$pid" 2>/dev/null; then
			grep -aqE "$pattern" "$file" 2>/dev/null
			return
		fi
		sleep 0.3
	done
}

# A port of 127.0.0.1 that nobody listens on right now.
free_port() {
	python3 - <<'PY'
import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])
PY
}

# Does KVM really work?  /dev/kvm opening proves nothing, and under some clouds'
# hypervisors it works a hundred times slower than emulation: run a tiny machine
# with the host's processor, whose boot sector counts to fifty million and ends
# it by the isa-debug-exit device, within the time that any real one needs.
kvm_works() {
	[ -w /dev/kvm ] || return 1
	local d status=0
	d=$(mktemp -d "$T/kvm.XXXXXX")
	# mov ecx,50000000; dec ecx; jnz -4
	printf '\x66\xb9\x80\xf0\xfa\x02\x66\x49\x75\xfc' >"$d/boot"
	# mov al,0x31; out 0xf4,al; hlt; jmp -3; exit status (0x31 << 1) | 1
	printf '\xb0\x31\xe6\xf4\xf4\xeb\xfd' >>"$d/boot"
	truncate -s 510 "$d/boot"
	printf '\x55\xaa' >>"$d/boot"
	truncate -s 1M "$d/boot"
	(
		ulimit -c 0
		timeout 3 qemu-system-x86_64 -accel kvm -cpu host \
			-machine q35 -m 16 -display none -nodefaults \
			-no-reboot \
			-device isa-debug-exit,iobase=0xf4,iosize=0x04 \
			-drive "file=$d/boot,format=raw,if=ide,snapshot=on" ||
			exit $?
	) >/dev/null 2>&1 </dev/null || status=$?
	[ "$status" = 99 ]
}

# sha256 of stdin, the digest only.
sha256() {
	sha256sum | cut -d' ' -f1
}

# All processes below one, nearest first.
descendants() {
	local c
	for c in $(ps -o pid= --ppid "$1"); do
		echo "$c"
		descendants "$c"
	done
}
