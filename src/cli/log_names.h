/*
 * log_names - which services' logs a command line means, and where these logs are.
 *
 * Services are those of the project's files and those that have left a log, so that
 * logs can be read without a daemon, after a reboot, and when a file is broken.
 */
#pragma once

#include "base/str.h"

struct cli;
struct error;

struct log_names {
	struct strv services;
	char *project_dir; /* a folder for each service */
};

/* The services that are named, by globs too; all of the project when none is. */
int log_names_find(struct cli *cli, int argc, char **argv, struct log_names *ret,
                   struct error *err);
void log_names_release(struct log_names *names);
