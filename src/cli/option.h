/*
 * option - the typed options of a command line, described by tables.
 *
 * A table ends with OPT_END.  A row names the field that it fills, so parsing
 * needs no code per option: `{OPT_FLAG('f', "follow", struct logs_options,
 * follow, "Go on with what comes")}`.  Values are borrowed from argv.
 *
 * As getopt_long(3): -abc, -n5, -n 5, --name=value, --name value, `--` ends the
 * options, and options may follow arguments.  A name must be written in full.
 */
#pragma once

#include "base/array.h"

#include <stdbool.h>
#include <stddef.h>

struct error;

enum option_type {
	OPTION_END,
	OPTION_FLAG,   /* bool */
	OPTION_COUNT,  /* int, one more each time */
	OPTION_INT,    /* int, not negative */
	OPTION_TIME,   /* int64_t, milliseconds: "500ms", "10s", "2m"; a bare number is seconds */
	OPTION_STRING, /* const char * */
	OPTION_LIST,   /* struct option_list, may be given again; commas separate */
	OPTION_CHOICE, /* const char *, one of `choices` */
};

/* Owned by the command's options: release with option_list_release(). */
struct option_list {
	ARRAY(char *) names;
};
void option_list_release(struct option_list *list);

/* What a shell may offer for an argument or a value. */
enum completion {
	COMPLETE_NOTHING,
	COMPLETE_FILES,
	COMPLETE_DIRS,
	COMPLETE_SERVICES,
	COMPLETE_CONTAINERS, /* detached ones */
	COMPLETE_COMMANDS,
};

struct option {
	char letter; /* 0: none */
	const char *name;
	enum option_type type;
	size_t offset;
	const char *value; /* how help calls the value: "NAME" */
	const char *summary;
	const char *const *choices; /* NULL-terminated */
	enum completion complete;
};

#define OPT_FLAG(l, n, s, f, h)                                                                    \
	{                                                                                          \
		l, n, OPTION_FLAG, offsetof(s, f), NULL, h                                         \
	}
#define OPT_COUNT(l, n, s, f, h)                                                                   \
	{                                                                                          \
		l, n, OPTION_COUNT, offsetof(s, f), NULL, h                                        \
	}
#define OPT_INT(l, n, s, f, v, h)                                                                  \
	{                                                                                          \
		l, n, OPTION_INT, offsetof(s, f), v, h                                             \
	}
#define OPT_TIME(l, n, s, f, v, h)                                                                 \
	{                                                                                          \
		l, n, OPTION_TIME, offsetof(s, f), v, h                                            \
	}
#define OPT_STRING(l, n, s, f, v, h, c)                                                            \
	{                                                                                          \
		l, n, OPTION_STRING, offsetof(s, f), v, h, NULL, c                                 \
	}
#define OPT_LIST(l, n, s, f, v, h, c)                                                              \
	{                                                                                          \
		l, n, OPTION_LIST, offsetof(s, f), v, h, NULL, c                                   \
	}
#define OPT_CHOICE(l, n, s, f, v, h, c)                                                            \
	{                                                                                          \
		l, n, OPTION_CHOICE, offsetof(s, f), v, h, c                                       \
	}
#define OPT_END                                                                                    \
	{                                                                                          \
		0                                                                                  \
	}

/* A table and the struct that its offsets are in. */
struct option_target {
	const struct option *table;
	void *values;
};

struct option_args {
	ARRAY(char *) items; /* borrowed from argv */
};

/*
 * Parses argv[0…argc), looking in each target in turn.  With stop_at N the Nth word
 * that is no option ends the options: it and all that follow are arguments (0: never).
 * ERR_USAGE names the nearest option where one is near.
 */
int option_parse(int argc, char **argv, const struct option_target *targets, size_t ntargets,
                 size_t stop_at, struct option_args *args, struct error *err);
