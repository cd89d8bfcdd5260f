/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libvirt's domain XML from the description of a machine.
 *
 * A q35 machine with virtio throughout; for systems that know only the virtio
 * from before 1.0 (emit-hardware.c) transitional devices, on plain PCI: a
 * machine "pc", or, where that can't be, q35 with a bridge, which libvirt adds.
 * Firmware is asked for by <os firmware='efi'> with its features, so that
 * libvirt picks the build and makes fresh variables; Secure Boot is stated
 * either way, for without a statement libvirt takes the host's first
 * descriptor, which on Debian enforces it.  PCI addresses are left to libvirt.
 * A processor topology that contradicts the number of processors becomes one
 * socket.  Only Ethernet hardware gets a NIC, in the machine's order and with
 * its permanent addresses; bonds, VLANs and bridges are the guest's own matter.
 *
 * The tree is built by libxml2, which escapes all text.  Texts that come from
 * the machine are reduced to what libvirt's schema takes; those that name
 * things on the host (images, networks, bridges) are refused when they don't
 * fit, since altered they would name something else.
 */
#include "v2v-server/emit-libvirt.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <libxml/tree.h>
#include <libxml/xmlstring.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/hash.h"
#include "v2v-server/emit-hardware.h"

/* Of libvirt's schema for the names of time zones. */
#define ZONE_CHARS                                                             \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/"
#define DEFAULT_MEMORY (2 * FY_GIB)
#define DEFAULT_VCPUS  2
#define MAX_VCPUS      288 /* of QEMU 7.2's q35 */
#define MAX_APIC_VCPUS 255 /* without an IOMMU that remaps interrupts */
#define SERIAL_BYTES   20  /* of a virtio disk */
#define BIG_MEMORY     (UINT64_C(1000) * FY_GIB)

FY_DEFINE_AUTO(xmldoc, xmlDoc, xmlFreeDoc)

struct builder {
	const struct fy_machine *m;
	const struct fy_emit_options *o;
	struct fy_emit_hardware hardware;
	bool nomem;
};

/* A child element with attributes: name, value, ..., NULL.  Never fails at
 * once: a missing memory is noted, and all calls on NULL do nothing. */
static xmlNode *__attribute__((sentinel))
element(struct builder *b, xmlNode *parent, const char *name, ...)
{
	const char *key, *value;
	xmlNode *n = NULL;
	va_list ap;

	if (parent != NULL)
		n = xmlNewChild(parent, NULL, BAD_CAST name, NULL);
	if (n == NULL)
		b->nomem = true;
	va_start(ap, name);
	while (n != NULL && (key = va_arg(ap, const char *)) != NULL) {
		value = va_arg(ap, const char *);
		if (xmlNewProp(n, BAD_CAST key, BAD_CAST value) == NULL)
			b->nomem = true;
	}
	va_end(ap);
	return n;
}

/* The same with text inside. */
static xmlNode *
text_element(struct builder *b, xmlNode *parent, const char *name,
	     const char *text)
{
	xmlNode *n = NULL;

	if (parent != NULL)
		n = xmlNewTextChild(parent, NULL, BAD_CAST name, BAD_CAST text);
	if (n == NULL)
		b->nomem = true;
	return n;
}

static void
attribute_u64(struct builder *b, xmlNode *n, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	if (n == NULL || xmlNewProp(n, BAD_CAST name, BAD_CAST text) == NULL)
		b->nomem = true;
}

/* "[A-Za-z0-9][A-Za-z0-9._-]{0,99}" */
static bool
is_name(const char *s)
{
	size_t i;

	if (s == NULL || !isascii(s[0]) || !isalnum((unsigned char)s[0]))
		return false;
	for (i = 1; s[i] != '\0'; i++)
		if (!isascii(s[i]) || (!isalnum((unsigned char)s[i]) &&
				       strchr("._-", s[i]) == NULL))
			return false;
	return i <= 100;
}

