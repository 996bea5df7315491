#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "config/interpolate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
	const char *text, *value;
	bool is_template;
} known[] = {
	{"A", "a", false},
	{"EMPTY", "", false},
	{"DOLLAR", "$A ${A}", false},
	{"T", "<${A}>", true},
	{"X", "${Y}", true},
	{"Y", "-${X}-", true},
	{"SELF", "${SELF}", true},
	{"BAD", "${", true},
	{"L0", "", false},
	{"L1", "${L0}${L0}${L0}${L0}${L0}${L0}${L0}${L0}", true},
	{"L2", "${L1}${L1}${L1}${L1}${L1}${L1}${L1}${L1}", true},
	{"L3", "${L2}${L2}${L2}${L2}${L2}${L2}${L2}${L2}", true},
	{"L4", "${L3}${L3}${L3}${L3}${L3}${L3}${L3}${L3}", true},
	{"L5", "${L4}${L4}${L4}${L4}${L4}${L4}${L4}${L4}", true},
	{"env.HOME", "/me", false},
	{"project.name", "shop", false},
	{"project.domain", "shop.localhost", false},
	{"services.my-db.url", "http://db", false},
	{"services.my-db.host", "127.0.0.1", false},
	{"services.my-db.port", "5432", false},
	{"services.my-db.env.PASS_1", "s3", false},
};

static int look_up(const struct reference *ref, struct reference_value *ret, void *data,
                   struct error *err)
{
	if (str_eq(ref->text, "FAILS"))
		return error_set(err, ERR_FAILED, "no luck");
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (!str_eq(known[i].text, ref->text))
			continue;
		*ret = (struct reference_value){xstrdup(known[i].value), known[i].is_template,
		                                NULL};
		return 1;
	}
	return 0;
}

static const struct interpolation plain = {.lookup = look_up};
static const struct interpolation shell = {.lookup = look_up, .bare = true, .unset_is_empty = true};

static void assert_expands(const struct interpolation *how, const char *text, const char *expected)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;
	size_t at, len;

	if (interpolate(how, NULL, text, &out, &at, &len, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	assert_string_equal(out.buf, expected);
}

static void assert_fails(const char *text, size_t at, size_t len, const char *message)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;
	size_t got_at = 99, got_len = 99;

	assert_int_equal(interpolate(&plain, NULL, text, &out, &got_at, &got_len, &err), -1);
	assert_string_equal(err.text, message);
	assert_int_equal(got_at, at);
	assert_int_equal(got_len, len);
	assert_int_equal(out.len, 0);
}

static void references_are_expanded(void **state)
{
	assert_expands(&plain, "", "");
	assert_expands(&plain, "x${A}y${A}", "xaya");
	assert_expands(&plain, "${T}", "<a>");
	assert_expands(&plain, "${DOLLAR}", "$A ${A}"); /* a final text is not read again */
	assert_expands(&plain, "${env.HOME} ${project.name} ${project.domain}",
	               "/me shop shop.localhost");
	assert_expands(&plain, "${services.my-db.url} ${services.my-db.host}",
	               "http://db 127.0.0.1");
	assert_expands(&plain, "${services.my-db.port} ${services.my-db.env.PASS_1}", "5432 s3");
}

static void dollars_stay(void **state)
{
	assert_expands(&plain, "$A $ $1 100$", "$A $ $1 100$");
	assert_expands(&plain, "$$ $${A} $$$${A}", "$ ${A} $${A}");
	assert_expands(&shell, "$A-$AA.$UNSET $1 $$A", "a-. $1 $A");
}

static void operators(void **state)
{
	assert_expands(&plain, "${UNSET:-x} ${EMPTY:-x} ${A:-x}", "x x a");
	assert_expands(&plain, "${UNSET-x} ${EMPTY-x} ${A-x}", "x  a");
	assert_expands(&plain, "${UNSET:+x} ${EMPTY:+x} ${A:+x}", "  x");
	assert_expands(&plain, "${UNSET+x} ${EMPTY+x} ${A+x}", " x x");
	assert_expands(&plain, "${UNSET:-}", "");
	assert_expands(&plain, "${UNSET:-a b:-c}", "a b:-c");
	assert_expands(&plain, "${UNSET:-${UNSET:-${A}}!}", "a!");
	assert_expands(&plain, "${A:?x}", "a");
	assert_expands(&plain, "${services.my-db.url:-x} ${services.no-db.url-no db}",
	               "http://db no db");
	assert_fails("x${UNSET:?set it}", 1, 16, "UNSET: set it");
	assert_fails("${EMPTY:?}", 0, 10, "EMPTY is empty");
	assert_fails("${UNSET?}", 0, 9, "UNSET is not set");
}

