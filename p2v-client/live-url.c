/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Small files from the network or the medium: configuration and keys.
 *
 * The network is fetched from by the program curl, which gets the URL as an
 * argument of its own, only the protocols that are meant, a limit of size and
 * of time.  At boot the network may come late, so failures that look like it
 * are tried again until the time is over; a server that says no is believed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/file.h"
#include "common/subprocess.h"
#include "p2v-client/live.h"
#include "p2v-client/sysfs.h"

#define PROTOCOLS "=https,http,tftp"
#define PAUSE_MS  2000
#define CA_DIR	  "/etc/ssl/certs"

/* --- templates ------------------------------------------------------------- */

static bool
is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

/* As 52-54-00-12-34-56, lower case, or NULL. */
static char *
boot_mac(const char *sysroot, const char *boot_line)
{
	const char *at = strstr(boot_line, "BOOTIF=");
	struct fy_strings names = { 0 };
	struct fy_error err = { 0 };
	char *mac = NULL, *p;
	size_t i, round;

	/* PXELINUX: the type of hardware, then the address. */
	if (at != NULL && (at == boot_line || at[-1] == ' ') &&
	    strspn(at + 7, "0123456789abcdefABCDEF-:") >= 20)
		mac = strndup(at + 10, 17);
	(void)fy_sys_list(sysroot, "/sys/class/net", &names, &err);
	/* The first with a link, else the first. */
	for (round = 0; round < 2 && mac == NULL; round++) {
		for (i = 0; i < names.n && mac == NULL; i++) {
			const char *n = names.items[i];

			if (!fy_sys_exists(sysroot, "/sys/class/net/%s/device",
					   n) ||
			    (round == 0 &&
			     fy_sys_number(sysroot, 0,
					   "/sys/class/net/%s/carrier",
					   n) != 1))
				continue;
			mac = fy_sys_line(sysroot, "/sys/class/net/%s/address",
					  n);
		}
	}
	fy_strings_release(&names);
	for (p = mac; p != NULL && *p != '\0'; p++) {
		if (*p == ':')
			*p = '-';
		else if (*p >= 'A' && *p <= 'F')
			*p = (char)(*p - 'A' + 'a');
	}
	return mac;
}

static int
find_word(const char *sysroot, const char *boot_line, const char *word,
	  char **ret, struct fy_error *err)
{
	static const char *const files[][2] = {
		{ "serial", "product_serial" },
		{ "uuid", "product_uuid" },
		{ "asset", "chassis_asset_tag" },
	};
	size_t i;

	for (i = 0; i < 3; i++)
		if (strcmp(word, files[i][0]) == 0)
			*ret = fy_sys_line(sysroot, "/sys/class/dmi/id/%s",
					   files[i][1]);
	if (strcmp(word, "mac") == 0)
		*ret = boot_mac(sysroot, boot_line);
	else if (*ret == NULL && strcmp(word, "serial") != 0 &&
		 strcmp(word, "uuid") != 0 && strcmp(word, "asset") != 0)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "'{%.40s}' is not known in an URL; there "
				    "are {serial}, {uuid}, {asset} and {mac}",
				    word);
	if (*ret == NULL)
		return fy_error_set(err, FY_E_NOTFOUND, 0,
				    "this machine does not tell its {%s}",
				    word);
	return 0;
}

static void
put_encoded(FILE *to, const char *text)
{
	for (; *text != '\0'; text++) {
		if (is_plain(*text))
			fputc(*text, to);
		else
			fprintf(to, "%%%02X", (unsigned char)*text);
	}
}

static int
expand(const char *sysroot, const char *boot_line, const char *url, FILE *to,
       struct fy_error *err)
{
	char word[41];
	size_t len;

	while (*url != '\0') {
		fy_autofree char *value = NULL;

		if (*url != '{') {
			fputc(*url++, to);
			continue;
		}
		len = strcspn(url + 1, "}");
		if (url[1 + len] != '}' || len >= sizeof(word))
			return fy_error_set(err, FY_E_USAGE, 0,
					    "a '{' without '}' in '%.200s'",
					    url);
		memcpy(word, url + 1, len);
		word[len] = '\0';
		if (find_word(sysroot, boot_line, word, &value, err) == -1)
			return -1;
		put_encoded(to, value);
		url += len + 2;
	}
	return 0;
}

int
fy_live_expand_url(const char *sysroot, const char *boot_line, const char *url,
		   char **ret, struct fy_error *err)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);
	int r;

	if (to == NULL)
		return fy_error_nomem(err);
	r = expand(sysroot, boot_line, url, to, err);
	if (fclose(to) == EOF && r == 0)
		r = fy_error_nomem(err);
	if (r == 0)
		*ret = text;
	else
		free(text);
	return r;
}

/* --- fetching -------------------------------------------------------------- */

/* curl's statuses of a network that isn't there yet: proxy, name, connection,
 * time, TLS handshake cut, nothing received, send, receive. */
