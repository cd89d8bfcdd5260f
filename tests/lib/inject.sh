# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# Tests of the injection: guests, and what is on their filesystems as the kernel
# and e2fsck see it.  After common.sh.

# part_start IMAGE NUMBER: bytes
part_start() {
	sfdisk -J "$1" | jq --argjson n "$2" '
		.partitiontable as $t | $t.partitions[]
		| select(.node | test("[^0-9]\($n)$"))
		| .start * ($t.sectorsize // 512)'
}

on_no_loop() {
	[ -z "$(losetup -j "$1")" ]
}

# tree IMAGE NUMBER: one line a file, by the kernel; 0: the image is the
# filesystem
tree() {
	local m=$T/mnt at=0
	mkdir -p "$m"
	[ "$2" = 0 ] || at=$(part_start "$1" "$2")
	# The kernel lets go of the last one's loop device in its own time.
	wait_for 30 on_no_loop "$1" || fail "$1 stays on a loop device"
	mount -o "ro,noload,loop,offset=$at" "$1" "$m"
	python3 - "$m" <<'PY' || { umount "$m"; fail "cannot read the tree"; }
import hashlib, os, stat, sys
top = os.fsencode(sys.argv[1])
for d, dirs, files in os.walk(top):
    dirs.sort()
    for n in sorted(dirs + files):
        p = os.path.join(d, n)
        s = os.lstat(p)
        what = [oct(s.st_mode), s.st_uid, s.st_gid]
        if stat.S_ISREG(s.st_mode):
            with open(p, "rb") as f:
                h = hashlib.file_digest(f, "sha256") \
                    if hasattr(hashlib, "file_digest") \
                    else hashlib.sha256(f.read())
            what += [s.st_size, s.st_mtime_ns, s.st_nlink, h.hexdigest()]
        elif stat.S_ISLNK(s.st_mode):
            what += [os.readlink(p)]
        elif not stat.S_ISDIR(s.st_mode):
            what += [s.st_rdev]
        for a in sorted(os.listxattr(p, follow_symlinks=False)):
            what += [a, os.getxattr(p, a, follow_symlinks=False)]
        print(repr(os.fsdecode(p[len(top):])), *what)
PY
	umount "$m"
}

# The paths of which two listings differ, without those in the report (and the
# mount point's part of their path).
unreported() {
	local before=$1 after=$2 report=$3 volume=$4 strip=$5
	diff "$before" "$after" | grep '^[<>]' |
		sed "s/^[<>] '\([^']*\)'.*/\1/" | sort -u >"$T/differ" || :
	jq -r --arg v "$volume" --arg s "$strip" '.changes[]
		| select(.volume == $v) | .path | ltrimstr($s)' "$report" |
		sort -u >"$T/told"
	comm -23 "$T/differ" "$T/told"
}

check_clean() {
	e2fsck -fn "$1?offset=$(part_start "$1" "$2")" >"$T/fsck" 2>&1 ||
		fail "e2fsck is not content with $1: $(cat "$T/fsck")"
}

make_guest() {
	"$FY_TOP/tests/guests/make-guest" --small --size 1600M --out "$@" >"$T/make" 2>&1 ||
		fail "make-guest: $(tail -3 "$T/make")"
}
