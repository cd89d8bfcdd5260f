/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a person wants changed: what is taken and what is refused, over the
 * wire and back, and the edits of a Linux guest's files.
 */
#include "common/test.h"

#include <crypt.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/custom.h"
#include "drivers-inject/linux.h"

static struct fy_error err;
static char *dir;

static char *
put(const char *name, const char *text)
{
	char *p = fy_format(&err, "%s/%s", dir, name);

	CHECK_OK(
		fy_file_replace_at(AT_FDCWD, p, text, strlen(text), 0600, &err),
		&err);
	return p;
}

#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me@example"

static void
check_hostnames(void)
{
	static const char *const good[] = { "a", "web01", "web-01.example.org",
					    "1and1" };
	static const char *const bad[] = { "",	       "-a",  "a-",  "a..b",
					   "a.",       ".a",  "a_b", "a b",
					   "a;reboot", "a\n", "a-.b" };
	char label[80] = { 0 };
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(*good); i++)
		CHECK(fy_custom_is_hostname(good[i]));
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		CHECK(!fy_custom_is_hostname(bad[i]));
	memset(label, 'a', 63);
	CHECK(fy_custom_is_hostname(label));
	label[63] = 'a';
	CHECK(!fy_custom_is_hostname(label));
}

static void
check_families(void)
{
	static const char *const windows[] = { "a.cmd", "A.BAT", "x.sh.Ps1",
					       ".cmd" };
	static const char *const others[] = { "",	  "cmd",  "a.sh",
					      "a.cmd.sh", "a.ps", "acmd",
					      "ps1" };
	size_t i;

	for (i = 0; i < sizeof(windows) / sizeof(*windows); i++)
		CHECK(fy_custom_is_for_windows(windows[i]));
	for (i = 0; i < sizeof(others) / sizeof(*others); i++)
		CHECK(!fy_custom_is_for_windows(others[i]));
}

/* Options with one file that is wrong. */
static void
check_refused(struct fy_custom_options *o, const char *word)
{
	struct fy_custom *c = NULL;
	struct fy_error e = { 0 };

	CHECK(fy_custom_load(o, &c, &e) == -1 && c == NULL);
	if (strstr(e.msg, word) == NULL)
		CHECK_STR(e.msg, word);
	fy_strings_release(&o->first_boot);
	fy_strings_release(&o->ssh_keys);
	memset(o, 0, sizeof(*o));
}

static void
check_refusals(void)
{
	fy_autofree char *private = put("id", "-----BEGIN OPENSSH PRIVATE "
					      "KEY-----\nx\n");
	fy_autofree char *none = put("none", "# nothing\n");
	fy_autofree char *junk = put("junk", "hello\n");
	fy_autofree char *latin = put("latin", "#!/bin/sh\necho \xe9\n");
	fy_autofree char *empty = put("empty", "");
	struct fy_custom_options o = { 0 };
	static char name[] = "a b";

	fy_strings_add(&o.ssh_keys, private, &err);
	check_refused(&o, "private key");
	fy_strings_add(&o.ssh_keys, none, &err);
	check_refused(&o, "holds no key");
	fy_strings_add(&o.ssh_keys, junk, &err);
	check_refused(&o, "no public key");
	fy_strings_add(&o.first_boot, latin, &err);
	check_refused(&o, "UTF-8");
	fy_strings_add(&o.first_boot, empty, &err);
	check_refused(&o, "empty");
	fy_strings_add(&o.first_boot, "/nowhere/at/all", &err);
	check_refused(&o, "/nowhere/at/all");
	o.root_password_file = empty;
	check_refused(&o, "empty");
	o.set_hostname = name;
	check_refused(&o, "no hostname");
	o.set_hostname = name;
	o.keep_hostname = true;
	check_refused(&o, "exclude");
}

static void
check_round_trip(void)
{
	fy_autofree char *key = put("key.pub", KEY "\n\n# x\n" KEY "2\r\n");
	fy_autofree char *script = put("set-up.sh", "echo \xc3\xa9\n");
	fy_autofree char *password = put("password", "s3cret pass\nmore\n");
	FY_AUTO(custom) struct fy_custom *c = NULL;
	FY_AUTO(custom) struct fy_custom *d = NULL;
	fy_autojson json_t *j = NULL;
	struct fy_custom_options o = { .root_password_file = password,
				       .install_agent = true };
	static char name[] = "web01.example";
	struct fy_custom *nothing = NULL;
	fy_autojson json_t *null = fy_custom_to_json(NULL, &err);

	CHECK(json_is_null(null));
	CHECK(fy_custom_from_json(null, &nothing, &err) == 0 && !nothing);
	o.set_hostname = name;
	fy_strings_add(&o.ssh_keys, key, &err);
	fy_strings_add(&o.first_boot, script, &err);
	CHECK_OK(fy_custom_load(&o, &c, &err), &err);
	j = fy_custom_to_json(c, &err);
	CHECK_OK(fy_custom_from_json(j, &d, &err), &err);
	CHECK_STR(d->hostname, "web01.example");
	CHECK(d->agent && d->ssh_keys.n == 2 && d->n_first_boot == 1);
	CHECK_STR(d->ssh_keys.items[1], KEY "2");
	CHECK_STR(d->first_boot[0].name, "set-up.sh");
	CHECK_STR(d->first_boot[0].text, "echo \xc3\xa9\n");
	/* The hash is one of the password, which is not there itself. */
	CHECK_STR(crypt("s3cret pass", d->root_password), d->root_password);
	CHECK(strcmp(crypt("s3cret", d->root_password), d->root_password));
	fy_strings_release(&o.first_boot);
	fy_strings_release(&o.ssh_keys);
}

