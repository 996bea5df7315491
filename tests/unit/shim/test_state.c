#include "shim/state.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/proc.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

struct fixture {
	char path[64];
	int root;
};

static int setup(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct fixture *fixture = xcalloc(1, sizeof(*fixture));

	snprintf(fixture->path, sizeof(fixture->path), "/tmp/test-state-XXXXXX");
	assert_non_null(mkdtemp(fixture->path));
	fixture->root = state_open_root(fixture->path, &err);
	assert_true(fixture->root >= 0);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct fixture *fixture = *state;

	close(fixture->root);
	assert_int_equal(fs_remove_tree(AT_FDCWD, fixture->path, &err), 0);
	free(fixture);
	return 0;
}

/* A saved container whose process is `pid` as it is now. */
static void make(const struct fixture *fixture, const char *id, pid_t pid, bool has_foreground)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(state_release) struct state made = {.dir = -1};
	struct proc_stat stat_line = {0};

	if (state_new(&made, fixture->root, id, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(proc_read_stat(pid, &stat_line, &err), 0);
	made.bundle = xstrdup("/bundle");
	made.rootfs = xstrdup("/bundle/rootfs");
	made.pid = pid;
	made.start_ticks = stat_line.start_ticks;
	made.has_foreground = has_foreground;
	made.foreground_pid = pid;
	made.foreground_ticks = stat_line.start_ticks;
	*array_add(&made.cgroup.dirs) = (struct cgroup_dir){
		.path = xstrdup("/cg/x"), .controllers = xstrdup("memory"), .is_v2 = false};
	assert_int_equal(state_save(&made, &err), 0);
}

static void what_is_saved_is_loaded(void **state)
{
	const struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(state_release) struct state loaded = {.dir = -1};
	cleanup_free char *document = NULL;
	struct stat st;

	make(fixture, "a", getpid(), false);
	assert_int_equal(state_load(&loaded, fixture->root, "a", &err), 0);
	assert_string_equal(loaded.bundle, "/bundle");
	assert_int_equal(loaded.pid, getpid());
	assert_string_equal(loaded.cgroup.dirs.items[0].path, "/cg/x");
	assert_false(loaded.cgroup.dirs.items[0].is_ours);
	assert_int_equal(state_status(&loaded), CONTAINER_RUNNING);
	document = state_document(&loaded, "stopped");
	assert_non_null(strstr(document, "\"pid\":0"));
	assert_int_equal(fstat(loaded.dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
}

static void a_pid_that_was_used_again_is_not_the_container(void **state)
{
	const struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(state_release) struct state loaded = {.dir = -1};

	make(fixture, "a", getpid(), false);
	assert_int_equal(state_load(&loaded, fixture->root, "a", &err), 0);
	loaded.start_ticks--;
	assert_int_equal(state_status(&loaded), CONTAINER_STOPPED);
	assert_int_equal(state_open_process(&loaded, &err), -1);
	assert_int_equal(err.code, ESRCH);
}

static void a_name_is_taken_until_it_is_removed(void **state)
{
	const struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(state_release) struct state again = {.dir = -1};

	make(fixture, "a", getpid(), true);
	assert_int_equal(state_new(&again, fixture->root, "a", &err), -1);
	assert_int_equal(err.code, EEXIST);
	assert_int_equal(state_load(&again, fixture->root, "a", &err), 0);
	assert_int_equal(state_remove(&again, &err), 0);
	assert_int_equal(state_remove(&again, &err), 0);
	make(fixture, "a", getpid(), true);
}

static pid_t ended_process(void)
{
	pid_t pid = fork();

	if (pid == 0)
		pause();
	return pid;
}

static void what_a_killed_run_left_is_taken_over(void **state)
{
	const struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strv_release) struct strv ids = STRV_INIT;
	pid_t pid = ended_process();

	make(fixture, "run", pid, true);
	make(fixture, "created", pid, false);
	assert_int_equal(state_list(fixture->root, &ids, &err), 0);
	assert_int_equal(ids.len, 2);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	strv_release(&ids);
	/* One that `create` made stays until somebody deletes it. */
	assert_int_equal(state_list(fixture->root, &ids, &err), 0);
	assert_int_equal(ids.len, 1);
	assert_string_equal(ids.items[0], "created");
	make(fixture, "run", getpid(), true);
}

static void ids_that_are_none(void **state)
{
	static const char *const bad[] = {"",    ".",   "..",       ".a", "a/b",
	                                  "a b", "a\n", "\xc3\xa4", "$x"};
	static const char *const good[] = {"a", "A-1_b+c.d", "-x", "+"};
	char longest[STATE_ID_MAX + 2];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;

		assert_int_equal(state_check_id(bad[i], &err), -1);
	}
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;

		assert_int_equal(state_check_id(good[i], &err), 0);
	}
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	{
		cleanup(error_release) struct error err = ERROR_INIT;

		assert_int_equal(state_check_id(longest, &err), -1);
		longest[STATE_ID_MAX] = '\0';
		assert_int_equal(state_check_id(longest, &err), 0);
	}
}

static void what_is_not_a_private_directory_is_refused(void **state)
{
	const struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	struct state loaded = {.dir = -1};

	assert_int_equal(mkdirat(fixture->root, "open", 0755), 0);
	assert_int_equal(state_load(&loaded, fixture->root, "open", &err), -1);
	assert_int_equal(err.code, EPERM);
	state_release(&loaded);
	assert_int_equal(symlinkat("/tmp", fixture->root, "link"), 0);
	assert_int_equal(state_load(&loaded, fixture->root, "link", &err), -1);
	state_release(&loaded);
	assert_int_equal(mkdirat(fixture->root, "empty", 0700), 0);
	assert_int_equal(state_load(&loaded, fixture->root, "empty", &err), -1);
	assert_int_equal(err.code, ENOENT);
	state_release(&loaded);
	assert_int_equal(fchmod(fixture->root, 0755), 0);
	assert_int_equal(state_open_root(fixture->path, &err), -1);
	assert_int_equal(err.code, EPERM);
}

static void a_state_that_is_no_json(void **state)
{
	const struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *path = xasprintf("%s/a/state.json", fixture->path);
	struct state loaded = {.dir = -1};

	make(fixture, "a", getpid(), false);
	assert_int_equal(fs_write_atomic(path, "{\"id\":", 6, 0600, &err), 0);
	assert_int_equal(state_load(&loaded, fixture->root, "a", &err), -1);
	assert_non_null(strstr(err.text, "container `a`"));
	state_release(&loaded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_saved_is_loaded, setup, teardown),
		cmocka_unit_test_setup_teardown(a_pid_that_was_used_again_is_not_the_container,
	                                        setup, teardown),
		cmocka_unit_test_setup_teardown(a_name_is_taken_until_it_is_removed, setup,
	                                        teardown),
		cmocka_unit_test_setup_teardown(what_a_killed_run_left_is_taken_over, setup,
	                                        teardown),
		cmocka_unit_test(ids_that_are_none),
		cmocka_unit_test_setup_teardown(what_is_not_a_private_directory_is_refused, setup,
	                                        teardown),
		cmocka_unit_test_setup_teardown(a_state_that_is_no_json, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
