/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An image through qemu-nbd: a listening unix socket in a private directory,
 * handed to qemu-nbd as socket activation does it, so that we can connect at
 * once without waiting for it to be ready; then libnbd on the connection.  The
 * directory is gone before the first byte is read.
 *
 * qemu-nbd serves one client and ends when that leaves.  Its words go to a
 * temporary file and into our error when it can't open the image.
 *
 * Threads: a libnbd handle has a lock; requests of several threads follow each
 * other.
 */
#include <errno.h>
#include <libnbd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/confine.h"
#include "common/file.h"
#include "common/subprocess.h"
#include "imaging/source.h"

#define MAX_REQUEST (4u << 20)
#define MAX_STATUS  (UINT64_C(1) << 30) /* asked for at once */

struct nbd_volume {
	struct nbd_handle *nbd;
	struct fy_subprocess child;
	uint64_t size_bytes;
	bool can_flush;
};

static int
nbd_error(struct fy_error *err, const char *what)
{
	int e = nbd_get_errno();
	enum fy_error_code code = e == ENOSPC ? FY_E_NOSPACE : FY_E_IO;

	return fy_error_set(err, code, 0, "%s: %s", what,
			    nbd_get_error() != NULL ? nbd_get_error() : "?");
}

/* --- the volume ------------------------------------------------------------ */

static int
nbd_volume_pread(void *handle, void *buf, size_t len, uint64_t offset,
		 struct fy_error *err)
{
	struct nbd_volume *n = handle;
	unsigned char *to = buf;

	while (len > 0) {
		size_t part = len < MAX_REQUEST ? len : MAX_REQUEST;

		if (nbd_pread(n->nbd, to, part, offset, 0) == -1)
			return nbd_error(err, "read failed");
		to += part;
		offset += part;
		len -= part;
	}
	return 0;
}

static int
nbd_volume_pwrite(void *handle, const void *buf, size_t len, uint64_t offset,
		  struct fy_error *err)
{
	struct nbd_volume *n = handle;
	const unsigned char *from = buf;

	while (len > 0) {
		size_t part = len < MAX_REQUEST ? len : MAX_REQUEST;

		if (nbd_pwrite(n->nbd, from, part, offset, 0) == -1)
			return nbd_error(err, "write failed");
		from += part;
		offset += part;
		len -= part;
	}
	return 0;
}

static int
nbd_volume_flush(void *handle, struct fy_error *err)
{
	struct nbd_volume *n = handle;

	if (n->can_flush && nbd_flush(n->nbd, 0) == -1)
		return nbd_error(err, "flush failed");
	return 0;
}

struct status {
	struct fy_extents *ret;
	uint64_t at, size;
	struct fy_error *err;
	bool failed;
};

static int
take_status(void *user_data, const char *context, uint64_t offset,
	    uint32_t *entries, size_t n_entries, int *error)
{
	struct status *s = user_data;
	size_t i;

	(void)error;
	if (!fy_streq(context, LIBNBD_CONTEXT_BASE_ALLOCATION))
		return 0;
	for (i = 0; i + 1 < n_entries && offset < s->size; i += 2) {
		uint64_t len = fy_min_u64(entries[i], s->size - offset);

		if ((entries[i + 1] & LIBNBD_STATE_ZERO) == 0 &&
		    fy_extents_append(s->ret, offset, len, s->err) == -1) {
			s->failed = true;
			return -1;
		}
		offset += len;
	}
	s->at = offset;
	return 0;
}

static int
nbd_volume_data(void *handle, struct fy_extents *ret, struct fy_error *err)
{
	struct nbd_volume *n = handle;
	struct status s = { .ret = ret, .size = n->size_bytes, .err = err };
	uint64_t before;

	if (nbd_can_meta_context(n->nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) != 1)
		return fy_extents_append(ret, 0, n->size_bytes, err);
	while (s.at < s.size) {
		nbd_extent_callback callback = { .callback = take_status,
						 .user_data = &s };

		before = s.at;
		if (nbd_block_status(n->nbd,
				     fy_min_u64(s.size - s.at, MAX_STATUS),
				     s.at, callback, 0) == -1) {
			if (s.failed)
				return -1;
			return nbd_error(err, "cannot ask for the holes");
		}
		if (s.at <= before)
			return fy_error_set(err, FY_E_PROTOCOL, 0,
					    "the answer about holes is empty");
	}
	return 0;
}

static void
nbd_volume_close(void *handle)
{
	struct nbd_volume *n = handle;

	if (n->nbd != NULL) {
		nbd_shutdown(n->nbd, 0);
		nbd_close(n->nbd);
	}
	/* It ends by itself when its client is gone; what was flushed is on
	 * the medium whatever its status is. */
	fy_subprocess_wait(&n->child, NULL);
	free(n);
}

static const struct fy_volume_ops nbd_ops_ro = {
	.pread = nbd_volume_pread,
	.data = nbd_volume_data,
	.close = nbd_volume_close,
};

static const struct fy_volume_ops nbd_ops_rw = {
	.pread = nbd_volume_pread,
	.pwrite = nbd_volume_pwrite,
	.flush = nbd_volume_flush,
	.data = nbd_volume_data,
	.close = nbd_volume_close,
};

/* --- starting it ------------------------------------------------------------ */

