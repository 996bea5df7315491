/*
 * detection - runs the detect programs of buildpacks, each at most once.
 *
 * detections_run() starts those of a list that have not run yet, all at once, and
 * waits for them.  Results and outputs stay until detections_release().
 */
#pragma once

#include "lifecycle/buildpack.h"
#include "lifecycle/buildpack_env.h"
#include "lifecycle/group.h"

struct platform;

#define DETECT_PASSED 0
#define DETECT_FAILED 100
/* any other code: the buildpack could not say */
#define DETECT_MISMATCH (-1) /* it is not for this target */

struct detection {
	struct buildpack *buildpack;
	bool has_run;
	int code;
	char *output; /* of the program, or why it is not usable */
	json_t *plan; /* what it wrote; never NULL once it passed */
};

struct detections {
	const struct platform *platform;
	struct target target;
	struct strv env;
	ARRAY(struct detection) items;
};

int detections_init(struct detections *detections, const struct platform *platform,
                    struct error *err);
void detections_release(struct detections *detections);

/* Loads the buildpack when it is new; valid until the next is loaded. */
struct detection *detections_get(struct detections *detections, const struct group_item *item,
                                 struct error *err);
int detections_run(struct detections *detections, const struct group *group, struct error *err);
