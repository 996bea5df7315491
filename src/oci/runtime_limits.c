#include "oci/runtime_limits.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "loop/child.h"

#include <errno.h>
#include <sys/wait.h>

#define ANSWER_MAX 65536

json_t *runtime_limits_probe(const char *shim, struct error *err)
{
	const char *const argv[] = {shim, "limits", NULL};
	cleanup(strbuf_release) struct strbuf answer = STRBUF_INIT;
	int out[2], status = -1, result;
	struct child_fd fds[] = {{-1, 0}, {-1, 1}};
	const struct child_spec spec = {.path = shim,
	                                .argv = argv,
	                                .fds = fds,
	                                .nfds = ARRAY_LEN(fds),
	                                .die_with_parent = true};
	pid_t pid;

	if (fd_pipe(out, err) < 0)
		return NULL;
	fds[1].from = out[1];
	pid = child_spawn(&spec, err);
	close(out[1]);
	result = pid < 0 ? -1 : fd_read_to_end(out[0], &answer, ANSWER_MAX, err);
	close(out[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (result < 0)
		return NULL;
	if (status != 0) {
		error_set(err, ERR_FAILED, "%s limits failed", shim);
		return NULL;
	}
	return json_parse(answer.buf, answer.len, err);
}

static void check(const json_t *can, const char *controller, const char *key, int64_t *limit,
                  struct strv *warnings)
{
	const json_t *why = json_object_get(can, controller);

	if (*limit == 0 || json_is_null(why))
		return;
	*limit = 0;
	strv_addf(warnings, "limits.%s is not applied: %s; it needs root or a delegated cgroup",
	          key, why ? json_string_value(why) : "the runtime did not say whether it can be");
}

void runtime_limits_adjust(const char *shim, struct container_request *request,
                           struct strv *warnings)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_json json_t *can = NULL;

	if (!shim || (request->memory_bytes == 0 && request->cpu_millis == 0 && request->pids == 0))
		return;
	can = runtime_limits_probe(shim, &err);
	check(can, "memory", "memory", &request->memory_bytes, warnings);
	check(can, "cpu", "cpus", &request->cpu_millis, warnings);
	check(can, "pids", "pids", &request->pids, warnings);
	if (err.code)
		strv_addf(warnings, "limits: %s", err.text);
}
