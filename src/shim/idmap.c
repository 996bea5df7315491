#include "shim/idmap.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/strbuf.h"
#include "shim/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define OUTPUT_MAX 4096

/* A helper that runs: newuidmap or newgidmap. */
struct helper {
	const char *name;
	pid_t pid;
	int output;
};

bool idmap_outside(const struct spec_extents *map, uint32_t inside, uint32_t *ret)
{
	array_foreach(extent, map) {
		if (inside < extent->inside || inside - extent->inside >= extent->count)
			continue;
		*ret = extent->outside + (inside - extent->inside);
		return true;
	}
	return false;
}

bool idmap_has(const struct spec_extents *map, uint32_t inside)
{
	uint32_t outside;

	return idmap_outside(map, inside, &outside);
}

/* One id, the caller's own: what the kernel lets everybody write. */
static bool is_own_id(const struct spec_extents *map, uint32_t id)
{
	return map->len == 1 && map->items[0].count == 1 && map->items[0].outside == id;
}

static bool is_privileged(void)
{
	return geteuid() == 0;
}

static bool is_denied_here(void)
{
	cleanup_close int fd = open("/proc/self/setgroups", O_RDONLY | O_CLOEXEC);
	char text[8] = "";

	return fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && str_starts(text, "deny");
}

bool idmap_can_set_groups(const struct spec *spec)
{
	bool is_new = spec->ns[NS_USER].is_set && !spec->ns[NS_USER].path;

	if (is_denied_here())
		return false;
	return !is_new || is_privileged() || !is_own_id(&spec->gid_map, getegid());
}

static int write_proc(pid_t pid, const char *file, const char *text, size_t len, struct error *err)
{
	cleanup_free char *path = xasprintf("/proc/%d/%s", pid, file);
	cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	/* The kernel takes a map only in one write. */
	if (fd < 0 || write(fd, text, len) < 0)
		return error_errno(err, errno, "write %s", path);
	return 0;
}

static int write_map(pid_t pid, const char *file, const struct spec_extents *map, struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	array_foreach(extent, map)
		strbuf_addf(&text, "%u %u %u\n", extent->inside, extent->outside, extent->count);
	return write_proc(pid, file, text.buf, text.len, err);
}

static no_return void become_helper(const struct strv *argv, int output)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	proc_reset_signals();
	if (dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0)
		_exit(127);
	execvp(argv->items[0], argv->items);
	dprintf(STDERR_FILENO, "%s: %s", argv->items[0], strerror(errno));
	_exit(127);
}

static int start_helper(struct helper *helper, pid_t pid, const struct spec_extents *map,
                        struct error *err)
{
	cleanup(strv_release) struct strv argv = STRV_INIT;
	int pipe_fds[2];

	strv_add(&argv, helper->name);
	strv_addf(&argv, "%d", pid);
	array_foreach(extent, map) {
		strv_addf(&argv, "%u", extent->inside);
		strv_addf(&argv, "%u", extent->outside);
		strv_addf(&argv, "%u", extent->count);
	}
	if (fd_pipe(pipe_fds, err) < 0)
		return -1;
	helper->pid = fork();
	if (helper->pid == 0)
		become_helper(&argv, pipe_fds[1]);
	close(pipe_fds[1]);
	helper->output = pipe_fds[0];
	return helper->pid < 0 ? error_errno(err, errno, "fork") : 0;
}

static int finish_helper(struct helper *helper, struct error *err)
{
	cleanup(strbuf_release) struct strbuf output = STRBUF_INIT;
	int status = -1;

	if (helper->output < 0)
		return 0;
	/* What it says is only for the message. */
	if (fd_read_to_end(helper->output, &output, OUTPUT_MAX, err) < 0)
		error_release(err);
	close(helper->output);
	while (helper->pid > 0 && waitpid(helper->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	strbuf_truncate(&output, strcspn(output.buf, "\n"));
	error_set(err, EPERM, "linux.%s: %s",
	          helper->name[3] == 'u' ? "uidMappings" : "gidMappings",
	          output.len > 0 ? output.buf : helper->name);
	return error_hint(err, "%s (Debian: uidmap) maps the ranges that /etc/sub%cid gives you",
	                  helper->name, helper->name[3]);
}

static int write_by_helpers(const struct spec_extents *uids, const struct spec_extents *gids,
                            pid_t pid, struct error *err)
{
	struct helper uid = {"newuidmap", -1, -1}, gid = {"newgidmap", -1, -1};
	cleanup(error_release) struct error second = ERROR_INIT;
	int started = 0, done;

	if (start_helper(&uid, pid, uids, err) < 0 || start_helper(&gid, pid, gids, err) < 0)
		started = -1;
	done = finish_helper(&uid, started < 0 ? &second : err);
	if (finish_helper(&gid, started < 0 || done < 0 ? &second : err) < 0)
		done = -1;
	return started < 0 || done < 0 ? -1 : 0;
}

int idmap_write(const struct spec_extents *uids, const struct spec_extents *gids, pid_t pid,
                struct error *err)
{
	bool is_single = is_own_id(uids, geteuid()) && is_own_id(gids, getegid());

	if (!is_privileged() && !is_single)
		return write_by_helpers(uids, gids, pid, err);
	if (!is_privileged() && write_proc(pid, "setgroups", "deny", 4, err) < 0)
		return -1;
	if (write_map(pid, "uid_map", uids, err) < 0 || write_map(pid, "gid_map", gids, err) < 0)
		return error_hint(err, "each id of the host in the maps must be one you may use");
	return 0;
}
