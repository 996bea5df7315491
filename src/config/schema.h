/*
 * schema - the one table of all keys of locald.toml.
 *
 * A row says a key's path ("services.*.port"), its type and bounds, the field
 * that it fills, one line of description, and what of it is not supported yet.
 * Reading, "did you mean", the JSON Schema and the docs checks come from it.
 */
#pragma once

#include "base/json.h"
#include "config/project.h"

enum config_type {
	CFG_BOOL,
	CFG_INT,
	CFG_PORT,
	CFG_DURATION, /* seconds, or "500ms", "2s", "1m"; kept in ms */
	CFG_STRING,
	CFG_STRINGS,
	CFG_INTS, /* array of integers, each in bounds */
	CFG_NAME, /* as config_is_name() says */
	CFG_DOMAIN,
	CFG_ENUM, /* one of `choices`; kept as its index */
	CFG_SIGNAL,
	CFG_COMMAND,
	CFG_ENV,     /* table of NAME = string, number or boolean */
	CFG_DEPENDS, /* array of names, or table of name = "ready" */
	CFG_SIZE,    /* bytes, or "64M", "1.5G" (of 1024); an int64_t */
	CFG_DECIMAL, /* kept in thousandths; min and max are, too */
	CFG_VOLUMES, /* array of strings, see config/volume.h */
	CFG_TABLE,
	CFG_HEALTH,   /* string = command, or table */
	CFG_BUILD,    /* table, which sets is_set, or the command of a site */
	CFG_SERVICES, /* table of services */
	CFG_ANY,      /* only for keys that are not supported yet */
};

#define CONFIG_NO_FIELD SIZE_MAX

struct config_key {
	const char *path;
	const char *summary;
	enum config_type type;
	size_t offset; /* in project_config, or in service_config below services.*; or NO_FIELD */
	/* CFG_INT, CFG_INTS and CFG_SIZE, and CFG_DURATION in ms; CFG_ENUM: min is the C value of
	 * the first choice. */
	int64_t min, max;
	const char *choices; /* CFG_ENUM: "exec worker", in the order of the C enum */
	/*
	 * Not supported yet: for CFG_ENUM these further choices; for others "" when
	 * any value is, or the only text that is accepted ("1", "false").
	 */
	const char *later;
	size_t flag;        /* offset of a bool set when the key is given; 0: none */
	const char *alias;  /* the path of the key that this one is another name for */
	bool is_inner_only; /* not in the user's and the parents' files */
	bool no_effect;     /* of the Rust version: accepted with a warning */
};

/* The n-th row, NULL after the last. */
const struct config_key *schema_key_at(size_t n);
const struct config_key *schema_find(const char *path);

/*
 * Reads one parsed file into the project, over what is there.  `is_outer`: the
 * user's or a parent's file, which has no services.  Findings go to diags.
 */
void schema_load(struct project_config *project, const struct config_file *file,
                 const struct toml_table *root, bool is_outer, struct diagnostics *diags);

/* The service of that name, made with the defaults where it is new. */
struct service_config *schema_add_service(struct project_config *project, const char *name,
                                          const struct config_file *file, struct toml_pos pos);

/* Frees what fields own, by the table. */
void schema_release_service(struct service_config *service);
void schema_release_project(struct project_config *project);

/* A JSON Schema (draft 2020-12) of locald.toml. */
json_t *schema_to_json_schema(void);
