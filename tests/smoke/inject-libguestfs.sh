#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The injection without libguestfs: the programs start, a disk with XFS and a
# LUKS volume is left as it is, and the report says what to install and which
# option to give.  (What libguestfs does: full/inject-xfs-btrfs.sh.)
set -eu
. "$(dirname "$0")/../lib/common.sh"
requires jq sfdisk mkfs.xfs cryptsetup ldd
requires_built v2v-server p2v-client

V2V=$FY_BUILD/v2v-server
MIB=$((1 << 20))

for p in v2v-server p2v-client; do
	! ldd "$FY_BUILD/$p" | grep -q guestfs ||
		fail "$p needs libguestfs to start"
done

# A library of that name that is none comes first.
mkdir "$T/lib"
echo "no library" >"$T/lib/libguestfs.so.0"
truncate -s 500M "$T/disk"
sfdisk -q "$T/disk" <<'PT'
label: gpt
size=350M
size=64M
PT
mkfs.xfs -q -f -d "file,name=$T/xfs,size=340m"
dd if="$T/xfs" of="$T/disk" bs=$MIB seek=1 conv=notrunc,sparse status=none
truncate -s 64M "$T/luks"
echo secret >"$T/key"
cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations \
	1000 "$T/luks" "$T/key"
dd if="$T/luks" of="$T/disk" bs=$MIB seek=351 conv=notrunc,sparse status=none
sum=$(sha256 <"$T/disk")

# refused JOB [OPTION...] -- WORDS...: nothing can be looked into, so the system
# is in there; the error has the words, the disk stays as it is.
refused() {
	local options=(--job-dir "$T/$1") word
	shift
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	expect_status 1 "$V2V" inject --json "${options[@]}" "$T/disk" \
		>"$T/report.json" 2>"$T/err"
	for word in "no system was found" --no-inject "$@"; do
		tail -n 1 "$T/err" | grep -qF -- "$word" ||
			fail "not '$word': $(cat "$T/err")"
	done
	[ "$(sha256 <"$T/disk")" = "$sum" ] || fail "the disk was written to"
}

export LD_LIBRARY_PATH=$T/lib
refused j1 -- "p1: libguestfs is not installed (packages libguestfs0" \
	"p2: it is encrypted (LUKS); give its key (--luks-key)"
refused j2 --luks-key "$T/key" -- "p1: libguestfs" "p2: libguestfs"
expect_status 1 "$V2V" inject --json --job-dir "$T/j3" \
	--luks-key "$T/nothing" "$T/disk" >/dev/null 2>"$T/err"
grep -q -- "--luks-key" "$T/err" || fail "a missing key file: $(cat "$T/err")"
: >"$T/empty"
expect_status 2 "$V2V" inspect --luks-key "$T/empty" "$T/disk" >/dev/null \
	2>"$T/err"
"$V2V" inspect --json "$T/disk" >"$T/told.json" 2>"$T/err" ||
	fail "inspect: $(cat "$T/err")"
jq -e '.systems == [] and (.skipped | map(.volume) | unique) == ["p1", "p2"]
	and any(.skipped[]; .why | contains("libguestfs is not installed"))
	and any(.skipped[]; .why | contains("--luks-key"))' "$T/told.json" \
	>/dev/null || fail "inspect: $(cat "$T/told.json")"
