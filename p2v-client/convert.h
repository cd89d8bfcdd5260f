/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_CONVERT_H
#define FY_CONVERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/json.h"
#include "common/log.h"
#include "common/machine.h"
#include "common/options.h"
#include "common/progress.h"
#include "common/stop.h"
#include "drivers-inject/custom.h"

/*
 * The engine of p2v-client: reach a server, convert disks to it.  The command
 * line and the dialog fill these structs; nothing here prints or exits.
 */

struct fy_server_memory;

/* How to reach the server and how to log in. */
struct fy_server_options {
	const char *server;	   /* "local" or "[user@]host[:port]" */
	const char *identity;	   /* private key file, or NULL */
	const char *known_hosts;   /* NULL: ~/.ssh/known_hosts */
	const char *fingerprint;   /* "SHA256:...": the one key to accept */
	const char *password_file; /* first line is the password, or NULL */
	const char *password;	   /* from the dialog, or NULL; never shown */
	uint64_t limit_rate;	   /* bytes per second on the wire; 0: none */

	/*
	 * Questions to a person, NULL when nobody is there.  Called from the
	 * thread that called fy_convert_run or fy_connection_test.
	 */
	/* The server's key is not known; 'fingerprint' is "SHA256:...",
	 * 'type' as "ED25519".  True accepts it and adds it to known_hosts.
	 * Never called for a key that has changed: that is an error. */
	bool (*ask_host_key)(void *ctx, const char *host, const char *type,
			     const char *fingerprint);
	/* A password, passphrase or one-time code.  The answer is malloc'd
	 * (wiped and freed by the caller of this); NULL: cancelled. */
	char *(*ask_password)(void *ctx, const char *prompt, bool echo);
	void *ask_ctx;

	struct fy_log *log; /* NULL: silent */
	const struct fy_stop *stop;
	/* What is kept for the next connection of this process; NULL:
	 * nothing. */
	struct fy_server_memory *memory;
};

enum fy_compress_mode { FY_COMPRESS_AUTO, FY_COMPRESS_NONE, FY_COMPRESS_ZSTD };

struct fy_convert_options {
	struct fy_server_options server;

	const char *const *disks; /* paths, the boot disk first */
	size_t n_disks;
	const char *name;	 /* [A-Za-z0-9][A-Za-z0-9._-]{0,99} */
	const char *to;		 /* directory on the server, or NULL */
	const char *format;	 /* "qcow2" (NULL too), "raw", ... */
	const char *compressed;	 /* "none" (NULL too), "zstd", "deflate" */
	const char *const *emit; /* "libvirt", ...; n_emit 0: libvirt */
	size_t n_emit;
	bool inject; /* make the guest boot on virtual hardware */
	bool force;  /* overwrite NAME's earlier results */
	bool verify; /* read the finished image back */
	bool new_uuid;
	unsigned vcpus;		     /* 0: as the machine */
	uint64_t memory_bytes;	     /* 0: as the machine */
	const char *virt_type;	     /* "kvm" (NULL too) or "qemu" */
	const char *bridge;	     /* host bridge for all NICs, or NULL */
	const char *const *networks; /* "MAC=NAME" */
	size_t n_networks;
	const char *const *nics; /* "NAME=MAC" */
	size_t n_nics;
	/* What is wanted in the guest; NULL: nothing. */
	const struct fy_custom_options *custom;
	const char *const *luks_keys; /* "[UUID=]FILE" */
	size_t n_luks_keys;

	bool allow_dirty, all_gaps;
	bool rescue; /* unreadable sectors become zeros, and are listed */
	unsigned rescue_tries;	   /* of each, after the first */
	uint64_t rescue_time_s;	   /* for one bad area; 0: no limit */
	uint64_t rescue_max_bytes; /* of a disk; 0: the default */
	const char *const *whole;  /* volumes to copy whole: "p2", with several
				     disks "DISK:p2" (DISK as in 'disks') */
	size_t n_whole;

	unsigned threads;		/* workers; 0: one a processor */
	uint64_t retry_s;		/* reconnect for so long; 0: never */
	enum fy_compress_mode compress; /* on the wire */
	int compress_level;		/* of FY_COMPRESS_ZSTD; 0: 1 */
	struct fy_progress *progress; /* bumped; started by the caller; NULL */
};

