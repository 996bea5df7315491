#include "oci/runtime_limits.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "oci/runtime_call.h"
#include "oci/runtime_scope.h"

#include <unistd.h>

/* In a scope of its own, or where we are. */
static json_t *probe(const char *shim, bool is_scoped, struct error *err)
{
	cleanup(strbuf_release) struct strbuf answer = STRBUF_INIT;
	cleanup(strv_release) struct strv argv = STRV_INIT;
	int status = -1;

	if (is_scoped)
		runtime_scope_add(&argv, "limits");
	strv_add(&argv, shim);
	strv_add(&argv, "limits");
	if (is_scoped)
		strv_add(&argv, "--own-cgroup");
	if (runtime_call((const char *const *)argv.items, STDOUT_FILENO, &answer, &status, err) < 0)
		return NULL;
	if (status != 0 && is_scoped)
		error_set(err, ERR_FAILED, "systemd-run makes none from this session");
	else if (status != 0)
		error_set(err, ERR_FAILED, "%s limits failed", shim);
	if (status != 0)
		return NULL;
	return json_parse(answer.buf, answer.len, err);
}

static bool has_all(const json_t *can)
{
	const char *name;
	const json_t *why;

	json_object_foreach((json_t *)can, name, why)
		if (!json_is_null(why))
			return false;
	return true;
}

json_t *runtime_limits_probe(const char *shim, struct runtime_limits_means *means,
                             struct error *err)
{
	cleanup(error_release) struct error failed = ERROR_INIT;
	cleanup_json json_t *can = probe(shim, false, err), *scoped = NULL;

	if (!can || has_all(can))
		return take_ptr(can);
	means->why_no_scope = runtime_scope_why_not();
	if (means->why_no_scope)
		return take_ptr(can);
	scoped = probe(shim, true, &failed);
	if (!scoped)
		means->why_no_scope = xasprintf("no scope of systemd: %s", failed.text);
	means->is_scoped = scoped != NULL;
	return scoped ? take_ptr(scoped) : take_ptr(can);
}

static void check(const json_t *can, const char *no_scope, const char *controller, const char *key,
                  int64_t *limit, struct strv *warnings)
{
	const json_t *why = json_object_get(can, controller);

	if (*limit == 0 || json_is_null(why))
		return;
	*limit = 0;
	strv_addf(warnings, "limits.%s is not applied: %s%s%s; it needs root or a delegated cgroup",
	          key, why ? json_string_value(why) : "the runtime did not say whether it can be",
	          no_scope ? "; " : "", no_scope ? no_scope : "");
}

bool runtime_limits_adjust(const char *shim, struct container_request *request,
                           struct strv *warnings)
{
	struct runtime_limits_means means = {0};
	cleanup_free char *no_scope = NULL;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_json json_t *can = NULL;

	if (!shim || (request->memory_bytes == 0 && request->cpu_millis == 0 && request->pids == 0))
		return false;
	can = runtime_limits_probe(shim, &means, &err);
	no_scope = means.why_no_scope;
	check(can, no_scope, "memory", "memory", &request->memory_bytes, warnings);
	check(can, no_scope, "cpu", "cpus", &request->cpu_millis, warnings);
	check(can, no_scope, "pids", "pids", &request->pids, warnings);
	if (err.code)
		strv_addf(warnings, "limits: %s", err.text);
	return means.is_scoped &&
	       (request->memory_bytes > 0 || request->cpu_millis > 0 || request->pids > 0);
}
