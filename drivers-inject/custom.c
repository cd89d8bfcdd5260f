/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a person wants changed: from options and their files, over the wire, and
 * checked again on the other side.
 */
#include "drivers-inject/custom.h"

#include <crypt.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/bytes.h"
#include "common/file.h"

#define MAX_SCRIPT  (1u * 1024 * 1024)
#define MAX_SCRIPTS 64u
#define MAX_KEY	    16384u
#define MAX_KEYS    64u

void
fy_custom_free(struct fy_custom *c)
{
	if (c == NULL)
		return;
	free(c->hostname);
	if (c->root_password != NULL)
		explicit_bzero(c->root_password, strlen(c->root_password));
	free(c->root_password);
	while (c->ssh_keys.n > 0)
		free(c->ssh_keys.items[--c->ssh_keys.n]);
	free(c->ssh_keys.items);
	while (c->n_first_boot > 0) {
		free(c->first_boot[--c->n_first_boot].name);
		free(c->first_boot[c->n_first_boot].text);
	}
	free(c->first_boot);
	free(c);
}

/* --- what may be ---------------------------------------------------------- */

bool
fy_custom_is_hostname(const char *s)
{
	size_t label = 0, i, len = strlen(s);

	if (len == 0 || len > 253)
		return false;
	for (i = 0; i < len; i++) {
		if (s[i] == '.') {
			if (label == 0 || s[i - 1] == '-')
				return false;
			label = 0;
			continue;
		}
		if ((!isalnum((unsigned char)s[i]) && s[i] != '-') ||
		    (label == 0 && s[i] == '-') || ++label > 63)
			return false;
	}
	return label > 0 && s[len - 1] != '-';
}

bool
fy_custom_is_for_windows(const char *name)
{
	static const char *const ends[] = { ".cmd", ".bat", ".ps1" };
	size_t len = strlen(name), i;

	for (i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		if (len >= 4 && strcasecmp(name + len - 4, ends[i]) == 0)
			return true;
	return false;
}

/* One line, "ssh-ed25519 AAAA... comment", maybe with options before it. */
static bool
is_key(const char *s)
{
	const char *p;

	for (p = s; *p != '\0'; p++)
		if (iscntrl((unsigned char)*p) && *p != '\t')
			return false;
	return strlen(s) <= MAX_KEY &&
	       (strstr(s, "ssh-") != NULL || strstr(s, "ecdsa-") != NULL ||
		strstr(s, "sk-") != NULL) &&
	       strstr(s, " AAAA") != NULL;
}

static bool
is_file_name(const char *s)
{
	return s[0] != '\0' && s[0] != '.' && strlen(s) <= 100 &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			 "0123456789._-") == strlen(s);
}

/* What crypt(3) makes, and a line of shadow can hold. */
static bool
is_hash(const char *s)
{
	return s[0] == '$' && strlen(s) >= 13 && strlen(s) <= 400 &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			 "0123456789./$=,-") == strlen(s);
}

/* --- adding --------------------------------------------------------------- */

static int
add_key(struct fy_custom *c, const char *key, struct fy_error *err)
{
	char **grown;

	if (!is_key(key))
		return fy_error_set(err, FY_E_USAGE, 0,
				    "'%.60s' is no public key of SSH", key);
	if (c->ssh_keys.n == MAX_KEYS)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "more than %u keys for root", MAX_KEYS);
	grown = reallocarray(c->ssh_keys.items, c->ssh_keys.n + 1,
			     sizeof(*grown));
	if (grown == NULL)
		return fy_error_nomem(err);
	c->ssh_keys.items = grown;
	grown[c->ssh_keys.n] = strdup(key);
	if (grown[c->ssh_keys.n] == NULL)
		return fy_error_nomem(err);
	c->ssh_keys.n++;
	return 0;
}

static int
add_script(struct fy_custom *c, const char *name, const char *text,
	   struct fy_error *err)
{
	struct fy_custom_script *grown;

	if (!is_file_name(name))
		return fy_error_set(err, FY_E_USAGE, 0,
				    "'%.100s' can't be the name of a script: "
				    "letters, digits, '.', '_' and '-'",
				    name);
	if (text[0] == '\0' || strlen(text) > MAX_SCRIPT)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "the script '%s' is empty or too large",
				    name);
	if (c->n_first_boot == MAX_SCRIPTS)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "more than %u scripts for the first boot",
				    MAX_SCRIPTS);
	grown = reallocarray(c->first_boot, c->n_first_boot + 1,
			     sizeof(*grown));
	if (grown == NULL)
		return fy_error_nomem(err);
	c->first_boot = grown;
	grown[c->n_first_boot].name = strdup(name);
	grown[c->n_first_boot].text = strdup(text);
	if (grown[c->n_first_boot].name == NULL ||
	    grown[c->n_first_boot].text == NULL) {
		free(grown[c->n_first_boot].name);
		free(grown[c->n_first_boot].text);
		return fy_error_nomem(err);
	}
	c->n_first_boot++;
	return 0;
}

