#include "fixture.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "oci/image.h"
#include "oci/import.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>

static char *make_rootfs(const struct fixture *fixture, enum tar_filter filter)
{
	char *path = fixture_path(fixture, "root.tar");
	struct archive *tar = tar_begin(path, filter);

	tar_dir(tar, "./", 0755);
	tar_file(tar, "./bin/sh", "#!");
	tar_detail(tar, &(struct tar_detail){.name = "./dev/null", .type = AE_IFCHR, .mode = 0666});
	tar_end(tar);
	return path;
}

static int import(struct fixture *fixture, const char *path, const char *name,
                  struct import_result *ret, struct error *err)
{
	struct import_request request = {.store = &fixture->store, .path = path, .name = name};

	return import_image(&request, ret, err);
}

static void a_root_file_system_becomes_an_image(void **state)
{
	struct fixture *fixture = *state;

	for (enum tar_filter filter = TAR_PLAIN; filter <= TAR_ZSTD; filter++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup(import_result_release) struct import_result result = {0};
		cleanup(image_release) struct image image = IMAGE_INIT;
		cleanup(strv_release) struct strv env = STRV_INIT;
		cleanup_free char *path = make_rootfs(fixture, filter);
		cleanup_close int dir = -1;

		assert_ok(import(fixture, path, "demo-base", &result, &err));
		assert_int_equal(result.skipped, 1);
		assert_int_equal(result.bytes, 2);
		assert_ok(image_load(&fixture->store, "demo-base", &image, &err));
		assert_string_equal(image.manifest.digest, result.manifest.digest);
		/* The blob is the uncompressed tar, whatever came. */
		assert_string_equal(image.layers.items[0].digest, image.diff_ids.items[0]);
		assert_string_equal(image.layers.items[0].media_type, MEDIA_LAYER);
		assert_true(store_has_blob(&fixture->store, image.diff_ids.items[0]));
		assert_ok(image_env(&image, &env, &err));
		assert_non_null(strv_env_get(&env, "PATH"));
		dir = store_open_layer(&fixture->store, image.diff_ids.items[0], &err);
		assert_int_equal(faccessat(dir, "bin/sh", F_OK, 0), 0);
	}
	assert_int_equal(fixture_count(fixture, "images/layers"), 1);
}

