#include "fuzz.h"

#include "base/error.h"
#include "base/strbuf.h"
#include "config/toml.h"
#include "config/toml_json.h"
#include "config/toml_write.h"

/* An error has a place inside of the text. */
static void check_place(struct toml_pos pos, size_t size)
{
	fuzz_check(pos.line >= 1 && pos.column >= 1 && pos.length >= 1);
	fuzz_check((size_t)pos.line <= size + 1 && (size_t)pos.column <= size + 1);
}

/* By text: json_equal() of jansson 2.14 looks keys up only as far as a NUL in them. */
static char *text_of(const struct toml_table *root)
{
	cleanup_json json_t *json = toml_table_to_json(root);

	return json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
}

/* What the writer makes of a tree reads back as the same tree. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_toml struct toml_table *root = NULL, *again = NULL;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	cleanup_free char *before = NULL, *after = NULL;
	struct toml_pos pos = {0};

	root = toml_parse((const char *)data, size, &pos, &err);
	if (!root) {
		check_place(pos, size);
		return 0;
	}
	toml_put_document(&out, root);
	again = toml_parse(out.buf, out.len, &pos, &err);
	if (!again && out.len > TOML_MAX_BYTES)
		return 0;
	fuzz_check(again);
	before = text_of(root);
	after = text_of(again);
	fuzz_check(before && after && strcmp(before, after) == 0);
	return 0;
}
