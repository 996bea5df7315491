#include "oci/tar_writer.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "base/str.h"
#include "base/strbuf.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>

#include <cmocka.h>

static int take(const void *bytes, size_t len, void *data, struct error *err)
{
	strbuf_add(data, bytes, len);
	return 0;
}

static void put(struct tar_writer *tar, const struct tar_entry *wanted, const char *text)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct tar_entry entry = *wanted;
	size_t len = text ? strlen(text) : 0;

	entry.mtime = TAR_TIME_FIXED;
	if (!entry.size)
		entry.size = (int64_t)len;
	assert_int_equal(tar_writer_entry(tar, &entry, &err), 0);
	if (text)
		assert_int_equal(tar_writer_data(tar, text, len, &err), 0);
}

/* "/ddd…/eee…" of those lengths. */
static char *long_name(size_t dirs, size_t base)
{
	char *name = xcalloc(1, dirs + base + 3);

	name[0] = '/';
	memset(name + 1, 'd', dirs);
	if (base > 0) {
		name[dirs + 1] = '/';
		memset(name + dirs + 2, 'e', base);
	}
	return name;
}

static void put_kinds(struct tar_writer *tar)
{
	cleanup_free char *block = xcalloc(1, 513);

	memset(block, 'x', 512);
	put(tar, &(struct tar_entry){.name = "/layers", .type = TAR_DIR, .mode = 0755}, NULL);
	put(tar,
	    &(struct tar_entry){
		    .name = "/layers/a_b", .type = TAR_DIR, .mode = 0755, .uid = 1000, .gid = 1001},
	    NULL);
	put(tar,
	    &(struct tar_entry){.name = "/layers/a_b/run",
	                        .type = TAR_FILE,
	                        .mode = 0104755,
	                        .uid = 1000,
	                        .gid = 1001},
	    "#!/bin/sh\n");
	put(tar,
	    &(struct tar_entry){
		    .name = "/layers/a_b/link", .type = TAR_SYMLINK, .mode = 0777, .target = "run"},
	    NULL);
	put(tar, &(struct tar_entry){.name = "/layers/a_b/pipe", .type = TAR_FIFO, .mode = 0600},
	    NULL);
	put(tar, &(struct tar_entry){.name = "/layers/a_b/exact", .type = TAR_FILE, .mode = 0644},
	    block);
	put(tar, &(struct tar_entry){.name = "/layers/a_b/none", .type = TAR_FILE, .mode = 0644},
	    "");
	put(tar,
	    &(struct tar_entry){.name = "/dev/null",
	                        .type = TAR_CHAR,
	                        .mode = 0666,
	                        .dev_major = 1,
	                        .dev_minor = 3},
	    NULL);
}

static void put_splits(struct tar_writer *tar)
{
	static const size_t sizes[][2] = {{99, 0},    {100, 0},  {153, 100}, {154, 100},
	                                  {155, 100}, {10, 101}, {60, 70}};

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		cleanup_free char *name = long_name(sizes[i][0], sizes[i][1]);

		put(tar, &(struct tar_entry){.name = name, .type = TAR_DIR, .mode = 0755}, NULL);
	}
}

static void put_texts(struct tar_writer *tar)
{
	put(tar,
	    &(struct tar_entry){.name = "/w/caf\xc3\xa9/\xe6\x97\xa5\xe6\x9c\xac.txt",
	                        .type = TAR_FILE,
	                        .mode = 0644},
	    "x");
	put(tar, &(struct tar_entry){.name = "/w/latin-\xe9", .type = TAR_FILE, .mode = 0644}, "y");
}

static void put_ids(struct tar_writer *tar)
{
	put(tar,
	    &(struct tar_entry){
		    .name = "/f", .type = TAR_FILE, .mode = 0644, .uid = 2097151, .gid = 2097152},
	    NULL);
	put(tar,
	    &(struct tar_entry){.name = "/g", .type = TAR_FILE, .mode = 0644, .uid = 4294967294u},
	    NULL);
}

static void put_links(struct tar_writer *tar)
{
	cleanup_free char *name = long_name(60, 60);
	cleanup_free char *target = xcalloc(1, 102);

	memset(target, 't', 101);
	put(tar,
	    &(struct tar_entry){.name = name, .type = TAR_SYMLINK, .mode = 0777, .target = target},
	    NULL);
	put(tar,
	    &(struct tar_entry){
		    .name = "/lien", .type = TAR_SYMLINK, .mode = 0777, .target = "\xc3\xa9"},
	    NULL);
	target[100] = '\0';
	put(tar,
	    &(struct tar_entry){.name = "/ok", .type = TAR_SYMLINK, .mode = 0777, .target = target},
	    NULL);
}

static void put_lengths(struct tar_writer *tar)
{
	for (size_t len = 80; len < 1000; len++) {
		cleanup_free char *name = xcalloc(1, len + 2);

		name[0] = '/';
		memset(name + 1, 'n', len);
		put(tar, &(struct tar_entry){.name = name, .type = TAR_FILE, .mode = 0644}, NULL);
	}
}

static void put_cut(struct tar_writer *tar)
{
	cleanup_free char *name = xcalloc(1, 301);

	name[0] = '/';
	memset(name + 1, 'a', 98);
	name[99] = '/';
	memset(name + 100, 'b', 200);
	put(tar, &(struct tar_entry){.name = name, .type = TAR_FILE, .mode = 0644}, NULL);
}

static void put_nothing(struct tar_writer *tar)
{
}

