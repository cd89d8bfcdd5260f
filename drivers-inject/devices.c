/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Old device names.  A name is split into its disk ("sda", "nvme0n1",
 * "by-id/ata-X") and its partition's number.  Which disk that was is told, in
 * this order, by
 *   1. an anchor: the same disk's name with a partition whose place is known
 *      (the root filesystem that this very fstab lies on);
 *   2. the distance, within names of one kind, to an anchored disk, when the
 *      machine's own paths contradict the anchor (a USB stick was sda when the
 *      machine was described) or there are none;
 *   3. the machine's paths, serial numbers and WWNs;
 *   4. the order of the disks: sda is the first one.
 * A guess that leads to a partition that isn't there, or that holds another
 * filesystem than expected, is no translation; nor is one of a disk of which
 * something is known that contradicts it.
 */
#include "drivers-inject/devices.h"
#include "drivers-inject/devices-internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/bytes.h"
#include "common/file.h"

#define MAX_ANCHORS 64u

struct anchor {
	struct fy_device_name what;
	unsigned disk;
};

struct fy_devices {
	struct fy_disk_map *const *maps;
	size_t n_disks;
	const struct fy_machine *machine;
	/* Of each disk; NULL when not known. */
	const struct fy_machine_disk **hardware;
	struct anchor anchors[MAX_ANCHORS];
	size_t n_anchors;
};

/* "vg/lv" as device-mapper has it: hyphens doubled. */
char *
fy_devices_mapper_name(const char *path)
{
	char *name = malloc(13 + 2 * strlen(path)), *to = name;

	if (name == NULL)
		return NULL;
	memcpy(to, "/dev/mapper/", 12);
	for (to += 12; *path != '\0'; path++) {
		if (*path == '-')
			*to++ = '-';
		*to++ = *path == '/' ? '-' : *path;
	}
	*to = '\0';
	return name;
}

/* The LV or array that the kernel gave that name: "/dev/mapper/vg-lv",
 * "/dev/vg/lv", "/dev/md/0", "/dev/md0". */
static const struct fy_disk_volume *
find_upper(const struct fy_devices *d, const char *name, unsigned *ret_disk)
{
	size_t i, k;

	for (i = 0; i < d->n_disks; i++)
		for (k = 0; k < fy_disk_map_rows(d->maps[i]); k++) {
			const struct fy_disk_volume *v =
				fy_disk_map_row(d->maps[i], k);
			fy_autofree char *mapper =
				fy_devices_mapper_name(v->path);
			bool md = fy_streq(v->layer, "md") &&
				  strncmp(v->path, "md/", 3) == 0;

			if (v->layer == NULL)
				continue;
			if (fy_streq(mapper, name) ||
			    strcmp(name + 5, v->path) == 0 ||
			    (md && strncmp(name, "/dev/md", 7) == 0 &&
			     strcmp(name + 7, v->path + 3) == 0)) {
				*ret_disk = (unsigned)i;
				return v;
			}
		}
	return NULL;
}

/* A volume group may be called mpatha, and have an LV part1. */
static bool
parse(const struct fy_devices *d, const char *name, struct fy_device_name *ret)
{
	static const char by_name[] = "/dev/disk/by-id/dm-name-";
	const size_t len = sizeof(by_name) - 1;
	fy_autofree char *mapper = NULL;
	unsigned disk;

	if (!fy_device_name_parse(name, ret))
		return false;
	if (ret->family != FY_DEVICE_MPATH)
		return true;
	if (strncmp(name, by_name, len) == 0)
		mapper = fy_format(NULL, "/dev/mapper/%s", name + len);
	return find_upper(d, mapper == NULL ? name : mapper, &disk) == NULL;
}

/* Whether such names have no order. */
static bool
is_by_identity(const struct fy_device_name *p)
{
	return p->family == FY_DEVICE_BY_ID || p->family == FY_DEVICE_BY_PATH ||
	       p->family == FY_DEVICE_MPATH;
}

static bool
same_family(const struct fy_device_name *a, const struct fy_device_name *b)
{
	return a->family == b->family && !is_by_identity(a) &&
	       a->controller == b->controller &&
	       strcmp(a->prefix, b->prefix) == 0;
}

/* --- which disk ----------------------------------------------------------- */

/* The machine's disks that correspond to ours: those with an image when that
 * many are there, else all when that many are there. */
