/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names of disks and partitions: "/dev/nvme0n1p2" is the disk "nvme0n1", the
 * first one of its kind, and its partition 2.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "drivers-inject/devices-internal.h"

/* Digits, at least one, up to a million; moves 's' behind them. */
static bool
take_number(const char **s, unsigned *ret)
{
	unsigned v = 0;

	if (!isdigit((unsigned char)**s))
		return false;
	for (; isdigit((unsigned char)**s) && v < 1000000; (*s)++)
		v = v * 10 + (unsigned)(**s - '0');
	*ret = v;
	return !isdigit((unsigned char)**s);
}

static void
set_base(struct fy_device_name *p, const char *name, const char *end)
{
	size_t n = (size_t)(end - name);

	if (n >= sizeof(p->base))
		n = sizeof(p->base) - 1;
	memcpy(p->base, name, n);
	p->base[n] = '\0';
}

static bool
parse_letters(const char *name, struct fy_device_name *p)
{
	static const char *const prefixes[] = { "sd", "hd", "vd", "xvd" };
	size_t i, len;
	const char *s;

	for (i = 0; i < 4; i++) {
		len = strlen(prefixes[i]);
		if (strncmp(name, prefixes[i], len) == 0 &&
		    islower((unsigned char)name[len]))
			break;
	}
	if (i == 4)
		return false;
	p->family = FY_DEVICE_LETTERS;
	memcpy(p->prefix, prefixes[i], len + 1);
	p->index = 0;
	for (s = name + len; islower((unsigned char)*s) && p->index < 100000;
	     s++)
		p->index = p->index * 26 + (unsigned)(*s - 'a') + 1;
	p->index--;
	set_base(p, name, s);
	p->number = 0;
	return *s == '\0' || (take_number(&s, &p->number) && *s == '\0');
}

/* "pN" or nothing, to the end. */
static bool
take_p_number(const char *s, struct fy_device_name *p)
{
	p->number = 0;
	if (*s == '\0')
		return true;
	if (*s++ != 'p')
		return false;
	return take_number(&s, &p->number) && *s == '\0';
}

static bool
parse_numbers(const char *name, struct fy_device_name *p)
{
	const char *s = name;
	unsigned first, second;

	if (strncmp(s, "nvme", 4) == 0) {
		s += 4;
		if (!take_number(&s, &first) || *s++ != 'n' ||
		    !take_number(&s, &second) || second == 0)
			return false;
		p->family = FY_DEVICE_NVME;
		p->index = first + second - 1;
	} else if (strncmp(s, "cciss/c", 7) == 0) {
		s += 7;
		if (!take_number(&s, &first) || *s++ != 'd' ||
		    !take_number(&s, &second))
			return false;
		p->family = FY_DEVICE_CCISS;
		p->controller = first;
		p->index = second;
	} else if (strncmp(s, "mmcblk", 6) == 0) {
		s += 6;
		if (!take_number(&s, &p->index))
			return false;
		p->family = FY_DEVICE_MMC;
	} else {
		return false;
	}
	set_base(p, name, s);
	return take_p_number(s, p);
}

static bool
parse_by(const char *name, struct fy_device_name *p)
{
	const char *part = NULL, *s, *next = name;

	if (strncmp(name, "disk/by-id/", 11) == 0)
		p->family = FY_DEVICE_BY_ID;
	else if (strncmp(name, "disk/by-path/", 13) == 0)
		p->family = FY_DEVICE_BY_PATH;
	else
		return false;
	/* Volume groups, arrays and the like keep their names. */
	if (p->family == FY_DEVICE_BY_ID &&
	    (strncmp(name + 11, "dm-", 3) == 0 ||
	     strncmp(name + 11, "md-", 3) == 0 ||
	     strncmp(name + 11, "lvm-", 4) == 0))
		return false;
	while ((next = strstr(next, "-part")) != NULL)
		part = next++;
	p->index = 0;
	p->number = 0;
	if (part != NULL) {
		s = part + 5;
		if (!take_number(&s, &p->number) || *s != '\0')
			part = NULL;
	}
	if (part == NULL)
		p->number = 0;
	set_base(p, name, part == NULL ? name + strlen(name) : part);
	return true;
}

/* "mpatha", "mpath0": 'p' may be what comes before a partition's number, for
 * kpartx of Red Hat puts it there after a letter, too.  The end, or NULL. */
