#include "cli/image_list.h"

#include "base/error.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/job.h"
#include "cli/table.h"

#define DIGEST_SHOWN 19 /* "sha256:" and 12 digits */

static const struct table_column columns[] = {
	{.title = "NAME"},
	{.title = "DIGEST", .drop = 2},
	{.title = "SIZE", .drop = 1},
	{.title = "CREATED", .drop = 3},
	{.title = "BUILDPACKS", .flex = true},
};

void image_add_digest(struct strbuf *out, const char *digest)
{
	size_t len = strlen(digest);

	style_safe(out, digest, len > DIGEST_SHOWN ? DIGEST_SHOWN : len);
}

static char *buildpacks_cell(const json_t *image)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	const json_t *buildpack;
	size_t i;

	json_array_foreach(json_object_get(image, "buildpacks"), i, buildpack) {
		cleanup_free char *id = style_safe_dup(json_get_str(buildpack, "id", "?"));
		cleanup_free char *version = style_safe_dup(json_get_str(buildpack, "version", ""));

		strbuf_addf(&out, "%s%s %s", i > 0 ? ", " : "", id, version);
	}
	return strbuf_detach(&out);
}

static void add_row(struct table *table, const json_t *image)
{
	cleanup(strbuf_release) struct strbuf digest = STRBUF_INIT, size = STRBUF_INIT;

	image_add_digest(&digest, json_get_str(image, "digest", ""));
	if (json_is_integer(json_object_get(image, "size")))
		style_bytes(&size, json_get_int(image, "size", 0));
	table_add(table, style_safe_dup(json_get_str(image, "name", "?")));
	table_add_copy(table, digest.buf);
	table_add_copy(table, size.buf);
	table_add(table, style_safe_dup(json_get_str(image, "created", "")));
	table_add(table, buildpacks_cell(image));
}

static int show(struct cli *cli, const json_t *images, const char *key, struct error *err)
{
	cleanup(table_release) struct table table = {columns, ARRAY_LEN(columns), {0}};
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	const json_t *image;
	size_t i;

	json_array_foreach(images, i, image)
		add_row(&table, image);
	if (table.cells.len > 0)
		table_render(&table, &cli->output.out, "", &out);
	else
		strbuf_addf(&out, "no %s\n", key);
	return output_data(&cli->output, &out, err);
}

int image_list(struct cli *cli, const char *kind, const char *key, struct error *err)
{
	return job_list(cli, kind, key, show, err);
}
