/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_SSH_H
#define FY_SSH_H

#include <stdbool.h>
#include <stdint.h>

#include <libssh/libssh.h>

#include "common/error.h"
#include "p2v-client/convert.h"
#include "p2v-client/server-memory.h"

/*
 * An SSH session in the making.  libssh is used without blocking throughout,
 * so that the stop token ends any wait.  One thread at a time.
 */
struct fy_ssh {
	const struct fy_server_options *o; /* until it is logged in */
	struct fy_server_name name;
	ssh_session session;
	ssh_channel channel;
	int fd; /* the session's after SSH_OPTIONS_FD */
};

/* Whether this server was reached before by this process. */
bool fy_ssh_is_again(const struct fy_ssh *s);

/* 'code' of a failure, unless a connection that can be had again has just been
 * lost another time. */
enum fy_error_code fy_ssh_code(const struct fy_ssh *s, enum fy_error_code code);

/* Wait until libssh can go on; FY_E_CANCELLED, or FY_E_CONNECTION after the
 * clock's 'deadline_ms'. */
int fy_ssh_wait(struct fy_ssh *s, uint64_t deadline_ms, struct fy_error *err);

/* 'err' from libssh's last error, with 'what' before it. */
int fy_ssh_error(struct fy_ssh *s, enum fy_error_code code, const char *what,
		 struct fy_error *err);

/* TCP and key exchange; the host key is checked. */
int fy_ssh_connect(struct fy_ssh *s, struct fy_error *err);

/*
 * Check the key that the server has shown.  1: it is not the one of
 * --fingerprint (and 'err' says so), 0: fine, -1.
 */
int fy_ssh_check_host_key(struct fy_ssh *s, struct fy_error *err);

int fy_ssh_login(struct fy_ssh *s, struct fy_error *err);

/* "SHA256:" and 43 base64 digits (with or without the '=' at the end). */
int fy_fingerprint_check(const char *text, struct fy_error *err);
bool fy_fingerprint_equal(const char *a, const char *b);

/* The first line of the file.  Wipe and free it with fy_secret_free. */
int fy_secret_read(const char *path, struct fy_log *log, char **ret,
		   struct fy_error *err);
void fy_secret_free(char *secret);

#endif
