/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_DMI_H
#define FY_DMI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The structures of an SMBIOS table.  The bytes are the firmware's: lengths
 * are believed only within the table.
 */
struct fy_dmi {
	const unsigned char *table;
	size_t len;
	size_t next; /* where the next structure begins */
};

struct fy_dmi_structure {
	unsigned type, handle;
	const unsigned char *data; /* the formatted area, header included */
	size_t len;
	const unsigned char *texts;
	size_t texts_len; /* without the NUL NUL at the end */
};

/* The next one; false at the end, or where the table makes no sense. */
bool fy_dmi_next(struct fy_dmi *d, struct fy_dmi_structure *ret);

/* Numbers at 'at'; 'otherwise' when the structure is shorter. */
uint64_t fy_dmi_number(const struct fy_dmi_structure *s, size_t at,
		       unsigned bytes, uint64_t otherwise);

/* The text whose number is in the byte at 'at', without spaces around it;
 * NULL when there is none.  malloc'd. */
char *fy_dmi_text(const struct fy_dmi_structure *s, size_t at);

/* NULL instead of (the freed) 's' when it is what vendors write where nothing
 * was filled in.  NULL is fine. */
char *fy_dmi_drop_placeholder(char *s);

#endif
