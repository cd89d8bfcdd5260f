/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who uses a block device: mounts and swap of this system, on the device, on
 * its partitions, and on what the kernel has built on them (device-mapper, md,
 * bcache: the 'holders' of sysfs, followed upwards).
 */
#include "p2v-client/block.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "p2v-client/sysfs.h"

#define CLASS	  "/sys/class/block"
#define MAX_DEPTH 8

/* Undo the kernel's "\040" for a space, in place. */
static void
unescape(char *s)
{
	char *to = s;

	for (; *s != '\0'; s++, to++) {
		if (s[0] == '\\' && isdigit((unsigned char)s[1]) &&
		    isdigit((unsigned char)s[2]) &&
		    isdigit((unsigned char)s[3])) {
			*to = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 +
				     (s[3] - '0'));
			s += 3;
		} else {
			*to = *s;
		}
	}
	*to = '\0';
}

/* Where 'name' is mounted.  The line: "36 35 98:0 /root /mnt opts ... - ext4
 * /dev/sda1 opts"; Btrfs has a number of its own, so its source counts too. */
static char *
mounted_on(const char *root, const char *name)
{
	fy_autofree char *text = fy_sys_text(root, "/proc/self/mountinfo");
	fy_autofree char *dev = fy_sys_line(root, CLASS "/%s/dev", name);
	char *line, *next, *rest, *point, *number, *source;

	for (line = text; line != NULL; line = next) {
		fy_autofree char *of = NULL;

		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		rest = strstr(line, " - ");
		strtok_r(line, " ", &line);
		strtok_r(NULL, " ", &line);
		number = strtok_r(NULL, " ", &line);
		strtok_r(NULL, " ", &line);
		point = strtok_r(NULL, " ", &line);
		if (point == NULL || rest == NULL)
			continue;
		rest += 3;
		strtok_r(rest, " ", &rest);
		source = strtok_r(NULL, " ", &rest);
		if (source != NULL && source[0] == '/')
			of = fy_block_name(root, source);
		if (fy_streq(number, dev) || fy_streq(of, name)) {
			unescape(point);
			return strdup(point);
		}
	}
	return NULL;
}

static bool
is_swap(const char *root, const char *name)
{
	fy_autofree char *text = fy_sys_text(root, "/proc/swaps");
	char *line, *next;

	for (line = text; line != NULL; line = next) {
		fy_autofree char *of = NULL;

		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		line[strcspn(line, " \t")] = '\0';
		if (line[0] == '/')
			of = fy_block_name(root, line);
		if (of != NULL && strcmp(of, name) == 0)
			return true;
	}
	return false;
}

static char *use_of(const char *root, const char *name, unsigned depth);

/* A holder that nothing is mounted from: what it is, how to let go. */
static char *
idle_holder(const char *root, const char *holder)
{
	fy_autofree char *uuid = fy_sys_line(root, CLASS "/%s/dm/uuid", holder);
	fy_autofree char *name = fy_sys_line(root, CLASS "/%s/dm/name", holder);
	const char *shown = name == NULL ? holder : name;
	struct fy_error err = { 0 };

	if (uuid != NULL && strncmp(uuid, "LVM-", 4) == 0)
		return fy_format(&err,
				 "held by the LVM volume '%s' (deactivate its "
				 "group: vgchange -an)",
				 shown);
	if (uuid != NULL && strncmp(uuid, "mpath-", 6) == 0)
		return fy_format(&err,
				 "held by the multipath device '%s' (remove "
				 "it: multipath -f %s)",
				 shown, shown);
	if (uuid != NULL && strncmp(uuid, "CRYPT-", 6) == 0)
		return fy_format(&err,
				 "held by the encrypted volume '%s' (close "
				 "it: cryptsetup close %s)",
				 shown, shown);
	if (strncmp(holder, "md", 2) == 0)
		return fy_format(&err,
				 "held by the array %s (stop it: mdadm --stop "
				 "/dev/%s)",
				 holder, holder);
	return fy_format(&err, "held by the device '%s'", shown);
}

static char *
use_of_holders(const char *root, const char *name, unsigned depth)
{
	fy_autofree char *dm = NULL, *dir = NULL, *use = NULL;
	struct fy_strings holders = { 0 };
	struct fy_error err = { 0 };
	char *found = NULL;
	size_t i;

	dir = fy_format(&err, CLASS "/%s/holders", name);
	if (dir != NULL)
		fy_sys_list(root, dir, &holders, &err);
	for (i = 0; i < holders.n && found == NULL; i++) {
		const char *holder = holders.items[i];

		use = use_of(root, holder, depth + 1);
		dm = fy_sys_line(root, CLASS "/%s/dm/name", holder);
		/* "(...)" is advice about the lowest holder already. */
		if (use != NULL && strchr(use, '(') == NULL)
			found = fy_format(&err, "held by '%s', which is %s",
					  dm == NULL ? holder : dm, use);
		else if (use != NULL)
			found = fy_steal_ptr(&use);
		else
			found = idle_holder(root, holder);
	}
	fy_strings_release(&holders);
	return found;
}

static char *
use_of_partitions(const char *root, const char *name, unsigned depth)
{
	fy_autofree char *dir = NULL, *use = NULL;
	struct fy_strings entries = { 0 };
	struct fy_error err = { 0 };
	char *found = NULL;
	size_t i;

	dir = fy_format(&err, CLASS "/%s", name);
	if (dir != NULL)
		fy_sys_list(root, dir, &entries, &err);
	for (i = 0; i < entries.n && found == NULL; i++) {
		const char *part = entries.items[i];

		if (!fy_sys_exists(root, CLASS "/%s/%s/partition", name, part))
			continue;
		use = use_of(root, part, depth + 1);
		if (use != NULL)
			found = fy_format(&err, "partition %s is %s", part,
					  use);
	}
	fy_strings_release(&entries);
	return found;
}

static char *
use_of(const char *root, const char *name, unsigned depth)
{
	struct fy_error err = { 0 };
	fy_autofree char *point = NULL;
	char *found;

	if (depth > MAX_DEPTH)
		return strdup("part of something built too deep to follow");
	point = mounted_on(root, name);
	if (point != NULL)
		return fy_format(&err, "mounted on %s", point);
	if (is_swap(root, name))
		return strdup("used as swap");
	found = use_of_partitions(root, name, depth);
	return found != NULL ? found : use_of_holders(root, name, depth);
}

char *
fy_block_in_use(const char *root, const char *name)
{
	return use_of(root, name, 0);
}
