/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Registry hives by hivex.  It wants a file: the bytes, brought up to date by
 * hive-log.c and with all blocks and cells checked, go to an anonymous one.
 *
 * New keys get the security descriptor of the key that they are made in.
 */
#include "drivers-inject/hive.h"

#include <errno.h>
#include <fcntl.h>
#include <hivex.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/system.h"
#include "partclone/utf16.h"

#define MAX_KEY	  1024 /* bytes of a path of keys */
#define MAX_VALUE (1024u * 1024)

struct fy_hive {
	hive_h *h;
	int fd;
	char *path;  /* in the guest; NULL */
	char **logs; /* paths of those that are there */
	size_t n_logs;
	bool dirty, changed;
};

/* --- open and close ----------------------------------------------------------- */

void
fy_hive_free(struct fy_hive *h)
{
	if (h == NULL)
		return;
	if (h->h != NULL)
		hivex_close(h->h);
	if (h->fd != -1)
		close(h->fd);
	while (h->n_logs > 0)
		free(h->logs[--h->n_logs]);
	free(h->logs);
	free(h->path);
	free(h);
}

bool
fy_hive_was_dirty(const struct fy_hive *h)
{
	return h->dirty;
}

bool
fy_hive_changed(const struct fy_hive *h)
{
	return h->changed;
}

/* What hivex says by errno. */
static int
fail(const char *what, const char *key, struct fy_error *err)
{
	int e = errno;

	if (e == ENOMEM)
		return fy_error_nomem(err);
	return fy_error_set(err, FY_E_FORMAT, e, "the registry: cannot %s '%s'",
			    what, key);
}

static char *
fd_path(int fd, struct fy_error *err)
{
	return fy_format(err, "/proc/self/fd/%d", fd);
}

