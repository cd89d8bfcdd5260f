/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sinks: the table of formats, and the checks that all of them share.
 */
#include "imaging/sink.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"

#define MAX_DISK_BYTES (UINT64_C(1) << 60)

static const struct fy_sink_driver *const drivers[] = {
	&fy_sink_driver_raw,
	&fy_sink_driver_qcow2,
};
#define N_DRIVERS (sizeof(drivers) / sizeof(drivers[0]))

const struct fy_sink_driver *
fy_sink_driver_find(const char *format, struct fy_error *err)
{
	char names[128] = "";
	size_t i, used = 0;

	for (i = 0; i < N_DRIVERS; i++) {
		if (fy_streq(drivers[i]->format, format))
			return drivers[i];
		used += (size_t)snprintf(names + used, sizeof(names) - used,
					 "%s%s", i > 0 ? ", " : "",
					 drivers[i]->format);
		assert(used < sizeof(names));
	}
	fy_error_set(err, FY_E_UNSUPPORTED, 0,
		     "the image format '%.40s' cannot be written (there are "
		     "%s)",
		     format != NULL ? format : "", names);
	return NULL;
}

int
fy_sink_plan(const struct fy_sink_params *params, uint32_t *unit_bytes,
	     enum fy_codec *codec, int *level, unsigned *window_bits,
	     struct fy_error *err)
{
	const struct fy_sink_driver *driver;

	driver = fy_sink_driver_find(params->format, err);
	if (driver == NULL)
		return -1;
	if (params->disk_bytes == 0 || params->disk_bytes > MAX_DISK_BYTES)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "a disk of %llu bytes cannot be stored",
				    (unsigned long long)params->disk_bytes);
	if ((unsigned)params->compressed > FY_CODEC_DEFLATE)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "there is no codec %u",
				    (unsigned)params->compressed);
	return driver->plan(params, unit_bytes, codec, level, window_bits, err);
}

struct fy_sink *
fy_sink_open(const struct fy_sink_params *params, int fd, uint64_t end,
	     struct fy_error *err)
{
	fy_autofd int own = fd;
	unsigned window_bits;
	enum fy_codec codec;
	struct fy_sink *s;
	uint32_t unit;
	struct stat st;
	int level;

	if (fy_sink_plan(params, &unit, &codec, &level, &window_bits, err) ==
	    -1)
		return NULL;
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
		fy_error_set(err, FY_E_UNSUPPORTED, 0,
			     "an image can be written to a regular file only");
		return NULL;
	}
	s = calloc(1, sizeof(*s));
	if (s == NULL) {
		fy_error_nomem(err);
		return NULL;
	}
	s->driver = fy_sink_driver_find(params->format, err);
	s->params = *params;
	s->params.format = s->driver->format;
	s->unit_bytes = unit;
	s->fd = fy_steal_fd(&own);
	if (s->driver->open(s, end, err) == -1) {
		fy_sink_free(s);
		return NULL;
	}
	return s;
}

int
fy_sink_write(struct fy_sink *s, const struct fy_sink_unit *u,
	      struct fy_place *ret, struct fy_error *err)
{
	uint64_t units = (s->params.disk_bytes - 1) / s->unit_bytes + 1;
	const unsigned char *raw = u->raw;
	uint64_t room;

	if (u->index >= units)
		return fy_error_set(err, FY_E_PROTOCOL, 0,
				    "unit %llu is behind the disk's end",
				    (unsigned long long)u->index);
	room = s->params.disk_bytes - u->index * s->unit_bytes;
	if (room < s->unit_bytes &&
	    !fy_is_zero(raw + room, s->unit_bytes - (size_t)room))
		return fy_error_set(err, FY_E_PROTOCOL, 0,
				    "the last unit has data behind the disk's "
				    "end");
	return s->driver->write(s, u, ret, err);
}

int
fy_sink_forget(struct fy_sink *s, uint64_t index, const struct fy_place *old,
	       struct fy_error *err)
{
	return s->driver->forget(s, index, old, err);
}

int
fy_sink_sync(struct fy_sink *s, struct fy_error *err)
{
	return fy_fd_datasync(s->fd, err);
}

int
fy_sink_finish(struct fy_sink *s,
	       int (*next)(void *ctx, uint64_t *index, struct fy_place *place,
			   struct fy_error *err),
	       void *ctx, struct fy_error *err)
{
	return s->driver->finish(s, next, ctx, err);
}

void
fy_sink_free(struct fy_sink *s)
{
	if (s == NULL)
		return;
	if (s->driver->free != NULL)
		s->driver->free(s);
	close(s->fd);
	free(s);
}
