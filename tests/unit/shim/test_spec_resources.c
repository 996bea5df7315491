#include "base/error.h"
#include "shim/node.h"
#include "shim/spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void parse(struct spec_resources *resources, json_t **json, const char *text)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct node node = {NULL, NULL, "resources", 0};

	*json = json_loads(text, 0, NULL);
	node.json = *json;
	if (spec_resources_parse(resources, &node, &err) < 0)
		fail_msg("%s: %s", text, err.text);
}

static const struct {
	const char *json, *what, *v1_file, *v1_value, *v2_file, *v2_value;
} conversions[] = {
	{"{\"memory\":{\"limit\":1024}}", "memory.limit", "memory.limit_in_bytes", "1024",
         "memory.max", "1024"},
	{"{\"memory\":{\"limit\":-1}}", "memory.limit", "memory.limit_in_bytes", "-1", "memory.max",
         "max"},
	{"{\"memory\":{\"limit\":1000,\"swap\":1500}}", "memory.swap",
         "memory.memsw.limit_in_bytes", "1500", "memory.swap.max", "500"},
	{"{\"memory\":{\"limit\":1000,\"swap\":-1}}", "memory.swap", "memory.memsw.limit_in_bytes",
         "-1", "memory.swap.max", "max"},
	{"{\"memory\":{\"reservation\":7}}", "memory.reservation", "memory.soft_limit_in_bytes",
         "7", "memory.low", "7"},
	{"{\"memory\":{\"swappiness\":60}}", "memory.swappiness", "memory.swappiness", "60", NULL,
         NULL},
	{"{\"cpu\":{\"shares\":1024}}", "cpu.shares", "cpu.shares", "1024", "cpu.weight", "39"},
	{"{\"cpu\":{\"shares\":2}}", "cpu.shares", "cpu.shares", "2", "cpu.weight", "1"},
	{"{\"cpu\":{\"shares\":262144}}", "cpu.shares", "cpu.shares", "262144", "cpu.weight",
         "10000"},
	{"{\"cpu\":{\"quota\":50000}}", "cpu.quota", "cpu.cfs_quota_us", "50000", "cpu.max",
         "50000 100000"},
	{"{\"cpu\":{\"quota\":-1,\"period\":5000}}", "cpu.quota", "cpu.cfs_quota_us", "-1",
         "cpu.max", "max 5000"},
	{"{\"cpu\":{\"cpus\":\"0-1\"}}", "cpu.cpus", "cpuset.cpus", "0-1", "cpuset.cpus", "0-1"},
	{"{\"pids\":{\"limit\":9}}", "pids.limit", "pids.max", "9", "pids.max", "9"},
	{"{\"pids\":{\"limit\":-1}}", "pids.limit", "pids.max", "max", "pids.max", "max"},
	{"{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":77}]}}",
         "blockIO.throttle", "blkio.throttle.read_bps_device", "8:0 77", "io.max", "8:0 rbps=77"},
	{"{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":5}]}", "hugepageLimits",
         "hugetlb.2MB.limit_in_bytes", "5", "hugetlb.2MB.max", "5"},
	{"{\"unified\":{\"memory.high\":\"9\"}}", "unified", NULL, NULL, "memory.high", "9"},
};

static bool same(const char *a, const char *b)
{
	return str_eq_null(a, b);
}

static void limits_are_written_in_both_versions(void **unused)
{
	for (size_t i = 0; i < ARRAY_LEN(conversions); i++) {
		struct spec_resources resources = {0};
		const struct spec_limit *found = NULL;
		json_t *json;

		parse(&resources, &json, conversions[i].json);
		array_foreach(limit, &resources.limits)
			if (same(limit->what, conversions[i].what))
				found = limit;
		if (!found || !same(found->v1_file, conversions[i].v1_file) ||
		    !same(found->v1_value, conversions[i].v1_value) ||
		    !same(found->v2_file, conversions[i].v2_file) ||
		    !same(found->v2_value, conversions[i].v2_value))
			fail_msg("%s: %s %s, %s %s", conversions[i].json,
			         found && found->v1_file ? found->v1_file : "-",
			         found && found->v1_value ? found->v1_value : "-",
			         found && found->v2_file ? found->v2_file : "-",
			         found && found->v2_value ? found->v2_value : "-");
		spec_resources_release(&resources);
		json_decref(json);
	}
}

static void zero_and_nothing_are_no_limit(void **unused)
{
	static const char *const texts[] = {"{}",
	                                    "{\"memory\":{}}",
	                                    "{\"memory\":{\"limit\":0}}",
	                                    "{\"cpu\":{\"shares\":0,\"quota\":0,\"cpus\":\"\"}}",
	                                    "{\"pids\":{\"limit\":0}}",
	                                    "{\"pids\":null}"};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct spec_resources resources = {0};
		json_t *json;

		parse(&resources, &json, texts[i]);
		assert_int_equal(resources.limits.len, 0);
		spec_resources_release(&resources);
		json_decref(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_are_written_in_both_versions),
		cmocka_unit_test(zero_and_nothing_are_no_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
