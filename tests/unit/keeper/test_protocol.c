#include "keeper/protocol.h"

#include "base/array.h"
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void fill(struct keeper_spec *spec)
{
	*spec = (struct keeper_spec){
		.socket = xstrdup("/run/web.sock"),
		.log_dir = xstrdup("/logs/web"),
		.service = xstrdup("web"),
		.run = 3,
		.cwd = xstrdup("/src"),
		.stop_signal = 15,
		.stop_timeout_ms = 10000,
		.segment_bytes = 1 << 20,
		.segment_count = 4,
	};
	strv_add(&spec->args, "sh");
	strv_add(&spec->args, "-c");
	strv_add(&spec->args, "echo a=b\nsecond line");
	strv_add(&spec->env, "PATH=/bin");
	strv_add(&spec->env, "EMPTY=");
}

static void test_spec_round_trip(void **state)
{
	cleanup(keeper_spec_release) struct keeper_spec spec = {0}, back = {0};
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;

	fill(&spec);
	keeper_spec_encode(&spec, &text);
	assert_int_equal(keeper_spec_decode(text.buf, text.len, &back, &err), 0);
	assert_string_equal(back.socket, spec.socket);
	assert_int_equal(back.run, 3);
	assert_int_equal(back.segment_bytes, 1 << 20);
	assert_int_equal(back.args.len, 3);
	assert_string_equal(back.args.items[2], "echo a=b\nsecond line");
	assert_string_equal(back.env.items[1], "EMPTY=");
	assert_int_equal(back.stop_args.len, 0);
	assert_null(back.notify);
	assert_false(back.has_stdin);
	assert_int_equal(back.adopt_pid, 0);
}

static void test_spec_says_what_is_optional_only_when_set(void **state)
{
	cleanup(keeper_spec_release) struct keeper_spec spec = {0}, back = {0};
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT, plain = STRBUF_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;

	fill(&spec);
	keeper_spec_encode(&spec, &plain);
	assert_null(memmem(plain.buf, plain.len, "adopt", 5));
	assert_null(memmem(plain.buf, plain.len, "notify", 6));
	spec.notify = xstrdup("/run/web.notify");
	spec.has_stdin = true;
	spec.adopt_pid = 4711;
	spec.adopt_start_ticks = 99;
	keeper_spec_encode(&spec, &text);
	assert_int_equal(keeper_spec_decode(text.buf, text.len, &back, &err), 0);
	assert_string_equal(back.notify, "/run/web.notify");
	assert_true(back.has_stdin);
	assert_int_equal(back.adopt_pid, 4711);
	assert_int_equal(back.adopt_start_ticks, 99);
}

static void assert_bad_spec(const char *data, size_t len, const char *text)
{
	cleanup(keeper_spec_release) struct keeper_spec back = {0};
	cleanup(error_release) struct error err = ERROR_INIT;

	assert_int_equal(keeper_spec_decode(data, len, &back, &err), -1);
	assert_string_equal(err.text, text);
	assert_null(back.socket);
}

#define BAD_SPEC(literal, text) assert_bad_spec(literal, sizeof(literal), text)

static void test_spec_refusals(void **state)
{
	assert_bad_spec("", 0, "the spec is cut off");
	assert_bad_spec("socket=/x", 9, "the spec is cut off");
	BAD_SPEC("socket=/x", "log_dir is missing");
	BAD_SPEC("nonsense", "\"nonsense\" is no entry of a spec");
	BAD_SPEC("colour=red", "\"colour=red\" is no entry of a spec");
	BAD_SPEC("socket=/x\0socket=/y", "socket is given twice");
	BAD_SPEC("run=0", "run: expected a number from 1 to 4294967295, got \"0\"");
	BAD_SPEC("stop_signal=99", "stop_signal: expected a number from 1 to 64, got \"99\"");
}