/* Text that XML can carry and libvirt can use to name a thing. */
static bool
is_plain_text(const char *s)
{
	size_t i;

	if (s[0] == '\0' || !xmlCheckUTF8(BAD_CAST s))
		return false;
	for (i = 0; s[i] != '\0'; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return false;
	return true;
}

static bool
is_bridge(const char *s)
{
	size_t i, n = strlen(s);

	for (i = 0; i < n; i++)
		if (!isascii(s[i]) || (!isalnum((unsigned char)s[i]) &&
				       strchr("_.-:", s[i]) == NULL))
			return false;
	return n > 0 && n <= 15;
}

/*
 * Reduce 's' to at most size-1 characters that are letters, digits or in
 * 'also', without spaces at the ends.  False when nothing is left.
 */
static bool
reduce(const char *s, const char *also, char *ret, size_t size)
{
	size_t i, n = 0;

	for (i = 0; s != NULL && s[i] != '\0' && n + 1 < size; i++) {
		bool fits = isascii(s[i]) && (isalnum((unsigned char)s[i]) ||
					      strchr(also, s[i]) != NULL);

		if (fits && (s[i] != ' ' || n > 0))
			ret[n++] = s[i];
	}
	while (n > 0 && ret[n - 1] == ' ')
		n--;
	ret[n] = '\0';
	return n > 0;
}

/* A UUID that names one machine, in lower case.  Boards leave the factory
 * with some that thousands share. */
static bool
take_uuid(const char *s, char ret[37])
{
	static const char *const shared[] = {
		"00000000-0000-0000-0000-000000000000",
		"ffffffff-ffff-ffff-ffff-ffffffffffff",
		"03000200-0400-0500-0006-000700080009",
		"00020003-0004-0005-0006-000700080009",
	};
	size_t i;

	if (s == NULL || strlen(s) != 36)
		return false;
	for (i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? s[i] != '-' : !isxdigit((unsigned char)s[i]))
			return false;
		ret[i] = (char)tolower((unsigned char)s[i]);
	}
	ret[36] = '\0';
	for (i = 0; i < sizeof(shared) / sizeof(shared[0]); i++)
		if (strcmp(ret, shared[i]) == 0)
			return false;
	return true;
}

static int
random_uuid(char ret[37], struct fy_error *err)
{
	unsigned char r[16];
	char hex[33];

	if (fy_random(r, sizeof(r), err) == -1)
		return -1;
	r[6] = (unsigned char)((r[6] & 0x0f) | 0x40);
	r[8] = (unsigned char)((r[8] & 0x3f) | 0x80);
	fy_hex(r, sizeof(r), hex);
	snprintf(ret, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
		 hex + 16, hex + 20);
	return 0;
}

/* A usable unicast Ethernet address, in lower case. */
static bool
take_mac(const char *s, char ret[18])
{
	size_t i;

	if (s == NULL || strlen(s) != 17)
		return false;
	for (i = 0; i < 17; i++) {
		if (i % 3 == 2 ? s[i] != ':' : !isxdigit((unsigned char)s[i]))
			return false;
		ret[i] = (char)tolower((unsigned char)s[i]);
	}
	ret[17] = '\0';
	return strchr("02468ace", ret[1]) != NULL &&
	       strcmp(ret, "00:00:00:00:00:00") != 0;
}

static int
random_mac(char ret[18], struct fy_error *err)
{
	unsigned char r[3];

	if (fy_random(r, sizeof(r), err) == -1)
		return -1;
	snprintf(ret, 18, "52:54:00:%02x:%02x:%02x", r[0], r[1], r[2]);
	return 0;
}

/* Index of the disk that the machine boots from. */
static size_t
boot_disk(const struct fy_machine *m)
{
	size_t i;

	for (i = 0; i < m->n_disks; i++)
		if (m->disks[i].boot)
			return i;
	return 0;
}

static bool
is_uefi(const struct fy_machine *m)
{
	return m->firmware == FY_FIRMWARE_UEFI;
}

static const char *
virtio_model(const struct builder *b)
{
	return b->hardware.transitional ? "virtio-transitional" : "virtio";
}

static unsigned
vcpus_of(const struct fy_machine *m)
{
	return m->vcpus == 0 ? DEFAULT_VCPUS : m->vcpus;
}

/* Whether it is a machine without PCI Express.  That is for a BIOS, and has no
 * IOMMU for many processors. */
static bool
is_pc(const struct builder *b)
{
	return b->hardware.transitional && !is_uefi(b->m) &&
	       vcpus_of(b->m) <= MAX_APIC_VCPUS;
}

