/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Logging in.  Whatever the server still wants is tried in this order: the key
 * of --identity, the agent's keys, the default keys, the password (of the
 * file, the dialog, or asked for), keyboard-interactive.  A server that wants
 * two of them (AuthenticationMethods) says "partial" after the first, and the
 * round begins anew with what is left.  A stored password is tried once, a
 * person is asked ASK_TIMES.  Secrets are wiped after use; what a person typed
 * and the server took is kept for a reconnect, when nobody is asked.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/file.h"
#include "p2v-client/ssh.h"

#define ANSWER_MS  90000u
#define ASK_TIMES  3
#define ROUNDS	   4
#define SECRET_MAX 4096u

enum outcome { ACCEPTED, PARTIAL, REFUSED, FAILED };

struct login {
	struct fy_ssh *s;
	char *secret; /* of the file, the dialog or an earlier login; or NULL */
	char *typed;  /* what a person answered first to a hidden question */
	bool stored_used_password, stored_used_prompt;
	int asked; /* how often a person was */
	bool identity_used, agent_used, defaults_used;
	bool cancelled;
	char tried[160];
};

void
fy_secret_free(char *secret)
{
	if (secret == NULL)
		return;
	explicit_bzero(secret, strlen(secret));
	free(secret);
}

int
fy_secret_read(const char *path, struct fy_log *log, char **ret,
	       struct fy_error *err)
{
	struct stat st;
	char *text = NULL;
	size_t len = 0;

	if (fy_file_read_at(AT_FDCWD, path, SECRET_MAX, &text, &len, err) == -1)
		return fy_error_prefix(err, "the password file");
	text[strcspn(text, "\r\n")] = '\0';
	if (text[0] == '\0') {
		explicit_bzero(text, len);
		free(text);
		return fy_error_set(err, FY_E_USAGE, 0,
				    "the password file '%s' is empty", path);
	}
	if (stat(path, &st) == 0 && (st.st_mode & 077) != 0)
		fy_log_warn(log, "others can read the password file '%s'",
			    path);
	*ret = text;
	return 0;
}

static void
note_tried(struct login *l, const char *what)
{
	size_t used = strlen(l->tried);

	if (strstr(l->tried, what) == NULL)
		snprintf(l->tried + used, sizeof(l->tried) - used, "%s%s",
			 used > 0 ? ", " : "", what);
}

/* What libssh's answer means; FAILED fills 'err'. */
static enum outcome
judge(struct login *l, int r, struct fy_error *err)
{
	switch (r) {
	case SSH_AUTH_SUCCESS:
		return ACCEPTED;
	case SSH_AUTH_PARTIAL:
		return PARTIAL;
	case SSH_AUTH_DENIED:
		return REFUSED;
	default:
		/* "Too many authentication failures" comes this way. */
		fy_ssh_error(l->s, fy_ssh_code(l->s, FY_E_AUTH),
			     "the login failed", err);
		return FAILED;
	}
}

/* Repeat a libssh call until it has an answer; uses 'l', 'r', 'deadline'. */
#define UNTIL_ANSWERED(call)                                                   \
	while ((r = (call)) == SSH_AUTH_AGAIN)                                 \
		if (fy_ssh_wait(l->s, deadline, err) == -1)                    \
	return FAILED

static char *
ask(struct login *l, const char *prompt, bool echo)
{
	const struct fy_server_options *o = l->s->o;
	char *answer;

	if (o->ask_password == NULL || fy_ssh_is_again(l->s))
		return NULL;
	answer = o->ask_password(o->ask_ctx, prompt, echo);
	if (answer == NULL)
		l->cancelled = true;
	return answer;
}

/* Takes the answer: it is kept until the login is through, or wiped. */
static void
note_typed(struct login *l, char *answer, bool useful)
{
	if (useful && l->typed == NULL && l->s->o->memory != NULL)
		l->typed = answer;
	else
		fy_secret_free(answer);
}

/* --- keys -------------------------------------------------------------------- */

struct passphrase {
	struct login *l;
	const char *path;
	bool wanted, given; /* the key is encrypted; somebody answered */
	char *answer;	    /* that was typed */
};

/* Takes the answer. */
static void
remember_passphrase(struct login *l, const char *path, char *answer)
{
	struct fy_server_memory *m = l->s->o->memory;

	if (m == NULL || m->passphrase != NULL || answer == NULL) {
		fy_secret_free(answer);
		return;
	}
	m->key_path = strdup(path);
	if (m->key_path == NULL)
		fy_secret_free(answer);
	else
		m->passphrase = answer;
}

