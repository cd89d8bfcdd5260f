/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libext2fs on a volume: an io_manager whose channel reads and writes through
 * fy_volume.
 *
 * libext2fs hands the manager nothing but a name, so the name carries the
 * address of a 'struct request', printed by fy_ext_open and read back by
 * channel_open.  It is never a path, and channels are made in this file only.
 *
 * The first failure of the volume is kept in the channel, since libext2fs
 * reduces it to a number; fy_ext_error gives it back.  While the filesystem is
 * being opened a failure ends the channel at once, so it is copied to the
 * request too.
 *
 * The superblock is looked at by ourselves before libext2fs sees it: it
 * allocates the group descriptors by what the superblock claims.
 */
#include "partclone/ext-io.h"

#include <et/com_err.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>

#include "common/bytes.h"

#define NAME_PREFIX	     "fy-volume:"
#define SUPER_OFFSET	     1024
#define SUPER_BYTES	     1024
#define MAX_DESCRIPTOR_BYTES (192 * FY_MIB)

struct request {
	struct fy_volume *volume;
	struct fy_error error;
};

struct channel {
	struct fy_volume *volume;
	struct request *opening; /* NULL once the filesystem is open */
	struct fy_error error;	 /* the first failure */
	struct struct_io_stats stats;
};

/* --- the io_manager ------------------------------------------------------ */

static struct channel *
channel_of(io_channel io)
{
	return io->private_data;
}

static errcode_t
keep_error(struct channel *c, const struct fy_error *failure, errcode_t code)
{
	if (c->error.code == FY_E_NONE)
		c->error = *failure;
	if (c->opening != NULL && c->opening->error.code == FY_E_NONE)
		c->opening->error = *failure;
	return code;
}

/* Offset and length of 'count' blocks at 'block' ('count' < 0: that many
 * bytes). */
static errcode_t
locate(io_channel io, unsigned long long block, int count, uint64_t *ret_offset,
       size_t *ret_len)
{
	uint64_t size = fy_volume_size(channel_of(io)->volume), end;

	if (count == INT_MIN)
		return EXT2_ET_INVALID_ARGUMENT;
	*ret_len = count < 0 ? (size_t)-count
			     : (size_t)count * (size_t)io->block_size;
	if (!fy_mul_u64(block, (uint64_t)io->block_size, ret_offset) ||
	    !fy_add_u64(*ret_offset, *ret_len, &end) || end > size)
		return EXT2_ET_SHORT_READ;
	return 0;
}

static errcode_t
channel_read_blk64(io_channel io, unsigned long long block, int count,
		   void *data)
{
	struct channel *c = channel_of(io);
	struct fy_error failure = { 0 };
	uint64_t offset;
	errcode_t code;
	size_t len;

	code = locate(io, block, count, &offset, &len);
	if (code != 0)
		return code;
	if (fy_volume_pread(c->volume, data, len, offset, &failure) == -1)
		return keep_error(c, &failure, EXT2_ET_SHORT_READ);
	c->stats.bytes_read += len;
	return 0;
}

static errcode_t
channel_read_blk(io_channel io, unsigned long block, int count, void *data)
{
	return channel_read_blk64(io, block, count, data);
}

static errcode_t
write_bytes(struct channel *c, uint64_t offset, size_t len, const void *data)
{
	struct fy_error failure = { 0 };

	if (fy_volume_pwrite(c->volume, data, len, offset, &failure) == -1)
		return keep_error(c, &failure, EXT2_ET_SHORT_WRITE);
	c->stats.bytes_written += len;
	return 0;
}

static errcode_t
channel_write_blk64(io_channel io, unsigned long long block, int count,
		    const void *data)
{
	uint64_t offset;
	size_t len;

	if (locate(io, block, count, &offset, &len) != 0)
		return EXT2_ET_SHORT_WRITE;
	return write_bytes(channel_of(io), offset, len, data);
}

static errcode_t
channel_write_blk(io_channel io, unsigned long block, int count,
		  const void *data)
{
	return channel_write_blk64(io, block, count, data);
}

