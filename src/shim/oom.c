#include "shim/oom.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "shim/cgroup.h"
#include "shim/command.h"
#include "shim/container.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

/* The number after "\nKEY " in a file of a cgroup; -1 when there is none. */
static int64_t read_number(const char *dir, const char *file, const char *key)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	size_t len = strlen(key);

	if (cgroup_read(dir, file, &text, &ignored) < 0)
		return -1;
	for (const char *at = text.buf; at && *at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (strncmp(at, key, len) == 0 && (len == 0 || at[len] == ' '))
			return strtoll(at + len, NULL, 10);
	}
	return -1;
}

bool oom_reason(const struct cgroup *cgroup, int status, char *text, size_t size)
{
	array_foreach(dir, &cgroup->dirs) {
		const char *events = dir->is_v2 ? "memory.events" : "memory.oom_control";
		const char *limit = dir->is_v2 ? "memory.max" : "memory.limit_in_bytes";
		int64_t bytes;

		if (!cgroup_has_controller(dir->controllers, "memory") ||
		    read_number(dir->path, events, "oom_kill") <= 0)
			continue;
		bytes = read_number(dir->path, limit, "");
		snprintf(text, size,
		         status == 128 + SIGKILL
		                 ? "killed: out of memory (limit %lld MiB)"
		                 : "processes of it were killed: out of memory (limit %lld MiB)",
		         (long long)(bytes >> 20));
		return true;
	}
	return false;
}

void oom_report(const struct shim *shim, const struct container *container, int status)
{
	const char *path = json_get_str(container->state.annotations, OOM_ANNOTATION, NULL);
	cleanup(error_release) struct error failed = ERROR_INIT;
	cleanup_close int fd = -1;
	char text[128];

	if (status == 0 || !oom_reason(&container->state.cgroup, status, text, sizeof(text)))
		return;
	report_warning(shim, text);
	if (!path)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || fd_write_all(fd, text, strlen(text), &failed) < 0)
		report_warning(shim, "the reason of its end cannot be written");
}