static int
on_passphrase(const char *prompt, char *buf, size_t len, int echo, int verify,
	      void *ctx)
{
	struct passphrase *p = ctx;
	struct fy_server_memory *m = p->l->s->o->memory;
	char text[512], *answer;
	int r = -1;

	(void)prompt;
	(void)echo;
	(void)verify;
	p->wanted = true;
	if (m != NULL && m->passphrase != NULL &&
	    strcmp(m->key_path, p->path) == 0 && strlen(m->passphrase) < len) {
		memcpy(buf, m->passphrase, strlen(m->passphrase) + 1);
		return 0;
	}
	snprintf(text, sizeof(text), "Passphrase of %s", p->path);
	answer = ask(p->l, text, false);
	p->given = answer != NULL;
	if (answer != NULL && strlen(answer) < len) {
		memcpy(buf, answer, strlen(answer) + 1);
		r = 0;
	}
	fy_secret_free(p->answer);
	p->answer = answer;
	return r;
}

/* Whether the server would take the key in PATH.pub; true when that file is
 * not there to ask with. */
static enum outcome
ask_public(struct login *l, const char *path, bool *ret_useful,
	   struct fy_error *err)
{
	uint64_t deadline = fy_clock_ms() + ANSWER_MS;
	fy_autofree char *pub = fy_format(err, "%s.pub", path);
	ssh_key key = NULL;
	int r;

	*ret_useful = true;
	if (pub == NULL)
		return FAILED;
	if (ssh_pki_import_pubkey_file(pub, &key) != SSH_OK)
		return REFUSED;
	while ((r = ssh_userauth_try_publickey(l->s->session, NULL, key)) ==
	       SSH_AUTH_AGAIN) {
		if (fy_ssh_wait(l->s, deadline, err) == -1) {
			ssh_key_free(key);
			return FAILED;
		}
	}
	ssh_key_free(key);
	*ret_useful = r == SSH_AUTH_SUCCESS;
	return r == SSH_AUTH_ERROR ? judge(l, r, err) : REFUSED;
}

/* Read the private key; a person is asked for its passphrase ASK_TIMES. */
static int
read_key_file(struct passphrase *p, ssh_key *ret)
{
	int i, r = SSH_ERROR;

	for (i = 0; i < ASK_TIMES; i++) {
		p->given = false;
		r = ssh_pki_import_privkey_file(p->path, NULL, on_passphrase, p,
						ret);
		if (r == SSH_OK || !p->given)
			break;
	}
	return r;
}

/* Why a key file can't be used, into 'err'. */
static enum outcome
key_file_failed(const struct passphrase *p, int r, struct fy_error *err)
{
	if (r == SSH_EOF)
		fy_error_set(err, FY_E_NOTFOUND, 0,
			     "cannot read the key file '%s'", p->path);
	else if (p->given)
		fy_error_set(err, FY_E_AUTH, 0,
			     "the passphrase of the key file '%s' is wrong",
			     p->path);
	else if (p->wanted && p->l->s->o->ask_password == NULL)
		fy_error_set(err, FY_E_AUTH, 0,
			     "the key file '%s' is encrypted, and there is no "
			     "terminal to ask for its passphrase at: add it to "
			     "an ssh-agent (ssh-add) and leave --identity out, "
			     "or use a key without passphrase",
			     p->path);
	else if (p->wanted)
		fy_error_set(err, FY_E_AUTH, 0,
			     "the key file '%s' is encrypted, and its "
			     "passphrase was not given",
			     p->path);
	else
		fy_error_set(err, FY_E_AUTH, 0,
			     "the key file '%s' can't be used: it is no "
			     "private key that libssh knows",
			     p->path);
	return FAILED;
}

/* 'must': the user named this file, so trouble with it is an error. */
static enum outcome
try_key_file(struct login *l, const char *path, bool must, struct fy_error *err)
{
	uint64_t deadline;
	struct passphrase p = { .l = l, .path = path };
	enum outcome outcome;
	ssh_key key = NULL;
	bool useful;
	int r;

	outcome = ask_public(l, path, &useful, err);
	if (outcome == FAILED)
		return FAILED;
	if (!useful) {
		note_tried(l, path);
		return REFUSED;
	}
	r = read_key_file(&p, &key);
	if (r == SSH_OK)
		remember_passphrase(l, path, p.answer);
	else
		fy_secret_free(p.answer);
	if (r != SSH_OK && must)
		return key_file_failed(&p, r, err);
	if (r != SSH_OK) {
		note_tried(l, path);
		if (p.wanted)
			note_tried(l, "but it is encrypted");
		return REFUSED;
	}
	note_tried(l, path);
	deadline = fy_clock_ms() + ANSWER_MS;
	while ((r = ssh_userauth_publickey(l->s->session, NULL, key)) ==
	       SSH_AUTH_AGAIN) {
		if (fy_ssh_wait(l->s, deadline, err) == -1) {
			ssh_key_free(key);
			return FAILED;
		}
	}
	ssh_key_free(key);
	return judge(l, r, err);
}