static errcode_t
channel_write_byte(io_channel io, unsigned long offset, int count,
		   const void *data)
{
	struct channel *c = channel_of(io);
	uint64_t end;

	if (count < 0)
		return EXT2_ET_INVALID_ARGUMENT;
	if (!fy_add_u64(offset, (uint64_t)count, &end) ||
	    end > fy_volume_size(c->volume))
		return EXT2_ET_SHORT_WRITE;
	return write_bytes(c, offset, (size_t)count, data);
}

static errcode_t
channel_zeroout(io_channel io, unsigned long long block,
		unsigned long long count)
{
	static const unsigned char zeros[64 * 1024];
	struct channel *c = channel_of(io);
	uint64_t offset, len, end;
	errcode_t code = 0;
	size_t n;

	if (!fy_mul_u64(block, (uint64_t)io->block_size, &offset) ||
	    !fy_mul_u64(count, (uint64_t)io->block_size, &len) ||
	    !fy_add_u64(offset, len, &end) || end > fy_volume_size(c->volume))
		return EXT2_ET_SHORT_WRITE;
	while (len > 0 && code == 0) {
		n = (size_t)fy_min_u64(len, sizeof(zeros));
		code = write_bytes(c, offset, n, zeros);
		offset += n;
		len -= n;
	}
	return code;
}

static errcode_t
channel_flush(io_channel io)
{
	struct channel *c = channel_of(io);
	struct fy_error failure = { 0 };

	if (fy_volume_is_writable(c->volume) &&
	    fy_volume_flush(c->volume, &failure) == -1)
		return keep_error(c, &failure, EXT2_ET_SHORT_WRITE);
	return 0;
}

static errcode_t
channel_set_blksize(io_channel io, int blksize)
{
	if (blksize <= 0)
		return EXT2_ET_INVALID_ARGUMENT;
	io->block_size = blksize;
	return 0;
}

static errcode_t
channel_get_stats(io_channel io, io_stats *ret)
{
	if (ret != NULL)
		*ret = &channel_of(io)->stats;
	return 0;
}

static errcode_t
channel_set_option(io_channel io, const char *option, const char *arg)
{
	(void)io;
	(void)option;
	(void)arg;
	return EXT2_ET_INVALID_ARGUMENT;
}

static errcode_t
channel_close(io_channel io)
{
	if (--io->refcount > 0)
		return 0;
	free(io->private_data);
	free(io->name);
	free(io);
	return 0;
}

static errcode_t channel_open(const char *name, int flags, io_channel *ret);

static struct struct_io_manager volume_manager = {
	.magic = EXT2_ET_MAGIC_IO_MANAGER,
	.name = "Ironferry volume",
	.open = channel_open,
	.close = channel_close,
	.set_blksize = channel_set_blksize,
	.read_blk = channel_read_blk,
	.write_blk = channel_write_blk,
	.flush = channel_flush,
	.write_byte = channel_write_byte,
	.set_option = channel_set_option,
	.get_stats = channel_get_stats,
	.read_blk64 = channel_read_blk64,
	.write_blk64 = channel_write_blk64,
	.zeroout = channel_zeroout,
};

static errcode_t
channel_open(const char *name, int flags, io_channel *ret)
{
	struct channel *c;
	io_channel io;
	uintptr_t address;

	(void)flags;
	if (strncmp(name, NAME_PREFIX, strlen(NAME_PREFIX)) != 0)
		return EXT2_ET_BAD_DEVICE_NAME;
	address = (uintptr_t)strtoull(name + strlen(NAME_PREFIX), NULL, 16);
	c = calloc(1, sizeof(*c));
	io = calloc(1, sizeof(*io));
	if (c == NULL || io == NULL || (io->name = strdup(name)) == NULL) {
		free(c);
		free(io);
		return EXT2_ET_NO_MEMORY;
	}
	c->opening = (struct request *)address;
	c->volume = c->opening->volume;
	c->stats.num_fields = 2;
	io->magic = EXT2_ET_MAGIC_IO_CHANNEL;
	io->manager = &volume_manager;
	io->block_size = 1024;
	io->refcount = 1;
	io->private_data = c;
	*ret = io;
	return 0;
}

/* --- errors --------------------------------------------------------------- */

