/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Commands of the user's around an unattended run, and the end of it.
 *
 * A hook is the one place where a shell is wanted: it is the user's text, and
 * comes from the kernel command line or a file that the user named.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/file.h"
#include "common/subprocess.h"
#include "p2v-client/live.h"

int
fy_live_hook(struct fy_live *l, const char *text, const char *result,
	     int status, const char *name, struct fy_error *err)
{
	fy_autofree char *env_result = NULL, *env_exit = NULL, *env_name = NULL;
	struct fy_subprocess child = { 0 };

	if (text == NULL)
		return 0;
	env_result = fy_format(err, "FY_RESULT=%s", result);
	env_exit = fy_format(err, "FY_EXIT=%d", status);
	env_name = fy_format(err, "FY_NAME=%s", name != NULL ? name : "");
	if (env_result == NULL || env_exit == NULL || env_name == NULL)
		return -1;
	{
		const char *const argv[] = { "env",    env_result, env_exit,
					     env_name, "/bin/sh",  "-c",
					     text,     NULL };

		fy_live_say(l, "Running: %s", text);
		if (fy_subprocess_start(argv, 0, 1, -1, &child, err) == -1)
			return -1;
	}
	return fy_subprocess_wait(&child, err);
}

int
fy_live_power(struct fy_live *l, enum fy_live_then then, struct fy_error *err)
{
	const char *word = then == FY_LIVE_POWEROFF ? "poweroff" : "reboot";
	const char *program = l->o->live.power_command;
	const char *const by_systemd[] = { "systemctl", "--no-block", word,
					   NULL };
	const char *const by_program[] = { program, word, NULL };

	if (then == FY_LIVE_SHELL)
		return 0;
	/* systemd would do it, too, but would not tell anybody. */
	if (fy_live_release_target(l, err) == -1)
		return -1;
	fy_live_say(l, "The machine will now %s.",
		    then == FY_LIVE_POWEROFF ? "be switched off" : "reboot");
	return fy_subprocess_run(program != NULL ? by_program : by_systemd,
				 NULL, NULL, err);
}
