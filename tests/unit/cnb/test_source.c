#include "cnb/owner.h"
#include "cnb/source.h"
#include "unit/lifecycle/folder.h"

#include <unistd.h>

static void scan(const char *folder, const struct source *known, struct source *ret)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strv_release) struct strv exclude = STRV_INIT;
	cleanup_close int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	strv_add(&exclude, "left-out");
	assert_ok(source_scan(dir, &exclude, known, ret, &err));
}

static char *paths(const struct source *source)
{
	struct strbuf text = STRBUF_INIT;

	array_foreach(entry, &source->entries)
		strbuf_addf(&text, "%s%s", text.len ? " " : "", entry->path);
	return strbuf_detach(&text);
}

static void make_source(const char *folder)
{
	folder_write(folder, "a.txt", "a");
	folder_write(folder, "dir/b.txt", "b");
	folder_write(folder, ".git/config", "");
	folder_write(folder, "node_modules/x/index.js", "");
	folder_write(folder, "left-out", "");
	folder_write(folder, "docker-out/x", "");
	folder_write(folder, ".dockerignore", "docker-out\n");
}

static void what_belongs_to_the_source(void **state)
{
	const char *folder = *state;
	cleanup(source_release) struct source source = {0};
	cleanup_free char *got = NULL;

	make_source(folder);
	scan(folder, NULL, &source);
	got = paths(&source);
	assert_string_equal(got, ".dockerignore a.txt dir dir/b.txt");
	assert_int_equal(source.hashed, 3);
}

static void project_toml_includes_and_excludes(void **state)
{
	const char *folder = *state;
	cleanup(source_release) struct source source = {0};
	cleanup_free char *got = NULL;

	make_source(folder);
	folder_write(folder, "dir/c.md", "");
	folder_write(folder, "project.toml",
	             "[io.buildpacks]\ninclude = [\"dir\"]\nexclude = [\"*.md\"]\n");
	scan(folder, NULL, &source);
	got = paths(&source);
	assert_string_equal(got, "dir dir/b.txt");
}

static void a_broken_project_toml_is_an_error(void **state)
{
	const char *folder = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strv_release) struct strv none = STRV_INIT;
	cleanup(source_release) struct source source = {0};
	cleanup_close int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	folder_write(folder, "project.toml", "x = \n");
	assert_int_equal(source_scan(dir, &none, NULL, &source, &err), -1);
	assert_true(str_starts(err.text, "project.toml:1:"));
}

static void differences_have_names(void **state)
{
	const char *folder = *state;
	cleanup(source_release) struct source before = {0};
	cleanup(source_release) struct source changed = {0};
	cleanup(source_release) struct source added = {0};
	cleanup_free char *one = NULL;
	cleanup_free char *new = NULL;
	cleanup_free char *gone = NULL;
	cleanup_free char *many = NULL;
	cleanup_free char *none = NULL;

	make_source(folder);
	scan(folder, NULL, &before);
	folder_write(folder, "dir/b.txt", "other");
	scan(folder, NULL, &changed);
	folder_write(folder, "c.txt", "c");
	scan(folder, NULL, &added);
	one = source_difference(&before, &changed);
	new = source_difference(&changed, &added);
	gone = source_difference(&added, &changed);
	many = source_difference(&before, &added);
	none = source_difference(&before, &before);
	assert_string_equal(one, "dir/b.txt changed");
	assert_string_equal(new, "c.txt is new");
	assert_string_equal(gone, "c.txt was removed");
	assert_string_equal(many, "2 files changed: c.txt, dir/b.txt");
	assert_string_equal(none, "no file changed");
	assert_string_not_equal(before.digest, changed.digest);
	assert_string_not_equal(changed.digest, added.digest);
}

/* Makes everything look long unchanged, or just changed. */
static void set_scan_age(struct source *source, int64_t age_ns)
{
	source->scanned_ns += age_ns;
}

