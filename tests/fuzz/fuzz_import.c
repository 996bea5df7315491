#include "fuzz.h"

#include "base/error.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "config/import.h"
#include "config/toml.h"

/* Whatever is imported, the file that comes of it is TOML, and every service is in it once. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(diagnostics_release) struct diagnostics refused = DIAGNOSTICS_INIT;
	cleanup(draft_release) struct draft draft = {0};
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup(strv_release) struct strv env = STRV_INIT;
	const struct diag_source source = {"compose.yaml", (const char *)data, size};
	cleanup_toml struct toml_table *root = NULL;
	enum import_kind kind;
	struct toml_pos pos;

	strv_add(&env, "NAME=value");
	if (import_services(&draft, &source, &env, false, &kind, &refused, &err) < 0) {
		fuzz_check(diag_error_count(&refused) > 0 && err.text);
		return 0;
	}
	draft_render(&draft, &text);
	root = toml_parse(text.buf, text.len, &pos, &err);
	fuzz_check(root);
	array_foreach(section, &draft.services)
		if (!(*section)->why)
			fuzz_check(
				toml_get_table(toml_get_table(root, "services"), (*section)->name));
	return 0;
}
