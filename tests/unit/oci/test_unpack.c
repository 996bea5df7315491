#include "unpack_checks.h"

/* ---- what must work ---- */

static void ordinary_entries(void **state)
{
	struct fixture *fixture = *state;
	struct archive *tar = begin(fixture);
	cleanup_close int dir = -1;
	char target[32] = {0};

	tar_dir(tar, "./", 0755);
	tar_dir(tar, "etc/", 0750);
	tar_file(tar, "etc/motd", "hello\n");
	tar_file(tar, "/absolute/deep/file", "made with its parents\n");
	tar_link(tar, "link", "etc/motd");
	tar_hard(tar, "hard", "/etc/motd");
	tar_hard(tar, "new/dir/hard", "etc/motd");
	tar_file(tar, "a/./b//../c", "clean\n");
	dir = good_layer(fixture, tar);
	assert_text(dir, "etc/motd", "hello\n");
	assert_text(dir, "absolute/deep/file", "made with its parents\n");
	assert_text(dir, "a/c", "clean\n");
	assert_int_equal(stat_of(dir, "etc").st_mode, S_IFDIR | 0750);
	assert_int_equal(stat_of(dir, "hard").st_ino, stat_of(dir, "etc/motd").st_ino);
	assert_int_equal(stat_of(dir, "new/dir/hard").st_nlink, 3);
	assert_int_equal(readlinkat(dir, "link", target, sizeof(target)), 8);
	assert_string_equal(target, "etc/motd");
}

static void owners_modes_and_times(void **state)
{
	struct fixture *fixture = *state;
	struct archive *tar = begin(fixture);
	cleanup_close int dir = -1;
	bool is_single = fixture->map.is_single;
	struct stat st;

	tar_detail(tar,
	           &(struct tar_detail){"d", AE_IFDIR, 0500, is_single ? 0 : 33, 0, 0, 1000000000});
	tar_detail(tar, &(struct tar_detail){.name = "d/sudo",
	                                     .type = AE_IFREG,
	                                     .mode = 04755,
	                                     .uid = 1000,
	                                     .gid = 1001,
	                                     .mtime = 1234567890,
	                                     .text = "x"});
	dir = good_layer(fixture, tar);
	st = stat_of(dir, "d");
	assert_int_equal(st.st_mode, S_IFDIR | 0500);
	assert_int_equal(st.st_mtime, 1000000000);
	assert_int_equal(st.st_uid, userns_host_uid(&fixture->map, is_single ? 0 : 33));
	if (geteuid() != 0 && !is_single)
		return; /* 0500 of a subordinate id: we may not look inside */
	st = stat_of(dir, "d/sudo");
	assert_int_equal(st.st_mode, S_IFREG | 04755);
	assert_int_equal(st.st_mtime, 1234567890);
	assert_int_equal(st.st_uid, userns_host_uid(&fixture->map, is_single ? 0 : 1000));
	assert_int_equal(st.st_gid, userns_host_gid(&fixture->map, is_single ? 0 : 1001));
}

static void a_single_id_owns_everything(void **state)
{
	struct fixture *fixture = *state;
	struct archive *tar = begin(fixture);
	cleanup_close int dir = -1;

	userns_map_single(&fixture->map, 0, 0);
	tar_detail(tar,
	           &(struct tar_detail){
			   .name = "f", .type = AE_IFREG, .mode = 0600, .uid = 500000, .gid = 7});
	dir = good_layer(fixture, tar);
	assert_int_equal(stat_of(dir, "f").st_uid, fixture->map.uid[0].outside);
}

static void an_owner_beyond_the_map_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct archive *tar;

	if (fixture->map.is_single)
		skip();
	tar = begin(fixture);
	tar_detail(tar, &(struct tar_detail){
				.name = "f", .type = AE_IFREG, .mode = 0600, .uid = 2000000});
	bad_layer(fixture, tar, EINVAL);
}

static int write_to_file(const void *bytes, size_t len, void *data, struct error *err)
{
	return fwrite(bytes, 1, len, data) == len ? 0 : error_set(err, EIO, "write");
}

/* An entry whose name of any bytes stands in the ustar header itself. */
static int put_raw_entry(struct tar_writer *tar, const struct tar_entry *entry, struct error *err)
{
	unsigned char header[512] = {0};
	unsigned sum = 0;

	str_copy((char *)header, 100, entry->name);
	snprintf((char *)header + 100, 8, "%07o", 0644);
	snprintf((char *)header + 108, 8, "%07o", 0);
	snprintf((char *)header + 116, 8, "%07o", 0);
	snprintf((char *)header + 124, 12, "%011o", (unsigned)entry->size);
	snprintf((char *)header + 136, 12, "%011o", 0);
	memset(header + 148, ' ', 8);
	header[156] = '0';
	memcpy(header + 257, "ustar\00000", 8);
	for (size_t i = 0; i < sizeof(header); i++)
		sum += header[i];
	snprintf((char *)header + 148, 8, "%06o", sum);
	tar->left = entry->size;
	tar->padding = (uint32_t)(512 - entry->size % 512);
	return tar->sink(header, sizeof(header), tar->data, err);
}

