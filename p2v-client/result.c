/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a conversion ended with, in words and as JSON, and small checks of what
 * people type.
 */
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "p2v-client/convert.h"

void
fy_convert_result_release(struct fy_convert_result *r)
{
	json_decref(r->done);
	json_decref(r->unreadable);
	json_decref(r->unreadable_files);
	r->done = r->unreadable = r->unreadable_files = NULL;
}

int
fy_convert_exit_status(const struct fy_convert_result *r,
		       enum fy_error_code code)
{
	if (code == FY_E_NONE && r->unreadable_bytes > 0)
		return FY_EXIT_RESCUED;
	return fy_error_exit_status(code);
}

const char *
fy_convert_advice(enum fy_error_code code)
{
	switch (code) {
	case FY_E_CONNECTION:
	case FY_E_CANCELLED:
		return "What has arrived is kept: the same command continues.";
	case FY_E_NOSPACE:
		return "Make room on the server, or choose another directory "
		       "with --to; the same command continues.";
	case FY_E_EXISTS:
		return "Choose another --name, or overwrite with --force.";
	case FY_E_BUSY:
		return "Wait until whoever uses it has finished, or end "
		       "that use (umount, swapoff, the other job).";
	case FY_E_AUTH:
		return "Check the user's name, the password or the key "
		       "(--identity, --password-file).";
	case FY_E_DIRTY:
		return "Shut the system down cleanly, check the filesystem, "
		       "or copy all of it with --allow-dirty.";
	case FY_E_VERSION:
		return "Install the same version of Ironferry on both sides.";
	case FY_E_DENIED:
		return "The server's administrator limits what this login may "
		       "do.";
	case FY_E_CORRUPT:
		return "Data were changed on the way or on a disk; nothing "
		       "wrong was kept. The same command continues.";
	case FY_E_IO:
		return "What has arrived is kept: when the cause is cured, "
		       "the same command continues.";
	case FY_E_UNREADABLE:
		return "What has arrived is kept: when it can be read again, "
		       "the same command continues; with --rescue, it goes on "
		       "without what can't be read, and lists it.";
	case FY_E_DIFFERENT:
		return "Do not use the image: the server's storage returns "
		       "other data than were written.";
	default:
		return "";
	}
}

static const char *
result_word(const struct fy_error *failure)
{
	if (failure == NULL || failure->code == FY_E_NONE)
		return "done";
	switch (fy_error_exit_status(failure->code)) {
	case FY_EXIT_DIFFERENT:
		return "different";
	case FY_EXIT_INTERRUPTED:
		return "interrupted";
	default:
		return "failed";
	}
}

json_t *
fy_convert_result_json(const struct fy_convert_result *r,
		       const struct fy_error *failure, struct fy_error *err)
{
	/* To the millisecond: more digits would only look precise. */
	double seconds = (double)(uint64_t)(r->seconds * 1e3) / 1e3;
	json_t *o;

	o = json_pack("{s:I, s:I, s:I, s:I, s:f, s:I, s:I, s:I, s:I, s:I, "
		      "s:s}",
		      "disk_bytes", (json_int_t)r->disk_bytes, "used_bytes",
		      (json_int_t)r->used_bytes, "sent_bytes",
		      (json_int_t)r->sent_bytes, "stored_bytes",
		      (json_int_t)r->stored_bytes, "seconds", seconds,
		      "units_total", (json_int_t)r->units_total, "units_sent",
		      (json_int_t)r->units_sent, "units_reused",
		      (json_int_t)r->units_reused, "reconnects",
		      (json_int_t)r->reconnects, "unreadable_bytes",
		      (json_int_t)r->unreadable_bytes, "result",
		      result_word(failure));
	if (o == NULL) {
		fy_error_nomem(err);
		return NULL;
	}
	json_object_set_new(o, "unreadable",
			    r->unreadable != NULL ? json_incref(r->unreadable)
						  : json_array());
	if (r->unreadable_files != NULL)
		json_object_set(o, "unreadable_files", r->unreadable_files);
	if (failure != NULL && failure->code != FY_E_NONE) {
		json_object_set_new(o, "error",
				    json_string(fy_error_name(failure->code)));
		json_object_set_new(o, "message", json_string(failure->msg));
	}
	if (r->done != NULL) {
		json_object_set(o, "files", json_object_get(r->done, "files"));
		json_object_set(o, "xml", json_object_get(r->done, "xml"));
		json_object_set(o, "warnings",
				json_object_get(r->done, "warnings"));
	}
	return o;
}

void
fy_convert_summary(const struct fy_convert_result *r, char *ret,
		   size_t ret_size)
{
	char disk[24], used[24], sent[24], stored[24];
	double rate = 0;
	size_t len;

	fy_format_bytes(r->disk_bytes, disk, sizeof(disk));
	fy_format_bytes(r->used_bytes, used, sizeof(used));
	fy_format_bytes(r->sent_bytes, sent, sizeof(sent));
	fy_format_bytes(r->stored_bytes, stored, sizeof(stored));
	if (r->seconds > 0)
		rate = (double)r->used_bytes / r->seconds / 1e6;
	snprintf(ret, ret_size,
		 "%s on disk, %s used, %s sent, %s stored, %.1f s, %.0f MB/s",
		 disk, used, sent, stored, r->seconds, rate);
	if (r->unreadable_bytes == 0)
		return;
	fy_format_bytes(r->unreadable_bytes, used, sizeof(used));
	len = strlen(ret);
	snprintf(ret + len, ret_size - len,
		 "\nUNREADABLE: %s could not be read and are zeros in the "
		 "image",
		 used);
}

int
fy_convert_parse_compress(const char *text, enum fy_compress_mode *ret,
			  int *ret_level, struct fy_error *err)
{
	const char *p;
	int level = 0;

	*ret_level = 1;
	if (strcmp(text, "auto") == 0) {
		*ret = FY_COMPRESS_AUTO;
		return 0;
	}
	if (strcmp(text, "none") == 0) {
		*ret = FY_COMPRESS_NONE;
		return 0;
	}
	if (strcmp(text, "zstd") == 0) {
		*ret = FY_COMPRESS_ZSTD;
		return 0;
	}
	if (strncmp(text, "zstd:", 5) == 0) {
		for (p = text + 5; *p >= '0' && *p <= '9' && level < 100; p++)
			level = level * 10 + (*p - '0');
		if (*p == '\0' && level >= 1 && level <= 19) {
			*ret = FY_COMPRESS_ZSTD;
			*ret_level = level;
			return 0;
		}
	}
	return fy_error_set(err, FY_E_USAGE, 0,
			    "'%s' is no compression; it is auto, none, zstd "
			    "or zstd:LEVEL (1 to 19)",
			    text);
}

static bool
is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9');
}

int
fy_convert_check_name(const char *name, struct fy_error *err)
{
	size_t i, len = strlen(name);
	bool ok = len >= 1 && len <= 100 && is_alnum(name[0]);

	for (i = 0; ok && i < len; i++)
		ok = is_alnum(name[i]) || strchr("._-", name[i]) != NULL;
	if (ok)
		return 0;
	return fy_error_set(err, FY_E_USAGE, 0,
			    "'%.120s' is no name: it has 1 to 100 letters, "
			    "digits, dots, underscores and hyphens, the first "
			    "one a letter or digit",
			    name);
}
