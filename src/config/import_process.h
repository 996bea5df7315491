/*
 * import_process - what is shared by the two files that import a process-compose.yaml:
 * import_process_compose.c, and import_process_probe.c for its checks.
 */
#pragma once

#include "config/import_common.h"

/* Of one file. */
struct processes {
	const char *shell, *shell_argument; /* NULL: sh -c */
	struct strv awaited;                /* processes that somebody waits for to be completed */
	bool is_server;                     /* the process that is being read has a port */
	int64_t port;                       /* 0: any */
	bool has_check;                     /* a health_check was put */
};

static inline struct processes *processes_of(const struct importer *in)
{
	return in->own;
}

/* A command's text for a shell, which expands variables itself: only $$ was the file's own. */
char *process_shell_text(const struct importer *in, const char *text) must_check;
/* Says that it cannot be imported, then. */
bool process_has_template(struct importer *in, const struct yaml_entry *entry, const char *text);

/* The port that an http probe asks, 0 without one. */
int64_t process_probe_port(struct importer *in, const struct yaml_value *process, const char *kind);

void process_readiness(struct importer *in, const struct yaml_entry *entry);
void process_liveness(struct importer *in, const struct yaml_entry *entry);
void process_ready_line(struct importer *in, const struct yaml_entry *entry);