/* Worked out by tests/support/tar_vectors.py. */
static const struct vector {
	void (*put)(struct tar_writer *tar);
	const char *hex;
} vectors[] = {
	{put_kinds, "909526e301e5cbd2202e03888c974f6af527d5b0f6bedb37ca39a0379bedf878"},
	{put_splits, "82997cd3ce2a2107088d7f43cf725d3c4789cc698f86d4a3284191055fea352a"},
	{put_texts, "144884901e6335e477b748ea9e418fc077eaff4c83034f647901b71c4090cd08"},
	{put_ids, "5952a87f6f145b5cd13f62ccf97af5d18ee513df08d7b52a31932fc7cbef2f74"},
	{put_links, "44573fe967af11163ad8a73aad04f45b8f995c0bb3eb4a79ea30be98bdabc2a6"},
	{put_lengths, "a7adfcbd3ebd15f785dc59a3f52b52709c191196066f41b3975485cc1aaac9d5"},
	{put_cut, "d8a67cd8acdbc40d005575dae725518a9300f1f44c9cd7c9f19a536e1c716509"},
	{put_nothing, "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"},
};

static void write_vector(const struct vector *vector, struct strbuf *out)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct tar_writer tar = {.sink = take, .data = out};

	vector->put(&tar);
	assert_int_equal(tar_writer_end(&tar, &err), 0);
}

static void archives_have_known_digests(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
		char digest[SHA256_DIGEST_SIZE];

		write_vector(&vectors[i], &out);
		sha256_digest_of(out.buf, out.len, digest);
		if (!str_eq(digest + strlen("sha256:"), vectors[i].hex))
			fail_msg("vector %zu: %s", i, digest);
	}
}

static void headers_of_huge_files_have_known_digests(void **state)
{
	static const struct {
		int64_t size;
		const char *hex;
	} sizes[] = {
		{((int64_t)1 << 33) - 1,
	         "a99f9b2a35905ef0643c2f7a02bfcec628862e4308b720c00c4954a11e8487c9"},
		{(int64_t)1 << 33,
	         "b199133eac3014cc4d9935c27d27e51de97752e86c663634a26830e9788bb1c9"},
	};

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
		struct tar_writer tar = {.sink = take, .data = &out};
		char digest[SHA256_DIGEST_SIZE];

		put(&tar,
		    &(struct tar_entry){
			    .name = "/big", .type = TAR_FILE, .mode = 0644, .size = sizes[i].size},
		    NULL);
		sha256_digest_of(out.buf, out.len, digest);
		assert_string_equal(digest + strlen("sha256:"), sizes[i].hex);
	}
}

static void others_can_read_them(void **state)
{
	static const size_t expected[] = {8, 7, 2, 2, 3, 920, 1, 0};

	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
		struct archive *archive = archive_read_new();
		struct archive_entry *entry;
		size_t count = 0;
		int result;

		write_vector(&vectors[i], &out);
		archive_read_support_format_tar(archive);
		assert_int_equal(archive_read_open_memory(archive, out.buf, out.len), ARCHIVE_OK);
		while ((result = archive_read_next_header(archive, &entry)) == ARCHIVE_OK ||
		       result == ARCHIVE_WARN)
			count++;
		assert_int_equal(result, ARCHIVE_EOF);
		assert_int_equal(count, expected[i]);
		archive_read_free(archive);
	}
}

static void wrong_use_is_an_error(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	struct tar_writer tar = {.sink = take, .data = &out};
	struct tar_entry file = {.name = "/f", .type = TAR_FILE, .mode = 0644, .size = 3};
	struct tar_entry dir = {.name = "/d", .type = TAR_DIR, .size = 1};
	struct tar_entry unnamed = {.name = "", .type = TAR_DIR};

	assert_int_equal(tar_writer_entry(&tar, &dir, &err), -1);
	assert_int_equal(tar_writer_entry(&tar, &unnamed, &err), -1);
	assert_int_equal(out.len, 0);
	assert_int_equal(tar_writer_entry(&tar, &file, &err), 0);
	assert_int_equal(tar_writer_data(&tar, "12", 2, &err), 0);
	assert_int_equal(tar_writer_entry(&tar, &file, &err), -1);
	assert_int_equal(tar_writer_end(&tar, &err), -1);
	assert_int_equal(tar_writer_data(&tar, "34", 2, &err), -1);
	assert_int_equal(err.code, EFBIG);
	assert_int_equal(tar_writer_data(&tar, "3", 1, &err), 0);
	assert_int_equal(out.len, 1024);
	assert_int_equal(tar_writer_end(&tar, &err), 0);
}

static void a_file_that_shrinks_is_an_error(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	struct tar_writer tar = {.sink = take, .data = &out};
	struct tar_entry file = {.name = "/f", .type = TAR_FILE, .mode = 0644, .size = 600};
	cleanup_close int fd = memfd_create("file", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, 599), 0);
	assert_int_equal(tar_writer_file(&tar, &file, fd, &err), -1);
	assert_int_equal(err.code, EAGAIN);
	tar = (struct tar_writer){.sink = take, .data = &out};
	strbuf_reset(&out);
	assert_int_equal(ftruncate(fd, 5000), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(tar_writer_file(&tar, &file, fd, &err), 0);
	assert_int_equal(out.len, 512 + 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(archives_have_known_digests),
		cmocka_unit_test(headers_of_huge_files_have_known_digests),
		cmocka_unit_test(others_can_read_them),
		cmocka_unit_test(wrong_use_is_an_error),
		cmocka_unit_test(a_file_that_shrinks_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