/* With PAX headers, which claim UTF-8, and as they are in a ustar header. */
static void names_are_bytes(void **state)
{
	static const char *const names[] = {
		"caf\xc3\xa9", "cafe\xcc\x81", "\xe6\x97\xa5\xe6\x9c\xac",
		"latin-\xe9",  "new\nline",
	};
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *path = fixture_path(fixture, "layer.tar");
	struct unpack_result result;

	for (int is_pax = 0; is_pax < 2; is_pax++) {
		cleanup_close int dir = -1;
		FILE *file = fopen(path, "we");
		struct tar_writer tar = {.sink = write_to_file, .data = file};

		for (size_t i = 0; i < ARRAY_LEN(names); i++) {
			struct tar_entry entry = {.name = names[i],
			                          .type = TAR_FILE,
			                          .mode = 0644,
			                          .size = (int64_t)strlen(names[i])};

			assert_ok(is_pax ? tar_writer_entry(&tar, &entry, &err)
			                 : put_raw_entry(&tar, &entry, &err));
			assert_ok(tar_writer_data(&tar, names[i], strlen(names[i]), &err));
		}
		assert_ok(tar_writer_end(&tar, &err));
		fclose(file);
		assert_ok(unpack_tar(fixture, NULL, &result, &err));
		dir = store_open_layer(&fixture->store, result.diff_id, &err);
		for (size_t i = 0; i < ARRAY_LEN(names); i++)
			assert_text(dir, names[i], names[i]);
	}
}

static void devices_are_left_out(void **state)
{
	static const unsigned types[] = {AE_IFCHR, AE_IFBLK, AE_IFIFO};
	struct fixture *fixture = *state;
	struct archive *tar = begin(fixture);
	cleanup(error_release) struct error err = ERROR_INIT;
	struct unpack_result result;
	cleanup_close int dir = -1;

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		char name[] = {'d', (char)('0' + i), '\0'};

		tar_detail(tar, &(struct tar_detail){.name = name, .type = types[i], .mode = 0666});
	}
	tar_file(tar, "after", "still here");
	tar_end(tar);
	assert_ok(unpack_tar(fixture, NULL, &result, &err));
	assert_int_equal(result.skipped, 3);
	dir = store_open_layer(&fixture->store, result.diff_id, &err);
	assert_missing(dir, "d0");
	assert_missing(dir, "d1");
	assert_missing(dir, "d2");
	assert_text(dir, "after", "still here");
}

static void only_harmless_xattrs_are_kept(void **state)
{
	static const char *const names[] = {"user.kept", "user.overlay.opaque",
	                                    "user.overlay.redirect", "trusted.overlay.opaque",
	                                    "security.selinux"};
	struct fixture *fixture = *state;
	struct archive *tar = begin(fixture);
	cleanup_close int dir = -1;
	char value[8] = {0};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		tar_detail(tar, &(struct tar_detail){.name = names[i],
		                                     .type = AE_IFREG,
		                                     .mode = 0644,
		                                     .xattr = names[i],
		                                     .value = "y"});
	dir = good_layer(fixture, tar);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		cleanup_close int fd = openat(dir, names[i], O_RDONLY | O_CLOEXEC);

		assert_int_equal(fgetxattr(fd, names[i], value, sizeof(value)), i == 0 ? 1 : -1);
	}
}

static void later_entries_replace_earlier_ones(void **state)
{
	struct fixture *fixture = *state;
	struct archive *tar = begin(fixture);
	cleanup_close int dir = -1;

	tar_file(tar, "file", "one, and longer");
	tar_file(tar, "file", "two");
	tar_dir(tar, "was-dir", 0755);
	tar_file(tar, "was-dir/child", "x");
	tar_file(tar, "was-dir", "now a file");
	tar_dir(tar, "kept", 0700);
	tar_file(tar, "kept/child", "still here");
	tar_dir(tar, "kept", 0711);
	tar_file(tar, "was-file", "x");
	tar_dir(tar, "was-file", 0755);
	tar_file(tar, "was-file/child", "new");
	tar_file(tar, "same", "one inode");
	tar_hard(tar, "same", "same");
	dir = good_layer(fixture, tar);
	assert_text(dir, "file", "two");
	assert_text(dir, "was-dir", "now a file");
	assert_int_equal(stat_of(dir, "kept").st_mode, S_IFDIR | 0711);
	assert_text(dir, "kept/child", "still here");
	assert_text(dir, "was-file/child", "new");
	assert_text(dir, "same", "one inode");
}

