/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading fstab.
 */
#include <stdlib.h>
#include <string.h>

#include "drivers-inject/linux-edit-internal.h"
#include "drivers-inject/linux-edit.h"

#define MAX_LINES 100000u

/* \040 and the like. */
static char *
unescape(const char *s, size_t len)
{
	char *to = malloc(len + 1), *p = to;
	size_t i;

	if (to == NULL)
		return NULL;
	for (i = 0; i < len; i++) {
		if (s[i] == '\\' && i + 3 < len && s[i + 1] >= '0' &&
		    s[i + 1] <= '3' && s[i + 2] >= '0' && s[i + 2] <= '7' &&
		    s[i + 3] >= '0' && s[i + 3] <= '7') {
			*p++ = (char)((s[i + 1] - '0') * 64 +
				      (s[i + 2] - '0') * 8 + (s[i + 3] - '0'));
			i += 3;
		} else {
			*p++ = s[i];
		}
	}
	*p = '\0';
	return to;
}

void
fy_fstab_free(struct fy_fstab_line *lines, size_t n)
{
	size_t k;

	while (n-- > 0)
		for (k = 0; k < 4; k++)
			free(lines[n].fields[k]);
	free(lines);
}

static int
add_fstab(struct fy_fstab_line **lines, size_t *n, const struct field *f,
	  size_t n_fields, struct fy_error *err)
{
	struct fy_fstab_line *grown;
	size_t k;

	if (*n == MAX_LINES)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "fstab has too many lines");
	grown = reallocarray(*lines, *n + 1, sizeof(*grown));
	if (grown == NULL)
		return fy_error_nomem(err);
	*lines = grown;
	memset(&grown[*n], 0, sizeof(*grown));
	(*n)++;
	for (k = 0; k < 4; k++) {
		grown[*n - 1].fields[k] = k < n_fields
						  ? unescape(f[k].at, f[k].len)
						  : strdup("defaults");
		if (grown[*n - 1].fields[k] == NULL)
			return fy_error_nomem(err);
	}
	return 0;
}

int
fy_fstab_parse(const char *text, size_t len, struct fy_fstab_line **ret,
	       size_t *ret_n, struct fy_error *err)
{
	const char *line, *end = text + len, *nl;
	struct fy_fstab_line *lines = NULL;
	struct field f[4];
	size_t n = 0, fields;

	for (line = text; line < end; line = nl) {
		nl = memchr(line, '\n', (size_t)(end - line));
		nl = nl == NULL ? end : nl + 1;
		fields = split(line, nl, f, 4);
		if (fields < 3 || f[0].at[0] == '#')
			continue;
		if (add_fstab(&lines, &n, f, fields, err) == -1) {
			fy_fstab_free(lines, n);
			return -1;
		}
	}
	*ret = lines;
	*ret_n = n;
	return 0;
}
