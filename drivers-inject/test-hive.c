/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Hives: values set by us and read by hivexregedit and the other way, logs of
 * both formats made by Python, hives that lie.
 */
#include "common/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/subprocess.h"
#include "drivers-inject/hive.h"

#define MKREGF "tests/lib/mkregf.py"

static struct fy_error err;
static char *dir;

static char *
at(const char *name)
{
	char *p = fy_format(&err, "%s/%s", dir, name);

	CHECK(p != NULL);
	return p;
}

static int
run(const char *const *argv, char **ret)
{
	struct fy_subprocess_options o = { .capture_max = 8 << 20,
					   .accept = 0 };
	struct fy_subprocess_result r = { 0 };
	int status = fy_subprocess_run(argv, &o, &r, &err);

	if (ret != NULL) {
		*ret = r.out;
		r.out = NULL;
	}
	fy_subprocess_result_release(&r);
	return status;
}

struct bytes {
	char *data;
	size_t len;
};

static struct bytes
get(const char *name)
{
	fy_autofree char *p = at(name);
	struct bytes b = { 0 };

	CHECK_OK(fy_file_read_at(AT_FDCWD, p, 64 << 20, &b.data, &b.len, &err),
		 &err);
	return b;
}

static void
put(const char *name, const char *data, size_t len)
{
	fy_autofree char *p = at(name);

	CHECK_OK(fy_file_replace_at(AT_FDCWD, p, data, len, 0600, &err), &err);
}

/* python3 mkregf.py WHAT FILE...: names in the test's directory. */
static void
mkregf(const char *what, const char *const *names)
{
	const char *argv[10] = { "python3", MKREGF, what };
	char *paths[6] = { NULL };
	size_t n = 0;

	for (; names[n] != NULL; n++)
		argv[3 + n] = paths[n] = at(names[n]);
	CHECK_OK(run(argv, NULL), &err);
	while (n > 0)
		free(paths[--n]);
}

static struct fy_hive *
parse(const char *name)
{
	struct bytes b = get(name);
	struct fy_hive *h = NULL;

	CHECK_OK(fy_hive_parse(b.data, b.len, NULL, 0, &h, &err), &err);
	free(b.data);
	return h;
}

static void
save(struct fy_hive *h, const char *name)
{
	char *data = NULL;
	size_t len = 0;

	CHECK_OK(fy_hive_bytes(h, &data, &len, &err), &err);
	put(name, data, len);
	free(data);
}

static const char *const lines[] = {
	"\"Dword\"=dword:0000002a\n",
	"\"Text\"=hex(1):",
	"43,00,3a,00,5c,00,fc,00,00,00", /* C:\ü */
	"\"Path\"=hex(2):",
	"\"Several\"=hex(7):61,00,00,00,62,00,00,00,00,00\n",
	"\"Bytes\"=hex(3):01,ff,00,00\n",
	"@=hex(1):64,00,00,00\n",
	"[\\One\\Two\\Three]\n",
};

static void
set_all(struct fy_hive *h)
{
	struct fy_string_set two = { 0 };

	CHECK_OK(fy_string_set_add(&two, "a", &err), &err);
	CHECK_OK(fy_string_set_add(&two, "b", &err), &err);
	CHECK_OK(fy_hive_set_dword(h, "One\\Two", "Dword", 42, &err), &err);
	CHECK_OK(fy_hive_set_string(h, "One\\Two", "Text", "C:\\ü", &err),
		 &err);
	CHECK_OK(
		fy_hive_set_expand(h, "One\\Two", "Path", "%SystemRoot%", &err),
		&err);
	CHECK_OK(fy_hive_set_strings(h, "one\\TWO", "Several", &two, &err),
		 &err);
	CHECK_OK(fy_hive_set_bytes(h, "One\\Two", "Bytes", 3, "\1\377\0", 4,
				   &err),
		 &err);
	CHECK_OK(fy_hive_set_string(h, "One\\Two", "", "d", &err), &err);
	CHECK_OK(fy_hive_create(h, "One\\Two\\Three", &err), &err);
	fy_string_set_release(&two);
}