static void unknown_references_fail(void **state)
{
	assert_fails("x ${UNSET} y", 2, 8, "UNSET is not set");
	assert_fails("${env.NO}", 0, 9, "NO is not set in the environment of the shell");
	assert_fails("${services.w.url}", 0, 17, "services.w.url: the service has no port");
	assert_fails("${services.w.env.X}", 0, 19, "X is not set for the service w");
	assert_fails("${A:-${B}} ${C}", 11, 4, "C is not set");
	assert_fails("${U:-x${B}}", 6, 4, "B is not set");
	assert_fails("${FAILS}", 0, 8, "no luck");
}

static void wrong_syntax_fails(void **state)
{
	assert_fails("a ${A", 2, 3, "${ without a closing }");
	assert_fails("${A:-${B}", 0, 9, "${ without a closing }");
	assert_fails("${}", 0, 3, "${} is not a reference");
	assert_fails("${1}", 0, 4, "${1} is not a reference");
	assert_fails("${a b}", 0, 6, "${a b} is not a reference");
	assert_fails("${project.nam}", 0, 14, "${project.nam} is not a reference");
	assert_fails("${services.db}", 0, 14, "${services.db} is not a reference");
	assert_fails("${services.db.urls}", 0, 19, "${services.db.urls} is not a reference");
	assert_fails("${services.db.env.}", 0, 19, "${services.db.env.} is not a reference");
	assert_fails("${A:x}", 0, 6, "expected :- or :? or :+ after the name in ${A:x}");
	assert_fails("${A:}", 0, 5, "expected :- or :? or :+ after the name in ${A:}");
}

static void cycles_end(void **state)
{
	assert_fails("${X}", 0, 4, "reference cycle: X → Y → X");
	assert_fails("a${SELF}", 1, 7, "reference cycle: SELF → SELF");
	assert_fails("x${BAD}", 1, 6, "${ without a closing }"); /* placed in the outer text */
}

static void work_is_bounded(void **state)
{
	cleanup(strbuf_release) struct strbuf deep = STRBUF_INIT;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;
	size_t at, len;

	assert_fails("${L5}", 0, 5, "too many references");
	for (int i = 0; i < 100; i++)
		strbuf_adds(&deep, "${U:-");
	for (int i = 0; i < 100; i++)
		strbuf_adds(&deep, "}");
	assert_int_equal(interpolate(&plain, NULL, deep.buf, &out, &at, &len, &err), -1);
	assert_string_equal(err.text, "references are nested too deep");
}

static int collect(const struct reference *ref, size_t at, size_t len, void *data,
                   struct error *err)
{
	strbuf_addf(data, "%s@%zu+%zu ", ref->text, at, len);
	return str_eq(ref->text, "STOP") ? error_set(err, ERR_CONFIG, "stopped") : 0;
}

static void each_reference_is_visited(void **state)
{
	cleanup(strbuf_release) struct strbuf seen = STRBUF_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;
	size_t at = 0, len = 0;

	assert_int_equal(interpolate_each("a ${B:-${services.db.url}} $$ ${C}", collect, &seen, &at,
	                                  &len, &err),
	                 0);
	assert_string_equal(seen.buf, "B@2+24 services.db.url@7+18 C@30+4 ");
	assert_int_equal(interpolate_each("${A}${STOP}${B}", collect, &seen, &at, &len, &err), -1);
	assert_string_equal(err.text, "stopped");
	assert_int_equal(at, 4);
	assert_int_equal(len, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(references_are_expanded),
		cmocka_unit_test(dollars_stay),
		cmocka_unit_test(operators),
		cmocka_unit_test(unknown_references_fail),
		cmocka_unit_test(wrong_syntax_fails),
		cmocka_unit_test(cycles_end),
		cmocka_unit_test(work_is_bounded),
		cmocka_unit_test(each_reference_is_visited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