struct fy_convert_result {
	uint64_t disk_bytes, used_bytes; /* sums over the disks */
	uint64_t sent_bytes;		 /* on the wire, before encryption */
	uint64_t stored_bytes; /* of the finished images, as the server says */
	double seconds;
	uint64_t units_total;  /* that hold used data */
	uint64_t units_sent;   /* one that was sent twice counts twice */
	uint64_t units_reused; /* durable from an earlier run, unchanged */
	uint64_t reconnects;   /* how often a lost connection was replaced */
	bool resumed;
	bool server_reached; /* the job was begun: the server may hold a
				   NAME.partial that the same command resumes */
	uint64_t unreadable_bytes;
	json_t *unreadable; /* [[path of the disk, offset, length], ...], the
			       first ones */
	json_t *unreadable_files; /* texts, the first ones; NULL before the
				     end */
	json_t *done; /* the DONE object: "files", "warnings", "xml",
				   "report"; NULL unless finished */
};
void fy_convert_result_release(struct fy_convert_result *r);

/*
 * Convert.  Blocks until all is finished on the server.  'machine' describes
 * the machine (NULL: unknown, for image files); its 'disks' are rewritten to
 * be the disks of the job in their order, with what the map found out.
 * 'ret' is filled as far as it went, on failure too; release it.
 *
 * A connection that is lost is replaced for 'retry_s' seconds, by the same job
 * with what is durable then.
 *
 * Returns 0, or -1 with 'err': fy_error_exit_status(err->code) is the exit
 * status.  FY_E_CANCELLED and FY_E_CONNECTION: the same options resume.
 * FY_E_DIFFERENT: finished, but verification found a difference.
 * fy_convert_advice tells what to do.
 *
 * Safety checks of the disks (mounted, seen twice) are the caller's.
 */
int fy_convert_run(const struct fy_convert_options *options,
		   struct fy_machine *machine, struct fy_convert_result *ret,
		   struct fy_error *err);

/* The exit status of a job that ended so: FY_EXIT_RESCUED when it is done, with
 * something that could not be read. */
int fy_convert_exit_status(const struct fy_convert_result *r,
			   enum fy_error_code code);

/* What a person can do about this failure; a static text, or "" when the
 * message says it all. */
const char *fy_convert_advice(enum fy_error_code code);

/* {"disk_bytes","used_bytes","sent_bytes","stored_bytes","seconds",
 *  "units_total","units_sent","units_reused","reconnects","unreadable_bytes",
 *  "unreadable","result"}; 'result' is "done", "different", "interrupted" or
 * "failed", from 'code' (FY_E_NONE: done).
 * On failure "error" and "message" are added. */
json_t *fy_convert_result_json(const struct fy_convert_result *r,
			       const struct fy_error *failure,
			       struct fy_error *err);

/* One line for people: bytes on disk, used, sent, stored, seconds, MB/s. */
void fy_convert_summary(const struct fy_convert_result *r, char *ret,
			size_t ret_size);

/*
 * Connect, check the host key, log in, start `v2v-server serve`, exchange
 * HELLO and WELCOME, and hang up.  '*ret_about' (may be NULL) is malloc'd
 * text as "v2v-server 0.1.0".  Errors as above; FY_E_AUTH, FY_E_HOSTKEY,
 * FY_E_VERSION, FY_E_NOTFOUND (no v2v-server there).
 */
int fy_connection_test(const struct fy_server_options *options,
		       char **ret_about, struct fy_error *err);

/* "auto", "none", "zstd", "zstd:LEVEL" (1 to 19). FY_E_USAGE. */
int fy_convert_parse_compress(const char *text, enum fy_compress_mode *ret,
			      int *ret_level, struct fy_error *err);

/* Whether 'name' may name a machine or job.  FY_E_USAGE tells the rule. */
int fy_convert_check_name(const char *name, struct fy_error *err);

/* The three parts of a SERVER other than "local". */
struct fy_server_name {
	char *user;    /* NULL: not given */
	char *host;    /* without the brackets of [v6] */
	unsigned port; /* 22 when not given */
};
/* FY_E_USAGE.  Release with fy_server_name_release. */
int fy_server_name_parse(const char *text, struct fy_server_name *ret,
			 struct fy_error *err);
void fy_server_name_release(struct fy_server_name *n);

#endif
