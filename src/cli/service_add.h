/*
 * service_add - puts a service at the end of a project's locald.toml, which keeps every
 * other byte; makes the file where there is none.
 *
 * The file is written only when the project loads with it and has every service that it
 * had before.  Also how a command line becomes a `command`.
 */
#pragma once

#include "base/str.h"

struct cli;
struct error;
struct strbuf;

/*
 * `command = …` for words of a command line: a text for sh where that means the same, or
 * where a word has a $; else an array.
 */
void service_add_command(struct strbuf *out, const struct strv *argv);
/* Always an array, where no word has a $: no shell is between it and signals. */
void service_add_argv(struct strbuf *out, const struct strv *argv);

struct service_add {
	const char *root; /* of the project */
	const char *name;
	const struct strv *argv;
	const char *dir; /* absolute: where it runs */
	int port;        /* 0: locald's choice */
	bool is_worker;
};

/* Says what was added on stdout. */
int service_add(struct cli *cli, const struct service_add *add, struct error *err);

/* The project of a folder, or that folder itself when there is none. */
char *service_add_root(const char *dir, struct error *err) must_check;
