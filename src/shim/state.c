#include "shim/state.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/proc.h"
#include "base/strbuf.h"
#include "shim/spec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/stat.h>

#define FILE_MAX (4 * 1024 * 1024)

static char *default_root(void)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf map = STRBUF_INIT;
	const char *runtime = getenv("XDG_RUNTIME_DIR"), *home = getenv("HOME");
	unsigned long inside = 1, outside = 1;

	/* Root of the first user namespace; a root inside another is somebody's ordinary user. */
	if (fs_read_file("/proc/self/uid_map", FILE_MAX, &map, &ignored) == 0)
		sscanf(map.buf, "%lu %lu", &inside, &outside);
	if (geteuid() == 0 && inside == 0 && outside == 0)
		return xstrdup("/run/locald-shim");
	if (!str_empty(runtime))
		return path_join(runtime, "locald-shim");
	return path_join(str_empty(home) ? "/tmp" : home, ".local/state/locald/run/shim");
}

int state_open_root(const char *root, struct error *err)
{
	cleanup_free char *path = root ? xstrdup(root) : default_root();
	struct stat st;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	/* Most often it is there, and ours. */
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() && !(st.st_mode & 077))
		return fd;
	if (fd >= 0)
		close(fd);
	if (fs_mkdirs_private(path, err) < 0)
		return error_wrap(err, "--root");
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? error_errno(err, errno, "--root %s", path) : fd;
}

int state_check_id(const char *id, struct error *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.";
	size_t len = strlen(id);

	if (len == 0 || len > STATE_ID_MAX || strspn(id, allowed) != len || *id == '.')
		return error_set(
			err, ERR_USAGE,
			"invalid character or length in the container ID `%s`: use letters, "
			"digits and _+-. (not first), at most %d",
			id, STATE_ID_MAX);
	return 0;
}

static int open_own(int root, const char *id, struct error *err)
{
	cleanup_close int dir = openat(root, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (dir < 0 && errno == ENOENT)
		return error_set(err, ENOENT, "container `%s` does not exist", id);
	if (dir < 0 || fstat(dir, &st) < 0)
		return error_errno(err, errno, "container `%s`", id);
	if (st.st_uid != geteuid() || st.st_mode & 077)
		return error_set(err, EPERM, "container `%s` belongs to another user", id);
	return take_fd(dir);
}

static bool is_process(pid_t pid, uint64_t start_ticks)
{
	struct proc_id id = {.pid = pid, .start_ticks = start_ticks};

	if (pid <= 0)
		return false;
	proc_boot_id(id.boot_id);
	return proc_is_alive(&id);
}

/* What a `run` that was killed left behind: neither it nor its container is there. */
static bool is_leftover(int root, const char *id)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup(state_release) struct state old = {.dir = -1};

	if (state_load(&old, root, id, &ignored) < 0)
		return false;
	if (!old.has_foreground || is_process(old.foreground_pid, old.foreground_ticks) ||
	    is_process(old.pid, old.start_ticks))
		return false;
	/* Another start may be here too: whoever finds it still linked removes it. */
	switch (state_lock(&old, &ignored)) {
	case 0:
		return true;
	case 1:
		return cgroup_remove(&old.cgroup, &ignored) == 0 &&
		       state_remove(&old, &ignored) == 0;
	default:
		return false;
	}
}

static int make_own(int root, const char *id, struct error *err)
{
	if (mkdirat(root, id, 0700) == 0)
		return 0;
	if (errno != EEXIST)
		return error_errno(err, errno, "container `%s`", id);
	if (!is_leftover(root, id) || mkdirat(root, id, 0700) < 0)
		return error_set(err, EEXIST, "container with id `%s` already exists", id);
	return 0;
}

int state_new(struct state *state, int root, const char *id, struct error *err)
{
	char created[CLOCK_TEXT_SIZE];

	*state = (struct state){.dir = -1, .root = root};
	if (state_check_id(id, err) < 0)
		return -1;
	if (make_own(root, id, err) < 0)
		return -1;
	state->dir = open_own(root, id, err);
	if (state->dir < 0) {
		/* As when no descriptor is left: what we have just made goes again. */
		unlinkat(root, id, AT_REMOVEDIR);
		return -1;
	}
	clock_format_utc(clock_real_ns(), created);
	state->id = xstrdup(id);
	state->created = xstrdup(created);
	return 0;
}

