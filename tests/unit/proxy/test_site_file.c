#include "proxy/site_file.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void put(const char *root, const char *name, const char *text)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *path = path_join(root, name);
	cleanup_free char *dir = path_dir(path);

	assert_int_equal(fs_mkdirs(dir, 0755, &err), 0);
	assert_int_equal(fs_write_atomic(path, text, strlen(text), 0644, &err), 0);
}

static int set_up(void **state)
{
	char *top = xstrdup("/tmp/test-site-XXXXXX");
	cleanup_free char *root = NULL;

	if (!mkdtemp(top))
		return -1;
	root = path_join(top, "site");
	put(top, "secret", "secret");
	put(root, "index.html", "<p>home");
	put(root, "a b.css", "p{}");
	put(root, ".env", "KEY=1");
	put(root, ".git/config", "x");
	put(root, ".well-known/x.json", "{}");
	put(root, "docs/index.html", "<p>docs");
	put(root, "empty/.keep", "");
	{
		cleanup_free char *out = path_join(root, "out"), *in = path_join(root, "in"),
				  *pipe = path_join(root, "pipe");

		if (symlink("../secret", out) < 0 || symlink("docs/index.html", in) < 0 ||
		    mkfifo(pipe, 0600) < 0)
			return -1;
	}
	*state = top;
	return 0;
}

static int tear_down(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	int r = fs_remove_tree(AT_FDCWD, *state, &err);

	free(*state);
	return r;
}

static void a_path_finds_its_file_and_nothing_outside(void **state)
{
	static const struct {
		const char *path;
		enum site_found found;
		const char *type;
	} cases[] = {
		{"/", SITE_FILE, "text/html; charset=utf-8"},
		{"/index.html", SITE_FILE, "text/html; charset=utf-8"},
		{"//index.html", SITE_FILE, "text/html; charset=utf-8"},
		{"/a b.css", SITE_FILE, "text/css; charset=utf-8"},
		{"/docs/", SITE_FILE, "text/html; charset=utf-8"},
		{"/docs", SITE_FOLDER, NULL},
		{"/in", SITE_FILE, "application/octet-stream"},
		{"/.well-known/x.json", SITE_FILE, "application/json"},
		{"/empty/", SITE_NOT_FOUND, NULL},
		{"/nothing", SITE_NOT_FOUND, NULL},
		{"/index.html/", SITE_NOT_FOUND, NULL},
		{"/index.html/x", SITE_NOT_FOUND, NULL},
		{"/.env", SITE_NOT_FOUND, NULL},
		{"/.git/config", SITE_NOT_FOUND, NULL},
		{"/.well-knownx", SITE_NOT_FOUND, NULL},
		{"/../secret", SITE_NOT_FOUND, NULL},
		{"/docs/../../secret", SITE_NOT_FOUND, NULL},
		{"/docs/..", SITE_NOT_FOUND, NULL},
		{"//../secret", SITE_NOT_FOUND, NULL},
		{"/out", SITE_NOT_FOUND, NULL},
		{"/pipe", SITE_NOT_FOUND, NULL},
	};
	cleanup_free char *root = path_join(*state, "site");

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup(site_file_release) struct site_file file = SITE_FILE_INIT;
		enum site_found found = site_file_open(root, cases[i].path, &file, &err);

		if (found != cases[i].found)
			fail_msg("%s: %d (%s)", cases[i].path, found, err.text ? err.text : "");
		if (cases[i].type)
			assert_string_equal(file.type, cases[i].type);
		assert_int_equal(found == SITE_NOT_FOUND, err.code != 0);
	}
}

static void conditions_and_ranges(void **state)
{
	static const char date[] = "Wed, 21 Oct 2015 07:28:00 GMT";
	static const struct {
		const char *name, *value, *name2, *value2;
		struct site_answer answer;
	} cases[] = {
		{NULL, NULL, NULL, NULL, {200, 0, 1000}},
		{"If-None-Match", "\"tag\"", NULL, NULL, {304, 0, 0}},
		{"If-None-Match", "\"a\", W/\"tag\"", NULL, NULL, {304, 0, 0}},
		{"If-None-Match", "*", NULL, NULL, {304, 0, 0}},
		{"If-None-Match", "\"other\"", "If-Modified-Since", date, {200, 0, 1000}},
		{"If-Modified-Since", date, NULL, NULL, {304, 0, 0}},
		{"If-Modified-Since", "Wed, 21 Oct 2015 07:27:59 GMT", NULL, NULL, {200, 0, 1000}},
		{"If-Modified-Since", "yesterday", NULL, NULL, {200, 0, 1000}},
		{"Range", "bytes=0-0", NULL, NULL, {206, 0, 1}},
		{"Range", "bytes=10-19", NULL, NULL, {206, 10, 10}},
		{"Range", "bytes=990-", NULL, NULL, {206, 990, 10}},
		{"Range", "bytes=990-5000", NULL, NULL, {206, 990, 10}},
		{"Range", "bytes=-5", NULL, NULL, {206, 995, 5}},
		{"Range", "bytes=-5000", NULL, NULL, {206, 0, 1000}},
		{"Range", "bytes=-0", NULL, NULL, {416, 0, 0}},
		{"Range", "bytes=1000-", NULL, NULL, {416, 0, 0}},
		{"Range", "bytes=0-1,5-6", NULL, NULL, {200, 0, 1000}},
		{"Range", "bytes=5-1", NULL, NULL, {200, 0, 1000}},
		{"Range", "bytes=-", NULL, NULL, {200, 0, 1000}},
		{"Range", "bytes=x", NULL, NULL, {200, 0, 1000}},
		{"Range", "lines=1-2", NULL, NULL, {200, 0, 1000}},
		{"Range", "bytes=99999999999999999999-", NULL, NULL, {200, 0, 1000}},
		{"Range", "bytes=0-1", "If-Range", "\"tag\"", {206, 0, 2}},
		{"Range", "bytes=0-1", "If-Range", "\"old\"", {200, 0, 1000}},
		{"Range", "bytes=0-1", "If-Range", date, {206, 0, 2}},
	};
	const struct site_file file = {
		.fd = -1, .size = 1000, .changed = {.tv_sec = 1445412480}, .etag = "\"tag\""};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(http_head_release) struct http_head head = HTTP_HEAD_INIT;
		struct site_answer answer;

		http_head_set_request(&head, "GET", "/");
		if (cases[i].name)
			http_head_add(&head, cases[i].name, cases[i].value);
		if (cases[i].name2)
			http_head_add(&head, cases[i].name2, cases[i].value2);
		answer = site_file_answer(&file, &head);
		if (answer.status != cases[i].answer.status ||
		    answer.first != cases[i].answer.first || answer.len != cases[i].answer.len)
			fail_msg("%s: %s: %d", cases[i].name, cases[i].value, answer.status);
	}
}

static void a_head_has_no_range(void **state)
{
	cleanup(http_head_release) struct http_head head = HTTP_HEAD_INIT;
	const struct site_file file = {.fd = -1, .size = 10, .etag = "\"t\""};

	http_head_set_request(&head, "HEAD", "/");
	http_head_add(&head, "Range", "bytes=0-1");
	assert_int_equal(site_file_answer(&file, &head).status, 200);
}

static void dates(void **state)
{
	char date[SITE_DATE_SIZE];

	site_format_date(1445412480, date);
	assert_string_equal(date, "Wed, 21 Oct 2015 07:28:00 GMT");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_finds_its_file_and_nothing_outside),
		cmocka_unit_test(conditions_and_ranges),
		cmocka_unit_test(a_head_has_no_range),
		cmocka_unit_test(dates),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
