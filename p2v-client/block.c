/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Block devices as sysfs shows them: what a disk is.  Who uses it is in
 * block-use.c.
 *
 * Serial numbers come from where the bus keeps them (NVMe's controller, SCSI's
 * VPD page 0x80, virtio's attribute), else from udev's database.  Two disks
 * are one when their WWNs agree; where one has none, when bus, model, serial
 * and size do.
 */
#include "p2v-client/block.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/bytes.h"
#include "common/file.h"
#include "p2v-client/sysfs.h"

#define CLASS "/sys/class/block"

char *
fy_block_name(const char *root, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct stat st;

	if (root == NULL) {
		if (stat(path, &st) == -1 || !S_ISBLK(st.st_mode))
			return NULL;
		return fy_sys_link(root, "/sys/dev/block/%u:%u",
				   major(st.st_rdev), minor(st.st_rdev));
	}
	/* A test's tree has no device nodes. */
	if (slash == NULL || strncmp(path, "/dev/", 5) != 0 ||
	    !fy_sys_exists(root, CLASS "/%s", slash + 1))
		return NULL;
	return strdup(slash + 1);
}

char *
fy_block_disk(const char *root, const char *name)
{
	fy_autofree char *path = NULL;
	char *slash;

	if (!fy_sys_exists(root, CLASS "/%s/partition", name))
		return strdup(name);
	path = fy_sys_real(root, CLASS "/%s", name);
	slash = path == NULL ? NULL : strrchr(path, '/');
	if (slash == NULL)
		return strdup(name);
	*slash = '\0';
	slash = strrchr(path, '/');
	return strdup(slash == NULL ? name : slash + 1);
}

bool
fy_block_is_hardware(const char *name)
{
	static const char *const others[] = { "loop", "ram",	"zram",
					      "sr",   "fd",	"dm-",
					      "md",   "nbd",	"rbd",
					      "drbd", "bcache", "mtdblock" };
	size_t i, len;

	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		len = strlen(others[i]);
		if (strncmp(name, others[i], len) == 0 &&
		    ((name[len] >= '0' && name[len] <= '9') ||
		     name[len] == '_'))
			return false;
	}
	/* The boot areas of an eMMC are firmware's. */
	return strncmp(name, "mmcblk", 6) != 0 ||
	       (strstr(name, "boot") == NULL && strstr(name, "rpmb") == NULL);
}

int
fy_block_list(const char *root, struct fy_strings *ret, struct fy_error *err)
{
	struct fy_strings all = { 0 };
	size_t i;
	int r;

	r = fy_sys_list(root, "/sys/block", &all, err);
	for (i = 0; r == 0 && i < all.n; i++)
		if (fy_block_is_hardware(all.items[i]) &&
		    fy_sys_number(root, 0, "/sys/block/%s/size", all.items[i]) >
			    0 &&
		    fy_sys_number(root, 0, "/sys/block/%s/hidden",
				  all.items[i]) == 0)
			r = fy_strings_add(ret, all.items[i], err);
	fy_strings_release(&all);
	return r;
}

/* Spaces at the ends off; NULL when nothing is left. */
static char *
trimmed(const char *s, size_t len)
{
	while (len > 0 && (s[0] == ' ' || s[0] == '\0')) {
		s++;
		len--;
	}
	while (len > 0 && (s[len - 1] == ' ' || s[len - 1] == '\0'))
		len--;
	return len == 0 ? NULL : strndup(s, len);
}

/* "KEY=value" of udev's database. */
static char *
udev_value(const char *root, const char *name, const char *key)
{
	fy_autofree char *dev = fy_sys_line(root, CLASS "/%s/dev", name);
	fy_autofree char *text = NULL;
	char *line, *next;
	size_t len = strlen(key);

	if (dev == NULL)
		return NULL;
	text = fy_sys_text(root, "/run/udev/data/b%s", dev);
	for (line = text; line != NULL; line = next) {
		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		if (strncmp(line, "E:", 2) == 0 &&
		    strncmp(line + 2, key, len) == 0 && line[2 + len] == '=')
			return trimmed(line + 3 + len, strlen(line + 3 + len));
	}
	return NULL;
}

/* Page 0x80: four bytes of header with the length, then the serial. */
static char *
scsi_serial(const char *root, const char *name)
{
	fy_autofree char *page = NULL;
	size_t len, n;

	page = fy_sys_bytes(root, &len, CLASS "/%s/device/vpd_pg80", name);
	if (page == NULL || len < 4)
		return NULL;
	n = fy_get_be16(page + 2);
	return trimmed(page + 4, n < len - 4 ? n : len - 4);
}

static char *
find_serial(const char *root, const char *name)
{
	char *serial = fy_sys_line(root, CLASS "/%s/device/serial", name);

	if (serial == NULL)
		serial = fy_sys_line(root, CLASS "/%s/serial", name);
	if (serial == NULL)
		serial = scsi_serial(root, name);
	if (serial == NULL)
		serial = udev_value(root, name, "ID_SERIAL_SHORT");
	return serial;
}

