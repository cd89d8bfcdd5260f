#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A root on XFS, which takes libguestfs's appliance: it is injected by a worker
# that is confined all the same, nothing of libguestfs is left behind, and the
# undo log gives the disk back.  Its shell is a FIFO, which nobody may open.
set -eu
. "$(dirname "$0")/../lib/common.sh"
requires jq sfdisk mkfs.xfs python3 cc supermin
requires_built v2v-server
. "$(dirname "$0")/../lib/sandbox.sh"

V2V=$FY_BUILD/v2v-server

printf 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n' >"$T/os-release"
echo "/dev/sda1 / xfs defaults 0 1" >"$T/fstab"
cat >"$T/proto" <<PROTO
/dev/null
0 0
d--755 0 0
etc d--755 0 0
os-release ---644 0 0 $T/os-release
fstab ---644 0 0 $T/fstab
\$
boot d--755 0 0
\$
bin d--755 0 0
sh p--755 0 0
\$
lib d--755 0 0
\$
\$
PROTO
mkfs.xfs -q -f -d "file,name=$T/xfs,size=320m" -p "$T/proto"
truncate -s 330M "$T/d/image"
echo 'start=2048, type=83' | sfdisk -q "$T/d/image"
dd if="$T/xfs" of="$T/d/image" bs=1M seek=1 conv=notrunc,sparse status=none
cp --sparse=always "$T/d/image" "$T/before"

# libguestfs keeps its appliance where the first user of it put it.
export LIBGUESTFS_CACHEDIR=/var/tmp
with_probe try "$V2V" inject --require-sandbox --json "$T/d/image" \
	>"$T/report.json" || fail "inject: $(cat "$T/err")"
check_refused appliance 0
[ "$(grep -c "^probe: shadow 13" "$T/err")" = 2 ] ||
	fail "not two workers: $(cat "$T/err")"
jq -e '.changes[] | select(.path == "/etc/fstab")' "$T/report.json" >/dev/null ||
	fail "nothing was changed: $(cat "$T/report.json" "$T/err")"
sockets=$(sed -n 's/^probe: sockets //p' "$T/err")
[ -n "$sockets" ] || fail "libguestfs's sockets were not seen"
[ ! -e "$sockets" ] || fail "$sockets was left"
check_nothing_left appliance
"$V2V" inject --undo "$T/d/image" 2>/dev/null
cmp "$T/d/image" "$T/before" || fail "the undo log does not give it back"