static void test_spec_cut_anywhere_is_refused(void **state)
{
	cleanup(keeper_spec_release) struct keeper_spec spec = {0};
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	size_t must_have;

	fill(&spec);
	keeper_spec_encode(&spec, &text);
	/* Up to the first arg every entry is needed; behind it the lists may be shorter. */
	must_have = (size_t)((char *)memmem(text.buf, text.len, "arg=sh", 6) - text.buf) + 6;
	for (size_t len = 0; len <= must_have; len++) {
		cleanup(keeper_spec_release) struct keeper_spec back = {0};
		cleanup(error_release) struct error err = ERROR_INIT;

		assert_int_equal(keeper_spec_decode(text.buf, len, &back, &err), -1);
	}
}

static void test_packets_round_trip(void **state)
{
	const struct keeper_packet packets[] = {
		{.op = KEEPER_HELLO},
		{.op = KEEPER_SUBSCRIBE},
		{.op = KEEPER_SUBSCRIBE, .hold = true},
		{.op = KEEPER_ATTACH, .write = true, .rows = 24, .cols = 80},
		{.op = KEEPER_RESIZE, .rows = 1, .cols = 65535},
		{.op = KEEPER_STOP},
		{.op = KEEPER_KILL},
		{.op = KEEPER_SIGNAL, .signal = 10},
		{.op = KEEPER_ERROR, .text = "no such thing"},
		{.op = KEEPER_STATUS,
	         .status = {.state = KEEPER_EXITED,
	                    .pid = 12,
	                    .start_ticks = 99,
	                    .run = 4,
	                    .started_real_ns = 1700000000000000000,
	                    .exit_code = -1,
	                    .exit_signal = 9,
	                    .killed = true,
	                    .log_bytes = 1234567890123,
	                    .dropped_bytes = 5,
	                    .tty = true,
	                    .degraded = true,
	                    .notify_ready = true,
	                    .watchdog_us = 5000000,
	                    .extend_us = 77,
	                    .notify_text = "two of three"}},
	};

	for (size_t i = 0; i < ARRAY_LEN(packets); i++) {
		cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
		cleanup(error_release) struct error err = ERROR_INIT;
		struct keeper_packet back;

		keeper_packet_encode(&packets[i], &text);
		assert_int_equal(keeper_packet_decode(text.buf, text.len, &back, &err), 0);
		assert_int_equal(back.op, packets[i].op);
		assert_int_equal(back.signal, packets[i].signal);
		assert_string_equal(back.text, packets[i].text);
		assert_int_equal(back.status.state, packets[i].status.state);
		assert_int_equal(back.status.exit_code, packets[i].status.exit_code);
		assert_int_equal(back.status.killed, packets[i].status.killed);
		assert_int_equal(back.status.log_bytes, packets[i].status.log_bytes);
		assert_int_equal(back.hold, packets[i].hold);
		assert_int_equal(back.write, packets[i].write);
		assert_int_equal(back.rows, packets[i].rows);
		assert_int_equal(back.cols, packets[i].cols);
		assert_int_equal(back.status.tty, packets[i].status.tty);
		assert_int_equal(back.status.has_stdin, packets[i].status.has_stdin);
		assert_int_equal(back.status.degraded, packets[i].status.degraded);
		assert_int_equal(back.status.notify_ready, packets[i].status.notify_ready);
		assert_int_equal(back.status.watchdog_us, packets[i].status.watchdog_us);
		assert_int_equal(back.status.watchdog_missed, packets[i].status.watchdog_missed);
		assert_int_equal(back.status.extend_us, packets[i].status.extend_us);
		assert_string_equal(back.status.notify_text, packets[i].status.notify_text);
	}
}

static void test_data_is_any_bytes(void **state)
{
	static const char bytes[] = "a\0b\nop=stop\n\n\xff";
	struct keeper_packet packet = {.op = KEEPER_DATA, .data = bytes, .data_len = sizeof(bytes)};
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;
	char whole[KEEPER_DATA_MAX] = {0};
	struct keeper_packet back;

	keeper_packet_encode(&packet, &text);
	assert_int_equal(keeper_packet_decode(text.buf, text.len, &back, &err), 0);
	assert_int_equal(back.op, KEEPER_DATA);
	assert_int_equal(back.data_len, sizeof(bytes));
	assert_memory_equal(back.data, bytes, sizeof(bytes));

	strbuf_reset(&text);
	packet.data = whole;
	packet.data_len = sizeof(whole);
	keeper_packet_encode(&packet, &text);
	assert_int_equal(keeper_packet_decode(text.buf, text.len, &back, &err), 0);
	assert_int_equal(back.data_len, sizeof(whole));
}

