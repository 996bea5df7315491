#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "lifecycle/detection.h"
#include "lifecycle/exit_code.h"
#include "lifecycle/phases.h"
#include "lifecycle/plan.h"
#include "lifecycle/platform.h"
#include "lifecycle/toml_file.h"

#include <stdio.h>

#define GROUPS_TRIED_MAX 10000

enum outcome { FAILED, DETECTED };

struct detector {
	const struct platform *platform;
	struct detections detections;
	bool had_error; /* a buildpack that was needed could not say */
	int tried;
	struct strbuf report; /* of the groups tried: shown when none builds */
	struct group group;   /* the result */
	json_t *entries;
};

/* What is still to be expanded of a group: a list, and what comes after it. */
struct pending {
	const struct group *group;
	size_t from;
	const struct pending *next;
};

static int detect_list(struct detector *detector, const struct pending *pending,
                       const struct group *done, struct error *err);

static void detector_release(struct detector *detector)
{
	detections_release(&detector->detections);
	strbuf_release(&detector->report);
	group_release(&detector->group);
	json_decref(detector->entries);
}

static void copy_group(struct group *dst, const struct group *src)
{
	array_foreach(item, &src->items)
		group_add(dst, item);
}

static bool has_id(const struct group *group, const char *id)
{
	array_foreach(item, &group->items)
		if (str_eq(item->id, id))
			return true;
	return false;
}

static const char *verdict(const struct group_item *item, int code)
{
	if (code == DETECT_PASSED)
		return "pass";
	if (item->is_optional)
		return "skip";
	return code == DETECT_FAILED ? "fail" : "err";
}

/* What each buildpack said, once, however many groups it was in; then the groups. */
static void print_report(const struct detector *detector)
{
	array_foreach(detection, &detector->detections.items) {
		const struct buildpack *bp = detection->buildpack;

		if (!detection->has_run || str_empty(detection->output))
			continue;
		printf("======== Output: %s@%s ========\n%s", bp->id, bp->version,
		       detection->output);
		if (!str_ends(detection->output, "\n"))
			putchar('\n');
	}
	fputs(detector->report.buf, stdout);
}

static void add_verdict(struct strbuf *report, const struct group_item *item,
                        const struct detection *detection)
{
	strbuf_addf(report, "%s: %s@%s", verdict(item, detection->code), item->id, item->version);
	if (detection->code != DETECT_PASSED && detection->code != DETECT_FAILED &&
	    detection->code != DETECT_MISMATCH)
		strbuf_addf(report, " (exit code %d)", detection->code);
	strbuf_addch(report, '\n');
}

/* All members have run: is this a group that builds? */
static int resolve(struct detector *detector, const struct group *done, struct error *err)
{
	struct plan_candidates candidates = {0};
	cleanup(error_release) struct error reason = ERROR_INIT;
	struct strbuf *report = &detector->report;
	bool fits = true;
	int result = FAILED;

	strbuf_addf(report, "======== Results, group %d ========\n", detector->tried);
	array_foreach(item, &done->items) {
		const struct detection *detection =
			detections_get(&detector->detections, item, err);
		struct plan_candidate *candidate;

		if (!detection) {
			array_release(&candidates.items);
			return -1;
		}
		add_verdict(report, item, detection);
		if (detection->code == DETECT_PASSED) {
			candidate = array_add(&candidates.items);
			candidate->item = *item;
			candidate->item.api = detection->buildpack->api;
			candidate->item.homepage = detection->buildpack->homepage;
			candidate->plan = detection->plan;
			continue;
		}
		if (detection->code != DETECT_FAILED && !item->is_optional)
			detector->had_error = true;
		fits = fits && item->is_optional;
	}
	if (!fits)
		strbuf_adds(report, "fail: a buildpack that the group needs did not pass\n");
	else if (!candidates.items.len)
		strbuf_adds(report, "fail: no buildpack of the group passed\n");
	else if (plan_resolve(&candidates, &detector->group, &detector->entries, &reason) < 0)
		strbuf_addf(report, "fail: %s\n", reason.text);
	else
		result = DETECTED;
	array_release(&candidates.items);
	return result;
}

static int try_group(struct detector *detector, const struct group *done, struct error *err)
{
	if (++detector->tried > GROUPS_TRIED_MAX)
		return error_set(err, ERR_CONFIG, "the order has more than %d combinations",
		                 GROUPS_TRIED_MAX);
	if (detections_run(&detector->detections, done, err) < 0)
		return -1;
	return resolve(detector, done, err);
}

