#include "lifecycle/cache.h"
#include "unit/lifecycle/folder.h"

#define ONE "sha256:1"
#define TWO "sha256:2"

static json_t *entry(const char *sha)
{
	return json_pack("{s:s, s:b}", "sha", sha, "cache", 1);
}

/* A generation with one layer, its tar from a file of the folder. */
static void commit(const char *folder, const char *sha)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(cache_release) struct cache cache = {0};
	cleanup_free char *dir = path_join(folder, "cache");
	cleanup_free char *file = path_join(folder, "tar");

	assert_ok(cache_open(dir, &cache, &err));
	assert_ok(cache_begin(&cache, &err));
	cache_note(&cache, "a/b", "1", "layer", entry(sha));
	if (cache_has(&cache, sha))
		assert_ok(cache_keep(&cache, sha, &err));
	else
		assert_ok(cache_put(&cache, sha, file, &err));
	assert_ok(cache_commit(&cache, &err));
}

static const char *committed_sha(const struct cache *cache)
{
	return json_get_str(json_object_get(cache_layers(cache->metadata, "a/b"), "layer"), "sha",
	                    "none");
}

static void generations_follow_each_other(void **state)
{
	const char *folder = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(cache_release) struct cache cache = {0};
	cleanup_free char *dir = path_join(folder, "cache");
	cleanup_free char *staging = path_join(dir, "staging");
	cleanup_free char *backup = path_join(dir, "committed-backup");

	folder_write(folder, "tar", "one");
	commit(folder, ONE);
	folder_write(folder, "tar", "two");
	commit(folder, TWO);
	assert_ok(cache_open(dir, &cache, &err));
	assert_string_equal(committed_sha(&cache), TWO);
	assert_true(cache_has(&cache, TWO));
	assert_false(cache_has(&cache, ONE));
	assert_false(fs_exists(staging));
	assert_false(fs_exists(backup));
}

static void an_equal_generation_is_not_written(void **state)
{
	const char *folder = *state;
	cleanup_free char *tar = path_join(folder, "cache/committed/" ONE ".tar");
	cleanup_free char *committed = path_join(folder, "cache/committed");
	struct stat before, after;

	folder_write(folder, "tar", "one");
	commit(folder, ONE);
	assert_int_equal(stat(committed, &before), 0);
	commit(folder, ONE);
	assert_int_equal(stat(committed, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	assert_int_equal(stat(tar, &after), 0);
	assert_int_equal(after.st_nlink, 1);
}

static void a_commit_that_was_killed_leaves_the_last_generation(void **state)
{
	const char *folder = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(cache_release) struct cache cache = {0};
	cleanup_free char *dir = path_join(folder, "cache");
	cleanup_free char *committed = path_join(dir, "committed");
	cleanup_free char *backup = path_join(dir, "committed-backup");

	folder_write(folder, "tar", "one");
	commit(folder, ONE);
	assert_int_equal(rename(committed, backup), 0);
	assert_ok(cache_open(dir, &cache, &err));
	assert_string_equal(committed_sha(&cache), ONE);
}

static void a_damaged_cache_is_empty(void **state)
{
	const char *folder = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(cache_release) struct cache cache = {0};
	cleanup_free char *dir = path_join(folder, "cache");

	folder_write(folder, "cache/committed/io.buildpacks.lifecycle.cache.metadata", "{broken");
	assert_ok(cache_open(dir, &cache, &err));
	assert_null(cache_layers(cache.metadata, "a/b"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(generations_follow_each_other, folder_make,
	                                        folder_remove),
		cmocka_unit_test_setup_teardown(an_equal_generation_is_not_written, folder_make,
	                                        folder_remove),
		cmocka_unit_test_setup_teardown(a_commit_that_was_killed_leaves_the_last_generation,
	                                        folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(a_damaged_cache_is_empty, folder_make,
	                                        folder_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