#define TRY_AGAIN                                                              \
	(UINT64_C(1) << 5 | UINT64_C(1) << 6 | UINT64_C(1) << 7 |              \
	 UINT64_C(1) << 28 | UINT64_C(1) << 35 | UINT64_C(1) << 52 |           \
	 UINT64_C(1) << 55 | UINT64_C(1) << 56)

/* 'ca' (or NULL): a certificate that is believed besides Debian's. */
static int
run_curl(const char *url, const char *ca, size_t max,
	 struct fy_subprocess_result *ret, struct fy_error *err)
{
	char size[32];
	const char *const argv[] = {
		"curl",	     "--disable", /* no ~/.curlrc */
		"--silent",  "--show-error",
		"--fail",    "--location",
		"--globoff", "--proto",
		PROTOCOLS,   "--proto-redir",
		PROTOCOLS,   "--connect-timeout",
		"10",	     "--max-time",
		"60",	     "--max-filesize",
		size,	     "--url",
		url,	     ca != NULL ? "--cacert" : NULL,
		ca,	     "--capath",
		CA_DIR,	     NULL
	};
	struct fy_subprocess_options options = { .capture_max = max,
						 .timeout_s = 70,
						 .stop = &fy_client_stop,
						 .accept = TRY_AGAIN };

	snprintf(size, sizeof(size), "%zu", max);
	return fy_subprocess_run(argv, &options, ret, err);
}

static void
trim_end(char *text)
{
	size_t len = strlen(text);

	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
		text[--len] = '\0';
}

static int
fetch_by_curl(struct fy_live *l, const char *url, size_t max, char **ret,
	      size_t *ret_len, struct fy_error *err)
{
	uint64_t wait =
		l->o->live.wait_s != 0 ? l->o->live.wait_s : FY_LIVE_WAIT_S;
	uint64_t end = fy_clock_ns() + wait * UINT64_C(1000000000);
	fy_autofree char *ca = NULL;
	bool told = false;

	ca = fy_format(err, "%s/ironferry/ca.crt", l->medium);
	if (ca == NULL)
		return -1;
	for (;;) {
		struct fy_subprocess_result r = { 0 };

		if (run_curl(url, access(ca, F_OK) == 0 ? ca : NULL, max, &r,
			     err) == -1) {
			fy_subprocess_result_release(&r);
			return fy_error_prefix(err, "%.200s", url);
		}
		if (r.status == 0) {
			*ret = fy_steal_ptr(&r.out);
			*ret_len = r.out_len;
			fy_subprocess_result_release(&r);
			return *ret == NULL ? fy_error_nomem(err) : 0;
		}
		trim_end(r.err_tail);
		if (!told)
			fy_live_say(l,
				    "Waiting for %s (%llu s at most): %.200s",
				    url, (unsigned long long)wait, r.err_tail);
		told = true;
		if (fy_clock_ns() >= end)
			fy_error_set(err, FY_E_CONNECTION, 0,
				     "'%.200s' could not be fetched within "
				     "%llu s: %.200s",
				     url, (unsigned long long)wait, r.err_tail);
		fy_subprocess_result_release(&r);
		if (err->code != FY_E_NONE ||
		    fy_stop_check(&fy_client_stop, err) == -1)
			return -1;
		fy_live_pause(PAUSE_MS);
	}
}

static int
read_below_medium(struct fy_live *l, const char *path, size_t max, char **ret,
		  size_t *ret_len, struct fy_error *err)
{
	fy_autofree char *whole = NULL;

	while (*path == '/')
		path++;
	if (strstr(path, "..") != NULL)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "'..' is not allowed in 'medium:%.200s'",
				    path);
	whole = fy_format(err, "%s/%s", l->medium, path);
	if (whole == NULL)
		return -1;
	return fy_file_read_at(AT_FDCWD, whole, max, ret, ret_len, err);
}

int
fy_live_fetch(struct fy_live *l, const char *url, size_t max, char **ret,
	      size_t *ret_len, struct fy_error *err)
{
	fy_autofree char *real = NULL;

	if (fy_live_expand_url(l->sysroot, l->boot_line, url, &real, err) == -1)
		return -1;
	if (strncmp(real, "medium:", 7) == 0)
		return read_below_medium(l, real + 7, max, ret, ret_len, err);
	if (strncmp(real, "file:///", 8) == 0)
		return fy_file_read_at(AT_FDCWD, real + 7, max, ret, ret_len,
				       err);
	if (real[0] == '/')
		return fy_file_read_at(AT_FDCWD, real, max, ret, ret_len, err);
	if (strncasecmp(real, "https://", 8) != 0 &&
	    strncasecmp(real, "http://", 7) != 0 &&
	    strncasecmp(real, "tftp://", 7) != 0)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "'%.200s' is none of https://, http://, "
				    "tftp://, file:///PATH and medium:PATH",
				    real);
	return fetch_by_curl(l, real, max, ret, ret_len, err);
}
