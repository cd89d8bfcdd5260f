/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "v2v-server/windows-zone.h"

#include <stdlib.h>
#include <string.h>
#include <unicode/ucal.h>
#include <unicode/putil.h>

#include "common/cleanup.h"

#define NAME_MAX_UNITS 128

int
fy_windows_zone(const char *name, char **ret, struct fy_error *err)
{
	UChar from[NAME_MAX_UNITS], to[NAME_MAX_UNITS];
	UErrorCode status = U_ZERO_ERROR;
	int32_t len, i;
	size_t n = strlen(name);
	fy_autofree char *text = NULL;

	*ret = NULL;
	if (n >= NAME_MAX_UNITS)
		return 0;
	/* ICU knows English names, and wants nothing else here. */
	for (i = 0; i < (int32_t)n; i++)
		if (name[i] < ' ' || name[i] > '~')
			return 0;
	u_charsToUChars(name, from, (int32_t)n);
	len = ucal_getTimeZoneIDForWindowsID(from, (int32_t)n, NULL, to,
					     NAME_MAX_UNITS, &status);
	if (U_FAILURE(status) || len <= 0 || len >= NAME_MAX_UNITS)
		return 0;
	text = calloc((size_t)len + 1, 1);
	if (text == NULL)
		return fy_error_nomem(err);
	for (i = 0; i < len; i++) {
		if (to[i] <= ' ' || to[i] > '~')
			return 0;
		text[i] = (char)to[i];
	}
	*ret = fy_steal_ptr(&text);
	return 0;
}
