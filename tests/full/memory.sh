#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Memory on a sparse disk of nearly 16 TiB with twenty million used extents: the
# client and the server each within 256 MiB and 16 MiB a worker.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
requires python3 mkfs.ext4 jq
requires_root
requires_built p2v-client v2v-server used-blocks
[ -x /usr/bin/time ] || skip "/usr/bin/time is not installed"

workers=2
limit=$(((256 + 16 * workers) * 1024))
disk=$T/huge.img

# make_disk EACH: twenty million used ranges, EACH in a group of 128 MiB.
make_disk() {
rm -f "$disk"
# The largest file that ext4 takes, less a bit.
truncate -s $((16 * 1024 * 1024 - 64))M "$disk" ||
	skip "no sparse file of 16 TiB can be made in $T"
mkfs.ext4 -q -F -N 2000000 -O ^metadata_csum,^has_journal,64bit \
	-E lazy_itable_init=1 -m 0 "$disk"
say "filesystem made: $(du -m "$disk" | cut -f1) MiB on the disk"

# In each group, blocks far from each other are marked as used.
python3 - "$disk" "$1" <<'PY'
import struct, sys
want, each = 20_000_000, int(sys.argv[2])
with open(sys.argv[1], "r+b") as f:
    f.seek(1024)
    sb = bytearray(f.read(1024))
    per_group, = struct.unpack_from("<I", sb, 32)
    blocks = struct.unpack_from("<I", sb, 4)[0] | \
        struct.unpack_from("<I", sb, 336)[0] << 32
    free = struct.unpack_from("<I", sb, 12)[0] | \
        struct.unpack_from("<I", sb, 344)[0] << 32
    size = struct.unpack_from("<H", sb, 254)[0]
    assert per_group == 32768 and size == 64
    groups = (blocks + per_group - 1) // per_group
    # Spread over the disk: so many in each group.
    # A group's upper half, with a block used here and there.
    start, step = 16000, (32768 - 16000) // each
    pattern = bytearray(4096)
    for n in range(each):
        i = start + n * step
        pattern[i >> 3] |= 1 << (i & 7)
    half = slice(start // 8, 4096)
    nothing = bytes(4096 - start // 8)
    f.seek(4096)
    table = bytearray(f.read(groups * size))
    made = 0
    for g in range(1, groups - 1):
        if made >= want:
            break
        at = g * size
        bitmap = struct.unpack_from("<I", table, at)[0] | \
            struct.unpack_from("<I", table, at + 32)[0] << 32
        f.seek(bitmap * 4096)
        bits = bytearray(f.read(4096))
        if bits[half] != nothing:
            continue
        bits[half] = pattern[half]
        f.seek(bitmap * 4096)
        f.write(bits)
        made += each
        free_was = struct.unpack_from("<H", table, at + 12)[0] | \
            struct.unpack_from("<H", table, at + 44)[0] << 16
        struct.pack_into("<H", table, at + 12, (free_was - each) & 0xffff)
        struct.pack_into("<H", table, at + 44, (free_was - each) >> 16)
    f.seek(4096)
    f.write(table)
    struct.pack_into("<I", sb, 12, (free - made) & 0xffffffff)
    struct.pack_into("<I", sb, 344, (free - made) >> 32)
    f.seek(1024)
    f.write(sb)
    print("extents:", made)
    if made < want * 0.9:
        sys.exit("too few extents could be made")
PY
}

within() {
	say "$1: $(($2 / 1024)) MiB resident at most (allowed: $((limit / 1024)))"
	[ "$2" -le "$limit" ] || fail "$1 used too much memory"
}

# Spread over the whole disk.
make_disk 153
/usr/bin/time -f %M -o "$T/map.rss" "$FY_BUILD/used-blocks" map "$disk" \
	--ddrescue >"$T/map" || fail "used-blocks map failed"
ranges=$(grep -c ' +$' "$T/map")
say "the map has $ranges used ranges"
[ "$ranges" -gt 10000000 ] || say "(ranges were merged: see the report)"
rm "$T/map"
within "used-blocks map" "$(tail -n 1 "$T/map.rss")"

# Closer together, or the client would look for 17 TB through whole units.
make_disk 8384
# The used blocks hold zeros, so hardly anything is stored; but the server wants
# to see room for all of it.
mkdir "$T/vms"
mount -t tmpfs -o size=200G tmpfs "$T/vms"
at_exit umount -l "$T/vms"
sshd_start --command "/usr/bin/time -f %M -o $T/server.rss \
$FY_BUILD/v2v-server serve --root $T"
/usr/bin/time -f %M -o "$T/client.rss" "$FY_BUILD/p2v-client" convert \
	--server "$SSHD_SERVER" --identity "$SSHD_KEY" \
	--fingerprint "$SSHD_FINGERPRINT" --disk "$disk" --name huge \
	--to "$T/vms" --no-inject --threads "$workers" --progress none --json \
	>"$T/json" || fail "the conversion failed"
jq -c . "$T/json"
wait_for 20 test -s "$T/server.rss"
within p2v-client "$(tail -n 1 "$T/client.rss")"
within v2v-server "$(tail -n 1 "$T/server.rss")"