static void
match_hardware(struct fy_devices *d)
{
	const struct fy_machine *m = d->machine;
	size_t i, n = 0, at = 0;

	if (m == NULL)
		return;
	for (i = 0; i < m->n_disks; i++)
		n += m->disks[i].image != NULL;
	if (n != d->n_disks && m->n_disks != d->n_disks)
		return;
	for (i = 0; i < m->n_disks; i++)
		if (n != d->n_disks || m->disks[i].image != NULL)
			d->hardware[at++] = &m->disks[i];
}

struct fy_devices *
fy_devices_new(struct fy_disk_map *const *maps, size_t n_disks,
	       const struct fy_machine *machine, struct fy_error *err)
{
	struct fy_devices *d = calloc(1, sizeof(*d));

	if (d != NULL)
		d->hardware = calloc(n_disks + 1, sizeof(*d->hardware));
	if (d == NULL || d->hardware == NULL) {
		free(d);
		fy_error_nomem(err);
		return NULL;
	}
	d->maps = maps;
	d->n_disks = n_disks;
	d->machine = machine;
	match_hardware(d);
	return d;
}

void
fy_devices_free(struct fy_devices *d)
{
	if (d == NULL)
		return;
	free(d->hardware);
	free(d);
}

int
fy_devices_anchor(struct fy_devices *d, const char *name, unsigned disk,
		  unsigned number, struct fy_error *err)
{
	struct fy_device_name p;
	size_t i;

	(void)err;
	if (!parse(d, name, &p) || p.number != number || disk >= d->n_disks ||
	    d->n_anchors == MAX_ANCHORS)
		return 0;
	for (i = 0; i < d->n_anchors; i++)
		if (strcmp(d->anchors[i].what.base, p.base) == 0)
			return 0;
	d->anchors[d->n_anchors].what = p;
	d->anchors[d->n_anchors++].disk = disk;
	return 0;
}

/* A WWN without what says of which kind it is: by-id's names have others. */
static const char *
bare_wwn(const char *w)
{
	static const char *const before[] = { "naa.", "eui.", "uuid.", "0x" };
	size_t i;

	for (i = 0; i < sizeof(before) / sizeof(*before); i++)
		if (strncasecmp(w, before[i], strlen(before[i])) == 0)
			w += strlen(before[i]);
	return w;
}

/* The letters and digits of 's', which are all that udev leaves as they are. */
static void
letters_of(const char *s, char ret[FY_DEVICE_BASE_BYTES])
{
	size_t n = 0;

	for (; *s != '\0' && n < FY_DEVICE_BASE_BYTES - 1; s++)
		if (isalnum((unsigned char)*s))
			ret[n++] = *s;
	ret[n] = '\0';
}

static bool
holds(const struct fy_device_name *p, const char *id, size_t min)
{
	char in[FY_DEVICE_BASE_BYTES], what[FY_DEVICE_BASE_BYTES];

	if (id == NULL)
		return false;
	letters_of(p->base, in);
	letters_of(id, what);
	return strlen(what) >= min && strcasestr(in, what) != NULL;
}

enum verdict { CANNOT_TELL, IS, IS_NOT };

/* A WWN of 16 digits may be the first half of one of 32. */
static enum verdict
compare_wwns(const char *a, const char *b)
{
	size_t n = strlen(a), k = strlen(b);

	if (n == k)
		return strcasecmp(a, b) == 0 ? IS : IS_NOT;
	return strncasecmp(a, b, n < k ? n : k) == 0 ? CANNOT_TELL : IS_NOT;
}

/* Whether the disk has the identity that the name tells. */
static enum verdict
identify(const struct fy_machine_disk *h, const struct fy_device_name *p)
{
	const char *wwn = fy_device_name_wwn(p), *is;

	if (p->family != FY_DEVICE_BY_ID && wwn == NULL)
		return CANNOT_TELL;
	is = h->wwn == NULL ? NULL : bare_wwn(h->wwn);
	if (wwn != NULL && is != NULL && fy_device_is_wwn(is))
		return compare_wwns(is, wwn);
	if (holds(p, is, 8) || holds(p, h->serial, 4))
		return IS;
	return h->serial != NULL && strlen(h->serial) >= 4 &&
			       fy_device_name_has_serial(p)
		       ? IS_NOT
		       : CANNOT_TELL;
}

static long
by_machine(const struct fy_devices *d, const struct fy_device_name *p)
{
	size_t i;

	for (i = 0; i < d->n_disks; i++) {
		const struct fy_machine_disk *h = d->hardware[i];
		struct fy_device_name q;

		if (h == NULL)
			continue;
		if (h->path != NULL && fy_device_name_parse(h->path, &q) &&
		    q.family != FY_DEVICE_MPATH && strcmp(q.base, p->base) == 0)
			return (long)i;
		if (identify(h, p) == IS)
			return (long)i;
	}
	return -1;
}

