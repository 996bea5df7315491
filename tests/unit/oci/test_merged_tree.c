#include "fixture.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "oci/merged_tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Layers 0, 1, 2 and the copy are folders of the fixture. */
static char *at(const struct fixture *fixture, const char *path)
{
	return fixture_path(fixture, path);
}

static void make_dir(const struct fixture *fixture, const char *path)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *full = at(fixture, path);

	assert_ok(fs_mkdirs(full, 0755, &err));
}

static void make_file(const struct fixture *fixture, const char *path, const char *text)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *full = at(fixture, path), *dir = path_dir(full);

	assert_ok(fs_mkdirs(dir, 0755, &err));
	assert_ok(fs_write_atomic(full, text, strlen(text), 0640, &err));
}

static void make_link(const struct fixture *fixture, const char *path, const char *target)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *full = at(fixture, path), *dir = path_dir(full);

	assert_ok(fs_mkdirs(dir, 0755, &err));
	assert_int_equal(symlink(target, full), 0);
}

static void make_whiteout(const struct fixture *fixture, const char *path)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *full = at(fixture, path), *dir = path_dir(full);

	assert_ok(fs_mkdirs(dir, 0755, &err));
	assert_int_equal(mknod(full, S_IFCHR, 0), 0);
}

static void make_opaque(const struct fixture *fixture, const char *path)
{
	cleanup_free char *full = at(fixture, path);

	make_dir(fixture, path);
	assert_int_equal(setxattr(full, "user.overlay.opaque", "y", 1, 0), 0);
}

static int copy(const struct fixture *fixture, const char *path, struct error *err)
{
	static const char *const names[] = {"0", "1", "2"};
	int fds[ARRAY_LEN(names)], result;
	const struct merged_layers layers = {fds, ARRAY_LEN(names)};
	cleanup_free char *to = at(fixture, "copy");
	cleanup_close int dir = -1;

	make_dir(fixture, "copy");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		cleanup_free char *layer = at(fixture, names[i]);

		make_dir(fixture, names[i]);
		fds[i] = open(layer, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(fds[i] >= 0);
	}
	dir = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	result = merged_tree_copy(&layers, path, dir, err);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		close_fd(&fds[i]);
	return result;
}

static void assert_text(const struct fixture *fixture, const char *path, const char *text)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf got = STRBUF_INIT;
	cleanup_free char *full = at(fixture, path);

	assert_ok(fs_read_file(full, 4096, &got, &err));
	assert_string_equal(got.buf, text);
}

static bool is_there(const struct fixture *fixture, const char *path)
{
	cleanup_free char *full = at(fixture, path);
	struct stat st;

	return lstat(full, &st) == 0;
}

static void layers_lie_on_each_other(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *kept = NULL;
	struct stat st;

	make_file(fixture, "0/srv/kept", "0");
	make_file(fixture, "0/srv/changed", "0");
	make_file(fixture, "0/srv/gone", "0");
	make_file(fixture, "0/srv/dir/below", "0");
	make_file(fixture, "0/srv/cleared/below", "0");
	make_file(fixture, "0/srv/file_now/below", "0");
	make_file(fixture, "1/srv/changed", "1");
	make_whiteout(fixture, "1/srv/gone");
	make_file(fixture, "1/srv/dir/beside", "1");
	make_opaque(fixture, "1/srv/cleared");
	make_file(fixture, "1/srv/cleared/new", "1");
	make_file(fixture, "2/srv/file_now", "2");
	make_link(fixture, "2/srv/link", "/etc/passwd");
	assert_int_equal(copy(fixture, "/srv", &err), 1);
	assert_text(fixture, "copy/kept", "0");
	assert_text(fixture, "copy/changed", "1");
	assert_text(fixture, "copy/dir/below", "0");
	assert_text(fixture, "copy/dir/beside", "1");
	assert_text(fixture, "copy/cleared/new", "1");
	assert_text(fixture, "copy/file_now", "2");
	assert_false(is_there(fixture, "copy/gone"));
	assert_false(is_there(fixture, "copy/cleared/below"));
	assert_true(is_there(fixture, "copy/link"));
	kept = at(fixture, "copy/kept");
	assert_int_equal(stat(kept, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
}

static void what_is_hidden_is_not_copied(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;

	make_file(fixture, "0/a/b/c/file", "0");
	make_opaque(fixture, "1/a");
	assert_int_equal(copy(fixture, "/a/b/c", &err), 0);
	assert_int_equal(fixture_count(fixture, "copy"), 0);
}

static void a_folder_that_comes_back_is_new(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;

	make_file(fixture, "0/a/b/old", "0");
	make_whiteout(fixture, "1/a");
	make_file(fixture, "2/a/b/new", "2");
	assert_int_equal(copy(fixture, "/a/b", &err), 1);
	assert_int_equal(fixture_count(fixture, "copy"), 1);
	assert_text(fixture, "copy/new", "2");
}

static void links_stay_in_the_image(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *canary = xstrdup(fixture->canary);

	make_file(fixture, "0/run/app/file", "0");
	make_link(fixture, "1/var/run", "../../../run");
	make_link(fixture, "1/out", canary);
	make_link(fixture, "1/circle", "circle");
	assert_int_equal(copy(fixture, "/var/run/app", &err), 1);
	assert_text(fixture, "copy/file", "0");
	assert_int_equal(copy(fixture, "/out", &err), 0);
	assert_int_equal(copy(fixture, "/circle", &err), 0);
	assert_int_equal(copy(fixture, "/not/there", &err), 0);
	assert_int_equal(copy(fixture, "/run/app/file", &err), 0);
	assert_false(is_there(fixture, "copy/secret"));
}

static void the_whole_image_is_a_folder_too(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *pipe = at(fixture, "0/run/pipe"), *copied = at(fixture, "copy/run/pipe");
	cleanup_free char *noted = at(fixture, "1/bin/sh");
	cleanup_free char *file = at(fixture, "copy/bin/sh");
	char value[8] = "";
	struct stat st;

	make_file(fixture, "0/etc/gone", "0");
	make_file(fixture, "0/bin/sh", "0");
	make_dir(fixture, "0/run");
	assert_int_equal(mkfifo(pipe, 0600), 0);
	assert_int_equal(chmod(pipe, 0624), 0);
	make_whiteout(fixture, "1/etc/gone");
	make_file(fixture, "1/bin/sh", "1");
	assert_int_equal(setxattr(noted, "user.mark", "kept", 4, 0), 0);
	assert_int_equal(setxattr(noted, "user.overlay.origin", "x", 1, 0), 0);
	assert_int_equal(copy(fixture, "/", &err), 1);
	assert_text(fixture, "copy/bin/sh", "1");
	assert_true(is_there(fixture, "copy/etc"));
	assert_false(is_there(fixture, "copy/etc/gone"));
	assert_int_equal(stat(copied, &st), 0);
	assert_int_equal(st.st_mode, S_IFIFO | 0624);
	assert_int_equal(getxattr(file, "user.mark", value, sizeof(value)), 4);
	assert_string_equal(value, "kept");
	assert_int_equal(getxattr(file, "user.overlay.origin", value, sizeof(value)), -1);
}

#define tree_test(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(layers_lie_on_each_other),        tree_test(what_is_hidden_is_not_copied),
		tree_test(a_folder_that_comes_back_is_new), tree_test(links_stay_in_the_image),
		tree_test(the_whole_image_is_a_folder_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