static void
look(struct fy_hive *h)
{
	struct fy_string_set s = { 0 };
	struct fy_error e = { 0 };
	fy_autofree char *text = NULL;
	fy_autofree char *bytes = NULL;
	uint32_t v = 0, type = 0;
	size_t len = 0;

	CHECK(fy_hive_has(h, "ONE\\two\\three") && !fy_hive_has(h, "Two"));
	CHECK_OK(fy_hive_get_dword(h, "One\\Two", "dword", &v, &err), &err);
	CHECK(v == 42);
	CHECK(fy_hive_get_dword(h, "One\\Two", "Text", &v, &e) == -1);
	CHECK(e.code == FY_E_FORMAT);
	fy_error_clear(&e);
	CHECK(fy_hive_get_dword(h, "One\\Two", "nothing", &v, &e) == -1);
	CHECK(e.code == FY_E_NOTFOUND);
	CHECK_OK(fy_hive_get_string(h, "One\\Two", "Text", &text, &err), &err);
	CHECK_STR(text, "C:\\ü");
	CHECK_OK(fy_hive_get_strings(h, "One\\Two", "Several", &s, &err), &err);
	CHECK(s.n == 2);
	CHECK_STR(s.n == 2 ? s.items[1] : NULL, "b");
	fy_string_set_release(&s);
	memset(&s, 0, sizeof(s));
	CHECK_OK(fy_hive_get_bytes(h, "One\\Two", "Bytes", &type, &bytes, &len,
				   &err),
		 &err);
	CHECK(type == 3 && len == 4 && memcmp(bytes, "\1\377\0", 4) == 0);
	CHECK_OK(fy_hive_keys(h, "One", &s, &err), &err);
	CHECK(s.n == 1);
	CHECK_STR(s.n == 1 ? s.items[0] : NULL, "Two");
	fy_string_set_release(&s);
}

