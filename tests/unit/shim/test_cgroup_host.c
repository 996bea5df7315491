#include "shim/cgroup.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char v1_mounts[] =
	"30 24 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
	"31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup "
	"rw,cpu,cpuacct\n"
	"32 30 0:28 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
	"33 30 0:29 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
	"34 30 0:28 / /elsewhere/memory rw,relatime - cgroup cgroup rw,memory\n";
static const char v1_own[] = "3:cpu,cpuacct:/user\n2:memory:/\n1:name=systemd:/user/1\n";
static const char v2_mount[] = "40 24 0:30 / /nosuch/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n";
static const char hybrid_mount[] = "41 30 0:31 / /sys/fs/cgroup/unified rw - cgroup2 none rw\n";

static void parse(struct cgroup_host *host, const char *mounts, const char *own)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	assert_int_equal(cgroup_host_parse(host, mounts, own, &err), 0);
}

static void v1_has_one_tree_for_each_hierarchy(void **unused)
{
	cleanup(cgroup_host_release) struct cgroup_host host = {0};
	const struct cgroup_tree *cpu;

	parse(&host, v1_mounts, v1_own);
	assert_int_equal(cgroup_host_mode(&host), CGROUP_V1);
	assert_int_equal(host.trees.len, 3);
	cpu = cgroup_tree_of(&host, "cpuacct");
	assert_non_null(cpu);
	assert_ptr_equal(cpu, cgroup_tree_of(&host, "cpu"));
	assert_string_equal(cpu->own, "/user");
	assert_string_equal(cgroup_tree_of(&host, "memory")->point, "/sys/fs/cgroup/memory");
	assert_string_equal(cgroup_tree_of(&host, "name=systemd")->own, "/user/1");
	assert_null(cgroup_tree_of(&host, "pids"));
	assert_null(cgroup_tree_of(&host, "cp"));
}

static void v2_alone(void **unused)
{
	cleanup(cgroup_host_release) struct cgroup_host host = {0};

	parse(&host, v2_mount, "0::/user.slice/me\n");
	assert_int_equal(cgroup_host_mode(&host), CGROUP_V2);
	assert_string_equal(host.trees.items[0].own, "/user.slice/me");
	assert_string_equal(host.trees.items[0].controllers, "");
}

static void both_are_hybrid_and_none_is_none(void **unused)
{
	cleanup(cgroup_host_release) struct cgroup_host host = {0}, none = {0};
	cleanup_free char *mounts = xasprintf("%s%s", v1_mounts, hybrid_mount);

	parse(&host, mounts, "2:memory:/a\n0::/b\n");
	assert_int_equal(cgroup_host_mode(&host), CGROUP_HYBRID);
	assert_string_equal(host.trees.items[3].own, "/b");
	parse(&none, "1 2 0:1 / / rw - ext4 /dev/sda rw\n", "");
	assert_int_equal(cgroup_host_mode(&none), CGROUP_NONE);
}

static void odd_lines_are_survived(void **unused)
{
	cleanup(cgroup_host_release) struct cgroup_host host = {0};

	parse(&host,
	      "\n - cgroup\n1 - cgroup2 x\n1 2 3 - cgroup cgroup rw,cpu\n"
	      "1 2 0:1 /a\\040b /c\\134d rw - cgroup cgroup rw,pids\nx y z\n",
	      ":\n::\n4\npids:/\n5:pids\n6:pids:/own\n");
	assert_int_equal(host.trees.len, 1);
	assert_string_equal(host.trees.items[0].root, "/a b");
	assert_string_equal(host.trees.items[0].point, "/c\\d");
	assert_string_equal(host.trees.items[0].own, "/own");
}

static void paths_of_containers(void **unused)
{
	static char point[] = "/cg", root[] = "/", own[] = "/me", top[] = "/";
	struct cgroup_tree tree = {.point = point, .root = root, .own = own};
	static const struct {
		const char *path, *expected;
	} cases[] = {
		{"/a/b", "/cg/a/b"},   {"/../../etc", "/cg/etc"}, {"/a/../../x", "/cg/x"},
		{"a/b", "/cg/me/a/b"}, {"../../x", "/cg/me/x"},   {NULL, "/cg/me/locald-id"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct cgroup_request request = {.id = "id", .path = cases[i].path};
		cleanup_free char *path = dir_path(&tree, &request);

		assert_string_equal(path, cases[i].expected);
	}
	tree.own = top;
	{
		const struct cgroup_request request = {.id = "id"};
		cleanup_free char *path = dir_path(&tree, &request);

		assert_string_equal(path, "/cg/locald-id");
	}
}

static void a_limit_without_its_controller_is_an_error(void **unused)
{
	static const struct spec_limit limit = {"pids.limit", "pids",     "pids.max",
	                                        "5",          "pids.max", "5"};
	static const struct spec_limit old = {"memory.swappiness", "memory", NULL, NULL, "x", "5"};
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(cgroup_host_release) struct cgroup_host host = {0};
	struct spec_resources resources = {0};
	struct cgroup cgroup = {0};
	struct cgroup_request request = {.id = "x", .resources = &resources};

	parse(&host, v1_mounts, v1_own);
	*array_add(&resources.limits) = limit;
	assert_int_equal(cgroup_make(&cgroup, &host, &request, &err), -1);
	assert_int_equal(err.code, ERR_UNSUPPORTED);
	assert_non_null(strstr(err.text, "no `pids` controller"));
	resources.limits.items[0] = old;
	assert_int_equal(cgroup_make(&cgroup, &host, &request, &err), -1);
	assert_non_null(strstr(err.text, "memory.swappiness"));
	assert_int_equal(cgroup.dirs.len, 0);
	spec_resources_release(&resources);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(v1_has_one_tree_for_each_hierarchy),
		cmocka_unit_test(v2_alone),
		cmocka_unit_test(both_are_hybrid_and_none_is_none),
		cmocka_unit_test(odd_lines_are_survived),
		cmocka_unit_test(paths_of_containers),
		cmocka_unit_test(a_limit_without_its_controller_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
