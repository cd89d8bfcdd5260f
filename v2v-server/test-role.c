/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names, roles and the root: what a client can't do and can't reach.
 */
#include <sys/stat.h>

#include "common/cleanup.h"
#include "v2v-server/role.h"
#include "v2v-server/testing.h"

static char *top;

static void
names(void)
{
	char longest[102];

	memset(longest, 'a', sizeof(longest));
	longest[100] = '\0';
	CHECK(fy_name_is_valid("web01"));
	CHECK(fy_name_is_valid("9.A_b-c"));
	CHECK(fy_name_is_valid(longest));
	longest[100] = 'a';
	longest[101] = '\0';
	CHECK(!fy_name_is_valid(longest));
	CHECK(!fy_name_is_valid(""));
	CHECK(!fy_name_is_valid(".hidden"));
	CHECK(!fy_name_is_valid("-x"));
	CHECK(!fy_name_is_valid("a/b"));
	CHECK(!fy_name_is_valid("a b"));
	CHECK(!fy_name_is_valid("a\n"));
	CHECK(!fy_name_is_valid("\303\244"));
	CHECK(!fy_name_is_valid("a\303\244"));
}

static void
options(void)
{
	struct fy_strings allow = { 0 }, wrong = { 0 };
	FY_AUTO(role) struct fy_role *r = NULL;
	struct fy_role_options o = { .allow = &allow };
	struct fy_error err = { 0 };

	CHECK_OK(fy_strings_add(&allow, "backup", &err));
	CHECK_OK(fy_strings_add(&wrong, "everything", &err));
	CHECK(fy_role_new(&o, &r, &err) == -1);
	CHECK_ERROR(FY_E_USAGE);
	o = (struct fy_role_options){ .machine = "web01" };
	CHECK(fy_role_new(&o, &r, &err) == -1);
	CHECK_ERROR(FY_E_USAGE);
	o = (struct fy_role_options){ .append_only = true };
	CHECK(fy_role_new(&o, &r, &err) == -1);
	CHECK_ERROR(FY_E_USAGE);
	o = (struct fy_role_options){ .root = top, .allow = &wrong };
	CHECK(fy_role_new(&o, &r, &err) == -1);
	CHECK_ERROR(FY_E_USAGE);
	o = (struct fy_role_options){ .root = top, .machine = "a/b" };
	CHECK(fy_role_new(&o, &r, &err) == -1);
	CHECK_ERROR(FY_E_USAGE);
	o = (struct fy_role_options){ .root = "/nonexistent/root" };
	CHECK(fy_role_new(&o, &r, &err) == -1);
	CHECK_ERROR(FY_E_NOTFOUND);

	o = (struct fy_role_options){ .root = top,
				      .allow = &allow,
				      .machine = "web01",
				      .append_only = true };
	CHECK_OK(fy_role_new(&o, &r, &err));
	CHECK(fy_role_check(r, "convert", "web01", false, &err) == -1);
	CHECK_ERROR(FY_E_DENIED);
	CHECK(fy_role_check(r, "backup", "web02", false, &err) == -1);
	CHECK_ERROR(FY_E_DENIED);
	CHECK(fy_role_check(r, "backup", "web01", true, &err) == -1);
	CHECK_ERROR(FY_E_DENIED);
	CHECK_OK(fy_role_check(r, "backup", "web01", false, &err));
	fy_strings_release(&allow);
	fy_strings_release(&wrong);
}

static void
refused(const struct fy_role *r, const char *to, enum fy_error_code code)
{
	struct fy_error err = { 0 };
	char *path = NULL;
	int fd = -1;

	if (fy_role_open_dir(r, to, &fd, &path, &err) != -1) {
		fprintf(stderr, "'%s' leads to '%s'\n", to, path);
		exit(1);
	}
	CHECK(path == NULL && fd == -1);
	if (err.code != code) {
		fprintf(stderr, "'%s': %s (%s)\n", to, err.msg,
			fy_error_name(err.code));
		exit(1);
	}
}

static void
reaches(const struct fy_role *r, const char *to, const char *want)
{
	fy_autofree char *path = NULL, *full = NULL;
	struct fy_error err = { 0 };
	fy_autofd int fd = -1;
	struct stat a, b;

	full = fy_format(&err, "%s%s", top, want);
	CHECK_OK(fy_role_open_dir(r, to, &fd, &path, &err));
	if (strcmp(path, full) != 0) {
		fprintf(stderr, "'%s' leads to '%s', not '%s'\n", to, path,
			full);
		exit(1);
	}
	CHECK(fstat(fd, &a) == 0 && stat(full, &b) == 0);
	CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
}

static void
roots(void)
{
	fy_autofree char *root = NULL, *inside = NULL, *beside = NULL;
	FY_AUTO(role) struct fy_role *r = NULL;
	struct fy_role_options o = { 0 };
	struct fy_error err = { 0 };
	fy_autofd int fd = open(top, O_RDONLY | O_DIRECTORY);

	root = fy_format(&err, "%s/root", top);
	inside = fy_format(&err, "%s/root/vms/x", top);
	beside = fy_format(&err, "%s/rootless", top);
	CHECK(mkdirat(fd, "root", 0755) == 0);
	CHECK(mkdirat(fd, "rootless", 0755) == 0);
	CHECK(mkdirat(fd, "root/real", 0755) == 0);
	CHECK(symlinkat("real", fd, "root/link") == 0);
	CHECK(symlinkat("/etc", fd, "root/etc") == 0);
	CHECK(symlinkat("..", fd, "root/up") == 0);
	test_write_file(fd, "root/file", "x");
	o.root = root;
	CHECK_OK(fy_role_new(&o, &r, &err));

	reaches(r, ".", "/root");
	reaches(r, "", "/root");
	reaches(r, "new/er/dir", "/root/new/er/dir");
	reaches(r, "./real//", "/root/real");
	reaches(r, inside, "/root/vms/x");
	reaches(r, root, "/root");
	refused(r, "..", FY_E_DENIED);
	refused(r, "real/..", FY_E_DENIED);
	refused(r, "real/../../rootless", FY_E_DENIED);
	refused(r, "link", FY_E_DENIED);
	refused(r, "link/deeper", FY_E_DENIED);
	refused(r, "etc", FY_E_DENIED);
	refused(r, "up/rootless", FY_E_DENIED);
	refused(r, "/etc", FY_E_DENIED);
	refused(r, beside, FY_E_DENIED);
	refused(r, "file", FY_E_IO);
	refused(r, "file/x", FY_E_IO);
}

int
main(void)
{
	struct fy_error err = { 0 };

	CHECK_OK(fy_dir_temporary("fy-test-role", &top, &err));
	names();
	options();
	roots();
	CHECK_OK(fy_dir_remove_all_at(AT_FDCWD, top, &err));
	free(top);
	return 0;
}
