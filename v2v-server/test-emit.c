/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Machines to libvirt XML: what each must say, what is refused, and (where
 * virt-xml-validate is installed) that libvirt's schema takes it.
 */
#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/machine.h"
#include "common/test.h"
#include "v2v-server/emit.h"
#include "v2v-server/windows-zone.h"

static struct fy_machine *
machine(void)
{
	struct fy_error err = { 0 };
	struct fy_machine *m = fy_machine_new(&err);
	struct fy_machine_disk *d = fy_machine_add_disk(m, &err);

	d->image = strdup("/vms/web01.qcow2");
	d->format = strdup("qcow2");
	d->sector_bytes = 512;
	d->boot = true;
	m->firmware = FY_FIRMWARE_BIOS;
	m->memory_bytes = 48 * FY_GIB + 1024;
	m->vcpus = 24;
	m->sockets = 2;
	m->cores = 6;
	m->threads = 2;
	return m;
}

static void
add_nic(struct fy_machine *m, const char *kind, const char *mac,
	const char *permanent, const char *network, const char *bridge)
{
	struct fy_error err = { 0 };
	struct fy_machine_nic *n = fy_machine_add_nic(m, &err);

	n->kind = strdup(kind);
	n->mac = strdup(mac);
	n->permanent_mac = permanent == NULL ? NULL : strdup(permanent);
	n->network = network == NULL ? NULL : strdup(network);
	n->bridge = bridge == NULL ? NULL : strdup(bridge);
}

/* Whether 'path' (XPath, a boolean) holds in the XML. */
static bool
holds(const char *xml, const char *path)
{
	xmlDoc *doc = xmlReadMemory(xml, (int)strlen(xml), "x", NULL,
				    XML_PARSE_NONET);
	xmlXPathContext *c = xmlXPathNewContext(doc);
	xmlXPathObject *o = xmlXPathEval(BAD_CAST path, c);
	bool ret = o != NULL && xmlXPathCastToBoolean(o);

	if (!ret)
		printf("does not hold: %s\n", path);
	xmlXPathFreeObject(o);
	xmlXPathFreeContext(c);
	xmlFreeDoc(doc);
	return ret;
}

static bool
validates(const char *xml)
{
	char path[] = "/tmp/fy-emit.XXXXXX";
	int fd, status;
	pid_t pid;

	if (access("/usr/bin/virt-xml-validate", X_OK) == -1 ||
	    access("/usr/bin/xmllint", X_OK) == -1)
		return true;
	fd = mkstemp(path);
	if (fd == -1 || write(fd, xml, strlen(xml)) != (ssize_t)strlen(xml))
		return false;
	close(fd);
	pid = fork();
	if (pid == 0) {
		if (freopen("/dev/null", "w", stdout) == NULL ||
		    freopen("/dev/null", "w", stderr) == NULL)
			_exit(126);
		execlp("virt-xml-validate", "virt-xml-validate", path, "domain",
		       (char *)NULL);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid)
		status = 1;
	unlink(path);
	if (status != 0)
		printf("%s\n", xml);
	return status == 0;
}

static char *
emit(const struct fy_machine *m, const struct fy_emit_options *o)
{
	struct fy_error err = { 0 };
	const struct fy_emitter *e = fy_emitter_find("libvirt", &err);
	char *xml = NULL;

	if (e->emit(m, o, &xml, &err) == -1) {
		printf("not emitted: %s\n", err.msg);
		test_failures++;
		return strdup("<x/>");
	}
	CHECK(validates(xml));
	return xml;
}

static void
refused(const struct fy_machine *m, const struct fy_emit_options *o,
	enum fy_error_code code)
{
	struct fy_error err = { 0 };
	const struct fy_emitter *e = fy_emitter_find("libvirt", &err);
	char *xml = NULL;

	CHECK(e->emit(m, o, &xml, &err) == -1);
	CHECK(err.code == code);
	CHECK(xml == NULL);
	if (err.code != code)
		printf("%s\n", err.msg);
}

static const struct fy_emit_options plain = {
	.name = "web01",
	.virt_type = "kvm",
	.default_network = "default",
};