static int
check_disks(const struct fy_machine *m, struct fy_error *err)
{
	size_t i;

	for (i = 0; i < m->n_disks; i++) {
		const struct fy_machine_disk *d = &m->disks[i];

		if (d->image == NULL || d->image[0] != '/' ||
		    !is_plain_text(d->image))
			return fy_error_set(err, FY_E_USAGE, 0,
					    "libvirt: the image of disk %zu "
					    "has no absolute path of plain "
					    "text",
					    i + 1);
		if (!fy_streq(d->format, "qcow2") &&
		    !fy_streq(d->format, "raw"))
			return fy_error_set(err, FY_E_UNSUPPORTED, 0,
					    "libvirt: a disk in format '%s'; "
					    "qcow2 and raw can be used",
					    d->format == NULL ? "unknown"
							      : d->format);
		if (d->sector_bytes != 0 && d->sector_bytes != 512 &&
		    d->sector_bytes != 4096)
			return fy_error_set(err, FY_E_UNSUPPORTED, 0,
					    "libvirt: disk %zu has sectors of "
					    "%u bytes; 512 and 4096 can be "
					    "used",
					    i + 1, d->sector_bytes);
	}
	return 0;
}

static int
check_machine(const struct fy_machine *m, const struct fy_emit_options *o,
	      struct fy_error *err)
{
	if (!is_name(o->name))
		return fy_error_set(err, FY_E_USAGE, 0,
				    "'%.120s' can't name a virtual machine: "
				    "letters, digits, '.', '_' and '-' (not "
				    "first), at most 100",
				    o->name == NULL ? "" : o->name);
	if (!fy_streq(o->virt_type, "kvm") && !fy_streq(o->virt_type, "qemu"))
		return fy_error_set(err, FY_E_USAGE, 0,
				    "libvirt: the type of virtualization is "
				    "kvm or qemu");
	if (m->arch != NULL && strcmp(m->arch, "x86_64") != 0 &&
	    strcmp(m->arch, "i686") != 0 && strcmp(m->arch, "i386") != 0)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "libvirt: a machine of architecture '%s'; "
				    "only x86_64 and i686 can be described",
				    m->arch);
	if (vcpus_of(m) > MAX_VCPUS)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "libvirt: %u processors; QEMU's q35 takes "
				    "%d, so choose fewer (--vcpus)",
				    vcpus_of(m), MAX_VCPUS);
	if (m->n_disks > 0 && !is_uefi(m) &&
	    m->disks[boot_disk(m)].sector_bytes == 4096)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "libvirt: a BIOS machine can't boot from "
				    "a disk with 4096-byte sectors; it needs "
				    "UEFI");
	return check_disks(m, err);
}

static void
emit_sysinfo(struct builder *b, xmlNode *domain, const char *uuid)
{
	static const char also[] = " ._-/()+:,#&@";
	xmlNode *sysinfo, *system, *n;
	char value[65];
	size_t i;
	const struct {
		const char *name, *value;
	} entries[] = {
		{ "manufacturer", b->m->manufacturer },
		{ "product", b->m->product },
		{ "serial", b->m->serial },
		{ "uuid", uuid },
	};

	sysinfo = element(b, domain, "sysinfo", "type", "smbios", NULL);
	system = element(b, sysinfo, "system", NULL);
	for (i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		if (!reduce(entries[i].value, also, value, sizeof(value)))
			continue;
		n = text_element(b, system, "entry", value);
		if (n == NULL || xmlNewProp(n, BAD_CAST "name",
					    BAD_CAST entries[i].name) == NULL)
			b->nomem = true;
	}
}

static void
emit_os(struct builder *b, xmlNode *domain)
{
	const char *secure = b->m->secure_boot ? "yes" : "no";
	xmlNode *os, *type, *firmware;

	os = element(b, domain, "os", NULL);
	type = text_element(b, os, "type", "hvm");
	if (type != NULL) {
		xmlNewProp(type, BAD_CAST "arch", BAD_CAST "x86_64");
		xmlNewProp(type, BAD_CAST "machine",
			   BAD_CAST(is_pc(b) ? "pc" : "q35"));
	}
	if (is_uefi(b->m) && os != NULL) {
		xmlNewProp(os, BAD_CAST "firmware", BAD_CAST "efi");
		firmware = element(b, os, "firmware", NULL);
		element(b, firmware, "feature", "enabled", secure, "name",
			"secure-boot", NULL);
		element(b, firmware, "feature", "enabled", secure, "name",
			"enrolled-keys", NULL);
	}
	element(b, os, "smbios", "mode", "sysinfo", NULL);
}

