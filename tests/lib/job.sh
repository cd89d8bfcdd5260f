# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# One conversion that is run again and again: for the tests that disturb it.
# After common.sh and sshd.sh.
#
#     job_begin              what is needed, a small guest in $JOB_DISK
#     job_run [ARGS]         the conversion, to $JOB_TO; its summary (JSON) is
#                            in $JOB_JSON, what it said in $JOB_LOG; its status
#     job_start [ARGS]       the same in the background: $JOB_PID
#     job_end                waits for it; its status
#     job_reference          an undisturbed run, kept in $T/reference; it sent
#                            $JOB_UNITS units
#     job_is_whole           what lies there is what the undisturbed run gave
#     job_durable            durable units of what was cut short
#     job_clear              remove all that was made

JOB_TO=$T/vms
JOB_JSON=$T/job.json
JOB_LOG=$T/job.log
JOB_DISK=$T/small.img
# A prefix for the client; and for how long it reconnects by itself.
JOB_CLIENT=()
JOB_RETRY=0

job_begin() {
	requires_loop
	requires qemu-img mmdebstrap sfdisk partx ssh-keygen jq python3 \
		virt-xml-validate
	requires_built p2v-client v2v-server
	"$FY_TOP/tests/guests/make-guest" --small --out "$JOB_DISK" \
		--size 1500M --fstab dev --nic enp0s5=10.77.0.2/24 "$@" ||
		fail "the guest could not be built"
	sshd_start --root "$T"
	JOB_SERVER=(--server "$SSHD_SERVER" --identity "$SSHD_KEY"
		--fingerprint "$SSHD_FINGERPRINT")
}

job_command() {
	JOB_CMD=("${JOB_CLIENT[@]}" "$FY_BUILD/p2v-client" convert
		"${JOB_SERVER[@]}" --disk "$JOB_DISK" --name machine
		--to "$JOB_TO" --virt-type qemu --bridge br0
		--nic enp0s5=52:54:00:77:00:01 --progress none --json
		--retry "$JOB_RETRY" "$@")
}

job_run() {
	local status=0
	job_command "$@"
	"${JOB_CMD[@]}" >"$JOB_JSON" 2>"$JOB_LOG" </dev/null || status=$?
	return "$status"
}

job_start() {
	job_command "$@"
	"${JOB_CMD[@]}" >"$JOB_JSON" 2>"$JOB_LOG" </dev/null &
	JOB_PID=$!
}

job_end() {
	local status=0
	wait "$JOB_PID" || status=$?
	return "$status"
}

# Its run must succeed.
job_must_run() {
	local status=0
	job_run "$@" || status=$?
	[ "$status" = 0 ] || {
		cat "$JOB_LOG" >&2
		fail "the conversion ended with $status"
	}
}

# What differs from run to run, by its nature.
job_xml() {
	sed -E 's|<uuid>[^<]*</uuid>|<uuid/>|
		s|(<entry name="uuid">)[^<]*|\1|
		s|<entry name=.uuid.>[^<]*</entry>||' "$1"
}

job_reference() {
	job_must_run "$@"
	JOB_UNITS=$(jq .units_sent "$JOB_JSON")
	wait_for 10 test ! -e "$JOB_TO/machine.partial" ||
		fail "machine.partial is left over"
	mv "$JOB_TO" "$T/reference"
}

job_is_whole() {
	local ref=$T/reference
	# The server removes it after its last word to the client.
	wait_for 10 test ! -e "$JOB_TO/machine.partial" ||
		fail "machine.partial is left over"
	[ -e "$JOB_TO/machine.xml" ] || fail "there is no machine.xml"
	if [ "$(cd "$JOB_TO" && ls -A)" != "$(cd "$ref" && ls -A)" ]; then
		ls -lA "$JOB_TO" >&2
		fail "other files than an undisturbed run leaves"
	fi
	diff <(job_xml "$ref/machine.xml") <(job_xml "$JOB_TO/machine.xml") ||
		fail "machine.xml differs from an undisturbed run's"
	qemu-img check -q "$JOB_TO/machine.qcow2" ||
		fail "qemu-img check finds errors"
	qemu-img compare -q "$ref/machine.qcow2" "$JOB_TO/machine.qcow2" ||
		fail "the image differs from an undisturbed run's"
}

# The server may be finishing, so that the journal goes while we look.
job_durable() {
	local out=
	[ ! -s "$JOB_TO/machine.partial/journal" ] ||
		out=$(python3 "$FY_TOP/tests/lib/journal.py" \
			"$JOB_TO/machine.partial/journal" 2>/dev/null) || out=
	out=${out%% *}
	echo "${out:-0}"
}

job_clear() {
	rm -rf "$JOB_TO"
}

# Start a slow run and kill its client when so many units are durable.
job_cut_at() {
	local want=$1
	shift
	job_clear
	job_start --limit-rate 30M "$@"
	while [ "$(job_durable)" -lt "$want" ]; do
		kill -0 "$JOB_PID" 2>/dev/null || {
			cat "$JOB_LOG" >&2
			fail "the job ended before $want units were durable"
		}
		sleep 0.1
	done
	kill -9 "$JOB_PID"
	job_end 2>/dev/null || :
	# The server notices and lets go.
	wait_for 60 job_server_gone || fail "the server did not end"
	JOB_CUT=$(job_durable)
}

job_server_gone() {
	local p
	for p in $(descendants "$SSHD_PID"); do
		[ "$(cat "/proc/$p/comm" 2>/dev/null)" != v2v-server ] ||
			return 1
	done
	return 0
}

# job_must_fail STATUS PATTERN [ARGS]: with that exit status, a message in
# words that matches, and nothing that looks finished.
job_must_fail() {
	local want=$1 pattern=$2 status=0
	shift 2
	job_run "$@" || status=$?
	[ "$status" = "$want" ] || {
		cat "$JOB_LOG" >&2
		fail "exit status $status, not $want"
	}
	grep -qiE -- "$pattern" "$JOB_LOG" || {
		cat "$JOB_LOG" >&2
		fail "the message does not say '$pattern'"
	}
	if [ -e "$JOB_TO/machine.xml" ] || [ -e "$JOB_TO/machine.qcow2" ]; then
		fail "something finished lies there after a failure"
	fi
}
