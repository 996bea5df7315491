#include "fuzz.h"

#include "base/error.h"
#include "config/yaml_tree.h"

/* What is promised of every value, aliases followed: the limits make this walk end. */
static size_t walk(const struct yaml_value *value)
{
	size_t weight = 1;

	fuzz_check(value->pos.line >= 1 && value->pos.column >= 1 && value->pos.length >= 1);
	fuzz_check((value->type == YAML_TEXT) == (value->text != NULL));
	array_foreach(item, &value->list)
		weight += walk(*item);
	array_foreach(entry, &value->map) {
		fuzz_check(entry->key && yaml_find(value, entry->key) == entry);
		weight += walk(entry->value);
	}
	fuzz_check(weight == value->weight);
	return weight;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct toml_pos pos = {0};
	cleanup_yaml struct yaml_document *document =
		yaml_parse((const char *)data, size, &pos, &err);

	if (!document) {
		fuzz_check(pos.line >= 1 && pos.column >= 1 && pos.length >= 1 && err.text);
		return 0;
	}
	fuzz_check(walk(yaml_root(document)) <= YAML_MAX_VALUES);
	return 0;
}
