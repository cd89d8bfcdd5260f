/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What belongs to the old hardware: monitors of controllers and of mainboards,
 * and the tools of other hypervisors.  Nothing is removed: a service of systemd
 * gets a condition under which it doesn't start on a virtual machine, one of
 * Upstart an override, one of the runlevels has its links renamed from S to K.
 * So the disks still work as before on the old hardware, but for the last kind.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/linux.h"

enum deed { DISABLE, TELL };

static const struct service {
	const char *name;
	enum deed deed;
	const char *what;
} services[] = {
#define RAID "a monitor of RAID controllers"
	{ "lsi_mrdsnmpd", DISABLE, RAID },
	{ "mrmonitor", DISABLE, RAID },
	{ "vivaldiframeworkd", DISABLE, RAID },
	{ "LsiSASH", DISABLE, RAID },
	{ "megaraidsas-status", DISABLE, RAID },
	{ "megaraid-status", DISABLE, RAID },
	{ "mpt-status", DISABLE, RAID },
	{ "aacraid-status", DISABLE, RAID },
	{ "3ware-status", DISABLE, RAID },
	{ "cciss-vol-statusd", DISABLE, RAID },
	{ "stor_agent", DISABLE, RAID },
	{ "3dm2", DISABLE, RAID },
	{ "archttp64", DISABLE, RAID },
#define VENDOR "a daemon of the server's vendor"
	{ "hpasmlited", DISABLE, VENDOR },
	{ "hp-asrd", DISABLE, VENDOR },
	{ "hp-health", DISABLE, VENDOR },
	{ "hp-snmp-agents", DISABLE, VENDOR },
	{ "hp-ams", DISABLE, VENDOR },
	{ "hpsmhd", DISABLE, VENDOR },
	{ "amsd", DISABLE, VENDOR },
	{ "smad", DISABLE, VENDOR },
	{ "ahslog", DISABLE, VENDOR },
	{ "cpqIde", DISABLE, VENDOR },
	{ "cpqScsi", DISABLE, VENDOR },
	{ "cpqFca", DISABLE, VENDOR },
	{ "mr_cpqScsi", DISABLE, VENDOR },
	{ "dataeng", DISABLE, VENDOR },
	{ "dsm_om_connsvc", DISABLE, VENDOR },
	{ "dsm_om_shrsvc", DISABLE, VENDOR },
	{ "dsm_sa_datamgrd", DISABLE, VENDOR },
	{ "dsm_sa_eventmgrd", DISABLE, VENDOR },
	{ "dsm_sa_snmpd", DISABLE, VENDOR },
	{ "instsvcdrv", DISABLE, VENDOR },
	{ "racsvc", DISABLE, VENDOR },
	{ "dcismeng", DISABLE, VENDOR },
	{ "srvmagt", DISABLE, VENDOR },
	{ "eecd", DISABLE, VENDOR },
#define BOARD "a service of the mainboard's hardware"
	{ "ipmi", DISABLE, BOARD },
	{ "ipmievd", DISABLE, BOARD },
	{ "openipmi", DISABLE, BOARD },
	{ "ipmidetectd", DISABLE, BOARD },
	{ "ipmiutil_evt", DISABLE, BOARD },
	{ "bmc-watchdog", DISABLE, BOARD },
	{ "bmc-snmp-proxy", DISABLE, BOARD },
	{ "mcelog", DISABLE, BOARD },
	{ "mcelogd", DISABLE, BOARD },
	{ "lm_sensors", DISABLE, BOARD },
	{ "lm-sensors", DISABLE, BOARD },
	{ "sensord", DISABLE, BOARD },
	{ "fancontrol", DISABLE, BOARD },
	{ "thermald", DISABLE, BOARD },
#define TOOLS "of another hypervisor"
	{ "vmware-tools", DISABLE, TOOLS },
	{ "vmware-tools-thinprint", DISABLE, TOOLS },
	{ "vmware-tools-services", DISABLE, TOOLS },
	{ "vboxadd", DISABLE, TOOLS },
	{ "vboxadd-service", DISABLE, TOOLS },
	{ "vboxadd-x11", DISABLE, TOOLS },
	{ "vboxservice", DISABLE, TOOLS },
	{ "virtualbox-guest-utils", DISABLE, TOOLS },
	{ "hypervkvpd", DISABLE, TOOLS },
	{ "hypervvssd", DISABLE, TOOLS },
	{ "hypervfcopyd", DISABLE, TOOLS },
	{ "hv-kvp-daemon", DISABLE, TOOLS },
	{ "hv-vss-daemon", DISABLE, TOOLS },
	{ "hv-fcopy-daemon", DISABLE, TOOLS },
	{ "hv_kvp_daemon", DISABLE, TOOLS },
	{ "hv_vss_daemon", DISABLE, TOOLS },
	{ "hv_fcopy_daemon", DISABLE, TOOLS },
	{ "xe-linux-distribution", DISABLE, TOOLS },
	{ "xe-daemon", DISABLE, TOOLS },
	{ "prltoolsd", DISABLE, TOOLS },
	{ "smartd", TELL,
	  "it looks at disks that are virtual now; it may complain" },
	{ "smartmontools", TELL,
	  "it looks at disks that are virtual now; it may complain" },
	{ "open-vm-tools", TELL,
	  "it does nothing on another hypervisor than VMware's" },
	{ "vmtoolsd", TELL,
	  "it does nothing on another hypervisor than VMware's" },
	{ "multipathd", TELL, "virtual disks have one path only" },
	{ "watchdog", TELL,
	  "without the old watchdog device it may fail or restart the guest" },
};

