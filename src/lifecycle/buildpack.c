#include "lifecycle/buildpack.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "lifecycle/api_version.h"
#include "lifecycle/dirs.h"
#include "lifecycle/toml_file.h"

#include <errno.h>

void buildpack_free(struct buildpack *buildpack)
{
	if (!buildpack)
		return;
	free(buildpack->id);
	free(buildpack->version);
	free(buildpack->api);
	free(buildpack->name);
	free(buildpack->homepage);
	free(buildpack->dir);
	strv_release(&buildpack->sbom_formats);
	json_decref(buildpack->order);
	json_decref(buildpack->targets);
	free(buildpack);
}

static int fill(struct buildpack *bp, const json_t *root, struct error *err)
{
	const json_t *section = json_object_get(root, "buildpack");
	const json_t *formats = json_object_get(section, "sbom-formats");
	const char *api;

	if (json_need_str(root, "api", &api, err) < 0)
		return -1;
	bp->api = xstrdup(api);
	bp->name = xstrdup_null(json_get_str(section, "name", NULL));
	bp->homepage = xstrdup_null(json_get_str(section, "homepage", NULL));
	bp->clears_env = json_get_bool(section, "clear-env", false);
	if (formats && json_to_strv(formats, "sbom-formats", &bp->sbom_formats, err) < 0)
		return -1;
	if (!str_eq(json_get_str(section, "id", ""), bp->id))
		return error_set(err, ERR_CONFIG, "it describes buildpack \"%s\", not \"%s\"",
		                 json_get_str(section, "id", ""), bp->id);
	bp->order = json_incref(json_object_get(root, "order"));
	bp->targets = json_incref(json_object_get(root, "targets"));
	if (bp->order && !json_is_array(bp->order))
		return error_set(err, ERR_CONFIG, "order is not an array of tables");
	return 0;
}

struct buildpack *buildpack_load(const char *buildpacks_dir, const char *id, const char *version,
                                 struct error *err)
{
	cleanup(freep_buildpack) struct buildpack *bp = xcalloc(1, sizeof(*bp));
	cleanup_free char *escaped = escaped_id(id);
	cleanup_free char *who = xasprintf("%s@%s", id, version);
	cleanup_free char *file = NULL;
	cleanup_json json_t *root = NULL;

	bp->id = xstrdup(id);
	bp->version = xstrdup(version);
	bp->dir = xasprintf("%s/%s/%s", buildpacks_dir, escaped, version);
	file = path_join(bp->dir, "buildpack.toml");
	if (toml_file_read(file, &root, err) < 0) {
		if (err->code == ENOENT)
			error_set(err, ERR_NOT_FOUND, "the builder has no buildpack %s (%s)", who,
			          file);
		return NULL;
	}
	if (fill(bp, root, err) < 0) {
		error_wrap(err, "%s", file);
		return NULL;
	}
	bp->api_minor = buildpack_api_minor(bp->api, who, err);
	return bp->api_minor < 0 ? NULL : take_ptr(bp);
}
