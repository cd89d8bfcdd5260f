/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef FY_SERVER_MEMORY_H
#define FY_SERVER_MEMORY_H

#include <stdbool.h>
#include <sys/socket.h>

/*
 * What the first connection to a server leaves to the next ones of the same
 * process, so that nobody has to be asked again and nobody else can answer in
 * the server's place.  Begins zeroed; secrets are wiped by the release.
 */
struct fy_server_memory {
	/* A v2v-server has answered: from now on trouble in reaching it is
	 * FY_E_CONNECTION, its host key must be 'host_key', and no person is
	 * asked for anything. */
	bool reached;
	char *host_key;		     /* "SHA256:..." */
	char *password;		     /* that was typed and taken */
	char *key_path, *passphrase; /* of a key file, likewise */
	struct sockaddr_storage address;
	socklen_t address_len; /* 0: none */
};

void fy_server_memory_release(struct fy_server_memory *m);

#endif
