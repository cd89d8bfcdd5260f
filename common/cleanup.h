/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_CLEANUP_H
#define FY_CLEANUP_H

/*
 * Cleanup attributes: declared and initialised at the top of a scope, run on
 * every way out of it.  fy_steal_ptr and fy_steal_fd hand the value over.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Define fy_auto_NAME(): a cleanup function for variables of type 'type *'. */
#define FY_DEFINE_AUTO(name, type, func)                                       \
	static inline void fy_auto_##name(type **p)                            \
	{                                                                      \
		if (*p != NULL)                                                \
			func(*p);                                              \
	}

#define FY_AUTO(name) __attribute__((cleanup(fy_auto_##name)))

static inline void
fy_auto_free_fn(void *p)
{
	free(*(void **)p);
}

static inline void
fy_auto_fd_fn(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define fy_autofree __attribute__((cleanup(fy_auto_free_fn)))
#define fy_autofd   __attribute__((cleanup(fy_auto_fd_fn)))

FY_DEFINE_AUTO(stdio, FILE, fclose)
#define fy_autofile FY_AUTO(stdio)

static inline void *
fy_steal_ptr_fn(void *pp)
{
	void *p = *(void **)pp;

	*(void **)pp = NULL;
	return p;
}
#define fy_steal_ptr(pp) ((__typeof__(*(pp)))fy_steal_ptr_fn(pp))

static inline int
fy_steal_fd(int *fd)
{
	int f = *fd;

	*fd = -1;
	return f;
}

static inline pthread_mutex_t *
fy_lock_scope_enter(pthread_mutex_t *m)
{
	pthread_mutex_lock(m);
	return m;
}

static inline void
fy_lock_scope_leave(pthread_mutex_t **m)
{
	pthread_mutex_unlock(*m);
}

#define FY_CAT2(a, b) a##b
#define FY_CAT(a, b)  FY_CAT2(a, b)

/* Hold the mutex until the end of the scope. */
#define FY_LOCK_SCOPE(m)                                                       \
	__attribute__((cleanup(fy_lock_scope_leave), unused))                  \
	pthread_mutex_t *                                                      \
	FY_CAT(fy_lock_, __LINE__) = fy_lock_scope_enter(m)

#endif