/* What drivers call sd may become vd or cciss, never nvme. */
static enum fy_device_family
kind_of(const struct fy_device_name *p)
{
	if (fy_device_name_is_by_id(p, "nvme-"))
		return FY_DEVICE_NVME;
	if (fy_device_name_is_by_id(p, "mmc-"))
		return FY_DEVICE_MMC;
	if (fy_device_name_is_by_id(p, "ata-"))
		return FY_DEVICE_LETTERS;
	return p->family == FY_DEVICE_CCISS ? FY_DEVICE_LETTERS : p->family;
}

static bool
other_kind(const struct fy_device_name *a, const struct fy_device_name *b)
{
	enum fy_device_family x = kind_of(a), y = kind_of(b);

	return x != y && x <= FY_DEVICE_MMC && y <= FY_DEVICE_MMC;
}

/* Two names in /dev/disk of one disk: the WWN's, with two prefixes. */
static bool
same_wwn(const struct fy_device_name *a, const struct fy_device_name *b)
{
	const char *x = fy_device_name_wwn(a), *y = fy_device_name_wwn(b);

	return x != NULL && y != NULL && strcasecmp(x, y) == 0;
}

/* Whether the name is of a disk of the machine that is not among ours. */
static bool
is_left_behind(const struct fy_devices *d, const struct fy_device_name *p)
{
	size_t i;

	for (i = 0; i < d->machine->n_disks; i++)
		if (identify(&d->machine->disks[i], p) == IS)
			return true;
	return false;
}

/* Whether the name can't be that disk's, since that one is known by another. */
static bool
denies(const struct anchor *a, const struct fy_device_name *p, unsigned disk)
{
	const struct fy_device_name *is = &a->what;

	if (is->family == p->family && is->controller != p->controller)
		return true;
	if (a->disk != disk)
		return false;
	return other_kind(p, is) ||
	       (p->family == FY_DEVICE_MPATH && is->family <= FY_DEVICE_MMC) ||
	       (is->family == p->family && is_by_identity(p));
}

/* Whether what is known of that disk says that the name was another's: a wrong
 * guess would mount a partition of the system where that one's was, and a
 * backup there would be written over /boot. */
static bool
contradicts(const struct fy_devices *d, const struct fy_device_name *p,
	    unsigned disk)
{
	const struct fy_machine_disk *h = d->hardware[disk];
	struct fy_device_name q;
	size_t i;

	if (fy_device_name_is_by_id(p, "usb-"))
		return true;
	/* Local disks beside LUNs that stay where they are are common. */
	if (p->family == FY_DEVICE_MPATH && h != NULL && h->n_paths < 2)
		return true;
	if (h != NULL && (identify(h, p) == IS_NOT || is_left_behind(d, p)))
		return true;
	if (h != NULL && h->path != NULL && fy_device_name_parse(h->path, &q) &&
	    other_kind(p, &q))
		return true;
	for (i = 0; i < d->n_anchors; i++)
		if (denies(&d->anchors[i], p, disk))
			return true;
	return false;
}

static long
by_anchor(const struct fy_devices *d, const struct fy_device_name *p)
{
	const struct anchor *near = NULL;
	long disk;
	size_t i;

	for (i = 0; i < d->n_anchors; i++) {
		if (strcmp(d->anchors[i].what.base, p->base) == 0 ||
		    same_wwn(&d->anchors[i].what, p))
			return (long)d->anchors[i].disk;
		if (near == NULL && same_family(&d->anchors[i].what, p))
			near = &d->anchors[i];
	}
	if (near == NULL)
		return -1;
	disk = by_machine(d, &near->what);
	if (disk == (long)near->disk) /* so the machine's paths hold here */
		return (disk = by_machine(d, p)) >= 0 ? disk : -2;
	disk = (long)near->disk + (long)p->index - (long)near->what.index;
	return disk >= 0 && (size_t)disk < d->n_disks &&
			       !contradicts(d, p, (unsigned)disk)
		       ? disk
		       : -2;
}

static long
find_disk(const struct fy_devices *d, const struct fy_device_name *p)
{
	long disk = by_anchor(d, p);

	if (disk == -1)
		disk = by_machine(d, p);
	if (disk != -1)
		return disk;
	/* By the order, or because there is but one.  Where the disks of a
	 * second controller begin is not known. */
	if (p->controller > 0 || p->index >= d->n_disks ||
	    (is_by_identity(p) && d->n_disks != 1) ||
	    contradicts(d, p, p->index))
		return -1;
	return (long)p->index;
}

