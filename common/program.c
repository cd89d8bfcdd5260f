/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What every program's main does with its table of commands: --help,
 * --version, --long-options, --completion, and running a command.
 */
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "common/options.h"

static void
option_label(const struct fy_option *o, char *ret, size_t ret_size)
{
	char letter[8] = "";

	if (o->letter != 0)
		snprintf(letter, sizeof(letter), "-%c, ", o->letter);
	if (o->type == FY_OPT_FLAG)
		snprintf(ret, ret_size, "%s--%s%s", letter,
			 o->negatable ? "[no-]" : "", o->name);
	else
		snprintf(ret, ret_size,
			 o->implied != NULL ? "%s--%s[=%s]" : "%s--%s %s",
			 letter, o->name,
			 o->value != NULL ? o->value : "VALUE");
}

/* 'text' in lines of at most 'width' columns, indented by 'indent'; the cursor
 * stands at column 'at'. */
static void
print_wrapped(FILE *to, const char *text, int at, int indent, int width)
{
	const char *end;
	int len;

	fprintf(to, "%*s", at < indent ? indent - at : 0, "");
	at = indent;
	while (*text != '\0') {
		end = strchrnul(text, ' ');
		len = (int)(end - text);
		if (at > indent && at + len > width) {
			fprintf(to, "\n%*s", indent, "");
			at = indent;
		}
		fprintf(to, "%.*s", len, text);
		at += len;
		text = end;
		if (*text == ' ') {
			text++;
			if (at + 1 < width) {
				fputc(' ', to);
				at++;
			}
		}
	}
	fputc('\n', to);
}

static void
print_options(const struct fy_option *table, FILE *to)
{
	const struct fy_option *o;
	char label[128];

	for (o = table; o != NULL && o->name != NULL; o++) {
		if (o->hidden)
			continue;
		option_label(o, label, sizeof(label));
		fprintf(to, "  %s", label);
		if (strlen(label) > 24) {
			fputc('\n', to);
			print_wrapped(to, o->help, 0, 28, 78);
		} else {
			print_wrapped(to, o->help, 2 + (int)strlen(label), 28,
				      78);
		}
	}
}

void
fy_command_help(const struct fy_program *program,
		const struct fy_command *command, FILE *to)
{
	fprintf(to, "Usage: %s %s%s%s [OPTION]...\n%s\n\n", program->name,
		command->name, command->arguments[0] != '\0' ? " " : "",
		command->arguments, command->summary);
	if (command->not_yet != NULL) {
		fprintf(to, "This command is not there yet: %s.\n",
			command->not_yet);
		return;
	}
	if (command->options != NULL) {
		fputs("Options:\n", to);
		print_options(command->options, to);
	}
	if (command->common != NULL) {
		fputs("\nCommon options:\n", to);
		print_options(command->common, to);
	}
	fputs("\nExit status: 0 done; 1 failed; 2 wrong use; 3 done, with "
	      "unreadable sectors\nfilled and listed; 4 verification found a "
	      "difference; 5 interrupted, the same\ncommand resumes.\n",
	      to);
}

static void
program_help(const struct fy_program *p, FILE *to)
{
	const struct fy_command *c;
	char text[256];

	fprintf(to, "Usage: %s COMMAND [OPTION]...\n%s\n\nCommands:\n", p->name,
		p->summary);
	for (c = p->commands; c->name != NULL; c++) {
		fprintf(to, "  %-12s", c->name);
		snprintf(text, sizeof(text), "%s%s", c->summary,
			 c->not_yet != NULL ? " (not there yet)" : "");
		print_wrapped(to, text, 14, 16, 78);
	}
	fprintf(to,
		"\n`%s COMMAND --help` tells of a command's options; "
		"--version, --completion\n(a script for bash) and "
		"--long-options work everywhere.\n",
		p->name);
}

static void
list_long(const struct fy_option *table, FILE *to, const char *separator)
{
	const struct fy_option *o;

	for (o = table; o != NULL && o->name != NULL; o++) {
		if (o->hidden)
			continue;
		fprintf(to, "--%s%s", o->name, separator);
		if (o->negatable)
			fprintf(to, "--no-%s%s", o->name, separator);
	}
}

