#include "lifecycle/sbom.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "lifecycle/buildpack.h"
#include "lifecycle/dirs.h"
#include "lifecycle/layer.h"

static const struct format {
	const char *ext, *media_type;
} formats[] = {
	{"cdx.json", "application/vnd.cyclonedx+json"},
	{"spdx.json", "application/spdx+json"},
	{"syft.json", "application/vnd.syft+json"},
};

static bool is_declared(const struct buildpack *bp, const char *media_type)
{
	size_t len = strlen(media_type);

	for (size_t i = 0; i < bp->sbom_formats.len; i++) {
		const char *declared = bp->sbom_formats.items[i];

		/* Parameters may follow: "…;version=1.4". */
		if (strncmp(declared, media_type, len) == 0 &&
		    (!declared[len] || declared[len] == ';'))
			return true;
	}
	return false;
}

/* layer: NULL for the buildpack's own. */
static int take(const char *layers, const struct buildpack *bp, const char *file, const char *part,
                const char *layer, const char *ext, struct error *err)
{
	cleanup_free char *escaped = escaped_id(bp->id);
	cleanup_free char *dir = xasprintf("%s/sbom/%s/%s%s%s", layers, part, escaped,
	                                   layer ? "/" : "", layer ? layer : "");
	cleanup_free char *to = xasprintf("%s/sbom.%s", dir, ext);

	if (fs_mkdirs(dir, 0755, err) < 0)
		return -1;
	return copy_file(file, to, err);
}

static int take_for_layer(const char *layers, const struct buildpack *bp, const char *file,
                          const struct layer *layer, const char *ext, struct error *err)
{
	const struct {
		bool is_wanted;
		const char *part;
	} parts[] = {{layer->is_launch, "launch"},
	             {layer->is_build, "build"},
	             {layer->is_cache, "cache"}};

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (parts[i].is_wanted &&
		    take(layers, bp, file, parts[i].part, layer->name, ext, err) < 0)
			return -1;
	return 0;
}

/* The file of one owner ("launch", "build" or a layer's name) in one format, if it is there. */
static int collect_file(const char *layers, const struct buildpack *bp,
                        const char *buildpack_layers, const char *owner, const struct layer *layer,
                        const struct format *format, struct error *err)
{
	cleanup_free char *file = xasprintf("%s/%s.sbom.%s", buildpack_layers, owner, format->ext);

	if (!path_is_file(file))
		return 0;
	if (!is_declared(bp, format->media_type))
		return error_set(err, ERR_CONFIG, "%s: buildpack.toml does not declare %s", file,
		                 format->media_type);
	if (layer)
		return take_for_layer(layers, bp, file, layer, format->ext, err);
	return take(layers, bp, file, owner, NULL, format->ext, err);
}

int sbom_collect(const char *layers, const struct buildpack *buildpack,
                 const char *buildpack_layers, struct error *err)
{
	cleanup(layers_release) struct layers own = {0};

	if (layers_read(buildpack_layers, &own, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		if (collect_file(layers, buildpack, buildpack_layers, "launch", NULL, &formats[i],
		                 err) < 0 ||
		    collect_file(layers, buildpack, buildpack_layers, "build", NULL, &formats[i],
		                 err) < 0)
			return -1;
		array_foreach(layer, &own.items)
			if (collect_file(layers, buildpack, buildpack_layers, layer->name, layer,
			                 &formats[i], err) < 0)
				return -1;
	}
	return 0;
}

int sbom_finish(const char *layers, struct error *err)
{
	static const char *const parts[] = {"launch", "build"};

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		cleanup_free char *dir = xasprintf("%s/sbom/%s", layers, parts[i]);
		cleanup_free char *file = path_join(dir, "sbom.legacy.json");

		if (fs_mkdirs(dir, 0755, err) < 0 ||
		    fs_write_atomic(file, "null\n", 5, 0644, err) < 0)
			return -1;
	}
	return 0;
}
