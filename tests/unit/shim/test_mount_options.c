#include "shim/mount_options.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mount.h>

#include <cmocka.h>

static void add(struct mount_options *options, const char *word)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	assert_int_equal(mount_options_add(options, word, &err), 0);
}

static void words_go_where_they_belong(void **unused)
{
	cleanup(mount_options_release) struct mount_options options = {0};

	add(&options, "ro");
	add(&options, "nosuid");
	add(&options, "rnoexec");
	add(&options, "rbind");
	add(&options, "rslave");
	add(&options, "mode=755");
	add(&options, "sync");
	assert_true(options.attr_set == (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID));
	assert_true(options.attr_set_all == MOUNT_ATTR_NOEXEC);
	assert_true(options.bind && options.recursive);
	assert_true(options.propagation == MS_SLAVE && options.propagation_all);
	assert_int_equal(options.data.len, 2);
	assert_string_equal(options.data.items[0], "mode=755");
}

static void the_last_word_wins(void **unused)
{
	cleanup(mount_options_release) struct mount_options options = {0};

	add(&options, "ro");
	add(&options, "rw");
	assert_true(options.attr_set == 0 && options.attr_clear == MOUNT_ATTR_RDONLY);
	add(&options, "ro");
	assert_true(options.attr_set == MOUNT_ATTR_RDONLY && options.attr_clear == 0);
	add(&options, "noatime");
	add(&options, "relatime");
	assert_true((options.attr_set & MOUNT_ATTR__ATIME) == MOUNT_ATTR_RELATIME);
}

static void what_is_not_done_is_refused_by_name(void **unused)
{
	static const char *const words[] = {"copy-symlink", "remount"};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup(mount_options_release) struct mount_options options = {0};

		assert_int_equal(mount_options_add(&options, words[i], &err), -1);
		assert_int_equal(err.code, ERR_UNSUPPORTED);
		assert_non_null(strstr(err.text, words[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_go_where_they_belong),
		cmocka_unit_test(the_last_word_wins),
		cmocka_unit_test(what_is_not_done_is_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