static enum outcome
try_agent(struct login *l, struct fy_error *err)
{
	uint64_t deadline = fy_clock_ms() + ANSWER_MS;
	int r;

	if (getenv("SSH_AUTH_SOCK") == NULL)
		return REFUSED;
	note_tried(l, "agent");
	UNTIL_ANSWERED(ssh_userauth_agent(l->s->session, NULL));
	/* An agent that doesn't work is no reason to give up, a connection
	 * that is gone is. */
	if (r == SSH_AUTH_ERROR && ssh_is_connected(l->s->session))
		return REFUSED;
	return judge(l, r, err);
}

static enum outcome
try_default_keys(struct login *l, struct fy_error *err)
{
	static const char *const names[] = { "id_ed25519", "id_ecdsa",
					     "id_rsa" };
	const char *home = getenv("HOME");
	enum outcome outcome = REFUSED;
	size_t i;

	if (home == NULL)
		return REFUSED;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		fy_autofree char *path = NULL;
		struct stat st;

		path = fy_format(err, "%s/.ssh/%s", home, names[i]);
		if (path == NULL)
			return FAILED;
		if (stat(path, &st) == -1)
			continue;
		outcome = try_key_file(l, path, false, err);
		if (outcome != REFUSED)
			return outcome;
	}
	return outcome;
}

static enum outcome
try_keys(struct login *l, struct fy_error *err)
{
	enum outcome outcome = REFUSED;

	if (!l->identity_used && l->s->o->identity != NULL) {
		l->identity_used = true;
		outcome = try_key_file(l, l->s->o->identity, true, err);
	}
	if (outcome == REFUSED && !l->agent_used) {
		l->agent_used = true;
		outcome = try_agent(l, err);
	}
	if (outcome == REFUSED && !l->defaults_used) {
		l->defaults_used = true;
		outcome = try_default_keys(l, err);
	}
	return outcome;
}

/* --- passwords and prompts ----------------------------------------------------
 */

static enum outcome
send_password(struct login *l, const char *password, struct fy_error *err)
{
	uint64_t deadline = fy_clock_ms() + ANSWER_MS;
	int r;

	note_tried(l, "password");
	UNTIL_ANSWERED(ssh_userauth_password(l->s->session, NULL, password));
	return judge(l, r, err);
}

static enum outcome
try_password(struct login *l, struct fy_error *err)
{
	char prompt[300], *answer;
	enum outcome outcome = REFUSED;

	if (l->secret != NULL && !l->stored_used_password) {
		l->stored_used_password = true;
		outcome = send_password(l, l->secret, err);
	}
	snprintf(prompt, sizeof(prompt), "Password of %s%s%s",
		 l->s->name.user != NULL ? l->s->name.user : "",
		 l->s->name.user != NULL ? "@" : "", l->s->name.host);
	while (outcome == REFUSED && l->asked < ASK_TIMES && !l->cancelled) {
		answer = ask(l, prompt, false);
		if (answer == NULL)
			break;
		l->asked++;
		outcome = send_password(l, answer, err);
		note_typed(l, answer,
			   outcome == ACCEPTED || outcome == PARTIAL);
	}
	return outcome;
}

/* Answer one prompt of the server: with the stored password if it is hidden
 * and that was not used yet, else by asking.  False: nobody can. */
static bool
answer_prompt(struct login *l, unsigned i)
{
	const char *prompt;
	char echo = 0, *answer;
	int r;

	prompt = ssh_userauth_kbdint_getprompt(l->s->session, i, &echo);
	if (prompt == NULL)
		return false;
	if (!echo && l->secret != NULL && !l->stored_used_prompt) {
		l->stored_used_prompt = true;
		return ssh_userauth_kbdint_setanswer(l->s->session, i,
						     l->secret) == 0;
	}
	answer = ask(l, prompt, echo != 0);
	if (answer == NULL)
		return false;
	r = ssh_userauth_kbdint_setanswer(l->s->session, i, answer);
	note_typed(l, answer, !echo);
	return r == 0;
}