static void
test_bios(void)
{
	FY_AUTO(machine) struct fy_machine *m = machine();
	fy_autofree char *xml = NULL;

	m->uuid = strdup("4C4C4544-0042-3510-8052-B4C04F4A4E31");
	m->serial = strdup(" B5<RJ>N1 ");
	m->product = strdup("PowerEdge R720");
	m->disks[0].serial = strdup("WD-1234567/890 12345ABCDEF");
	xml = emit(m, &plain);
	CHECK(holds(xml, "/domain[@type='kvm']"));
	CHECK(holds(xml, "/domain/name='web01'"));
	CHECK(holds(xml, "/domain/uuid="
			 "'4c4c4544-0042-3510-8052-b4c04f4a4e31'"));
	CHECK(holds(xml, "//sysinfo//entry[@name='uuid']=/domain/uuid"));
	CHECK(holds(xml, "//sysinfo//entry[@name='serial']='B5RJN1'"));
	CHECK(holds(xml, "//sysinfo//entry[@name='product']="
			 "'PowerEdge R720'"));
	CHECK(holds(xml, "/domain/memory[@unit='KiB']=50331649"));
	CHECK(holds(xml, "/domain/vcpu=24"));
	CHECK(holds(xml, "//cpu[@mode='host-model']/topology[@sockets=2 and "
			 "@cores=6 and @threads=2]"));
	CHECK(holds(xml, "not(//os/@firmware) and //type/@machine='q35'"));
	CHECK(holds(xml, "//disk[boot/@order=1]/source/@file="
			 "'/vms/web01.qcow2'"));
	CHECK(holds(xml, "//disk/driver[@type='qcow2' and @discard='unmap']"));
	CHECK(holds(xml, "//disk/serial='WD-1234567890 12345A'"));
	CHECK(holds(xml, "not(//blockio)"));
	CHECK(holds(xml, "count(//interface)=1"));
	CHECK(holds(xml, "starts-with(//interface/mac/@address,'52:54:00:')"));
	CHECK(holds(xml, "//interface/source/@network='default'"));
	CHECK(holds(xml, "//channel/target/@name='org.qemu.guest_agent.0'"));
	CHECK(holds(xml, "//graphics[@type='vnc']/@listen='127.0.0.1'"));
	CHECK(holds(xml, "/domain/clock/@offset='utc'"));
}

static void
test_uefi_4k(void)
{
	FY_AUTO(machine) struct fy_machine *m = machine();
	struct fy_emit_options o = plain;
	fy_autofree char *xml = NULL, *secure = NULL;

	m->firmware = FY_FIRMWARE_UEFI;
	m->clock = FY_CLOCK_LOCALTIME;
	m->disks[0].sector_bytes = 4096;
	m->vcpus = 3;
	o.virt_type = "qemu";
	xml = emit(m, &o);
	CHECK(holds(xml, "/domain[@type='qemu']"));
	CHECK(holds(xml, "//os/@firmware='efi'"));
	CHECK(holds(xml, "count(//feature[@enabled='no'])=2"));
	CHECK(holds(xml, "//blockio[@logical_block_size=4096 and "
			 "@physical_block_size=4096]"));
	CHECK(holds(xml, "//cpu[@mode='maximum']/topology[@sockets=1 and "
			 "@cores=3 and @threads=1]"));
	CHECK(holds(xml, "/domain/clock/@offset='localtime'"));
	m->secure_boot = true;
	secure = emit(m, &o);
	CHECK(holds(secure, "count(//feature[@enabled='yes'])=2"));
}

