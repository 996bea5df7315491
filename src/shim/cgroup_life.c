#include "shim/cgroup.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/strbuf.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sys/inotify.h>

#define EMPTY_WAIT_MS 10000
#define EVENT_WAIT_MS 100
#define NOT_WATCHED   (-2) /* yet */
#define RETRY_MS      5    /* v1 tells nobody when a cgroup becomes empty or frozen */
#define DEPTH_MAX     16

/* Any directory lists the container's processes; a v2 one can do more. */
static const struct cgroup_dir *tracking_dir(const struct cgroup *cgroup)
{
	const struct cgroup_dir *found = NULL;

	array_foreach(dir, &cgroup->dirs)
		if (dir->is_ours && (dir->is_v2 || !found))
			found = dir;
	return found;
}

static int list_dir(const struct cgroup_dir *dir, int (*each)(pid_t pid, void *data), void *data,
                    struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	char *save = NULL;

	if (cgroup_read(dir->path, "cgroup.procs", &text, err) < 0)
		return -1;
	for (char *line = strtok_r(text.buf, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		pid_t pid = (pid_t)strtol(line, NULL, 10);

		if (pid > 0 && each(pid, data) < 0)
			return -1;
	}
	return 0;
}

int cgroup_list(const struct cgroup *cgroup, int (*each)(pid_t pid, void *data), void *data,
                struct error *err)
{
	const struct cgroup_dir *dir = tracking_dir(cgroup);

	if (!dir)
		return error_set(err, ENOENT, "the container has no cgroup of its own");
	return list_dir(dir, each, data, err);
}

static int send_signal(pid_t pid, void *data)
{
	/* Gone meanwhile is as good. */
	kill(pid, *(int *)data);
	return 0;
}

static int signal_dir(const struct cgroup_dir *dir, int signo, struct error *err)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;

	if (signo == SIGKILL && dir->is_v2 &&
	    cgroup_write(dir->path, "cgroup.kill", "1", &ignored) == 0)
		return 0;
	return list_dir(dir, send_signal, &signo, err);
}

int cgroup_signal(const struct cgroup *cgroup, int signo, struct error *err)
{
	const struct cgroup_dir *dir = tracking_dir(cgroup);

	if (!dir)
		return error_set(err, ENOENT, "the container has no cgroup of its own");
	return signal_dir(dir, signo, err);
}

static const struct cgroup_dir *freezer_of(const struct cgroup *cgroup)
{
	array_foreach(dir, &cgroup->dirs)
		if (dir->is_ours &&
		    (dir->is_v2 || cgroup_has_controller(dir->controllers, "freezer")))
			return dir;
	return NULL;
}

static bool is_state(const struct cgroup_dir *dir, bool frozen)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	if (cgroup_read(dir->path, dir->is_v2 ? "cgroup.events" : "freezer.state", &text,
	                &ignored) < 0)
		return !frozen;
	if (dir->is_v2)
		return (strstr(text.buf, "frozen 1") != NULL) == frozen;
	return str_starts(text.buf, frozen ? "FROZEN" : "THAWED");
}

bool cgroup_is_frozen(const struct cgroup *cgroup)
{
	const struct cgroup_dir *dir = freezer_of(cgroup);

	return dir && is_state(dir, true);
}

static int watch_events(const struct cgroup_dir *dir)
{
	cleanup_free char *path = path_join(dir->path, "cgroup.events");
	int watch = dir->is_v2 ? inotify_init1(IN_CLOEXEC | IN_NONBLOCK) : -1;

	if (watch >= 0 && inotify_add_watch(watch, path, IN_MODIFY) < 0) {
		close(watch);
		return -1;
	}
	return watch;
}

/*
 * Waits for a change of a v2 events file, or in v1 for a moment.  The file is watched only from the
 * first call on, which returns at once: to end a watch takes the kernel some milliseconds.
 */
