/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is kept from one connection to the next.
 */
#include "p2v-client/server-memory.h"

#include <stdlib.h>
#include <string.h>

static void
wipe(char **secret)
{
	if (*secret != NULL)
		explicit_bzero(*secret, strlen(*secret));
	free(*secret);
	*secret = NULL;
}

void
fy_server_memory_release(struct fy_server_memory *m)
{
	wipe(&m->password);
	wipe(&m->passphrase);
	free(m->key_path);
	free(m->host_key);
	memset(m, 0, sizeof(*m));
}