/* One dialogue of questions and answers. */
static enum outcome
interact(struct login *l, bool *ret_answered, struct fy_error *err)
{
	uint64_t deadline = fy_clock_ms() + ANSWER_MS;
	int r, n, i;

	for (;;) {
		UNTIL_ANSWERED(ssh_userauth_kbdint(l->s->session, NULL, NULL));
		if (r != SSH_AUTH_INFO)
			return judge(l, r, err);
		n = ssh_userauth_kbdint_getnprompts(l->s->session);
		for (i = 0; i < n; i++) {
			if (!answer_prompt(l, (unsigned)i)) {
				*ret_answered = false;
				return REFUSED;
			}
		}
		if (n > 0)
			note_tried(l, "keyboard-interactive");
		deadline = fy_clock_ms() + ANSWER_MS;
	}
}

static enum outcome
try_interactive(struct login *l, struct fy_error *err)
{
	enum outcome outcome = REFUSED;
	bool answered = true;

	while (outcome == REFUSED && answered && !l->cancelled &&
	       ((l->secret != NULL && !l->stored_used_prompt) ||
		(l->s->o->ask_password != NULL && l->asked < ASK_TIMES))) {
		l->asked++;
		outcome = interact(l, &answered, err);
		if (outcome == REFUSED) {
			fy_secret_free(l->typed);
			l->typed = NULL;
		}
	}
	return outcome;
}

/* --- all together --------------------------------------------------------------
 */

/* One method after the other until something happens. */
static enum outcome
round_of(struct login *l, unsigned methods, struct fy_error *err)
{
	enum outcome outcome = REFUSED;

	if ((methods & SSH_AUTH_METHOD_PUBLICKEY) != 0)
		outcome = try_keys(l, err);
	if (outcome == REFUSED && (methods & SSH_AUTH_METHOD_PASSWORD) != 0)
		outcome = try_password(l, err);
	if (outcome == REFUSED && (methods & SSH_AUTH_METHOD_INTERACTIVE) != 0)
		outcome = try_interactive(l, err);
	return outcome;
}

static int
tell_refused(struct login *l, unsigned methods, struct fy_error *err)
{
	bool password = (methods & (SSH_AUTH_METHOD_PASSWORD |
				    SSH_AUTH_METHOD_INTERACTIVE)) != 0;
	bool key = (methods & SSH_AUTH_METHOD_PUBLICKEY) != 0;

	if (l->cancelled)
		return fy_error_set(err, FY_E_AUTH, 0,
				    "no login at %s: the question was not "
				    "answered",
				    l->s->name.host);
	return fy_error_set(
		err, FY_E_AUTH, 0,
		"%s refuses the login%s%s (tried: %s; it takes: %s%s%s)",
		l->s->name.host, l->s->name.user != NULL ? " of " : "",
		l->s->name.user != NULL ? l->s->name.user : "",
		l->tried[0] != '\0' ? l->tried : "nothing, for none was given",
		key ? "keys" : "", key && password ? ", " : "",
		password ? "passwords" : "");
}

static int
log_in(struct login *l, struct fy_error *err)
{
	uint64_t deadline = fy_clock_ms() + ANSWER_MS;
	enum outcome outcome;
	unsigned methods = 0;
	int r, i;

	while ((r = ssh_userauth_none(l->s->session, NULL)) == SSH_AUTH_AGAIN)
		if (fy_ssh_wait(l->s, deadline, err) == -1)
			return -1;
	if (r == SSH_AUTH_ERROR)
		return fy_ssh_error(l->s, FY_E_CONNECTION,
				    "no login came about", err);
	outcome = r == SSH_AUTH_SUCCESS ? ACCEPTED : PARTIAL;
	for (i = 0; i < ROUNDS && outcome == PARTIAL; i++) {
		methods = (unsigned)ssh_userauth_list(l->s->session, NULL);
		outcome = round_of(l, methods, err);
	}
	if (outcome == ACCEPTED)
		return 0;
	if (outcome == FAILED)
		return -1;
	return tell_refused(l, methods, err);
}

int
fy_ssh_login(struct fy_ssh *s, struct fy_error *err)
{
	struct fy_server_memory *m = s->o->memory;
	const char *password = s->o->password;
	struct login l = { .s = s };
	int r;

	if (m != NULL && m->password != NULL)
		password = m->password;
	if (password != NULL) {
		l.secret = strdup(password);
		if (l.secret == NULL)
			return fy_error_nomem(err);
	} else if (s->o->password_file != NULL &&
		   fy_secret_read(s->o->password_file, s->o->log, &l.secret,
				  err) == -1) {
		return -1;
	}
	r = log_in(&l, err);
	fy_secret_free(l.secret);
	if (r == 0 && m != NULL && m->password == NULL)
		m->password = fy_steal_ptr(&l.typed);
	fy_secret_free(l.typed);
	return r;
}
