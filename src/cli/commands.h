/* commands - every command of locald, and what two of them share. */
#pragma once

#include "cli/command.h"

struct progress;

struct exec_options {
	bool shell;
};

extern const struct option exec_options[];

/* Keep alphabetized. */
extern const struct command cmd_add;
extern const struct command cmd_build;
extern const struct command cmd_builder;
extern const struct command cmd_complete;
extern const struct command cmd_completion;
extern const struct command cmd_config;
extern const struct command cmd_container;
extern const struct command cmd_doctor;
extern const struct command cmd_attach;
extern const struct command cmd_exec;
extern const struct command cmd_explain;
extern const struct command cmd_help;
extern const struct command cmd_image;
extern const struct command cmd_init;
extern const struct command cmd_logs;
extern const struct command cmd_overview;
extern const struct command cmd_restart;
extern const struct command cmd_run;
extern const struct command cmd_daemon;
extern const struct command cmd_service;
extern const struct command cmd_status;
extern const struct command cmd_stop;
extern const struct command cmd_surface;
extern const struct command cmd_try;
extern const struct command cmd_up;
extern const struct command cmd_version;
extern const struct command cmd_volume;
extern const struct command cmd_wait;
extern const struct command cmd_why;

/* The end of `up` and `restart`: r is what progress_run() said. */
int cli_finish_up(struct cli *cli, const struct progress *progress, int r, struct error *err);

/* Does a request whose result says what to execute, and executes it: of `run` and its like. */
int cli_run_told(struct cli *cli, const char *target, const json_t *body, struct error *err);

/* The table of all commands as JSON. */
json_t *surface_json(void);
