#include "base/userns.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/fork_call.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <sys/wait.h>

#define ID_FILE_MAX (1024 * 1024)

/* One "name:start:count" line of /etc/subuid, its name already split off. */
static bool parse_range(const char *text, uint32_t *start, uint32_t *count)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup_free char *copy = xstrdup(text);
	char *colon = strchr(copy, ':');
	int64_t from, n;

	if (!colon)
		return false;
	*colon = '\0';
	if (str_to_int(copy, 1, UINT32_MAX - 1, &from, &ignored) < 0 ||
	    str_to_int(colon + 1, 1, UINT32_MAX - from, &n, &ignored) < 0)
		return false;
	*start = (uint32_t)from;
	*count = (uint32_t)n;
	return true;
}

/* Appends the caller's ranges of an /etc/subuid file; `name` may be NULL. */
static void read_ranges(const char *path, const char *name, uid_t uid, uint32_t inside,
                        struct userns_extent *extents, size_t *len)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup_free char *number = xasprintf("%u", uid);
	char *save = NULL;

	/* No file means no ranges. */
	if (fs_read_file(path, ID_FILE_MAX, &text, &ignored) < 0)
		return;
	for (char *line = strtok_r(text.buf, "\n", &save); line && *len < USERNS_EXTENTS;
	     line = strtok_r(NULL, "\n", &save)) {
		char *colon = strchr(line, ':');
		uint32_t start, count;

		if (!colon)
			continue;
		*colon = '\0';
		if (!str_eq(line, number) && !(name && str_eq(line, name)))
			continue;
		if (!parse_range(colon + 1, &start, &count) || count > UINT32_MAX - inside)
			continue;
		extents[(*len)++] = (struct userns_extent){inside, start, count};
		inside += count;
	}
}

/* The user's name in /etc/passwd, read directly: static programs have no NSS. */
static char *name_of_uid(uid_t uid)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup_free char *wanted = xasprintf("%u", uid);
	char *save = NULL;

	if (fs_read_file("/etc/passwd", ID_FILE_MAX, &text, &ignored) < 0)
		return NULL;
	for (char *line = strtok_r(text.buf, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *name_end = strchr(line, ':');
		char *id = name_end ? strchr(name_end + 1, ':') : NULL;
		size_t len = id ? strcspn(id + 1, ":") : 0;

		if (id && len == strlen(wanted) && strncmp(id + 1, wanted, len) == 0)
			return xstrndup(line, (size_t)(name_end - line));
	}
	return NULL;
}

/* Is [start, start + count) mapped in the namespace we are in? */
static bool is_mapped_here(const char *path, uint32_t start, uint32_t count)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	char *save = NULL;

	if (fs_read_file(path, ID_FILE_MAX, &text, &ignored) < 0)
		return false;
	for (char *line = strtok_r(text.buf, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *end;
		uint64_t first = strtoull(line, &end, 10);
		uint64_t n;

		strtoull(end, &end, 10);
		n = strtoull(end, NULL, 10);
		if (start >= first && (uint64_t)start + count <= first + n)
			return true;
	}
	return false;
}

/* /usr/sbin is where some distributions keep them, and not in everyone's PATH. */
static char *find_program(const char *name)
{
	const char *env = getenv("PATH");
	cleanup_free char *path = xasprintf("%s:/usr/bin:/usr/sbin:/bin:/sbin", env ? env : "");
	char *save = NULL;

	for (char *dir = strtok_r(path, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
		char *program = path_join(dir, name);

		if (*dir == '/' && access(program, X_OK) == 0)
			return program;
		free(program);
	}
	return NULL;
}

static bool has_map_programs(void)
{
	cleanup_free char *uid = find_program("newuidmap");
	cleanup_free char *gid = find_program("newgidmap");

	return uid && gid;
}

/*
 * Root of the first namespace takes a range that is nobody's.  A root that is
 * itself in a namespace where that range does not exist has only its own id.
 */
static void map_for_root(struct userns_map *ret)
{
	*ret = (struct userns_map){0};
	read_ranges("/etc/subuid", "root", 0, 0, ret->uid, &ret->uids);
	read_ranges("/etc/subgid", "root", 0, 0, ret->gid, &ret->gids);
	if (ret->uids == 0 || ret->gids == 0) {
		ret->uid[0] = (struct userns_extent){0, USERNS_ROOT_BASE, USERNS_COUNT};
		ret->gid[0] = ret->uid[0];
		ret->uids = ret->gids = 1;
	}
	if (!is_mapped_here("/proc/self/uid_map", ret->uid[0].outside, ret->uid[0].count) ||
	    !is_mapped_here("/proc/self/gid_map", ret->gid[0].outside, ret->gid[0].count)) {
		*ret = (struct userns_map){.uids = 1, .gids = 1, .is_single = true};
		ret->uid[0] = (struct userns_extent){0, 0, 1};
		ret->gid[0] = (struct userns_extent){0, getegid(), 1};
	}
}

int userns_map_for_caller(struct userns_map *ret, struct error *err)
{
	cleanup_free char *name = NULL;
	uid_t uid = geteuid();

	if (access("/proc/self/ns/user", F_OK) < 0)
		return error_set(err, ERR_UNSUPPORTED, "this kernel has no user namespaces");
	if (uid == 0) {
		map_for_root(ret);
		return 0;
	}
	*ret = (struct userns_map){.uids = 1, .gids = 1};
	ret->uid[0] = (struct userns_extent){0, uid, 1};
	ret->gid[0] = (struct userns_extent){0, getegid(), 1};
	if (has_map_programs()) {
		name = name_of_uid(uid);
		read_ranges("/etc/subuid", name, uid, 1, ret->uid, &ret->uids);
		read_ranges("/etc/subgid", name, uid, 1, ret->gid, &ret->gids);
	}
	if (ret->uids == 1 || ret->gids == 1)
		userns_map_single(ret, 0, 0);
	return 0;
}

void userns_map_single(struct userns_map *ret, uint32_t inside_uid, uint32_t inside_gid)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (uid == 0) {
		struct userns_map full;

		map_for_root(&full);
		uid = full.uid[0].outside;
		gid = full.gid[0].outside;
	}
	*ret = (struct userns_map){.uids = 1, .gids = 1, .is_single = true};
	ret->uid[0] = (struct userns_extent){inside_uid, uid, 1};
	ret->gid[0] = (struct userns_extent){inside_gid, gid, 1};
}

