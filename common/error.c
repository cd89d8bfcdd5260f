/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The error object: a code, an errno and a message in fixed storage.  Messages
 * quote foreign names, so they are made printable here, for all who show them.
 */
#include "common/error.h"

#include <stdio.h>
#include <string.h>

#include "common/printable.h"

static const char *const names[FY_E_CODES] = {
	[FY_E_NONE] = "none",
	[FY_E_IO] = "io",
	[FY_E_FORMAT] = "format",
	[FY_E_UNSUPPORTED] = "unsupported",
	[FY_E_DIRTY] = "dirty",
	[FY_E_CANCELLED] = "cancelled",
	[FY_E_NOMEM] = "nomem",
	[FY_E_USAGE] = "usage",
	[FY_E_EXISTS] = "exists",
	[FY_E_NOTFOUND] = "notfound",
	[FY_E_BUSY] = "busy",
	[FY_E_NOSPACE] = "nospace",
	[FY_E_AUTH] = "auth",
	[FY_E_HOSTKEY] = "hostkey",
	[FY_E_PROTOCOL] = "protocol",
	[FY_E_VERSION] = "version",
	[FY_E_CORRUPT] = "corrupt",
	[FY_E_DENIED] = "denied",
	[FY_E_CONNECTION] = "connection",
	[FY_E_CHILD] = "child",
	[FY_E_DIFFERENT] = "different",
	[FY_E_UNREADABLE] = "unreadable",
};

int
fy_error_set(struct fy_error *err, enum fy_error_code code, int sys_errno,
	     const char *fmt, ...)
{
	va_list ap;
	size_t used;

	if (err == NULL || err->code != FY_E_NONE)
		return -1;
	err->code = code;
	err->sys_errno = sys_errno;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	if (sys_errno != 0) {
		char text[128];

		used = strlen(err->msg);
		snprintf(err->msg + used, sizeof(err->msg) - used, ": %s",
			 strerror_r(sys_errno, text, sizeof(text)));
	}
	fy_make_printable(err->msg);
	return -1;
}

int
fy_error_copy(struct fy_error *err, const struct fy_error *from)
{
	if (err != NULL && err->code == FY_E_NONE)
		*err = *from;
	return -1;
}

int
fy_error_prefix(struct fy_error *err, const char *fmt, ...)
{
	char old[sizeof(err->msg)];
	va_list ap;
	size_t used;

	if (err == NULL || err->code == FY_E_NONE)
		return -1;
	memcpy(old, err->msg, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	used = strlen(err->msg);
	snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", old);
	fy_make_printable(err->msg);
	return -1;
}

void
fy_error_clear(struct fy_error *err)
{
	memset(err, 0, sizeof(*err));
}

const char *
fy_error_name(enum fy_error_code code)
{
	if ((unsigned)code >= FY_E_CODES || names[code] == NULL)
		return "unknown";
	return names[code];
}

enum fy_error_code
fy_error_code_of_name(const char *name)
{
	unsigned i;

	for (i = 0; i < FY_E_CODES; i++)
		if (names[i] != NULL && strcmp(names[i], name) == 0)
			return (enum fy_error_code)i;
	return FY_E_IO;
}

int
fy_error_exit_status(enum fy_error_code code)
{
	switch (code) {
	case FY_E_NONE:
		return FY_EXIT_DONE;
	case FY_E_USAGE:
		return FY_EXIT_USAGE;
	case FY_E_DIFFERENT:
		return FY_EXIT_DIFFERENT;
	case FY_E_CANCELLED:
	case FY_E_CONNECTION:
		return FY_EXIT_INTERRUPTED;
	default:
		return FY_EXIT_FAILED;
	}
}

int
fy_error_nomem(struct fy_error *err)
{
	return fy_error_set(err, FY_E_NOMEM, 0, "out of memory");
}
