/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The options table: values, errors, lists, sizes, help. */
#include <stddef.h>
#include <stdlib.h>

#include "common/bytes.h"
#include "common/options.h"
#include "common/test.h"

struct opts {
	bool verify, inject;
	char *name, *compressed;
	struct fy_strings disks, emit;
	uint64_t vcpus, memory;
	int type;
};

static const char *const types[] = { "kvm", "qemu", NULL };
#define AT(m) .offset = offsetof(struct opts, m)
static const struct fy_option table[] = {
	{ .name = "verify",
	  .type = FY_OPT_FLAG,
	  AT(verify),
	  .help = "v",
	  .letter = 'v' },
	{ .name = "inject",
	  .type = FY_OPT_FLAG,
	  AT(inject),
	  .help = "i",
	  .negatable = true },
	{ .name = "name",
	  .type = FY_OPT_STRING,
	  AT(name),
	  .value = "NAME",
	  .help = "n",
	  .letter = 'n' },
	{ .name = "compressed",
	  .type = FY_OPT_STRING,
	  AT(compressed),
	  .value = "CODEC",
	  .implied = "zstd",
	  .help = "c" },
	{ .name = "disk",
	  .type = FY_OPT_LIST,
	  AT(disks),
	  .value = "PATH",
	  .help = "d" },
	{ .name = NULL },
};
static const struct fy_option common[] = {
	{ .name = "emit",
	  .type = FY_OPT_LIST,
	  AT(emit),
	  .split = true,
	  .value = "LIST",
	  .help = "e" },
	{ .name = "vcpus",
	  .type = FY_OPT_NUMBER,
	  AT(vcpus),
	  .min = 1,
	  .max = 64,
	  .value = "N",
	  .help = "v" },
	{ .name = "memory",
	  .type = FY_OPT_SIZE,
	  AT(memory),
	  .value = "SIZE",
	  .min = 1024,
	  .help = "m" },
	{ .name = "type",
	  .type = FY_OPT_CHOICE,
	  AT(type),
	  .choices = types,
	  .value = "TYPE",
	  .help = "t" },
	{ .name = NULL },
};
static const struct fy_command command = {
	.name = "convert",
	.arguments = "INPUT...",
	.summary = "s",
	.options = table,
	.common = common,
	.min_arguments = 0,
	.max_arguments = 2,
};

static int
parse(struct opts *o, struct fy_strings *args, struct fy_error *err, ...)
{
	char *argv[32];
	va_list ap;
	int argc = 0;

	memset(o, 0, sizeof(*o));
	memset(args, 0, sizeof(*args));
	o->inject = true;
	fy_error_clear(err);
	va_start(ap, err);
	while ((argv[argc] = va_arg(ap, char *)) != NULL)
		argc++;
	va_end(ap);
	return fy_options_parse(&command, argc, argv, o, args, err);
}

static void
done(struct opts *o, struct fy_strings *args)
{
	fy_options_release(table, o);
	fy_options_release(common, o);
	fy_strings_release(args);
}

static void
check_sizes(void)
{
	static const struct {
		const char *text;
		uint64_t want;
	} good[] = {
		{ "0", 0 },
		{ "4096", 4096 },
		{ "64K", 65536 },
		{ "64k", 65536 },
		{ "1.5G", 3 * FY_GIB / 2 },
		{ "2TiB", 2 * FY_TIB },
		{ "0.5M", FY_MIB / 2 },
		{ "16E", 0 }, /* overflows: must fail */
	};
	static const char *const bad[] = { "",
					   "x",
					   "-1",
					   "1.5",
					   "1.G",
					   "1Q",
					   "1KK",
					   " 1",
					   "1 ",
					   "1.12345678G",
					   "99999999999999999999",
					   NULL };
	struct fy_error err = { 0 };
	char text[32];
	uint64_t v;
	size_t i;

	for (i = 0; i + 1 < sizeof(good) / sizeof(good[0]); i++) {
		CHECK_OK(fy_parse_size(good[i].text, &v, &err), &err);
		CHECK(v == good[i].want);
	}
	CHECK(fy_parse_size("16E", &v, &err) == -1);
	for (i = 0; bad[i] != NULL; i++) {
		fy_error_clear(&err);
		CHECK(fy_parse_size(bad[i], &v, &err) == -1 &&
		      err.code == FY_E_USAGE);
	}
	fy_format_bytes(999, text, sizeof(text));
	CHECK_STR(text, "999 bytes");
	fy_format_bytes(4330000000, text, sizeof(text));
	CHECK_STR(text, "4.33 GB");
	fy_format_bytes(999999, text, sizeof(text));
	CHECK_STR(text, "1.00 MB");
}

