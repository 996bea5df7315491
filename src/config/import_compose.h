/*
 * import_compose - what is shared by the two files that import a compose.yaml:
 * import_compose.c, and import_compose_values.c for ports, volumes and checks.
 */
#pragma once

#include "config/import_common.h"

/* A service of the file, as far as others need to know it. */
struct compose_service {
	const char *name;
	const struct yaml_value *map;
	struct draft_section *section;
	bool is_container; /* else its command runs on the host */
	bool runs;         /* neither: nothing of it can be imported */
	int64_t port;      /* that it listens on; 0: none is known */
	int64_t published; /* 0: any */
	struct toml_pos port_pos;
	bool is_awaited; /* somebody waits for it to be completed */
};

struct compose_file {
	ARRAY(struct compose_service) services;
	struct compose_service *now; /* being filled */
};

static inline struct compose_file *compose_of(const struct importer *in)
{
	return in->own;
}

/* Words as a shell would split them; false when a quote is open. */
bool compose_split(const char *text, struct strv *out);

/* Fills port and published from ports, expose, or what the image is known for. */
void compose_find_port(struct importer *in, struct compose_service *service);

void compose_ports(struct importer *in, const struct yaml_entry *entry);
void compose_volumes(struct importer *in, const struct yaml_entry *entry);
void compose_healthcheck(struct importer *in, const struct yaml_entry *entry);
/* memory, cpus and pids of the service, in one line. */
void compose_put_limits(struct importer *in);