int
fy_hive_parse(const char *data, size_t len, const struct fy_hive_log *logs,
	      size_t n_logs, struct fy_hive **ret, struct fy_error *err)
{
	FY_AUTO(hive) struct fy_hive *h = calloc(1, sizeof(*h));
	fy_autofree char *path = NULL;
	fy_autofree char *copy = malloc(len + 1);

	if (h == NULL || copy == NULL)
		return fy_error_nomem(err);
	memcpy(copy, data, len);
	h->fd = memfd_create("hive", MFD_CLOEXEC);
	if (h->fd == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot make a temporary file");
	if (fy_hive_recover(&copy, &len, logs, n_logs, &h->dirty, err) == -1 ||
	    fy_fd_write_full(h->fd, copy, len, err) == -1)
		return -1;
	path = fd_path(h->fd, err);
	if (path == NULL)
		return -1;
	h->h = hivex_open(path, HIVEX_OPEN_WRITE);
	if (h->h == NULL)
		return fail("open", "it", err);
	*ret = fy_steal_ptr(&h);
	return 0;
}

/* The logs that lie beside the hive. */
static int
read_logs(struct fy_guest *g, const char *path, char *data[3],
	  struct fy_hive_log logs[3], char *paths[3], size_t *ret_n,
	  struct fy_error *err)
{
	static const char *const suffixes[] = { "LOG1", "LOG2", "LOG" };
	size_t i;

	for (i = 0; i < 3; i++) {
		fy_autofree char *p =
			fy_format(err, "%s.%s", path, suffixes[i]);
		struct fy_guest_stat st;

		if (p == NULL)
			return -1;
		if (fy_guest_stat(g, p, &st, NULL) == -1 ||
		    st.type != FY_GUEST_FILE)
			continue;
		if (fy_guest_read(g, p, FY_HIVE_MAX, &data[*ret_n],
				  &logs[*ret_n].len, err) == -1)
			return -1;
		logs[*ret_n].data = data[*ret_n];
		paths[(*ret_n)++] = fy_steal_ptr(&p);
	}
	return 0;
}

static int
open_with_logs(struct fy_guest *g, const char *path, char *data[3],
	       char *paths[3], struct fy_hive **ret, struct fy_error *err)
{
	struct fy_hive_log logs[3] = { 0 };
	fy_autofree char *hive = NULL;
	size_t len = 0, n = 0;
	struct fy_hive *h = NULL;

	if (fy_guest_read(g, path, FY_HIVE_MAX, &hive, &len, err) == -1 ||
	    read_logs(g, path, data, logs, paths, &n, err) == -1 ||
	    fy_hive_parse(hive, len, logs, n, &h, err) == -1)
		return -1;
	h->path = strdup(path);
	h->logs = calloc(3, sizeof(*h->logs));
	if (h->path == NULL || h->logs == NULL) {
		fy_hive_free(h);
		return fy_error_nomem(err);
	}
	while (h->n_logs < n) {
		h->logs[h->n_logs] = paths[h->n_logs];
		paths[h->n_logs++] = NULL;
	}
	*ret = h;
	return 0;
}

int
fy_hive_open(struct fy_guest *g, const char *path, struct fy_hive **ret,
	     struct fy_error *err)
{
	char *data[3] = { NULL }, *paths[3] = { NULL };
	size_t i;
	int r = open_with_logs(g, path, data, paths, ret, err);

	for (i = 0; i < 3; i++) {
		free(data[i]);
		free(paths[i]);
	}
	return r == -1 ? fy_error_prefix(err, "%s", path) : 0;
}

int
fy_hive_bytes(struct fy_hive *h, char **ret, size_t *ret_len,
	      struct fy_error *err)
{
	fy_autofree char *path = NULL;
	fy_autofree char *data = NULL;
	fy_autofd int fd = memfd_create("hive", MFD_CLOEXEC);
	off_t size;

	if (fd == -1)
		return fy_error_set(err, FY_E_IO, errno,
				    "cannot make a temporary file");
	path = fd_path(fd, err);
	if (path == NULL)
		return -1;
	if (hivex_commit(h->h, path, 0) == -1)
		return fail("write", "it", err);
	size = lseek(fd, 0, SEEK_END);
	if (size <= 0 || (uint64_t)size > FY_HIVE_MAX)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "a hive became too large");
	data = malloc((size_t)size + 1);
	if (data == NULL)
		return fy_error_nomem(err);
	if (fy_fd_pread_full(fd, data, (size_t)size, 0, err) == -1)
		return -1;
	data[size] = '\0';
	*ret_len = (size_t)size;
	*ret = fy_steal_ptr(&data);
	return 0;
}

int
fy_hive_save(struct fy_hive *h, struct fy_disks *d, struct fy_guest *g,
	     const char *why, struct fy_error *err)
{
	fy_autofree char *data = NULL;
	struct fy_guest_stat st;
	bool dirty = false;
	size_t len = 0, i;

	if (!h->changed && !h->dirty)
		return 0;
	if (fy_hive_bytes(h, &data, &len, err) == -1)
		return fy_error_prefix(err, "%s", h->path);
	/* What was made must be what is taken. */
	if (fy_hive_recover(&data, &len, NULL, 0, &dirty, err) == -1)
		return fy_error_prefix(err, "%s, after the edits", h->path);
	if (fy_system_write(d, g, h->path, 0, data, len, why, NULL, err))
		return -1;
	for (i = 0; i < h->n_logs; i++) {
		if (fy_guest_stat(g, h->logs[i], &st, err) == -1)
			return -1;
		if (st.size > 0 &&
		    fy_system_write(d, g, h->logs[i], 0, "", 0,
				    h->dirty ? "its content is in the hive now"
					     : "no old log shall be replayed "
					       "over the edited hive",
				    NULL, err) == -1)
			return -1;
	}
	h->changed = h->dirty = false;
	return 0;
}

/* --- keys -------------------------------------------------------------------------- */

