/* strbuf, array, sha256, json, clock and proc: small value types in one file. */
#include "base/array.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/proc.h"
#include "base/sha256.h"
#include "base/str.h"
#include "base/strbuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/wait.h>

static void a_buffer_stops_at_its_limit(void **state)
{
	cleanup(strbuf_release) struct strbuf sb = STRBUF_INIT_MAX(5);

	strbuf_adds(&sb, "abc");
	assert_false(sb.overflow);
	strbuf_adds(&sb, "defg");
	assert_true(sb.overflow);
	assert_string_equal(sb.buf, "abcde");
	strbuf_consume(&sb, 2);
	assert_string_equal(sb.buf, "cde");
}

static void an_empty_buffer_is_an_empty_string(void **state)
{
	struct strbuf sb = STRBUF_INIT;
	char *text = strbuf_detach(&sb);

	assert_string_equal(text, "");
	free(text);
	assert_string_equal(sb.buf, "");
}

static void elements_keep_their_order(void **state)
{
	ARRAY(int) numbers = {0};
	int sum = 0;

	for (int i = 0; i < 100; i++)
		*array_add(&numbers) = i;
	array_remove(&numbers, &numbers.items[50]);
	assert_int_equal(numbers.len, 99);
	assert_int_equal(numbers.items[50], 51);
	array_foreach(n, &numbers)
		sum += *n;
	assert_int_equal(sum, 4950 - 50);
	array_drop(&numbers, 50);
	assert_int_equal(numbers.len, 99);
	array_drop(&numbers, 51);
	assert_int_equal(numbers.len, 98);
	assert_int_equal(numbers.items[50], 52);
	array_release(&numbers);
	array_foreach(n, &numbers)
		fail();
}

static void digests_match_the_standard(void **state)
{
	char digest[SHA256_DIGEST_SIZE];
	struct sha256 sha;

	/* FIPS 180-2, appendix B.1 */
	sha256_digest_of("abc", 3, digest);
	assert_string_equal(digest, "sha256:"
	                            "ba7816bf8f01cfea414140de5dae2223"
	                            "b00361a396177a9cb410ff61f20015ad");
	sha256_init(&sha);
	sha256_add(&sha, "a", 1);
	sha256_add(&sha, "bc", 2);
	sha256_digest(&sha, digest);
	assert_memory_equal(digest + 7, "ba7816bf", 8);
}

static void broken_json_says_where(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_json json_t *object = json_parse("{\"a\":1,\"b\":\"x\"}", 15, &err);
	const char *text;

	assert_non_null(object);
	assert_int_equal(json_get_int(object, "a", 9), 1);
	assert_int_equal(json_get_int(object, "b", 9), 9);
	assert_int_equal(json_need_str(object, "a", &text, &err), -1);
	assert_null(json_parse("{\"a\":1,\"a\":2}", 13, &err));
	assert_null(json_parse("[1,]", 4, &err));
	assert_non_null(strstr(err.text, "line 1"));
	assert_null(json_parse("1 2", 3, &err));
}

static void bytes_that_are_not_text_are_replaced(void **state)
{
	cleanup_json json_t *object = json_object();

	json_set_str(object, "x", "a\xff\xc3\xa9");
	assert_string_equal(json_get_str(object, "x", NULL), "a\xef\xbf\xbd\xc3\xa9");
}

static void times_are_rfc_3339(void **state)
{
	char text[CLOCK_TEXT_SIZE];

	clock_format_utc(INT64_C(1769860867412000000), text);
	assert_string_equal(text, "2026-01-31T12:01:07.412Z");
	clock_format_utc(-1, text);
	assert_string_equal(text, "1969-12-31T23:59:59.999Z");
}

static void a_process_is_known_by_its_start(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct proc_id id, other;
	pid_t pid;

	assert_int_equal(proc_identify(getpid(), &id, &err), 0);
	assert_true(proc_is_alive(&id));
	other = id;
	other.start_ticks++;
	assert_false(proc_is_alive(&other));
	other = id;
	other.boot_id[0] = 'x';
	assert_false(proc_is_alive(&other));

	pid = fork();
	if (pid == 0)
		_exit(0);
	assert_int_equal(proc_identify(pid, &id, &err), 0);
	waitid(P_PID, (id_t)pid, &(siginfo_t){0}, WEXITED | WNOWAIT);
	assert_false(proc_is_alive(&id)); /* a zombie counts as gone */
	waitpid(pid, NULL, 0);
	assert_false(proc_is_alive(&id));
}

static void errors_gather_context(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT, other = ERROR_INIT;

	assert_int_equal(error_set(&err, ERR_NOT_FOUND, "no image %s", "x"), -1);
	error_wrap(&err, "start %s", "web");
	error_hint(&err, "pull it");
	assert_string_equal(err.text, "start web: no image x");
	error_move(&other, &err);
	assert_null(err.text);
	assert_string_equal(other.hint, "pull it");
	assert_int_equal(error_exit_code(other.code), 4);
	assert_int_equal(error_code_from_name(error_code_name(ERR_CONFLICT)), ERR_CONFLICT);
	assert_int_equal(error_exit_code(12345), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_buffer_stops_at_its_limit),
		cmocka_unit_test(an_empty_buffer_is_an_empty_string),
		cmocka_unit_test(elements_keep_their_order),
		cmocka_unit_test(digests_match_the_standard),
		cmocka_unit_test(broken_json_says_where),
		cmocka_unit_test(bytes_that_are_not_text_are_replaced),
		cmocka_unit_test(times_are_rfc_3339),
		cmocka_unit_test(a_process_is_known_by_its_start),
		cmocka_unit_test(errors_gather_context),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
