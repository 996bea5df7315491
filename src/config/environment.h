/*
 * environment - the variables a service starts with.
 *
 * Later wins: the shell where `up` was typed, env files, [env], the service's
 * env, and what is injected (PORT, HOST, …).  ${VAR} is looked up in that same
 * result; in its own value a variable means the next lower layer
 * (`PATH = "bin:${PATH}"`).  Blocks: reads the env files.
 */
#pragma once

#include "base/str.h"
#include "config/project.h"

struct error;

/* What only the daemon knows.  Each returns an owned string, NULL when there is none. */
struct environment_source {
	const struct strv *shell;                                        /* NAME=value */
	const struct strv *(*injected)(const char *service, void *data); /* borrowed, may be NULL */
	char *(*url)(const char *service, void *data);
	char *(*host)(const char *service, void *data);
	int (*port)(const char *service, void *data); /* 0: none */
	/* "user" or "password" of a database */
	char *(*detail)(const char *service, const char *name, void *data);
	void *data;
};

/*
 * The environment of a service, `NAME=value` in `out`.  In container mode the
 * shell's own variables are not passed on (`with_shell` false); ${env.X} still
 * sees them.  -1 with err and the findings in diags.
 */
int environment_make(const struct project_config *project, const struct service_config *service,
                     const struct environment_source *source, bool with_shell, struct strv *out,
                     struct diagnostics *diags, struct error *err);