static void
emit_cpu(struct builder *b, xmlNode *domain)
{
	const struct fy_machine *m = b->m;
	bool kvm = strcmp(b->o->virt_type, "kvm") == 0;
	uint64_t vcpus = vcpus_of(m), product;
	xmlNode *cpu, *topology;

	cpu = element(b, domain, "cpu", "mode", kvm ? "host-model" : "maximum",
		      NULL);
	/* The default of 40 bits ends at 1 TiB. */
	if (kvm && m->memory_bytes > BIG_MEMORY)
		element(b, cpu, "maxphysaddr", "mode", "passthrough", NULL);
	topology = element(b, cpu, "topology", NULL);
	product = (uint64_t)m->sockets * m->cores;
	if (product != 0 && product <= vcpus && m->threads != 0 &&
	    product * m->threads == vcpus) {
		attribute_u64(b, topology, "sockets", m->sockets);
		attribute_u64(b, topology, "cores", m->cores);
		attribute_u64(b, topology, "threads", m->threads);
	} else {
		attribute_u64(b, topology, "sockets", 1);
		attribute_u64(b, topology, "cores", vcpus);
		attribute_u64(b, topology, "threads", 1);
	}
}

/* Whether it is a Windows that knows Hyper-V's interfaces: Vista and later. */
static bool
knows_hyperv(const struct builder *b)
{
	const struct fy_machine_system *s = b->m->systems;

	return b->m->n_systems > 0 && fy_streq(s->id, "windows") &&
	       s->version != NULL && strtoul(s->version, NULL, 10) >= 6 &&
	       fy_streq(b->o->virt_type, "kvm");
}

/* Without them Windows counts every tick, spins on locks that a sleeping
 * processor holds, and takes a late tick for a dead processor. */
static void
emit_hyperv(struct builder *b, xmlNode *features)
{
	static const char *const on[] = { "relaxed", "vapic", "vpindex",
					  "synic", "stimer" };
	xmlNode *hyperv =
		element(b, features, "hyperv", "mode", "custom", NULL);
	size_t i;

	for (i = 0; i < sizeof(on) / sizeof(*on); i++)
		element(b, hyperv, on[i], "state", "on", NULL);
	element(b, hyperv, "spinlocks", "state", "on", "retries", "8191", NULL);
}

static void
emit_features(struct builder *b, xmlNode *domain)
{
	xmlNode *features = element(b, domain, "features", NULL);

	element(b, features, "acpi", NULL);
	element(b, features, "apic", NULL);
	element(b, features, "vmport", "state", "off", NULL);
	if (vcpus_of(b->m) > MAX_APIC_VCPUS)
		element(b, features, "ioapic", "driver", "qemu", NULL);
	if (knows_hyperv(b))
		emit_hyperv(b, features);
}

static void
emit_clock(struct builder *b, xmlNode *domain)
{
	const char *zone = b->m->time_zone;
	xmlNode *clock;

	if (b->m->clock == FY_CLOCK_UTC)
		clock = element(b, domain, "clock", "offset", "utc", NULL);
	else if (zone == NULL || strspn(zone, ZONE_CHARS) != strlen(zone))
		clock = element(b, domain, "clock", "offset", "localtime",
				NULL);
	else
		clock = element(b, domain, "clock", "offset", "timezone",
				"timezone", zone, NULL);
	element(b, clock, "timer", "name", "rtc", "tickpolicy", "catchup",
		NULL);
	element(b, clock, "timer", "name", "pit", "tickpolicy", "delay", NULL);
	element(b, clock, "timer", "name", "hpet", "present", "no", NULL);
	if (knows_hyperv(b))
		element(b, clock, "timer", "name", "hypervclock", "present",
			"yes", NULL);
	text_element(b, domain, "on_poweroff", "destroy");
	text_element(b, domain, "on_reboot", "restart");
	text_element(b, domain, "on_crash", "destroy");
}

/* vda ... vdz, vdaa ... */
static void
target_name(size_t index, char ret[8])
{
	if (index < 26)
		snprintf(ret, 8, "vd%c", (char)('a' + index));
	else
		snprintf(ret, 8, "vd%c%c", (char)('a' + (index / 26 - 1) % 26),
			 (char)('a' + index % 26));
}

/* The boot disk is first in the boot order, the others follow as they come. */
static size_t
boot_order(const struct fy_machine *m, size_t index)
{
	size_t boot = boot_disk(m);

	if (index == boot)
		return 1;
	return index < boot ? index + 2 : index + 1;
}

