# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# APFS for the tests of used-blocks, made by mkapfs and filled in the workbench
# (used-apfs-guest.sh), judged by partclone and apfsck.  Needs usedmap.sh and
# ptcl.sh; the images are $T/NAME, the trees $T/out/NAME.tree.

OUT=$T/out

# make_apfs NAME SIZE OPTION... [-- BLOCKS]
make_apfs() {
	local name=$1 size=$2 options=()
	shift 2
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	rm -f "$T/$name"
	truncate -s "$size" "$T/$name"
	mkapfs "${options[@]}" "$T/$name" "${@:2}" >"$T/log" 2>&1 ||
		{ cat "$T/log"; fail "mkapfs $name"; }
}

# map_apfs NAME [cut]: its map in $T/NAME.json against partclone's.  That reads
# block 0 as the bitmap of a last chunk (of 128 MiB) that is not whole and has
# none: in such a one it is not believed.  After a power cut (cut) it refuses.
map_apfs() {
	local image=$T/$1 size chunk=$((128 << 20))
	"$UB" map --json "$image" >"$T/$1.json" || fail "$1: no map"
	jq -e '.volumes[0] | .how == "map" and .filesystem == "apfs" and
		.note == null' "$T/$1.json" >/dev/null ||
		fail "$1 was not mapped: $(jq -c '.volumes[0]' "$T/$1.json")"
	if [ "${2:-}" = cut ]; then
		! theirs partclone.apfs -D -s "$image" -O "$T/domain" ||
			fail "partclone.apfs takes $1: compare with it"
		return
	fi
	theirs partclone.apfs -D -s "$image" -O "$T/domain" ||
		fail "partclone.apfs does not take $1: $(cat "$T/theirs.out")"
	size=$(od -An -tu8 -j 40 -N 8 "$image")
	$USEDMAP compare "$T/$1.json" \
		--until=$((size * 4096 / chunk * chunk)) \
		"domain:$T/domain" || fail "$1: map"
	rm -f "$T/domain"
}

# sound_apfs IMAGE [OPTIONS]: apfsck finds nothing.
sound_apfs() {
	local status=0
	apfsck "${2:--cuw}" "$1" >"$T/fsck.log" 2>&1 || status=$?
	if [ "$status" != 0 ] || [ -s "$T/fsck.log" ]; then
		cat "$T/fsck.log"
		fail "$1 is damaged ($status)"
	fi
}

# copy_apfs NAME [OPTIONS]: its used blocks among 0xA5 are $T/NAME.copy, which is
# sound; with "bad", where the module left something bad, as bad as $T/NAME.
copy_apfs() {
	rm -f "$T/$1.copy"
	$USEDMAP copy "$T/$1.json" "$T/$1" "$T/$1.copy"
	if [ "${2:-}" = bad ]; then
		apfsck -cuw "$T/$1" >"$T/fsck.want" 2>&1 || :
		apfsck -cuw "$T/$1.copy" >"$T/fsck.log" 2>&1 || :
		cmp "$T/fsck.want" "$T/fsck.log" || fail "$1: apfsck differs"
	else
		sound_apfs "$T/$1.copy" "${2:--cuw}"
	fi
}

# restored_apfs NAME: saved, and restored onto a device that is full of 0xA5.
restored_apfs() {
	local size loop
	size=$(stat -c %s "$T/$1")
	tr '\0' '\245' </dev/zero | head -c "$size" >"$T/$1.target"
	loop=$(losetup -f --show "$T/$1.target")
	at_exit losetup -d "$loop"
	"$UB" save --quiet --force "$T/$1" "$T/image" || fail "$1: save"
	"$UB" restore --quiet --verify --force "$T/image" "$loop" ||
		fail "$1: restore"
	$PTCL same "$T/$1.json" "$T/$1" "$loop" || fail "$1: restored"
	$PTCL untouched "$T/$1.json" "$loop" || fail "$1: more was restored"
	sound_apfs "$loop"
	rm -f "$T/image"
}

# same_files NAME: a look at the copy has found what the one at $T/NAME has.
same_files() {
	cmp "$OUT/$1.tree" "$OUT/$1.copy.tree" ||
		fail "$1: files of the copy differ"
	[ "$(wc -l <"$OUT/$1.tree")" -gt 30 ] || fail "$1: hardly any files"
}

# poke_apfs NAME AT [BYTES]: another byte, or those (\x.. escapes).
poke_apfs() {
	# shellcheck disable=SC2059
	printf "${3:-\x5a}" | dd of="$T/$1" bs=1 seek="$2" conv=notrunc \
		status=none
}

# whole_apfs NAME WORDS: it is copied whole, and the note has these words.
whole_apfs() {
	"$UB" map --json "$T/$1" 2>/dev/null | jq -e --arg w "$2" '
		.volumes[0].how == "whole" and (.volumes[0].note | test($w)) and
		.used_bytes == .disk_bytes' >/dev/null ||
		fail "$1 is not whole, for: $2"
}

# newest_super NAME: the block of the newest checkpoint's superblock.
newest_super() {
	python3 - "$T/$1" <<'FIND'
import sys
with open(sys.argv[1], "rb") as f:
    def block(n):
        f.seek(n * 4096)
        return f.read(4096)
    def number(b, at, size):
        return int.from_bytes(b[at:at + size], "little")
    first = block(0)
    area = range(number(first, 112, 8),
                 number(first, 112, 8) + number(first, 104, 4))
    print(max((n for n in area if block(n)[32:36] == b"NXSB"),
              key=lambda n: number(block(n), 16, 8)))
FIND
}
