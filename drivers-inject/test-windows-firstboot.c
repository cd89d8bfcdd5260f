/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a Windows guest is given for its first boot: the program of its
 * architecture, the scripts that its version can run, the guest agent.
 */
#include "common/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "drivers-inject/virtio-win-internal.h"
#include "drivers-inject/windows-firstboot.h"

#define TOP "Program Files/Ironferry/Firstboot/"

static struct fy_error err;
static struct fy_driver one_driver = { .name = (char *)(uintptr_t) "viostor" };
static char msi[] = "an installer";

static const struct fy_firstboot_file *
file(const struct fy_firstboot *f, const char *path)
{
	size_t i;

	for (i = 0; i < f->n_files; i++)
		if (strcmp(f->files[i].path, path) == 0)
			return &f->files[i];
	return NULL;
}

static bool
has(const struct fy_firstboot *f, const char *path, const char *text)
{
	const struct fy_firstboot_file *at = file(f, path);

	return at != NULL && strstr(at->data, text) != NULL;
}

static void
build(const struct fy_windows_version *v, const struct fy_driver_set *d,
      const struct fy_firstboot_scripts *s, struct fy_firstboot *ret)
{
	fy_error_clear(&err);
	CHECK_OK(fy_firstboot_build(v, d, 'D', "WINDOWS", s, ret, &err), &err);
}

/* Only ends of lines as Windows has them. */
static void
check_lines(const struct fy_firstboot *f)
{
	size_t i, k;

	for (i = 0; i < f->n_files; i++) {
		const struct fy_firstboot_file *at = &f->files[i];

		if (strstr(at->path, "/scripts/") == NULL)
			continue;
		for (k = 0; k < at->len; k++)
			if (at->data[k] == '\n')
				CHECK(k > 0 && at->data[k - 1] == '\r');
			else if (at->data[k] == '\r')
				CHECK(at->data[k + 1] == '\n');
	}
}

static void
test_versions(void)
{
	static const struct fy_windows_version xp = { 5, 1, 2600, false,
						      "x86" };
	static const struct fy_windows_version s2008 = { 6, 0, 6002, true,
							 "amd64" };
	static const struct fy_windows_version w7 = { 6, 1, 7601, false,
						      "amd64" };
	static const struct fy_windows_version w10 = { 10, 0, 10240, false,
						       "x86" };
	static const struct fy_windows_version arm = { 10, 0, 26100, false,
						       "arm64" };
	struct fy_driver_set d = { .drivers = &one_driver, .n = 1 };
	struct fy_firstboot f;
	const struct fy_firstboot_file *p;

	build(&xp, &d, NULL, &f);
	CHECK(f.n_files == 1); /* nothing that XP could do */
	CHECK_STR(f.service, "ironferry-firstboot");
	CHECK_STR(f.image_path, "\"D:\\Program Files\\Ironferry\\Firstboot\\"
				"firstboot.exe\"");
	CHECK(f.service_type == 0x10);
	p = file(&f, TOP "firstboot.exe");
	CHECK(p != NULL);
	/* For this architecture, and this old a Windows. */
	if (p != NULL)
		CHECK_OK(fy_win_check_program(p->data, p->len, FY_INF_X86,
					      5u << 16 | 1, &err),
			 &err);
	fy_firstboot_release(&f);

	d.guest_agent = (struct fy_driver_file){
		.name = (char *)(uintptr_t) "qemu-ga-x86_64.msi",
		.data = msi,
		.len = sizeof(msi) - 1
	};
	build(&w7, &d, NULL, &f);
	CHECK(f.n_files == 5);
	p = file(&f, TOP "firstboot.exe");
	if (p != NULL)
		CHECK_OK(fy_win_check_program(p->data, p->len, FY_INF_AMD64,
					      5u << 16 | 2, &err),
			 &err);
	CHECK(has(&f, TOP "scripts/05-drivers.cmd", "\"%tool%\" -i -a %1\r\n"));
	CHECK(has(&f, TOP "scripts/20-disks.cmd",
		  "set word=online disk\r\nset script="));
	CHECK(has(&f, TOP "scripts/50-guest-agent.cmd",
		  "/i \"%~dp0..\\qemu-ga-x86_64.msi\" /qn"));
	CHECK(has(&f, TOP "qemu-ga-x86_64.msi", "an installer"));
	check_lines(&f);
	fy_firstboot_release(&f);

	build(&s2008, &d, NULL, &f);
	CHECK(has(&f, TOP "scripts/20-disks.cmd", "set word=online\r\n"));
	fy_firstboot_release(&f);
	build(&w10, &d, NULL, &f);
	CHECK(has(&f, TOP "scripts/05-drivers.cmd", "-i -a %1"));
	CHECK(has(&f, TOP "scripts/20-disks.ps1", "Set-Disk"));
	fy_firstboot_release(&f);
	build(&arm, NULL, NULL, &f);
	CHECK(f.n_files == 2 && file(&f, TOP "firstboot.exe") != NULL);
	fy_firstboot_release(&f);
	d.n = 1;
	d.guest_agent.name = NULL;
	build(&arm, &d, NULL, &f);
	CHECK(has(&f, TOP "scripts/05-drivers.cmd",
		  "/add-driver %1 /install\r\n"));
	fy_firstboot_release(&f);
}