static int
set_hostname(struct fy_custom *c, const char *name, struct fy_error *err)
{
	if (!fy_custom_is_hostname(name))
		return fy_error_set(err, FY_E_USAGE, 0,
				    "'%.100s' is no hostname", name);
	c->hostname = strdup(name);
	return c->hostname == NULL ? fy_error_nomem(err) : 0;
}

/* --- from files ----------------------------------------------------------- */

/* SHA-512: every Linux that is still run knows it, and not every one the
 * newer ones. */
static int
hash_password(struct fy_custom *c, const char *password, struct fy_error *err)
{
	fy_autofree struct crypt_data *data = calloc(1, sizeof(*data));
	char salt[CRYPT_GENSALT_OUTPUT_SIZE];
	const char *hash = NULL;

	if (data == NULL)
		return fy_error_nomem(err);
	if (crypt_gensalt_rn("$6$", 100000, NULL, 0, salt, sizeof(salt)) !=
	    NULL)
		hash = crypt_r(password, salt, data);
	if (hash != NULL && is_hash(hash))
		c->root_password = strdup(hash);
	explicit_bzero(data, sizeof(*data));
	if (c->root_password == NULL)
		return fy_error_set(err, FY_E_UNSUPPORTED, errno,
				    "the password can't be hashed");
	return 0;
}

static int
load_password(struct fy_custom *c, const char *path, struct fy_error *err)
{
	char *text = NULL;
	size_t len;
	int r;

	if (fy_file_read_at(AT_FDCWD, path, 4096, &text, &len, err) == -1)
		return fy_error_prefix(err, "--root-password-file");
	text[strcspn(text, "\r\n")] = '\0';
	r = text[0] == '\0'
		    ? fy_error_set(err, FY_E_USAGE, 0,
				   "the password file '%s' is empty", path)
		    : hash_password(c, text, err);
	explicit_bzero(text, len);
	free(text);
	return r;
}

static int
load_keys(struct fy_custom *c, const char *path, struct fy_error *err)
{
	fy_autofree char *text = NULL;
	char *line, *next;
	size_t len, n = c->ssh_keys.n;

	if (fy_file_read_at(AT_FDCWD, path, 65536, &text, &len, err) == -1)
		return fy_error_prefix(err, "--ssh-key");
	if (strstr(text, "PRIVATE KEY") != NULL)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "'%s' is a private key; --ssh-key takes "
				    "the public one, '%s.pub'",
				    path, path);
	for (line = text; line != NULL && *line != '\0'; line = next) {
		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		line[strcspn(line, "\r")] = '\0';
		if (*line != '\0' && *line != '#' &&
		    add_key(c, line, err) == -1)
			return fy_error_prefix(err, "'%s'", path);
	}
	if (n == c->ssh_keys.n)
		return fy_error_set(err, FY_E_USAGE, 0, "'%s' holds no key",
				    path);
	return 0;
}

static int
load_script(struct fy_custom *c, const char *path, struct fy_error *err)
{
	const char *name = strrchr(path, '/');
	fy_autofree char *text = NULL;
	fy_autojson json_t *j = NULL;
	size_t len;

	if (fy_file_read_at(AT_FDCWD, path, MAX_SCRIPT, &text, &len, err) == -1)
		return fy_error_prefix(err, "--first-boot");
	j = strlen(text) == len ? json_string(text) : NULL;
	if (j == NULL)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "'%s' is no text in UTF-8", path);
	return add_script(c, name == NULL ? path : name + 1, text, err);
}

int
fy_custom_load(const struct fy_custom_options *o, struct fy_custom **ret,
	       struct fy_error *err)
{
	FY_AUTO(custom) struct fy_custom *c = NULL;
	size_t i;

