/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The stop token: a flag for loops and a descriptor for poll().
 */
#include "common/stop.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int
fy_stop_init(struct fy_stop *s, struct fy_error *err)
{
	atomic_init(&s->raised, false);
	s->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->fd == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot make an event descriptor");
	return 0;
}

void
fy_stop_release(struct fy_stop *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

void
fy_stop_raise(struct fy_stop *s)
{
	uint64_t one = 1;
	int saved = errno;

	atomic_store(&s->raised, true);
	if (s->fd >= 0 && write(s->fd, &one, sizeof(one)) == -1) {
		/* Full means that it is readable already. */
	}
	errno = saved;
}

int
fy_stop_check(const struct fy_stop *s, struct fy_error *err)
{
	if (!fy_stop_is_raised(s))
		return 0;
	return fy_error_set(err, FY_E_CANCELLED, 0, "cancelled");
}