static json_t *cgroup_to_json(const struct cgroup *cgroup)
{
	json_t *dirs = json_array();

	array_foreach(dir, &cgroup->dirs) {
		json_t *item = json_object();

		json_set_str(item, "path", dir->path);
		json_set_str(item, "controllers", dir->controllers);
		json_set_bool(item, "v2", dir->is_v2);
		json_set_bool(item, "ours", dir->is_ours);
		json_array_append_new(dirs, item);
	}
	return dirs;
}

static void cgroup_from_json(struct cgroup *cgroup, const json_t *dirs)
{
	size_t i;
	json_t *item;

	json_array_foreach(dirs, i, item)
		*array_add(&cgroup->dirs) = (struct cgroup_dir){
			.path = xstrdup(json_get_str(item, "path", "")),
			.controllers = xstrdup(json_get_str(item, "controllers", "")),
			.is_v2 = json_get_bool(item, "v2", false),
			.is_ours = json_get_bool(item, "ours", false),
		};
}

static int write_file(int dir, const char *name, const char *data, size_t len, struct error *err)
{
	cleanup_free char *temporary = xasprintf("%s.new", name);
	cleanup_close int fd =
		openat(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return error_errno(err, errno, "%s", temporary);
	if (fd_write_all(fd, data, len, err) < 0)
		return error_wrap(err, "%s", temporary);
	if (renameat(dir, temporary, dir, name) < 0)
		return error_errno(err, errno, "%s", name);
	return 0;
}

int state_save(const struct state *state, struct error *err)
{
	cleanup_json json_t *json = json_object();
	cleanup_free char *text = NULL;

	json_set_str(json, "id", state->id);
	json_set_str(json, "bundle", state->bundle);
	json_set_str(json, "rootfs", state->rootfs);
	json_set_str(json, "created", state->created);
	json_set_int(json, "pid", state->pid);
	json_set_int(json, "startTicks", (int64_t)state->start_ticks);
	json_set_bool(json, "foreground", state->has_foreground);
	json_set_int(json, "foregroundPid", state->foreground_pid);
	json_set_int(json, "foregroundTicks", (int64_t)state->foreground_ticks);
	json_object_set_new(json, "cgroup", cgroup_to_json(&state->cgroup));
	if (state->annotations)
		json_object_set(json, "annotations", state->annotations);
	text = json_text(json);
	if (write_file(state->dir, STATE_FILE, text, strlen(text), err) < 0)
		return error_wrap(err, "container `%s`", state->id);
	return 0;
}

static int read_file(int dir, const char *name, struct strbuf *out, struct error *err)
{
	cleanup_close int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, errno, "%s", name);
	return fd_read_to_end(fd, out, FILE_MAX, err);
}

static int read_state(struct state *state, struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup_json json_t *json = NULL;

	if (read_file(state->dir, STATE_FILE, &text, err) < 0)
		return -1;
	json = json_parse(text.buf, text.len, err);
	if (!json)
		return -1;
	state->bundle = xstrdup(json_get_str(json, "bundle", ""));
	state->rootfs = xstrdup(json_get_str(json, "rootfs", ""));
	state->created = xstrdup(json_get_str(json, "created", ""));
	state->pid = (pid_t)json_get_int(json, "pid", 0);
	state->start_ticks = (uint64_t)json_get_int(json, "startTicks", 0);
	state->has_foreground = json_get_bool(json, "foreground", false);
	state->foreground_pid = (pid_t)json_get_int(json, "foregroundPid", 0);
	state->foreground_ticks = (uint64_t)json_get_int(json, "foregroundTicks", 0);
	state->annotations = json_incref(json_object_get(json, "annotations"));
	cgroup_from_json(&state->cgroup, json_object_get(json, "cgroup"));
	return 0;
}

int state_reload_cgroup(struct state *state, struct error *err)
{
	struct state now = {.dir = state->dir, .root = state->root};
	int done = read_state(&now, err);

	if (done == 0) {
		cgroup_release(&state->cgroup);
		state->cgroup = now.cgroup;
		now.cgroup = (struct cgroup){0};
	}
	now.dir = -1; /* is not its own */
	state_release(&now);
	return done;
}

