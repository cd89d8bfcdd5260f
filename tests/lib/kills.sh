# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# kills RUNS SEED: as often, the client, the server or the connection is killed
# (SIGKILL) at a random moment, every third time while the guest is being
# edited; then the same command is run again.  Wanted each time: the result of
# an undisturbed run, nothing sent again that was durable, nothing left over.
# After job.sh.

# The server's processes for our connections, or those of the connections.
kills_victims() {
	local p comm
	for p in $(descendants "$SSHD_PID"); do
		comm=$(cat "/proc/$p/comm" 2>/dev/null) || continue
		case $1:$comm in
		server:v2v-server|connection:sshd*) echo "$p" ;;
		esac
	done
}

kills_do() {
	local who=$1 pids
	case $who in
	client) pids=$JOB_PID ;;
	*) pids=$(kills_victims "$who") ;;
	esac
	[ -n "$pids" ] || return 1
	# shellcheck disable=SC2086
	kill -9 $pids 2>/dev/null || :
}

# Wait for the edit of the guest to begin; false when the job ended first.
kills_await_injection() {
	while kill -0 "$JOB_PID" 2>/dev/null; do
		[ ! -e "$JOB_TO/machine.partial/undo.log" ] || return 0
		sleep 0.002
	done
	return 1
}

kills_one() {
	local number=$1 who=$2 delay_ms=$3 place=$4 status=0 durable
	local reused sent
	job_clear
	job_start
	if [ "$place" = injection ]; then
		kills_await_injection || :
	fi
	sleep "$(printf '%d.%03d' $((delay_ms / 1000)) $((delay_ms % 1000)))"
	kills_do "$who" || :
	job_end || status=$?
	durable=$(job_durable)
	say "$number: $who killed ($place, $delay_ms ms):" \
		"status $status, $durable units durable"
	if [ "$status" = 0 ]; then
		kills_late=$((kills_late + 1))
		job_is_whole
		return
	fi
	[ ! -e "$JOB_TO/machine.xml" ] || [ "$who" != server ] ||
		say "the definition was already there"
	if [ -e "$JOB_TO/machine.xml" ] && [ ! -e "$JOB_TO/machine.partial" ]
	then
		# Killed between the commit and its report.
		kills_late=$((kills_late + 1))
		job_is_whole
		return
	fi
	job_must_run
	reused=$(jq .units_reused "$JOB_JSON")
	sent=$(jq .units_sent "$JOB_JSON")
	[ "$reused" -ge "$durable" ] ||
		fail "$durable units were durable, only $reused were used again"
	# Units of zeros are neither.
	[ "$((sent + reused))" = "$JOB_UNITS" ] ||
		fail "$sent sent and $reused used again are not $JOB_UNITS units"
	[ "$durable" = 0 ] || kills_resumed=$((kills_resumed + 1))
	job_is_whole
}

kills() {
	local runs=$1 seed=$2 i who duration began victims place delay
	kills_late=0 kills_resumed=0
	began=${EPOCHREALTIME/./}
	job_reference
	duration=$(((${EPOCHREALTIME/./} - began) / 1000))
	say "an undisturbed run takes $duration ms, seed $seed"
	RANDOM=$seed
	victims=(client server connection)
	for ((i = 1; i <= runs; i++)); do
		who=${victims[RANDOM % 3]}
		place=anywhere
		delay=$((RANDOM * 32768 + RANDOM))
		if [ $((i % 3)) = 0 ]; then
			place=injection
			delay=$((delay % 60))
		else
			delay=$((delay % (duration * 9 / 10)))
		fi
		kills_one "$i" "$who" "$delay" "$place"
	done
	say "$runs runs, $kills_late killed too late to matter," \
		"$kills_resumed went on with durable units," \
		"all images the same to the byte"
	[ $((runs - kills_late)) -gt 0 ] || fail "no kill hit the job"
}
