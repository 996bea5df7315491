#include "fuzz.h"

#include "base/error.h"
#include "base/str.h"
#include "config/procfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(procfile_release) struct procfile procfile = PROCFILE_INIT;
	struct toml_pos pos = {0};

	if (procfile_parse((const char *)data, size, &procfile, &pos, &err) < 0) {
		fuzz_check(pos.line >= 1 && pos.column >= 1 && pos.length >= 1 && err.text);
		return 0;
	}
	array_foreach(entry, &procfile.entries) {
		fuzz_check(*entry->name && *entry->command);
		fuzz_check(procfile_find(&procfile, entry->name) == entry);
	}
	return 0;
}
