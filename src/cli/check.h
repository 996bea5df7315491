/*
 * check - what `locald doctor` looks at: a table of read-only checks.
 *
 * Ids are stable.  A check changes nothing that outlives it: what must be tried
 * is tried in namespaces that end with it.
 */
#pragma once

#include "base/strbuf.h"

struct cli;

enum check_level { CHECK_OK, CHECK_LIMITED, CHECK_BROKEN };

struct finding {
	enum check_level level;
	struct strbuf text; /* one line */
	struct strbuf fix;  /* a command, or empty */
};

struct check {
	const char *id;
	void (*run)(struct cli *cli, struct finding *finding);
};

#define CHECK_COUNT 12
extern const struct check checks[CHECK_COUNT];
