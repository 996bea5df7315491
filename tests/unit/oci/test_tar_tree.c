#include "oci/tar_tree.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "fixture.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static int take(const void *bytes, size_t len, void *data, struct error *err)
{
	strbuf_add(data, bytes, len);
	return 0;
}

static void make_file(const char *dir, const char *name, const char *text, mode_t mode)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *path = path_join(dir, name);

	assert_ok(fs_write_atomic(path, text, strlen(text), mode, &err));
}

static void make_dir(const char *dir, const char *name, mode_t mode)
{
	cleanup_free char *path = path_join(dir, name);

	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chmod(path, mode), 0);
}

/* w/ with a/ (b), a.txt, a-b, link, hard, socket, pipe. */
static char *make_tree(const struct fixture *fixture)
{
	char *w = fixture_path(fixture, "w");
	cleanup_free char *link = path_join(w, "link");
	cleanup_free char *hard = path_join(w, "hard");
	cleanup_free char *text = path_join(w, "a.txt");
	cleanup_free char *pipe_path = path_join(w, "pipe");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	cleanup_close int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(mkdir(w, 0755), 0);
	make_dir(w, "a", 0750);
	make_file(w, "a/b", "bee", 0600);
	make_file(w, "a.txt", "text", 0755);
	make_file(w, "a-b", "", 0644);
	assert_int_equal(symlink("a", link), 0);
	assert_int_equal(linkat(-1, text, -1, hard, 0), 0);
	assert_int_equal(mkfifo(pipe_path, 0600), 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", w);
	assert_int_equal(bind(sock, (struct sockaddr *)&address, sizeof(address)), 0);
	return w;
}

/* "name type mode uid:gid size target" of each entry. */
static void describe(const struct strbuf *tar, struct strv *out)
{
	struct archive *archive = archive_read_new();
	struct archive_entry *entry;

	archive_read_support_format_tar(archive);
	assert_int_equal(archive_read_open_memory(archive, tar->buf, tar->len), ARCHIVE_OK);
	while (archive_read_next_header(archive, &entry) == ARCHIVE_OK) {
		const char *target = archive_entry_symlink(entry);

		assert_int_equal(archive_entry_mtime(entry), TAR_TIME_FIXED);
		assert_null(archive_entry_hardlink(entry));
		strv_addf(out, "%s %o %d:%d %d %s", archive_entry_pathname(entry),
		          archive_entry_mode(entry), (int)archive_entry_uid(entry),
		          (int)archive_entry_gid(entry), (int)archive_entry_size(entry),
		          target ? target : "-");
	}
	archive_read_free(archive);
}

static void assert_entries(const struct strbuf *tar, const char *const *expected, size_t count)
{
	cleanup(strv_release) struct strv found = STRV_INIT;

	describe(tar, &found);
	for (size_t i = 0; i < count && i < found.len; i++)
		assert_string_equal(found.items[i], expected[i]);
	assert_int_equal(found.len, count);
}

static void a_walk_descends_at_once(void **state)
{
	static const char *const expected[] = {
		"/app 40755 7:8 0 -",       "/app/a 40750 7:8 0 -",      "/app/a/b 100600 7:8 3 -",
		"/app/a-b 100644 7:8 0 -",  "/app/a.txt 100755 7:8 4 -", "/app/hard 100755 7:8 4 -",
		"/app/link 120777 7:8 0 a", "/app/pipe 10600 7:8 0 -",
	};
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	struct tar_writer tar = {.sink = take, .data = &out};
	struct tar_tree_options options = {.order = TAR_TREE_WALK, .uid = 7, .gid = 8};
	cleanup_free char *w = make_tree(*state);

	assert_ok(tar_tree_add(&tar, w, "/app", &options, &err));
	assert_ok(tar_writer_end(&tar, &err));
	assert_entries(&out, expected, ARRAY_LEN(expected));
}

static void paths_are_sorted_whole(void **state)
{
	static const char *const expected[] = {
		"/app 40755 7:8 0 -",        "/app/a 40750 7:8 0 -",    "/app/a-b 100644 7:8 0 -",
		"/app/a.txt 100755 7:8 4 -", "/app/a/b 100600 7:8 3 -", "/app/hard 100755 7:8 4 -",
		"/app/link 120777 7:8 0 a",  "/app/pipe 10600 7:8 0 -",
	};
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	struct tar_writer tar = {.sink = take, .data = &out};
	struct tar_tree_options options = {.order = TAR_TREE_PATHS, .uid = 7, .gid = 8};
	cleanup_free char *w = make_tree(*state);

	assert_ok(tar_tree_add(&tar, w, "/app", &options, &err));
	assert_ok(tar_writer_end(&tar, &err));
	assert_entries(&out, expected, ARRAY_LEN(expected));
}

static bool is_file(const char *name, const struct stat *st, void *data)
{
	assert_true(str_starts(name, data));
	return S_ISREG(st->st_mode);
}

static void entries_can_be_left_out(void **state)
{
	static const char *const expected[] = {
		"/app/a/b 100644 7:8 3 -",
		"/app/a-b 100644 7:8 0 -",
		"/app/a.txt 100755 7:8 4 -",
		"/app/hard 100755 7:8 4 -",
	};
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	struct tar_writer tar = {.sink = take, .data = &out};
	struct tar_tree_options options = {
		.uid = 7, .gid = 8, .plain_modes = true, .want = is_file, .data = (void *)"/app"};
	cleanup_free char *w = make_tree(*state);

	assert_ok(tar_tree_add(&tar, w, "/app", &options, &err));
	assert_ok(tar_writer_end(&tar, &err));
	assert_entries(&out, expected, ARRAY_LEN(expected));
}

static void parents_are_as_on_disk(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	struct tar_writer tar = {.sink = take, .data = &out};
	cleanup_free char *first = xasprintf("/w 40755 %d:%d 0 -", getuid(), getgid());
	cleanup_free char *second = xasprintf("/w/a 40750 %d:%d 0 -", getuid(), getgid());
	const char *const expected[] = {first, second};

	free(make_tree(fixture));
	assert_ok(tar_tree_add_parents(&tar, fixture->dir, "/w/a/b", &err));
	assert_ok(tar_writer_end(&tar, &err));
	assert_entries(&out, expected, ARRAY_LEN(expected));
	assert_int_equal(tar_tree_add_parents(&tar, fixture->dir, "/w/a.txt/x", &err), -1);
	assert_int_equal(err.code, ENOTDIR);
	assert_int_equal(tar_tree_add_parents(&tar, fixture->dir, "/w/none/x", &err), -1);
	assert_int_equal(err.code, ENOENT);
}

static void entries_can_be_made_up(void **state)
{
	static const char *const expected[] = {
		"/cnb 40755 0:0 0 -",
		"/cnb/process/web 120777 1:2 0 /cnb/lifecycle/launcher",
		"/cnb/order.toml 100600 1:2 5 -",
	};
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	struct tar_writer tar = {.sink = take, .data = &out};

	assert_ok(tar_tree_add_dir(&tar, "/cnb", 0755, 0, 0, &err));
	assert_ok(tar_tree_add_symlink(&tar, "/cnb/process/web", "/cnb/lifecycle/launcher", 1, 2,
	                               &err));
	assert_ok(tar_tree_add_bytes(&tar, "/cnb/order.toml", 0600, 1, 2, "a = 1", 5, &err));
	assert_ok(tar_writer_end(&tar, &err));
	assert_entries(&out, expected, ARRAY_LEN(expected));
}

static void a_missing_tree_is_an_error(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	struct tar_writer tar = {.sink = take, .data = &out};
	struct tar_tree_options options = {.uid = 0, .gid = 0};
	cleanup_free char *none = fixture_path(*state, "none");

	assert_int_equal(tar_tree_add(&tar, none, "/app", &options, &err), -1);
	assert_int_equal(err.code, ENOENT);
	options.order = TAR_TREE_PATHS;
	assert_int_equal(tar_tree_add(&tar, none, "/app", &options, &err), -1);
}

#define tree_test(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(a_walk_descends_at_once), tree_test(paths_are_sorted_whole),
		tree_test(entries_can_be_left_out), tree_test(parents_are_as_on_disk),
		tree_test(entries_can_be_made_up),  tree_test(a_missing_tree_is_an_error),
	};

	umask(022);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