static void
test_values(void)
{
	fy_autofree char *file = at("h2");
	const char *argv[] = { "hivexregedit", "--export", file, "\\", NULL };
	fy_autofree char *out = NULL;
	struct fy_hive *h;
	size_t i;

	mkregf("empty", (const char *[]){ "h1", NULL });
	h = parse("h1");
	CHECK(!fy_hive_changed(h) && !fy_hive_was_dirty(h));
	set_all(h);
	CHECK(fy_hive_changed(h));
	look(h);
	save(h, "h2");
	fy_hive_free(h);

	CHECK_OK(run(argv, &out), &err);
	for (i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		if (out == NULL || strstr(out, lines[i]) == NULL) {
			fprintf(stderr, "%s", out);
			CHECK_STR("missing", lines[i]);
		}
	h = parse("h2");
	look(h);
	/* The same again is no change. */
	set_all(h);
	CHECK(!fy_hive_changed(h));
	CHECK_OK(fy_hive_delete_value(h, "One\\Two", "DWORD", &err), &err);
	CHECK(!fy_hive_has_value(h, "One\\Two", "Dword"));
	CHECK(fy_hive_has_value(h, "One\\Two", "Bytes"));
	CHECK_OK(fy_hive_delete(h, "One\\Two\\Three", &err), &err);
	CHECK(!fy_hive_has(h, "One\\Two\\Three") && fy_hive_has(h, "One\\Two"));
	CHECK_OK(fy_hive_delete(h, "One\\Nothing", &err), &err);
	fy_hive_free(h);
}

/* A hive of many pages, and another version of it. */
static void
make_versions(void)
{
	struct fy_hive *h;
	char key[64];
	unsigned i;

	mkregf("empty", (const char *[]){ "h1", NULL });
	h = parse("h1");
	for (i = 0; i < 500; i++) {
		snprintf(key, sizeof(key), "Many\\Key number %u", i);
		CHECK_OK(fy_hive_set_dword(h, key, "value", i, &err), &err);
	}
	save(h, "old");
	for (i = 0; i < 500; i += 7) {
		snprintf(key, sizeof(key), "Many\\Key number %u", i);
		CHECK_OK(fy_hive_set_dword(h, key, "value", i + 1, &err), &err);
	}
	for (i = 0; i < 300; i++) {
		snprintf(key, sizeof(key), "More\\Key number %u", i);
		CHECK_OK(fy_hive_set_dword(h, key, "value", i, &err), &err);
	}
	save(h, "new");
	fy_hive_free(h);
}

/* What is recovered is 'new', but for the base block's numbers. */
static void
check_recovered(char *data, size_t len)
{
	struct bytes new = get("new");

	CHECK(len == new.len);
	CHECK(fy_get_le32(data + 4) == fy_get_le32(data + 8));
	CHECK(len ==
	      new.len &&memcmp(data + 4096, new.data + 4096, len - 4096) == 0);
	free(new.data);
}

static int
recover(struct bytes hive, const struct bytes *logs, size_t n, bool *replayed,
	struct bytes *ret)
{
	struct fy_hive_log l[3];
	size_t i;

	for (i = 0; i < n; i++)
		l[i] = (struct fy_hive_log){ logs[i].data, logs[i].len };
	ret->data = malloc(hive.len);
	CHECK(ret->data != NULL);
	memcpy(ret->data, hive.data, hive.len);
	ret->len = hive.len;
	return fy_hive_recover(&ret->data, &ret->len, l, n, replayed, &err);
}

static void
dirty(struct bytes hive, const struct bytes *logs, size_t n)
{
	struct bytes r = { 0 };
	bool replayed = false;

	fy_error_clear(&err);
	CHECK(recover(hive, logs, n, &replayed, &r) == -1);
	CHECK(err.code == FY_E_DIRTY);
	CHECK(strstr(err.msg, "not written whole") != NULL ||
	      strstr(err.msg, "cut") != NULL);
	fy_error_clear(&err);
	free(r.data);
}

static void
test_old_log(void)
{
	struct bytes hive, log, r = { 0 };
	bool replayed = false;

	mkregf("dirty-old",
	       (const char *[]){ "old", "new", "hive", "log", NULL });
	hive = get("hive");
	log = get("log");
	CHECK_OK(recover(hive, &log, 1, &replayed, &r), &err);
	CHECK(replayed);
	check_recovered(r.data, r.len);
	free(r.data);
	dirty(hive, NULL, 0);
	log.len -= 512;
	dirty(hive, &log, 1);
	log.len += 512;
	log.data[12] ^= 1; /* another time: of another state */
	dirty(hive, &log, 1);
	free(hive.data);
	free(log.data);
}

static void
test_new_logs(void)
{
	struct bytes hive, logs[2], r = { 0 };
	bool replayed = false;

	mkregf("dirty-new",
	       (const char *[]){ "old", "new", "hive", "log1", "log2", NULL });
	hive = get("hive");
	logs[0] = get("log1");
	logs[1] = get("log2");
	CHECK_OK(recover(hive, logs, 2, &replayed, &r), &err);
	CHECK(replayed);
	check_recovered(r.data, r.len);
	free(r.data);
	/* The hive is whole: the logs are old ones. */
	replayed = true;
	free(hive.data);
	hive = get("old");
	CHECK_OK(recover(hive, logs, 2, &replayed, &r), &err);
	CHECK(!replayed && memcmp(r.data, hive.data, hive.len) == 0);
	free(r.data);
	free(hive.data);
	hive = get("hive");
	logs[1].data[512 + 4096] ^= 1; /* what its hash does not say */
	dirty(hive, &logs[1], 1);
	/* Bits of the base block's first bytes. */
	hive.data[8] ^= 1;
	CHECK(recover(hive, logs, 2, &replayed, &r) == -1);
	CHECK(err.code == FY_E_DIRTY);
	fy_error_clear(&err);
	free(r.data);
	free(hive.data);
	free(logs[0].data);
	free(logs[1].data);
}

/* The head of an entry that Windows 10 wrote, with the hash of its first 32
 * bytes. */
static void
test_hash(void)
{
	static const unsigned char heads[2][40] = {
		{ 0x48, 0x76, 0x4c, 0x45, 0x00, 0x5e, 0x00, 0x00, 0x00, 0x00,
		  0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x50, 0x00, 0x00,
		  0x01, 0x00, 0x00, 0x00, 0x31, 0xe4, 0x07, 0x18, 0x66, 0x6c,
		  0x86, 0x67, 0x02, 0x7f, 0x65, 0xa7, 0xcf, 0xf3, 0x44, 0xcd },
		{ 0x48, 0x76, 0x4c, 0x45, 0x00, 0x1e, 0x00, 0x00, 0x00, 0x00,
		  0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x00, 0x50, 0x00, 0x00,
		  0x01, 0x00, 0x00, 0x00, 0x5d, 0x1e, 0x70, 0x07, 0x17, 0xa8,
		  0x46, 0x47, 0x67, 0x72, 0x87, 0xf6, 0xaf, 0xdc, 0x37, 0xe6 },
	};
	size_t i;

	for (i = 0; i < 2; i++)
		CHECK(fy_hive_hash((const char *)heads[i], 32) ==
		      fy_get_le64(heads[i] + 32));
}

/* Any byte of a small hive, any value: no crash, and bounded. */
static void
test_damage(void)
{
	struct bytes b;
	unsigned i, k;

	mkregf("empty", (const char *[]){ "h1", NULL });
	b = get("h1");
	for (i = 0; i < b.len; i += i < 600 || (i >= 4096 && i < 4700) ? 1 : 97)
		for (k = 0; k < 3; k++) {
			char was = b.data[i];
			struct fy_hive *h = NULL;

			b.data[i] = (char)(k == 0   ? 0xff
					   : k == 1 ? 0
						    : was + 1);
			fy_error_clear(&err);
			if (fy_hive_parse(b.data, b.len, NULL, 0, &h, &err) ==
			    0)
				(void)fy_hive_set_dword(h, "A\\B", "c", 1,
							&err);
			else
				CHECK(err.msg[0] != '\0');
			fy_hive_free(h);
			b.data[i] = was;
		}
	fy_error_clear(&err);
	free(b.data);
}

int
main(void)
{
	CHECK_OK(fy_dir_temporary("test-hive", &dir, &err), &err);
	test_values();
	make_versions();
	test_old_log();
	test_new_logs();
	test_hash();
	test_damage();
	CHECK_OK(fy_dir_remove_all_at(AT_FDCWD, dir, &err), &err);
	free(dir);
	return test_result();
}