int state_load(struct state *state, int root, const char *id, struct error *err)
{
	*state = (struct state){.dir = -1, .root = root};
	if (state_check_id(id, err) < 0)
		return -1;
	state->dir = open_own(root, id, err);
	if (state->dir < 0)
		return -1;
	state->id = xstrdup(id);
	if (read_state(state, err) == 0)
		return 0;
	if (err->code == ENOENT) /* being made, or what a crash left of one */
		return error_set(err, ENOENT, "container `%s` is not complete", id);
	return error_wrap(err, "container `%s`", id);
}

int state_lock(const struct state *state, struct error *err)
{
	struct stat st;

	while (flock(state->dir, LOCK_EX) < 0)
		if (errno != EINTR)
			return error_errno(err, errno, "lock container `%s`", state->id);
	if (fstat(state->dir, &st) < 0)
		return error_errno(err, errno, "container `%s`", state->id);
	return st.st_nlink > 0;
}

int state_remove(struct state *state, struct error *err)
{
	static const char *const files[] = {STATE_FILE, CONFIG_FILE};

	if (!state->id)
		return 0;
	/* Most often there is nothing else; what cannot go here, or is left, is for the tree. */
	for (size_t i = 0; state->dir >= 0 && i < ARRAY_LEN(files); i++)
		unlinkat(state->dir, files[i], 0);
	if (unlinkat(state->root, state->id, AT_REMOVEDIR) == 0)
		return 0;
	return fs_remove_tree(state->root, state->id, err);
}

void state_release(struct state *state)
{
	close_fd(&state->dir);
	free(state->id);
	free(state->bundle);
	free(state->rootfs);
	free(state->created);
	json_decref(state->annotations);
	cgroup_release(&state->cgroup);
	*state = (struct state){.dir = -1, .root = -1};
}

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

int state_list(int root, struct strv *ids, struct error *err)
{
	int copy = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup(close_dir) DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	struct dirent *entry;

	if (!dir)
		return error_errno(err, errno, "read the list of containers");
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && !is_leftover(root, entry->d_name))
			strv_add(ids, entry->d_name);
	strv_sort(ids);
	return 0;
}

enum container_status state_status(const struct state *state)
{
	if (!is_process(state->pid, state->start_ticks))
		return CONTAINER_STOPPED;
	if (state_is_creating(state))
		return CONTAINER_CREATING;
	if (state_is_waiting(state))
		return CONTAINER_CREATED;
	return cgroup_is_frozen(&state->cgroup) ? CONTAINER_PAUSED : CONTAINER_RUNNING;
}

const char *container_status_name(enum container_status status)
{
	static const char *const names[] = {
		[CONTAINER_CREATING] = "creating", [CONTAINER_CREATED] = "created",
		[CONTAINER_RUNNING] = "running",   [CONTAINER_PAUSED] = "paused",
		[CONTAINER_STOPPED] = "stopped",
	};

	return names[status];
}

json_t *state_json(const struct state *state, const char *status)
{
	json_t *json = json_object();
	bool has_pid = !str_eq(status, "stopped") && state->pid > 0;

	json_set_str(json, "ociVersion", SPEC_VERSION);
	json_set_str(json, "id", state->id);
	json_set_int(json, "pid", has_pid ? state->pid : 0);
	json_set_str(json, "status", status);
	json_set_str(json, "bundle", state->bundle);
	json_set_str(json, "rootfs", state->rootfs);
	json_set_str(json, "created", state->created);
	if (state->annotations)
		json_object_set(json, "annotations", state->annotations);
	return json;
}

char *state_document(const struct state *state, const char *status)
{
	cleanup_json json_t *json = state_json(state, status);

	return json_text(json);
}

int state_open_process(const struct state *state, struct error *err)
{
	cleanup_close int pidfd = state->pid > 0 ? pidfd_open(state->pid, 0) : -1;

	/* The number may have been given to another: looked at once the pidfd pins it. */
	if (pidfd < 0 || !is_process(state->pid, state->start_ticks))
		return error_set(err, ESRCH, "container `%s` is not running", state->id);
	return take_fd(pidfd);
}