static void
emit_disk(struct builder *b, xmlNode *devices, size_t index)
{
	const struct fy_machine_disk *d = &b->m->disks[index];
	char serial[SERIAL_BYTES + 1], target[8];
	xmlNode *disk, *n;

	target_name(index, target);
	disk = element(b, devices, "disk", "type", "file", "device", "disk",
		       b->hardware.transitional ? "model" : NULL,
		       virtio_model(b), NULL);
	element(b, disk, "driver", "name", "qemu", "type", d->format, "discard",
		"unmap", NULL);
	element(b, disk, "source", "file", d->image, NULL);
	if (d->sector_bytes == 4096)
		element(b, disk, "blockio", "logical_block_size", "4096",
			"physical_block_size", "4096", NULL);
	element(b, disk, "target", "dev", target, "bus", "virtio", NULL);
	if (reduce(d->serial, "_.+- ", serial, sizeof(serial)))
		text_element(b, disk, "serial", serial);
	n = element(b, disk, "boot", NULL);
	attribute_u64(b, n, "order", boot_order(b->m, index));
}

/* One NIC; 'nic' NULL: one of which nothing is known. */
static int
emit_nic(struct builder *b, xmlNode *devices, const struct fy_machine_nic *nic,
	 struct fy_error *err)
{
	const char *network = nic == NULL ? NULL : nic->network;
	const char *bridge = nic == NULL ? NULL : nic->bridge;
	xmlNode *interface;
	char mac[18];

	if ((nic == NULL || (!take_mac(nic->permanent_mac, mac) &&
			     !take_mac(nic->mac, mac))) &&
	    random_mac(mac, err) == -1)
		return -1;
	if (bridge == NULL && network == NULL)
		bridge = b->o->bridge;
	if (bridge == NULL && network == NULL)
		network = b->o->default_network;
	if (bridge == NULL && network == NULL)
		network = "default";
	if (bridge != NULL ? !is_bridge(bridge) : !is_plain_text(network))
		return fy_error_set(err, FY_E_USAGE, 0,
				    "libvirt: '%.80s' can't name a %s",
				    bridge != NULL ? bridge : network,
				    bridge != NULL ? "bridge" : "network");

	interface = element(b, devices, "interface", "type",
			    bridge != NULL ? "bridge" : "network", NULL);
	element(b, interface, "mac", "address", mac, NULL);
	if (bridge != NULL)
		element(b, interface, "source", "bridge", bridge, NULL);
	else
		element(b, interface, "source", "network", network, NULL);
	element(b, interface, "model", "type", virtio_model(b), NULL);
	return 0;
}

static int
emit_nics(struct builder *b, xmlNode *devices, struct fy_error *err)
{
	const struct fy_machine *m = b->m;
	bool any = false;
	size_t i;

	for (i = 0; i < m->n_nics; i++) {
		const struct fy_machine_nic *nic = &m->nics[i];

		if (nic->kind != NULL && strcmp(nic->kind, "ethernet") != 0)
			continue;
		if (emit_nic(b, devices, nic, err) == -1)
			return -1;
		any = true;
	}
	return any ? 0 : emit_nic(b, devices, NULL, err);
}

/* There is no driver for it on XP and 2003. */
static void
emit_rng(struct builder *b, xmlNode *devices)
{
	xmlNode *n, *backend;

	if (b->hardware.old_windows)
		return;
	n = element(b, devices, "rng", "model", virtio_model(b), NULL);
	backend = text_element(b, n, "backend", "/dev/urandom");
	if (backend == NULL ||
	    xmlNewProp(backend, BAD_CAST "model", BAD_CAST "random") == NULL)
		b->nomem = true;
}

static void
emit_controllers(struct builder *b, xmlNode *devices)
{
	element(b, devices, "controller", "type", "usb", "model",
		is_pc(b) ? "piix3-uhci" : "qemu-xhci", NULL);
	/* libvirt would add one, but of the bus's kind. */
	if (b->hardware.transitional)
		element(b, devices, "controller", "type", "virtio-serial",
			"index", "0", "model", virtio_model(b), NULL);
}