/* A keeper of the version before knows nothing of notify, and one of the next says more. */
static void test_status_of_other_versions(void **state)
{
	static const char old[] =
		"op=status\nstate=running\npid=1\nstart_ticks=2\nrun=3\nstarted_real_ns=4\n"
		"exit_code=-1\nexit_signal=0\nkilled=0\nlog_bytes=5\ndropped_bytes=6\n";
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;
	struct keeper_packet back;

	assert_int_equal(keeper_packet_decode(old, strlen(old), &back, &err), 0);
	assert_int_equal(back.status.run, 3);
	assert_false(back.status.notify_ready);
	assert_int_equal(back.status.watchdog_us, 0);
	assert_string_equal(back.status.notify_text, "");
	strbuf_addf(&text, "%smoon=full\nnotify_ready=1\nnotify_text=%0300d\n", old, 7);
	assert_int_equal(keeper_packet_decode(text.buf, text.len, &back, &err), 0);
	assert_true(back.status.notify_ready);
	assert_int_equal(strlen(back.status.notify_text), KEEPER_NOTIFY_TEXT_SIZE - 1);
	strbuf_adds(&text, "watchdog_us=often\n");
	assert_int_equal(keeper_packet_decode(text.buf, text.len, &back, &err), -1);
}

static void test_text_of_others_is_one_line(void **state)
{
	struct keeper_packet packet = {.op = KEEPER_STATUS,
	                               .status = {.run = 1, .notify_text = "a\nop=stop\x1b[2J"}};
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;
	struct keeper_packet back;
	char cut[4];

	keeper_packet_encode(&packet, &text);
	assert_int_equal(keeper_packet_decode(text.buf, text.len, &back, &err), 0);
	assert_string_equal(back.status.notify_text, "a op=stop [2J");
	keeper_copy_line(cut, sizeof(cut), "ab\xc3\xa4", 4);
	assert_string_equal(cut, "ab");
	keeper_copy_line(cut, sizeof(cut), "abc", 3);
	assert_string_equal(cut, "abc");
}

static void test_bad_packets(void **state)
{
	static const char *const bad[] = {
		"",
		"op=",
		"op",
		"op=dance",
		"x=1\nop=stop",
		"op=signal",
		"op=signal\nsignal=0",
		"op=signal\nsignal=65",
		"op=signal\nsignal=9x",
		"op=status\nstate=running",
		"op=status\nstate=asleep",
		"op=error",
		"op=data",
		"op=data\nx",
		"op=attach\nrows=-1",
		"op=resize\nrows=1\ncols=65536",
	};
	cleanup(error_release) struct error err = ERROR_INIT;
	struct keeper_packet back;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (keeper_packet_decode(bad[i], strlen(bad[i]), &back, &err) == 0)
			fail_msg("accepted \"%s\"", bad[i]);
	assert_int_equal(keeper_packet_decode("op=stop\0", 8, &back, &err), -1);
}

static void test_lines_are_found_whole(void **state)
{
	const char *text = "ab=1\nb=2\nc=";
	size_t len;

	assert_int_equal(keeper_line_int(text, strlen(text), "b", 0), 2);
	assert_int_equal(keeper_line_int(text, strlen(text), "a", -7), -7);
	assert_non_null(keeper_line_value(text, strlen(text), "c", &len));
	assert_int_equal(len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spec_round_trip),
		cmocka_unit_test(test_spec_refusals),
		cmocka_unit_test(test_spec_cut_anywhere_is_refused),
		cmocka_unit_test(test_packets_round_trip),
		cmocka_unit_test(test_spec_says_what_is_optional_only_when_set),
		cmocka_unit_test(test_data_is_any_bytes),
		cmocka_unit_test(test_status_of_other_versions),
		cmocka_unit_test(test_text_of_others_is_one_line),
		cmocka_unit_test(test_bad_packets),
		cmocka_unit_test(test_lines_are_found_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