/* Each group of an order, followed by `next`; then `next` alone when the order is optional. */
static int detect_order(struct detector *detector, const json_t *json, const struct pending *next,
                        const struct group *done, bool is_optional, struct error *err)
{
	cleanup(order_release) struct order order = {0};

	if (order_from_json(json, &order, err) < 0)
		return -1;
	array_foreach(group, &order.groups) {
		int outcome = detect_list(detector, &(struct pending){group, 0, next}, done, err);

		if (outcome != FAILED)
			return outcome;
	}
	return is_optional ? detect_list(detector, next, done, err) : FAILED;
}

/* DETECTED, FAILED, or -1. */
static int detect_list(struct detector *detector, const struct pending *pending,
                       const struct group *done, struct error *err)
{
	cleanup(group_release) struct group so_far = {0};

	copy_group(&so_far, done);
	for (; pending; pending = pending->next)
		for (size_t i = pending->from; i < pending->group->items.len; i++) {
			const struct group_item *item = &pending->group->items.items[i];
			struct pending rest = {pending->group, i + 1, pending->next};
			const struct detection *detection;

			if (has_id(&so_far, item->id))
				continue;
			detection = detections_get(&detector->detections, item, err);
			if (!detection)
				return -1;
			if (detection->buildpack->order)
				return detect_order(detector, detection->buildpack->order, &rest,
				                    &so_far, item->is_optional, err);
			group_add(&so_far, item);
		}
	return try_group(detector, &so_far, err);
}

/* Everything the order names exists and has a known API, before anything runs. */
static int check_order(struct detector *detector, const json_t *json, int depth, struct error *err)
{
	cleanup(order_release) struct order order = {0};

	if (depth > 16)
		return error_set(err, ERR_CONFIG, "composite buildpacks are nested too deep");
	if (order_from_json(json, &order, err) < 0)
		return -1;
	array_foreach(group, &order.groups)
		array_foreach(item, &group->items) {
			const struct detection *detection =
				detections_get(&detector->detections, item, err);

			if (!detection)
				return -1;
			if (detection->buildpack->order &&
			    check_order(detector, detection->buildpack->order, depth + 1, err) < 0)
				return error_wrap(err, "composite buildpack %s", item->id);
		}
	return 0;
}

static int write_results(const struct detector *detector, struct error *err)
{
	const struct platform *platform = detector->platform;
	cleanup_json json_t *plan = json_object();

	printf("%zu of %zu buildpacks take part\n", detector->group.items.len,
	       detector->detections.items.len);
	array_foreach(item, &detector->group.items)
		printf("%s %s\n", item->id, item->version);
	if (group_write(platform->group, &detector->group, err) < 0)
		return -1;
	json_object_set(plan, "entries", detector->entries);
	return toml_file_write(platform->plan, plan, err);
}

static int fail(const struct detector *detector, struct error *err)
{
	print_report(detector);
	if (detector->had_error)
		exit_error(err, EXIT_DETECT_BROKEN,
		           "no group of buildpacks passed detection, and some buildpacks failed");
	else
		exit_error(err, EXIT_NOT_DETECTED, "no group of buildpacks passed detection");
	return error_hint(err, "see what each buildpack said above; is this the right folder, "
	                       "and is it complete?");
}

int phase_detect(const struct platform *platform, struct error *err)
{
	cleanup(detector_release) struct detector detector = {.platform = platform,
	                                                      .report = STRBUF_INIT};
	cleanup_json json_t *root = NULL;
	const json_t *order;
	int outcome;

	if (toml_file_read(platform->order, &root, err) < 0)
		return -1;
	order = json_object_get(root, "order");
	if (json_array_size(json_object_get(root, "order-extensions")))
		return error_set(err, ERR_UNSUPPORTED, "%s: image extensions are not supported yet",
		                 platform->order);
	if (!order)
		return error_set(err, ERR_CONFIG, "%s has no [[order]]", platform->order);
	if (detections_init(&detector.detections, platform, err) < 0 ||
	    check_order(&detector, order, 0, err) < 0)
		return -1;
	outcome = detect_order(&detector, order, NULL, &(struct group){0}, false, err);
	if (outcome < 0)
		return -1;
	if (outcome == FAILED)
		return fail(&detector, err);
	if (platform->is_verbose)
		print_report(&detector);
	return write_results(&detector, err);
}
