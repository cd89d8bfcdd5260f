/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who may be written to, in the live system: nobody, but whom the user named.
 *
 * As `block-ro --udev NODE` the first udev rule calls it for every block device
 * that appears or changes; the device is set read-only unless it was allowed.
 * As `allow-write [--revoke] DEVICE` a program or the user allows one device to
 * be written, or takes that back.
 *
 * What is allowed stands in /run/ironferry/writable, a line for each: the
 * kernel's name and the disk's sequence number, which no later disk gets, so
 * that a disk that is plugged in under the same name is not taken for it.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define RUN_DIR	 "/run/ironferry"
#define LIST	 RUN_DIR "/writable"
#define MAX_LIST 65536
#define NAME_LEN 64
#define PATH_LEN 1024

/* A block device as sysfs shows it. */
struct dev {
	char node[PATH_LEN];
	char sys[PATH_LEN]; /* its directory, links resolved */
	char name[NAME_LEN];
	char disk[NAME_LEN]; /* the whole disk's name: its own if it is one */
	char seq[NAME_LEN];  /* the disk's sequence number */
};

static const char *me = "block-ro";

static int
complain(const char *what, const char *where, const char *why)
{
	fprintf(stderr, "%s: %s: %s: %s\n", me, where, what, why);
	return -1;
}

static int
read_word(const char *dir, const char *file, char *word)
{
	char path[PATH_LEN + NAME_LEN];
	FILE *f;
	int n;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	f = fopen(path, "re");
	if (!f)
		return -1;
	n = fscanf(f, "%63s", word);
	fclose(f);
	return n == 1 ? 0 : -1;
}

static int
last_part(const char *path, char *name)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? strlen(slash + 1) : 0;

	if (n == 0 || n >= NAME_LEN)
		return -1;
	memcpy(name, slash + 1, n + 1);
	return 0;
}

/* realpath() into a buffer of PATH_LEN. */
static int
resolve(const char *from, char *to)
{
	char *real = realpath(from, NULL);
	size_t n;

	if (!real)
		return -1;
	n = strlen(real);
	if (n >= PATH_LEN) {
		free(real);
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(to, real, n + 1);
	free(real);
	return 0;
}

static bool
is_partition(const struct dev *d)
{
	return strcmp(d->name, d->disk) != 0;
}

static int
find_dev(const char *node, struct dev *d)
{
	char link[NAME_LEN], up[PATH_LEN], path[PATH_LEN + NAME_LEN];
	struct stat st;
	char *slash;

	memset(d, 0, sizeof(*d));
	if (resolve(node, d->node) != 0)
		return complain("cannot be found", node, strerror(errno));
	if (stat(d->node, &st) != 0)
		return complain("stat", d->node, strerror(errno));
	if (!S_ISBLK(st.st_mode))
		return complain("refused", d->node, "not a block device");
	snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(st.st_rdev),
		 minor(st.st_rdev));
	if (resolve(link, d->sys) != 0 || last_part(d->sys, d->name) != 0)
		return complain("not in sysfs", d->node, strerror(errno));
	memcpy(up, d->sys, sizeof(up));
	snprintf(path, sizeof(path), "%s/partition", d->sys);
	if (access(path, F_OK) == 0) {
		slash = strrchr(up, '/');
		if (slash)
			*slash = '\0';
	}
	if (last_part(up, d->disk) != 0)
		return complain("not in sysfs", d->node, "no disk");
	/* Kernels before 5.15 have none; then the name must do. */
	if (read_word(up, "diskseq", d->seq) != 0)
		d->seq[0] = '-';
	return 0;
}

/* --- the list ------------------------------------------------------------- */

static char *
read_list(void)
{
	char *text = calloc(1, MAX_LIST);
	FILE *f;

	if (!text)
		return NULL;
	f = fopen(LIST, "re");
	if (f) {
		text[fread(text, 1, MAX_LIST - 1, f)] = '\0';
		fclose(f);
	}
	return text;
}

static bool
next_entry(const char **at, char *name, char *seq)
{
	int used = 0;

	if (sscanf(*at, "%63s %63s%n", name, seq, &used) != 2)
		return false;
	*at += used;
	return true;
}

/* Is `name` a partition of the disk?  sda1 of sda, nvme0n1p2 of nvme0n1. */
static bool
is_part_name(const char *name, const char *disk)
{
	size_t n = strlen(disk);

	if (strncmp(name, disk, n) != 0 || n == 0)
		return false;
	name += n;
	if (isdigit((unsigned char)disk[n - 1]) && *name++ != 'p')
		return false;
	return isdigit((unsigned char)*name);
}

/*
 * A partition may be written if it or its disk is listed.  A whole disk may, if
 * it is or one of its partitions: the kernel takes a partition for read-only as
 * long as its disk is.
 */
static bool
is_allowed(const struct dev *d, const char *list)
{
	char name[NAME_LEN], seq[NAME_LEN];
	const char *at = list;

	while (next_entry(&at, name, seq)) {
		if (strcmp(seq, d->seq) != 0)
			continue;
		if (strcmp(name, d->name) == 0 || strcmp(name, d->disk) == 0)
			return true;
		if (!is_partition(d) && is_part_name(name, d->disk))
			return true;
	}
	return false;
}

