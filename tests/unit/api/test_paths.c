#include "api/paths.c"

#include <fcntl.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static char home[] = "/tmp/test_paths.XXXXXX";

static int set_up(void **state unused_arg)
{
	static const char *const names[] = {"XDG_RUNTIME_DIR", "XDG_STATE_HOME",  "XDG_DATA_HOME",
	                                    "XDG_CACHE_HOME",  "XDG_CONFIG_HOME", "LOCALD_SANDBOX",
	                                    "LOCALD_LIBEXEC"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		unsetenv(names[i]);
	setenv("HOME", home, 1);
	return 0;
}

static void assert_below(const char *path, const char *root, const char *rest)
{
	cleanup_free char *expected = xasprintf("%s/%s", root, rest);

	assert_string_equal(path, expected);
}

static void test_defaults(void **state unused_arg)
{
	cleanup(paths_release) struct paths paths = PATHS_INIT;
	struct error err = ERROR_INIT;

	assert_int_equal(paths_init(&paths, NULL, &err), 0);
	assert_null(paths.sandbox);
	assert_below(paths.run, home, ".local/state/locald/run");
	assert_below(paths.state, home, ".local/state/locald");
	assert_below(paths.data, home, ".local/share/locald");
	assert_below(paths.cache, home, ".cache/locald");
	assert_below(paths.config, home, ".config/locald");
}

static void test_variables(void **state unused_arg)
{
	cleanup(paths_release) struct paths paths = PATHS_INIT;
	struct error err = ERROR_INIT;

	setenv("XDG_RUNTIME_DIR", home, 1);
	setenv("XDG_STATE_HOME", "/s", 1);
	setenv("XDG_DATA_HOME", "relative/counts/as/unset", 1);
	setenv("XDG_CACHE_HOME", "", 1);
	assert_int_equal(paths_init(&paths, NULL, &err), 0);
	assert_below(paths.run, home, "locald");
	assert_string_equal(paths.state, "/s/locald");
	assert_below(paths.data, home, ".local/share/locald");
	assert_below(paths.cache, home, ".cache/locald");
}

static void test_foreign_runtime_dir(void **state unused_arg)
{
	cleanup(paths_release) struct paths paths = PATHS_INIT;
	struct error err = ERROR_INIT;

	/* /proc/1 belongs to root; as root, a path that is not there does as well. */
	setenv("XDG_RUNTIME_DIR", geteuid() == 0 ? "/nonexistent" : "/proc/1", 1);
	assert_int_equal(paths_init(&paths, NULL, &err), 0);
	assert_below(paths.run, home, ".local/state/locald/run");
}

static void test_sandbox(void **state unused_arg)
{
	cleanup(paths_release) struct paths paths = PATHS_INIT;
	struct error err = ERROR_INIT;

	setenv("XDG_RUNTIME_DIR", home, 1);
	setenv("LOCALD_SANDBOX", "other", 1);
	assert_int_equal(paths_init(&paths, "ci-1", &err), 0);
	assert_string_equal(paths.sandbox, "ci-1");
	assert_below(paths.run, home, ".local/state/locald/sandbox/ci-1/run");
	assert_below(paths.state, home, ".local/state/locald/sandbox/ci-1/state");
	assert_below(paths.config, home, ".local/state/locald/sandbox/ci-1/config");
	paths_release(&paths);

	assert_int_equal(paths_init(&paths, NULL, &err), 0);
	assert_string_equal(paths.sandbox, "other");
	paths_release(&paths);

	assert_int_equal(paths_init(&paths, "", &err), 0);
	assert_null(paths.sandbox);
}

static void test_bad_sandbox(void **state unused_arg)
{
	static const char *const bad[] = {"..",  "a/b", "A",
	                                  "a b", "é",   "123456789012345678901234567890123"};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		struct paths paths = PATHS_INIT;

		assert_int_equal(paths_init(&paths, bad[i], &err), -1);
		assert_int_equal(err.code, ERR_USAGE);
		assert_non_null(err.hint);
		assert_null(paths.run);
	}
}