static void whiteouts_take_overlay_form(void **state)
{
	struct fixture *fixture = *state;
	struct archive *tar = begin(fixture);
	cleanup_close int dir = -1;

	tar_file(tar, "etc/.wh.gone", "");
	tar_file(tar, "opt/.wh..wh..opq", "");
	tar_file(tar, "opt/stays", "x");
	tar_file(tar, ".wh.back", "");
	tar_file(tar, "back/again", "x"); /* its parent was white a moment ago */
	tar_file(tar, ".wh.dir", "");
	tar_dir(tar, "dir", 0755);
	tar_dir(tar, "mine", 0755);
	tar_file(tar, "mine/own", "of this layer");
	tar_file(tar, ".wh.mine", ""); /* the lower one goes, this layer's stays */
	tar_file(tar, "file", "of this layer");
	tar_file(tar, ".wh.file", "");
	tar_file(tar, ".wh..wh.plnk", "aufs");
	dir = good_layer(fixture, tar);
	assert_true(is_whiteout(dir, "etc/gone"));
	assert_opaque(dir, "etc", false);
	assert_opaque(dir, "opt", true);
	assert_text(dir, "opt/stays", "x");
	assert_opaque(dir, "back", true);
	assert_text(dir, "back/again", "x");
	assert_opaque(dir, "dir", true);
	assert_opaque(dir, "mine", true);
	assert_text(dir, "mine/own", "of this layer");
	assert_text(dir, "file", "of this layer");
	assert_missing(dir, ".wh.file");
	assert_missing(dir, ".wh..wh.plnk");
}

struct overlay {
	const char *lower, *upper;
};

/* In the user namespace: what do the merged layers show? */
static int look_at_overlay(void *data, struct error *err)
{
	const struct overlay *overlay = data;
	cleanup_free char *options =
		xasprintf("lowerdir=%s:%s,userxattr", overlay->upper, overlay->lower);

	if (unshare(CLONE_NEWNS) < 0 || mount("overlay", "/tmp", "overlay", MS_RDONLY, options) < 0)
		return error_errno(err, errno, "mount the overlay");
	if (access("/tmp/etc/gone", F_OK) == 0 || access("/tmp/etc/stays", F_OK) < 0 ||
	    access("/tmp/opt/old", F_OK) == 0 || access("/tmp/opt/new", F_OK) < 0)
		return error_set(err, ERR_FAILED, "the layers are not merged as they should");
	return 0;
}

static void the_kernel_understands_the_whiteouts(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	struct unpack_result lower, upper;
	cleanup_free char *lower_path = NULL, *upper_path = NULL;
	struct archive *tar = begin(fixture);
	struct overlay overlay;

	/* The namespace's root must be able to come to the layers by their path. */
	assert_int_equal(chmod(fixture->store.path, 0755), 0);
	tar_file(tar, "etc/gone", "x");
	tar_file(tar, "etc/stays", "x");
	tar_file(tar, "opt/old", "x");
	tar_end(tar);
	assert_ok(unpack_tar(fixture, NULL, &lower, &err));
	tar = begin(fixture);
	tar_file(tar, "etc/.wh.gone", "");
	tar_file(tar, "opt/.wh..wh..opq", "");
	tar_file(tar, "opt/new", "x");
	tar_end(tar);
	assert_ok(unpack_tar(fixture, NULL, &upper, &err));
	lower_path = store_layer_path(&fixture->store, lower.diff_id);
	upper_path = store_layer_path(&fixture->store, upper.diff_id);
	overlay = (struct overlay){lower_path, upper_path};
	{
		cleanup_free char *layers = path_join(fixture->store.path, "layers");

		assert_int_equal(chmod(layers, 0755), 0);
	}
	assert_ok(userns_run(&fixture->map, look_at_overlay, &overlay, &err));
	assert_int_equal(chmod(fixture->store.path, 0700), 0);
}

/* ---- whole or not at all ---- */

static void compressed_layers_have_the_same_diff_id(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *path = fixture_path(fixture, "layer.tar");
	struct unpack_result results[3];

	for (enum tar_filter filter = TAR_PLAIN; filter <= TAR_ZSTD; filter++) {
		struct archive *tar = tar_begin(path, filter);

		tar_file(tar, "file", "the same in each");
		tar_end(tar);
		assert_ok(unpack_tar(fixture, NULL, &results[filter], &err));
		assert_string_equal(results[filter].diff_id, results[0].diff_id);
	}
	assert_int_equal(fixture_count(fixture, "images/layers"), 1);
}

