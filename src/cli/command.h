/*
 * command - the commands of locald as tables, and how one is found and run.
 *
 * A command is one `const struct command` at the foot of cmd_<name>.c; nothing
 * else knows it but the list in commands.c.  Help, "did you mean", completions
 * and `locald __surface` come from the same tables.  What a command needs is
 * done before its run(): run() finds cli->root and cli->client there.
 *
 * run() returns an exit code, or -1 with an error that the dispatcher shows.
 */
#pragma once

#include "cli/cli.h"
#include "cli/option.h"

enum command_needs {
	NEEDS_NOTHING = 0,
	NEEDS_PROJECT = 1 << 0, /* cli->root */
	NEEDS_DAEMON = 1 << 1,  /* cli->client; started if need be */
};

typedef int command_fn(struct cli *cli, int argc, char **argv, void *options, struct error *err);

struct command {
	const char *name;
	const char *alias;           /* or NULL */
	const char *summary;         /* one line */
	const char *usage;           /* arguments: "[SERVICE…]"; NULL when there are none */
	const char *about;           /* paragraphs for --help, or NULL */
	const char *const *examples; /* pairs: command line, what it does */
	const struct option *options;
	size_t options_size;
	void (*set_defaults)(void *options); /* where they are not zero; or NULL */
	void (*release)(void *options);      /* or NULL */
	int min_args, max_args;              /* max -1: any number */
	size_t command_at;  /* that argument begins another command line; 0: none */
	size_t options_end; /* behind that argument nothing is an option; 0: command_at */
	unsigned needs;
	enum machine_output machine; /* what its --json means */
	enum completion complete;
	bool is_hidden;
	command_fn *run;                       /* NULL: one of `commands` must follow */
	const struct command *const *commands; /* NULL-terminated */
};

/* All commands, NULL-terminated, in the order of the help. */
extern const struct command *const commands[];
/* The options that every command takes; in struct global_options. */
extern const struct option global_options[];

struct global_options {
	const char *dir, *sandbox, *colour;
	bool is_quiet, help, version;
	int verbose;
};

const struct command *command_find(const struct command *const *list, const char *name);

/* Says so in err, with the nearest name; `path` is what led to the list.  Returns -1. */
int command_unknown(const struct command *const *list, const char *path, const char *name,
                    struct error *err);

/* Runs a command line, argv[0] being the program; returns the exit code. */
int command_main(int argc, char **argv);

/* `path` is what leads to the command: "server start". */
void help_render(const struct command *command, const char *path, const struct style *style,
                 struct strbuf *out);
void help_render_all(const struct style *style, struct strbuf *out);