static void options_go_into_the_configuration(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(import_result_release) struct import_result result = {0};
	cleanup(image_release) struct image image = IMAGE_INIT;
	cleanup(strv_release) struct strv env = STRV_INIT, args = STRV_INIT;
	cleanup_free char *path = make_rootfs(fixture, TAR_PLAIN);
	struct import_request request = {.store = &fixture->store,
	                                 .path = path,
	                                 .name = "shop/web:built",
	                                 .user = "1000:1000",
	                                 .working_dir = "/srv"};

	strv_add(&request.env, "PATH=/bin");
	strv_add(&request.env, "EMPTY=");
	strv_add(&request.entrypoint, "/bin/sh");
	strv_add(&request.cmd, "-c");
	strv_add(&request.labels, "a.b=c=d");
	assert_ok(import_image(&request, &result, &err));
	assert_ok(image_load(&fixture->store, "shop/web:built", &image, &err));
	assert_string_equal(image_user(&image), "1000:1000");
	assert_string_equal(image_working_dir(&image), "/srv");
	assert_string_equal(image_label(&image, "a.b"), "c=d");
	assert_ok(image_env(&image, &env, &err));
	assert_string_equal(strv_env_get(&env, "PATH"), "/bin");
	assert_string_equal(strv_env_get(&env, "EMPTY"), "");
	assert_ok(image_entrypoint(&image, &args, &err));
	assert_string_equal(args.items[0], "/bin/sh");

	import_result_release(&result);
	request.working_dir = "srv";
	assert_int_equal(import_image(&request, &result, &err), -1);
	request.working_dir = NULL;
	strv_add(&request.labels, "=x");
	assert_int_equal(import_image(&request, &result, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	strv_release(&request.env);
	strv_release(&request.entrypoint);
	strv_release(&request.cmd);
	strv_release(&request.labels);
}

static void bad_input_changes_nothing(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(import_result_release) struct import_result result = {0};
	cleanup(store_images_release) struct store_images images = {0};
	cleanup_free char *good = make_rootfs(fixture, TAR_PLAIN);
	cleanup_free char *none = fixture_path(fixture, "none.tar");
	cleanup_free char *text = fixture_path(fixture, "text.tar");
	cleanup_free char *empty = fixture_path(fixture, "empty.tar");

	assert_ok(fs_write_atomic(text, "this is no tar\n", 15, 0644, &err));
	assert_ok(fs_write_atomic(empty, "", 0, 0644, &err));
	assert_int_equal(import(fixture, good, "Bad Name", &result, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_int_equal(import(fixture, none, "x", &result, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(import(fixture, text, "x", &result, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_int_equal(import(fixture, empty, "x", &result, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_int_equal(import(fixture, fixture->canary, "x", &result, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_int_equal(import(fixture, "/dev/null", "x", &result, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_ok(store_list(&fixture->store, &images, &err));
	assert_int_equal(images.items.len, 0);
	assert_int_equal(fixture_count(fixture, "images/blobs/sha256"), 0);
	assert_int_equal(fixture_count(fixture, "images/layers"), 0);
}

/* A store is an OCI image layout: another one can take images from it. */
static void an_oci_layout_is_taken_as_it_is(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(import_result_release) struct import_result first = {0}, second = {0}, third = {0};
	cleanup(store_release) struct store other = STORE_INIT;
	cleanup_free char *rootfs = make_rootfs(fixture, TAR_GZIP);
	cleanup_free char *path = fixture_path(fixture, "other");
	cleanup_free char *blob = NULL;
	struct import_request request = {
		.store = &other, .path = fixture->store.path, .name = "copy"};

	assert_ok(import(fixture, rootfs, "original", &first, &err));
	assert_ok(store_open(path, &other, &err));
	assert_ok(import_image(&request, &second, &err));
	assert_string_equal(second.manifest.digest, first.manifest.digest);
	request.user = "app";
	assert_ok(import_image(&request, &third, &err));
	assert_string_not_equal(third.manifest.digest, first.manifest.digest);

	blob = xasprintf("%s/blobs/sha256/%s", path, third.manifest.digest + 7);
	assert_ok(fs_write_atomic(blob, "{}", 2, 0600, &err));
	request.path = path;
	request.store = &fixture->store;
	request.name = "back";
	import_result_release(&third);
	assert_int_equal(import_image(&request, &third, &err), -1);
	assert_int_equal(store_remove_name(&fixture->store, "back", &err), -1);
}

static void add_text_file(struct archive *tar, const char *name, const struct strbuf *text)
{
	tar_file(tar, name, text->buf);
}

/* A docker-archive with one layer; `diff_id` is what its configuration claims. */
static char *make_docker_archive(const struct fixture *fixture, const char *layer,
                                 const char *diff_id)
{
	char *path = fixture_path(fixture, "saved.tar");
	struct archive *tar = tar_begin(path, TAR_PLAIN);
	struct archive_entry *entry = archive_entry_new();
	cleanup(strbuf_release) struct strbuf bytes = STRBUF_INIT, text = STRBUF_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;

	assert_ok(fs_read_file(layer, 1 << 20, &bytes, &err));
	archive_entry_set_pathname(
		entry, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.tar");
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0644);
	archive_entry_set_size(entry, (int64_t)bytes.len);
	assert_int_equal(archive_write_header(tar, entry), ARCHIVE_OK);
	assert_int_equal(archive_write_data(tar, bytes.buf, bytes.len), bytes.len);
	archive_entry_free(entry);
	strbuf_addf(&text,
	            "{\"os\":\"linux\",\"config\":{\"User\":\"app\"},\"rootfs\":{\"type\":"
	            "\"layers\",\"diff_ids\":[\"%s\"]}}",
	            diff_id);
	add_text_file(tar, "config.json", &text);
	strbuf_reset(&text);
	strbuf_adds(&text, "[{\"Config\":\"config.json\",\"RepoTags\":[\"a:b\"],\"Layers\":[\""
	                   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	                   ".tar\"]}]");
	add_text_file(tar, "manifest.json", &text);
	tar_end(tar);
	return path;
}

static void a_docker_archive_is_taken(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(import_result_release) struct import_result result = {0};
	cleanup(image_release) struct image image = IMAGE_INIT;
	cleanup(strbuf_release) struct strbuf bytes = STRBUF_INIT;
	cleanup_free char *layer = make_rootfs(fixture, TAR_PLAIN);
	cleanup_free char *path = NULL, *lying = NULL;
	char digest[SHA256_DIGEST_SIZE], other[SHA256_DIGEST_SIZE];

	assert_ok(fs_read_file(layer, 1 << 20, &bytes, &err));
	sha256_digest_of(bytes.buf, bytes.len, digest);
	sha256_digest_of("x", 1, other);
	lying = make_docker_archive(fixture, layer, other);
	assert_int_equal(import(fixture, lying, "saved", &result, &err), -1);
	assert_int_equal(err.code, EBADMSG);
	assert_int_equal(fixture_count(fixture, "images/layers"), 0);
	path = make_docker_archive(fixture, layer, digest);
	assert_ok(import(fixture, path, "saved", &result, &err));
	assert_ok(image_load(&fixture->store, "saved", &image, &err));
	assert_string_equal(image_user(&image), "app");
	assert_string_equal(image.diff_ids.items[0], digest);
	assert_int_equal(fixture_count(fixture, "images/layers"), 1);
}

#define import_test(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		import_test(a_root_file_system_becomes_an_image),
		import_test(options_go_into_the_configuration),
		import_test(bad_input_changes_nothing),
		import_test(an_oci_layout_is_taken_as_it_is),
		import_test(a_docker_archive_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
