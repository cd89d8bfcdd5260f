/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_SERVER_TESTING_CLIENT_H
#define FY_SERVER_TESTING_CLIENT_H

/*
 * A client for the tests of `serve`, over a socket pair.  The server is a child
 * process, so that it can be killed.
 */
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/cleanup.h"
#include "common/codec.h"
#include "common/hash.h"
#include "imaging/wire.h"
#include "v2v-server/images.h"
#include "v2v-server/serve.h"
#include "v2v-server/testing.h"

#define DISK_BYTES (6 * FY_MIB + 512 * 3)
#define MAX_UNITS  128u

static char *top; /* the server's root */
static int topfd;
static unsigned char disk[DISK_BYTES];

struct client {
	int fd;
	pid_t pid;
	uint64_t seed;
	uint32_t unit_bytes;
	uint64_t units;
	char codec[16];
	bool resumed;
	uint64_t durable;
	unsigned char bitmap[64];
	uint64_t acked; /* units */
	unsigned beats, logs;
	char last_log[512];
	struct fy_wire_header h;
	unsigned char *payload; /* of the last frame, NUL-terminated */
};

/* --- the server ------------------------------------------------------------ */

static const struct fy_serve_options plain = { .role = { .root = "" } };

static struct fy_stop *server_stop; /* in the child */

static inline void
on_term(int number)
{
	(void)number;
	fy_stop_raise(server_stop);
}

static inline void
start(struct client *c, const struct fy_serve_options *options)
{
	struct fy_serve_options o = *options;
	struct fy_error err = { 0 };
	struct fy_stop stop;
	int pair[2];

	if (o.role.root != NULL && o.role.root[0] == '\0')
		o.role.root = top;
	memset(c, 0, sizeof(*c));
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	c->pid = fork();
	CHECK(c->pid != -1);
	if (c->pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		close(pair[0]);
		if (getenv("FY_TEST_VERBOSE") == NULL)
			dup2(null, STDERR_FILENO);
		signal(SIGPIPE, SIG_IGN);
		CHECK_OK(fy_stop_init(&stop, &err));
		server_stop = &stop;
		signal(SIGTERM, on_term);
		_exit(fy_serve(&o, pair[1], pair[1], &stop));
	}
	close(pair[1]);
	c->fd = pair[0];
}