static void
test_windows(void)
{
	FY_AUTO(machine) struct fy_machine *m = machine();
	struct fy_machine_system *s = m->systems;
	struct fy_emit_options o = plain;
	struct fy_error err = { 0 };
	fy_autofree char *xml = NULL, *old = NULL, *emulated = NULL;

	if (m->n_systems == 0)
		s = fy_machine_add_system(m, &err);
	free(s->id);
	free(s->version);
	s->id = strdup("windows");
	s->version = strdup("10.0.20348");
	m->clock = FY_CLOCK_LOCALTIME;
	CHECK(fy_windows_zone("W. Europe Standard Time", &m->time_zone, &err) ==
	      0);
	xml = emit(m, &o);
	CHECK(holds(xml, "/domain/clock[@offset='timezone' and "
			 "@timezone='Europe/Berlin']"));
	CHECK(holds(xml, "//clock/timer[@name='hypervclock' and "
			 "@present='yes']"));
	CHECK(holds(xml, "count(//features/hyperv/*[@state='on'])=6"));
	CHECK(holds(xml, "//hyperv/spinlocks/@retries=8191"));
	/* Only KVM has them. */
	o.virt_type = "qemu";
	emulated = emit(m, &o);
	CHECK(holds(emulated, "count(//hyperv)=0"));
	o = plain;
	free(s->version);
	s->version = strdup("5.2.3790");
	free(m->time_zone);
	m->time_zone = strdup("no zone");
	old = emit(m, &o);
	CHECK(holds(old, "count(//hyperv)+count(//timer[4])=0"));
	CHECK(holds(old, "/domain/clock/@offset='localtime'"));
	free(m->time_zone);
	CHECK(fy_windows_zone("@tzres.dll,-321", &m->time_zone, &err) == 0 &&
	      m->time_zone == NULL);
	CHECK(fy_windows_zone("Westeurop\xc3\xa4ische Normalzeit",
			      &m->time_zone, &err) == 0 &&
	      m->time_zone == NULL);
}

static void
set_system(struct fy_machine_system *s, const char *id, const char *version,
	   const char *kernel)
{
	free(s->id);
	free(s->version);
	free(s->kernel);
	s->id = strdup(id);
	s->version = strdup(version);
	s->kernel = kernel == NULL ? NULL : strdup(kernel);
}

#define EL7 "3.10.0-327.36.3.el7.x86_64"

/* Which systems are given the virtio from before 1.0. */
static void
test_old_virtio(void)
{
	static const struct {
		const char *id, *version, *kernel;
		bool old;
	} cases[] = {
		{ "windows", "5.1.2600", NULL, true },
		{ "windows", "5.2.3790", NULL, true },
		{ "windows", "6.0.6002", NULL, true },
		{ "windows", "6.1.7601", NULL, false },
		{ "windows", "10.0.20348", NULL, false },
		{ "windows", "", NULL, false },
		{ "rhel", "5.11", "2.6.18-398.el5", true },
		{ "centos", "6.10", "2.6.32-754.el6.x86_64", true },
		{ "sles", "11.4", "3.0.101-63-default", true },
		{ "debian", "7", "3.2.0-4-amd64", true },
		{ "debian", "8", "3.16.0-4-amd64", true },
		{ "ubuntu", "15.04", "3.19.0-15-generic", true },
		{ "rhel", "7.1", "3.10.0-229.el7.x86_64", true },
		{ "rhel", "7.2", EL7, false },
		{ "ol", "7", "3.8.13-118.el7uek.x86_64", true },
		{ "centos", "7", "3.10.0-1160.el7.centos.plus.x86_64", false },
		{ "centos", "6", "3.10.0-1160.el6.elrepo.x86_64", true },
		{ "debian", "9", "4.9.0-13-amd64", false },
		{ "debian", "12", "6.1.0-9-amd64", false },
		{ "arch", "", "linux", false },
		{ "other", "", NULL, false },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		FY_AUTO(machine) struct fy_machine *m = machine();
		fy_autofree char *xml = NULL;
		struct fy_error err = { 0 };

		set_system(fy_machine_add_system(m, &err), "debian", "12",
			   "6.1.0-9-amd64");
		set_system(fy_machine_add_system(m, &err), cases[i].id,
			   cases[i].version, cases[i].kernel);
		xml = emit(m, &plain);
		if (!holds(xml, cases[i].old
					? "//type/@machine='pc' and //disk"
					  "[@model='virtio-transitional']"
					: "//type/@machine='q35' and not("
					  "//@*[.='virtio-transitional'])")) {
			printf("%s %s %s\n", cases[i].id, cases[i].version,
			       cases[i].kernel == NULL ? "" : cases[i].kernel);
			test_failures++;
		}
	}
}

