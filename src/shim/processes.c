#include "shim/state.h"

#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

static int collect(pid_t pid, void *data)
{
	*array_add((struct pid_list *)data) = pid;
	return 0;
}

static int pid_namespace(pid_t pid, ino_t *ret)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
	if (stat(path, &st) < 0)
		return -1;
	*ret = st.st_ino;
	return 0;
}

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* The processes of its pid namespace: 1, or 0 when it has none of its own. */
static int list_by_namespace(const struct state *state, struct pid_list *pids, struct error *err)
{
	cleanup(close_dir) DIR *proc = opendir("/proc");
	struct dirent *entry;
	ino_t wanted, own, found;

	if (!proc || pid_namespace(state->pid, &wanted) < 0 || pid_namespace(getpid(), &own) < 0)
		return error_errno(err, errno, "look at the container's pid namespace");
	if (wanted == own) {
		*array_add(pids) = state->pid;
		return 0;
	}
	while ((entry = readdir(proc))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 0 && pid_namespace(pid, &found) == 0 && found == wanted)
			*array_add(pids) = pid;
	}
	return 1;
}

int state_processes(const struct state *state, struct pid_list *pids, struct error *err)
{
	cleanup(error_release) struct error none = ERROR_INIT;

	if (cgroup_list(&state->cgroup, collect, pids, &none) == 0)
		return 0;
	return list_by_namespace(state, pids, err) < 0 ? -1 : 0;
}

static bool has(const struct pid_list *pids, pid_t pid)
{
	array_foreach(item, pids)
		if (*item == pid)
			return true;
	return false;
}

/* Until a round finds nobody new: whoever is moved has its children where it is. */
static int move_processes(const struct state *state, const struct cgroup *into, struct error *err)
{
	struct pid_list moved = {0};
	bool is_again = true;
	int done = 0;

	while (is_again && done == 0) {
		struct pid_list pids = {0};
		int by_namespace = list_by_namespace(state, &pids, err);

		if (by_namespace == 0)
			error_set(
				err, ERR_UNSUPPORTED,
				"a container without a pid namespace gets its cgroup at its start "
				"or never");
		done = by_namespace > 0 ? 0 : -1;
		is_again = false;
		array_foreach(pid, &pids) {
			if (done < 0 || has(&moved, *pid))
				continue;
			*array_add(&moved) = *pid;
			is_again = true;
			done = cgroup_join(into, NULL, *pid, false, err);
			if (done < 0 && err->code == ESRCH) {
				error_release(err);
				done = 0;
			}
		}
		array_release(&pids);
	}
	array_release(&moved);
	return done;
}

int state_extend_cgroup(struct state *state, const struct spec_resources *resources,
                        bool wants_freezer, struct error *err)
{
	cleanup(cgroup_host_release) struct cgroup_host host = {0};
	struct cgroup more = {0};
	const struct cgroup_request request = {
		.id = state->id, .resources = resources, .wants_freezer = wants_freezer};
	int is_there = state_lock(state, err), moved;

	if (is_there <= 0)
		return is_there < 0 ? -1
		                    : error_set(err, ENOENT, "container `%s` is gone", state->id);
	if (cgroup_host_read(&host, err) < 0 ||
	    cgroup_extend(&state->cgroup, &host, &request, &more, err) < 0)
		return -1;
	if (more.dirs.len == 0)
		return 0;
	moved = move_processes(state, &more, err);
	/* Whoever is in them already cannot be put back: they are the container's now. */
	array_foreach(dir, &more.dirs)
		*array_add(&state->cgroup.dirs) = *dir;
	array_release(&more.dirs);
	if (moved < 0) {
		cleanup(error_release) struct error why = ERROR_INIT;

		return state_save(state, &why) < 0 ? error_wrap(err, "%s", why.text) : -1;
	}
	return state_save(state, err);
}