/* The node of a key; 0 when it isn't there (or 'create' failed, with 'err'). */
static hive_node_h
node_of(struct fy_hive *h, const char *key, bool create, struct fy_error *err)
{
	hive_node_h node = hivex_root(h->h), next;
	char name[256];
	size_t len;

	if (strlen(key) > MAX_KEY) {
		fy_error_set(err, FY_E_FORMAT, 0, "a key that is too long");
		return 0;
	}
	while (node != 0 && *key != '\0') {
		len = strcspn(key, "\\");
		if (len == 0 || len >= sizeof(name)) {
			fy_error_set(err, FY_E_FORMAT, 0,
				     "'%s' is no key's name", key);
			return 0;
		}
		memcpy(name, key, len);
		name[len] = '\0';
		next = hivex_node_get_child(h->h, node, name);
		if (next == 0 && create) {
			next = hivex_node_add_child(h->h, node, name);
			if (next == 0)
				fail("create", name, err);
			h->changed = true;
		}
		node = next;
		key += len;
		key += *key == '\\';
	}
	return node;
}

bool
fy_hive_has(struct fy_hive *h, const char *key)
{
	return node_of(h, key, false, NULL) != 0;
}

int
fy_hive_create(struct fy_hive *h, const char *key, struct fy_error *err)
{
	if (node_of(h, key, true, err) == 0)
		return fail("create", key, err);
	return 0;
}

int
fy_hive_keys(struct fy_hive *h, const char *key, struct fy_string_set *ret,
	     struct fy_error *err)
{
	hive_node_h node = node_of(h, key, false, NULL);
	fy_autofree hive_node_h *nodes = NULL;
	size_t i;

	if (node == 0)
		return 0;
	nodes = hivex_node_children(h->h, node);
	if (nodes == NULL)
		return fail("list", key, err);
	for (i = 0; nodes[i] != 0; i++) {
		fy_autofree char *name = hivex_node_name(h->h, nodes[i]);

		if (name == NULL)
			return fail("list", key, err);
		if (fy_string_set_append(ret, name, err) == -1)
			return -1;
	}
	return 0;
}

int
fy_hive_values(struct fy_hive *h, const char *key, struct fy_string_set *ret,
	       struct fy_error *err)
{
	hive_node_h node = node_of(h, key, false, NULL);
	fy_autofree hive_value_h *values = NULL;
	size_t i;

	if (node == 0)
		return 0;
	values = hivex_node_values(h->h, node);
	if (values == NULL)
		return fail("list", key, err);
	for (i = 0; values[i] != 0; i++) {
		fy_autofree char *name = hivex_value_key(h->h, values[i]);

		if (name == NULL)
			return fail("list", key, err);
		if (fy_string_set_append(ret, name, err) == -1)
			return -1;
	}
	return 0;
}

/* --- values -------------------------------------------------------------------------- */

static hive_value_h
value_of(struct fy_hive *h, const char *key, const char *name)
{
	hive_node_h node = node_of(h, key, false, NULL);

	return node == 0 ? 0 : hivex_node_get_value(h->h, node, name);
}

bool
fy_hive_has_value(struct fy_hive *h, const char *key, const char *name)
{
	return value_of(h, key, name) != 0;
}

int
fy_hive_get_bytes(struct fy_hive *h, const char *key, const char *name,
		  uint32_t *ret_type, char **ret, size_t *ret_len,
		  struct fy_error *err)
{
	hive_value_h v = value_of(h, key, name);
	fy_autofree char *data = NULL;
	char *with_nul;
	hive_type type;
	size_t len = 0;

	if (v == 0)
		return fy_error_set(err, FY_E_NOTFOUND, 0,
				    "the registry has no '%s' in '%s'", name,
				    key);
	if (hivex_value_type(h->h, v, &type, &len) == -1)
		return fail("read", key, err);
	if (len > MAX_VALUE)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "the registry: '%s' in '%s' is too large",
				    name, key);
	data = hivex_value_value(h->h, v, &type, &len);
	if (data == NULL)
		return fail("read", key, err);
	with_nul = realloc(data, len + 1);
	if (with_nul == NULL)
		return fy_error_nomem(err);
	data = with_nul;
	data[len] = '\0';
	*ret_type = (uint32_t)type;
	*ret_len = len;
	*ret = fy_steal_ptr(&data);
	return 0;
}

static int
other_type(const char *key, const char *name, struct fy_error *err)
{
	return fy_error_set(err, FY_E_FORMAT, 0,
			    "the registry: '%s' in '%s' is of another type",
			    name, key);
}