/* "0x5000c500..." for NAA identifiers, "eui...." for NVMe's; others (made of
 * model and serial) are no WWN. */
static char *
find_wwn(const char *root, const char *name)
{
	fy_autofree char *id = fy_sys_line(root, CLASS "/%s/wwid", name);
	struct fy_error err = { 0 };
	char *wwn;

	if (id == NULL)
		id = fy_sys_line(root, CLASS "/%s/device/wwid", name);
	if (id != NULL && strncmp(id, "naa.", 4) == 0)
		return fy_format(&err, "0x%s", id + 4);
	if (id != NULL &&
	    (strncmp(id, "eui.", 4) == 0 || strncmp(id, "uuid.", 5) == 0))
		return fy_steal_ptr(&id);
	wwn = udev_value(root, name, "ID_WWN");
	/* udev takes them all. */
	if (wwn != NULL &&
	    (strncmp(wwn, "nvme.", 5) == 0 || strncmp(wwn, "t10.", 4) == 0)) {
		free(wwn);
		wwn = NULL;
	}
	return wwn;
}

static const char *
find_bus(const char *root, const char *name)
{
	fy_autofree char *path = fy_sys_real(root, CLASS "/%s", name);
	static const struct {
		const char *part, *bus;
	} buses[] = {
		{ "/usb", "usb" },	   { "/nvme", "nvme" },
		{ "/virtio", "virtio" },   { "/mmc", "mmc" },
		{ "/ata", "sata" },	   { "/vbd-", "xen" },
		{ "/end_device-", "sas" }, { "/rport-", "fc" },
		{ "/session", "iscsi" },   { "/target", "scsi" },
	};
	size_t i;

	if (path == NULL)
		return NULL;
	for (i = 0; i < sizeof(buses) / sizeof(buses[0]); i++)
		if (strstr(path, buses[i].part) != NULL)
			return buses[i].bus;
	return NULL;
}

static enum fy_tristate
known_flag(const char *root, const char *name, const char *file)
{
	switch (fy_sys_number(root, 2, CLASS "/%s/%s", name, file)) {
	case 0:
		return FY_NO;
	case 1:
		return FY_YES;
	default:
		return FY_UNKNOWN;
	}
}

/* The device's own firmware: SCSI's "rev", NVMe's "firmware_rev". */
static char *
find_revision(const char *root, const char *name)
{
	char *rev = fy_sys_line(root, CLASS "/%s/device/rev", name);

	return rev != NULL ? rev
			   : fy_sys_line(root, CLASS "/%s/device/firmware_rev",
					 name);
}

int
fy_block_describe(const char *root, const char *name,
		  struct fy_machine_disk *ret, struct fy_error *err)
{
	const char *bus = find_bus(root, name);

	ret->model = fy_sys_line(root, CLASS "/%s/device/model", name);
	if (ret->model == NULL)
		ret->model = fy_sys_line(root, CLASS "/%s/device/name", name);
	ret->vendor = fy_sys_line(root, CLASS "/%s/device/vendor", name);
	ret->revision = find_revision(root, name);
	ret->rotational = known_flag(root, name, "queue/rotational");
	ret->removable = known_flag(root, name, "removable");
	/* The emulator and the bridge say what they like. */
	if (fy_streq(bus, "virtio") || fy_streq(bus, "xen"))
		ret->rotational = FY_UNKNOWN;
	ret->serial = find_serial(root, name);
	ret->wwn = find_wwn(root, name);
	ret->bus = bus == NULL ? NULL : strdup(bus);
	if (bus != NULL && ret->bus == NULL)
		return fy_error_nomem(err);
	/* Not a name but a number: virtio's PCI vendor. */
	if (ret->vendor != NULL && strncmp(ret->vendor, "0x", 2) == 0) {
		free(ret->vendor);
		ret->vendor = NULL;
	}
	if (!fy_mul_u64(fy_sys_number(root, 0, CLASS "/%s/size", name), 512,
			&ret->size_bytes))
		ret->size_bytes = 0;
	ret->sector_bytes = (uint32_t)fy_sys_number(
		root, 512, CLASS "/%s/queue/logical_block_size", name);
	ret->physical_sector_bytes = (uint32_t)fy_sys_number(
		root, 0, CLASS "/%s/queue/physical_block_size", name);
	return 0;
}

bool
fy_block_same_disk(const struct fy_machine_disk *a,
		   const struct fy_machine_disk *b)
{
	if (a->size_bytes != b->size_bytes)
		return false;
	if (a->wwn != NULL && b->wwn != NULL)
		return strcmp(a->wwn, b->wwn) == 0;
	/* The namespaces of an NVMe device share its serial. */
	return a->bus != NULL && a->model != NULL && a->serial != NULL &&
	       strcmp(a->bus, "nvme") != 0 && fy_streq(a->bus, b->bus) &&
	       fy_streq(a->model, b->model) && fy_streq(a->serial, b->serial);
}
