#include "base/userns.c"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <cmocka.h>

static void write_text(const char *path, const char *text)
{
	cleanup_file FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
}

static void ranges_are_read_by_name_and_number(void **state)
{
	struct userns_extent extents[USERNS_EXTENTS];
	char path[] = "/tmp/subuid.XXXXXX";
	int fd = mkstemp(path);
	size_t len = 0;

	assert_true(fd >= 0);
	close(fd);
	write_text(path, "root:1:1\njo:100000:65536\n# note\n1000:300000:10\njoe:7:7\n");
	read_ranges(path, "jo", 1000, 1, extents, &len);
	assert_int_equal(len, 2);
	assert_int_equal(extents[0].inside, 1);
	assert_int_equal(extents[0].outside, 100000);
	assert_int_equal(extents[1].inside, 65537);
	assert_int_equal(extents[1].outside, 300000);

	len = 0;
	write_text(path,
	           "jo:0:65536\njo:x:1\njo:5\njo\njo:-1:4\njo:4294967295:2\njo:10:99999999999\n");
	read_ranges(path, "jo", 1000, 1, extents, &len);
	assert_int_equal(len, 0); /* uid 0 of the host, and every malformed line */

	len = 0;
	write_text(path, "jo:1:1\njo:2:1\njo:3:1\njo:4:1\njo:5:1\njo:6:1\n");
	read_ranges(path, "jo", 1000, 1, extents, &len);
	assert_int_equal(len, USERNS_EXTENTS);
	unlink(path);
}

struct case_of_switch {
	const char *file, *value;
	int code;
	const char *expected; /* in the hint; NULL: no hint */
};

static const struct case_of_switch switch_cases[] = {
	{"user/max_user_namespaces", "0\n", ENOSPC, "sysctl -w user.max_user_namespaces="},
	{"user/max_user_namespaces", "0\n", EUSERS, "sysctl -w user.max_user_namespaces="},
	{"user/max_user_namespaces", "5\n", ENOSPC, "a limit on namespaces"},
	{"user/max_user_namespaces", "0\n", EPERM, "sandbox"},
	{"kernel/unprivileged_userns_clone", "0\n", EPERM, "kernel.unprivileged_userns_clone=1"},
	{"kernel/unprivileged_userns_clone", "1\n", EPERM, "sandbox"},
	{"kernel/unprivileged_userns_clone", "", EPERM, "sandbox"},
	{"kernel/apparmor_restrict_unprivileged_userns", "1\n", EACCES, "`userns,`"},
	{"kernel/apparmor_restrict_unprivileged_userns", "0\n", EACCES, "sandbox"},
	{"kernel/apparmor_restrict_unprivileged_userns", "1\n", EINVAL, NULL},
};

static void what_forbids_namespaces_is_explained(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(switch_cases); i++) {
		const struct case_of_switch *one = &switch_cases[i];
		cleanup(error_release) struct error err = ERROR_INIT, ignored = ERROR_INIT;
		char folder[] = "/tmp/sysctl.XXXXXX";
		cleanup_free char *path = NULL, *dir = NULL;

		assert_non_null(mkdtemp(folder));
		path = path_join(folder, one->file);
		dir = path_dir(path);
		assert_int_equal(mkdir(dir, 0700), 0);
		write_text(path, one->value);
		error_set(&err, one->code, "made up");
		explain(folder, one->code, &err);
		if (one->expected)
			assert_non_null(strstr(err.hint, one->expected));
		else
			assert_null(err.hint);
		unlink(path);
		rmdir(dir);
		rmdir(folder);
	}
}

static void ids_go_through_the_map(void **state)
{
	struct userns_map map = {.uids = 2, .gids = 1};

	map.uid[0] = (struct userns_extent){0, 1000, 1};
	map.uid[1] = (struct userns_extent){1, 100000, 65536};
	map.gid[0] = (struct userns_extent){5, 4294967290u, 3};
	assert_int_equal(userns_host_uid(&map, 0), 1000);
	assert_int_equal(userns_host_uid(&map, 1), 100000);
	assert_int_equal(userns_host_uid(&map, 65536), 165535);
	assert_int_equal(userns_host_uid(&map, 65537), -1);
	assert_int_equal(userns_host_gid(&map, 4), -1);
	assert_int_equal(userns_host_gid(&map, 7), 4294967292);
	assert_int_equal(userns_host_gid(&map, 8), -1);
}