static void a_wrong_diff_id_leaves_nothing(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *path = fixture_path(fixture, "layer.tar");
	struct archive *tar = begin(fixture);
	struct unpack_result result;
	struct unpack_request request = {
		.store = &fixture->store,
		.map = &fixture->map,
		.tee = -1,
		.expected = "sha256:"
			    "0000000000000000000000000000000000000000000000000000000000000000",
	};
	cleanup_close int fd = -1;

	tar_file(tar, "file", "x");
	tar_end(tar);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	request.fd = fd;
	assert_int_equal(unpack_layer(&request, &result, &err), -1);
	assert_int_equal(err.code, EBADMSG);
	assert_int_equal(fixture_count(fixture, "images/layers"), 0);
}

static void damaged_archives_leave_nothing(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *path = fixture_path(fixture, "layer.tar");
	cleanup_free char *text = xcalloc(1, 40001);
	struct unpack_result result;

	memset(text, 'x', 40000);
	for (enum tar_filter filter = TAR_PLAIN; filter <= TAR_ZSTD; filter++) {
		struct archive *tar = tar_begin(path, filter);
		struct stat st;

		tar_file(tar, "first", "x");
		for (int i = 0; i < 20000; i++)
			text[i] = (char)('a' + i * 7919 % 26);
		tar_file(tar, "second", text);
		tar_end(tar);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(truncate(path, st.st_size / 2), 0);
		assert_int_equal(unpack_tar(fixture, NULL, &result, &err), -1);
		assert_int_equal(fixture_count(fixture, "images/layers"), 0);
	}
	assert_ok(fs_write_atomic(path, text, 40000, 0644, &err));
	assert_int_equal(unpack_tar(fixture, NULL, &result, &err), -1);
	assert_int_equal(err.code, EINVAL);
	assert_int_equal(fixture_count(fixture, "images/layers"), 0);
}

struct slow_unpack {
	struct fixture *fixture;
	int source;
};

static int unpack_slowly(void *data, struct error *err)
{
	const struct slow_unpack *slow = data;
	struct unpack_result result;
	struct unpack_request request = {.store = &slow->fixture->store,
	                                 .map = &slow->fixture->map,
	                                 .fd = slow->source,
	                                 .tee = -1};

	return unpack_layer(&request, &result, err);
}

static void wait_for_entries(struct fixture *fixture, size_t count)
{
	for (int i = 0; i < 6000 && fixture_count(fixture, "images/layers") != count; i++)
		usleep(5000);
	assert_int_equal(fixture_count(fixture, "images/layers"), count);
}

static void what_a_killed_unpack_leaves_is_swept(void **state)
{
	struct fixture *fixture = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	struct fork_call call = FORK_CALL_INIT;
	struct slow_unpack slow = {.fixture = fixture};
	int fds[2];

	/* The source stays open and empty, so that it waits in the middle of its work. */
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	slow.source = fds[0];
	assert_ok(fork_call_start(unpack_slowly, &slow, &call, &err));
	wait_for_entries(fixture, 1);
	assert_ok(store_sweep(&fixture->store, &err));
	assert_int_equal(fixture_count(fixture, "images/layers"), 1); /* at work: left alone */
	fork_call_kill(&call);
	/* Its own child dies a moment after it. */
	for (int i = 0; i < 6000 && fixture_count(fixture, "images/layers") > 0; i++) {
		assert_ok(store_sweep(&fixture->store, &err));
		usleep(5000);
	}
	assert_int_equal(fixture_count(fixture, "images/layers"), 0);
	close(fds[0]);
	close(fds[1]);
}

#define unpack_test(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		unpack_test(ordinary_entries),
		unpack_test(owners_modes_and_times),
		unpack_test(a_single_id_owns_everything),
		unpack_test(an_owner_beyond_the_map_is_refused),
		unpack_test(names_are_bytes),
		unpack_test(devices_are_left_out),
		unpack_test(only_harmless_xattrs_are_kept),
		unpack_test(later_entries_replace_earlier_ones),
		unpack_test(whiteouts_take_overlay_form),
		unpack_test(the_kernel_understands_the_whiteouts),
		unpack_test(compressed_layers_have_the_same_diff_id),
		unpack_test(a_wrong_diff_id_leaves_nothing),
		unpack_test(damaged_archives_leave_nothing),
		unpack_test(what_a_killed_unpack_leaves_is_swept),
	};

	/* libarchive would change names by the rules of a locale. */
	setlocale(LC_ALL, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
