#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/job_child.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct seen {
	struct job_children children;
	struct loop *loop;
	int lines, looks;
	char *last;
	json_t *result;
};

static void on_line(json_t *line, void *data)
{
	struct seen *seen = data;

	seen->lines++;
	free(seen->last);
	seen->last = xstrdup(json_get_str(line, "text", ""));
}

static void on_result(json_t *result, void *data)
{
	struct seen *seen = data;

	seen->result = json_incref(result);
	loop_stop(seen->loop, 0);
}

static const struct job_events events = {.on_line = on_line, .on_result = on_result};

/* A program that stands for `locald-job`: a script, so that each test says what the job does. */
static struct job_child *start(struct seen *seen, char dir[], const char *script)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_json json_t *params = json_pack("{s:s}", "name", "a b");
	cleanup_free char *text = xasprintf("#!/bin/sh\n%s\n", script);
	cleanup_free char *path = NULL;
	struct job_child *job;

	assert_non_null(mkdtemp(dir));
	path = path_join(dir, "locald-job");
	assert_int_equal(fs_write_atomic(path, text, strlen(text), 0700, &err), 0);
	seen->loop = seen->children.loop = loop_new(&err);
	setenv("LOCALD_LIBEXEC", dir, 1);
	job = job_child_start(&seen->children, "kind", params, &events, seen, &err);
	assert_non_null(job);
	return job;
}

static void finish(struct seen *seen, const char *dir)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	free(seen->last);
	json_decref(seen->result);
	job_children_release(&seen->children);
	loop_free(seen->loop);
	assert_int_equal(fs_remove_tree(AT_FDCWD, dir, &err), 0);
}

static void run(struct seen *seen)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	assert_int_equal(loop_run(seen->loop, &err), 0);
}

static void parameters_go_in_and_lines_come_out(void **state)
{
	char dir[] = "/tmp/test_job.XXXXXX";
	struct seen seen = {0};

	start(&seen, dir,
	      "p=$(cat); echo \"{\\\"event\\\":\\\"log\\\",\\\"text\\\":\\\"$1\\\"}\"\n"
	      "echo 'not json'\n"
	      "printf '{\"event\":\"result\",\"ok\":true,\"got\":%s}' \"$p\"; echo");
	run(&seen);
	assert_int_equal(seen.lines, 2);
	assert_string_equal(seen.last, "not json");
	assert_true(json_get_bool(seen.result, "ok", false));
	assert_string_equal(json_get_str(json_object_get(seen.result, "got"), "name", ""), "a b");
	finish(&seen, dir);
}

static void a_death_is_a_failed_result(void **state)
{
	char dir[] = "/tmp/test_job.XXXXXX";
	struct seen seen = {0};
	const json_t *error;

	start(&seen, dir, "cat >/dev/null; kill -9 $$");
	run(&seen);
	assert_false(json_get_bool(seen.result, "ok", true));
	error = json_object_get(seen.result, "error");
	assert_string_equal(json_get_str(error, "text", ""), "kind was killed by signal 9");
	finish(&seen, dir);
}

/* Looks, and leaves the reaping to the loop, which gets to its last output after that at the
 * latest. */
static void stop_when_reaped(struct loop_source *source, void *data)
{
	struct seen *seen = data;
	siginfo_t info;

	if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && ++seen->looks == 2)
		loop_stop(seen->loop, 0);
	else
		loop_timer_set(source, 5);
}

static void a_cancelled_job_is_ended_and_says_nothing(void **state)
{
	char dir[] = "/tmp/test_job.XXXXXX";
	struct seen seen = {0};
	struct job_child *job =
		start(&seen, dir,
	              "trap 'echo \"{\\\"event\\\":\\\"result\\\"}\"; exit 0' TERM\n"
	              "while :; do sleep 0.01; done");
	struct loop_source *timer;

	job_child_cancel(job);
	timer = loop_add_timer(seen.loop, 5, stop_when_reaped, &seen);
	run(&seen);
	assert_null(seen.result);
	assert_int_equal(seen.lines, 0);
	loop_source_free(timer);
	finish(&seen, dir);
}

/* A sanitizer sees what would be left of it. */
static void one_that_has_not_ended_is_let_go(void **state)
{
	for (int is_cancelled = 0; is_cancelled <= 1; is_cancelled++) {
		char dir[] = "/tmp/test_job.XXXXXX";
		struct seen seen = {0};
		struct job_child *job = start(&seen, dir, "exec sleep 1000");

		if (is_cancelled)
			job_child_cancel(job);
		job_children_release(&seen.children);
		assert_int_equal(seen.children.items.len, 0);
		assert_true(waitpid(-1, NULL, 0) > 0);
		assert_null(seen.result);
		finish(&seen, dir);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parameters_go_in_and_lines_come_out),
		cmocka_unit_test(a_death_is_a_failed_result),
		cmocka_unit_test(a_cancelled_job_is_ended_and_says_nothing),
		cmocka_unit_test(one_that_has_not_ended_is_let_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