#define OLD "'virtio-transitional'"

/* What such a machine is made of. */
static void
test_old_machine(void)
{
	FY_AUTO(machine) struct fy_machine *m = machine();
	fy_autofree char *xp = NULL, *bios = NULL, *uefi = NULL, *big = NULL;
	struct fy_error err = { 0 };

	set_system(fy_machine_add_system(m, &err), "windows", "5.1.2600", NULL);
	xp = emit(m, &plain);
	CHECK(holds(xp, "//controller[@type='usb']/@model='piix3-uhci'"));
	CHECK(holds(xp, "//video/model/@type='cirrus' and not(//rng)"));
	CHECK(holds(xp, "//disk[@model=" OLD "]/target/@bus='virtio'"));
	CHECK(holds(xp, "//interface/model/@type=" OLD));
	CHECK(holds(xp, "//memballoon/@model=" OLD));
	CHECK(holds(xp, "//controller[@type='virtio-serial']/@model=" OLD));
	set_system(m->systems, "centos", "6", "2.6.32-754.el6.x86_64");
	bios = emit(m, &plain);
	CHECK(holds(bios, "//video/model/@type='vga'"));
	CHECK(holds(bios, "//rng/@model=" OLD));
	m->firmware = FY_FIRMWARE_UEFI;
	uefi = emit(m, &plain);
	CHECK(holds(uefi, "//type/@machine='q35' and //os/@firmware='efi'"));
	CHECK(holds(uefi, "//controller[@type='usb']/@model='qemu-xhci'"));
	CHECK(holds(uefi, "count(//@*[.=" OLD "])=5"));
	m->firmware = FY_FIRMWARE_BIOS;
	m->vcpus = 256;
	big = emit(m, &plain);
	CHECK(holds(big, "//type/@machine='q35' and //iommu"));
	CHECK(holds(big, "count(//@*[.=" OLD "])=5"));
}

static void
test_nics(void)
{
	FY_AUTO(machine) struct fy_machine *m = machine();
	struct fy_emit_options o = plain;
	fy_autofree char *xml = NULL, *bridged = NULL;

	add_nic(m, "bond", "02:00:00:00:00:99", NULL, NULL, NULL);
	add_nic(m, "ethernet", "02:00:00:00:00:99", "00:1B:21:00:00:01", NULL,
		NULL);
	add_nic(m, "ethernet", "00:1b:21:00:00:02", NULL, "lan & <dmz>", NULL);
	add_nic(m, "vlan", "02:00:00:00:00:99", NULL, NULL, NULL);
	add_nic(m, "ethernet", "01:00:5e:00:00:01", "junk", "unused", "br7");
	xml = emit(m, &o);
	CHECK(holds(xml, "count(//interface)=3"));
	CHECK(holds(xml, "//interface[1]/mac/@address='00:1b:21:00:00:01'"));
	CHECK(holds(xml, "//interface[1]/source/@network='default'"));
	CHECK(holds(xml, "//interface[2]/mac/@address='00:1b:21:00:00:02'"));
	CHECK(holds(xml, "//interface[2]/source/@network='lan & <dmz>'"));
	CHECK(holds(xml, "//interface[3]/source/@bridge='br7'"));
	CHECK(holds(xml, "starts-with(//interface[3]/mac/@address,'52:54:')"));
	o.bridge = "br0";
	bridged = emit(m, &o);
	CHECK(holds(bridged, "//interface[1]/source/@bridge='br0'"));
	CHECK(holds(bridged, "//interface[2]/source/@network='lan & <dmz>'"));
	o.bridge = "a bridge";
	refused(m, &o, FY_E_USAGE);
}

