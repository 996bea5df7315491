#include "base/array.h"
#include "base/mem.h"
#include "base/str.h"
#include "keeper/log_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct log_record sample = {
	.seq = 41,
	.pos = 1000,
	.mono_ns = 5,
	.real_ns = -6,
	.run = 7,
	.stream = LOG_ERR,
	.flags = LOG_CONT,
	.lines = 1,
	.data = "hello\n",
	.len = 6,
};

static void test_round_trip(void **state)
{
	char buf[128];
	struct log_record back;
	size_t size = log_record_encode(&sample, buf);

	assert_int_equal(size, sample.len + LOG_RECORD_OVERHEAD);
	assert_int_equal(log_record_decode(buf, sizeof(buf), &back), size);
	assert_int_equal(back.seq, sample.seq);
	assert_int_equal(back.pos, sample.pos);
	assert_int_equal(back.real_ns, sample.real_ns);
	assert_int_equal(back.run, sample.run);
	assert_int_equal(back.stream, sample.stream);
	assert_int_equal(back.flags, sample.flags);
	assert_memory_equal(back.data, "hello\n", 6);
	assert_int_equal(log_record_size_before(buf, size), size);
}

static void test_every_cut_wants_more(void **state)
{
	char buf[128];
	struct log_record back;
	size_t size = log_record_encode(&sample, buf);

	for (size_t len = 0; len < size; len++)
		assert_int_equal(log_record_decode(buf, len, &back), 0);
}

static void test_every_flipped_bit_is_noticed(void **state)
{
	char buf[128];
	struct log_record back;
	size_t size = log_record_encode(&sample, buf);

	for (size_t bit = 0; bit < size * 8; bit++) {
		buf[bit / 8] ^= (char)(1 << bit % 8);
		if (log_record_decode(buf, size, &back) > 0)
			fail_msg("bit %zu", bit);
		buf[bit / 8] ^= (char)(1 << bit % 8);
	}
}

static void test_lines_are_counted(void **state)
{
	static const struct {
		const char *text;
		uint32_t lines;
	} cases[] = {
		{"", 1},
		{"\n", 1},
		{"a\n", 1},
		{"no newline, but some length", 1},
		{"\n\n\n\n\n\n\n\n\n", 9},
		{"\x8a\x0b\x09\x8a\x0b\x09\x8a\x0b\n", 1},
		{"one line\nand another one\nthe third", 3},
		{"1234567\n1234567\n123\n5678\n", 4},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(log_record_count_lines(cases[i].text, strlen(cases[i].text)),
		                 cases[i].lines);
}

static void test_the_most_lines_a_record_can_have(void **state)
{
	cleanup_free char *data = xmalloc(LOG_RECORD_MAX_DATA);
	cleanup_free char *buf = xmalloc(LOG_RECORD_MAX);
	struct log_record record = sample, back;

	memset(data, '\n', LOG_RECORD_MAX_DATA);
	record.flags = 0;
	record.data = data;
	record.len = LOG_RECORD_MAX_DATA;
	record.lines = log_record_count_lines(data, LOG_RECORD_MAX_DATA);
	assert_int_equal(record.lines, LOG_RECORD_MAX_DATA);
	assert_true(log_record_decode(buf, log_record_encode(&record, buf), &back) > 0);
	assert_int_equal(back.lines, record.lines);
}

static void test_zeros_are_no_record(void **state)
{
	static const char zeros[256];
	struct log_record back;

	assert_int_equal(log_record_decode(zeros, sizeof(zeros), &back), -1);
	assert_int_equal(log_record_size_before(zeros, sizeof(zeros)), 0);
	assert_int_equal(log_record_size_before(zeros, 3), 0);
}

static void test_segment_names(void **state)
{
	static const char *const bad[] = {"",
	                                  "reserve",
	                                  "1.seg",
	                                  "0000000000000000001x.seg",
	                                  "00000000000000000001.tmp",
	                                  "99999999999999999999.seg"};
	char name[LOG_SEGMENT_NAME_SIZE];
	uint64_t seq = 0;

	log_segment_name(UINT64_MAX, name);
	assert_string_equal(name, "18446744073709551615.seg");
	assert_true(log_segment_parse(name, &seq));
	assert_true(seq == UINT64_MAX);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(log_segment_parse(bad[i], &seq));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_every_cut_wants_more),
		cmocka_unit_test(test_every_flipped_bit_is_noticed),
		cmocka_unit_test(test_lines_are_counted),
		cmocka_unit_test(test_the_most_lines_a_record_can_have),
		cmocka_unit_test(test_zeros_are_no_record),
		cmocka_unit_test(test_segment_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
