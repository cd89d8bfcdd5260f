#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The live system's unattended runs, on this machine: a kernel command line in
# a file, the rest of the answers by HTTP and from the medium, a private sshd,
# hooks and the end; the inventory; failures; two consoles at once.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
requires_root
requires qemu-img mke2fs sfdisk ssh-keygen jq python3 curl flock
requires_built p2v-client v2v-server used-blocks

DISK=$T/disk.img

make_disk() {
	mkdir -p "$T/tree/etc"
	printf 'ID=debian\nVERSION_ID="12"\n' >"$T/tree/etc/os-release"
	echo iron-host.example.org >"$T/tree/etc/hostname"
	head -c 20M /dev/urandom >"$T/tree/random"
	mke2fs -q -t ext4 -d "$T/tree" "$T/fs.img" 60M >/dev/null
	truncate -s 64M "$DISK"
	printf 'label: dos\nstart=2048, size=122880, type=83, bootable\n' |
		sfdisk -q "$DISK"
	dd if="$T/fs.img" of="$DISK" bs=1M seek=1 conv=notrunc status=none
	rm -rf "$T/fs.img" "$T/tree"
}

make_medium() {
	mkdir -p "$T/medium/ironferry" "$T/web" "$T/home"
	cp "$SSHD_KEY" "$T/medium/ironferry/id_ed25519"
	chmod 644 "$T/medium/ironferry/id_ed25519"
	cat >"$T/medium/ironferry/p2v.conf" <<-CONF
	# what all machines here have in common
	server = $SSHD_SERVER
	p2v.fingerprint=$SSHD_FINGERPRINT
	to=nowhere
	no-inject
	CONF
	cat >"$T/power" <<-'SH'
	#!/bin/sh
	echo "$1" >>"$FY_POWERED"
	SH
	chmod 755 "$T/power"
	export FY_POWERED=$T/powered
}

start_web() {
	# A script, not -m http.server: it says its port and takes no names.
	cat >"$T/web.py" <<-'PY'
	import functools, http.server, sys
	handler = functools.partial(http.server.SimpleHTTPRequestHandler,
	                            directory=sys.argv[1])
	server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[2])), handler)
	print("ready", flush=True)
	server.serve_forever()
	PY
	python3 "$T/web.py" "$T/web" "$1" >"$T/web.log" 2>&1 &
	WEB_PID=$!
	own_pid "$WEB_PID"
	wait_for_line 20 "$T/web.log" ready "$WEB_PID" || fail "no web server"
}

# live WORDS...: a run with these words on the kernel command line.
live() {
	local status=0
	printf '%s ' BOOT_IMAGE=/vmlinuz quiet "$@" >"$T/cmdline"
	echo >>"$T/cmdline"
	rm -rf "$T/run"
	HOME=$T/home timeout 120 "$FY_BUILD/p2v-client" live \
		--cmdline "$T/cmdline" --medium "$T/medium" --run "$T/run" \
		--power-command "$T/power" </dev/null >"$T/out" 2>&1 ||
		status=$?
	return "$status"
}

# must STATUS WORDS...
must() {
	local want=$1 status=0
	shift
	live "$@" || status=$?
	[ "$status" = "$want" ] || {
		cat "$T/out" >&2
		fail "exit status $status, not $want: $*"
	}
}

says() {
	grep -qE -- "$1" "$T/out" || {
		cat "$T/out" >&2
		fail "the console never said '$1'"
	}
}

make_disk
mkdir "$T/vms"
sshd_start --root "$T/vms"
make_medium
before=$(sha256sum <"$DISK")

