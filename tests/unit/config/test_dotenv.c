#include "base/error.h"
#include "base/str.h"
#include "config/diag.h"
#include "config/dotenv.h"
#include "folder.h"

static const char *shell(const char *name, void *data)
{
	return str_eq(name, "HOME") ? "/home/me" : NULL;
}

static void rules(void **state)
{
	static const struct {
		const char *text, *value; /* of A; NULL: not set */
	} cases[] = {
		{"A=1", "1"},
		{"A = 1 ", "1"},
		{"A: 1", "1"},
		{"export A=1", "1"},
		{"export\tA = 1", "1"},
		{"  A=1\r\n", "1"},
		{"\xef\xbb\xbf"
	         "A=1",
	         "1"},
		{"A=", ""},
		{"A=\"\"", ""},
		{"A=''", ""},
		{"A= # comment", ""},
		{"A=x # comment", "x"},
		{"A=x#y", "x#y"},
		{"A=#x", "#x"},
		{"A=x  y  ", "x  y"},
		{"A='x # y' # z", "x # y"},
		{"A=\"x # y\"# z", "x # y"},
		{"A='it\\'s'", "it's"},
		{"A='a\\nb $HOME ${HOME}'", "a\\nb $HOME ${HOME}"},
		{"A=\"a\\nb\\t\\\"\\\\\\q\"", "a\nb\t\"\\\\q"},
		{"A=\"one\ntwo\"", "one\ntwo"},
		{"A='one\ntwo'", "one\ntwo"},
		{"A=a\\nb", "a\\nb"},
		{"A=it's", "it's"},
		{"A=$HOME", "/home/me"},
		{"A=${HOME}/x", "/home/me/x"},
		{"A=\"${HOME}\"", "/home/me"},
		{"A=\\$HOME", "$HOME"},
		{"A=\"\\$HOME\"", "$HOME"},
		{"A=\"\\\\$HOME\"", "\\/home/me"},
		{"A=$$HOME", "$HOME"},
		{"A=100$", "100$"},
		{"A=$UNSET", ""},
		{"A=${UNSET:-${HOME}}", "/home/me"},
		{"A=${UNSET:+x}", ""},
		{"B=b\nA=$B$B", "bb"},
		{"A=${B}\nB=b", ""},
		{"A=1\nA=2", "2"},
		{"HOME=/other\nA=$HOME", "/other"},
		{"HOME\nA=$HOME", "/home/me"},
		{"A", NULL},
		{"#A=1", NULL},
		{"", NULL},
		{"\n\n", NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(strv_release) struct strv env = STRV_INIT;
		cleanup(error_release) struct error err = ERROR_INIT;
		struct toml_pos pos;
		const char *got;

		if (dotenv_parse(cases[i].text, strlen(cases[i].text), shell, NULL, &env, &pos,
		                 &err) < 0)
			fail_msg("%s: %s", cases[i].text, err.text);
		got = strv_env_get(&env, "A");
		if (!str_eq_null(got, cases[i].value))
			fail_msg("%s: got %s", cases[i].text, got ? got : "nothing");
	}
}

static void errors_have_places(void **state)
{
	static const struct {
		const char *text;
		int line, column;
		const char *message;
	} cases[] = {
		{"A=1\n=2", 2, 1, "expected NAME=value"},
		{"1A=2", 1, 1, "expected NAME=value"},
		{"A B=2", 1, 1, "expected = after A"},
		{"A=1\n  B=\"x\ny", 2, 5, "value without a closing \""},
		{"A='x", 1, 3, "value without a closing '"},
		{"A=\"x\" y", 1, 6, "text after the closing \""},
		{"A=\"x\n\" y", 2, 2, "text after the closing \""},
		{"A=${B", 1, 3, "A: ${ without a closing }"},
		{"A=${HOME:?}${C:?set me}", 1, 3, "A: C: set me"},
		{"A=${services.db.url}", 1, 3, "A: services.db.url cannot be used in an env file"},
		{"A=1\n\xff", 2, 1, "invalid UTF-8"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup(strv_release) struct strv env = STRV_INIT;
		cleanup(error_release) struct error err = ERROR_INIT;
		struct toml_pos pos = {0};

		assert_int_equal(dotenv_parse(cases[i].text, strlen(cases[i].text), shell, NULL,
		                              &env, &pos, &err),
		                 -1);
		assert_string_equal(err.text, cases[i].message);
		assert_int_equal(pos.line, cases[i].line);
		assert_int_equal(pos.column, cases[i].column);
		assert_true(pos.length > 0);
	}
}

static void a_nul_is_refused(void **state)
{
	cleanup(strv_release) struct strv env = STRV_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;
	struct toml_pos pos;

	assert_int_equal(dotenv_parse("A=x\0y", 5, NULL, NULL, &env, &pos, &err), -1);
	assert_string_equal(err.text, "a NUL character");
	assert_int_equal(pos.column, 4);
	assert_int_equal(env.len, 0);
}

static void a_wrong_file_does_not_show_its_secrets(void **state)
{
	cleanup(folder_release) struct folder folder = folder_new();
	cleanup(strv_release) struct strv env = STRV_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	cleanup_free char *path = path_join(folder.path, ".env");

	folder_write(&folder, ".env", "OK=1\nSECRET=\"hunter2\n");
	assert_int_equal(dotenv_read(path, ".env", NULL, NULL, &env, &diags, &err), -1);
	assert_string_equal(err.text, ".env:2:8: value without a closing \"");
	assert_string_equal(diags.items.items[0].id, "C041");
	assert_null(diags.items.items[0].places.items[0].source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules),
		cmocka_unit_test(errors_have_places),
		cmocka_unit_test(a_nul_is_refused),
		cmocka_unit_test(a_wrong_file_does_not_show_its_secrets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