static int64_t host_id(const struct userns_extent *extents, size_t len, uint32_t inside)
{
	for (size_t i = 0; i < len; i++)
		if (inside >= extents[i].inside && inside - extents[i].inside < extents[i].count)
			return (int64_t)extents[i].outside + (inside - extents[i].inside);
	return -1;
}

int64_t userns_host_uid(const struct userns_map *map, uint32_t inside)
{
	return host_id(map->uid, map->uids, inside);
}

int64_t userns_host_gid(const struct userns_map *map, uint32_t inside)
{
	return host_id(map->gid, map->gids, inside);
}

/* The kernel takes a map only in one write. */
static int write_proc(pid_t pid, const char *file, const char *text, struct error *err)
{
	cleanup_free char *path = xasprintf("/proc/%d/%s", pid, file);
	cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, errno, "%s", path);
	if (write(fd, text, strlen(text)) < 0)
		return error_errno(err, errno, "write %s", path);
	return 0;
}

static int write_extents(pid_t pid, const char *file, const struct userns_extent *extents,
                         size_t len, struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < len; i++)
		strbuf_addf(&text, "%u %u %u\n", extents[i].inside, extents[i].outside,
		            extents[i].count);
	return write_proc(pid, file, text.buf, err);
}

static no_return void exec_map_program(const char *program, char **argv, int output)
{
	if (dup2(output, STDOUT_FILENO) >= 0 && dup2(output, STDERR_FILENO) >= 0)
		execv(program, argv);
	_exit(127);
}

