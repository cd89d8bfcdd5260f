/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "common/worker-frames.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/file.h"

#define HEAD	  8u
#define MAX_LINES 100000u

static const uint32_t most[] = {
	[FY_FRAME_LOG] = 4 + FY_FRAME_MAX_LINE,
	[FY_FRAME_LEAVES] = 1024,
	[FY_FRAME_RESULT] = FY_FRAME_MAX_RESULT,
	[FY_FRAME_ERROR] = 8 + sizeof(((struct fy_error *)0)->msg) - 1,
};

int
fy_frame_send(int fd, enum fy_frame type, const void *a, size_t a_len,
	      const void *b, size_t b_len, struct fy_error *err)
{
	unsigned char head[HEAD];

	fy_put_le32(head, type);
	fy_put_le32(head + 4, (uint32_t)(a_len + b_len));
	if (fy_fd_write_full(fd, head, HEAD, err) == -1 ||
	    fy_fd_write_full(fd, a, a_len, err) == -1 ||
	    fy_fd_write_full(fd, b, b_len, err) == -1)
		return -1;
	return 0;
}

int
fy_frames_broken(const struct fy_frames *f, const char *how,
		 struct fy_error *err)
{
	return fy_error_set(err, FY_E_CHILD, 0,
			    "%s: its process does not behave (%s)", f->what,
			    how);
}

static int
take_log(struct fy_frames *f, const char *data, size_t len,
	 struct fy_error *err)
{
	int n = (int)(len - 4);

	if (len < 4 || memchr(data + 4, '\0', len - 4) != NULL)
		return fy_frames_broken(f, "a line that is none", err);
	if (f->n_lines++ == MAX_LINES)
		return fy_frames_broken(f, "it talks too much", err);
	switch (fy_get_le32(data)) {
	case FY_LOG_ERROR:
		fy_log_error(f->log, "%.*s", n, data + 4);
		break;
	case FY_LOG_WARN:
		fy_log_warn(f->log, "%.*s", n, data + 4);
		break;
	case FY_LOG_INFO:
		fy_log_info(f->log, "%.*s", n, data + 4);
		break;
	default:
		fy_log_debug(f->log, "%.*s", n, data + 4);
	}
	return 0;
}

static int
take_error(struct fy_frames *f, const char *data, size_t len,
	   struct fy_error *err)
{
	uint32_t code = len < 8 ? 0 : fy_get_le32(data);

	if (code == FY_E_NONE || code >= FY_E_CODES ||
	    memchr(data + 8, '\0', len - 8) != NULL)
		return fy_frames_broken(f, "an error that is none", err);
	fy_error_clear(&f->error);
	fy_error_set(&f->error, (enum fy_error_code)code, 0, "%.*s",
		     (int)(len - 8), data + 8);
	f->error.sys_errno = (int)fy_get_le32(data + 4);
	return 0;
}

static int
take_frame(struct fy_frames *f, uint32_t type, const char *data, size_t len,
	   struct fy_error *err)
{
	switch (type) {
	case FY_FRAME_LOG:
		return take_log(f, data, len, err);
	case FY_FRAME_LEAVES:
		if (f->confined || f->n_left == FY_FRAME_MAX_LEFT ||
		    data[0] != '/' || strlen(data) != len)
			return fy_frames_broken(f, "it leaves something behind",
						err);
		f->left[f->n_left] = strdup(data);
		if (f->left[f->n_left] == NULL)
			return fy_error_nomem(err);
		f->n_left++;
		return 0;
	case FY_FRAME_CONFINED:
		f->confined = true;
		return 0;
	case FY_FRAME_RESULT:
		if (f->result != NULL)
			return fy_frames_broken(f, "two results", err);
		f->result = fy_json_parse(data, len, f->what, err);
		return f->result == NULL ? -1 : 0;
	default:
		return take_error(f, data, len, err);
	}
}

/* All frames, to the end of the stream. */
int
fy_frames_read(struct fy_frames *f, struct fy_error *err)
{
	unsigned char head[HEAD];
	uint32_t type, len;
	int n;

	while ((n = f->receive(f->ctx, head, HEAD, err)) == 1) {
		fy_autofree char *data = NULL;

		type = fy_get_le32(head);
		len = fy_get_le32(head + 4);
		if (type == 0 || type >= sizeof(most) / sizeof(*most) ||
		    len > most[type])
			return fy_frames_broken(f, "frames that are none", err);
		data = malloc((size_t)len + 1);
		if (data == NULL)
			return fy_error_nomem(err);
		n = len == 0 ? 1 : f->receive(f->ctx, data, len, err);
		if (n != 1)
			break;
		data[len] = '\0';
		if (take_frame(f, type, data, len, err) == -1)
			return -1;
	}
	return n;
}

void
fy_frames_release(struct fy_frames *f)
{
	while (f->n_left > 0)
		free(f->left[--f->n_left]);
	json_decref(f->result);
	f->result = NULL;
}
