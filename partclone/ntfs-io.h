/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_NTFS_IO_H
#define FY_NTFS_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/stop.h"
#include "common/volume.h"

/*
 * NTFS 1.2 to 3.1, read only: boot sector, records of the MFT, attributes,
 * runs, and the bytes of an attribute.  Sources of the format: the NTFS
 * documentation of the Linux-NTFS project, and what ntfs-3g's tools show.
 *
 * Whatever a disk says is checked: a run that leaves the volume, a record whose
 * fixups don't match, a list that is too long are FY_E_FORMAT.  Memory is
 * bounded by FY_NTFS_RUNS and FY_NTFS_LIST_BYTES.
 */
#define FY_NTFS_RUNS	   (UINT64_C(1) << 20) /* of one attribute */
#define FY_NTFS_LIST_BYTES (256u << 10)	       /* of an attribute list */
#define FY_NTFS_RECORD_MAX 65536u
#define FY_NTFS_SPARSE	   UINT64_MAX
#define FY_NTFS_ROOT	   5u

enum fy_ntfs_record {
	FY_NTFS_MFT,
	FY_NTFS_MFTMIRR,
	FY_NTFS_LOGFILE,
	FY_NTFS_VOLUME,
	FY_NTFS_BITMAP = 6,
	FY_NTFS_BADCLUS = 8,
	FY_NTFS_SYSTEM_END = 12, /* the first that is not the filesystem's */
};

enum fy_ntfs_type {
	FY_NTFS_ATTRIBUTE_LIST = 0x20,
	FY_NTFS_FILE_NAME = 0x30,
	FY_NTFS_VOLUME_INFORMATION = 0x70,
	FY_NTFS_DATA = 0x80,
	FY_NTFS_INDEX_ROOT = 0x90,
	FY_NTFS_INDEX_ALLOCATION = 0xa0,
	FY_NTFS_BITMAP_ATTRIBUTE = 0xb0,
};

struct fy_ntfs_run {
	uint64_t vcn;
	uint64_t lcn;	   /* FY_NTFS_SPARSE: a hole */
	uint64_t clusters; /* never 0 */
};

/* The bytes of an attribute: its runs, or the value itself. */
struct fy_ntfs_stream {
	uint64_t size;	      /* bytes */
	uint64_t initialized; /* what lies behind is zeros, whatever is there */
	bool plain;	      /* neither compressed nor encrypted */
	unsigned char *value; /* resident; 'size' of them */
	struct fy_ntfs_run *runs; /* by vcn, without gaps */
	size_t n, room;
};

struct fy_ntfs {
	struct fy_volume *volume; /* borrowed */
	const struct fy_stop *stop;
	uint32_t sector_bytes, cluster_bytes, record_bytes;
	uint64_t total_bytes; /* by the boot sector, a whole number of sectors;
				 never more than the volume */
	uint64_t clusters;
	uint64_t mft_at, mirror_at; /* bytes */
	uint64_t records;	    /* that the MFT has room for */
	bool used_mirror;	    /* one of the first records is damaged */
	struct fy_ntfs_stream mft;
};

/*
 * Read the boot sector and find the MFT.  Release 'ret' in any case.
 * FY_E_IO, FY_E_NOMEM, FY_E_CANCELLED; FY_E_FORMAT: there is no NTFS here that
 * can be believed.
 */
int fy_ntfs_open(struct fy_volume *v, const struct fy_stop *stop,
		 struct fy_ntfs *ret, struct fy_error *err);
void fy_ntfs_release(struct fy_ntfs *nt);

/* --- records ----------------------------------------------------------------- */

/*
 * Undo the fixups of a record of 'len' bytes that begins with 'magic' (4
 * bytes), in place.  False when it is none or was torn.
 */
bool fy_ntfs_fixup(unsigned char *record, uint32_t len, const char *magic);

/* Whether these are the bytes (fixed up) of record 'number', in use or not. */
bool fy_ntfs_is_record(const struct fy_ntfs *nt, const unsigned char *record,
		       uint64_t number);
bool fy_ntfs_is_in_use(const unsigned char *record);
bool fy_ntfs_is_directory(const unsigned char *record);
/* The number of the record that this one extends, 0 for none. */
uint64_t fy_ntfs_base_of(const unsigned char *record);
/* A reference: the record's number, and its sequence number. */
uint64_t fy_ntfs_ref_number(uint64_t ref);
uint16_t fy_ntfs_ref_sequence(uint64_t ref);
uint16_t fy_ntfs_sequence(const unsigned char *record);

/*
 * Record 'number' into 'ret' (nt->record_bytes), fixed up; of the first four,
 * when they are damaged, the mirror's.  1; 0 when it is no record; -1.
 */
int fy_ntfs_read_record(struct fy_ntfs *nt, uint64_t number, unsigned char *ret,
			struct fy_error *err);