static void wait_for_event(const struct cgroup_dir *dir, int *watch, int *waited)
{
	if (*watch == NOT_WATCHED) {
		*watch = watch_events(dir);
	} else {
		struct pollfd poll_fd = {.fd = *watch, .events = POLLIN};
		char buf[4096];

		/* What it says is not needed: whoever waits looks himself. */
		if (poll(&poll_fd, 1, *watch >= 0 ? EVENT_WAIT_MS : RETRY_MS) > 0)
			(void)!read(*watch, buf, sizeof(buf));
	}
	*waited += *watch >= 0 ? EVENT_WAIT_MS : RETRY_MS;
}

bool cgroup_can_freeze(const struct cgroup *cgroup)
{
	return freezer_of(cgroup) != NULL;
}

int cgroup_freeze(const struct cgroup *cgroup, bool frozen, struct error *err)
{
	const struct cgroup_dir *dir = freezer_of(cgroup);
	cleanup_close int watch = NOT_WATCHED;
	int waited = 0;

	if (!dir) {
		error_set(err, ERR_UNSUPPORTED, "the container has no cgroup that can be frozen");
		return error_hint(err, "pausing needs root, or a cgroup that is delegated to you");
	}
	if (dir->is_v2 ? cgroup_write(dir->path, "cgroup.freeze", frozen ? "1" : "0", err) < 0
	               : cgroup_write(dir->path, "freezer.state", frozen ? "FROZEN" : "THAWED",
	                              err) < 0)
		return -1;
	while (waited < EMPTY_WAIT_MS) {
		if (is_state(dir, frozen))
			return 0;
		wait_for_event(dir, &watch, &waited);
	}
	return error_set(err, ERR_TIMEOUT, "the cgroup did not %s in time",
	                 frozen ? "freeze" : "thaw");
}

void cgroup_take_back(const struct cgroup *cgroup, pid_t pid)
{
	const struct cgroup_dir *dir = freezer_of(cgroup);
	cleanup(error_release) struct error ignored = ERROR_INIT;
	char text[16];

	/* In v2 a frozen process can be killed. */
	if (!dir || dir->is_v2)
		return;
	snprintf(text, sizeof(text), "%d", pid);
	if (cgroup_write(dir->path, "cgroup.procs", text, &ignored) < 0)
		error_release(&ignored); /* whoever waits for its end says that it did not come */
}

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* Sub-cgroups that the container made go first; files in a cgroup are not removed. */
static int remove_dir(const char *path, int depth)
{
	cleanup(close_dir) DIR *dir = NULL;
	struct dirent *entry;

	if (rmdir(path) == 0 || errno == ENOENT)
		return 0;
	if ((errno != EBUSY && errno != ENOTEMPTY) || depth > DEPTH_MAX)
		return -1;
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		cleanup_free char *below = NULL;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		below = path_join(path, entry->d_name);
		if (remove_dir(below, depth + 1) < 0)
			return -1;
	}
	return rmdir(path) < 0 && errno != ENOENT ? -1 : 0;
}

int cgroup_remove(struct cgroup *cgroup, struct error *err)
{
	array_foreach(dir, &cgroup->dirs) {
		cleanup_close int watch = NOT_WATCHED;
		cleanup(error_release) struct error ignored = ERROR_INIT;
		int waited = 0;

		/* What was there before us is somebody else's. */
		while (dir->is_ours && remove_dir(dir->path, 0) < 0) {
			if (errno != EBUSY || waited > EMPTY_WAIT_MS)
				return error_errno(err, errno, "remove cgroup %s", dir->path);
			if (signal_dir(dir, SIGKILL, &ignored) < 0)
				error_release(&ignored);
			wait_for_event(dir, &watch, &waited);
		}
	}
	cgroup_release(cgroup);
	return 0;
}

void cgroup_release(struct cgroup *cgroup)
{
	array_foreach(dir, &cgroup->dirs) {
		free(dir->path);
		free(dir->controllers);
	}
	array_release(&cgroup->dirs);
}