/* A listening socket and a connection to it, whose path is gone already. */
static int
make_sockets(int *ret_listener, int *ret_client, struct fy_error *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	fy_autofd int listener = -1, client = -1;
	fy_autofree char *dir = NULL;
	int n, r = 0;

	if (fy_dir_temporary("fy-nbd", &dir, err) == -1)
		return -1;
	n = snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/s", dir);
	if (n < 0 || (size_t)n >= sizeof(sa.sun_path)) {
		rmdir(dir);
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "'%s' is too long for a socket", dir);
	}
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener == -1 || client == -1 ||
	    bind(listener, (struct sockaddr *)&sa, sizeof(sa)) == -1 ||
	    listen(listener, 1) == -1 ||
	    connect(client, (struct sockaddr *)&sa, sizeof(sa)) == -1)
		r = fy_error_set(err, FY_E_IO, errno,
				 "cannot make a socket in '%s'", dir);
	unlink(sa.sun_path);
	rmdir(dir);
	if (r == -1)
		return -1;
	*ret_listener = fy_steal_fd(&listener);
	*ret_client = fy_steal_fd(&client);
	return 0;
}

/* What qemu-nbd said, on one line, into 'ret'. */
static void
read_words(int fd, char *ret, size_t ret_size)
{
	off_t length = lseek(fd, 0, SEEK_END);
	off_t from =
		length > (off_t)ret_size - 1 ? length - (off_t)ret_size + 1 : 0;
	ssize_t n = pread(fd, ret, ret_size - 1, from);
	size_t i;

	if (n < 0)
		n = 0;
	while (n > 0 && ret[n - 1] == '\n')
		n--;
	ret[n] = '\0';
	for (i = 0; i < (size_t)n; i++)
		if (ret[i] == '\n' || ret[i] == '\0')
			ret[i] = ' ';
}

static int
connect_nbd(struct nbd_volume *n, int client, struct fy_error *err)
{
	int64_t size;

	n->nbd = nbd_create();
	if (n->nbd == NULL) {
		close(client);
		return nbd_error(err, "libnbd");
	}
	if (nbd_add_meta_context(n->nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) ==
		    -1 ||
	    nbd_connect_socket(n->nbd, client) == -1 ||
	    (size = nbd_get_size(n->nbd)) == -1)
		return nbd_error(err, "qemu-nbd does not answer");
	n->size_bytes = (uint64_t)size;
	n->can_flush = nbd_can_flush(n->nbd) == 1;
	return 0;
}

/*
 * What qemu-nbd may open: its own parts, the image, and what lies beside it,
 * for that may be its backing file.  -1 where there is no Landlock.
 */
static int
make_ruleset(const char *path, bool writable, int *ret, struct fy_error *err)
{
	fy_autofree struct fy_confine_rule *rules = NULL;
	fy_autofree char *beside = fy_format(err, "%s", path);
	size_t n = fy_confine_n_programs;

	rules = reallocarray(NULL, n + 3, sizeof(*rules));
	if (beside == NULL || rules == NULL)
		return fy_error_nomem(err);
	memcpy(rules, fy_confine_programs, n * sizeof(*rules));
	*strrchr(beside, '/') = '\0';
	/* A device's neighbours are no backing files; the root's are all. */
	if (*beside != '\0' && strncmp(path, "/dev/", 5) != 0)
		rules[n++] =
			(struct fy_confine_rule){ beside, -1, FY_CONFINE_READ };
	rules[n++] = (struct fy_confine_rule){ "/sys/dev/block", -1,
					       FY_CONFINE_READ };
	rules[n++] = (struct fy_confine_rule){
		path, -1,
		FY_CONFINE_READ | FY_CONFINE_DEVICE |
			(writable ? FY_CONFINE_WRITE : 0)
	};
	return fy_confine_ruleset(rules, n, 0, ret, err);
}

/* Start qemu-nbd and connect; on failure its words are the message. */
static int
start(struct nbd_volume *n, const char *path, const char *format, bool writable,
      struct fy_error *err)
{
	const char *argv[] = {
		"qemu-nbd", "-f", format, path, writable ? NULL : "-r", NULL
	};
	fy_autofd int words = fy_file_temporary(NULL, err);
	fy_autofd int ruleset = -1;
	struct fy_error late = { 0 };
	int listener = -1, client = -1, r;
	char said[300];

	if (words == -1 || make_ruleset(path, writable, &ruleset, err) == -1 ||
	    make_sockets(&listener, &client, err) == -1)
		return -1;
	r = fy_subprocess_start_listening(argv, listener, words, ruleset,
					  &n->child, err);
	/* Only the child's is left, so its end ends our connection. */
	close(listener);
	if (r == -1) {
		close(client);
		return -1;
	}
	if (connect_nbd(n, client, &late) == 0)
		return 0;
	if (n->nbd != NULL)
		nbd_close(n->nbd);
	n->nbd = NULL;
	fy_subprocess_kill(&n->child);
	read_words(words, said, sizeof(said));
	/* QEMU locks images; its words are all that tells. */
	return fy_error_set(
		err, strstr(said, " lock") != NULL ? FY_E_BUSY : FY_E_CHILD, 0,
		"cannot open '%s' as %s: %s", path, format,
		said[0] != '\0' ? said : late.msg);
}

int
fy_source_nbd_open(const char *path, const char *format, bool writable,
		   uint32_t sector_bytes, struct fy_volume **ret,
		   struct fy_error *err)
{
	struct nbd_volume *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return fy_error_nomem(err);
	if (start(n, path, format, writable, err) == -1) {
		nbd_volume_close(n);
		return -1;
	}
	if (writable && nbd_is_read_only(n->nbd) == 1) {
		nbd_volume_close(n);
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "'%s' cannot be written to as %s", path,
				    format);
	}
	*ret = fy_volume_new(writable ? &nbd_ops_rw : &nbd_ops_ro, n, path,
			     n->size_bytes, sector_bytes, err);
	return *ret == NULL ? -1 : 0;
}
