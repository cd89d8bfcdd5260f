/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * For the shell tests: what fy_initramfs_build makes of files.
 *
 *   test-linux-initramfs-tool ROOT VERSION INITRAMFS OUT [OPTION]...
 *     --small  --no-modules  --more=MODULE  --override=PATH=FILE
 *
 * writes the initramfs with its segment to OUT and the report to stdout.  An
 * error is printed as "CODE: message", exit status 1.  Without arguments there
 * is nothing to do, and that succeeds, for the runner of the unit tests.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "drivers-inject/linux-initramfs.h"

#define MANY 32

struct args {
	struct fy_initramfs_options o;
	struct fy_initramfs_override overrides[MANY];
	char *held[MANY];
	const char *more[MANY + 1];
	size_t n_more;
};

static int
take_option(struct args *a, const char *arg, struct fy_error *err)
{
	size_t n = a->o.n_overrides;
	char *text, *equals;

	if (strcmp(arg, "--small") == 0) {
		a->o.small = true;
	} else if (strcmp(arg, "--no-modules") == 0) {
		a->o.no_modules = true;
	} else if (strncmp(arg, "--more=", 7) == 0 && a->n_more < MANY) {
		a->more[a->n_more++] = arg + 7;
	} else if (strncmp(arg, "--override=", 11) == 0 && n < MANY &&
		   (text = strdup(arg + 11)) != NULL) {
		a->held[n] = text;
		equals = strchr(text, '=');
		if (equals == NULL)
			return fy_error_set(err, FY_E_USAGE, 0, "no '='");
		*equals = '\0';
		a->overrides[n].path = text;
		a->o.n_overrides++;
		return fy_file_read_at(
			AT_FDCWD, equals + 1, 1 << 24,
			(char **)(uintptr_t)&a->overrides[n].data,
			&a->overrides[n].len, err);
	} else {
		return fy_error_set(err, FY_E_USAGE, 0, "bad option '%s'", arg);
	}
	return 0;
}

static int
write_result(int in, const char *out, const struct fy_initramfs_segment *s,
	     uint64_t size, struct fy_error *err)
{
	uint64_t keep = s->len > 0 ? s->offset : size;
	fy_autofree char *bytes = malloc(keep + s->len + 1);

	if (bytes == NULL)
		return fy_error_nomem(err);
	if (fy_fd_pread_full(in, bytes, keep, 0, err) == -1)
		return -1;
	if (s->len > 0)
		memcpy(bytes + keep, s->data, s->len);
	return fy_file_replace_at(AT_FDCWD, out, bytes, keep + s->len, 0644,
				  err);
}

static int
run(char **argv, struct args *a, struct fy_error *err)
{
	FY_AUTO(modules) struct fy_modules *m = NULL;
	FY_AUTO(initramfs) struct fy_initramfs *ir = NULL;
	struct fy_initramfs_segment s = { 0 };
	fy_autofd int root = open(argv[1], O_RDONLY | O_DIRECTORY);
	fy_autofd int in = open(argv[3], O_RDONLY);
	struct fy_modules_source source;
	struct fy_initramfs_input input;
	int r;

	if (root == -1 || in == -1)
		return fy_error_set(err, FY_E_IO, 0, "cannot open the input");
	fy_modules_source_of_dir(&root, &source);
	if (!a->o.no_modules &&
	    fy_modules_open(&source, argv[2], &m, err) == -1)
		return -1;
	if (fy_initramfs_input_of_fd(&in, &input, err) == -1 ||
	    fy_initramfs_open(&input, argv[2], NULL, NULL, &ir, err) == -1 ||
	    fy_initramfs_build(ir, m, &a->o, &s, err) == -1)
		return -1;
	r = write_result(in, argv[4], &s, input.size, err);
	if (r == 0) {
		fy_autofree char *text = fy_json_text(s.report, 1, err);

		puts(text != NULL ? text : "");
	}
	fy_initramfs_segment_release(&s);
	return r;
}

int
main(int argc, char **argv)
{
	struct fy_error err = { 0 };
	struct args a = { 0 };
	int i, r = 0;

	if (argc < 5)
		return 0;
	a.o.overrides = a.overrides;
	a.o.more_modules = a.more;
	for (i = 5; i < argc && r == 0; i++)
		r = take_option(&a, argv[i], &err);
	if (r == 0)
		r = run(argv, &a, &err);
	for (i = 0; i < MANY; i++) {
		free(a.held[i]);
		free((void *)(uintptr_t)a.overrides[i].data);
	}
	if (r == 0)
		return 0;
	fprintf(stderr, "%s: %s\n", fy_error_name(err.code), err.msg);
	return 1;
}
