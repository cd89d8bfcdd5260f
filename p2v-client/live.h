/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_LIVE_H
#define FY_LIVE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/log.h"
#include "common/options.h"
#include "p2v-client/client.h"
#include "p2v-client/dialog.h"
#include "p2v-client/inventory.h"

/*
 * The live system's program, one instance on each console.
 *
 * RUN has what the instances share:
 *   job.lock     held (flock) by the one that does a job
 *   console      what that job says, line by line; the others show it
 *   result       how the unattended job ended: it is not begun twice
 *   targets      disks that were made writable, a kernel name a line
 *   identity, id_*, known_hosts, authorized_keys   copied from the medium
 *   target       where a disk or a share for images is mounted
 *   target-device   what was made writable for it
 */
struct fy_live {
	struct fy_client_options *o;
	const char *cmdline, *medium, *run;
	const char *sysroot; /* NULL: the machine itself */
	char *boot_line;     /* the kernel command line */
	char *remembered;    /* the server that the medium remembers */
	struct fy_strings problems;
	struct fy_log *log;
	int lock_fd;	/* -1: no job is ours */
	int console_fd; /* RUN/console, while a job is ours */
	struct fy_ui ui;
};

/* --- live-url.c ------------------------------------------------------------ */

/*
 * {serial}, {uuid}, {asset} and {mac} in 'url' replaced by what the machine
 * is; characters outside [A-Za-z0-9._-] are percent-encoded.  The MAC is that
 * of BOOTIF in 'boot_line', else of the first interface with a link, in the
 * form 52-54-00-12-34-56.  FY_E_USAGE for another word in braces,
 * FY_E_NOTFOUND when the machine does not tell.
 */
int fy_live_expand_url(const char *sysroot, const char *boot_line,
		       const char *url, char **ret, struct fy_error *err);

/*
 * What the URL gives: https, http, tftp (by the program curl, tried again
 * until the network is there, for l's p2v.wait at most), "medium:PATH",
 * "file:///PATH" or an absolute path.  More than 'max' bytes are FY_E_FORMAT.
 * '*ret' is malloc'd and NUL-terminated.
 */
int fy_live_fetch(struct fy_live *l, const char *url, size_t max, char **ret,
		  size_t *ret_len, struct fy_error *err);

/* --- live-config.c --------------------------------------------------------- */

/*
 * Fill l->o from, each over the one before: what is remembered on the medium,
 * MEDIUM/ironferry/p2v.conf, p2v.config=URL, the kernel command line; then
 * put keys and known hosts in place.  What is wrong goes to l->problems.
 * -1: FY_E_NOMEM, or RUN can't be written.
 */
int fy_live_configure(struct fy_live *l, struct fy_error *err);

/* A path in RUN; malloc'd. */
char *fy_live_path(const struct fy_live *l, const char *name,
		   struct fy_error *err);

/* --- live-console.c -------------------------------------------------------- */

/* A line on this console, and to RUN/console when a job is ours. */
void fy_live_say(struct fy_live *l, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Wait, or until the stop token is raised. */
void fy_live_pause(int ms);

/* Take the lock: 1 it is ours, 0 another instance has it. */
int fy_live_lock(struct fy_live *l, struct fy_error *err);
void fy_live_unlock(struct fy_live *l);
/* Whether an instance does a job now. */
bool fy_live_is_locked(const struct fy_live *l);

/* Show what the instance that has the lock says, until it lets go. */
int fy_live_watch(struct fy_live *l, struct fy_error *err);

/* --- live-disks.c ---------------------------------------------------------- */

/* Disks that are no source: the medium, and what was made a target.
 * '*ret_n' of at most 'max' are filled. */
int fy_live_excluded(const struct fy_live *l, struct fy_live_excluded *ret,
		     size_t max, size_t *ret_n, struct fy_error *err);

/*
 * The disks that 'words' name: "all" (no removable, USB or read-only disk),
 * paths, kernel names, serial numbers, WWNs, names of /dev/disk/by-id.  The
 * boot disk comes first for "all".  FY_E_USAGE, FY_E_NOTFOUND, FY_E_BUSY.
 */
int fy_live_choose_disks(const struct fy_live *l,
			 const struct fy_inventory *inv,
			 const struct fy_strings *words, struct fy_strings *ret,
			 struct fy_error *err);

/* A name for the machine: the host name of its system, else its serial
 * number, made to fit the rule for names.  NULL with FY_E_USAGE. */
char *fy_live_name(const struct fy_machine *m, struct fy_error *err);

/* --- live-run.c ------------------------------------------------------------ */

/* The unattended action, from p2v.pre to p2v.post or p2v.fail.  Returns the
 * exit status; the lock is held by the caller. */
int fy_live_run(struct fy_live *l, struct fy_error *err);

/* The same for one that can't begin, because of l->problems. */
int fy_live_refuse(struct fy_live *l, struct fy_error *err);

/* Send machine.json to o->server as NAME.machine.json below o->to.
 * '*ret_path' (may be NULL) is where it is now; malloc'd. */
int fy_live_send_inventory(const struct fy_server_options *server,
			   const struct fy_machine *m, const char *name,
			   const char *to, bool force, char **ret_path,
			   struct fy_error *err);

/* --- live-hooks.c ---------------------------------------------------------- */

/* Run `/bin/sh -c TEXT` with FY_RESULT, FY_EXIT and FY_NAME in its
 * environment and the console as its terminal.  NULL: nothing. */
int fy_live_hook(struct fy_live *l, const char *text, const char *result,
		 int status, const char *name, struct fy_error *err);

/* Power off or reboot; SHELL does nothing. */
int fy_live_power(struct fy_live *l, enum fy_live_then then,
		  struct fy_error *err);

/* --- live-ssh.c ------------------------------------------------------------ */

/* Let root log in by SSH, with the keys that were given, else by a password
 * made up now.  '*ret_text' tells a person how; malloc'd. */
int fy_live_start_sshd(struct fy_live *l, char **ret_text,
		       struct fy_error *err);

/* The same in two lines, for the menu; "" when sshd was not started. */
char *fy_live_ssh_words(const struct fy_live *l, struct fy_error *err);

/* --- live-mount.c ---------------------------------------------------------- */

/* Mount what p2v.target says at RUN/target, unless something is mounted
 * there.  Nothing when there is no p2v.target. */
int fy_live_mount_target(struct fy_live *l, struct fy_error *err);

/* All that was written to the target is on it. */
int fy_live_sync_target(const struct fy_live *l, struct fy_error *err);

/* Unmount the target and take back the permission to write to it; nothing
 * when there is none. */
int fy_live_release_target(struct fy_live *l, struct fy_error *err);

/* --- live-menu.c ----------------------------------------------------------- */

/* The menu, until the machine goes down or the program is ended. */
int fy_live_menu(struct fy_live *l, struct fy_error *err);

/* Screens of the menu; -1 only for what ends the program. */
int fy_live_network_screen(struct fy_live *l, struct fy_error *err);
int fy_live_target_screen(struct fy_live *l, struct fy_error *err);
int fy_live_hardware_screen(struct fy_live *l, struct fy_error *err);

/* Tell a failure; -1 only when the screen fails. */
int fy_live_tell(struct fy_live *l, const char *title,
		 const struct fy_error *failure, struct fy_error *err);

/* Until there is that interface (NULL: any); half a minute at most. */
void fy_live_wait_for_port(const struct fy_live *l, const char *word);

/* Put the live system's interface up as p2v.ip and its kin say. */
int fy_live_network_from_keys(struct fy_live *l, struct fy_error *err);

#endif