static void *
no_options(void)
{
	CHECK(0); /* a command that isn't there yet has none */
	return NULL;
}

/* A command that is not there yet: told of in --help, refused otherwise. */
static void
check_not_yet(void)
{
	static const struct fy_command commands[] = {
		{ .name = "save",
		  .arguments = "A B",
		  .summary = "saves",
		  .not_yet = "this version doesn't save" },
		{ .name = NULL },
	};
	const struct fy_program p = { .name = "program",
				      .summary = "s",
				      .version = "1",
				      .commands = commands,
				      .options_new = no_options };
	char *plain[] = { "program", "save", NULL };
	char *with[] = { "program", "save", "--any", "1", "2", "3", NULL };
	char *help[] = { "program", "save", "--help", NULL };

	CHECK(fy_program_main(&p, 2, plain) == FY_EXIT_FAILED);
	CHECK(fy_program_main(&p, 6, with) == FY_EXIT_FAILED);
	CHECK(fy_program_main(&p, 3, help) == FY_EXIT_DONE);
}

int
main(void)
{
	struct fy_strings args;
	struct fy_error err = { 0 };
	struct opts o;

	CHECK_OK(parse(&o, &args, &err, "--disk", "/dev/sda", "in", "-vn",
		       "web", "--disk=/dev/sdb", "--no-inject", "--emit",
		       "libvirt,ovf", "--vcpus", "4", "--memory", "2G",
		       "--type", "qemu", "--compressed", "--", "--odd", NULL),
		 &err);
	CHECK(o.verify && !o.inject && o.vcpus == 4 && o.type == 1);
	CHECK(o.memory == 2 * FY_GIB);
	CHECK_STR(o.name, "web");
	CHECK_STR(o.compressed, "zstd");
	CHECK(o.disks.n == 2 && o.emit.n == 2 && args.n == 2);
	CHECK_STR(o.disks.items[1], "/dev/sdb");
	CHECK_STR(o.emit.items[1], "ovf");
	CHECK_STR(args.items[1], "--odd");
	CHECK_OK(fy_options_set(&command, &o, "no-inject", NULL, &err), &err);
	CHECK_OK(fy_options_set(&command, &o, "name", "db", &err), &err);
	CHECK_STR(o.name, "db");
	CHECK(fy_options_set(&command, &o, "nix", "1", &err) == -1);
	done(&o, &args);

#define BAD(...)                                                               \
	do {                                                                   \
		CHECK(parse(&o, &args, &err, __VA_ARGS__, NULL) == -1);        \
		CHECK(err.code == FY_E_USAGE);                                 \
		done(&o, &args);                                               \
	} while (0)
	BAD("--nix");
	BAD("--no-verify");
	BAD("--verify=1");
	BAD("-x");
	BAD("--name");
	BAD("-n");
	BAD("--vcpus", "0");
	BAD("--vcpus", "65");
	BAD("--vcpus", "4x");
	BAD("--vcpus", "");
	BAD("--memory", "1000");
	BAD("--type", "xen");
	BAD("--emit", "a,,b");
	BAD("1", "2", "3");
	CHECK_OK(parse(&o, &args, &err, "--compressed=deflate", NULL), &err);
	CHECK_STR(o.compressed, "deflate");
	done(&o, &args);
	check_sizes();
	check_not_yet();
	return test_result();
}
