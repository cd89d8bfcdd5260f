/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * PCI functions: where they sit, their numbers, and their names.
 *
 * pci.ids is a list of vendors; below each, with one tab, its devices; below
 * those, with two tabs, the subsystems, which are what a server's maker calls
 * a card.  It is read only when udev's database lacks a name.
 */
#include "p2v-client/pci.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "p2v-client/sysfs.h"

#define DEVICES "/sys/bus/pci/devices"

struct fy_pci_names {
	const char *root;
	char *ids;
	bool looked;
};

/* "0000:02:00.0"; domains of VMD controllers have five digits. */
static bool
is_address(const char *s)
{
	static const char form[] = "xx:xx.x";
	size_t domain = strspn(s, "0123456789abcdef"), i;

	if (domain < 4 || domain > 8 || s[domain] != ':')
		return false;
	for (s += domain + 1, i = 0; i < sizeof(form) - 1; i++)
		if (form[i] == 'x' ? !isxdigit((unsigned char)s[i])
				   : s[i] != form[i])
			return false;
	return s[i] == '\0';
}

bool
fy_pci_on_path(const char *path, char ret[FY_PCI_BYTES])
{
	fy_autofree char *copy = strdup(path);
	char *slash;

	while (copy != NULL && (slash = strrchr(copy, '/')) != NULL) {
		if (is_address(slash + 1)) {
			snprintf(ret, FY_PCI_BYTES, "%s", slash + 1);
			return true;
		}
		*slash = '\0';
	}
	return false;
}

char *
fy_pci_id(const char *root, const char *address, const char *prefix)
{
	uint64_t vendor, device;
	struct fy_error err = { 0 };

	vendor =
		fy_sys_number(root, 0, DEVICES "/%s/%svendor", address, prefix);
	device =
		fy_sys_number(root, 0, DEVICES "/%s/%sdevice", address, prefix);
	if (vendor == 0 || vendor >= 0xffff || device > 0xffff)
		return NULL;
	return fy_format(&err, "%04x:%04x", (unsigned)vendor, (unsigned)device);
}

struct fy_pci_names *
fy_pci_names_new(const char *root, struct fy_error *err)
{
	struct fy_pci_names *n = calloc(1, sizeof(*n));

	if (n == NULL)
		fy_error_nomem(err);
	else
		n->root = root;
	return n;
}

void
fy_pci_names_free(struct fy_pci_names *n)
{
	if (n == NULL)
		return;
	free(n->ids);
	free(n);
}

/* "E:KEY=value" */
static char *
udev_line(const char *text, const char *key)
{
	fy_autofree char *start = fy_format(NULL, "E:%s=", key);
	const char *at = start == NULL ? NULL : strstr(text, start);

	if (at == NULL || (at != text && at[-1] != '\n'))
		return NULL;
	at += strlen(start);
	return *at == '\n' || *at == '\0' ? NULL
					  : strndup(at, strcspn(at, "\n"));
}

static char *
name_of_udev(const char *root, const char *address)
{
	fy_autofree char *text =
		fy_sys_text(root, "/run/udev/data/+pci:%s", address);
	fy_autofree char *vendor = NULL, *model = NULL;

	if (text == NULL)
		return NULL;
	vendor = udev_line(text, "ID_VENDOR_FROM_DATABASE");
	model = udev_line(text, "ID_MODEL_FROM_DATABASE");
	if (model == NULL)
		return NULL;
	return fy_format(NULL, "%s%s%s", vendor == NULL ? "" : vendor,
			 vendor == NULL ? "" : " ", model);
}

/* The next line of pci.ids with at least that many tabs; NULL when one with
 * fewer comes first, or the end. */
static const char *
next_below(const char *line, size_t tabs)
{
	while ((line = strchr(line, '\n')) != NULL) {
		line++;
		if (*line == '#' || *line == '\n')
			continue;
		return strspn(line, "\t") >= tabs && *line != '\0' ? line
								   : NULL;
	}
	return NULL;
}

/* The entry "ID  name" with just 'tabs' tabs, from 'line' on. */
static const char *
find_entry(const char *line, const char *id, size_t tabs)
{
	size_t len = strlen(id);

	for (; line != NULL; line = next_below(line, tabs)) {
		const char *at = line + tabs;

		/* One with more tabs has a tab there. */
		if (strncmp(at, id, len) == 0 && at[len] == ' ')
			return line;
	}
	return NULL;
}

/* The length of an entry's name, which begins at '*ret'. */
static int
entry_name(const char *line, size_t skip, const char **ret)
{
	size_t len;

	*ret = line + skip;
	*ret += strspn(*ret, " ");
	len = strcspn(*ret, "\n");
	return len > 200 ? 200 : (int)len;
}

static char *
name_of_ids(const char *ids, const char *id, const char *subsystem)
{
	const char *vendor, *device, *card, *vendor_name, *name, *card_name;
	char vendor_id[5], device_id[5], card_id[10];
	int vendor_len, len, card_len;

	snprintf(vendor_id, sizeof(vendor_id), "%.4s", id);
	snprintf(device_id, sizeof(device_id), "%.4s", id + 5);
	vendor = find_entry(ids, vendor_id, 0);
	if (vendor == NULL)
		return NULL;
	device = next_below(vendor, 1);
	device = device == NULL ? NULL : find_entry(device, device_id, 1);
	if (device == NULL)
		return NULL;
	vendor_len = entry_name(vendor, 4, &vendor_name);
	len = entry_name(device, 5, &name);
	if (subsystem != NULL && (card = next_below(device, 2)) != NULL) {
		snprintf(card_id, sizeof(card_id), "%.4s %.4s", subsystem,
			 subsystem + 5);
		card = find_entry(card, card_id, 2);
		if (card != NULL) {
			card_len = entry_name(card, 11, &card_name);
			return fy_format(NULL, "%.*s %.*s (%.*s)", vendor_len,
					 vendor_name, len, name, card_len,
					 card_name);
		}
	}
	return fy_format(NULL, "%.*s %.*s", vendor_len, vendor_name, len, name);
}

char *
fy_pci_name(struct fy_pci_names *n, const char *address)
{
	fy_autofree char *id = NULL, *subsystem = NULL;
	char *name = name_of_udev(n->root, address);

	if (name != NULL)
		return name;
	id = fy_pci_id(n->root, address, "");
	subsystem = fy_pci_id(n->root, address, "subsystem_");
	if (id == NULL)
		return NULL;
	if (!n->looked) {
		n->looked = true;
		n->ids = fy_sys_text(n->root, "/usr/share/misc/pci.ids");
		if (n->ids == NULL)
			n->ids = fy_sys_text(n->root,
					     "/usr/share/hwdata/pci.ids");
	}
	return n->ids == NULL ? NULL : name_of_ids(n->ids, id, subsystem);
}