static void only_changed_files_are_read_again(void **state)
{
	const char *folder = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *index = path_join(folder, "left-out");
	cleanup(source_release) struct source first = {0};
	cleanup(source_release) struct source loaded = {0};
	cleanup(source_release) struct source second = {0};
	cleanup(source_release) struct source racy = {0};

	make_source(folder);
	scan(folder, NULL, &first);
	set_scan_age(&first, INT64_C(10000000000));
	assert_ok(source_save(index, &first, &err));
	source_load(index, &loaded);
	assert_string_equal(loaded.digest, first.digest);
	folder_write(folder, "a.txt", "b");
	scan(folder, &loaded, &second);
	assert_int_equal(second.hashed, 1);
	assert_string_not_equal(second.digest, first.digest);
	/* A file that changed in the same moment as the scan may have changed after it. */
	set_scan_age(&loaded, -INT64_C(10000000000));
	scan(folder, &loaded, &racy);
	assert_int_equal(racy.hashed, 3);
}

static void new_times_with_old_contents_are_no_change(void **state)
{
	const char *folder = *state;
	cleanup_free char *path = path_join(folder, "a.txt");
	const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	cleanup(source_release) struct source first = {0};
	cleanup(source_release) struct source second = {0};

	make_source(folder);
	scan(folder, NULL, &first);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	scan(folder, &first, &second);
	assert_string_equal(first.digest, second.digest);
}

static void a_damaged_index_is_empty(void **state)
{
	static const char *const texts[] = {"", "locald source 1", "locald source 2 1 x\n",
	                                    "locald source 1 12 sha256:0"};
	const char *folder = *state;
	cleanup_free char *index = path_join(folder, "index");

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		cleanup(source_release) struct source source = {0};

		folder_write(folder, "index", texts[i]);
		source_load(index, &source);
		assert_int_equal(source.entries.len, 0);
	}
}

static void the_copy_is_complete_and_owned(void **state)
{
	const char *folder = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(source_release) struct source source = {0};
	struct owner owner = {.uid = geteuid(), .gid = getegid()};
	cleanup_free char *to_path = path_join(folder, "left-out-dir");
	cleanup_free char *link = path_join(folder, "dir/link");
	cleanup_free char *text = NULL;
	cleanup_close int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int to = -1;
	char target[32] = "";

	userns_map_single(&owner.map, owner.uid, owner.gid);
	make_source(folder);
	assert_int_equal(symlink("../a.txt", link), 0);
	scan(folder, NULL, &source);
	assert_int_equal(mkdir(to_path, 0755), 0);
	to = open(to_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_ok(source_copy(dir, &source, to, &owner, &err));
	text = folder_read(to_path, "dir/b.txt");
	assert_string_equal(text, "b");
	assert_int_equal(readlinkat(to, "dir/link", target, sizeof(target) - 1), 8);
	assert_string_equal(target, "../a.txt");
	assert_int_equal(faccessat(to, ".git", F_OK, 0), -1);
}

static void a_change_during_the_copy_is_seen(void **state)
{
	const char *folder = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strv_release) struct strv exclude = STRV_INIT;
	cleanup(source_release) struct source source = {0};
	cleanup_close int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	strv_add(&exclude, "left-out");
	make_source(folder);
	scan(folder, NULL, &source);
	assert_int_equal(source_is_unchanged(dir, &exclude, &source, &err), 1);
	folder_write(folder, "a.txt", "longer");
	assert_int_equal(source_is_unchanged(dir, &exclude, &source, &err), 0);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)
	const struct CMUnitTest tests[] = {
		IN_FOLDER(what_belongs_to_the_source),
		IN_FOLDER(project_toml_includes_and_excludes),
		IN_FOLDER(a_broken_project_toml_is_an_error),
		IN_FOLDER(differences_have_names),
		IN_FOLDER(only_changed_files_are_read_again),
		IN_FOLDER(new_times_with_old_contents_are_no_change),
		IN_FOLDER(a_damaged_index_is_empty),
		IN_FOLDER(the_copy_is_complete_and_owned),
		IN_FOLDER(a_change_during_the_copy_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
