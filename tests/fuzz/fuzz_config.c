#include "fuzz.h"

#include "base/error.h"
#include "base/strbuf.h"
#include "config/project_read.h"
#include "config/schema.h"
#include "config/toml.h"

/* A locald.toml through the schema, the checks, the rendering and the JSON of its findings. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(diagnostics_release) struct diagnostics diags = DIAGNOSTICS_INIT;
	cleanup(diagnostics_release) struct diagnostics back = DIAGNOSTICS_INIT;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	cleanup_project struct project_config *project = xcalloc(1, sizeof(*project));
	cleanup_toml struct toml_table *root = NULL;
	cleanup_json json_t *json = NULL;
	struct config_file *file;
	struct toml_pos pos;

	root = toml_parse((const char *)data, size, &pos, &err);
	if (!root)
		return 0;
	file = xcalloc(1, sizeof(*file));
	*file = (struct config_file){xstrdup("/locald.toml"), xstrdup("locald.toml"),
	                             xstrndup((const char *)data, size), size};
	*array_add(&project->files) = file;
	schema_load(project, file, root, size % 2, &diags);
	project_check(project, &diags);
	array_foreach(service, &project->services)
		json_decref(service_to_json(*service));
	diag_render_all(&diags, true, &out);
	json = diag_to_json(&diags);
	fuzz_check(diag_from_json(json, &back, &err) == 0);
	return 0;
}