static inline int
end(struct client *c)
{
	int status;

	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	free(c->payload);
	c->payload = NULL;
	CHECK(waitpid(c->pid, &status, 0) == c->pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static inline void
kill_server(struct client *c)
{
	CHECK(kill(c->pid, SIGKILL) == 0);
	end(c);
}

/* --- frames ---------------------------------------------------------------- */

static inline void
send_raw(struct client *c, const void *data, size_t len)
{
	const char *p = data;
	ssize_t n;

	while (len > 0) {
		n = send(c->fd, p, len, MSG_NOSIGNAL);
		if (n <= 0)
			return; /* the server has had enough */
		p += n;
		len -= (size_t)n;
	}
}

static inline void
send_frame(struct client *c, struct fy_wire_header h, const void *part1,
	   size_t len1, const void *part2, size_t len2)
{
	unsigned char bytes[FY_WIRE_HEADER_BYTES];

	fy_wire_encode(&h, part1, len1, part2, len2, bytes);
	send_raw(c, bytes, sizeof(bytes));
	send_raw(c, part1, len1);
	send_raw(c, part2, len2);
}

static inline void
send_text(struct client *c, enum fy_wire_type type, const char *text)
{
	struct fy_wire_header h = { .type = type };

	send_frame(c, h, text, strlen(text), NULL, 0);
}

/* 0 at the end of the connection. */
static inline int
recv_full(struct client *c, void *to, size_t len)
{
	char *p = to;
	ssize_t n;

	while (len > 0) {
		struct pollfd pfd = { .fd = c->fd, .events = POLLIN };

		CHECK(poll(&pfd, 1, 30000) == 1);
		n = recv(c->fd, p, len, 0);
		if (n <= 0)
			return 0;
		p += n;
		len -= (size_t)n;
	}
	return 1;
}

/* The next frame of any type; false at the end. */
static inline bool
next_any(struct client *c)
{
	unsigned char bytes[FY_WIRE_HEADER_BYTES];
	struct fy_error err = { 0 };

	free(c->payload);
	c->payload = NULL;
	if (!recv_full(c, bytes, sizeof(bytes)))
		return false;
	CHECK_OK(fy_wire_decode(bytes, &c->h, &err));
	c->payload = calloc(1, c->h.length + 1u);
	CHECK(c->payload != NULL);
	CHECK(recv_full(c, c->payload, c->h.length));
	CHECK_OK(fy_wire_check_payload(&c->h, c->payload, &err));
	return true;
}

static inline void
count_acks(struct client *c)
{
	uint32_t at;

	for (at = 0; at < c->h.length; at += 16)
		c->acked += fy_get_le64(c->payload + at + 8);
}

/* The next frame that is an answer. */
static inline bool
next(struct client *c)
{
	while (next_any(c)) {
		if (c->h.type == FY_WIRE_LOG) {
			c->logs++;
			snprintf(c->last_log, sizeof(c->last_log), "%s",
				 (char *)c->payload);
		} else if (c->h.type == FY_WIRE_BEAT) {
			c->beats++;
		} else if (c->h.type == FY_WIRE_ACK) {
			count_acks(c);
		} else if (c->h.type != FY_WIRE_PROGRESS) {
			return true;
		}
	}
	return false;
}

static inline void
expect(struct client *c, enum fy_wire_type type)
{
	CHECK(next(c));
	if (c->h.type != type) {
		fprintf(stderr, "%s came, not %s: %.500s\n",
			fy_wire_name(c->h.type), fy_wire_name(type),
			(char *)c->payload);
		exit(1);
	}
}

/* The server ends with ERROR of this code, and that exit status. */
static inline void
expect_error(struct client *c, const char *code, const char *words, int status)
{
	fy_autofree char *want = NULL;
	struct fy_error err = { 0 };
	int got;

	want = fy_format(&err, "\"code\":\"%s\"", code);
	expect(c, FY_WIRE_ERROR);
	if (strstr((char *)c->payload, want) == NULL ||
	    strstr((char *)c->payload, words) == NULL) {
		fprintf(stderr, "ERROR is %s, not %s with '%s'\n",
			(char *)c->payload, code, words);
		exit(1);
	}
	got = end(c);
	if (got != status) {
		fprintf(stderr, "%s: exit status %d, not %d\n", code, got,
			status);
		exit(1);
	}
}

/* --- a job ------------------------------------------------------------------ */

struct job {
	const char *name, *to, *format, *compressed, *extra;
	const char *serial;
	uint64_t used;
	unsigned disks;
	bool force, verify;
};

static const struct job raw_job = { "vm", ".",	      "raw", "none", "",
				    "S1", DISK_BYTES, 1,     false,  false };

static inline char *
job_text(const struct job *j)
{
	struct fy_error err = { 0 };
	char *text, *more;
	unsigned i;

	text = fy_format(&err,
			 "{\"action\":\"convert\",\"name\":\"%s\","
			 "\"to\":\"%s\",\"format\":\"%s\",\"compressed\":"
			 "\"%s\",\"inject\":false,\"force\":%s,\"verify\":%s,"
			 "%s\"disks\":[",
			 j->name, j->to, j->format, j->compressed,
			 j->force ? "true" : "false",
			 j->verify ? "true" : "false", j->extra);
	for (i = 0; i < j->disks; i++) {
		more = fy_format(&err,
				 "%s%s{\"path\":\"/dev/sd%c\",\"size_bytes\":"
				 "%llu,\"sector_bytes\":512,\"serial\":\"%s\","
				 "\"wwn\":\"\",\"used_bytes\":%llu,"
				 "\"map_digest\":"
				 "\"00112233445566778899aabbccddeeff\"}",
				 text, i > 0 ? "," : "", 'a' + (int)i,
				 (unsigned long long)DISK_BYTES, j->serial,
				 (unsigned long long)j->used);
		free(text);
		text = more;
	}
	more = fy_format(&err, "%s]}", text);
	free(text);
	CHECK(more != NULL);
	return more;
}

static inline void
hello(struct client *c)
{
	send_text(c, FY_WIRE_HELLO,
		  "{\"protocol\":1,\"program\":\"test\",\"version\":\"0\"}");
	expect(c, FY_WIRE_WELCOME);
}

static inline void
send_job(struct client *c, const struct job *j)
{
	fy_autofree char *text = job_text(j);

	hello(c);
	send_text(c, FY_WIRE_JOB, text);
}

static inline void
ready(struct client *c, unsigned disks)
{
	fy_autojson json_t *j = NULL;
	struct fy_error err = { 0 };
	json_t *d;
	unsigned i;

	expect(c, FY_WIRE_READY);
	j = fy_json_parse((char *)c->payload, c->h.length, "READY", &err);
	CHECK(j != NULL);
	d = json_array_get(json_object_get(j, "disks"), 0);
	c->resumed = fy_json_bool_or(j, "resumed", false);
	c->seed = strtoull(fy_json_string_or(j, "seed", ""), NULL, 16);
	c->unit_bytes = (uint32_t)fy_json_u64_or(d, "unit_bytes", 0);
	c->units = fy_json_u64_or(d, "units", 0);
	c->durable = fy_json_u64_or(d, "durable", 0);
	snprintf(c->codec, sizeof(c->codec), "%s",
		 fy_json_string_or(d, "codec", ""));
	CHECK(fy_is_power_of_two(c->unit_bytes));
	CHECK(c->units == (DISK_BYTES - 1) / c->unit_bytes + 1);
	CHECK(c->units <= MAX_UNITS);
	for (i = 0; i < disks; i++) {
		d = json_array_get(json_object_get(j, "disks"), i);
		if (fy_json_u64_or(d, "durable_frames", 99) == 0)
			continue;
		expect(c, FY_WIRE_DURABLE);
		CHECK(c->h.disk == i && c->h.number == 0);
		CHECK(c->h.length == (c->units + 7) / 8);
		if (i == 0)
			memcpy(c->bitmap, c->payload, c->h.length);
	}
}

/* A unit of the disk, padded; true when it is all zeros. */
static inline bool
unit_of(const struct client *c, uint64_t unit, unsigned char *ret)
{
	uint64_t at = unit * c->unit_bytes;
	uint64_t n = fy_min_u64(c->unit_bytes, DISK_BYTES - at);

	memset(ret, 0, c->unit_bytes);
	memcpy(ret, disk + at, n);
	return fy_is_zero(ret, c->unit_bytes);
}

static inline void
send_unit(struct client *c, unsigned number_of_disk, uint64_t unit)
{
	FY_AUTO(compressor) struct fy_compressor *z = NULL;
	fy_autofree unsigned char *raw = malloc(c->unit_bytes);
	fy_autofree unsigned char *out = malloc(c->unit_bytes);
	struct fy_wire_header h = { .type = FY_WIRE_UNIT,
				    .disk = (uint16_t)number_of_disk,
				    .number = unit,
				    .raw_length = c->unit_bytes };
	enum fy_codec codec = FY_CODEC_ZSTD;
	unsigned char zero[8];
	struct fy_digest digest;
	struct fy_error err = { 0 };
	size_t len;

	if (unit_of(c, unit, raw)) {
		h.type = FY_WIRE_ZERO;
		h.raw_length = 0;
		fy_put_le64(zero, 1);
		send_frame(c, h, zero, 8, NULL, 0);
		return;
	}
	fy_digest_xxh3(raw, c->unit_bytes, c->seed, &digest);
	if (strcmp(c->codec, "deflate") == 0)
		codec = FY_CODEC_DEFLATE;
	z = fy_compressor_new(codec, 1, codec == FY_CODEC_DEFLATE ? 12 : 0,
			      &err);
	CHECK(z != NULL);
	switch (fy_compress(z, raw, c->unit_bytes, out, &len, &err)) {
	case 1:
		h.codec = (uint8_t)codec;
		send_frame(c, h, digest.bytes, 16, out, len);
		break;
	case 0:
		send_frame(c, h, digest.bytes, 16, raw, c->unit_bytes);
		break;
	default:
		CHECK_OK(-1);
	}
}

static inline void
send_units(struct client *c, unsigned number_of_disk, uint64_t from,
	   uint64_t to)
{
	for (; from < to; from++)
		send_unit(c, number_of_disk, from);
}

/* Finish, and see that what lies there is the disk. */
static inline void
finish(struct client *c)
{
	send_text(c, FY_WIRE_FINISH, "{}");
	expect(c, FY_WIRE_DONE);
	CHECK(strstr((char *)c->payload, "\"result\":\"done\"") != NULL);
	CHECK(end(c) == 0);
}

static inline void
image_is_disk(const char *name, const char *format)
{
	FY_AUTO(images) struct fy_images *images = NULL;
	fy_autofree unsigned char *have = malloc(DISK_BYTES);
	fy_autofree char *path = NULL;
	struct fy_error err = { 0 };
	size_t i;

	path = fy_format(&err, "%s/%s", top, name);
	images = fy_images_new(&err);
	CHECK(images != NULL);
	CHECK_OK(fy_images_add(images, path, format, 512, false, &err));
	CHECK(fy_volume_size(images->volumes[0]) == DISK_BYTES);
	CHECK_OK(
		fy_volume_pread(images->volumes[0], have, DISK_BYTES, 0, &err));
	for (i = 0; i < DISK_BYTES; i++)
		if (have[i] != disk[i]) {
			fprintf(stderr, "%s differs at byte %zu\n", name, i);
			exit(1);
		}
}

/* No trace of a job but NAME.partial, and that only when 'partial'. */
static inline void
nothing_finished(bool partial)
{
	CHECK(faccessat(topfd, "vm.xml", F_OK, 0) == -1);
	CHECK(faccessat(topfd, "vm.job", F_OK, 0) == -1);
	CHECK(faccessat(topfd, "vm.raw", F_OK, 0) == -1);
	CHECK(faccessat(topfd, "vm.qcow2", F_OK, 0) == -1);
	CHECK((faccessat(topfd, "vm.partial", F_OK, 0) == 0) == partial);
}

static inline void
clean(void)
{
	static const char *const files[] = { "vm.xml", "vm.raw", "vm.qcow2",
					     "vm-2.raw", "vm-2.qcow2" };
	struct fy_error err = { 0 };
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlinkat(topfd, files[i], 0);
	CHECK_OK(fy_dir_remove_all_at(topfd, "vm.job", &err));
	CHECK_OK(fy_dir_remove_all_at(topfd, "vm.partial", &err));
}

/* --- set-up ------------------------------------------------------------------ */

/* Some text, something random, zeros between, and an end that is no unit. */
static inline void
set_up(void)
{
	struct fy_error err = { 0 };
	uint64_t state = 88172645463325252u;
	size_t i;

	for (i = 0; i < DISK_BYTES; i += 8) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		if (i / (512 * 1024) % 3 == 1)
			continue;
		fy_put_le64(disk + i, i / (512 * 1024) % 3 == 0
					      ? state & 0x0303030303030303u
					      : state);
	}
	CHECK_OK(fy_dir_temporary("fy-test-serve", &top, &err));
	topfd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(topfd >= 0);
	signal(SIGPIPE, SIG_IGN);
}

static inline void
tear_down(void)
{
	struct fy_error err = { 0 };

	CHECK_OK(fy_dir_remove_all_at(AT_FDCWD, top, &err));
	free(top);
}

#endif
