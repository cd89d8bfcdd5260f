/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SERVER: [user@]host[:port], where host may be an IPv6 address, in brackets
 * when a port follows.
 */
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "p2v-client/convert.h"

#define MAX_PORT 65535u

static int
wrong(const char *text, const char *why, struct fy_error *err)
{
	return fy_error_set(err, FY_E_USAGE, 0,
			    "'%s' is no server: %s; it is 'local' or "
			    "[user@]host[:port]",
			    text, why);
}

static int
parse_port(const char *text, const char *digits, unsigned *ret,
	   struct fy_error *err)
{
	unsigned long v = 0;
	size_t i, len = strlen(digits);

	if (len == 0 || len > 5)
		return wrong(text, "the port is no number", err);
	for (i = 0; i < len; i++) {
		if (digits[i] < '0' || digits[i] > '9')
			return wrong(text, "the port is no number", err);
		v = v * 10 + (unsigned long)(digits[i] - '0');
	}
	if (v == 0 || v > MAX_PORT)
		return wrong(text, "the port is not within 1 to 65535", err);
	*ret = (unsigned)v;
	return 0;
}

/* Names that no host has, but that a shell or an option parser might like. */
static bool
is_host(const char *host)
{
	const unsigned char *p = (const unsigned char *)host;

	if (*p == '\0' || *p == '-')
		return false;
	for (; *p != '\0'; p++)
		if (*p <= 0x20 || *p == 0x7f ||
		    strchr("/\\@[]\"'`$;&|<>", *p) != NULL)
			return false;
	return true;
}

/* Cut 'rest' into host and port (or ""). */
static int
split_host(const char *text, char *rest, char **ret_host, const char **ret_port,
	   struct fy_error *err)
{
	char *colon;

	*ret_port = NULL;
	*ret_host = rest;
	if (rest[0] == '[') {
		char *close = strchr(rest, ']');

		if (close == NULL)
			return wrong(text, "']' is missing", err);
		*close = '\0';
		*ret_host = rest + 1;
		if (close[1] == ':')
			*ret_port = close + 2;
		else if (close[1] != '\0')
			return wrong(text, "only :port may follow ']'", err);
		return 0;
	}
	colon = strchr(rest, ':');
	/* Two colons without brackets are an IPv6 address. */
	if (colon != NULL && strchr(colon + 1, ':') == NULL) {
		*colon = '\0';
		*ret_port = colon + 1;
	}
	return 0;
}

int
fy_server_name_parse(const char *text, struct fy_server_name *ret,
		     struct fy_error *err)
{
	fy_autofree char *copy = strdup(text);
	struct fy_server_name n = { .port = 22 };
	char *rest, *host, *at;
	const char *port;

	if (copy == NULL)
		return fy_error_nomem(err);
	rest = copy;
	/* The last one: a user's name may have an @ in it. */
	at = strrchr(copy, '@');
	if (at != NULL) {
		*at = '\0';
		rest = at + 1;
		if (copy[0] == '\0')
			return wrong(text, "the user's name is empty", err);
	}
	if (split_host(text, rest, &host, &port, err) == -1)
		return -1;
	if (port != NULL && parse_port(text, port, &n.port, err) == -1)
		return -1;
	if (!is_host(host))
		return wrong(text, "the host's name is wrong", err);
	n.host = strdup(host);
	n.user = at != NULL ? strdup(copy) : NULL;
	if (n.host == NULL || (at != NULL && n.user == NULL)) {
		fy_server_name_release(&n);
		return fy_error_nomem(err);
	}
	*ret = n;
	return 0;
}

void
fy_server_name_release(struct fy_server_name *n)
{
	free(n->user);
	free(n->host);
	n->user = n->host = NULL;
}