static void
test_scripts(void)
{
	static const struct fy_windows_version w10 = { 10, 0, 19045, false,
						       "amd64" };
	static const char *const bad[] = { "",	     "x",	"x.exe",
					   ".cmd",   "a b.cmd", "../x.cmd",
					   "a\\.cmd" };
	struct fy_firstboot_scripts s = { 0 };
	struct fy_firstboot f;
	const struct fy_firstboot_file *p;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		CHECK(fy_firstboot_add(&s, bad[i], "", &err) == -1 &&
		      err.code == FY_E_USAGE);
		fy_error_clear(&err);
	}
	CHECK_OK(fy_firstboot_add(&s, "10-network.cmd", "a\nb\r\nc", &err),
		 &err);
	CHECK(fy_firstboot_add(&s, "10-NETWORK.cmd", "", &err) == -1 &&
	      err.code == FY_E_EXISTS);
	fy_error_clear(&err);
	CHECK_OK(fy_firstboot_add(&s, "11-x.ps1", "'M\xc3\xbcller'\n", &err),
		 &err);
	CHECK_OK(fy_firstboot_add(&s, "12-x.cmd", "echo M\xc3\xbcller\n", &err),
		 &err);
	CHECK_OK(fy_firstboot_add(&s, "13-none.cmd", "", &err), &err);
	build(&w10, NULL, &s, &f);
	p = file(&f, TOP "scripts/10-network.cmd");
	CHECK(p != NULL && p->len == 7);
	if (p != NULL)
		CHECK_STR(p->data, "a\r\nb\r\nc");
	CHECK(has(&f, TOP "scripts/11-x.ps1",
		  "\xef\xbb\xbf'M\xc3\xbcller'\r\n"));
	CHECK(has(&f, TOP "scripts/12-x.cmd",
		  "@chcp 65001 >nul\r\necho M\xc3\xbcller\r\n"));
	p = file(&f, TOP "scripts/13-none.cmd");
	CHECK(p != NULL && p->len == 0);
	fy_firstboot_release(&f);
	fy_firstboot_scripts_release(&s);
}

static void
test_missing(void)
{
	struct fy_windows_version v = { 10, 0, 19045, false, "mips" };
	struct fy_firstboot f;

	CHECK(fy_firstboot_build(&v, NULL, 'C', "Windows", NULL, &f, &err) ==
		      -1 &&
	      err.code == FY_E_UNSUPPORTED);
	fy_error_clear(&err);
	v.arch = "amd64";
	CHECK(setenv("IRONFERRY_SHARE", "/nonexistent", 1) == 0);
	CHECK(fy_firstboot_build(&v, NULL, 'C', "Windows", NULL, &f, &err) ==
		      -1 &&
	      err.code == FY_E_UNSUPPORTED);
	CHECK(strstr(err.msg, "MinGW") != NULL);
	fy_error_clear(&err);
}

int
main(void)
{
	const char *o = getenv("FY_BUILD");
	char path[4096];

	if (o == NULL)
		o = "build";
	test_missing();
	snprintf(path, sizeof(path), "%s/firstboot-x86.exe", o);
	if (access(path, R_OK) == -1) {
		printf("needs MinGW-w64 at build time (%s)\n", path);
		return test_result() != 0 ? 1 : 77;
	}
	CHECK(setenv("IRONFERRY_SHARE", o, 1) == 0);
	test_versions();
	test_scripts();
	return test_result();
}
