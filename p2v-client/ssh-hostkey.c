/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The host key is always checked: against --fingerprint when it is given (and
 * then nothing else), else against known_hosts.  An unknown key is shown to a
 * person, who may accept it; with nobody there it is an error that names the
 * option.  A key that has changed is an error, never a question.
 */
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "p2v-client/ssh.h"

#define PREFIX "SHA256:"
#define DIGITS 43u /* base64 of 32 bytes, without '=' */

static bool
is_base64(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '0' && c <= '9') || c == '+' || c == '/';
}

/* The digits, or NULL when it is no fingerprint. */
static const char *
digits_of(const char *text)
{
	const char *p = text;
	size_t i;

	if (strncmp(p, PREFIX, strlen(PREFIX)) != 0)
		return NULL;
	p += strlen(PREFIX);
	for (i = 0; i < DIGITS; i++)
		if (!is_base64(p[i]))
			return NULL;
	if (strcmp(p + DIGITS, "") != 0 && strcmp(p + DIGITS, "=") != 0)
		return NULL;
	return p;
}

int
fy_fingerprint_check(const char *text, struct fy_error *err)
{
	if (digits_of(text) != NULL)
		return 0;
	return fy_error_set(err, FY_E_USAGE, 0,
			    "'%s' is no fingerprint; it is SHA256: and 43 "
			    "characters, as `ssh-keygen -lf KEY.pub` shows it",
			    text);
}

bool
fy_fingerprint_equal(const char *a, const char *b)
{
	const char *da = digits_of(a), *db = digits_of(b);

	return da != NULL && db != NULL && strncmp(da, db, DIGITS) == 0;
}

/* The server's key: its fingerprint and type, malloc'd / static. */
static int
describe_key(struct fy_ssh *s, char **ret, const char **ret_type,
	     struct fy_error *err)
{
	unsigned char *hash = NULL;
	ssh_key key = NULL;
	char *made = NULL;
	size_t len = 0;

	if (ssh_get_server_publickey(s->session, &key) != SSH_OK)
		return fy_ssh_error(s, FY_E_HOSTKEY, "the server showed no key",
				    err);
	*ret_type = ssh_key_type_to_char(ssh_key_type(key));
	if (*ret_type == NULL)
		*ret_type = "unknown";
	if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash,
				   &len) == 0) {
		made = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash,
						len);
		ssh_clean_pubkey_hash(&hash);
	}
	ssh_key_free(key);
	if (made == NULL)
		return fy_error_nomem(err);
	*ret = made;
	return 0;
}

static int
key_changed(struct fy_ssh *s, const char *type, const char *shown,
	    struct fy_error *err)
{
	return fy_error_set(
		err, FY_E_HOSTKEY, 0,
		"THE HOST KEY OF %s HAS CHANGED: it shows %s %s, which is not "
		"the key in %s. Either the server was installed anew, or "
		"somebody stands between. Ask its administrator; if it is "
		"right, remove the old key (ssh-keygen -R) or give "
		"--fingerprint",
		s->name.host, type, shown,
		s->o->known_hosts != NULL ? s->o->known_hosts
					  : "~/.ssh/known_hosts");
}

static int
key_unknown(struct fy_ssh *s, const char *type, const char *shown,
	    struct fy_error *err)
{
	if (s->o->ask_host_key == NULL)
		return fy_error_set(
			err, FY_E_HOSTKEY, 0,
			"the host key of %s is not known: %s %s. If that is "
			"right, give --fingerprint %s, or put the key into "
			"known_hosts",
			s->name.host, type, shown, shown);
	if (!s->o->ask_host_key(s->o->ask_ctx, s->name.host, type, shown))
		return fy_error_set(err, FY_E_HOSTKEY, 0,
				    "the host key of %s (%s) was not accepted",
				    s->name.host, shown);
	if (ssh_session_update_known_hosts(s->session) != SSH_OK)
		fy_log_warn(s->o->log,
			    "the key of %s could not be added to known_hosts: "
			    "%s",
			    s->name.host, ssh_get_error(s->session));
	return 0;
}

static int
check_pinned(struct fy_ssh *s, const char *type, const char *shown,
	     struct fy_error *err)
{
	if (fy_fingerprint_equal(s->o->fingerprint, shown))
		return 0;
	fy_error_set(err, FY_E_HOSTKEY, 0,
		     "the host key of %s is %s %s, not the %s of "
		     "--fingerprint",
		     s->name.host, type, shown, s->o->fingerprint);
	return 1;
}

/* While this process runs, the server has the key that it had first. */
static int
check_again(struct fy_ssh *s, const char *type, const char *shown,
	    struct fy_error *err)
{
	if (strcmp(s->o->memory->host_key, shown) == 0)
		return 0;
	return fy_error_set(err, FY_E_HOSTKEY, 0,
			    "THE HOST KEY OF %s HAS CHANGED during the job: it "
			    "shows %s %s, before it was %s. Somebody may stand "
			    "between",
			    s->name.host, type, shown, s->o->memory->host_key);
}

static int
check_known(struct fy_ssh *s, const char *type, const char *shown,
	    struct fy_error *err)
{
	switch (ssh_session_is_known_server(s->session)) {
	case SSH_KNOWN_HOSTS_OK:
		return 0;
	case SSH_KNOWN_HOSTS_CHANGED:
	case SSH_KNOWN_HOSTS_OTHER:
		return key_changed(s, type, shown, err);
	case SSH_KNOWN_HOSTS_UNKNOWN:
	case SSH_KNOWN_HOSTS_NOT_FOUND:
		return key_unknown(s, type, shown, err);
	case SSH_KNOWN_HOSTS_ERROR:
	default:
		return fy_ssh_error(s, FY_E_HOSTKEY,
				    "known_hosts cannot be read", err);
	}
}

int
fy_ssh_check_host_key(struct fy_ssh *s, struct fy_error *err)
{
	struct fy_server_memory *m = s->o->memory;
	const char *type = "";
	char *shown = NULL;
	int r = -1;

	if (describe_key(s, &shown, &type, err) == -1)
		return -1;
	if (s->o->fingerprint != NULL)
		r = check_pinned(s, type, shown, err);
	else if (m != NULL && m->host_key != NULL)
		r = check_again(s, type, shown, err);
	else
		r = check_known(s, type, shown, err);
	if (r == 0 && m != NULL && m->host_key == NULL) {
		m->host_key = strdup(shown);
		if (m->host_key == NULL)
			r = fy_error_nomem(err);
	}
	ssh_string_free_char(shown);
	return r;
}