static void
test_disks(void)
{
	FY_AUTO(machine) struct fy_machine *m = machine();
	struct fy_error err = { 0 };
	fy_autofree char *xml = NULL;
	size_t i;

	for (i = 1; i < 30; i++) {
		struct fy_machine_disk *d = fy_machine_add_disk(m, &err);

		d->image = strdup("/vms/a&b'<\">.img");
		d->format = strdup("raw");
		d->serial = strdup("///");
	}
	m->disks[0].boot = false;
	m->disks[2].boot = true;
	xml = emit(m, &plain);
	CHECK(holds(xml, "count(//disk)=30 and count(//serial)=1"));
	CHECK(holds(xml, "//disk[3]/boot/@order=1"));
	CHECK(holds(xml, "//disk[1]/boot/@order=2"));
	CHECK(holds(xml, "//disk[2]/boot/@order=3"));
	CHECK(holds(xml, "//disk[4]/boot/@order=4"));
	CHECK(holds(xml, "//disk[26]/target/@dev='vdz'"));
	CHECK(holds(xml, "//disk[27]/target/@dev='vdaa'"));
	CHECK(holds(xml, "string-length(//disk[2]/source/@file)=16"));
}

static void
test_uuids(void)
{
	FY_AUTO(machine) struct fy_machine *m = machine();
	struct fy_emit_options o = plain;
	fy_autofree char *xml = NULL, *other = NULL;

	m->uuid = strdup("03000200-0400-0500-0006-000700080009");
	xml = emit(m, &o);
	CHECK(holds(xml, "not(starts-with(/domain/uuid, '03000200'))"));
	CHECK(holds(xml, "string-length(/domain/uuid)=36"));
	free(m->uuid);
	m->uuid = strdup("4c4c4544-0042-3510-8052-b4c04f4a4e31");
	o.new_uuid = true;
	other = emit(m, &o);
	CHECK(holds(other, "not(starts-with(/domain/uuid, '4c4c4544'))"));
	CHECK(holds(other, "//entry[@name='uuid']=/domain/uuid"));
}

static void
test_big(void)
{
	FY_AUTO(machine) struct fy_machine *m = machine();
	fy_autofree char *xml = NULL;

	m->memory_bytes = 2 * FY_TIB;
	m->vcpus = 256;
	xml = emit(m, &plain);
	CHECK(holds(xml, "//maxphysaddr and //iommu/driver/@eim='on'"));
	m->vcpus = 289;
	refused(m, &plain, FY_E_UNSUPPORTED);
}

static void
test_refused(void)
{
	static const char *const names[] = { "",    "-x",  "a/b",
					     "a b", "a<b", "\xc3\xa9" };
	FY_AUTO(machine) struct fy_machine *m = machine();
	struct fy_emit_options o = plain;
	struct fy_error err = { 0 };
	size_t i;

	CHECK(fy_emitter_find("ovf", &err) == NULL);
	CHECK(err.code == FY_E_UNSUPPORTED && strstr(err.msg, "libvirt"));
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		o.name = names[i];
		refused(m, &o, FY_E_USAGE);
	}
	o = plain;
	o.virt_type = "xen";
	refused(m, &o, FY_E_USAGE);
	m->disks[0].sector_bytes = 4096;
	refused(m, &plain, FY_E_UNSUPPORTED);
	m->disks[0].sector_bytes = 520;
	refused(m, &plain, FY_E_UNSUPPORTED);
	m->disks[0].sector_bytes = 0;
	m->arch = strdup("aarch64");
	refused(m, &plain, FY_E_UNSUPPORTED);
	free(m->arch);
	m->arch = NULL;
	free(m->disks[0].format);
	m->disks[0].format = strdup("vmdk");
	refused(m, &plain, FY_E_UNSUPPORTED);
	memcpy(m->disks[0].format, "raw", 4);
	m->disks[0].image[0] = 'x';
	refused(m, &plain, FY_E_USAGE);
	m->disks[0].image[0] = '/';
	m->disks[0].image[1] = '\xff';
	refused(m, &plain, FY_E_USAGE);
}

int
main(void)
{
	test_bios();
	test_uefi_4k();
	test_windows();
	test_old_virtio();
	test_old_machine();
	test_nics();
	test_disks();
	test_uuids();
	test_big();
	test_refused();
	return test_result();
}