static const struct fy_disk_volume *
find_volume(const struct fy_devices *d, unsigned disk, unsigned number)
{
	const struct fy_disk_map *m = d->maps[disk];
	size_t i;

	for (i = 0; i < m->n_volumes; i++) {
		const struct fy_disk_volume *v = &m->volumes[i];

		if (v->number != number || fy_streq(v->path, "gap"))
			continue;
		if (number != 0 || fy_streq(v->path, "disk"))
			return v;
	}
	return NULL;
}

/* Whether an fstab's type can be what the volume holds. */
static bool
fits(const struct fy_disk_volume *v, const char *type)
{
	const char *is = v->filesystem;

	if (type == NULL || is == NULL || strcmp(type, "auto") == 0 ||
	    strcmp(type, "none") == 0 || strchr(type, ',') != NULL)
		return true;
	if (strncmp(type, "ext", 3) == 0)
		return strncmp(is, "ext", 3) == 0;
	if (strcmp(type, "vfat") == 0 || strcmp(type, "msdos") == 0)
		return strcmp(is, "vfat") == 0;
	if (strcmp(type, "swap") == 0)
		return strncmp(is, "swap", 4) == 0 ||
		       strncmp(is, "swsus", 5) == 0;
	if (strncmp(type, "ntfs", 4) == 0)
		return strcmp(is, "ntfs") == 0;
	return true;
}

/* --- names that stay ------------------------------------------------------ */

/* How many volumes have this UUID (or PARTUUID). */
static unsigned
count(const struct fy_devices *d, const char *id, bool partuuid)
{
	unsigned n = 0;
	size_t i, k;

	for (i = 0; i < d->n_disks; i++)
		for (k = 0; k < fy_disk_map_rows(d->maps[i]); k++) {
			const struct fy_disk_volume *v =
				fy_disk_map_row(d->maps[i], k);
			const char *is = partuuid ? v->partuuid : v->uuid;

			n += is != NULL && strcasecmp(is, id) == 0;
		}
	return n;
}

/* What goes into a file without quoting. */
static bool
is_plain(const char *id)
{
	return id[0] != '\0' &&
	       strspn(id, "0123456789abcdefABCDEF-") == strlen(id);
}

char *
fy_devices_disk_name(const char *kind, unsigned disk, unsigned number,
		     struct fy_error *err)
{
	char letters[8], part[16] = "";
	size_t at = sizeof(letters);
	unsigned n = disk + 1;

	letters[--at] = '\0';
	for (; n > 0 && at > 0; n = (n - 1) / 26)
		letters[--at] = (char)('a' + (n - 1) % 26);
	if (number > 0)
		snprintf(part, sizeof(part), "%u", number);
	return fy_format(err, "/dev/%s%s%s", kind, letters + at, part);
}

/* Whether the volume is a part of others, so that its UUID is no
 * filesystem's. */
static bool
is_member(const struct fy_disk_volume *v)
{
	return fy_streq(v->filesystem, "LVM2_member") ||
	       fy_streq(v->filesystem, "linux_raid_member");
}

/* Whether a UUID is this id, but for its hyphens. */
static bool
is_pv_id(const char *uuid, const char *id, size_t len)
{
	for (; *uuid != '\0'; uuid++) {
		if (*uuid == '-')
			continue;
		if (len == 0 || *id != *uuid)
			return false;
		id++;
		len--;
	}
	return len == 0;
}

char *
fy_devices_pv_name(const struct fy_devices *d, const char *id, size_t len)
{
	size_t i, k;

	for (i = 0; i < d->n_disks; i++)
		for (k = 0; k < d->maps[i]->n_volumes; k++) {
			const struct fy_disk_volume *v =
				&d->maps[i]->volumes[k];

			if (fy_streq(v->filesystem, "LVM2_member") &&
			    v->uuid != NULL && is_pv_id(v->uuid, id, len))
				return fy_devices_disk_name("vd", (unsigned)i,
							    v->number, NULL);
		}
	return NULL;
}

