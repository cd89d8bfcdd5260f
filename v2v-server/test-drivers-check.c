/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Drivers for the Windows systems of a description: there, missing, of another
 * version, in what is no source of drivers.
 */
#include "common/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/subprocess.h"
#include "v2v-server/drivers-check.h"

static struct fy_error err;
static char *work;

static void
check(const char *name, const char *id, const char *version, const char *arch,
      enum fy_error_code code, const char *says)
{
	FY_AUTO(machine) struct fy_machine *m = fy_machine_new(&err);
	struct fy_machine_system *s;
	fy_autofree char *path = NULL;
	int r;

	s = fy_machine_add_system(m, &err);
	s->id = strdup("debian");
	s = fy_machine_add_system(m, &err);
	s->id = strdup(id);
	s->version = version == NULL ? NULL : strdup(version);
	s->arch = arch == NULL ? NULL : strdup(arch);
	if (name != NULL)
		path = fy_format(&err, "%s/%s", work, name);
	fy_error_clear(&err);
	r = fy_drivers_check(path, m, NULL, NULL, &err);
	CHECK(err.code == code && (r == 0) == (code == FY_E_NONE));
	if (err.code != code || strstr(err.msg, says) == NULL)
		CHECK_STR(err.msg, says);
	fy_error_clear(&err);
}

static void
make_tree(const char *name, const char *option)
{
	fy_autofree char *tree = fy_format(&err, "%s/%s", work, name);
	const char *argv[] = { "tests/guests/make-virtio-win",
			       "--os",
			       "2k8R2,2k22",
			       "--drivers",
			       "viostor,netkvm",
			       tree,
			       option,
			       NULL };

	CHECK_OK(fy_subprocess_run(argv, NULL, NULL, &err), &err);
}

static void
make(void)
{
	fy_autofree char *empty = fy_format(&err, "%s/empty", work);
	fy_autofree char *iso = fy_format(&err, "%s/no.iso", work);

	make_tree("tree", NULL);
	make_tree("whql", "--whql");
	CHECK(mkdir(empty, 0755) == 0);
	CHECK_OK(fy_file_replace_at(AT_FDCWD, iso, "no image", 8, 0644, &err),
		 &err);
}

static void
check_unsigned(const char *name, const char *version, const char *wanted)
{
	FY_AUTO(machine) struct fy_machine *m = fy_machine_new(&err);
	fy_autofree char *path = fy_format(&err, "%s/%s", work, name);
	struct fy_machine_system *s = fy_machine_add_system(m, &err);
	fy_autofree char *names = NULL;

	s->id = strdup("windows");
	s->version = strdup(version);
	s->arch = strdup("x86_64");
	CHECK_OK(fy_drivers_unsigned(path, m, NULL, NULL, &names, &err), &err);
	CHECK_STR(names, wanted);
}

int
main(void)
{
	char path[512];

	if (fy_subprocess_find("python3", path, sizeof(path)) == -1) {
		printf("needs python3\n");
		return 77;
	}
	CHECK_OK(fy_dir_temporary("drivers", &work, &err), &err);
	make();
	/* Not asked for. */
	check(NULL, "ubuntu", "22.04", "x86_64", FY_E_NONE, "");
	check("empty", "ubuntu", "22.04", "x86_64", FY_E_NONE, "");
	/* What holds no drivers at all. */
	check(NULL, "windows", NULL, NULL, FY_E_NOTFOUND, "--no-inject");
	check("empty", "windows", NULL, NULL, FY_E_UNSUPPORTED, "has no dri");
	check("no.iso", "windows", NULL, NULL, FY_E_FORMAT, "no.iso");
	check("gone", "windows", NULL, NULL, FY_E_NOTFOUND, "gone");
	/* The version decides, when it is known. */
	check("tree", "windows", NULL, NULL, FY_E_NONE, "");
	check("tree", "windows", "5.1.2600", NULL, FY_E_NONE, "");
	check("tree", "windows", "10.0", "x86_64", FY_E_NONE, "");
	check("tree", "windows", "10.0.20348", "x86_64", FY_E_NONE, "");
	check("tree", "windows", "10.0.22631", "x86_64", FY_E_NONE, "");
	check("tree", "windows", "6.1.7601", "x86_64", FY_E_NONE, "");
	check("tree", "windows", "6.1.7601", "i686", FY_E_NOTFOUND,
	      "Windows 7 x86");
	check("tree", "windows", "5.1.2600", "i386", FY_E_NOTFOUND,
	      "no storage driver");
	/* Signatures. */
	check_unsigned("tree", "10.0.20348", "netkvm, viostor");
	check_unsigned("whql", "10.0.20348", "");
	check_unsigned("tree", "6.1.7601", "");
	(void)fy_dir_remove_all_at(AT_FDCWD, work, &err);
	free(work);
	return test_result();
}