/* A buffer for one record; NULL when out of memory. */
unsigned char *fy_ntfs_record_buffer(const struct fy_ntfs *nt,
				     struct fy_error *err);

/* --- attributes ---------------------------------------------------------------- */

struct fy_ntfs_attribute {
	uint32_t type;
	uint16_t flags;
	bool is_resident;
	const unsigned char *name; /* UTF-16LE */
	size_t name_units;
	const unsigned char *value; /* resident */
	size_t value_len;
	uint64_t first_vcn, size, initialized; /* not resident */
	const unsigned char *pairs;	       /* the coded runs */
	size_t pairs_len;
};

/* The next attribute of a record; '*at' is 0 at first.  1, 0 at the end, -1
 * (FY_E_FORMAT). */
int fy_ntfs_next_attribute(const unsigned char *record, uint32_t *at,
			   struct fy_ntfs_attribute *ret, struct fy_error *err);

/* Whether it is of this type and (ASCII) name. */
bool fy_ntfs_is_attribute(const struct fy_ntfs_attribute *a, uint32_t type,
			  const char *name);

/* Decoding runs: 'lcn' and 'vcn' move on. */
struct fy_ntfs_pairs {
	const unsigned char *at, *end;
	uint64_t vcn;
	int64_t lcn;
	uint64_t clusters; /* of the volume */
};
void fy_ntfs_pairs_init(struct fy_ntfs_pairs *p, const struct fy_ntfs *nt,
			const struct fy_ntfs_attribute *a);
/* 1, 0 at the end, -1 (FY_E_FORMAT). */
int fy_ntfs_next_run(struct fy_ntfs_pairs *p, struct fy_ntfs_run *ret,
		     struct fy_error *err);

/* --- whole attributes, wherever their pieces are ------------------------------- */

/*
 * Open the attribute of this type and name of record 'number', whose base
 * record is 'record'.  1; 0 when it has none; -1 (FY_E_FORMAT too).  Release
 * 'ret' in any case; it may be reused then.
 */
int fy_ntfs_open_stream(struct fy_ntfs *nt, uint64_t number,
			const unsigned char *record, uint32_t type,
			const char *name, struct fy_ntfs_stream *ret,
			struct fy_error *err);
void fy_ntfs_stream_release(struct fy_ntfs_stream *s);

/* Bytes of a stream; holes and what is not initialized are zeros.  A range that
 * has no runs, and a stream that is not plain, are FY_E_FORMAT. */
int fy_ntfs_stream_read(struct fy_ntfs *nt, const struct fy_ntfs_stream *s,
			uint64_t at, void *ret, size_t len,
			struct fy_error *err);

/* Where byte 'at' of a stream that has runs lies on the volume, and how many
 * bytes follow it there; false: in a hole or nowhere. */
bool fy_ntfs_stream_place(const struct fy_ntfs *nt,
			  const struct fy_ntfs_stream *s, uint64_t at,
			  uint64_t *ret, uint64_t *ret_len);

/* Call 'each' for every attribute of the record that is in use, those in its
 * extension records too, in no order; when it returns -1, that is it. */
int fy_ntfs_each_attribute(struct fy_ntfs *nt, uint64_t number,
			   int (*each)(struct fy_ntfs *nt,
				       const struct fy_ntfs_attribute *a,
				       void *ctx, struct fy_error *err),
			   void *ctx, struct fy_error *err);

/* --- directories ----------------------------------------------------------------- */

struct fy_ntfs_entry {
	uint64_t ref;		   /* of what it names */
	const unsigned char *name; /* UTF-16LE */
	size_t name_units;
	uint8_t space; /* 0 POSIX, 1 Win32, 2 DOS, 3 both */
};

/* Call 'each' for every entry of the directory with this number, until it
 * returns other than 0, which is then returned.  Blocks of the index that are
 * damaged or not in use yet are passed over.  '*budget' (bytes of indexes that
 * may be read) is counted down.  -1 with FY_E_FORMAT when it is not enough, and
 * when there is no such directory. */
int fy_ntfs_each_entry(struct fy_ntfs *nt, uint64_t number, uint64_t *budget,
		       int (*each)(const struct fy_ntfs_entry *e, void *ctx,
				   struct fy_error *err),
		       void *ctx, struct fy_error *err);

/* The record at 'path' from the root ("windows/system32"; small ASCII letters,
 * any case on the volume).  1; 0 when it isn't there; -1 as above. */
int fy_ntfs_find(struct fy_ntfs *nt, const char *path, uint64_t *ret,
		 struct fy_error *err);

/* Whether the name is this one (ASCII), in whatever case. */
bool fy_ntfs_same_name(const unsigned char *name, size_t units,
		       const char *ascii);

#endif