char *
fy_devices_name(const struct fy_devices *d, unsigned disk,
		const struct fy_disk_volume *v, enum fy_device_form form)
{
	bool path = form == FY_DEVICE_PATH;
	bool uuid = form != FY_DEVICE_PARTUUID;

	if (fy_streq(v->layer, "lvm")) /* the same on any machine */
		return fy_devices_mapper_name(v->path);
	if (v->layer != NULL && form == FY_DEVICE_VIRTIO)
		return NULL;
	if (form == FY_DEVICE_VIRTIO)
		return fy_devices_disk_name("vd", disk, v->number, NULL);
	if (form == FY_DEVICE_CRYPT)
		uuid = fy_streq(v->filesystem, "crypto_LUKS");
	if (is_member(v)) /* udev has no name for that UUID */
		uuid = false;
	if (uuid && v->uuid != NULL && is_plain(v->uuid) &&
	    count(d, v->uuid, false) == 1)
		return fy_format(
			NULL, "%s%s",
			path ? "/dev/disk/by-uuid/" : "UUID=", v->uuid);
	if (v->partuuid != NULL && is_plain(v->partuuid) &&
	    count(d, v->partuuid, true) == 1)
		return fy_format(NULL, "%s%s",
				 path ? "/dev/disk/by-partuuid/" : "PARTUUID=",
				 v->partuuid);
	return NULL;
}

const struct fy_disk_volume *
fy_devices_find(const struct fy_devices *d, const char *name,
		unsigned *ret_disk)
{
	struct fy_device_name p;
	long disk;

	if (!parse(d, name, &p) || (disk = find_disk(d, &p)) < 0)
		return NULL;
	*ret_disk = (unsigned)disk;
	return find_volume(d, (unsigned)disk, p.number);
}

enum fy_device_kind
fy_devices_translate(const struct fy_devices *d, const char *name,
		     const char *type, enum fy_device_form form, char **ret)
{
	const struct fy_disk_volume *v;
	struct fy_device_name p;
	unsigned disk = 0;
	long found;

	*ret = NULL;
	if (!parse(d, name, &p))
		return FY_DEVICE_OTHER;
	if (form == FY_DEVICE_VIRTIO && p.number == 0) {
		found = find_disk(d, &p);
		if (found >= 0)
			*ret = fy_devices_disk_name("vd", (unsigned)found, 0,
						    NULL);
		return *ret == NULL ? FY_DEVICE_UNKNOWN : FY_DEVICE_KNOWN;
	}
	v = fy_devices_find(d, name, &disk);
	if (v != NULL && fits(v, type))
		*ret = fy_devices_name(d, disk, v, form);
	return *ret == NULL ? FY_DEVICE_UNKNOWN : FY_DEVICE_KNOWN;
}

/* The value of 'v' that a spec of this kind compares with. */
static const char *
tag_of(const struct fy_disk_volume *v, unsigned tag)
{
	return tag == 0	  ? v->uuid
	       : tag == 1 ? v->partuuid
	       : tag == 2 ? v->label
			  : v->part_label;
}

const struct fy_disk_volume *
fy_devices_lookup(const struct fy_devices *d, const char *spec,
		  unsigned *ret_disk)
{
	static const char *const tags[][2] = {
		{ "UUID=", "/dev/disk/by-uuid/" },
		{ "PARTUUID=", "/dev/disk/by-partuuid/" },
		{ "LABEL=", "/dev/disk/by-label/" },
		{ "PARTLABEL=", "/dev/disk/by-partlabel/" },
	};
	fy_autofree char *value = NULL;
	const struct fy_disk_volume *v;
	size_t i, k;
	unsigned t;

	for (t = 0; t < 4 && value == NULL; t++)
		for (k = 0; k < 2 && value == NULL; k++)
			if (strncmp(spec, tags[t][k], strlen(tags[t][k])) == 0)
				value = strdup(spec + strlen(tags[t][k]));
	if (value == NULL && strncmp(spec, "/dev/", 5) == 0 &&
	    (v = find_upper(d, spec, ret_disk)) != NULL)
		return v;
	if (value == NULL)
		return fy_devices_find(d, spec, ret_disk);
	t--;
	if (value[0] == '"' && strlen(value) > 1) {
		value[strlen(value) - 1] = '\0';
		memmove(value, value + 1, strlen(value));
	}
	for (i = 0; i < d->n_disks; i++)
		for (k = 0; k < fy_disk_map_rows(d->maps[i]); k++) {
			const char *is;

			v = fy_disk_map_row(d->maps[i], k);
			is = tag_of(v, t);

			if (is != NULL && (t < 2 ? strcasecmp(is, value)
						 : strcmp(is, value)) == 0) {
				*ret_disk = (unsigned)i;
				return v;
			}
		}
	return NULL;
}