static const char drop_in[] =
	"# Written by Ironferry: this belongs to the old hardware.\n"
	"[Unit]\n"
	"ConditionVirtualization=no\n";

/* --- the three kinds ------------------------------------------------------ */

static bool
has_named(struct fy_guest *g, const char *dir, const char *name,
	  const char *end)
{
	fy_autofree char *path = fy_format(NULL, "%s/%s%s", dir, name, end);

	return path != NULL && fy_guest_has(g, path);
}

static bool
is_unit(struct fy_guest *g, const char *name)
{
	return has_named(g, "/etc/systemd/system", name, ".service") ||
	       has_named(g, "/usr/lib/systemd/system", name, ".service") ||
	       has_named(g, "/lib/systemd/system", name, ".service");
}

static bool
is_script(struct fy_guest *g, const char *name)
{
	return has_named(g, "/etc/init.d", name, "") ||
	       has_named(g, "/etc/rc.d/init.d", name, "");
}

/* Names of links in a directory: "S85vmware-tools". */
static bool
is_start_link(const char *link, const char *name)
{
	return link[0] == 'S' && isdigit((unsigned char)link[1]) &&
	       isdigit((unsigned char)link[2]) && strcmp(link + 3, name) == 0;
}

/* Rename the S links of one runlevel; counts. */
static int
stop_in(struct fy_system *s, const char *dir, const struct service *sv,
	size_t *count, struct fy_error *err)
{
	fy_autofree char *why = fy_format(
		err, "%s: it is not started on virtual hardware", sv->what);
	char **names = NULL;
	size_t n = 0, i;
	int r;

	if (why == NULL)
		return -1;
	r = fy_guest_names(s->guest, dir, &names, &n, err);
	for (i = 0; r == 0 && i < n; i++) {
		fy_autofree char *from = NULL;
		fy_autofree char *to = NULL;
		int order;

		if (!is_start_link(names[i], sv->name))
			continue;
		order = (names[i][1] - '0') * 10 + names[i][2] - '0';
		from = fy_format(err, "%s/%s", dir, names[i]);
		to = fy_format(err, "%s/K%02d%s", dir,
			       order == 0 ? 99 : 100 - order, sv->name);
		r = from == NULL || to == NULL
			    ? -1
			    : fy_system_rename(s->disks, s->guest, from, to,
					       why, err);
		(*count)++;
	}
	fy_guest_names_free(names, n);
	return r;
}

