/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The options of used-blocks.
 */
#include <stddef.h>

#include "partclone/command.h"

#define AT(member) offsetof(struct fy_used_options, member)

/* Rows that several commands have. */
#define JSON(text)                                                             \
	{                                                                      \
		.name = "json", .type = FY_OPT_FLAG, .offset = AT(json),       \
		.help = (text)                                                 \
	}
#define ONLY_DISK                                                              \
	{                                                                      \
		.name = "only", .type = FY_OPT_STRING, .offset = AT(only),     \
		.value = "DISK",                                               \
		.help = "the disk (sda) of a Clonezilla image that has "       \
			"several"                                              \
	}
#define QUIET                                                                  \
	{                                                                      \
		.name = "quiet", .type = FY_OPT_FLAG, .offset = AT(quiet),     \
		.help = "no summary at the end"                                \
	}
#define PROGRESS                                                               \
	{                                                                      \
		.name = "progress", .type = FY_OPT_CHOICE,                     \
		.offset = AT(progress), .value = "MODE",                       \
		.choices = fy_progress_choices,                                \
		.help = "show progress on standard error: auto (a bar on a "   \
			"terminal), bar, json or none"                         \
	}

const struct fy_option fy_used_map_table[] = {
	JSON("print one JSON object"),
	{ .name = "ddrescue",
	  .type = FY_OPT_FLAG,
	  .offset = AT(ddrescue),
	  .help = "print a ddrescue mapfile: '+' used, '?' not" },
	{ .name = NULL },
};

const struct fy_option fy_used_source_table[] = {
	{ .name = "allow-dirty",
	  .type = FY_OPT_FLAG,
	  .offset = AT(allow_dirty),
	  .help = "use an unclean filesystem whole instead of refusing it" },
	{ .name = "all-gaps",
	  .type = FY_OPT_FLAG,
	  .offset = AT(all_gaps),
	  .help = "use all bytes that lie in no volume" },
	{ .name = "whole",
	  .type = FY_OPT_LIST,
	  .offset = AT(whole),
	  .split = true,
	  .value = "VOLUME",
	  .help = "use all of this volume (p2, disk, vg/lv), of several "
		  "sources "
		  "also SOURCE:p2; may be repeated" },
	{ .name = "sector-size",
	  .type = FY_OPT_NUMBER,
	  .offset = AT(sector_bytes),
	  .value = "BYTES",
	  .min = 512,
	  .max = 4096,
	  .help = "logical sector size of an image file: 512 or 4096" },
	{ .name = NULL },
};

const struct fy_option fy_used_save_table[] = {
	{ .name = "format",
	  .type = FY_OPT_CHOICE,
	  .offset = AT(format),
	  .value = "FORMAT",
	  .choices = fy_used_formats,
	  .help = "partclone (one image of one volume) or clonezilla (a "
		  "directory with all of a disk)" },
	{ .name = "only",
	  .type = FY_OPT_STRING,
	  .offset = AT(only),
	  .value = "VOLUME",
	  .help = "the volume to save (p2), or disk for all of a disk in one "
		  "image" },
	{ .name = "compress",
	  .type = FY_OPT_STRING,
	  .offset = AT(compress),
	  .value = "METHOD[:LEVEL]",
	  .help = "none, gzip or zstd, with a level as zstd:6" },
	{ .name = "checksum",
	  .type = FY_OPT_CHOICE,
	  .offset = AT(checksum),
	  .value = "KIND",
	  .choices = fy_used_checksums,
	  .help = "crc32 (read by every partclone), none, xxh64 (0.3.39 and "
		  "newer) or xxh128 (0.3.46 and newer)" },
	{ .name = "blocks-per-checksum",
	  .type = FY_OPT_NUMBER,
	  .offset = AT(strip),
	  .value = "N",
	  .min = 1,
	  .max = UINT32_MAX,
	  .help = "blocks that a checksum covers; as many as make a MiB when "
		  "not given" },
	{ .name = "no-reseed",
	  .type = FY_OPT_FLAG,
	  .offset = AT(no_reseed),
	  .help = "each checksum covers all that was before, too" },
	{ .name = "split",
	  .type = FY_OPT_SIZE,
	  .offset = AT(split),
	  .value = "SIZE",
	  .min = 1 << 20,
	  .help = "of a Clonezilla image: files of at most this size" },
	{ .name = "disk-name",
	  .type = FY_OPT_STRING,
	  .offset = AT(device_name),
	  .value = "NAME",
	  .help = "of a Clonezilla image: the disk's name in it (sda)" },
	{ .name = "allow-busy",
	  .type = FY_OPT_FLAG,
	  .offset = AT(allow_busy),
	  .help = "save a device that is mounted or otherwise in use" },
	{ .name = "threads",
	  .type = FY_OPT_NUMBER,
	  .offset = AT(threads),
	  .value = "N",
	  .min = 1,
	  .max = 64,
	  .help = "threads that compress; one for each processor when not "
		  "given" },
	{ .name = "force",
	  .type = FY_OPT_FLAG,
	  .offset = AT(force),
	  .help = "replace an image that is there" },
	JSON("print one JSON object at the end"),
	QUIET,
	PROGRESS,
	{ .name = NULL },
};

const struct fy_option fy_used_restore_table[] = {
	ONLY_DISK,
	{ .name = "verify",
	  .type = FY_OPT_FLAG,
	  .offset = AT(verify),
	  .help = "read back what was written, and compare" },
	{ .name = "keep-going",
	  .type = FY_OPT_FLAG,
	  .offset = AT(keep_going),
	  .help = "restore what can be had of a damaged image; the exit status "
		  "is 4" },
	{ .name = "force",
	  .type = FY_OPT_FLAG,
	  .offset = AT(force),
	  .help = "overwrite a target that is not empty" },
	JSON("print one JSON object at the end"),
	QUIET,
	PROGRESS,
	{ .name = NULL },
};

const struct fy_option fy_used_check_table[] = {
	ONLY_DISK,	  JSON("print one JSON object"), QUIET, PROGRESS,
	{ .name = NULL },
};

const struct fy_option fy_used_info_table[] = {
	ONLY_DISK,
	JSON("print one JSON object"),
	{ .name = NULL },
};
