/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The finished job in words: how much, where the files are, what to do next.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "p2v-client/dialog.h"

/* The texts of a list, one a line, with 'before' in front of each. */
static char *
lines(const json_t *list, const char *before, struct fy_error *err)
{
	char *text = strdup("");
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		char *more = NULL;

		if (text == NULL)
			break;
		if (!json_is_string(item))
			continue;
		more = fy_format(err, "%s%s%s\n", text, before,
				 json_string_value(item));
		free(text);
		text = more;
	}
	if (text == NULL)
		fy_error_nomem(err);
	return text;
}

char *
fy_dialog_result_text(const struct fy_client_options *o,
		      const struct fy_convert_result *r, struct fy_error *err)
{
	const char *xml = fy_json_string_or(r->done, "xml", NULL);
	fy_autofree char *files = NULL, *warnings = NULL, *next = NULL;
	char summary[256];

	fy_convert_summary(r, summary, sizeof(summary));
	files = lines(json_object_get(r->done, "files"), "  ", err);
	warnings = lines(json_object_get(r->done, "warnings"), "- ", err);
	next = xml == NULL ? fy_format(err, "%s", "")
			   : fy_format(err,
				       "Start it there with\n"
				       "  virsh define %s\n"
				       "  virsh start %s\n"
				       "Do not run it on the same network as "
				       "the physical machine.\n\n",
				       xml, o->name);
	if (files == NULL || warnings == NULL || next == NULL)
		return NULL;
	return fy_format(err, "%s\n\nFiles on %s:\n%s\n%s%s%s", summary,
			 fy_streq(o->server, "local") ? "this machine"
						      : o->server,
			 files, next,
			 warnings[0] != '\0' ? "Please note:\n" : "", warnings);
}