static bool
is_listed(const struct dev *d, const char *list)
{
	char name[NAME_LEN], seq[NAME_LEN];
	const char *at = list;

	while (next_entry(&at, name, seq))
		if (strcmp(name, d->name) == 0 && strcmp(seq, d->seq) == 0)
			return true;
	return false;
}

/* Add the device, or take it out: written anew and renamed. */
static int
write_list(const struct dev *d, const char *list, bool add)
{
	char name[NAME_LEN], seq[NAME_LEN];
	const char *at = list;
	FILE *f = fopen(LIST ".new", "we");

	if (!f)
		return complain("cannot be written", LIST, strerror(errno));
	while (next_entry(&at, name, seq))
		if (strcmp(name, d->name) != 0)
			fprintf(f, "%s %s\n", name, seq);
	if (add)
		fprintf(f, "%s %s\n", d->name, d->seq);
	if (fclose(f) != 0 || rename(LIST ".new", LIST) != 0)
		return complain("cannot be written", LIST, strerror(errno));
	return 0;
}

/* --- the flag ------------------------------------------------------------- */

static int
set_flag(const char *node, bool read_only)
{
	int want = read_only, is = -1, fd;

	/* O_NONBLOCK: a CD drive must not pull in its tray. */
	fd = open(node, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		/* No medium, no bytes to protect; it comes with an event. */
		if (errno == ENOMEDIUM || errno == ENXIO)
			return 0;
		return complain("open", node, strerror(errno));
	}
	if (ioctl(fd, BLKROSET, &want) != 0 || ioctl(fd, BLKROGET, &is) != 0) {
		complain("BLKROSET", node, strerror(errno));
		close(fd);
		return -1;
	}
	close(fd);
	if (!is != !want)
		return complain("BLKROSET", node,
				read_only ? "it stays writable"
					  : "it stays read-only: is it "
					    "write-protected?");
	return 0;
}

/* Set the flags of a disk and all its partitions as the list has it. */
static int
apply(const char *disk, const char *list)
{
	char path[PATH_LEN], node[PATH_LEN];
	struct dev part;
	struct dirent *e;
	int status;
	DIR *dir;

	/* The disk comes first: its own flag would overrule. */
	snprintf(node, sizeof(node), "/dev/%s", disk);
	if (find_dev(node, &part) != 0)
		return -1;
	status = set_flag(node, !is_allowed(&part, list));
	snprintf(path, sizeof(path), "/sys/class/block/%s", disk);
	dir = opendir(path);
	if (!dir)
		return complain("not in sysfs", node, strerror(errno));
	while ((e = readdir(dir)) != NULL) {
		if (!is_part_name(e->d_name, disk))
			continue;
		snprintf(node, sizeof(node), "/dev/%s", e->d_name);
		if (find_dev(node, &part) != 0 ||
		    set_flag(node, !is_allowed(&part, list)) != 0)
			status = -1;
	}
	closedir(dir);
	return status;
}

/* --- the two commands ----------------------------------------------------- */

static int
lock_list(void)
{
	int fd;

	if (mkdir(RUN_DIR, 0755) != 0 && errno != EEXIST)
		return complain("mkdir", RUN_DIR, strerror(errno));
	fd = open(LIST ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX) != 0)
		return complain("lock", LIST ".lock", strerror(errno));
	return fd;
}

static int
on_udev(const char *node)
{
	struct dev d;
	char *list;
	int status;

	if (find_dev(node, &d) != 0)
		return 1;
	/* Under the lock, or a permission just given would be overrun. */
	if (lock_list() < 0)
		return set_flag(node, true) == 0 ? 0 : 1;
	list = read_list();
	status = set_flag(d.node, !list || !is_allowed(&d, list));
	free(list);
	return status == 0 ? 0 : 1;
}

static int
on_allow(const char *node, bool revoke)
{
	struct dev d;
	char *list;
	int status = -1;

	if (find_dev(node, &d) != 0)
		return 1;
	if (lock_list() < 0)
		return 1;
	list = read_list();
	if (!list)
		return complain("memory", node, strerror(errno)) != 0;
	if (revoke && !is_listed(&d, list) && is_allowed(&d, list))
		complain("refused", d.node,
			 "not this, but its disk or partition was allowed");
	else
		status = write_list(&d, list, !revoke);
	free(list);
	if (status == 0) {
		list = read_list();
		status = list ? apply(d.disk, list) : -1;
		free(list);
	}
	return status == 0 ? 0 : 1;
}

static int
usage(void)
{
	fprintf(stderr, "usage: allow-write [--revoke] DEVICE\n"
			"       block-ro --udev NODE\n");
	return 2;
}

int
main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');

	if (slash ? strcmp(slash + 1, "allow-write") == 0
		  : strcmp(argv[0], "allow-write") == 0) {
		me = "allow-write";
		if (argc == 2 && argv[1][0] != '-')
			return on_allow(argv[1], false);
		if (argc == 3 && strcmp(argv[1], "--revoke") == 0)
			return on_allow(argv[2], true);
		return usage();
	}
	if (argc == 3 && strcmp(argv[1], "--udev") == 0)
		return on_udev(argv[2]);
	return usage();
}
