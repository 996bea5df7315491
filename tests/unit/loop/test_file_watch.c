#include "../config/folder.h"

#include "base/array.h"
#include "base/str.h"
#include "loop/file_watch.h"
#include "loop/loop.h"

#include <sys/stat.h>

struct fixture {
	struct folder folder;
	struct loop *loop;
	struct file_watch *watch;
	struct watched_folder *first, *second;
	int told, lost;
	char name[256];
	bool frees_both;
	struct error err;
};

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->folder = folder_new();
	f->loop = loop_new(&f->err);
	f->watch = file_watch_new(f->loop, &f->err);
	*state = f;
	return f->watch ? 0 : -1;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	watched_folder_free(f->first);
	watched_folder_free(f->second);
	file_watch_free(f->watch);
	loop_free(f->loop);
	folder_release(&f->folder);
	error_release(&f->err);
	free(f);
	return 0;
}

static void on_change(struct watched_folder *folder, const char *name, uint32_t events, void *data)
{
	struct fixture *f = data;

	f->told++;
	if (name)
		(void)str_copy(f->name, sizeof(f->name), name);
	else
		f->lost++;
	if (f->frees_both) {
		watched_folder_free(take_ptr(f->first));
		watched_folder_free(take_ptr(f->second));
	}
}

static void on_done(struct loop_source *source, void *data)
{
	loop_stop(data, 0);
}

/* inotify queues an event before the call that causes it returns: one round sees all. */
static void run(struct fixture *f)
{
	struct loop_source *timer = loop_add_timer(f->loop, 1, on_done, f->loop);

	assert_int_equal(loop_run(f->loop, &f->err), 0);
	loop_source_free(timer);
}

static struct watched_folder *add(struct fixture *f, const char *name, uint32_t events)
{
	cleanup_free char *path = path_join(f->folder.path, name);
	struct watched_folder *folder =
		file_watch_add(f->watch, path, events, on_change, f, &f->err);

	if (!folder)
		fail_msg("%s", f->err.text);
	return folder;
}

static void names_that_change_are_told(void **state)
{
	struct fixture *f = *state;

	f->first = add(f, ".", FILE_WATCH_CONTENT);
	folder_write(&f->folder, "a", "1");
	run(f);
	assert_string_equal(f->name, "a");
	assert_int_equal(f->lost, 0);
	f->told = 0;
	run(f);
	assert_int_equal(f->told, 0);
}

static void each_user_is_told_what_it_asked_for(void **state)
{
	struct fixture *f = *state;
	cleanup_free char *path = path_join(f->folder.path, "a");

	folder_write(&f->folder, "a", "1");
	f->first = add(f, ".", FILE_WATCH_ARRIVAL);
	f->second = add(f, ".", IN_DELETE);
	assert_int_equal(unlink(path), 0);
	run(f);
	assert_int_equal(f->told, 1);
	watched_folder_free(take_ptr(f->second));
	folder_write(&f->folder, "b", "1");
	run(f);
	assert_string_equal(f->name, "b");
}

static void users_may_be_freed_inside_of_a_callback(void **state)
{
	struct fixture *f = *state;

	f->first = add(f, ".", FILE_WATCH_CONTENT);
	f->second = add(f, ".", FILE_WATCH_CONTENT);
	f->frees_both = true;
	folder_write(&f->folder, "a", "1");
	run(f);
	assert_int_equal(f->told, 1);
	f->frees_both = false;
	f->first = add(f, ".", FILE_WATCH_CONTENT);
	folder_write(&f->folder, "c", "1");
	run(f);
	assert_string_equal(f->name, "c");
}

static void a_folder_that_goes_is_told_without_a_name(void **state)
{
	struct fixture *f = *state;
	cleanup_free char *path = path_join(f->folder.path, "sub");

	assert_int_equal(mkdir(path, 0755), 0);
	f->first = add(f, "sub", FILE_WATCH_CONTENT);
	assert_int_equal(rmdir(path), 0);
	run(f);
	assert_true(f->lost > 0);
	/* The dead watch is let go of like any other. */
	watched_folder_free(take_ptr(f->first));
	assert_int_equal(mkdir(path, 0755), 0);
	f->first = add(f, "sub", FILE_WATCH_CONTENT);
	folder_write(&f->folder, "sub/x", "1");
	run(f);
	assert_string_equal(f->name, "x");
}

static void what_is_no_folder_is_an_error(void **state)
{
	struct fixture *f = *state;
	cleanup_free char *path = path_join(f->folder.path, "nothing");

	assert_null(file_watch_add(f->watch, path, FILE_WATCH_CONTENT, on_change, f, &f->err));
	assert_non_null(strstr(f->err.text, "nothing"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(names_that_change_are_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(each_user_is_told_what_it_asked_for, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(users_may_be_freed_inside_of_a_callback, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_folder_that_goes_is_told_without_a_name, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_folder_is_an_error, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
