#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# As in life: a machine with AHCI and two e1000 NICs is started from another
# medium, on which p2v-client runs and sends the machine's own disk to a server;
# nothing is told to it about the hardware.  What it found out is in the
# definition, and the virtual machine has the old names and addresses.
set -eu
. "$(dirname "$0")/../lib/common.sh"
. "$(dirname "$0")/../lib/sshd.sh"
. "$(dirname "$0")/../lib/libvirt.sh"
. "$(dirname "$0")/../lib/boot-pair.sh"
pair_begin
requires jq

pair_make --fstab dev --swap 100 --nic enp0s5=10.77.0.2/24 \
	--gateway 10.77.0.1 --nic enp0s6=10.77.1.2/24
sshd_start --root "$T"

# The other medium: the same Debian, with the client and its libraries.
tree=$T/tree
mkdir -p "$tree/opt/fy/lib" "$tree/etc/systemd/system/multi-user.target.wants"
cp "$FY_BUILD/p2v-client" "$tree/opt/fy/"
ldd "$FY_BUILD/p2v-client" | awk '/=> \// { print $3 }' |
	grep -vE '/(libc|libm|libpthread|libdl|ld-linux[^/]*)\.so' |
	xargs cp -Lt "$tree/opt/fy/lib"
cp "$SSHD_KEY" "$tree/opt/fy/key"
cat >"$tree/opt/fy/go" <<GO
#!/bin/sh
export LD_LIBRARY_PATH=/opt/fy/lib
exec >/dev/ttyS0 2>&1
cd /opt/fy
for i in 1 2 3 4 5 6 7 8 9 10; do
	ip -4 addr show dev enp0s5 | grep -q 10.77.0.9 && break
	sleep 1
done
./p2v-client inventory
# The disk that is not the one that we run from.
own=\$(lsblk -no PKNAME "\$(findmnt -no SOURCE /)")
for disk in sda sdb; do
	[ "\$disk" = "\$own" ] || other=\$disk
done
./p2v-client convert --server root@10.77.0.1:$SSHD_PORT --identity key \
	--fingerprint $SSHD_FINGERPRINT --disk /dev/\$other --name machine \
	--to $PAIR_TO --virt-type qemu --bridge $LV_BRIDGE --progress none
echo "CLIENT-ENDED \$?"
GO
chmod 755 "$tree/opt/fy/go"
cat >"$tree/etc/systemd/system/go.service" <<'UNIT'
[Unit]
After=multi-user.target marker.service
[Service]
Type=oneshot
ExecStart=/opt/fy/go
UNIT
ln -s ../go.service \
	"$tree/etc/systemd/system/multi-user.target.wants/go.service"
"$FY_TOP/tests/guests/make-guest" --out "$T/medium.img" --name medium \
	--table gpt --nic enp0s5=10.77.0.9/24 --tree "$tree"

say "starting the machine from the other medium"
pair_boot --disk "$PAIR_DISK" --disk "$T/medium.img" --boot 2 --open-net \
	--nic e1000 --nic e1000 --memory 1536 --log "$T/client.log" \
	--timeout 1200 --until '^CLIENT-ENDED ' || {
	tail -c 3000 "$T/client.log"
	fail "the client did not end"
}
grep -aq '^CLIENT-ENDED 0' "$T/client.log" || {
	tail -n 40 "$T/client.log"
	fail "the client failed on the machine"
}

json=$PAIR_TO/machine.job/machine.json
[ -s "$json" ] || fail "there is no machine.json in machine.job"
jq -e '.firmware == "bios" and .vcpus == 2' "$json" >/dev/null ||
	fail "machine.json: firmware or processors are wrong"
jq -e --arg a $PAIR_NIC_MAC --arg b $PAIR_NIC2_MAC '[.nics[] |
	select(.kind == "ethernet") | .mac] == [$a, $b]' "$json" >/dev/null ||
	fail "machine.json: the NICs are wrong"
for mac in $PAIR_NIC_MAC $PAIR_NIC2_MAC; do
	grep -q "<mac address=\"$mac\"/>" "$PAIR_TO/machine.xml" ||
		fail "machine.xml has no NIC with $mac"
done

lv_start
lv_run ip addr add 10.77.1.1/24 dev "$LV_BRIDGE"
pair_start
pair_ssh_works 10.77.0.2
pair_ssh_works 10.77.1.2
pair_has 'findmnt -no SOURCE /' '^/dev/vda1$'
pair_has 'cat /sys/class/net/enp0s5/address' "$PAIR_NIC_MAC"
pair_has 'cat /sys/class/net/enp0s6/address' "$PAIR_NIC2_MAC"
pair_nic_moved enp0s5 0000:00:05.0
pair_nic_moved enp0s6 0000:00:06.0
pair_healthy
pair_off
pair_back --nic e1000 --nic e1000
