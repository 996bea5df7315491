#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

struct place {
	char *dir;
	int fd;
};

static int make_place(void **state)
{
	struct place *place = xcalloc(1, sizeof(*place));

	place->dir = xstrdup("/tmp/test_fs.XXXXXX");
	if (!mkdtemp(place->dir))
		return -1;
	place->fd = open(place->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	*state = place;
	return 0;
}

static int remove_place(void **state)
{
	struct place *place = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	int done;

	close(place->fd);
	done = fs_remove_tree(AT_FDCWD, place->dir, &err);
	free(place->dir);
	free(place);
	return done;
}

static void paths_are_cleaned_lexically(void **state)
{
	static const char *const cases[][3] = {
		{"/a/b", "c", "/a/b/c"}, {"/a/b", "../c", "/a/c"}, {"/a", "/x//y/./z", "/x/y/z"},
		{"/", "../../..", "/"},  {"/a/b/", "./", "/a/b"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup_free char *got = path_absolute(cases[i][0], cases[i][1]);

		assert_string_equal(got, cases[i][2]);
	}
}

static void a_file_is_replaced_whole(void **state)
{
	struct place *place = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup_free char *path = path_join(place->dir, "file");
	struct stat st;

	assert_int_equal(fs_write_atomic(path, "one", 3, 0600, &err), 0);
	assert_int_equal(fs_write_atomic(path, "two!", 4, 0640, &err), 0);
	assert_int_equal(fs_read_file(path, 100, &text, &err), 0);
	assert_string_equal(text.buf, "two!");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	strbuf_reset(&text);
	assert_int_equal(fs_read_file(path, 3, &text, &err), -1);
	assert_int_equal(err.code, EFBIG);
}

static void an_open_directory_is_refused(void **state)
{
	struct place *place = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *mine = path_join(place->dir, "a/b");
	cleanup_free char *open_to_all = path_join(place->dir, "open");
	cleanup_free char *link_path = path_join(place->dir, "link");

	assert_int_equal(fs_mkdirs_private(mine, &err), 0);
	assert_int_equal(mkdir(open_to_all, 0700), 0);
	assert_int_equal(chmod(open_to_all, 0755), 0);
	assert_int_equal(fs_mkdirs_private(open_to_all, &err), -1);
	assert_non_null(strstr(err.text, "open to other users"));
	assert_non_null(strstr(err.hint, "chmod 700"));
	assert_int_equal(symlink(mine, link_path), 0);
	assert_int_equal(fs_mkdirs_private(link_path, &err), -1);
	assert_int_equal(err.code, ENOTDIR);
}

static void nothing_leads_out_of_a_root(void **state)
{
	struct place *place = *state;
	cleanup(error_release) struct error err = ERROR_INIT;

	assert_int_equal(symlinkat("/etc", place->fd, "abs"), 0);
	assert_int_equal(symlinkat("../../../etc", place->fd, "up"), 0);
	assert_int_equal(fs_open_beneath(place->fd, "abs/passwd", O_RDONLY, 0, &err), -1);
	assert_int_equal(err.code, EXDEV);
	assert_int_equal(fs_open_beneath(place->fd, "../x", O_RDONLY, 0, &err), -1);
	assert_int_equal(err.code, EXDEV);
	/* Within a root the same links mean <root>/etc, which is not there. */
	assert_int_equal(fs_open_in_root(place->fd, "up/passwd", O_RDONLY, 0, &err), -1);
	assert_int_equal(err.code, ENOENT);
}

static void directories_are_made_inside_the_root_only(void **state)
{
	struct place *place = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_close int fd = -1, through = -1;
	cleanup_free char *made = path_join(place->dir, "etc/deep/er");

	assert_int_equal(mkdirat(place->fd, "etc", 0755), 0);
	assert_int_equal(symlinkat("/etc", place->fd, "abs"), 0);
	fd = fs_mkdirs_in_root(place->fd, "/abs/deep/er", 0755, &err);
	assert_true(fd >= 0);
	assert_true(fs_is_dir(made));
	through = fs_mkdirs_in_root(place->fd, "etc", 0755, &err);
	assert_true(through >= 0);
	assert_int_equal(mknodat(place->fd, "file", S_IFREG | 0600, 0), 0);
	assert_int_equal(fs_mkdirs_in_root(place->fd, "file/x", 0755, &err), -1);
	assert_int_equal(err.code, ENOTDIR);
}

static void a_tree_goes_and_what_its_links_name_stays(void **state)
{
	struct place *place = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *locked = path_join(place->dir, "tree/locked");
	cleanup_free char *kept = path_join(place->dir, "kept");

	assert_int_equal(mkdirat(place->fd, "tree", 0700), 0);
	assert_int_equal(mkdirat(place->fd, "kept", 0700), 0);
	assert_int_equal(mkdir(locked, 0700), 0);
	assert_int_equal(symlinkat("../kept", place->fd, "tree/link"), 0);
	assert_int_equal(mknodat(place->fd, "tree/locked/file", S_IFREG | 0600, 0), 0);
	assert_int_equal(chmod(locked, 0000), 0);
	assert_int_equal(fs_remove_tree(place->fd, "tree", &err), 0);
	assert_int_equal(fs_remove_tree(place->fd, "tree", &err), 0); /* gone is fine */
	assert_true(fs_is_dir(kept));
}

static void a_lock_is_taken_once(void **state)
{
	struct place *place = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *path = path_join(place->dir, "lock");
	cleanup_close int first = fs_lock(path, false, &err);

	assert_true(first >= 0);
	assert_int_equal(fs_lock(path, false, &err), -1);
	assert_int_equal(err.code, EWOULDBLOCK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_cleaned_lexically),
		cmocka_unit_test(a_file_is_replaced_whole),
		cmocka_unit_test(an_open_directory_is_refused),
		cmocka_unit_test(nothing_leads_out_of_a_root),
		cmocka_unit_test(directories_are_made_inside_the_root_only),
		cmocka_unit_test(a_tree_goes_and_what_its_links_name_stays),
		cmocka_unit_test(a_lock_is_taken_once),
	};
	struct CMUnitTest with_place[ARRAY_LEN(tests)];

	for (size_t i = 0; i < ARRAY_LEN(tests); i++) {
		with_place[i] = tests[i];
		with_place[i].setup_func = make_place;
		with_place[i].teardown_func = remove_place;
	}
	return _cmocka_run_group_tests("fs", with_place, ARRAY_LEN(with_place), NULL, NULL);
}