static int run_map_program(const char *name, pid_t target, const struct userns_extent *extents,
                           size_t len, struct error *err)
{
	cleanup_free char *program = find_program(name);
	cleanup(strv_release) struct strv argv = STRV_INIT;
	cleanup(strbuf_release) struct strbuf output = STRBUF_INIT;
	int fds[2], status = 0;
	pid_t pid;

	if (!program)
		return error_set(err, ENOENT, "%s is not installed", name);
	strv_add(&argv, name);
	strv_addf(&argv, "%d", target);
	for (size_t i = 0; i < len; i++) {
		strv_addf(&argv, "%u", extents[i].inside);
		strv_addf(&argv, "%u", extents[i].outside);
		strv_addf(&argv, "%u", extents[i].count);
	}
	if (fd_pipe(fds, err) < 0)
		return -1;
	pid = fork();
	if (pid == 0)
		exec_map_program(program, argv.items, fds[1]);
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return error_errno(err, errno, "fork");
	}
	/* What it printed is only for the message: failing to read it is no failure. */
	if (fd_read_to_end(fds[0], &output, 4096, err) < 0)
		error_release(err);
	close(fds[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	strbuf_truncate(&output, strcspn(output.buf, "\n"));
	error_set(err, EPERM, "%s", output.len > 0 ? output.buf : name);
	return error_hint(err, "check /etc/subuid and /etc/subgid, and that %s is setuid root",
	                  program);
}

int userns_write_maps(pid_t pid, const struct userns_map *map, struct error *err)
{
	bool is_direct = map->is_single || geteuid() == 0;

	/* Without privilege the kernel wants setgroups(2) denied before the gid map. */
	if (map->is_single && write_proc(pid, "setgroups", "deny", err) < 0)
		return -1;
	if (is_direct) {
		if (write_extents(pid, "uid_map", map->uid, map->uids, err) < 0)
			return -1;
		return write_extents(pid, "gid_map", map->gid, map->gids, err);
	}
	if (run_map_program("newuidmap", pid, map->uid, map->uids, err) < 0)
		return -1;
	return run_map_program("newgidmap", pid, map->gid, map->gids, err);
}

/* The switches that hosts have; a file that is not there forbids nothing. */
static const struct {
	const char *file;
	long forbids;
	bool is_limit; /* fails with ENOSPC or EUSERS, the others with EPERM or EACCES */
	const char *hint;
} switches[] = {
	{"user/max_user_namespaces", 0, true,
         "user.max_user_namespaces is 0: sudo sysctl -w user.max_user_namespaces=15000"},
	{"kernel/unprivileged_userns_clone", 0, false,
         "kernel.unprivileged_userns_clone is 0: sudo sysctl -w "
         "kernel.unprivileged_userns_clone=1"},
	{"kernel/apparmor_restrict_unprivileged_userns", 1, false,
         "AppArmor allows user namespaces only to programs whose profile has `userns,`: give the "
         "program one, or sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
};

static bool is_switch_at(const char *folder, const char *file, long value)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup_free char *path = path_join(folder, file);
	char *end;

	return fs_read_file(path, 32, &text, &ignored) == 0 &&
	       strtol(text.buf, &end, 10) == value && end != text.buf;
}

static void explain(const char *folder, int code, struct error *err)
{
	bool is_limit = code == ENOSPC || code == EUSERS;

	if (!is_limit && code != EPERM && code != EACCES)
		return;
	for (size_t i = 0; i < ARRAY_LEN(switches); i++) {
		if (switches[i].is_limit != is_limit ||
		    !is_switch_at(folder, switches[i].file, switches[i].forbids))
			continue;
		error_hint(err, "%s", switches[i].hint);
		return;
	}
	if (is_limit)
		error_hint(err, "a limit on namespaces is reached: see user.max_user_namespaces "
		                "and its like, and how deeply this is nested");
	else
		error_hint(err, "this sandbox does not allow new user namespaces (in a container: "
		                "its seccomp filter or its capabilities)");
}

void userns_explain(int code, struct error *err)
{
	explain("/proc/sys", code, err);
}

struct userns_call {
	const struct userns_map *map;
	userns_fn *fn;
	void *data;
	int ready[2];  /* child -> parent: the namespace exists */
	int mapped[2]; /* parent -> child: and has its maps */
};

static int become_root_inside(const struct userns_map *map, struct error *err)
{
	uid_t uid = map->uid[0].inside;
	gid_t gid = map->gid[0].inside;

	if (!map->is_single && setgroups(0, NULL) < 0)
		return error_errno(err, errno, "setgroups");
	if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return error_errno(err, errno, "become user %u in the user namespace", uid);
	fork_call_die_with_parent();
	return 0;
}

static int run_inside(void *data, struct error *err)
{
	struct userns_call *call = data;
	char byte = 0;

	close(call->ready[0]);
	close(call->mapped[1]);
	if (unshare(CLONE_NEWUSER) < 0) {
		error_errno(err, errno, "make a user namespace");
		userns_explain(err->code, err);
		return -1;
	}
	if (fd_write_all(call->ready[1], &byte, 1, err) < 0 ||
	    fd_read_exact(call->mapped[0], &byte, 1, err) < 0)
		return error_wrap(err, "wait for the id maps");
	close(call->ready[1]);
	close(call->mapped[0]);
	if (become_root_inside(call->map, err) < 0)
		return -1;
	return call->fn(call->data, err);
}

/* The parent's half of the handshake; 0 also when the child failed first and will say why. */
static int give_maps(struct userns_call *call, pid_t pid, struct error *err)
{
	char byte = 0;
	ssize_t n;

	do
		n = read(call->ready[0], &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return 0;
	if (userns_write_maps(pid, call->map, err) < 0)
		return -1;
	return fd_write_all(call->mapped[1], &byte, 1, err);
}

int userns_run(const struct userns_map *map, userns_fn *fn, void *data, struct error *err)
{
	struct userns_call call = {.map = map, .fn = fn, .data = data};
	struct fork_call child = FORK_CALL_INIT;
	int started, given = 0;

	if (fd_pipe(call.ready, err) < 0)
		return -1;
	if (fd_pipe(call.mapped, err) < 0) {
		close(call.ready[0]);
		close(call.ready[1]);
		return -1;
	}
	started = fork_call_start(run_inside, &call, &child, err);
	close(call.ready[1]);
	close(call.mapped[0]);
	if (started == 0)
		given = give_maps(&call, child.pid, err);
	close(call.ready[0]);
	close(call.mapped[1]);
	if (started < 0)
		return -1;
	if (given < 0) {
		fork_call_kill(&child);
		return -1;
	}
	return fork_call_wait(&child, err);
}
