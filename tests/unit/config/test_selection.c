#include "config/selection.h"

#include "base/error.h"
#include "base/fs.h"
#include "folder.h"

static struct project_config *load(void)
{
	cleanup(folder_release) struct folder folder = folder_new();
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;
	struct project_config *project;

	folder_write(&folder, "locald.toml",
	             "[services.web]\ncommand = 'x'\n"
	             "[services.mail]\ncommand = 'x'\nprofiles = ['dev', 'test']\n"
	             "[services.seed]\ncommand = 'x'\nautostart = false\nprofiles = ['dev']\n");
	project = project_load(folder.path, NULL, &diags, &err);
	assert_non_null(project);
	return project;
}

static void profiles_choose(void **state)
{
	cleanup_project struct project_config *project = load();
	cleanup(strv_release) struct strv none = STRV_INIT, dev = STRV_INIT, env = STRV_INIT;

	strv_env_set(&env, "LOCALD_PROFILES", "other,dev ,,dev");
	profiles_from_env(&env, &dev);
	assert_int_equal(dev.len, 2);
	assert_true(service_is_wanted(project_service(project, "web"), &none));
	assert_false(service_is_wanted(project_service(project, "mail"), &none));
	assert_true(service_is_wanted(project_service(project, "mail"), &dev));
	assert_false(service_is_wanted(project_service(project, "seed"), &dev));
}

static void an_unknown_profile_is_an_error(void **state)
{
	cleanup_project struct project_config *project = load();
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strv_release) struct strv profiles = STRV_INIT;

	strv_add(&profiles, "dev");
	assert_int_equal(profiles_check(project, &profiles, &err), 0);
	strv_add(&profiles, "tset");
	assert_int_equal(profiles_check(project, &profiles, &err), -1);
	assert_string_equal(err.hint, "did you mean `test`?");
}

static void a_formation_makes_copies(void **state)
{
	cleanup_project struct project_config *project = load();
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strv_release) struct strv items = STRV_INIT;

	strv_add(&items, "web=3");
	assert_int_equal(formation_apply(project, &items, &err), 0);
	assert_int_equal(project_service(project, "web")->replicas, 3);
	project_service(project, "web")->port = 80;
	assert_int_equal(formation_apply(project, &items, &err), -1);
	assert_string_equal(err.text, "web=3: its copies would share a port");
}

static void formations(void **state)
{
	static const struct {
		const char *items[3];
		int code;
		bool web, mail;
	} cases[] = {
		{{"web=0"}, 0, false, true},          {{"web=1", "mail=0"}, 0, true, false},
		{{"all=0", "web=1"}, 0, true, false}, {{"web=1", "all=0"}, 0, true, false},
		{{"web"}, ERR_USAGE, true, true},     {{"web=x"}, ERR_USAGE, true, true},
		{{"web=-1"}, ERR_USAGE, true, true},  {{"wep=1"}, ERR_NOT_FOUND, true, true},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup_project struct project_config *project = load();
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup(strv_release) struct strv items = STRV_INIT;

		for (size_t k = 0; k < 3 && cases[i].items[k]; k++)
			strv_add(&items, cases[i].items[k]);
		assert_int_equal(formation_apply(project, &items, &err), cases[i].code ? -1 : 0);
		assert_int_equal(err.code, cases[i].code);
		assert_int_equal(project_service(project, "web")->autostart, cases[i].web);
		assert_int_equal(project_service(project, "mail")->autostart, cases[i].mail);
		assert_int_equal(project_service(project, "web")->replicas, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(profiles_choose),
		cmocka_unit_test(an_unknown_profile_is_an_error),
		cmocka_unit_test(a_formation_makes_copies),
		cmocka_unit_test(formations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
