/*
 * platform - what the platform asked for: paths and settings of one phase.
 *
 * Each has a flag, an environment variable and a default; the flag wins.  One table
 * says which phase takes which flag.  What is understood but not done here, such as
 * exporting to a daemon, is refused by name.
 *
 * Platform API 0.12 and 0.13.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>

struct error;

enum phase {
	PHASE_ANALYZE = 1,
	PHASE_DETECT = 2,
	PHASE_RESTORE = 4,
	PHASE_BUILD = 8,
	PHASE_EXPORT = 16,
	PHASE_CREATE = 32,
};

struct platform {
	enum phase phase;
	char *api;
	/* Never NULL after platform_parse(). */
	char *analyzed, *app, *build_config, *buildpacks, *group, *launcher, *layers, *order, *plan,
		*platform_dir, *project_metadata, *report, *run;
	/* NULL where not given. */
	char *cache_dir, *layout_dir, *log_level, *previous_image, *process_type, *run_image;
	bool is_verbose, skips_layers, skips_restore;
	struct strv images; /* the image to make, first */
	int64_t created;    /* seconds; the time in the image */
};

void platform_release(struct platform *platform);

/*
 * args: the program's arguments after its name, NULL-terminated.  Errors carry the
 * exit codes 2, 3 and 11.
 */
int platform_parse(struct platform *platform, enum phase phase, const char *const *args,
                   struct error *err);

/* 1980-01-01T00:00:01Z, the time of everything in a reproducible image. */
#define PLATFORM_EPOCH 315532801
