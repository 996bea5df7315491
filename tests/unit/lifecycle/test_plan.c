#include "lifecycle/plan.h"
#include "lifecycle/toml_file.h"
#include "unit/lifecycle/folder.h"

#define PROVIDES(name)    "[[provides]]\nname = \"" name "\"\n"
#define REQUIRES(name)    "[[requires]]\nname = \"" name "\"\n"
#define OR_PROVIDES(name) "[[or]]\n[[or.provides]]\nname = \"" name "\"\n"
#define OR_NOTHING        "[[or]]\n"

struct bp {
	const char *id;
	bool is_optional;
	const char *plan; /* TOML */
};

static json_t *parse(const char *toml)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	json_t *plan = NULL;

	assert_ok(toml_text_read(toml, strlen(toml), "plan", &plan, &err));
	return plan;
}

/* The ids of the group that resolves, "a b"; or the reason, in brackets. */
static char *resolve(const struct bp *bps, size_t count, json_t **ret_entries)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(group_release) struct group group = {0};
	struct strbuf text = STRBUF_INIT;
	struct plan_candidates candidates = {0};
	json_t *entries = NULL;

	for (size_t i = 0; i < count; i++) {
		struct plan_candidate *candidate = array_add(&candidates.items);

		candidate->item.id = (char *)bps[i].id;
		candidate->item.version = (char *)"1";
		candidate->item.is_optional = bps[i].is_optional;
		candidate->plan = parse(bps[i].plan);
		assert_ok(plan_check(candidate->plan, &err));
	}
	if (plan_resolve(&candidates, &group, &entries, &err) < 0)
		strbuf_addf(&text, "[%s]", err.text);
	array_foreach(item, &group.items)
		strbuf_addf(&text, "%s%s", text.len ? " " : "", item->id);
	array_foreach(candidate, &candidates.items)
		json_decref(candidate->plan);
	array_release(&candidates.items);
	if (ret_entries)
		*ret_entries = entries;
	else
		json_decref(entries);
	return strbuf_detach(&text);
}

static void trials_resolve(void **state)
{
	static const struct {
		const char *want;
		struct bp bps[4];
	} cases[] = {
		{"a", {{"a", false, ""}}},
		{"a b", {{"a", false, PROVIDES("x")}, {"b", false, REQUIRES("x")}}},
		{"a", {{"a", false, PROVIDES("x") REQUIRES("x")}}},
		/* A provider must come first. */
		{"[a requires x]", {{"a", false, REQUIRES("x")}, {"b", false, PROVIDES("x")}}},
		{"[a provides unused x]", {{"a", false, PROVIDES("x")}, {"b", false, ""}}},
		/* Optional ones are dropped, and what hung on them too. */
		{"b", {{"a", true, PROVIDES("x")}, {"b", false, ""}}},
		{"b", {{"a", true, REQUIRES("x")}, {"b", false, ""}}},
		{"c",
	         {{"a", true, PROVIDES("x")},
	          {"b", true, REQUIRES("x") REQUIRES("y")},
	          {"c", false, ""}}},
		{"[no buildpack is left in the group]", {{"a", true, REQUIRES("x")}}},
		/* The first option that works wins. */
		{"a b",
	         {{"a", false, PROVIDES("x") OR_PROVIDES("y")}, {"b", false, REQUIRES("y")}}},
		{"a b", {{"a", false, PROVIDES("x") OR_NOTHING}, {"b", false, ""}}},
		/* Not optional but with its last option: the first fails, the second drops it. */
		{"b", {{"a", true, PROVIDES("x") OR_PROVIDES("y")}, {"b", false, ""}}},
		/* One requirement takes all who provide it so far. */
		{"a b c",
	         {{"a", false, PROVIDES("x")},
	          {"b", false, PROVIDES("x")},
	          {"c", false, REQUIRES("x")}}},
		{"[b provides unused x]",
	         {{"a", false, PROVIDES("x") REQUIRES("x")}, {"b", false, PROVIDES("x")}}},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t count = 0;
		cleanup_free char *got = NULL;

		while (count < 4 && cases[i].bps[count].id)
			count++;
		got = resolve(cases[i].bps, count, NULL);
		assert_string_equal(got, cases[i].want);
	}
}

static void entries_join_providers_and_requirements(void **state)
{
	static const struct bp bps[] = {
		{"a", false, PROVIDES("x")},
		{"b", false, PROVIDES("x")},
		{"c", false, REQUIRES("x") "[requires.metadata]\nversion = \"20\"\n"},
		{"d", false, REQUIRES("x")},
	};
	cleanup_json json_t *entries = NULL;
	cleanup_free char *ids = resolve(bps, ARRAY_LEN(bps), &entries);
	const json_t *entry = json_array_get(entries, 0);
	const json_t *requires = json_object_get(entry, "requires");

	assert_non_null(ids);
	assert_int_equal(json_array_size(entries), 1);
	assert_int_equal(json_array_size(json_object_get(entry, "providers")), 2);
	assert_int_equal(json_array_size(requires), 2);
	assert_string_equal(json_get_str(json_object_get(json_array_get(requires, 0), "metadata"),
	                                 "version", ""),
	                    "20");
}

static void bad_plans_are_refused(void **state)
{
	static const char *const plans[] = {
		"provides = 1\n",
		"[[provides]]\nid = \"x\"\n",
		"[[requires]]\nname = \"x\"\nversion = \"1\"\n",
		"or = \"x\"\n",
		"[[or]]\nprovides = \"x\"\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(plans); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup_json json_t *plan = parse(plans[i]);

		assert_int_equal(plan_check(plan, &err), -1);
		assert_non_null(err.text);
	}
}

static void endless_combinations_end(void **state)
{
	static const char plan[] = PROVIDES("x") OR_PROVIDES("x") OR_PROVIDES("x") OR_PROVIDES("x");
	struct bp bps[12];
	cleanup_free char *got = NULL;

	for (size_t i = 0; i < ARRAY_LEN(bps); i++)
		bps[i] = (struct bp){"a", false, plan};
	got = resolve(bps, ARRAY_LEN(bps), NULL);
	assert_non_null(strstr(got, "more than 10000 ways"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trials_resolve),
		cmocka_unit_test(entries_join_providers_and_requirements),
		cmocka_unit_test(bad_plans_are_refused),
		cmocka_unit_test(endless_combinations_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
