/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `p2v-client convert`: options to the engine's, disks checked, the machine
 * described, the result told in words or as JSON.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/json.h"
#include "drivers-inject/luks-keys.h"
#include "p2v-client/client.h"
#include "p2v-client/inventory.h"
#include "p2v-client/options.h"
#include "p2v-client/terminal.h"
#include "p2v-client/unpacked.h"

static void
fill_server(const struct fy_client_options *o, struct fy_log *log,
	    struct fy_server_options *s)
{
	s->server = o->server;
	s->identity = o->identity;
	s->known_hosts = o->known_hosts;
	s->fingerprint = o->fingerprint;
	s->password_file = o->password_file;
	s->limit_rate = o->limit_rate;
	s->log = log;
	s->stop = &fy_client_stop;
	if (fy_terminal_is_there()) {
		s->ask_host_key = fy_terminal_ask_host_key;
		s->ask_password = fy_terminal_ask_password;
	}
}

/* What is asked for and not there yet. */
static int
refuse_unsupported(const struct fy_client_options *o, struct fy_error *err)
{
	if (o->sync)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "--sync is not there yet: each conversion "
				    "is a whole one");
	if (o->connections > 1)
		return fy_error_set(err, FY_E_UNSUPPORTED, 0,
				    "--connections %" PRIu64 " is not there "
				    "yet: one connection is used",
				    o->connections);
	if (o->compressed != NULL && strcmp(o->compressed, "none") != 0 &&
	    strcmp(o->compressed, "zstd") != 0 &&
	    strcmp(o->compressed, "deflate") != 0)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "--compressed is zstd or deflate, not "
				    "'%s'",
				    o->compressed);
	if (!o->rescue && (o->rescue_time != 0 || o->rescue_max != 0 ||
			   o->rescue_tries != FY_CLIENT_RESCUE_TRIES))
		return fy_error_set(err, FY_E_USAGE, 0,
				    "--rescue-tries, --rescue-time and "
				    "--rescue-max mean nothing without "
				    "--rescue");
	return 0;
}

static const char *const *
items(const struct fy_strings *s)
{
	return (const char *const *)s->items;
}

/* Before anything is begun: a file that can't be read, a name that is none. */
static int
check_custom(const struct fy_client_options *o, struct fy_error *err)
{
	FY_AUTO(custom) struct fy_custom *c = NULL;
	FY_AUTO(luks_keys) struct fy_luks_keys *k = NULL;

	if (fy_custom_load(&o->custom, &c, err) == -1 ||
	    fy_luks_keys_load(items(&o->luks_keys), o->luks_keys.n, &k, err) ==
		    -1)
		return -1;
	if (k->n > 0 && o->no_inject)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "--no-inject leaves the guest as it is: "
				    "--luks-key means nothing with it");
	if (c != NULL && o->no_inject)
		return fy_error_set(err, FY_E_USAGE, 0,
				    "--no-inject leaves the guest as it is: "
				    "--set-hostname, --first-boot, "
				    "--root-password-file, --ssh-key and "
				    "--install-agent are not possible with it");
	return 0;
}

int
fy_client_convert_options(const struct fy_client_options *o, struct fy_log *log,
			  struct fy_convert_options *ret, struct fy_error *err)
{
	struct fy_convert_options c = { .n_disks = 0 };

	if (refuse_unsupported(o, err) == -1 || check_custom(o, err) == -1)
		return -1;
	fill_server(o, log, &c.server);
	if (fy_convert_parse_compress(
		    o->compress != NULL ? o->compress : "auto", &c.compress,
		    &c.compress_level, err) == -1)
		return -1;
	c.disks = items(&o->disks);
	c.n_disks = o->disks.n;
	c.name = o->name;
	c.to = o->to;
	c.format = fy_client_formats[o->format];
	c.compressed = o->compressed;
	c.emit = items(&o->emit);
	c.n_emit = o->emit.n;
	c.inject = !o->no_inject;
	c.force = o->force;
	c.verify = o->verify;
	c.new_uuid = o->new_uuid;
	c.vcpus = (unsigned)o->vcpus;
	c.memory_bytes = o->memory_bytes;
	c.virt_type = fy_client_virt_types[o->virt_type];
	c.bridge = o->bridge;
	c.networks = items(&o->networks);
	c.n_networks = o->networks.n;
	c.nics = items(&o->nics);
	c.n_nics = o->nics.n;
	c.custom = &o->custom;
	c.luks_keys = items(&o->luks_keys);
	c.n_luks_keys = o->luks_keys.n;
	c.allow_dirty = o->allow_dirty;
	c.all_gaps = o->all_gaps;
	c.rescue = o->rescue;
	c.rescue_tries = (unsigned)o->rescue_tries;
	c.rescue_time_s = o->rescue_time;
	c.rescue_max_bytes = o->rescue_max;
	c.whole = items(&o->whole);
	c.n_whole = o->whole.n;
	c.threads = (unsigned)o->threads;
	c.retry_s = o->retry;
	*ret = c;
	return 0;
}