static void
check_foreign(void)
{
	static const char *const bad[] = {
		"[]",
		"{\"hostname\":1}",
		"{\"hostname\":\"a\\u0000b\"}",
		"{\"hostname\":\"a b\"}",
		"{\"root_password\":\"plain\"}",
		"{\"root_password\":\"$6$x:0:0::\\n\"}",
		"{\"root_password\":\"$6$0123456789012:0\"}",
		"{\"ssh_keys\":\"x\"}",
		"{\"ssh_keys\":[\"ssh-rsa AAAA\\nssh-rsa AAAA\"]}",
		"{\"first_boot\":[{\"name\":\"../x\",\"text\":\"y\"}]}",
		"{\"first_boot\":[{\"name\":\"x\"}]}",
		"{\"first_boot\":[1]}",
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		fy_autojson json_t *j =
			json_loads(bad[i], JSON_ALLOW_NUL, NULL);
		struct fy_custom *c = NULL;
		struct fy_error e = { 0 };

		CHECK(j != NULL);
		CHECK(fy_custom_from_json(j, &c, &e) == -1 && c == NULL);
		CHECK(e.code == FY_E_FORMAT || e.code == FY_E_USAGE);
	}
}

static void
check_edit(char *is, const char *want)
{
	if (want == NULL)
		CHECK(is == NULL);
	else
		CHECK_STR(is, want);
	free(is);
}

static void
check_files(void)
{
	check_edit(fy_linux_edit_hosts("127.0.0.1 localhost\n"
				       "127.0.1.1\tweb.old.org web # web\n"
				       "192.0.2.1 webber web2\n",
				       "web.old.org", "new.example"),
		   "127.0.0.1 localhost\n127.0.1.1\tnew.example new # web\n"
		   "192.0.2.1 webber web2\n");
	check_edit(fy_linux_edit_hosts("127.0.1.1 other\n", "web", "new"),
		   NULL);
	/* Red Hat's hostname of a machine that was given none. */
	check_edit(fy_linux_edit_hosts("127.0.0.1 localhost.localdomain "
				       "localhost\n192.0.2.1 localhostess\n",
				       "localhost.localdomain", "new"),
		   NULL);
	check_edit(fy_linux_edit_hosts("127.0.0.1 localhost\n", "localhost",
				       "new"),
		   NULL);
	check_edit(fy_linux_edit_hosts("1.2.3.4 localhostess localhost\n",
				       "localhostess", "new"),
		   "1.2.3.4 new localhost\n");
	/* An address is no name, even when it looks like one. */
	check_edit(fy_linux_edit_hosts("web web\n", "web", "new"), "web new\n");
	check_edit(fy_linux_edit_shadow("bin:*:1::\nroot:!:19000:0:9:7:::\n",
					"$6$x"),
		   "bin:*:1::\nroot:$6$x:19000:0:9:7:::\n");
	check_edit(fy_linux_edit_shadow("toor:!:1\nroot", "$6$x"), NULL);
	check_edit(fy_linux_edit_shadow("", "$6$x"), NULL);
}

static void
check_uki(void)
{
	unsigned char h[512] = "MZ";
	struct fy_uki u;
	unsigned char *s = h + 0x40 + 24;

	h[0x3c] = 0x40;
	memcpy(h + 0x40, "PE\0\0", 4);
	h[0x46] = 2; /* sections; no optional header */
	memcpy(s, ".cmdline", 8);
	s[8] = 5;  /* virtual size */
	s[17] = 2; /* 512 bytes stored */
	s[21] = 4; /* at 1024 */
	memcpy(s + 40, ".linux\0\0", 8);
	s[40 + 17] = 2;
	s[40 + 21] = 8;
	CHECK(fy_uki_parse(h, sizeof(h), 4096, &u));
	CHECK(u.cmdline == 1024 && u.cmdline_len == 5 && u.kernel == 2048);
	/* Sections behind the file's end are none. */
	CHECK(!fy_uki_parse(h, sizeof(h), 2048, &u));
	CHECK(!fy_uki_parse(h, 100, 4096, &u));
	h[0x3c] = 0xff;
	h[0x3d] = 0xff;
	CHECK(!fy_uki_parse(h, sizeof(h), 4096, &u));
}

int
main(void)
{
	CHECK_OK(fy_dir_temporary("test-custom", &dir, &err), &err);
	check_hostnames();
	check_families();
	check_refusals();
	check_round_trip();
	check_foreign();
	check_files();
	check_uki();
	fy_dir_remove_all_at(AT_FDCWD, dir, NULL);
	free(dir);
	return test_result();
}
