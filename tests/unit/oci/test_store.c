#include "fixture.h"

#include "base/error.h"
#include "base/fork_call.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "oci/image.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define ZERO_DIGEST "sha256:0000000000000000000000000000000000000000000000000000000000000000"

static void digests_are_strict(void **state)
{
	static const char *const bad[] = {
		"",
		"sha256:",
		"sha256:00",
		ZERO_DIGEST "0",
		"SHA256:0000000000000000000000000000000000000000000000000000000000000000",
		"sha256:000000000000000000000000000000000000000000000000000000000000000A",
		"sha256:../../../../../../../../../../../../../../../../../../../etc/pass",
	};
	cleanup(error_release) struct error err = ERROR_INIT;

	assert_true(digest_is_valid(ZERO_DIGEST));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_false(digest_is_valid(bad[i]));
		assert_int_equal(digest_check(bad[i], &err), -1);
	}
	assert_int_equal(digest_check("sha512:00", &err), -1);
	assert_int_equal(err.code, ERR_UNSUPPORTED);
}

static void a_new_store_is_private_and_an_oci_layout(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(store_release) struct store again = STORE_INIT;
	cleanup_free char *layout = fixture_path(fixture, "images/oci-layout");
	cleanup_json json_t *json = json_parse_file(layout, 4096, &err);
	struct stat st;

	assert_string_equal(json_get_str(json, "imageLayoutVersion", ""), "1.0.0");
	assert_int_equal(stat(fixture->store.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_ok(store_open(fixture->store.path, &again, &err));
	assert_int_equal(chmod(fixture->store.path, 0777), 0);
	store_release(&again);
	assert_int_equal(store_open(fixture->store.path, &again, &err), -1);
	assert_int_equal(err.code, EPERM);
	assert_int_equal(chmod(fixture->store.path, 0700), 0);
}

static void blobs_are_found_by_their_digest(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	char digest[SHA256_DIGEST_SIZE], again[SHA256_DIGEST_SIZE];

	assert_ok(store_add_blob(&fixture->store, "abc", 3, digest, &err));
	assert_string_equal(
		digest, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_ok(store_add_blob(&fixture->store, "abc", 3, again, &err));
	assert_string_equal(again, digest);
	assert_int_equal(fixture_count(fixture, "images/blobs/sha256"), 1);
	assert_ok(store_read_blob(&fixture->store, digest, &text, &err));
	assert_string_equal(text.buf, "abc");
	assert_int_equal(store_open_blob(&fixture->store, ZERO_DIGEST, NULL, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(store_open_blob(&fixture->store, "sha256:../../index.json", NULL, &err),
	                 -1);
}

static void a_blob_with_another_digest_is_refused(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(blob_writer_release) struct blob_writer blob = BLOB_WRITER_INIT;

	assert_ok(store_begin_blob(&fixture->store, &blob, &err));
	assert_ok(blob_writer_add(&blob, "abc", 3, &err));
	assert_int_equal(blob_writer_commit(&blob, ZERO_DIGEST, NULL, &err), -1);
	assert_int_equal(err.code, EBADMSG);
	assert_ok(blob_writer_restart(&blob, &err));
	assert_int_equal(blob.size, 0);
	assert_ok(blob_writer_add(&blob, "ab", 2, &err));
	blob_writer_release(&blob);
	assert_int_equal(fixture_count(fixture, "images/blobs/sha256"), 0);
}

static void damage_on_disk_is_noticed(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup_free char *path = NULL;
	char digest[SHA256_DIGEST_SIZE];

	assert_ok(store_add_blob(&fixture->store, "abc", 3, digest, &err));
	path = xasprintf("%s/blobs/sha256/%s", fixture->store.path, digest + 7);
	assert_ok(fs_write_atomic(path, "abd", 3, 0600, &err));
	assert_int_equal(store_read_blob(&fixture->store, digest, &text, &err), -1);
	assert_int_equal(err.code, EBADMSG);
	assert_int_equal(text.len, 0);
}

/* An image of one layer that holds one file. */
static void make_image(struct fixture *fixture, const char *text, struct image *ret)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(blob_writer_release) struct blob_writer blob = BLOB_WRITER_INIT;
	cleanup_free char *path = fixture_path(fixture, "layer.tar");
	struct archive *tar = tar_begin(path, TAR_PLAIN);
	struct descriptor layer = {.media_type = (char *)MEDIA_LAYER};
	struct unpack_result result;
	cleanup_close int fd = -1;

	tar_file(tar, "file", text);
	tar_end(tar);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_ok(store_begin_blob(&fixture->store, &blob, &err));
	assert_ok(unpack_layer(
		&(struct unpack_request){
			.store = &fixture->store, .map = &fixture->map, .fd = fd, .tee = blob.fd},
		&result, &err));
	assert_ok(blob_writer_commit_as(&blob, result.diff_id, &err));
	layer.size = result.tar_bytes;
	str_copy(layer.digest, sizeof(layer.digest), result.diff_id);
	image_init_empty(ret);
	image_add_layer(ret, &layer, result.diff_id, "test");
	assert_ok(image_commit(&fixture->store, ret, &err));
}

static void names_lead_to_images(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(image_release) struct image first = IMAGE_INIT, second = IMAGE_INIT;
	cleanup(store_images_release) struct store_images images = {0};
	cleanup(descriptor_release) struct descriptor found = {0};
	cleanup_free char *name = NULL;

	make_image(fixture, "one", &first);
	make_image(fixture, "two", &second);
	assert_ok(store_set_name(&fixture->store, "demo-base", &first.manifest, &err));
	assert_ok(store_set_name(&fixture->store, "docker.io/library/alpine:latest",
	                         &second.manifest, &err));
	assert_ok(store_set_name(&fixture->store, "another", &second.manifest, &err));
	assert_ok(store_list(&fixture->store, &images, &err));
	assert_int_equal(images.items.len, 3);
	assert_string_equal(images.items.items[0].name, "another");
	assert_ok(store_find(&fixture->store, "alpine", &found, &name, &err));
	assert_string_equal(name, "docker.io/library/alpine:latest");
	assert_string_equal(found.digest, second.manifest.digest);
	assert_int_equal(store_find(&fixture->store, "demo-bse", &found, NULL, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_string_equal(err.hint, "did you mean demo-base?");
	assert_int_equal(store_find(&fixture->store, "Not A Name", &found, NULL, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_ok(store_set_name(&fixture->store, "demo-base", &second.manifest, &err));
	store_images_release(&images);
	assert_ok(store_list(&fixture->store, &images, &err));
	assert_int_equal(images.items.len, 3);
	assert_ok(store_remove_name(&fixture->store, "another", &err));
	assert_int_equal(store_remove_name(&fixture->store, "another", &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void a_name_needs_its_manifest(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	struct descriptor manifest = {.media_type = (char *)MEDIA_MANIFEST, .digest = ZERO_DIGEST};

	assert_int_equal(store_set_name(&fixture->store, "x", &manifest, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void garbage_is_what_no_name_leads_to(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(image_release) struct image kept = IMAGE_INIT, lost = IMAGE_INIT, used = IMAGE_INIT;
	cleanup(image_release) struct image loaded = IMAGE_INIT;
	cleanup(strv_release) struct strv keep = STRV_INIT;
	struct store_gc count;

	make_image(fixture, "kept", &kept);
	make_image(fixture, "lost", &lost);
	make_image(fixture, "used", &used);
	assert_ok(store_set_name(&fixture->store, "kept", &kept.manifest, &err));
	strv_add(&keep, used.diff_ids.items[0]);
	assert_ok(store_gc(&fixture->store, &keep, &count, &err));
	assert_int_equal(count.blobs, 6);
	assert_int_equal(count.layers, 1);
	assert_true(store_has_layer(&fixture->store, used.diff_ids.items[0]));
	assert_false(store_has_layer(&fixture->store, lost.diff_ids.items[0]));
	assert_ok(image_load(&fixture->store, "kept", &loaded, &err));
	assert_true(store_has_blob(&fixture->store, loaded.layers.items[0].digest));
	assert_ok(store_gc(&fixture->store, &keep, &count, &err));
	assert_int_equal(count.blobs + count.layers, 0);
}

static void garbage_waits_while_others_work(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(store_release) struct store other = STORE_INIT;
	cleanup(image_release) struct image image = IMAGE_INIT;
	cleanup(strv_release) struct strv keep = STRV_INIT;
	struct store_gc count;

	make_image(fixture, "in the making", &image);
	assert_ok(store_open(fixture->store.path, &other, &err));
	assert_int_equal(store_gc(&fixture->store, &keep, &count, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_int_equal(store_gc(&other, &keep, &count, &err), -1); /* the lock was taken again */
	assert_true(store_has_layer(&fixture->store, image.diff_ids.items[0]));
	store_release(&other);
	assert_ok(store_gc(&fixture->store, &keep, &count, &err));
	assert_int_equal(count.layers, 1);
}

/* Not knowing what an image needs, the collector must not touch anything. */
static void a_damaged_image_stops_the_collector(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(image_release) struct image image = IMAGE_INIT;
	cleanup(strv_release) struct strv keep = STRV_INIT;
	cleanup_free char *path = NULL;
	struct store_gc count;

	make_image(fixture, "x", &image);
	assert_ok(store_set_name(&fixture->store, "broken", &image.manifest, &err));
	path = xasprintf("%s/blobs/sha256/%s", fixture->store.path, image.config_desc.digest + 7);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(store_gc(&fixture->store, &keep, &count, &err), -1);
	assert_true(store_has_layer(&fixture->store, image.diff_ids.items[0]));
	assert_ok(store_remove_name(&fixture->store, "broken", &err));
	assert_ok(store_gc(&fixture->store, &keep, &count, &err));
	assert_int_equal(fixture_count(fixture, "images/layers"), 0);
	assert_int_equal(fixture_count(fixture, "images/blobs/sha256"), 0);
}

struct naming {
	struct fixture *fixture;
	const struct descriptor *manifest;
	int number;
};

static int name_many(void *data, struct error *err)
{
	const struct naming *naming = data;
	cleanup(store_release) struct store store = STORE_INIT;

	if (store_open(naming->fixture->store.path, &store, err) < 0)
		return -1;
	for (int i = 0; i < 10; i++) {
		cleanup_free char *name = xasprintf("name-%d-%d", naming->number, i);

		if (store_set_name(&store, name, naming->manifest, err) < 0)
			return -1;
	}
	return 0;
}

static void names_set_at_once_are_all_kept(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(image_release) struct image image = IMAGE_INIT;
	cleanup(store_images_release) struct store_images images = {0};
	struct fork_call calls[4];

	make_image(fixture, "x", &image);
	for (int i = 0; i < 4; i++) {
		struct naming naming = {fixture, &image.manifest, i};

		assert_ok(fork_call_start(name_many, &naming, &calls[i], &err));
	}
	for (int i = 0; i < 4; i++)
		assert_ok(fork_call_wait(&calls[i], &err));
	assert_ok(store_list(&fixture->store, &images, &err));
	assert_int_equal(images.items.len, 40);
}

#define store_test(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_are_strict),
		store_test(a_new_store_is_private_and_an_oci_layout),
		store_test(blobs_are_found_by_their_digest),
		store_test(a_blob_with_another_digest_is_refused),
		store_test(damage_on_disk_is_noticed),
		store_test(names_lead_to_images),
		store_test(a_name_needs_its_manifest),
		store_test(garbage_is_what_no_name_leads_to),
		store_test(garbage_waits_while_others_work),
		store_test(a_damaged_image_stops_the_collector),
		store_test(names_set_at_once_are_all_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
