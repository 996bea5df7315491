/*
 * command - the commands of the runtime's command line, and their options.
 *
 * A command is a row of the table in main.c.  Its function declares its options
 * as a local table that points at locals, has them filled by options_parse(),
 * and returns the exit status, or -1 with an error, which main reports.
 */
#pragma once

#include "base/attrs.h"
#include "base/str.h"

#include <stdbool.h>

struct error;

/* What the options before the command said. */
struct shim {
	const char *root; /* NULL: the default */
	const char *log;
	bool is_log_json, is_debug, has_no_cgroup;
};

struct command {
	const char *name, *arguments, *summary;
	int min_args, max_args;
	int (*run)(const struct shim *shim, const struct command *self, int argc, char **argv,
	           struct error *err);
};

enum option_kind {
	OPTION_FLAG,    /* bool */
	OPTION_TEXT,    /* const char * */
	OPTION_LIST,    /* struct strv */
	OPTION_NUMBER,  /* int64_t, 0 or more */
	OPTION_IGNORED, /* a flag that asks for what we do anyway */
	OPTION_REFUSED, /* known, not done: `help` says why; with a value or without */
};

struct option_row {
	const char *name;
	char letter; /* or 0 */
	enum option_kind kind;
	void *value;
	const char *help;
};

/*
 * Takes the options; they may stand among the first min_args arguments, and end
 * there or at "--".  argv[0..n) become the arguments; returns n, -1 on error, or
 * OPTIONS_HELPED when --help was asked for and has been answered.
 */
#define OPTIONS_HELPED (-2)
int options_parse(const struct command *self, const struct option_row *rows, size_t count, int argc,
                  char **argv, struct error *err);
/* One option at argv[*at]; moves *at over its value. */
int options_take(const struct option_row *rows, size_t count, int argc, char **argv, int *at,
                 struct error *err);

/* report.c: what goes wrong, on standard error and into --log. */
void report_error(const struct shim *shim, const struct error *err);
/* Where there is no --log on standard error. */
void report_warning(const struct shim *shim, const char *text);
void report_unknown_caps(const struct shim *shim, const struct strv *names);

int cmd_create(const struct shim *, const struct command *, int, char **, struct error *);
int cmd_delete(const struct shim *, const struct command *, int, char **, struct error *);
int cmd_exec(const struct shim *, const struct command *, int, char **, struct error *);
int cmd_features(const struct shim *, const struct command *, int, char **, struct error *);
int cmd_kill(const struct shim *, const struct command *, int, char **, struct error *);
int cmd_limits(const struct shim *, const struct command *, int, char **, struct error *);
int cmd_list(const struct shim *, const struct command *, int, char **, struct error *);
int cmd_net(const struct shim *, const struct command *, int, char **, struct error *);
int cmd_pause(const struct shim *, const struct command *, int, char **, struct error *);
int cmd_ps(const struct shim *, const struct command *, int, char **, struct error *);
int cmd_resume(const struct shim *, const struct command *, int, char **, struct error *);
int cmd_run(const struct shim *, const struct command *, int, char **, struct error *);
int cmd_spec(const struct shim *, const struct command *, int, char **, struct error *);
int cmd_start(const struct shim *, const struct command *, int, char **, struct error *);
int cmd_state(const struct shim *, const struct command *, int, char **, struct error *);
int cmd_update(const struct shim *, const struct command *, int, char **, struct error *);
