#include "fuzz.h"

#include "base/error.h"
#include "base/str.h"
#include "config/dotenv.h"

static const char *look_up(const char *name, void *data)
{
	return strlen(name) % 2 ? "outside" : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strv_release) struct strv env = STRV_INIT;
	struct toml_pos pos = {0};

	if (dotenv_parse((const char *)data, size, look_up, NULL, &env, &pos, &err) < 0)
		fuzz_check(pos.line >= 1 && pos.column >= 1 && pos.length >= 1 && err.text);
	for (size_t i = 0; i < env.len; i++) {
		const char *equals = strchr(env.items[i], '=');

		fuzz_check(equals && equals > env.items[i]);
	}
	return 0;
}