static void test_create(void **state unused_arg)
{
	cleanup(paths_release) struct paths paths = PATHS_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;
	struct stat st;

	assert_int_equal(paths_init(&paths, "made", &err), 0);
	assert_int_not_equal(stat(paths.run, &st), 0);
	assert_int_equal(paths_create(&paths, &err), 0);
	assert_int_equal(stat(paths.run, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);

	assert_int_equal(chmod(paths.cache, 0755), 0);
	assert_int_equal(paths_create(&paths, &err), -1);
	assert_non_null(err.hint);
	assert_int_equal(chmod(paths.cache, 0700), 0);
}

static void test_project_id(void **state unused_arg)
{
	cleanup_free char *id = paths_project_id("shop", "/home/me/code/shop");
	cleanup_free char *other = paths_project_id("shop", "/home/me/code/old/shop");
	cleanup_free char *odd = paths_project_id("../a b", "/x");

	assert_string_equal(id, "shop-de38dd9a");
	assert_string_not_equal(id, other);
	assert_true(str_starts(odd, "---a-b-"));
	assert_null(strchr(odd, '/'));
}

static void test_files(void **state unused_arg)
{
	const struct paths paths = {.run = xstrdup("/r"),
	                            .state = xstrdup("/s"),
	                            .data = xstrdup("/d"),
	                            .cache = xstrdup("/c")};
	cleanup_free char *sock = paths_keeper_sock(&paths, "shop-0", "web");
	cleanup_free char *log = paths_log_dir(&paths, "shop-0", "web");
	cleanup_free char *container = paths_container_dir(&paths, "shop-0", "web");
	cleanup_free char *cache = paths_build_cache(&paths, "shop-0", "web");

	assert_string_equal(sock, "/r/keepers/shop-0/web.sock");
	assert_string_equal(log, "/s/logs/shop-0/web");
	assert_string_equal(container, "/s/containers/shop-0/web");
	assert_string_equal(cache, "/c/builds/shop-0/web");
	paths_release((struct paths *)&paths);
}

static void test_libexec(void **state unused_arg)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *program = path_join(home, "locald-keeper");
	cleanup_free char *found = NULL;
	FILE *file;

	setenv("LOCALD_LIBEXEC", home, 1);
	assert_null(paths_libexec("locald-keeper", &err));
	assert_int_equal(err.code, ENOENT);

	file = fopen(program, "w");
	assert_non_null(file);
	fclose(file);
	assert_int_equal(chmod(program, 0600), 0);
	assert_null(paths_libexec("locald-keeper", &err)); /* not executable */

	assert_int_equal(chmod(program, 0700), 0);
	found = paths_libexec("locald-keeper", &err);
	assert_string_equal(found, program);

	/* A folder of that name is not a program. */
	assert_int_equal(unlink(program), 0);
	assert_int_equal(mkdir(program, 0700), 0);
	assert_null(paths_libexec("locald-keeper", &err));
	assert_int_equal(rmdir(program), 0);
}

static void test_self(void **state unused_arg)
{
	cleanup_free char *self = paths_self();

	assert_int_equal(access(self, X_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_defaults, set_up),
		cmocka_unit_test_setup(test_variables, set_up),
		cmocka_unit_test_setup(test_foreign_runtime_dir, set_up),
		cmocka_unit_test_setup(test_sandbox, set_up),
		cmocka_unit_test_setup(test_bad_sandbox, set_up),
		cmocka_unit_test_setup(test_create, set_up),
		cmocka_unit_test_setup(test_project_id, set_up),
		cmocka_unit_test_setup(test_files, set_up),
		cmocka_unit_test_setup(test_libexec, set_up),
		cmocka_unit_test_setup(test_self, set_up),
	};
	struct error err = ERROR_INIT;
	int failed;

	if (!mkdtemp(home))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fs_remove_tree(AT_FDCWD, home, &err);
	error_release(&err);
	return failed;
}