static void
emit_other_devices(struct builder *b, xmlNode *devices)
{
	xmlNode *n;

	n = element(b, devices, "serial", "type", "pty", NULL);
	element(b, n, "target", "type", "isa-serial", "port", "0", NULL);
	n = element(b, devices, "console", "type", "pty", NULL);
	element(b, n, "target", "type", "serial", "port", "0", NULL);
	n = element(b, devices, "channel", "type", "unix", NULL);
	element(b, n, "target", "type", "virtio", "name",
		"org.qemu.guest_agent.0", NULL);
	element(b, devices, "input", "type", "tablet", "bus", "usb", NULL);
	element(b, devices, "graphics", "type", "vnc", "port", "-1", "autoport",
		"yes", "listen", "127.0.0.1", NULL);
	n = element(b, devices, "video", NULL);
	element(b, n, "model", "type",
		b->hardware.old_windows ? "cirrus" : "vga", "vram", "16384",
		"heads", "1", NULL);
	element(b, devices, "memballoon", "model", virtio_model(b), NULL);
	emit_rng(b, devices);
	if (vcpus_of(b->m) > MAX_APIC_VCPUS) {
		n = element(b, devices, "iommu", "model", "intel", NULL);
		element(b, n, "driver", "intremap", "on", "eim", "on", NULL);
	}
}

static int
emit_devices(struct builder *b, xmlNode *domain, struct fy_error *err)
{
	xmlNode *devices = element(b, domain, "devices", NULL);
	size_t i;

	for (i = 0; i < b->m->n_disks; i++)
		emit_disk(b, devices, i);
	emit_controllers(b, devices);
	if (emit_nics(b, devices, err) == -1)
		return -1;
	emit_other_devices(b, devices);
	return 0;
}

static int
emit_domain(struct builder *b, xmlNode *domain, struct fy_error *err)
{
	const struct fy_machine *m = b->m;
	uint64_t memory =
		m->memory_bytes == 0 ? DEFAULT_MEMORY : m->memory_bytes;
	char uuid[37], number[24];
	xmlNode *n;

	if ((b->o->new_uuid || !take_uuid(m->uuid, uuid)) &&
	    random_uuid(uuid, err) == -1)
		return -1;
	xmlNewProp(domain, BAD_CAST "type", BAD_CAST b->o->virt_type);
	text_element(b, domain, "name", b->o->name);
	text_element(b, domain, "uuid", uuid);
	snprintf(number, sizeof(number), "%" PRIu64, memory / FY_KIB);
	n = text_element(b, domain, "memory", number);
	if (n == NULL || xmlNewProp(n, BAD_CAST "unit", BAD_CAST "KiB") == NULL)
		b->nomem = true;
	snprintf(number, sizeof(number), "%u", vcpus_of(m));
	text_element(b, domain, "vcpu", number);
	emit_sysinfo(b, domain, uuid);
	emit_os(b, domain);
	emit_features(b, domain);
	emit_cpu(b, domain);
	emit_clock(b, domain);
	return emit_devices(b, domain, err);
}

static int
write_text(xmlDoc *doc, char **ret, struct fy_error *err)
{
	xmlChar *text = NULL;
	int len = 0;

	xmlDocDumpFormatMemoryEnc(doc, &text, &len, "UTF-8", 1);
	if (text == NULL)
		return fy_error_nomem(err);
	*ret = strndup((const char *)text, (size_t)len);
	xmlFree(text);
	return *ret == NULL ? fy_error_nomem(err) : 0;
}

static int
emit_libvirt(const struct fy_machine *m, const struct fy_emit_options *o,
	     char **ret, struct fy_error *err)
{
	struct builder b = { .m = m, .o = o };
	FY_AUTO(xmldoc) xmlDoc *doc = NULL;
	xmlNode *domain;

	if (check_machine(m, o, err) == -1)
		return -1;
	fy_emit_hardware(m, &b.hardware);
	doc = xmlNewDoc(BAD_CAST "1.0");
	if (doc == NULL)
		return fy_error_nomem(err);
	domain = xmlNewNode(NULL, BAD_CAST "domain");
	if (domain == NULL)
		return fy_error_nomem(err);
	xmlDocSetRootElement(doc, domain);
	if (emit_domain(&b, domain, err) == -1)
		return -1;
	if (b.nomem)
		return fy_error_nomem(err);
	return write_text(doc, ret, err);
}

const struct fy_emitter fy_emitter_libvirt = {
	.name = "libvirt",
	.suffix = ".xml",
	.emit = emit_libvirt,
};