static int see_root(void *data, struct error *err)
{
	const struct userns_map *map = data;

	if (getuid() != 0 || geteuid() != 0 || getegid() != 0)
		return error_set(err, EPERM, "uid %u, not root", geteuid());
	/* Changing to another user is what a full map is for. */
	if (!map->is_single && setresuid(1, 1, 1) < 0)
		return error_errno(err, errno, "setresuid");
	return 42;
}

static int fail_inside(void *data, struct error *err)
{
	error_set(err, ERR_UNSUPPORTED, "inside: %s", (const char *)data);
	return error_hint(err, "a hint");
}

static int die_inside(void *data, struct error *err)
{
	raise(SIGTERM);
	return 0;
}

static void assert_runs(const struct userns_map *map)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	int result = userns_run(map, see_root, (void *)map, &err);

	if (result != 42)
		print_error("%s\n", err.text);
	assert_int_equal(result, 42);

	assert_int_equal(userns_run(map, fail_inside, (void *)"no", &err), -1);
	assert_int_equal(err.code, ERR_UNSUPPORTED);
	assert_string_equal(err.text, "inside: no");
	assert_string_equal(err.hint, "a hint");

	assert_int_equal(userns_run(map, die_inside, NULL, &err), -1);
	assert_non_null(strstr(err.text, "signal 15"));
}

static void the_callers_map_works(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct userns_map map;

	assert_int_equal(userns_map_for_caller(&map, &err), 0);
	for (size_t i = 0; i < map.uids && getuid() == 0 && !map.is_single; i++)
		assert_true(map.uid[i].outside != 0);
	assert_runs(&map);
}

static void a_single_id_works(void **state)
{
	struct userns_map map;

	userns_map_single(&map, 0, 0);
	assert_true(map.is_single);
	assert_runs(&map);
}

static int become_nobody(struct error *err)
{
	/* A process that changed its user owns its own /proc files again only when dumpable. */
	if (setgroups(0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0 ||
	    setresuid(65534, 65534, 65534) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0)
		return error_errno(err, errno, "become nobody");
	return 0;
}

static int as_nobody(void *data, struct error *err)
{
	struct userns_map map;

	if (become_nobody(err) < 0)
		return -1;
	if (userns_map_for_caller(&map, err) < 0)
		return -1;
	if (!map.is_single || map.uid[0].outside != 65534)
		return error_set(err, EINVAL, "nobody has %zu extents", map.uids);
	return userns_run(&map, see_root, &map, err);
}

static void a_user_without_ranges_gets_one_id(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct fork_call call;
	int result;

	if (getuid() != 0)
		skip();
	assert_int_equal(fork_call_start(as_nobody, NULL, &call, &err), 0);
	result = fork_call_wait(&call, &err);
	if (result < 0)
		print_error("%s\n", err.text);
	assert_int_equal(result, 42);
}

static int try_foreign_map(void *data, struct error *err)
{
	struct userns_map map = {.uids = 1, .gids = 1};

	if (become_nobody(err) < 0)
		return -1;
	map.uid[0] = map.gid[0] = (struct userns_extent){0, 0, 10};
	return userns_run(&map, see_root, &map, err);
}

static void another_users_ids_are_refused(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct fork_call call;

	if (getuid() != 0)
		skip();
	assert_int_equal(fork_call_start(try_foreign_map, NULL, &call, &err), 0);
	assert_int_equal(fork_call_wait(&call, &err), -1);
	assert_int_equal(err.code, EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_are_read_by_name_and_number),
		cmocka_unit_test(what_forbids_namespaces_is_explained),
		cmocka_unit_test(ids_go_through_the_map),
		cmocka_unit_test(the_callers_map_works),
		cmocka_unit_test(a_single_id_works),
		cmocka_unit_test(a_user_without_ranges_gets_one_id),
		cmocka_unit_test(another_users_ids_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
