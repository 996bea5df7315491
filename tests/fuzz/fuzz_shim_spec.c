#include "fuzz.h"

#include "base/error.h"
#include "shim/spec.h"

/* Whatever the text: a spec that holds together, or an error with a text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(spec_release) struct spec spec = {0};

	if (spec_parse(&spec, (const char *)data, size, &err) < 0) {
		fuzz_check(err.text && err.text[0]);
		fuzz_check(err.code == ERR_CONFIG || err.code == ERR_UNSUPPORTED);
		return 0;
	}
	fuzz_check(spec.root_path && spec.root_path[0]);
	fuzz_check(!spec.process.is_set || spec.process.args.len > 0);
	array_foreach(mount, &spec.mounts)
		fuzz_check(mount->destination && (mount->options.bind || mount->type));
	array_foreach(extent, &spec.uid_map)
		fuzz_check(extent->count > 0 && extent->inside + extent->count > extent->inside);
	array_foreach(limit, &spec.resources.limits)
		fuzz_check(limit->controller && (limit->v1_file || limit->v2_file));
	return 0;
}