static int
stop_by_links(struct fy_system *s, const struct service *sv,
	      struct fy_error *err)
{
	static const char *const tops[] = { "/etc/rc.d", "/etc/init.d",
					    "/etc" };
	size_t i, count = 0;
	char level;

	/* /etc/rc3.d is a symlink to rc.d/rc3.d in one family. */
	for (i = 0; i < 3 && count == 0; i++)
		for (level = '2'; level <= '5'; level++) {
			fy_autofree char *dir =
				fy_format(err, "%s/rc%c.d", tops[i], level);

			if (dir == NULL ||
			    stop_in(s, dir, sv, &count, err) == -1)
				return -1;
		}
	return 0;
}

static int
disable(struct fy_system *s, const struct service *sv, struct fy_error *err)
{
	fy_autofree char *why = fy_format(
		err, "%s: it is not started on virtual hardware", sv->what);
	fy_autofree char *path = NULL;

	if (why == NULL)
		return -1;
	if (fy_linux_of(s)->systemd) {
		path = fy_format(err,
				 "/etc/systemd/system/%s.service.d/"
				 "ironferry.conf",
				 sv->name);
		return path == NULL
			       ? -1
			       : fy_system_create(s->disks, s->guest, path,
						  drop_in, sizeof(drop_in) - 1,
						  why, err);
	}
	if (has_named(s->guest, "/etc/init", sv->name, ".conf")) {
		path = fy_format(err, "/etc/init/%s.override", sv->name);
		return path == NULL ? -1
				    : fy_system_create(s->disks, s->guest, path,
						       "manual\n", 7, why, err);
	}
	return stop_by_links(s, sv, err);
}

/* --- other leftovers ------------------------------------------------------ */

/* Consoles that other hypervisors have, where the edits of text left them: in
 * inittab, beside a login on ttyS0. */
static int
look_at_consoles(struct fy_system *s, struct fy_error *err)
{
	static const char *const names[] = { "hvc0", "xvc0", "ttyS1", "ttyS2",
					     "ttyS3" };
	fy_autofree char *boot = fy_linux_boot_text(s, err);
	fy_autofree char *inittab = fy_linux_text(s->guest, "etc/inittab");
	size_t i;

	if (boot == NULL)
		return -1;
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		fy_autofree char *argument =
			fy_format(err, "console=%s", names[i]);
		fy_autofree char *word = fy_format(err, " %s", names[i]);

		if (argument == NULL || word == NULL)
			return -1;
		if (strstr(boot, argument) != NULL &&
		    fy_disks_warn(s->disks, err,
				  "its kernels are told 'console=%s', which "
				  "the virtual machine has not; its serial "
				  "console is ttyS0",
				  names[i]) == -1)
			return -1;
		if (i < 2 && inittab != NULL && strstr(inittab, word) != NULL &&
		    fy_disks_warn(s->disks, err,
				  "'/etc/inittab' has a login on '%s', which "
				  "only Xen has",
				  names[i]) == -1)
			return -1;
	}
	return 0;
}

/* Whether a line of X's configuration is KEY "VALUE"; case doesn't matter. */
static bool
xorg_line(const char *line, const char *key, const char *value)
{
	size_t len = strlen(key), n = strlen(value);

	line += strspn(line, " \t");
	if (strncasecmp(line, key, len) != 0 || strspn(line + len, " \t") == 0)
		return false;
	line += len + strspn(line + len, " \t");
	return *line == '"' && strncasecmp(line + 1, value, n) == 0 &&
	       line[1 + n] == '"';
}

/* Whether a "Device" has the driver of a card that a virtual machine has not.
 * Other sections' drivers are of keyboards and mice, or (OutputClass) taken
 * only when their card is there. */
