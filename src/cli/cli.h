/*
 * cli - what one run of the command line knows: its streams, where things are,
 * the project, and the connection to the daemon.
 *
 * Made by the dispatcher (cli/command.h) and passed to the command.  The
 * functions here are what commands share.  Blocks.
 */
#pragma once

#include "api/client.h"
#include "api/paths.h"
#include "cli/output.h"
#include "config/diag.h"

/* How a failure is told on stdout when --json was given. */
enum machine_output {
	MACHINE_OFF,
	MACHINE_OBJECT, /* {"schema":1,"error":{…}} */
	MACHINE_EVENTS, /* a last event, {"event":"result","ok":false,"error":{…}} */
	MACHINE_TOLD,   /* the daemon's own result was printed */
};

struct cli {
	struct output output;
	enum machine_output machine;
	struct paths paths;
	const char *dir; /* -C; NULL: the working directory */
	char *root;      /* the project's folder */
	struct client *client;
	struct diagnostics diagnostics; /* shown with the error that the command returns */
	const char *unchanged; /* what an error of the configuration left as it was, or NULL */
	int interrupt_fd;      /* see cli_catch_interrupt() */
};

void cli_init(struct cli *cli);
void cli_release(struct cli *cli);

/* Fills cli->root from the folder the user is in. */
int cli_find_project(struct cli *cli, struct error *err);
/* A path that the user gave, absolute. */
char *cli_path(const struct cli *cli, const char *path, struct error *err) must_check;

/* Fills cli->client; starts the daemon when there is none. */
int cli_start_daemon(struct cli *cli, struct error *err);
/*
 * After the connection was lost: waits until that daemon is gone (a pidfd; -1: it is) and
 * connects to the next one, which is started if need be.  After cli_open_interrupt().
 */
int cli_find_next_daemon(struct cli *cli, int daemon, struct error *err);
/*
 * Fills cli->client when a daemon runs, or when services wait for one to find
 * them again.  Leaves it NULL and returns 0 when nothing runs.
 */
int cli_find_daemon(struct cli *cli, struct error *err);

/* As the functions of client.h, with diagnostics of a failure kept in cli. */
json_t *cli_call(struct cli *cli, const char *method, const char *target, const json_t *body,
                 struct error *err) must_check;
int cli_stream(struct cli *cli, const char *method, const char *target, const json_t *body,
               client_line_fn *fn, void *data, struct error *err);
/* Turns the "error" of a result into err and cli->diagnostics.  Returns -1. */
int cli_take_error(struct cli *cli, const json_t *error, struct error *err);

/* From here on Ctrl-C does not kill us but makes cli->interrupt_fd readable. */
int cli_open_interrupt(struct cli *cli, struct error *err);
/* The interrupt was heeded: the next one counts anew.  The signal, 0 when there was none. */
int cli_take_interrupt(struct cli *cli);
/*
 * Waits for fd: 1 when it is readable, 0 when nobody reads our standard output any
 * more, -1 with ERR_INTERRUPTED.  After cli_open_interrupt().
 */
int cli_wait(struct cli *cli, int fd, struct error *err);
/*
 * The same for requests: a request in progress fails with ERR_INTERRUPTED.  The
 * rest of the watch is the command's.
 */
int cli_catch_interrupt(struct cli *cli, const struct client_watch *watch, struct error *err);

/* Ctrl-C is the business of the program that this process is about to become. */
void cli_release_interrupt(struct cli *cli);

/* Shows an error, with its diagnostics or its hint; returns the exit code. */
int cli_report(struct cli *cli, const struct error *err);

/* One JSON value and a line's end to stdout. */
int cli_print_json(struct cli *cli, const json_t *value, struct error *err);

/* This process's environment. */
json_t *cli_environment(void);

/* Names from a command line as a JSON array. */
json_t *cli_json_names(int count, char **names);

/* Appends "&key=value" (or "?…" first), escaped for a request target. */
void cli_add_query(struct strbuf *target, const char *key, const char *value);

/* "~/code/shop" for what is in the home folder. */
void cli_add_folder(struct strbuf *out, const char *path);
