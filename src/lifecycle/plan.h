/*
 * plan - which buildpacks of a candidate group take part, and what they promise each other.
 *
 * Each candidate passed detection and offers one or more options (the top level of
 * its plan, then each [[or]]).  Trials take one option of each, leftmost first, until one
 * resolves: every `requires` has a provider before or at it, every `provides` is required.
 * What does not fit is dropped when optional and fails the trial otherwise; a
 * buildpack counts as optional only with its last option.
 *
 * Pure: no files, no processes.  See "Phase #1: Detection" of the Buildpack specification.
 */
#pragma once

#include "base/json.h"
#include "lifecycle/group.h"

struct error;
struct strbuf;

#define PLAN_TRIALS_MAX 10000

struct plan_candidate {
	struct group_item item; /* borrowed strings */
	json_t *plan;           /* what detect wrote: {provides, requires, or}; borrowed */
};

struct plan_candidates {
	ARRAY(struct plan_candidate) items;
};

/* Is it well formed?  bad: -1 with what is wrong. */
int plan_check(const json_t *plan, struct error *err);

/*
 * 0 with the group and the plan's entries ([{providers, requires}]); -1 with
 * ERR_FAILED when no trial resolves, the text being the last trial's reason.
 */
int plan_resolve(const struct plan_candidates *candidates, struct group *ret_group,
                 json_t **ret_entries, struct error *err);
