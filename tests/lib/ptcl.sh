# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# What the tests of partition images share.  Needs usedmap.sh.

PTCL="python3 $FY_TOP/tests/lib/ptcl.py"

# theirs PROGRAM ARGUMENTS...: one of partclone's, its log and output in $T.
theirs() {
	"$@" -L "$T/theirs.log" >"$T/theirs.out" 2>&1
}

# both_ways VOLUME PROGRAM: saved by us and restored by partclone, saved by
# partclone (PROGRAM, or none where it is "") and restored by us.  $T/ours.img
# and $T/theirs.img stay.
both_ways() {
	local volume=$1 program=$2
	"$UB" map --json "$volume" >"$T/map.json"
	rm -f "$T/ours.img" "$T/theirs.img" "$T/back"
	"$UB" save --quiet "$volume" "$T/ours.img" || fail "$volume: save"
	"$UB" check --quiet "$T/ours.img" || fail "$volume: check of our image"
	theirs partclone.chkimg -s "$T/ours.img" ||
		fail "$volume: chkimg refuses our image: $(cat "$T/theirs.out")"
	theirs partclone.restore -C -W -s "$T/ours.img" -o "$T/back" ||
		fail "$volume: partclone does not restore our image"
	[ "$(stat -c %s "$T/back")" = "$(stat -c %s "$volume")" ] ||
		fail "$volume: partclone restored another size"
	$PTCL same "$T/map.json" "$volume" "$T/back" || fail "$volume: $program"
	rm -f "$T/back"
	"$UB" restore --quiet --verify "$T/ours.img" "$T/back" ||
		fail "$volume: restore"
	[ "$(stat -c %s "$T/back")" = "$(stat -c %s "$volume")" ] ||
		fail "$volume: the file is short"
	$PTCL same "$T/map.json" "$volume" "$T/back" || fail "$volume: ours"
	rm -f "$T/back"
	[ -n "$program" ] || return 0
	theirs "$program" -c -s "$volume" -o "$T/theirs.img" ||
		fail "$program does not save $volume: $(cat "$T/theirs.out")"
	theirs partclone.restore -C -W -s "$T/theirs.img" -o "$T/want" ||
		fail "$volume: partclone does not restore its own image"
	"$UB" check --quiet "$T/theirs.img" || fail "$volume: their image"
	"$UB" restore --quiet "$T/theirs.img" "$T/back" ||
		fail "$volume: restore of their image"
	# partclone leaves the file without what is not used at its end.
	truncate -s "$(stat -c %s "$T/back")" "$T/want"
	# Nor does it keep NTFS's second boot sector, which we make anew.
	[ "$program" != partclone.ntfs ] ||
		dd if="$volume" of="$T/want" bs=512 count=1 status=none \
			conv=notrunc seek=$(($(stat -c %s "$volume") / 512 - 1))
	cmp "$T/want" "$T/back" || fail "$volume: $program's image, restored"
	rm -f "$T/back" "$T/want"
}

# refused STATUS COMMAND...: it ends so; what it said is in $T/err.
refused() {
	local want=$1 got=0
	shift
	"$@" 2>"$T/err" || got=$?
	[ "$got" = "$want" ] ||
		fail "exit status $got, not $want: $*: $(cat "$T/err")"
}

# damaged IMAGE: check and restore find it, and no file looks finished.
damaged() {
	refused 4 "$UB" check --quiet "$1"
	refused 4 "$UB" restore --quiet "$1" "$T/never"
	[ -z "$(ls "$T"/never* 2>/dev/null)" ] ||
		fail "a damaged image left $(ls "$T"/never*)"
}
