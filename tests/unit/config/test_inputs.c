#include "folder.h"

#include "base/str.h"
#include "config/inputs.h"
#include "config/project.h"

static struct config_inputs load(const struct folder *folder, bool is_good)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	struct config_inputs inputs = CONFIG_INPUTS_INIT;
	cleanup_project struct project_config *project =
		project_load_noting(folder->path, NULL, &inputs, &diags, &err);

	assert_int_equal(project != NULL, is_good);
	return inputs;
}

/* '+': read; '-': looked for and not there; ' ': not looked for. */
static char state_of(const struct config_inputs *inputs, const struct folder *folder,
                     const char *name)
{
	cleanup_free char *path = path_join(folder->path, name);
	const struct config_input *input = config_inputs_find(inputs, path);

	return !input ? ' ' : *input->digest ? '+' : '-';
}

static void what_is_not_there_is_noted_too(void **state)
{
	static const struct {
		const char *write, *expected;
	} steps[] = {
		/* in the order of names below */
		{"package.json", "--+--- "}, {"Procfile", "-+ --- "},
		{"locald.toml", "+  ----"},  {"locald.local.toml", "+  +---"},
		{".env", "+  +-+-"},         {"config/dev.env", "+  +-++"},
	};
	static const char *const names[] = {
		"locald.toml",           "Procfile", "package.json",  "locald.local.toml",
		"locald.workspace.toml", ".env",     "config/dev.env"};
	cleanup(folder_release) struct folder folder = folder_new();

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		const char *name = steps[i].write;
		struct config_inputs inputs;

		folder_write(&folder, name,
		             str_eq(name, "package.json")        ? "{\"scripts\":{\"dev\":\"x\"}}"
		             : str_eq(name, "Procfile")          ? "web: x\n"
		             : str_eq(name, "locald.toml")       ? "[services.a]\ncommand = 'x'\n"
		                                                   "env_file = ['config/dev.env']\n"
		                                                   "[services.b]\ncommand = 'x'\n"
		             : str_eq(name, "locald.local.toml") ? "[env]\nX = '1'\n"
		                                                 : "A=1\n");
		inputs = load(&folder, true);
		for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
			if (state_of(&inputs, &folder, names[n]) != steps[i].expected[n])
				fail_msg("step %zu: %s is '%c'", i, names[n],
				         state_of(&inputs, &folder, names[n]));
		}
		config_inputs_release(&inputs);
	}
}

static void a_broken_load_notes_them_all_the_same(void **state)
{
	cleanup(folder_release) struct folder folder = folder_new();
	struct config_inputs inputs;

	folder_write(&folder, "locald.toml", "[services.a]\ncomand = 'x'\n");
	inputs = load(&folder, false);
	assert_int_equal(state_of(&inputs, &folder, "locald.toml"), '+');
	assert_int_equal(state_of(&inputs, &folder, "locald.local.toml"), '-');
	config_inputs_release(&inputs);
}

static void changes_are_seen_by_content(void **state)
{
	cleanup(folder_release) struct folder folder = folder_new();
	struct config_inputs before, now;
	char a[SHA256_DIGEST_SIZE], b[SHA256_DIGEST_SIZE];
	cleanup_json json_t *saved = NULL;

	folder_write(&folder, "locald.toml", "[services.a]\ncommand = 'x'\n");
	before = load(&folder, true);
	assert_true(config_inputs_are_current(&before));
	folder_write(&folder, ".env", "A=1\n");
	assert_false(config_inputs_are_current(&before));
	now = load(&folder, true);
	assert_true(config_inputs_are_current(&now));
	assert_true(str_ends(config_inputs_first_change(&before, &now), "/.env"));
	assert_null(config_inputs_first_change(&now, &now));
	config_inputs_digest(&before, a);
	config_inputs_digest(&now, b);
	assert_string_not_equal(a, b);

	saved = config_inputs_to_json(&now);
	config_inputs_release(&before);
	config_inputs_from_json(saved, &before);
	config_inputs_digest(&before, a);
	assert_string_equal(a, b);
	config_inputs_release(&before);
	config_inputs_release(&now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_there_is_noted_too),
		cmocka_unit_test(a_broken_load_notes_them_all_the_same),
		cmocka_unit_test(changes_are_seen_by_content),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
