/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Fuzz: the kernel command line and files of keys, against the live system's
 * tables, and URLs with words in braces.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/stop.h"
#include "p2v-client/client.h"
#include "p2v-client/live.h"
#include "p2v-client/options.h"

struct fy_stop fy_client_stop = { .fd = -1 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fy_client_options *o = calloc(1, sizeof(*o));
	char *text = malloc(size + 1), *url = NULL;
	struct fy_strings problems = { 0 };
	struct fy_error err = { .code = FY_E_NONE };

	if (o != NULL && text != NULL) {
		memcpy(text, data, size);
		text[size] = '\0';
		fy_keys_from_command_line(&fy_live_keys, "line", text, o,
					  &problems, &err);
		fy_keys_from_lines(&fy_live_keys, "file", text, o, &problems,
				   &err);
		if (problems.n > 20)
			abort();
		if (fy_live_expand_url("/nonexistent", text, text, &url,
				       &err) == 0)
			free(url);
		fy_options_release(fy_client_convert_table, o);
		fy_options_release(fy_client_common_table, o);
		fy_options_release(fy_live_table, o);
		fy_options_release(fy_live_key_table, o);
	}
	fy_strings_release(&problems);
	free(text);
	free(o);
	return 0;
}
