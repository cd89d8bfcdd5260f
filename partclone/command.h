/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_COMMAND_H
#define FY_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/options.h"
#include "common/progress.h"
#include "common/stop.h"

/*
 * The commands of used-blocks, behind the words.  They tell what they did on
 * standard error, or with 'json' on standard output.
 */
struct fy_used_options {
	/* of the map */
	bool json, ddrescue, allow_dirty, all_gaps;
	struct fy_strings whole;
	uint64_t sector_bytes; /* 0: as it is */
	/* save */
	int format;	   /* enum fy_used_format */
	char *only;	   /* a volume; NULL */
	char *compress;	   /* NULL: by what is saved */
	int checksum;	   /* index of fy_used_checksums */
	uint64_t strip;	   /* blocks for a checksum; 0: for a MiB */
	bool no_reseed;	   /* checksums run on */
	bool allow_busy;   /* a source that is in use */
	uint64_t threads;  /* 0: one for each processor */
	uint64_t split;	   /* bytes of a file; 0: one file */
	char *device_name; /* the disk's name in a Clonezilla image */
	/* restore */
	bool verify, keep_going;
	/* all */
	bool force, quiet;
	int progress; /* enum fy_progress_mode */
	const struct fy_stop *stop;
};

enum fy_used_format { FY_USED_PARTCLONE, FY_USED_CLONEZILLA };
extern const char *const fy_used_formats[];
extern const char *const fy_used_checksums[];

/* How many disks `map` reads together. */
#define FY_USED_SOURCES 256

/* Each returns -1 with 'err': FY_E_CORRUPT is a damaged image. */
int fy_used_map(const struct fy_used_options *o, const struct fy_strings *names,
		struct fy_error *err);
int fy_used_save(const struct fy_used_options *o, const char *source,
		 const char *image, struct fy_error *err);
int fy_used_restore(const struct fy_used_options *o, const char *image,
		    const char *target, struct fy_error *err);
int fy_used_check(const struct fy_used_options *o, const char *image,
		  struct fy_error *err);
int fy_used_info(const struct fy_used_options *o, const char *image,
		 struct fy_error *err);

/* Their options. */
extern const struct fy_option fy_used_map_table[];
extern const struct fy_option fy_used_source_table[]; /* map, save */
extern const struct fy_option fy_used_save_table[];
extern const struct fy_option fy_used_restore_table[];
extern const struct fy_option fy_used_check_table[];
extern const struct fy_option fy_used_info_table[];

/* What they share. */
struct fy_used_result {
	uint64_t disk_bytes, used_bytes, stored_bytes;
	double seconds;
};
int fy_used_tell(const struct fy_used_options *o, const char *verb,
		 const char *what, const struct fy_used_result *result,
		 struct fy_error *err);
void fy_used_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Seconds of a clock that never jumps. */
double fy_used_now(void);

#endif