static void
print_completion(const struct fy_program *p, FILE *to)
{
	const struct fy_command *c;

	fprintf(to, "_ironferry_complete() {\n"
		    "\tlocal current=${COMP_WORDS[COMP_CWORD]} words=\n"
		    "\tif [ \"$COMP_CWORD\" -eq 1 ]; then words='");
	for (c = p->commands; c->name != NULL; c++)
		if (c->not_yet == NULL)
			fprintf(to, "%s ", c->name);
	fputs("'\n\telse case ${COMP_WORDS[1]} in\n", to);
	for (c = p->commands; c->name != NULL; c++) {
		fprintf(to, "\t%s) words='", c->name);
		list_long(c->options, to, " ");
		list_long(c->common, to, " ");
		fputs("--help';;\n", to);
	}
	fprintf(to,
		"\tesac; fi\n"
		"\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- "
		"\"$current\")\n"
		"}\ncomplete -o default -F _ironferry_complete %s\n",
		p->name);
}

/* Answer --help and its kin.  True when it was one. */
static bool
answer_general(const struct fy_program *p, const struct fy_command *c,
	       const char *word)
{
	if (fy_streq(word, "--help") || fy_streq(word, "-h")) {
		if (c != NULL)
			fy_command_help(p, c, stdout);
		else
			program_help(p, stdout);
	} else if (fy_streq(word, "--version")) {
		printf("%s (Ironferry) %s\n", p->name, p->version);
	} else if (fy_streq(word, "--completion")) {
		print_completion(p, stdout);
	} else if (fy_streq(word, "--long-options")) {
		const struct fy_command *each = c != NULL ? c : p->commands;

		for (; each->name != NULL; each++) {
			list_long(each->options, stdout, "\n");
			list_long(each->common, stdout, "\n");
			if (c != NULL)
				break;
		}
	} else {
		return false;
	}
	return true;
}

/* stdout may be a full disk: what was printed there must have arrived. */
static int
close_output(const char *program, int status)
{
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return status;
	fprintf(stderr, "%s: error: cannot write to standard output\n",
		program);
	return status == FY_EXIT_DONE ? FY_EXIT_FAILED : status;
}

static int
usage_error(const struct fy_program *p, const struct fy_command *c,
	    const char *message)
{
	fprintf(stderr, "%s: error: %s\n%s: `%s%s%s --help` tells more.\n",
		p->name, message, p->name, p->name, c != NULL ? " " : "",
		c != NULL ? c->name : "");
	return FY_EXIT_USAGE;
}

static int
refuse_not_yet(const struct fy_program *p, const struct fy_command *c)
{
	fprintf(stderr, "%s: error: '%s' is not there yet: %s\n", p->name,
		c->name, c->not_yet);
	return fy_error_exit_status(FY_E_UNSUPPORTED);
}

static int
run_command(const struct fy_program *p, const struct fy_command *c, int argc,
	    char *const *argv, bool bare)
{
	struct fy_strings arguments = { 0 };
	struct fy_error err = { 0 };
	void *options;
	int i, status;

	for (i = 0; i < argc && !fy_streq(argv[i], "--"); i++)
		if (answer_general(p, c, argv[i]))
			return close_output(p->name, FY_EXIT_DONE);
	if (c->not_yet != NULL)
		return refuse_not_yet(p, c);
	options = p->options_new();
	if (options == NULL) {
		fprintf(stderr, "%s: error: out of memory\n", p->name);
		return FY_EXIT_FAILED;
	}
	if (fy_options_parse(c, argc, argv, options, &arguments, &err) == -1)
		status = usage_error(p, c, err.msg);
	else if (bare)
		status = p->run_bare(options);
	else
		status = c->run(c, options, &arguments);
	fy_strings_release(&arguments);
	p->options_free(options);
	return close_output(p->name, status);
}

/* Without a command: run_bare, with the options of 'bare'. */
static int
run_bare(const struct fy_program *p, int argc, char **argv)
{
	static const struct fy_command none = { .name = "",
						.arguments = "",
						.summary = "" };
	int i;

	for (i = 0; i < argc && !fy_streq(argv[i], "--"); i++)
		if (answer_general(p, NULL, argv[i]))
			return close_output(p->name, FY_EXIT_DONE);
	if (p->run_bare == NULL)
		return usage_error(p, NULL,
				   argc > 0 ? "a command is missing"
					    : "no command was given");
	return run_command(p, p->bare != NULL ? p->bare : &none, argc, argv,
			   true);
}

int
fy_program_main(const struct fy_program *program, int argc, char **argv)
{
	const struct fy_command *c;
	char message[128];

	if (argc < 2 || argv[1][0] == '-')
		return run_bare(program, argc - 1, argv + 1);
	for (c = program->commands; c->name != NULL; c++)
		if (fy_streq(c->name, argv[1]))
			return run_command(program, c, argc - 2, argv + 2,
					   false);
	snprintf(message, sizeof(message), "there is no command '%.80s'",
		 argv[1]);
	return usage_error(program, NULL, message);
}