say "--- the whole run: medium, then URL, then the command line"
port=$(free_port)
cat >"$T/web/common.conf" <<-CONF
p2v.to=by-url
p2v.name=by-url
p2v.post=printf '%s %s %s\n' "\$FY_RESULT" "\$FY_EXIT" "\$FY_NAME" >$T/post
CONF
# The network comes late: the web server, as the run waits for it.
live_late() {
	live p2v.action=convert "p2v.config=http://127.0.0.1:$port/common.conf" \
		"p2v.disks=$DISK" "p2v.to=vms" \
		"p2v.pre=\"echo pre >$T/pre\"" \
		"p2v.fail=\"echo fail >$T/failed\"" p2v.then=poweroff \
		p2v.limit-rate=8M
}
live_late &
run=$!
wait_for_line 30 "$T/out" 'Waiting for http' || fail "it did not wait"
start_web "$port"
wait "$run" || { cat "$T/out" >&2; fail "the run failed"; }
says 'Name: by-url'
says 'copy: +[0-9]+ %, .* of .*, .*/s, '
says '^DONE: .* MB/s'
[ "$(cat "$T/pre")" = pre ] || fail "p2v.pre did not run"
[ "$(cat "$T/post")" = "done 0 by-url" ] || fail "p2v.post: $(cat "$T/post")"
[ ! -e "$T/failed" ] || fail "p2v.fail ran after a success"
[ "$(cat "$FY_POWERED")" = poweroff ] || fail "the end was not poweroff"
[ -s "$T/vms/vms/by-url.xml" ] || fail "no definition"
qemu-img compare -q "$DISK" "$T/vms/vms/by-url.qcow2" ||
	fail "the image differs from the disk"
[ "$(jq -r .result "$T/run/result")" = "done" ] || fail "result is not 'done'"
[ "$(stat -c %a "$T/run/id_ed25519")" = 600 ] || fail "the key can be read"
[ "$(sha256sum <"$DISK")" = "$before" ] || fail "the disk was changed"

say "--- not once more: the result is there"
cp -r "$T/run" "$T/run-kept"
HOME=$T/home timeout 60 "$FY_BUILD/p2v-client" live --cmdline "$T/cmdline" \
	--medium "$T/medium" --run "$T/run-kept" --power-command "$T/power" \
	</dev/null >"$T/out" 2>&1 || fail "a finished run failed"
[ "$(wc -l <"$FY_POWERED")" = 1 ] || fail "it was done twice"

say "--- the name by the host name; reboot"
rm -f "$FY_POWERED"
must 0 p2v.action=convert "p2v.disks=$DISK" p2v.to=vms p2v.then=reboot
says 'Name: iron-host$'
[ "$(cat "$FY_POWERED")" = reboot ] || fail "the end was not reboot"

say "--- the same again is there already: p2v.fail, and the machine stays on"
rm -f "$FY_POWERED" "$T/post"
must 1 p2v.action=convert "p2v.disks=$DISK" p2v.to=vms p2v.then=poweroff \
	"p2v.post=\"echo post >$T/post\"" \
	"p2v.fail=\"echo \$FY_RESULT \$FY_EXIT \$FY_NAME >$T/failed\""
says 'FAILED \(exit status 1\): .*is there already'
[ "$(cat "$T/failed")" = "failed 1 iron-host" ] ||
	fail "p2v.fail: $(cat "$T/failed")"
[ ! -e "$T/post" ] || fail "p2v.post ran after a failure"
[ ! -e "$FY_POWERED" ] || fail "a failed run was switched off"
[ "$(jq -r .error "$T/run/result")" = exists ] || fail "result: no error"
must 1 p2v.action=convert "p2v.disks=$DISK" p2v.to=vms \
	p2v.then-failed=reboot
[ "$(cat "$FY_POWERED")" = reboot ] || fail "p2v.then-failed did nothing"

say "--- failures before the job"
rm -f "$T/failed"
must 1 p2v.action=convert "p2v.disks=no-such-disk" \
	"p2v.fail=\"echo failed >$T/failed\""
says 'no disk of this machine is .no-such-disk'
[ -e "$T/failed" ] || fail "p2v.fail did not run"
must 1 p2v.action=convert "p2v.disks=$DISK" p2v.name=x p2v.pre=false
says 'p2v.pre: '
must 1 p2v.action=convert "p2v.disks=$DISK" p2v.name=x \
	p2v.fingerprint=SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
says 'FAILED'
nobody=$(free_port)
start=$SECONDS
must 1 p2v.action=convert "p2v.disks=$DISK" p2v.name=x p2v.wait=4 \
	"p2v.server=root@127.0.0.1:$nobody"
says 'trying again'
says 'FAILED .*cannot connect'
[ $((SECONDS - start)) -ge 4 ] || fail "it did not wait for the server"

say "--- what is wrong in the words: nothing runs"
rm -f "$T/pre" "$T/failed"
must 2 p2v.action=convert "p2v.disks=$DISK" p2v.name=x p2v.foo=1 p2v.sudo=1 \
	"p2v.pre=\"echo pre >$T/pre\"" "p2v.fail=\"echo \$FY_EXIT >$T/failed\""
