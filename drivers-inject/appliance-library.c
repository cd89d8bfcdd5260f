/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libguestfs, loaded at run time: the live image and small servers do without
 * it and the hundreds of megabytes that it brings.
 */
#include "drivers-inject/appliance-internal.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

#define LIBRARY "libguestfs.so.0"

/* Written once, by 'load'. */
static struct fy_guestfs table;
static char problem[300];

/* POSIX wants this detour from an object's pointer to a function's. */
static bool
find(void *library, const char *name, void *ret)
{
	void *at = dlsym(library, name);

	*(void **)ret = at;
	if (at == NULL && problem[0] == '\0')
		snprintf(problem, sizeof(problem),
			 LIBRARY " is too old: it has no %s", name);
	return at != NULL;
}

static void
load(void)
{
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

	if (library == NULL) {
		snprintf(problem, sizeof(problem),
			 "libguestfs is not installed (packages libguestfs0 "
			 "and libguestfs-xfs)");
		return;
	}
#define FIND(name) find(library, "guestfs_" #name, &table.name);
	FY_GUESTFS_FUNCTIONS(FIND)
#undef FIND
}

const struct fy_guestfs *
fy_guestfs_load(struct fy_error *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load);
	if (problem[0] == '\0')
		return &table;
	fy_error_set(err, FY_E_NOTFOUND, 0, "%s", problem);
	return NULL;
}
