# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# crash POINTS SEED: everything that one job writes on the server is recorded
# (recordfs.c); then the power fails at so many moments: what the disk may hold
# is made (crash-replay.py), and the same command must give the result of the
# undisturbed run out of it.  After job.sh.

crash_begin() {
	requires gcc pkg-config fusermount3
	pkg-config --exists fuse3 || skip "libfuse3-dev is not installed"
	[ -c /dev/fuse ] || skip "there is no /dev/fuse"
	# shellcheck disable=SC2046
	gcc -std=gnu17 -D_GNU_SOURCE -O2 -o "$T/recordfs" \
		"$FY_TOP/tests/lib/recordfs.c" \
		$(pkg-config --cflags --libs fuse3) ||
		fail "recordfs.c does not compile"
}

crash_record() {
	local pid
	mkdir -p "$T/backing" "$JOB_TO"
	"$T/recordfs" "$T/backing" "$T/record" "$JOB_TO" -f -s \
		-o allow_other &
	pid=$!
	wait_for 20 mountpoint -q "$JOB_TO" || fail "recordfs was not mounted"
	at_exit umount -l "$JOB_TO"
	job_must_run
	wait_for 30 job_server_gone || fail "the server did not end"
	wait_for 10 umount "$JOB_TO" || fail "recordfs is in use"
	wait "$pid"
	unset 'FY_EXIT_LIST[-1]'
	mv "$T/backing" "$T/reference"
	rmdir "$JOB_TO"
	CRASH_RECORDS=$(python3 "$FY_TOP/tests/lib/crash-replay.py" \
		"$T/record" count)
	say "$CRASH_RECORDS records, $(stat -c %s "$T/record") bytes"
	[ "$CRASH_RECORDS" -gt 50 ] || fail "too few records to be true"
}

crash_one() {
	local point=$1 seed=$2 had=
	job_clear
	mkdir -p "$JOB_TO"
	python3 "$FY_TOP/tests/lib/crash-replay.py" "$T/record" make \
		"$point" "$seed" "$JOB_TO" || fail "the replay failed"
	if [ -e "$JOB_TO/machine.xml" ] && [ ! -e "$JOB_TO/machine.partial" ]
	then
		had=1
	else
		job_run || {
			cat "$JOB_LOG" >&2
			ls -lAR "$JOB_TO" >&2
			fail "no way on after a power cut at record $point" \
				"of $CRASH_RECORDS, seed $seed"
		}
		[ "$(jq .units_reused "$JOB_JSON")" = 0 ] ||
			crash_resumed=$((crash_resumed + 1))
	fi
	[ -z "$had" ] || crash_done=$((crash_done + 1))
	job_is_whole
}

crash() {
	local points=$1 seed=$2 i point
	crash_done=0 crash_resumed=0
	crash_begin
	crash_record
	RANDOM=$seed
	for ((i = 0; i < points; i++)); do
		# Every third in the last tenth: the finish is dense with names.
		point=$(((RANDOM * 32768 + RANDOM) % CRASH_RECORDS + 1))
		[ $((i % 3)) != 0 ] ||
			point=$((CRASH_RECORDS - point / 10))
		case $((i % 10)) in
		8) crash_one "$point" none ;;
		9) crash_one "$point" all ;;
		*) crash_one "$point" "$seed.$i" ;;
		esac
		[ $((i % 20)) != 19 ] || say "$((i + 1)) of $points"
	done
	say "$points power cuts: $crash_done after the end," \
		"$crash_resumed went on with durable units," \
		"all images the same to the byte"
	[ "$crash_resumed" -gt 0 ] || fail "no run went on with durable units"
}
