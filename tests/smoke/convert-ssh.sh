#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The client's engine: a small ext4 disk over SSH and to the local server, into
# each kind of image; what comes out is compared with the source in all used
# extents.  Then what can go wrong on the way: host keys, passwords, kills of
# either side, a flipped byte, a server that is none or speaks another version.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
requires qemu-img mke2fs sfdisk ssh-keygen jq python3
requires_built p2v-client v2v-server used-blocks

DISK=$T/disk.img
VMS=$T/vms
LOG=$T/log
JSON=$T/json

# An ESP-like gap, an ext4 with files (some deleted, so that it has holes and
# stale bytes in free space), and a size that is no multiple of a unit.
make_disk() {
	mkdir "$T/tree"
	python3 - "$T/tree" <<'PY'
import os, random, sys
r = random.Random(1)
for i in range(300):
    n = int(r.paretovariate(0.6) * 900) % 1500000
    words = b"".join(r.choice([b"the quick ", b"brown fox ", b"\0" * 10])
                     for _ in range(n // 10)) if i % 3 else r.randbytes(n)
    with open(os.path.join(sys.argv[1], "f%d" % i), "wb") as f:
        f.write(words)
with open(os.path.join(sys.argv[1], "random"), "wb") as f:
    f.write(r.randbytes(40 << 20))
with open(os.path.join(sys.argv[1], "zeros"), "wb") as f:
    f.write(bytes(6 << 20))
PY
	mke2fs -q -t ext4 -b 1024 -d "$T/tree" "$T/fs.img" 180M >/dev/null
	for i in 3 60 61 62 150; do
		debugfs -w -R "rm /f$i" "$T/fs.img" 2>/dev/null
	done
	rm -rf "$T/tree"
	truncate -s $((191 * 1048576 + 512 * 7)) "$DISK"
	sfdisk -q "$DISK" >/dev/null 2>&1 <<-PARTS
	label: dos
	start=2048, size=368640, type=83
	PARTS
	dd if="$T/fs.img" of="$DISK" bs=1M seek=1 conv=notrunc status=none
	rm "$T/fs.img"
}

convert() {
	"$FY_BUILD/p2v-client" convert --disk "$DISK" --to "$VMS" --no-inject \
		--progress none --json --retry 0 "$@" >"$JSON" 2>"$LOG" \
		</dev/null
}

must_convert() {
	local status=0
	convert "$@" || status=$?
	[ "$status" = 0 ] || { cat "$LOG" >&2; fail "status $status: $*"; }
	[ "$(jq -r .result "$JSON")" = done ] || fail "$(cat "$JSON")"
}

# must_fail STATUS PATTERN ARGS...: and nothing finished lies there.
must_fail() {
	local want=$1 pattern=$2 status=0
	shift 2
	convert "$@" || status=$?
	[ "$status" = "$want" ] ||
		{ cat "$LOG" >&2; fail "status $status, not $want: $*"; }
	grep -qE -- "$pattern" "$LOG" ||
		{ cat "$LOG" >&2; fail "no word of '$pattern'"; }
	[ -z "$(ls "$VMS"/*.xml "$VMS"/*.qcow2 "$VMS"/*.raw 2>/dev/null)" ] ||
		fail "something finished after a failure"
}

# Each used extent of the disk has the same bytes in the image, and the sizes
# agree.
compare() {
	rm -f "$T/out.img"
	qemu-img convert -O raw "$1" "$T/out.img"
	python3 - "$DISK" "$T/out.img" "$T/map.json" <<-'PY'
	import json, os, sys
	a, b = open(sys.argv[1], "rb"), open(sys.argv[2], "rb")
	m = json.load(open(sys.argv[3]))
	if os.path.getsize(sys.argv[1]) > os.path.getsize(sys.argv[2]):
	    sys.exit("the image is shorter than the disk")
	n = 0
	for offset, length in m["extents"]:
	    a.seek(offset)
	    b.seek(offset)
	    n += length
	    while length:
	        want = a.read(min(length, 1 << 20))
	        if not want or b.read(len(want)) != want:
	            sys.exit("differs in the extent at %d" % offset)
	        length -= len(want)
	if n != m["used_bytes"] or n < 30 << 20:
	    sys.exit("%d bytes compared, %d are used" % (n, m["used_bytes"]))
	PY
	rm -f "$T/out.img"
}

clear_vms() {
	rm -rf "$VMS"
	mkdir "$VMS"
}

server_gone() {
	local p
	for p in $(descendants "$SSHD_PID"); do
		[ "$(cat "/proc/$p/comm" 2>/dev/null)" != v2v-server ] ||
			return 1
	done
}

make_disk
"$FY_BUILD/used-blocks" map "$DISK" --json >"$T/map.json"
clear_vms
sshd_start --root "$T"
SSH=(--server "$SSHD_SERVER" --identity "$SSHD_KEY"
	--fingerprint "$SSHD_FINGERPRINT")

say "--- into each kind of image, over SSH and to the local server"
n=0
for how in "--format qcow2" "--format raw" "--compressed" \
	"--compressed=deflate" "--compress none" "--compress zstd:3" \
	"--threads 1 --limit-rate 100M"; do
	n=$((n + 1))
	# shellcheck disable=SC2086
	must_convert "${SSH[@]}" --name "ssh$n" $how
	# shellcheck disable=SC2086
	must_convert --server local --name "local$n" $how
	for name in "ssh$n" "local$n"; do
		image=$VMS/$name.qcow2
		[ -e "$image" ] || image=$VMS/$name.raw
		[[ $image != *.qcow2 ]] || qemu-img check -q "$image" ||
			fail "qemu-img check: $how"
		compare "$image"
	done
	[ "$(jq .used_bytes "$JSON")" = "$(jq .used_bytes "$T/map.json")" ] ||
		fail "used_bytes differ from the map's"
	clear_vms
done

say "--- a job that exists is not overwritten"
must_convert "${SSH[@]}" --name twice --format raw
sum=$(sha256 <"$VMS/twice.raw")
status=0
convert "${SSH[@]}" --name twice --format raw || status=$?
[ "$status" = 1 ] || fail "status $status for a name that is taken"
grep -q -- --force "$LOG" || fail "the message does not speak of --force"
must_convert "${SSH[@]}" --name twice --format raw --force
[ "$(sha256 <"$VMS/twice.raw")" = "$sum" ] || fail "another image by --force"
clear_vms

say "--- what is not there yet is refused"
for c in backup "restore --machine x" "schedule list"; do
	# shellcheck disable=SC2086
	expect_status 1 "$FY_BUILD/p2v-client" $c 2>"$T/err"
	grep -q 'not there yet' "$T/err" || fail "$c is not refused"
done
must_fail 1 'connections' --server local --name x --connections 2
must_fail 1 'sync' --server local --name x --sync
must_fail 1 'vmdk' --server local --name x --format vmdk
must_fail 1 'ovf' --server local --name x --emit libvirt,ovf
must_fail 2 'name' --server local --name '../x'
must_fail 2 'compress' --server local --name x --compress gzip

say "--- host keys"
key="--server $SSHD_SERVER --identity $SSHD_KEY --name x"
# shellcheck disable=SC2086
{
	must_fail 1 "not the SHA256:AAAA" $key --fingerprint \
		SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
	must_fail 2 'fingerprint' $key --fingerprint SHA256:short
	must_fail 1 "give --fingerprint ${SSHD_FINGERPRINT//+/\\+}" $key \
		--known-hosts "$T/known"
	[ ! -s "$T/known" ] || fail "an unknown key was noted unasked"
	ssh-keygen -q -t ed25519 -N '' -f "$T/other"
	echo "[127.0.0.1]:$SSHD_PORT $(cut -d' ' -f1,2 "$T/other.pub")" \
		>"$T/known"
	must_fail 1 'HAS CHANGED' $key --known-hosts "$T/known"
	echo "[127.0.0.1]:$SSHD_PORT $(cut -d' ' -f1,2 \
		"$SSHD_DIR/host_key.pub")" >"$T/known"
	must_convert $key --known-hosts "$T/known"
}
clear_vms

say "--- logins"
must_fail 1 'refuses the login' --server "$SSHD_SERVER" --identity "$T/other" \
	--fingerprint "$SSHD_FINGERPRINT" --name x
must_fail 1 'cannot read the key' --server "$SSHD_SERVER" \
	--identity "$T/nothing" --fingerprint "$SSHD_FINGERPRINT" --name x
echo wrong >"$T/password"
chmod 600 "$T/password"
good_port=$SSHD_PORT good_pid=$SSHD_PID
sshd_start --no-command --config 'PasswordAuthentication yes' \
	--config 'PubkeyAuthentication no'
must_fail 1 'refuses the login.*tried: password' --server "$SSHD_SERVER" \
	--fingerprint "$SSHD_FINGERPRINT" --password-file "$T/password" \
	--name x
SSHD_PORT=$good_port SSHD_PID=$good_pid

say "--- a server that is none"
sshd_start --command 'echo Welcome to this fine machine; exit 0'
must_fail 1 'Welcome to this fine machine' --server "$SSHD_SERVER" \
	--identity "$SSHD_KEY" --fingerprint "$SSHD_FINGERPRINT" --name x
sshd_start --command '/no/such/v2v-server serve'
must_fail 1 'could not be started on the server' --server "$SSHD_SERVER" \
	--identity "$SSHD_KEY" --fingerprint "$SSHD_FINGERPRINT" --name x
SSHD_PORT=$good_port SSHD_PID=$good_pid

say "--- the client is killed, and told to stop; then the same again"
for signal in KILL TERM; do
	"$FY_BUILD/p2v-client" convert --disk "$DISK" --to "$VMS" --no-inject \
		--progress none "${SSH[@]}" --name cut --limit-rate 15M \
		>"$JSON" 2>"$LOG" </dev/null &
	pid=$!
	own_pid "$pid"
	wait_for 60 bash -c "[ \$(stat -c %s '$VMS/cut.partial/journal') \
		-gt 1500 ]" 2>/dev/null || fail "nothing became durable"
	kill "-$signal" "$pid"
	status=0
	wait "$pid" || status=$?
	if [ "$signal" = TERM ]; then
		[ "$status" = 5 ] || fail "status $status after SIGTERM"
		grep -q 'same command' "$LOG" ||
			fail "no word that the same command continues"
	fi
	wait_for 30 server_gone || fail "the server did not end"
	[ ! -e "$VMS/cut.qcow2" ] || fail "an image after $signal"
	must_convert "${SSH[@]}" --name cut
	[ "$(jq .units_reused "$JSON")" -gt 0 ] || fail "nothing was reused"
	compare "$VMS/cut.qcow2"
	[ ! -e "$VMS/cut.partial" ] || fail "cut.partial is left over"
	clear_vms
done

say "--- the connection is killed; then the same again"
"$FY_BUILD/p2v-client" convert --disk "$DISK" --to "$VMS" --no-inject \
	--progress none --json "${SSH[@]}" --name cut --limit-rate 15M --retry 0 \
	>"$JSON" 2>"$LOG" </dev/null &
pid=$!
own_pid "$pid"
wait_for 60 bash -c "[ \$(stat -c %s '$VMS/cut.partial/journal') -gt 1500 ]" \
	2>/dev/null || fail "nothing became durable"
for p in $(descendants "$SSHD_PID"); do
	[ "$(cat "/proc/$p/comm")" != sshd ] || kill -9 "$p" || :
done
status=0
wait "$pid" || status=$?
[ "$status" = 5 ] || { cat "$LOG"; fail "status $status without connection"; }
[ "$(jq -r .result "$JSON")" = interrupted ] || fail "$(cat "$JSON")"
wait_for 30 server_gone || fail "the server did not end"
must_convert "${SSH[@]}" --name cut
[ "$(jq .units_reused "$JSON")" -gt 0 ] || fail "nothing was reused"
compare "$VMS/cut.qcow2"
clear_vms

say "--- bytes that change on the way"
# A copy of the client with a server beside it that is a filter.
mkdir "$T/bin"
cp "$FY_BUILD/p2v-client" "$T/bin/"
cat >"$T/bin/v2v-server" <<FILTER
#!/usr/bin/env python3
import os, subprocess, sys, threading
place, side = int(os.environ["FLIP_AT"]), os.environ["FLIP_SIDE"]
child = subprocess.Popen(["$FY_BUILD/v2v-server"] + sys.argv[1:],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
def pump(source, sink, flip):
    at = 0
    while True:
        data = os.read(source, 65536)
        if not data:
            break
        if flip and at <= place < at + len(data):
            data = bytearray(data)
            data[place - at] ^= 4
        at += len(data)
        try:
            while data:
                data = data[os.write(sink, data):]
        except BrokenPipeError:
            break
    os.close(sink)
t = threading.Thread(target=pump, daemon=True,
                     args=(0, child.stdin.fileno(), side == "client"))
t.start()
pump(child.stdout.fileno(), 1, side == "server")
sys.exit(child.wait())
FILTER
chmod 755 "$T/bin/v2v-server"
flipped() {
	local status=0
	FLIP_AT=$1 FLIP_SIDE=$2 "$T/bin/p2v-client" convert --disk "$DISK" \
		--to "$VMS" --no-inject --progress none --server local \
		--name flip --retry 0 --json >"$JSON" 2>"$LOG" </dev/null || status=$?
	[ "$status" = "$3" ] ||
		{ cat "$LOG"; fail "status $status with a flipped byte"; }
	[ "$3" = 0 ] || [ ! -e "$VMS/flip.qcow2" ] ||
		fail "an image with a byte flipped at $1 by the $2: $(cat "$LOG")"
	[ "$3" = 0 ] || clear_vms
}
for at in 20000000 20000013 20100000 5000; do
	flipped "$at" client 1
	grep -qE 'CRC|checksum|corrupt|magic|damaged|digest' "$LOG" ||
		{ cat "$LOG"; fail "the message does not tell"; }
done
flipped 10 server 1
flipped 120 server 1
flipped 4000000000 client 0
compare "$VMS/flip.qcow2"
clear_vms

say "--- a server of another version, and servers that lie"
cat >"$T/bin/v2v-server" <<'STRANGE'
#!/usr/bin/env python3
import json, os, struct, sys
lie = os.environ["LIE"]
table = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ (0x82f63b78 if n & 1 else 0)
    table.append(n)
def crc32c(data):
    c = 0xffffffff
    for b in data:
        c = c >> 8 ^ table[(c ^ b) & 255]
    return c ^ 0xffffffff
def send(kind, data, disk=0, number=0):
    if not isinstance(data, bytes):
        data = json.dumps(data).encode()
    head = struct.pack("<4sBBHIIQI", b"FYW1", kind, 0, disk, len(data), 0,
                       number, crc32c(data) if data else 0)
    sys.stdout.buffer.write(head + struct.pack("<I", crc32c(head)) + data)
    sys.stdout.buffer.flush()
def receive():
    head = sys.stdin.buffer.read(32)
    if len(head) < 32:
        sys.exit(0)
    return head[4], sys.stdin.buffer.read(struct.unpack("<I", head[8:12])[0])
receive()
send(2, {"protocol": 9 if lie == "version" else 1,
         "program": "v2v-server", "version": "9.0"})
kind, data = receive()
if kind != 3:
    sys.exit(0)
unit = {"unit": 1000000, "small": 4096}.get(lie, 1 << 20)
units = -(-json.loads(data)["disks"][0]["size_bytes"] // unit)
disk = {"unit_bytes": unit, "units": units + (lie == "units"),
        "codec": "rot13" if lie == "codec" else "any", "level": 1,
        "window_bits": 0, "durable": 1 if lie == "durable" else 0,
        "durable_frames": 1 if lie == "durable" else 0}
send(4, {"resumed": lie == "durable", "digest": "xxh3-128",
         "seed": "xyz" if lie == "seed" else "0123456789abcdef",
         "disks": [disk] * (2 if lie == "disks" else 1)})
if lie == "durable":
    send(5, b"\1", number=8 * units)
elif lie == "answer":
    send(7, b"\1")
elif lie == "ack":
    send(10, struct.pack("<QQ", units, 1))
elif lie == "wrap":
    send(10, struct.pack("<QQ", 5, 2 ** 64 - 3))
elif lie == "done":
    send(14, {"result": "done", "files": [], "stored_bytes": 0,
              "warnings": [], "report": {}, "xml": "/x.xml"})
elif lie == "ready":
    send(4, {})
while receive()[0] != 15:
    pass
STRANGE
chmod 755 "$T/bin/v2v-server"
for lie in version unit small units codec seed disks durable answer ack wrap \
	done ready; do
	status=0
	LIE=$lie timeout 60 "$T/bin/p2v-client" convert --disk "$DISK" \
		--to "$VMS" --no-inject --progress none --server local \
		--name x --json >"$JSON" 2>"$LOG" </dev/null || status=$?
	[ "$status" = 1 ] || { cat "$LOG"; fail "status $status, lie '$lie'"; }
	[ "$(jq -r .result "$JSON")" = failed ] || fail "$(cat "$JSON")"
	case $lie in
	version) grep -q 'protocol 9' "$LOG" ;;
	*) grep -qiE 'server|READY|codec' "$LOG" ;;
	esac || { cat "$LOG"; fail "the message does not tell ($lie)"; }
done
say "all is well"