int
fy_hive_get_dword(struct fy_hive *h, const char *key, const char *name,
		  uint32_t *ret, struct fy_error *err)
{
	fy_autofree char *data = NULL;
	uint32_t type;
	size_t len;

	if (fy_hive_get_bytes(h, key, name, &type, &data, &len, err) == -1)
		return -1;
	if (type != hive_t_REG_DWORD || len != 4)
		return other_type(key, name, err);
	*ret = fy_get_le32(data);
	return 0;
}

/* UTF-16 up to its first NUL. */
static char *
text_of(const char *data, size_t len)
{
	size_t size = len / 2 * 3 + 1;
	char *text = malloc(size);

	if (text != NULL)
		fy_utf16le_to_utf8((const unsigned char *)data, len / 2, text,
				   size);
	return text;
}

int
fy_hive_get_string(struct fy_hive *h, const char *key, const char *name,
		   char **ret, struct fy_error *err)
{
	fy_autofree char *data = NULL;
	uint32_t type;
	size_t len;

	if (fy_hive_get_bytes(h, key, name, &type, &data, &len, err) == -1)
		return -1;
	if (type != hive_t_REG_SZ && type != hive_t_REG_EXPAND_SZ)
		return other_type(key, name, err);
	*ret = text_of(data, len);
	return *ret == NULL ? fy_error_nomem(err) : 0;
}

char *
fy_hive_text(struct fy_hive *h, const char *key, const char *name)
{
	char *s = NULL;

	return fy_hive_get_string(h, key, name, &s, NULL) == 0 ? s : NULL;
}

int
fy_hive_get_strings(struct fy_hive *h, const char *key, const char *name,
		    struct fy_string_set *ret, struct fy_error *err)
{
	fy_autofree char *data = NULL;
	uint32_t type;
	size_t len, at, n;

	if (fy_hive_get_bytes(h, key, name, &type, &data, &len, err) == -1)
		return -1;
	if (type != hive_t_REG_MULTI_SZ)
		return other_type(key, name, err);
	for (at = 0; at + 2 <= len; at += n + 2) {
		fy_autofree char *text = NULL;

		for (n = 0;
		     at + n + 2 <= len && fy_get_le16(data + at + n) != 0;)
			n += 2;
		if (n == 0)
			break;
		text = text_of(data + at, n);
		if (text == NULL)
			return fy_error_nomem(err);
		if (fy_string_set_add(ret, text, err) == -1)
			return -1;
	}
	return 0;
}

/* --- setting ----------------------------------------------------------------------------- */

int
fy_hive_set_bytes(struct fy_hive *h, const char *key, const char *name,
		  uint32_t type, const void *data, size_t len,
		  struct fy_error *err)
{
	fy_autofree char *was = NULL;
	fy_autofree char *value = malloc(len + 1);
	fy_autofree char *k = strdup(name);
	hive_set_value v = { .t = (hive_type)type, .len = len };
	uint32_t was_type;
	size_t was_len;
	hive_node_h node;

	if (value == NULL || k == NULL)
		return fy_error_nomem(err);
	if (len > MAX_VALUE)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "'%s' is too large for the registry", name);
	if (fy_hive_get_bytes(h, key, name, &was_type, &was, &was_len, NULL) ==
		    0 &&
	    was_type == type && was_len == len &&
	    (len == 0 || memcmp(was, data, len) == 0))
		return 0;
	if (len > 0)
		memcpy(value, data, len);
	v.key = k;
	v.value = value;
	node = node_of(h, key, true, err);
	if (node == 0)
		return fail("create", key, err);
	if (hivex_node_set_value(h->h, node, &v, 0) == -1)
		return fail("set", name, err);
	h->changed = true;
	return 0;
}

int
fy_hive_set_dword(struct fy_hive *h, const char *key, const char *name,
		  uint32_t value, struct fy_error *err)
{
	unsigned char b[4];

	fy_put_le32(b, value);
	return fy_hive_set_bytes(h, key, name, hive_t_REG_DWORD, b, 4, err);
}