static enum fy_error_code
our_code(errcode_t code)
{
	switch (code) {
	case EXT2_ET_NO_MEMORY:
		return FY_E_NOMEM;
	case EXT2_ET_BLOCK_ALLOC_FAIL:
	case EXT2_ET_INODE_ALLOC_FAIL:
	case EXT2_ET_DIR_NO_SPACE:
	case EXT2_ET_TOOSMALL:
	case EXT2_ET_INLINE_DATA_NO_SPACE:
	case EXT2_ET_EA_NO_SPACE:
		return FY_E_NOSPACE;
	case EXT2_ET_FILE_NOT_FOUND:
		return FY_E_NOTFOUND;
	case EXT2_ET_DIR_EXISTS:
	case EXT2_ET_FILE_EXISTS:
		return FY_E_EXISTS;
	case EXT2_ET_UNSUPP_FEATURE:
	case EXT2_ET_RO_UNSUPP_FEATURE:
	case EXT2_ET_UNIMPLEMENTED:
	case EXT2_ET_OP_NOT_SUPPORTED:
		return FY_E_UNSUPPORTED;
	case EXT2_ET_RO_FILSYS:
		return FY_E_DENIED;
	default:
		return FY_E_FORMAT;
	}
}

static void
load_messages(void)
{
	initialize_ext2_error_table();
}

static int
set_error(const struct fy_error *failure, errcode_t code, struct fy_error *err,
	  const char *what)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	if (failure->code != FY_E_NONE)
		return fy_error_set(err, failure->code, 0, "%s: %s", what,
				    failure->msg);
	pthread_once(&once, load_messages);
	return fy_error_set(err, our_code(code), 0, "%s: %s", what,
			    error_message(code));
}

int
fy_ext_error(ext2_filsys fs, errcode_t code, struct fy_error *err,
	     const char *fmt, ...)
{
	struct channel *c = channel_of(fs->io);
	struct fy_error failure = c->error;
	char what[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	fy_error_clear(&c->error);
	return set_error(&failure, code, err, what);
}

/* --- open and close ------------------------------------------------------- */

/* Refuse what would make libext2fs allocate or loop without bounds. */
static int
check_super(struct fy_volume *v, struct fy_error *err)
{
	unsigned char sb[SUPER_BYTES];
	uint64_t blocks, groups, bytes;
	uint32_t log_size, per_group;
	const char *name = fy_volume_name(v);

	if (fy_volume_size(v) < SUPER_OFFSET + SUPER_BYTES)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "%s is too small for an ext filesystem",
				    name);
	if (fy_volume_pread(v, sb, sizeof(sb), SUPER_OFFSET, err) == -1)
		return -1;
	if (fy_get_le16(sb + 0x38) != EXT2_SUPER_MAGIC)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "%s holds no ext filesystem", name);
	log_size = fy_get_le32(sb + 0x18);
	per_group = fy_get_le32(sb + 0x20);
	blocks = fy_get_le32(sb + 0x04);
	if (fy_get_le32(sb + 0x60) & EXT4_FEATURE_INCOMPAT_64BIT)
		blocks |= (uint64_t)fy_get_le32(sb + 0x150) << 32;
	if (log_size > 6 || per_group < 8 || blocks == 0)
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "%s: the ext superblock is damaged", name);
	if (!fy_mul_u64(blocks, UINT64_C(1024) << log_size, &bytes))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "%s: the ext superblock is damaged", name);
	if (bytes > fy_volume_size(v))
		return fy_error_set(err, FY_E_FORMAT, 0,
				    "%s: the filesystem claims %" PRIu64
				    " bytes but only %" PRIu64 " are there",
				    name, bytes, fy_volume_size(v));
	groups = blocks / per_group + 1;
	if (groups > MAX_DESCRIPTOR_BYTES / 64)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "%s: %" PRIu64 " block groups are more "
				    "than this program can hold",
				    name, groups);
	return 0;
}