static const char *
friendly_map(const char *s, struct fy_device_name *p)
{
	if (strncmp(s, "mpath", 5) != 0)
		return NULL;
	s += 5;
	if (isdigit((unsigned char)*s))
		return take_number(&s, &p->index) ? s : NULL;
	if (!islower((unsigned char)*s))
		return NULL;
	for (; islower((unsigned char)*s) && p->index < 100000; s++) {
		if (*s == 'p' && p->index > 0 && isdigit((unsigned char)s[1]))
			break;
		p->index = p->index * 26 + (unsigned)(*s - 'a') + 1;
	}
	p->index--;
	return s;
}

/* A WWID: what page 0x83 says, with its type before it. */
static const char *
wwid_map(const char *s)
{
	size_t n = strspn(s, "0123456789abcdefABCDEF");

	if (n >= 33 && *s == '3')
		return s + 33;
	return n >= 17 && (*s == '3' || *s == '2') ? s + 17 : NULL;
}

/* "N", "pN", "-partN", "_partN" or nothing, to the end. */
static bool
take_map_number(const char *s, struct fy_device_name *p)
{
	if (*s == '\0')
		return true;
	if (strncmp(s, "-part", 5) == 0 || strncmp(s, "_part", 5) == 0)
		s += 5;
	else if (*s == 'p')
		s++;
	return take_number(&s, &p->number) && *s == '\0';
}

/* A multipath map by one of its names.  Names that multipath.conf gives can't be
 * told from those of other maps. */
static bool
parse_mpath(const char *name, struct fy_device_name *p)
{
	static const char *const before[] = { "mapper/", "mpath/",
					      "disk/by-id/dm-name-",
					      "disk/by-id/dm-uuid-mpath-" };
	static const char part[] = "disk/by-id/dm-uuid-part";
	const char *s = NULL, *end;
	size_t i;

	p->index = 0;
	p->number = 0;
	for (i = 0; i < sizeof(before) / sizeof(*before) && s == NULL; i++)
		if (strncmp(name, before[i], strlen(before[i])) == 0)
			s = name + strlen(before[i]);
	if (s == NULL && strncmp(name, part, sizeof(part) - 1) == 0) {
		s = name + sizeof(part) - 1;
		if (!take_number(&s, &p->number) ||
		    strncmp(s, "-mpath-", 7) != 0)
			return false;
		s += 7;
	}
	if (s == NULL)
		return false;
	end = friendly_map(s, p);
	if (end == NULL)
		end = wwid_map(s);
	if (end == NULL || (p->number > 0 && *end != '\0') ||
	    !take_map_number(end, p))
		return false;
	p->family = FY_DEVICE_MPATH;
	set_base(p, s, end);
	return true;
}

bool
fy_device_name_parse(const char *name, struct fy_device_name *p)
{
	memset(p, 0, sizeof(*p));
	if (strncmp(name, "/dev/", 5) != 0)
		return false;
	name += 5;
	return strlen(name) < FY_DEVICE_BASE_BYTES &&
	       (parse_mpath(name, p) || parse_by(name, p) ||
		parse_numbers(name, p) || parse_letters(name, p));
}

bool
fy_device_is_wwn(const char *s)
{
	size_t n = strspn(s, "0123456789abcdefABCDEF");

	return s[n] == '\0' && (n == 16 || n == 32);
}

const char *
fy_device_name_wwn(const struct fy_device_name *p)
{
	static const char *const before[] = { "disk/by-id/wwn-0x",
					      "disk/by-id/scsi-3",
					      "disk/by-id/cciss-3" };
	const char *s = NULL;
	size_t i;

	if (p->family == FY_DEVICE_MPATH && p->base[0] == '3')
		s = p->base + 1;
	for (i = 0; i < sizeof(before) / sizeof(*before) && s == NULL; i++)
		if (strncmp(p->base, before[i], strlen(before[i])) == 0)
			s = p->base + strlen(before[i]);
	return s != NULL && fy_device_is_wwn(s) ? s : NULL;
}

bool
fy_device_name_is_by_id(const struct fy_device_name *p, const char *kind)
{
	return p->family == FY_DEVICE_BY_ID &&
	       strncmp(p->base + 11, kind, strlen(kind)) == 0;
}

bool
fy_device_name_has_serial(const struct fy_device_name *p)
{
	if (fy_device_name_is_by_id(p, "nvme-"))
		return !fy_device_name_is_by_id(p, "nvme-eui.") &&
		       !fy_device_name_is_by_id(p, "nvme-uuid.") &&
		       !fy_device_name_is_by_id(p, "nvme-nvme.");
	return fy_device_name_is_by_id(p, "ata-") ||
	       fy_device_name_is_by_id(p, "scsi-S");
}
