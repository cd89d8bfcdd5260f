#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The workbench of ../lib/workbench.sh: it works on a test's disks with LVM, md
# and F2FS, tells the script's status, puts away what the script left, cuts the
# power when asked to, and takes a panic for a failure.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/workbench.sh"
requires dumpe2fs blkid
workbench_needs

for d in mirror-a mirror-b volumes ext; do
	truncate -s 192M "$T/$d"
done
echo "from outside" >"$T/note"
mkdir "$T/out"
cp "$T/note" "$T/out/note"

# Everything stays mounted, and the script fails.
start=$SECONDS status=0
workbench --out "$T/out" - "$T/mirror-a" "$T/mirror-b" "$T/volumes" \
	>"$T/stdout" 2>"$T/stderr" <<'SCRIPT' || status=$?
cut -d' ' -f1 /proc/uptime >"$OUT/uptime"
for m in dm_thin_pool dm_snapshot dm_raid raid456 raid10 f2fs jfs reiserfs \
	nilfs2 ufs minix exfat hfs hfsplus vfat xfs btrfs fuse apfs; do
	modprobe -n "$m"
done
mdadm --create /dev/md0 --run --level=1 --raid-devices=2 --metadata=1.2 \
	--assume-clean /dev/vdb /dev/vdc
mkfs.ext4 -q /dev/md0
mkdir /mirror /volume
mount /dev/md0 /mirror
cp "$OUT/note" /mirror/note
pvcreate -q /dev/vdd
vgcreate -q factory /dev/vdd
lvcreate -q -n data -L 120M factory
mkfs.f2fs -q -l data /dev/factory/data
mount /dev/factory/data /volume
python3 /tests/lib/age-tree.py 1 /volume/tree 4000000 150 links
(cd /volume && find . -type f -print0 | sort -z | xargs -0r sha256sum) \
	>"$OUT/digests"
echo "to stdout"
echo "to stderr" >&2
(exit 7)
echo "not reached"
SCRIPT
[ "$status" = 7 ] || { cat "$T/stdout" "$T/stderr"; fail "status $status, not 7"; }
say "first job done in $((SECONDS - start)) s; started" \
	"$(cat "$T/out/uptime") s after power-on"
grep -qx "to stdout" "$T/stdout" || fail "the script's stdout is missing"
grep -qx "to stderr" "$T/stderr" || fail "the script's stderr is missing"
! grep -q "not reached" "$T/stdout" || fail "the script went on after a failure"
! grep -q "still in use" "$T/stderr" || fail "something was not put away"
[ "$(wc -l <"$T/out/digests")" -gt 5 ] || fail "no files on the F2FS"
for d in mirror-a=linux_raid_member mirror-b=linux_raid_member \
	volumes=LVM2_member; do
	[ "$(blkid -p -s TYPE -o value "$T/${d%=*}")" = "${d#*=}" ] ||
		fail "${d%=*} is no ${d#*=}"
done

# What the first one left is found whole; the power is cut.
workbench --out "$T/out" - "$T/mirror-a" "$T/mirror-b" "$T/volumes" "$T/ext" \
	<<'SCRIPT' || fail "the second job: status $?"
mdadm --examine /dev/vdb | grep -q 'State : clean'
mdadm --assemble --run /dev/md0 /dev/vdb /dev/vdc
vgchange -q -ay factory
mkdir /mirror /volume /ext
e2fsck -fn /dev/md0
mount -o ro /dev/md0 /mirror
cmp "$OUT/note" /mirror/note
fsck.f2fs --dry-run /dev/factory/data >/dev/null
mount -o ro /dev/factory/data /volume
(cd /volume && sha256sum --quiet -c "$OUT/digests")
mkfs.ext4 -q /dev/vde
mount /dev/vde /ext
echo synced >/ext/note
sync
pull-the-plug
SCRIPT
dumpe2fs -h "$T/ext" 2>/dev/null | grep -q needs_recovery ||
	fail "pull-the-plug left a clean filesystem"

# A panic is no success, and ends the test that asked for the job.
cat >"$T/panic.sh" <<'SCRIPT'
set -eu
. "$FY_TOP/tests/lib/common.sh"
. "$FY_TOP/tests/lib/workbench.sh"
workbench_needs
out=$(workbench - <<<'echo c >/proc/sysrq-trigger') || :
echo "after the panic: $out"
SCRIPT
status=0
bash "$T/panic.sh" >"$T/stdout" 2>"$T/stderr" || status=$?
[ "$status" != 0 ] || fail "a panic passed for a success"
! grep -q "after the panic" "$T/stdout" || fail "the test went on after a panic"
grep -q "ended without the script's status" "$T/stderr" ||
	fail "a panic is not told: $(cat "$T/stderr")"
grep -q "sysrq triggered crash" "$T/stderr" || fail "no console's tail"
say "ok"