static int
put_text(struct fy_text *t, const char *text, struct fy_error *err)
{
	size_t len = strlen(text), n = 0;
	fy_autofree unsigned char *wide = malloc(len * 2 + 2);

	if (wide == NULL)
		return fy_error_nomem(err);
	if (!fy_utf8_to_utf16le(text, wide, &n))
		return fy_error_set(err, FY_E_FORMAT, 0, "'%s' is not UTF-8",
				    text);
	wide[n * 2] = wide[n * 2 + 1] = 0;
	fy_text_put(t, (const char *)wide, n * 2 + 2);
	return fy_text_check(t, err);
}

static int
set_text(struct fy_hive *h, const char *key, const char *name, uint32_t type,
	 const char *text, struct fy_error *err)
{
	struct fy_text t = { 0 };
	int r = put_text(&t, text, err);

	if (r == 0)
		r = fy_hive_set_bytes(h, key, name, type, t.data, t.len, err);
	fy_text_release(&t);
	return r;
}

int
fy_hive_set_string(struct fy_hive *h, const char *key, const char *name,
		   const char *text, struct fy_error *err)
{
	return set_text(h, key, name, hive_t_REG_SZ, text, err);
}

int
fy_hive_set_expand(struct fy_hive *h, const char *key, const char *name,
		   const char *text, struct fy_error *err)
{
	return set_text(h, key, name, hive_t_REG_EXPAND_SZ, text, err);
}

int
fy_hive_set_strings(struct fy_hive *h, const char *key, const char *name,
		    const struct fy_string_set *texts, struct fy_error *err)
{
	struct fy_text t = { 0 };
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < texts->n; i++)
		r = put_text(&t, texts->items[i], err);
	if (r == 0)
		r = put_text(&t, "", err);
	if (r == 0)
		r = fy_hive_set_bytes(h, key, name, hive_t_REG_MULTI_SZ, t.data,
				      t.len, err);
	fy_text_release(&t);
	return r;
}

int
fy_hive_delete(struct fy_hive *h, const char *key, struct fy_error *err)
{
	hive_node_h node = node_of(h, key, false, NULL);

	if (node == 0 || node == hivex_root(h->h))
		return 0;
	if (hivex_node_delete_child(h->h, node) == -1)
		return fail("delete", key, err);
	h->changed = true;
	return 0;
}

/* hivex sets all values of a key or one: all others are set anew. */
static int
keep_others(struct fy_hive *h, hive_node_h node, const hive_value_h *values,
	    const char *name, hive_set_value *set, size_t *n,
	    struct fy_error *err)
{
	size_t i;

	for (i = 0; values[i] != 0; i++) {
		hive_set_value *v = &set[*n];

		v->key = hivex_value_key(h->h, values[i]);
		if (v->key == NULL)
			return fail("read", name, err);
		if (strcasecmp(v->key, name) == 0) {
			free(v->key);
			continue;
		}
		(*n)++;
		v->value = hivex_value_value(h->h, values[i], &v->t, &v->len);
		if (v->value == NULL)
			return fail("read", name, err);
	}
	if (hivex_node_set_values(h->h, node, *n, set, 0) == -1)
		return fail("delete", name, err);
	h->changed = true;
	return 0;
}

int
fy_hive_delete_value(struct fy_hive *h, const char *key, const char *name,
		     struct fy_error *err)
{
	hive_node_h node = node_of(h, key, false, NULL);
	fy_autofree hive_value_h *values = NULL;
	fy_autofree hive_set_value *set = NULL;
	size_t n = 0;
	int r;

	if (node == 0 || hivex_node_get_value(h->h, node, name) == 0)
		return 0;
	values = hivex_node_values(h->h, node);
	if (values == NULL)
		return fail("list", key, err);
	while (values[n] != 0)
		n++;
	set = calloc(n + 1, sizeof(*set));
	if (set == NULL)
		return fy_error_nomem(err);
	n = 0;
	r = keep_others(h, node, values, name, set, &n, err);
	while (n > 0) {
		free(set[--n].key);
		free(set[n].value);
	}
	return r;
}
