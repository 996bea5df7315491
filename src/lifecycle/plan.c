#include "lifecycle/plan.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"

/* One buildpack in a trial: a candidate with one of its options. */
struct member {
	const struct plan_candidate *candidate;
	const json_t *provides, *requires; /* may be NULL */
	bool is_optional;
};

struct trial {
	ARRAY(struct member) members;
};

/* What a trial has said about one name so far. */
struct need {
	const char *name;
	ARRAY(const struct member *) pending; /* provide it, nobody has asked yet */
	ARRAY(const struct member *) providers;
	const struct member *early; /* asked for it before anyone provided it */
	json_t *requires;
};

struct needs {
	ARRAY(struct need) items;
};

struct resolver {
	const struct plan_candidates *candidates;
	int trials;
	struct group *group;
	json_t **entries;
};

static void trial_release(struct trial *trial)
{
	array_release(&trial->members);
}

static void needs_release(struct needs *needs)
{
	array_foreach(need, &needs->items) {
		array_release(&need->pending);
		array_release(&need->providers);
		json_decref(need->requires);
	}
	array_release(&needs->items);
}

static int check_names(const json_t *list, const char *key, struct error *err)
{
	size_t i;
	json_t *element;

	if (list && !json_is_array(list))
		return error_set(err, ERR_CONFIG, "%s is not an array of tables", key);
	json_array_foreach((json_t *)list, i, element) {
		const char *name;

		if (json_need_str(element, "name", &name, err) < 0)
			return error_wrap(err, "%s", key);
		if (json_object_get(element, "version"))
			return error_set(err, ERR_CONFIG,
			                 "%s \"%s\": version belongs into its metadata", key, name);
	}
	return 0;
}

static int check_option(const json_t *option, struct error *err)
{
	if (!json_is_object(option))
		return error_set(err, ERR_CONFIG, "or is not an array of tables");
	if (check_names(json_object_get(option, "provides"), "provides", err) < 0)
		return -1;
	return check_names(json_object_get(option, "requires"), "requires", err);
}

int plan_check(const json_t *plan, struct error *err)
{
	const json_t *others = json_object_get(plan, "or");
	size_t i;
	json_t *option;

	if (check_option(plan, err) < 0)
		return -1;
	if (others && !json_is_array(others))
		return error_set(err, ERR_CONFIG, "or is not an array of tables");
	json_array_foreach((json_t *)others, i, option) {
		if (check_option(option, err) < 0)
			return -1;
	}
	return 0;
}

static struct need *need_of(struct needs *needs, const char *name)
{
	struct need *need;

	array_foreach(known, &needs->items)
		if (str_eq(known->name, name))
			return known;
	need = array_add(&needs->items);
	need->name = name;
	need->requires = json_array();
	return need;
}

static void provide(struct needs *needs, const struct member *member)
{
	size_t i;
	json_t *element;

	json_array_foreach((json_t *)member->provides, i, element) {
		struct need *need = need_of(needs, json_get_str(element, "name", ""));

		*array_add(&need->pending) = member;
	}
}

static void require(struct needs *needs, const struct member *member)
{
	size_t i;
	json_t *element;

	json_array_foreach((json_t *)member->requires, i, element) {
		struct need *need = need_of(needs, json_get_str(element, "name", ""));

		array_foreach(provider, &need->pending)
			*array_add(&need->providers) = *provider;
		array_release(&need->pending);
		if (need->providers.len)
			json_array_append(need->requires, element);
		else if (!need->early)
			need->early = member;
	}
}

static void collect(const struct trial *trial, struct needs *needs)
{
	array_foreach(member, &trial->members) {
		provide(needs, member);
		require(needs, member);
	}
}

/* The first member that does not fit and why; NULL when all do. */
static const struct member *find_misfit(const struct needs *needs, const char **ret_name,
                                        const char **ret_verb)
{
	array_foreach(need, &needs->items) {
		const struct member *misfit = need->early         ? need->early
		                              : need->pending.len ? need->pending.items[0]
		                                                  : NULL;

		if (!misfit)
			continue;
		*ret_name = need->name;
		*ret_verb = need->early ? "requires" : "provides unused";
		return misfit;
	}
	return NULL;
}

static void drop(struct trial *trial, const struct plan_candidate *candidate)
{
	array_foreach(member, &trial->members)
		if (member->candidate == candidate) {
			array_remove(&trial->members, member);
			return;
		}
}

static void give_result(struct resolver *resolver, const struct trial *trial,
                        const struct needs *needs)
{
	json_t *entries = json_array();

	array_foreach(member, &trial->members)
		group_add(resolver->group, &member->candidate->item);
	array_foreach(need, &needs->items) {
		json_t *entry = json_object();
		json_t *providers = json_array();

		array_foreach(provider, &need->providers) {
			json_t *element = json_object();

			json_set_str(element, "id", (*provider)->candidate->item.id);
			json_set_str(element, "version", (*provider)->candidate->item.version);
			json_array_append_new(providers, element);
		}
		json_object_set_new(entry, "providers", providers);
		json_object_set(entry, "requires", need->requires);
		json_array_append_new(entries, entry);
	}
	*resolver->entries = entries;
}

static int run_trial(struct resolver *resolver, const struct trial *chosen, struct error *err)
{
	cleanup(trial_release) struct trial trial = {0};

	array_foreach(member, &chosen->members)
		*array_add(&trial.members) = *member;
	for (;;) {
		cleanup(needs_release) struct needs needs = {0};
		const char *name, *verb;
		const struct member *misfit;

		if (!trial.members.len)
			return error_set(err, ERR_FAILED, "no buildpack is left in the group");
		collect(&trial, &needs);
		misfit = find_misfit(&needs, &name, &verb);
		if (!misfit) {
			give_result(resolver, &trial, &needs);
			return 0;
		}
		if (!misfit->is_optional)
			return error_set(err, ERR_FAILED, "%s %s %s", misfit->candidate->item.id,
			                 verb, name);
		drop(&trial, misfit->candidate);
	}
}

/* Chooses an option for the candidate at `index` and for all after it. */
static int choose(struct resolver *resolver, size_t index, struct trial *trial, struct error *err)
{
	const struct plan_candidate *candidate = &resolver->candidates->items.items[index];
	const json_t *others;
	size_t last;

	if (index == resolver->candidates->items.len) {
		if (++resolver->trials > PLAN_TRIALS_MAX)
			return error_set(err, ERR_FAILED,
			                 "more than %d ways to combine the buildpacks' options",
			                 PLAN_TRIALS_MAX);
		return run_trial(resolver, trial, err);
	}
	others = json_object_get(candidate->plan, "or");
	last = json_array_size(others);
	for (size_t i = 0; i <= last; i++) {
		const json_t *option = i ? json_array_get(others, i - 1) : candidate->plan;

		*array_add(&trial->members) = (struct member){
			.candidate = candidate,
			.provides = json_object_get(option, "provides"),
			.requires = json_object_get(option, "requires"),
			.is_optional = candidate->item.is_optional && i == last,
		};
		if (choose(resolver, index + 1, trial, err) == 0)
			return 0;
		trial->members.len--;
		if (resolver->trials > PLAN_TRIALS_MAX)
			break;
	}
	return -1;
}

int plan_resolve(const struct plan_candidates *candidates, struct group *ret_group,
                 json_t **ret_entries, struct error *err)
{
	struct resolver resolver = {
		.candidates = candidates, .group = ret_group, .entries = ret_entries};
	cleanup(trial_release) struct trial trial = {0};

	return choose(&resolver, 0, &trial, err);
}
