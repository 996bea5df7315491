#include "config/schema_field.h"

#include "base/error.h"
#include "config/toml.h"

static bool add_volume(struct config_loader *loader, const struct toml_value *item,
                       struct volume_list *list)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct volume_config *volume;
	const char *text;

	if (!loader_get_text(loader, item, &text))
		return false;
	volume = array_add(&list->list);
	volume->file = loader->file;
	volume->pos = item->pos;
	if (volume_parse(text, volume, &err) < 0) {
		struct diagnostic *diag = loader_report(loader, item->pos, "C011", "%s: %s",
		                                        loader->shown.buf, err.text);

		if (err.hint)
			diag_help(diag, "%s", err.hint);
		return false;
	}
	array_foreach(earlier, &list->list) {
		if (earlier == volume || !str_eq(earlier->target, volume->target))
			continue;
		loader_report(loader, item->pos, "C014", "%s: two volumes at %s", loader->shown.buf,
		              volume->target);
		return false;
	}
	return true;
}

bool config_volumes_set(struct config_loader *loader, const struct config_key *key,
                        const struct toml_value *value, void *field)
{
	bool is_ok = true;

	volume_list_release(field);
	if (value->type != TOML_ARRAY || value->array.len > VOLUMES_MAX) {
		loader_expected(loader, value, value->type != TOML_ARRAY,
		                "an array of at most %u volumes such as \"./data:/data\"",
		                VOLUMES_MAX);
		return false;
	}
	array_foreach(item, &value->array)
		is_ok = add_volume(loader, item, field) && is_ok;
	return is_ok;
}
