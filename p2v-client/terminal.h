/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_TERMINAL_H
#define FY_TERMINAL_H

#include <stdbool.h>

/*
 * Questions on the controlling terminal, for struct fy_server_options.  'ctx'
 * is not used.
 */
bool fy_terminal_is_there(void);
bool fy_terminal_ask_host_key(void *ctx, const char *host, const char *type,
			      const char *fingerprint);
char *fy_terminal_ask_password(void *ctx, const char *prompt, bool echo);

#endif
