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

bool
fy_device_name_parse(const char *name, struct fy_device_name *p)
{
	memset(p, 0, sizeof(*p));
	if (strncmp(name, "/dev/", 5) != 0)
		return false;
	name += 5;
	return strlen(name) < FY_DEVICE_BASE_BYTES &&
	       (parse_by(name, p) || parse_numbers(name, p) ||
		parse_letters(name, p));
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