says 'p2v.foo: there is no such key'
says 'p2v.sudo: the server needs no root'
[ ! -e "$T/pre" ] || fail "something was begun"
[ "$(cat "$T/failed")" = 2 ] || fail "p2v.fail did not run"
[ "$(jq .exit "$T/run/result")" = 2 ] || fail "the result is another"
must 2 p2v.foo=1
says 'p2v.foo: there is no such key'
[ ! -e "$T/run/result" ] || fail "without an action there is no result"
must 2 p2v.action=convert "p2v.config=http://127.0.0.1:$port/none.conf" \
	"p2v.disks=$DISK" p2v.name=x
says 'none.conf.*404'

say "--- the inventory"
must 0 p2v.action=inventory "p2v.disks=$DISK" p2v.name=rack7 p2v.to=hw
says "DONE: $T/vms/hw/rack7.machine.json"
[ "$(jq -r '.disks[0].path' "$T/vms/hw/rack7.machine.json")" = "$DISK" ] ||
	fail "machine.json is not of this disk"
must 1 p2v.action=inventory "p2v.disks=$DISK" p2v.name=rack7 p2v.to=hw
says 'is there already'
must 0 p2v.action=inventory "p2v.disks=$DISK" p2v.name=rack7 p2v.to=hw \
	p2v.force

say "--- to be logged in to: a password for all consoles, or a key"
mkdir "$T/bin"
for i in systemctl chpasswd ssh-keygen; do
	cat >"$T/bin/$i" <<-SH
	#!/bin/sh
	echo "$i \$*" >>"$T/called"
	[ $i != chpasswd ] || cat >>"$T/called"
	SH
done
chmod 755 "$T"/bin/*
ssh_live() {
	printf '%s ' "$@" >"$T/cmdline"
	HOME=$T/home PATH=$T/bin:$PATH timeout 60 "$FY_BUILD/p2v-client" live \
		--cmdline "$T/cmdline" --medium "$T/medium" --run "$T/run" \
		--unit-dir "$T/units" </dev/null >"$T/out" 2>&1 || :
}
rm -rf "$T/run"
ssh_live p2v.ssh=1
says 'Password, until it is switched off: [a-z2-9]{12}$'
password=$(sed -n 's/^Password, .*: //p' "$T/out")
grep -qx "root:$password" "$T/called" || fail "another password was set"
grep -q 'PermitRootLogin=yes' "$T/units/ssh.service.d/90-live.conf" ||
	fail "root may not log in"
grep -qx 'systemctl restart ssh.service' "$T/called" || fail "no sshd"
ssh_live p2v.ssh
says "Password, .*: $password\$"
[ "$(grep -c '^chpasswd' "$T/called")" = 1 ] || fail "a second password"
rm -rf "$T/run" "$T/called"
ssh_live 'p2v.ssh=1 p2v.ssh-key="ssh-ed25519 AAAA me"'
says 'with the private key'
grep -q '^chpasswd' "$T/called" && fail "a password besides the key"
grep -qx 'ssh-ed25519 AAAA me' "$T/run/authorized_keys" || fail "no key"
[ "$(stat -c %a "$T/run/authorized_keys")" = 600 ] || fail "mode of the keys"
grep -q 'PasswordAuthentication=no' "$T/units/ssh.service.d/90-live.conf" ||
	fail "a password would be taken"

say "--- two consoles: one does it, the other shows it"
rm -rf "$T/run" "$T/ran"
printf '%s ' p2v.action=convert "p2v.disks=$DISK" p2v.name=twice p2v.to=vms \
	"p2v.pre=\"echo once >>$T/ran; sleep 2\"" >"$T/cmdline"
pids=()
for i in 1 2; do
	HOME=$T/home timeout 120 "$FY_BUILD/p2v-client" live \
		--cmdline "$T/cmdline" --medium "$T/medium" --run "$T/run" \
		</dev/null >"$T/out$i" 2>&1 &
	pids+=($!)
done
for i in "${pids[@]}"; do
	wait "$i" || { cat "$T/out1" "$T/out2" >&2; fail "one of two failed"; }
done
[ "$(wc -l <"$T/ran")" = 1 ] || fail "both consoles did the job"
cat "$T/out1" "$T/out2" >"$T/out"
says 'The job runs on another console'
[ "$(grep -c '^DONE' "$T/out")" = 2 ] || fail "one console does not show it"
say "passed"
