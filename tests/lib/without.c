/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * without landlock|seccomp COMMAND...: run it as a kernel without that would, by
 * a filter that answers ENOSYS.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int r = -1;

	if (ctx == NULL || argc < 3)
		return 99;
	if (strcmp(argv[1], "landlock") == 0) {
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS),
				     SCMP_SYS(landlock_create_ruleset), 0);
	} else if (strcmp(argv[1], "seccomp") == 0) {
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS),
				     SCMP_SYS(seccomp), 0);
		if (r == 0)
			r = seccomp_rule_add(
				ctx, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(prctl), 1,
				SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP));
	}
	if (r != 0 || seccomp_load(ctx) != 0)
		return 99;
	execvp(argv[2], argv + 2);
	return 99;
}