static bool
names_old_card(const char *text)
{
	static const char *const drivers[] = {
		"apm",	     "ark",	  "ast",	   "ati",
		"amdgpu",    "chips",	  "cirrus",	   "fglrx",
		"geode",     "glint",	  "i128",	   "i740",
		"i810",	     "intel",	  "mach64",	   "matrox",
		"mga",	     "neomagic",  "nouveau",	   "nsc",
		"nv",	     "nvidia",	  "openchrome",	   "r128",
		"radeon",    "radeonhd",  "rendition",	   "s3",
		"s3virge",   "savage",	  "siliconmotion", "sis",
		"sisusb",    "tdfx",	  "trident",	   "tseng",
		"unichrome", "vboxvideo", "via",	   "vmware",
		"xgi",
	};
	bool device = false;
	size_t k;

	for (; *text != '\0'; text += strcspn(text, "\n"), text += *text != 0) {
		if (xorg_line(text, "Section", "Device"))
			device = true;
		else if (strncasecmp(text + strspn(text, " \t"), "EndSection",
				     10) == 0)
			device = false;
		for (k = 0; device && k < sizeof(drivers) / sizeof(*drivers);
		     k++)
			if (xorg_line(text, "Driver", drivers[k]))
				return true;
	}
	return false;
}

/* An X server that is told the old graphics card doesn't start. */
static int
look_at_xorg(void *ctx, const char *path, struct fy_error *err)
{
	struct fy_system *s = ctx;
	fy_autofree char *text = fy_linux_text(s->guest, path);
	fy_autofree char *to = fy_format(err, "%s.ironferry", path);

	if (to == NULL)
		return -1;
	if (text == NULL || !names_old_card(text) || fy_guest_has(s->guest, to))
		return 0;
	return fy_system_rename(s->disks, s->guest, path, to,
				"it names the old graphics card; without it "
				"the X server finds the new one",
				err);
}

/* Aliases of old that bind names to drivers of the old hardware. */
static int
look_at_modprobe(struct fy_system *s, struct fy_error *err)
{
	fy_autofree char *text = fy_linux_text(s->guest, "etc/modprobe.conf");
	const char *p;

	for (p = text; p != NULL && *p != '\0'; p = strchr(p, '\n'), p += !!p)
		if (strncmp(p, "alias scsi_hostadapter", 22) == 0 ||
		    strncmp(p, "alias eth", 9) == 0)
			return fy_disks_warn(
				s->disks, err,
				"'/etc/modprobe.conf' names drivers of the old "
				"hardware for disks or network cards; a later "
				"mkinitrd needs 'alias scsi_hostadapter "
				"virtio_blk' there");
	return 0;
}

int
fy_linux_services(struct fy_system *s, struct fy_error *err)
{
	static const struct fy_linux_place xorg[] = {
		{ "/etc/X11", "xorg.conf" },
		{ "/etc/X11", "XF86Config" },
		{ "/etc/X11/xorg.conf.d", "*.conf" },
	};
	size_t i;

	for (i = 0; i < sizeof(services) / sizeof(*services); i++) {
		const struct service *sv = &services[i];

		if (!is_unit(s->guest, sv->name) &&
		    !is_script(s->guest, sv->name) &&
		    !has_named(s->guest, "/etc/init", sv->name, ".conf"))
			continue;
		if (sv->deed == TELL) {
			if (fy_disks_warn(s->disks, err,
					  "the service '%s' was left: %s",
					  sv->name, sv->what) == -1)
				return -1;
		} else if (disable(s, sv, err) == -1) {
			return -1;
		}
	}
	if (look_at_consoles(s, err) == -1)
		return -1;
	for (i = 0; i < sizeof(xorg) / sizeof(*xorg); i++)
		if (fy_linux_each_file(s->guest, &xorg[i], look_at_xorg, s,
				       err) == -1)
			return -1;
	return look_at_modprobe(s, err);
}
