/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_SESSION_H
#define FY_SESSION_H

/*
 * One job of one client, as the parts of `serve` see it:
 *   serve.c           the course of the protocol
 *   serve-prepare.c   JOB: role, place, lock, journal, undo of a cut injection
 *   serve-receive.c   CHECK, UNIT, ZERO to FINISH, through the pipeline
 *   serve-unreadable.c what the client could not read
 *   serve-durable.c   batches: sync, journal, sync, ACK, in a thread
 *   serve-finish.c    tables, verification, injection
 *   serve-commit.c    definitions, report, commit
 *   serve-inventory.c the job that has no disks
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/progress.h"
#include "imaging/journal.h"
#include "imaging/sink.h"
#include "v2v-server/job.h"
#include "v2v-server/jobdir.h"
#include "v2v-server/link.h"
#include "v2v-server/role.h"
#include "v2v-server/serve.h"

/* Units of one job at most: one bit of each is in memory, twice. */
#define FY_SESSION_MAX_UNITS (UINT64_C(1) << 30)

struct fy_session_disk {
	struct fy_sink_params params;
	char *file; /* "NAME.qcow2", in NAME.partial until the commit */
	uint32_t unit_bytes;
	uint64_t units;
	enum fy_codec codec; /* that is asked of the client */
	int level;
	unsigned window_bits;
	struct fy_sink *sink;	/* NULL before and after the transfer */
	unsigned char *covered; /* a bit for each unit: answered 1 or sent */
	struct fy_session_lost *lost; /* what the client could not read, or
					 NULL */
};

struct fy_batch;
struct fy_session_lost;

struct fy_session {
	const struct fy_serve_options *options;
	struct fy_stop
		*stop; /* raised by signals and by a client's "cancelled" */
	struct fy_role *role;
	struct fy_link link;
	struct fy_log *log;
	bool connected; /* messages go to the client */
	int log_fd;

	struct fy_job *job;
	struct fy_jobdir *dir;
	json_t *pins;
	struct fy_journal *journal; /* under journal_lock while receiving */
	pthread_mutex_t journal_lock;
	bool resumed;
	/* An earlier session finished this very job, but its client did not
	 * hear of it: 'done' is what is to be said, once the client has shown
	 * that its disks are still what was copied. */
	bool repeat;
	uint64_t seed;
	struct fy_session_disk disks[FY_WIRE_MAX_DISKS];
	unsigned n_disks;
	json_t *warnings; /* texts, for DONE and report.json */

	/* Receiving. */
	_Atomic uint64_t unacked_bytes; /* raw; reader adds, ACK subtracts */
	_Atomic unsigned open_checks;
	uint64_t n_units; /* received; the consumer's */
	struct fy_durable *durable;
	bool finished; /* FINISH came and all is covered */

	struct fy_progress progress;
	json_t *done; /* what DONE will say */
};

/* A message for people that also goes into the report. */
void fy_session_warn(struct fy_session *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Messages go to NAME.partial/log no longer. */
void fy_session_close_log(struct fy_session *s);

/* Everything from JOB to where READY can be sent. */
int fy_session_prepare(struct fy_session *s, const json_t *job_json,
		       struct fy_error *err);

/* JOB "inventory": check, keep NAME.machine.json, say DONE.  FY_E_DENIED,
 * FY_E_EXISTS, FY_E_FORMAT, FY_E_USAGE for a name that is none. */
bool fy_session_is_inventory(const json_t *job);
int fy_session_inventory(struct fy_session *s, const json_t *job,
			 struct fy_error *err);

/* Receive to FINISH, checked for completeness. */
int fy_session_receive(struct fy_session *s, struct fy_error *err);

/* UNREADABLE: 'text' is its payload.  FY_E_PROTOCOL, FY_E_FORMAT. */
int fy_session_unreadable(struct fy_session *s, unsigned disk, const char *text,
			  size_t len, struct fy_error *err);
void fy_session_lost_free(struct fy_session_lost *l);
/*
 * Write NAME.job/diskN.map of each disk that has something unreadable, warn of
 * it, and give what the report says, an array (empty: nothing), and the sum.
 */
int fy_session_report_lost(struct fy_session *s, json_t **ret,
			   uint64_t *ret_bytes, struct fy_error *err);

/* From the last unit to the commit; sets s->done.  FY_E_DIFFERENT when the
 * verification found a difference: what differs is forgotten, so that the same
 * command sends it again. */
int fy_session_finish(struct fy_session *s, struct fy_error *err);

/* Read the images back and compare with the journal (serve-verify.c).
 * FY_E_DIFFERENT: see fy_session_finish. */
int fy_session_verify(struct fy_session *s, struct fy_error *err);

/* Make the definitions and drop them: what they can't express is better known
 * before the copy (serve-commit.c). */
int fy_session_try_definitions(struct fy_session *s, struct fy_error *err);

/* Definitions, report, renames (serve-commit.c); 'inject_report' may be NULL. */
int fy_session_commit(struct fy_session *s, const json_t *inject_report,
		      const json_t *systems, struct fy_error *err);

/* The marker in NAME.job that says that no client heard of the end. */
#define FY_UNHEARD "unheard"

/* --- batches (serve-durable.c) -------------------------------------------- */

struct fy_durable;

int fy_durable_new(struct fy_session *s, struct fy_durable **ret,
		   struct fy_error *err);
/* Ends the thread; what was not flushed is not durable. */
void fy_durable_free(struct fy_durable *d);
/* A unit was written to its sink; the batch is handed over when it is full. */
int fy_durable_add(struct fy_durable *d, unsigned disk, uint64_t unit,
		   const struct fy_digest *digest, const struct fy_place *place,
		   struct fy_error *err);
/* Hand the batch over when it is not empty and the thread is free. */
int fy_durable_poke(struct fy_durable *d, struct fy_error *err);
/* Hand over and wait until everything is durable and acknowledged. */
int fy_durable_flush(struct fy_durable *d, struct fy_error *err);

#endif
