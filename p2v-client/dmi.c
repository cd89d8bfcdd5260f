/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Walking an SMBIOS table.
 */
#include "p2v-client/dmi.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define END_OF_TABLE 127
#define HEADER	     4

bool
fy_dmi_next(struct fy_dmi *d, struct fy_dmi_structure *ret)
{
	const unsigned char *s = d->table + d->next;
	size_t left = d->len - d->next, at;

	if (left < HEADER || s[1] < HEADER || s[1] > left ||
	    s[0] == END_OF_TABLE)
		return false;
	ret->type = s[0];
	ret->handle = (unsigned)s[2] | (unsigned)s[3] << 8;
	ret->data = s;
	ret->len = s[1];
	/* Behind the structure come its texts, ended by two NULs; a table that
	 * is cut in them ends here. */
	for (at = ret->len; left - at >= 2 && (s[at] != 0 || s[at + 1] != 0);)
		at++;
	ret->texts = s + ret->len;
	ret->texts_len = at - ret->len;
	d->next += left - at >= 2 ? at + 2 : left;
	return true;
}

uint64_t
fy_dmi_number(const struct fy_dmi_structure *s, size_t at, unsigned bytes,
	      uint64_t otherwise)
{
	uint64_t v = 0;

	if (at + bytes > s->len)
		return otherwise;
	while (bytes-- > 0)
		v = v << 8 | s->data[at + bytes];
	return v;
}

char *
fy_dmi_text(const struct fy_dmi_structure *s, size_t at)
{
	unsigned number = (unsigned)fy_dmi_number(s, at, 1, 0);
	size_t from = 0, to;

	if (number == 0)
		return NULL;
	for (; --number > 0; from++)
		while (from < s->texts_len && s->texts[from] != 0)
			from++;
	if (from >= s->texts_len)
		return NULL;
	for (to = from; to < s->texts_len && s->texts[to] != 0;)
		to++;
	while (from < to && s->texts[from] == ' ')
		from++;
	while (from < to && s->texts[to - 1] == ' ')
		to--;
	return from == to ? NULL
			  : strndup((const char *)s->texts + from, to - from);
}

char *
fy_dmi_drop_placeholder(char *s)
{
	static const char *const placeholders[] = {
		"To Be Filled By O.E.M.",
		"Default string",
		"System Serial Number",
		"System Product Name",
		"System manufacturer",
		"System Version",
		"System SKU",
		"SKU",
		"Base Board Serial Number",
		"Chassis Serial Number",
		"Asset-1234567890",
		"No Asset Tag",
		"No Asset Information",
		"Asset Tag",
		"Not Specified",
		"Not Applicable",
		"Not Available",
		"Not Provided",
		"No Module Installed",
		"Module Manufacturer",
		"NO DIMM",
		"None",
		"N/A",
		"NA",
		"0",
		"00000000",
		"0x00000000",
		"0123456789",
		"123456789",
		"1234567890",
		"OEM",
		"Empty",
		"Undefined",
		"Unknown",
		"[Empty]",
		"x.x",
	};
	size_t i;

	for (i = 0;
	     s != NULL && i < sizeof(placeholders) / sizeof(placeholders[0]);
	     i++) {
		if (strcasecmp(s, placeholders[i]) == 0) {
			free(s);
			return NULL;
		}
	}
	return s;
}