/* Whether the multi-mount protection says that nobody uses it. */
static int
check_mmp(ext2_filsys fs, struct fy_error *err)
{
	fy_autofree unsigned char *block = NULL;
	errcode_t code;
	uint32_t seq;

	if (!ext2fs_has_feature_mmp(fs->super) || fs->super->s_mmp_block == 0)
		return 0;
	block = malloc(fs->blocksize);
	if (block == NULL)
		return fy_error_nomem(err);
	code = io_channel_read_blk64(fs->io, fs->super->s_mmp_block, 1, block);
	if (code != 0)
		return fy_ext_error(fs, code, err, "multi-mount block");
	seq = fy_get_le32(block + 4);
	if (fy_get_le32(block) != EXT4_MMP_MAGIC || seq == EXT4_MMP_SEQ_CLEAN)
		return 0;
	return fy_error_set(err, FY_E_DIRTY, 0,
			    "the multi-mount block says that the filesystem "
			    "is in use; e2fsck must look at it first");
}

static int
check_writable(ext2_filsys fs, struct fy_error *err)
{
	const struct ext2_super_block *sb = fs->super;
	const char *why = NULL;

	if (ext2fs_has_feature_journal_needs_recovery(fs->super))
		why = "its journal must be replayed";
	else if (!(sb->s_state & EXT2_VALID_FS))
		why = "it was not cleanly unmounted";
	else if (sb->s_state & EXT2_ERROR_FS)
		why = "an error was found on it";
	else if (sb->s_last_orphan != 0 || (sb->s_state & EXT3_ORPHAN_FS) ||
		 ext2fs_has_feature_orphan_present(fs->super))
		why = "files on it are waiting for their deletion";
	if (why != NULL)
		return fy_error_set(err, FY_E_DIRTY, 0,
				    "the filesystem is not safe to write to: "
				    "%s; e2fsck must look at it first",
				    why);
	return check_mmp(fs, err);
}

int
fy_ext_open(struct fy_volume *v, enum fy_ext_flags flags, ext2_filsys *ret,
	    struct fy_error *err)
{
	int open_flags = EXT2_FLAG_64BITS | EXT2_FLAG_SKIP_MMP;
	struct request request = { .volume = v };
	ext2_filsys fs = NULL;
	char name[64];
	errcode_t code;

	if ((flags & FY_EXT_WRITABLE) && !fy_volume_is_writable(v))
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "%s is open for reading only",
				    fy_volume_name(v));
	if (check_super(v, err) == -1)
		return -1;
	if (flags & FY_EXT_WRITABLE)
		open_flags |= EXT2_FLAG_RW;
	else if (flags & FY_EXT_ANY_FEATURES)
		open_flags |= EXT2_FLAG_FORCE;
	if (flags & FY_EXT_IGNORE_CHECKSUMS)
		open_flags |= EXT2_FLAG_IGNORE_CSUM_ERRORS;
	snprintf(name, sizeof(name), NAME_PREFIX "%" PRIxPTR,
		 (uintptr_t)&request);
	code = ext2fs_open2(name, NULL, open_flags, 0, 0, &volume_manager, &fs);
	if (code != 0)
		return set_error(&request.error, code, err, fy_volume_name(v));
	channel_of(fs->io)->opening = NULL;
	if ((flags & FY_EXT_WRITABLE) && check_writable(fs, err) == -1) {
		fy_ext_discard(fs);
		return fy_error_prefix(err, "%s", fy_volume_name(v));
	}
	*ret = fs;
	return 0;
}

int
fy_ext_close(ext2_filsys fs, struct fy_error *err)
{
	errcode_t code = 0;
	int r = 0;

	if (fs->flags & EXT2_FLAG_RW) {
		/* As ext2fs_close, which keeps the filesystem on failure. */
		if (fs->write_bitmaps != NULL)
			code = fs->write_bitmaps(fs);
		if (code == 0 && (fs->flags & EXT2_FLAG_DIRTY))
			code = ext2fs_flush2(fs, 0);
		if (code == 0)
			code = io_channel_flush(fs->io);
		if (code == 0 && channel_of(fs->io)->error.code != FY_E_NONE)
			code = EXT2_ET_SHORT_WRITE;
		if (code != 0)
			r = fy_ext_error(fs, code, err,
					 "cannot write the filesystem's "
					 "superblock and bitmaps");
	}
	fy_ext_discard(fs);
	return r;
}

void
fy_ext_discard(ext2_filsys fs)
{
	if (fs != NULL)
		ext2fs_free(fs);
}

uint64_t
fy_ext_bytes(ext2_filsys fs)
{
	return ext2fs_blocks_count(fs->super) * fs->blocksize;
}