/* The words that are needed before anything is begun. */
static int
check_words(const struct fy_client_options *o, struct fy_error *err)
{
	if (o->server == NULL)
		return fy_error_set(err, FY_E_USAGE, 0, "--server is missing");
	if (o->disks.n == 0)
		return fy_error_set(err, FY_E_USAGE, 0, "--disk is missing");
	if (o->name == NULL)
		return fy_error_set(err, FY_E_USAGE, 0, "--name is missing");
	return fy_convert_check_name(o->name, err);
}

static int
describe_machine(const struct fy_convert_options *c, struct fy_inventory **ret,
		 struct fy_error *err)
{
	struct fy_inventory_options io = { .disks = c->disks,
					   .n_disks = c->n_disks,
					   .read_disks = true,
					   .allow_dirty = c->allow_dirty,
					   .rescue = c->rescue,
					   .log = c->server.log,
					   .stop = c->server.stop };

	if (fy_disks_check(NULL, c->disks, c->n_disks, c->server.log, err) ==
	    -1)
		return -1;
	if (fy_inventory_read(&io, ret, err) == -1)
		return -1;
	return fy_inventory_health_warnings(*ret, NULL, 0, c->server.log, err);
}

static int
run_on(const struct fy_client_options *o, const struct fy_unpacked *u,
       struct fy_log *log, struct fy_convert_result *result,
       struct fy_error *err)
{
	FY_AUTO(inventory) struct fy_inventory *inventory = NULL;
	struct fy_progress progress = { .phase = NULL };
	struct fy_convert_options c;
	int r;

	if (fy_client_convert_options(o, log, &c, err) == -1)
		return -1;
	c.disks = items(&u->disks);
	if (describe_machine(&c, &inventory, err) == -1)
		return -1;
	c.progress = &progress;
	if (fy_progress_start(&progress, (enum fy_progress_mode)o->progress,
			      NULL, NULL, 0, err) == -1)
		return -1;
	r = fy_convert_run(&c, inventory->machine, result, err);
	fy_progress_stop(&progress);
	return r;
}

static int
run(const struct fy_client_options *o, struct fy_log *log,
    struct fy_convert_result *result, struct fy_error *err)
{
	struct fy_convert_options c;
	struct fy_unpacked u;
	int r;

	/* Wrong words are told before anything is unpacked. */
	if (check_words(o, err) == -1 ||
	    fy_client_convert_options(o, log, &c, err) == -1 ||
	    fy_unpacked_make(&o->disks, log, &fy_client_stop, &u, err) == -1)
		return -1;
	r = run_on(o, &u, log, result, err);
	fy_unpacked_release(&u);
	return r;
}

static void
tell(const struct fy_client_options *o, const struct fy_convert_result *result,
     const struct fy_error *failure)
{
	struct fy_error err = { .code = FY_E_NONE };
	const char *advice = fy_convert_advice(failure->code);
	fy_autojson json_t *j = NULL;
	fy_autofree char *text = NULL;
	char line[256];

	if (failure->code != FY_E_NONE)
		fprintf(stderr, "p2v-client: %s%s%s\n", failure->msg,
			advice[0] != '\0' ? "\np2v-client: " : "", advice);
	if (o->json) {
		j = fy_convert_result_json(result, failure, &err);
		if (j != NULL)
			text = fy_json_text(j, 0, &err);
		if (text != NULL)
			puts(text);
	} else if (!o->quiet && result->done != NULL) {
		fy_convert_summary(result, line, sizeof(line));
		printf("%s\n%s\n", line,
		       fy_json_string_or(result->done, "xml", ""));
	}
	fflush(stdout);
}

/* Progress goes to standard error, too: its bar gives way to a message. */
static void
log_line(void *ctx, enum fy_log_level level, const char *line)
{
	const struct fy_client_options *o = ctx;

	if (o->quiet && level > FY_LOG_WARN)
		return;
	fy_log_to_stderr((char *)(uintptr_t) "p2v-client", level, line);
}

static int
open_log(const struct fy_client_options *o, struct fy_log **ret, int *ret_fd,
	 struct fy_error *err)
{
	if (o->log != NULL) {
		*ret_fd = open(o->log,
			       O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		if (*ret_fd == -1)
			return fy_error_set(err, FY_E_USAGE, errno,
					    "cannot open the log '%s'", o->log);
	}
	*ret = fy_log_new(o->debug ? FY_LOG_DEBUG : FY_LOG_INFO, log_line,
			  (void *)(uintptr_t)o, err);
	if (*ret == NULL)
		return -1;
	fy_log_also_fd(*ret, *ret_fd);
	return 0;
}

int
fy_client_convert(const struct fy_command *command, void *options,
		  const struct fy_strings *arguments)
{
	const struct fy_client_options *o = options;
	struct fy_convert_result result = { .done = NULL };
	struct fy_error err = { .code = FY_E_NONE };
	struct fy_log *log = NULL;
	fy_autofd int log_fd = -1;
	int status;

	(void)command;
	(void)arguments;
	if (open_log(o, &log, &log_fd, &err) == 0)
		(void)run(o, log, &result, &err);
	if (err.code != FY_E_NONE && log_fd >= 0)
		dprintf(log_fd, "failed: %s\n", err.msg);
	tell(o, &result, &err);
	fy_log_free(log);
	status = fy_convert_exit_status(&result, err.code);
	fy_convert_result_release(&result);
	return status;
}