	if (o->keep_hostname && o->set_hostname != NULL)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "--keep-hostname and --set-hostname "
				    "exclude each other");
	if (o->set_hostname == NULL && o->root_password_file == NULL &&
	    o->first_boot.n == 0 && o->ssh_keys.n == 0 && !o->install_agent)
		return 0;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return fy_error_nomem(err);
	c->agent = o->install_agent;
	if (o->set_hostname != NULL &&
	    set_hostname(c, o->set_hostname, err) == -1)
		return fy_error_prefix(err, "--set-hostname");
	if (o->root_password_file != NULL &&
	    load_password(c, o->root_password_file, err) == -1)
		return -1;
	for (i = 0; i < o->ssh_keys.n; i++)
		if (load_keys(c, o->ssh_keys.items[i], err) == -1)
			return -1;
	for (i = 0; i < o->first_boot.n; i++)
		if (load_script(c, o->first_boot.items[i], err) == -1)
			return -1;
	*ret = fy_steal_ptr(&c);
	return 0;
}

/* --- over the wire -------------------------------------------------------- */

json_t *
fy_custom_to_json(const struct fy_custom *c, struct fy_error *err)
{
	fy_autojson json_t *keys = json_array();
	fy_autojson json_t *scripts = json_array();
	json_t *j;
	size_t i;

	if (c == NULL)
		return json_null();
	for (i = 0; i < c->ssh_keys.n; i++)
		json_array_append_new(keys, json_string(c->ssh_keys.items[i]));
	for (i = 0; i < c->n_first_boot; i++)
		json_array_append_new(scripts,
				      json_pack("{s:s, s:s}", "name",
						c->first_boot[i].name, "text",
						c->first_boot[i].text));
	j = json_pack("{s:s?, s:s?, s:O, s:O, s:b}", "hostname", c->hostname,
		      "root_password", c->root_password, "ssh_keys", keys,
		      "first_boot", scripts, "agent", (int)c->agent);
	if (j == NULL || json_array_size(keys) != c->ssh_keys.n ||
	    json_array_size(scripts) != c->n_first_boot) {
		json_decref(j);
		fy_error_set(err, FY_E_USAGE, 0,
			     "a key or a script is no text in UTF-8");
		return NULL;
	}
	return j;
}

static int
malformed(const char *what, struct fy_error *err)
{
	return fy_error_set(err, FY_E_FORMAT, 0,
			    "the job's 'custom' has a malformed '%s'", what);
}

/* A text, or nothing: FY_E_FORMAT for anything else. */
static int
get_text(const json_t *j, const char *key, const char **ret,
	 struct fy_error *err)
{
	const json_t *v = json_object_get(j, key);

	*ret = json_string_value(v);
	if (v != NULL && !json_is_null(v) &&
	    (*ret == NULL || strlen(*ret) != json_string_length(v)))
		return malformed(key, err);
	return 0;
}

static int
get_lists(const json_t *j, struct fy_custom *c, struct fy_error *err)
{
	const json_t *keys = json_object_get(j, "ssh_keys"), *o;
	const json_t *scripts = json_object_get(j, "first_boot");
	const char *name, *text;
	size_t i;

	if ((keys != NULL && !json_is_array(keys)) ||
	    (scripts != NULL && !json_is_array(scripts)))
		return malformed("list", err);
	json_array_foreach(keys, i, o)
	{
		if (!json_is_string(o))
			return malformed("ssh_keys", err);
		if (add_key(c, json_string_value(o), err) == -1)
			return -1;
	}
	json_array_foreach(scripts, i, o)
	{
		if (get_text(o, "name", &name, err) == -1 ||
		    get_text(o, "text", &text, err) == -1)
			return -1;
		if (name == NULL || text == NULL)
			return malformed("first_boot", err);
		if (add_script(c, name, text, err) == -1)
			return -1;
	}
	return 0;
}

int
fy_custom_from_json(const json_t *j, struct fy_custom **ret,
		    struct fy_error *err)
{
	FY_AUTO(custom) struct fy_custom *c = NULL;
	const char *hostname, *password;

	if (j == NULL || json_is_null(j))
		return 0;
	if (!json_is_object(j))
		return malformed("custom", err);
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return fy_error_nomem(err);
	if (get_text(j, "hostname", &hostname, err) == -1 ||
	    get_text(j, "root_password", &password, err) == -1 ||
	    (hostname != NULL && set_hostname(c, hostname, err) == -1) ||
	    get_lists(j, c, err) == -1)
		return -1;
	if (password != NULL) {
		if (!is_hash(password))
			return malformed("root_password", err);
		c->root_password = strdup(password);
		if (c->root_password == NULL)
			return fy_error_nomem(err);
	}
	c->agent = json_is_true(json_object_get(j, "agent"));
	*ret = fy_steal_ptr(&c);
	return 0;
}
