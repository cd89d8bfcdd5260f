/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Questions on /dev/tty, whatever standard input and output are.  While a
 * hidden answer is typed echo is off; the stop token (Ctrl-C) ends the wait,
 * and echo is restored on every way out.
 */
#include "p2v-client/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "p2v-client/client.h"

#define ANSWER_MAX 1024u

bool
fy_terminal_is_there(void)
{
	fy_autofd int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

	return fd >= 0;
}

/* One line without its newline into 'buf'; false: cancelled or ended. */
static bool
read_line(int fd, char *buf, size_t size)
{
	struct pollfd fds[2] = { { .fd = fd, .events = POLLIN },
				 { .fd = fy_client_stop.fd,
				   .events = POLLIN } };
	size_t n = 0;
	ssize_t r;
	char c;

	for (;;) {
		if (poll(fds, 2, -1) == -1 && errno != EINTR)
			return false;
		if (fy_stop_is_raised(&fy_client_stop))
			return false;
		if ((fds[0].revents & (POLLIN | POLLHUP | POLLERR)) == 0)
			continue;
		r = read(fd, &c, 1);
		if (r == -1 && errno == EINTR)
			continue;
		if (r <= 0)
			return false;
		if (c == '\n')
			break;
		if (n + 1 < size)
			buf[n++] = c;
	}
	buf[n] = '\0';
	return true;
}

/* Ask with or without echo.  The echo goes before the question comes: what is
 * typed at once would be shown, or lost with what is flushed. */
static bool
ask(int fd, bool echo, const char *question, char *buf, size_t size)
{
	struct termios was, now;
	bool hidden = false, ok;

	if (!echo && tcgetattr(fd, &was) == 0) {
		now = was;
		now.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK);
		now.c_lflag |= ECHONL;
		hidden = tcsetattr(fd, TCSAFLUSH, &now) == 0;
	}
	dprintf(fd, "%s", question);
	ok = read_line(fd, buf, size);
	if (hidden)
		tcsetattr(fd, TCSAFLUSH, &was);
	return ok;
}

bool
fy_terminal_ask_host_key(void *ctx, const char *host, const char *type,
			 const char *fingerprint)
{
	fy_autofd int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	char answer[16];

	(void)ctx;
	if (fd == -1)
		return false;
	for (;;) {
		dprintf(fd,
			"The host key of %s is not known yet:\n"
			"    %s %s\n"
			"Compare it with what the server's administrator "
			"says.\n",
			host, type, fingerprint);
		if (!ask(fd, true, "Connect, and remember the key (y/n)? ",
			 answer, sizeof(answer)))
			return false;
		if (strcmp(answer, "y") == 0 || strcmp(answer, "yes") == 0)
			return true;
		if (strcmp(answer, "n") == 0 || strcmp(answer, "no") == 0)
			return false;
	}
}

char *
fy_terminal_ask_password(void *ctx, const char *prompt, bool echo)
{
	fy_autofd int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	fy_autofree char *question = NULL;
	char buf[ANSWER_MAX], *answer = NULL;
	size_t len = strlen(prompt);

	(void)ctx;
	if (fd == -1)
		return NULL;
	/* PAM's prompts bring their own colon. */
	while (len > 0 && (prompt[len - 1] == ' ' || prompt[len - 1] == ':'))
		len--;
	if (asprintf(&question, "%.*s: ", (int)len, prompt) == -1) {
		question = NULL;
		return NULL;
	}
	if (ask(fd, echo, question, buf, sizeof(buf)))
		answer = strdup(buf);
	explicit_bzero(buf, sizeof(buf));
	return answer;
}
