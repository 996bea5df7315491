#include "config/diag.h"

#include "base/error.h"
#include "base/str.h"

static json_t *place_to_json(const struct diag_place *place)
{
	json_t *object = json_object();

	json_set_str(object, "file", place->file);
	json_set_int(object, "line", place->pos.line);
	json_set_int(object, "column", place->pos.column);
	json_set_int(object, "length", place->pos.length);
	if (place->source)
		json_set_str(object, "source", place->source);
	if (place->label)
		json_set_str(object, "label", place->label);
	return object;
}

json_t *diag_to_json(const struct diagnostics *diags)
{
	json_t *array = json_array();

	array_foreach(diag, &diags->items) {
		json_t *object = json_object(), *places = json_array();

		json_set_str(object, "id", diag->id);
		json_set_str(object, "text", diag->text);
		if (diag->help)
			json_set_str(object, "help", diag->help);
		array_foreach(place, &diag->places)
			json_array_append_new(places, place_to_json(place));
		json_object_set_new(object, "places", places);
		json_array_append_new(array, object);
	}
	return array;
}

static int bounded(int64_t value)
{
	return value < 0 ? 0 : value > 1 << 24 ? 1 << 24 : (int)value;
}

static int place_from_json(const json_t *object, struct diagnostic *diag, struct error *err)
{
	const char *file;
	struct diag_place *place;

	if (json_need_str(object, "file", &file, err) < 0)
		return -1;
	place = array_add(&diag->places);
	place->file = xstrdup(file);
	place->pos.line = bounded(json_get_int(object, "line", 0));
	place->pos.column = bounded(json_get_int(object, "column", 0));
	place->pos.length = bounded(json_get_int(object, "length", 0));
	place->source = xstrdup_null(json_get_str(object, "source", NULL));
	place->label = xstrdup_null(json_get_str(object, "label", NULL));
	return 0;
}

int diag_from_json(const json_t *array, struct diagnostics *diags, struct error *err)
{
	size_t i, j;
	json_t *object, *place;

	if (!json_is_array(array))
		return error_set(err, ERR_FAILED, "diagnostics: expected an array");
	json_array_foreach(array, i, object) {
		const char *id, *text, *help = json_get_str(object, "help", NULL);
		struct diagnostic *diag;

		if (json_need_str(object, "id", &id, err) < 0 ||
		    json_need_str(object, "text", &text, err) < 0)
			return error_wrap(err, "diagnostics");
		diag = diag_add(diags, id, "%s", text);
		if (help)
			diag_help(diag, "%s", help);
		json_array_foreach(json_object_get(object, "places"), j, place)
			if (place_from_json(place, diag, err) < 0)
				return error_wrap(err, "diagnostics");
	}
	return 0;
}
