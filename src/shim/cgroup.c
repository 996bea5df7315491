#include "shim/cgroup.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/strbuf.h"
#include "shim/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define FILE_MAX (4 * 1024 * 1024)

int cgroup_write(const char *dir, const char *name, const char *value, struct error *err)
{
	cleanup_free char *path = path_join(dir, name);
	cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		return error_errno(err, errno, "write `%s` to %s", value, path);
	return 0;
}

int cgroup_read(const char *dir, const char *name, struct strbuf *out, struct error *err)
{
	cleanup_free char *path = path_join(dir, name);

	strbuf_reset(out);
	return fs_read_file(path, FILE_MAX, out, err);
}

/* Where we are in a hierarchy. */
static char *own_path(const struct cgroup_tree *tree)
{
	size_t skip = str_eq(tree->root, "/") ? 0 : strlen(tree->root);

	return xasprintf("%s%s", tree->point,
	                 strncmp(tree->own, tree->root, skip) == 0 ? tree->own + skip : tree->own);
}

int cgroup_make_room(const struct cgroup_host *host, struct error *err)
{
	array_foreach(tree, &host->trees) {
		cleanup_free char *own = own_path(tree), *below = path_join(own, "runtime");

		if (!tree->is_v2 || str_eq(tree->own, "/"))
			continue;
		if (mkdir(below, 0755) < 0 && errno != EEXIST)
			return error_errno(err, errno, "make cgroup %s", below);
		return cgroup_write(below, "cgroup.procs", "0", err);
	}
	return error_set(err, ERR_CONFIG, "--own-cgroup: there is no cgroup v2 but its root");
}

/* Where the container's directory is in a hierarchy. */
static char *dir_path(const struct cgroup_tree *tree, const struct cgroup_request *request)
{
	cleanup_free char *own = NULL;
	cleanup_free char *clean = NULL;

	if (request->path && request->path[0] == '/') {
		clean = path_absolute("/", request->path);
		return xasprintf("%s%s", tree->point, clean);
	}
	/* A relative path, and the default, are beside us or below. */
	own = own_path(tree);
	if (request->path) {
		cleanup_free char *rooted = xasprintf("/%s", request->path);

		clean = path_absolute("/", rooted);
		return xasprintf("%s%s", str_eq(tree->own, "/") ? tree->point : own, clean);
	}
	return xasprintf("%s/locald-%s", str_eq(tree->own, "/") ? tree->point : own, request->id);
}

/* A new cpuset admits nobody until it has processors and memory; it takes the parent's. */
static int fill_cpuset(const char *path, struct error *err)
{
	static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};
	cleanup_free char *parent = path_dir(path);
	cleanup(strbuf_release) struct strbuf value = STRBUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		if (cgroup_read(path, files[i], &value, err) < 0)
			return -1;
		if (value.len > 1)
			continue;
		if (cgroup_read(parent, files[i], &value, err) < 0 ||
		    cgroup_write(path, files[i], value.buf, err) < 0)
			return -1;
	}
	return 0;
}

/* v2: a controller works below a directory once that directory hands it down. */
static void hand_down(const char *parent, const char *controllers)
{
	cleanup_free char *copy = xstrdup(controllers);
	char *save = NULL;

	/* What is refused here is missed, and told, when a limit needs it. */
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		cleanup(error_release) struct error ignored = ERROR_INIT;
		cleanup_free char *value = xasprintf("+%s", word);

		if (cgroup_write(parent, "cgroup.subtree_control", value, &ignored) < 0)
			continue;
	}
}

/* mkdir -p from the mount point; 1 when the last part is new, and so ours. */
static int make_dirs(const struct cgroup_tree *tree, const char *path, struct error *err)
{
	cleanup_free char *copy = xstrdup(path);
	size_t start = strlen(tree->point);
	int is_new = 0;

	for (char *at = copy + start; *at;) {
		char saved;

		if (tree->is_v2) {
			cleanup_free char *parent = xstrndup(copy, (size_t)(at - copy));

			hand_down(parent, tree->controllers);
		}
		at++;
		at += strcspn(at, "/");
		saved = *at;
		*at = '\0';
		is_new = mkdir(copy, 0755) == 0;
		if (!is_new && errno != EEXIST)
			return error_errno(err, errno, "make cgroup %s", copy);
		if (cgroup_has_controller(tree->controllers, "cpuset") && !tree->is_v2 &&
		    fill_cpuset(copy, err) < 0)
			return -1;
		*at = saved;
	}
	return is_new;
}

static bool needs(const struct cgroup_tree *tree, const struct cgroup_host *host,
                  const struct cgroup_request *request)
{
	/* A path that was given is where others look: in every hierarchy. */
	if (request->path || request->wants_all || tree->is_v2)
		return true;
	if (request->wants_devices && request->resources->devices.len > 0 &&
	    cgroup_has_controller(tree->controllers, "devices"))
		return true;
	if (request->wants_freezer && cgroup_has_controller(tree->controllers, "freezer"))
		return true;
	array_foreach(limit, &request->resources->limits)
		if (cgroup_tree_of(host, limit->controller) == tree)
			return true;
	return false;
}

static bool has_dir(const struct cgroup *cgroup, const struct cgroup_tree *tree)
{
	array_foreach(dir, &cgroup->dirs)
		if (dir->is_v2 == tree->is_v2 &&
		    (tree->is_v2 || str_eq(dir->controllers, tree->controllers)))
			return true;
	return false;
}

static int check_limits(const struct cgroup_host *host, const struct spec_resources *resources,
                        struct error *err)
{
	array_foreach(limit, &resources->limits) {
		const struct cgroup_tree *tree = cgroup_tree_of(host, limit->controller);

		if (!tree &&
		    !(str_eq(limit->what, "unified") && str_eq(limit->controller, "cgroup")))
			return error_set(err, ERR_UNSUPPORTED,
			                 "linux.resources.%s: this host has no `%s` controller",
			                 limit->what, limit->controller);
		if (tree && tree->is_v2 ? !limit->v2_file : !limit->v1_file)
			return error_set(err, ERR_UNSUPPORTED,
			                 "linux.resources.%s: cgroup %s of this host does not "
			                 "have it",
			                 limit->what, tree && tree->is_v2 ? "v2" : "v1");
	}
	return 0;
}

/* In every hierarchy that needs one, but for those that are in `have`. */
static int make_all(struct cgroup *cgroup, const struct cgroup *have,
                    const struct cgroup_host *host, const struct cgroup_request *request,
                    struct error *err)
{
	array_foreach(tree, &host->trees) {
		cleanup_free char *path = NULL;
		int is_new;

		if (!needs(tree, host, request) || has_dir(have, tree))
			continue;
		path = dir_path(tree, request);
		is_new = make_dirs(tree, path, err);
		if (is_new < 0)
			return -1;
		*array_add(&cgroup->dirs) = (struct cgroup_dir){
			.path = take_ptr(path),
			.controllers = xstrdup(tree->controllers),
			.is_v2 = tree->is_v2,
			.is_ours = is_new,
		};
	}
	return 0;
}

int cgroup_make(struct cgroup *cgroup, const struct cgroup_host *host,
                const struct cgroup_request *request, struct error *err)
{
	const struct cgroup none = {0};
	bool has_limits = request->resources->limits.len > 0;
	bool is_root = geteuid() == 0;

	if (check_limits(host, request->resources, err) < 0)
		return -1;
	if (!has_limits && !request->path && !request->wants_all &&
	    !(request->wants_devices && request->resources->devices.len > 0))
		return 0;
	if (make_all(cgroup, &none, host, request, err) < 0) {
		cleanup(error_release) struct error ignored = ERROR_INIT;
		bool is_forbidden = err->code == EACCES || err->code == EPERM ||
		                    err->code == EROFS || err->code == ENOENT;

		if (cgroup_remove(cgroup, &ignored) < 0)
			return -1;
		is_forbidden = is_forbidden && !(is_root && err->code == ENOENT);
		/* Nobody delegated a cgroup to us, and nobody asked for a limit: none then. */
		if (!has_limits && is_forbidden) {
			error_release(err);
			return 0;
		}
		if (request->may_be_without && is_forbidden)
			return 1;
		return error_hint(err, "limits need root, or a cgroup that is delegated to you");
	}
	if (cgroup_set_limits(cgroup, request->resources, err) < 0)
		return -1;
	return request->wants_devices ? cgroup_set_devices(cgroup, request->resources, err) : 0;
}

int cgroup_extend(const struct cgroup *cgroup, const struct cgroup_host *host,
                  const struct cgroup_request *request, struct cgroup *more, struct error *err)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;

	if (check_limits(host, request->resources, err) < 0)
		return -1;
	if (make_all(more, cgroup, host, request, err) == 0)
		return 0;
	if (cgroup_remove(more, &ignored) < 0)
		return error_wrap(err, "%s", ignored.text);
	return error_hint(err, "this needs root, or a cgroup that is delegated to you");
}

static const struct cgroup_dir *dir_of(const struct cgroup *cgroup, const struct spec_limit *limit)
{
	array_foreach(dir, &cgroup->dirs)
		if (cgroup_has_controller(dir->controllers, limit->controller))
			return dir;
	if (str_eq(limit->controller, "cgroup"))
		array_foreach(dir, &cgroup->dirs)
			if (dir->is_v2)
				return dir;
	return NULL;
}

bool cgroup_has_limits(const struct cgroup *cgroup, const struct spec_resources *resources)
{
	array_foreach(limit, &resources->limits)
		if (!dir_of(cgroup, limit))
			return false;
	return true;
}

static int set_limit(const struct cgroup_dir *dir, const struct spec_limit *limit,
                     struct error *err)
{
	const char *file = dir->is_v2 ? limit->v2_file : limit->v1_file;
	const char *value = dir->is_v2 ? limit->v2_value : limit->v1_value;
	char bfq[64];

	if (!file)
		return error_set(err, ERR_UNSUPPORTED, "cgroup %s does not have it",
		                 dir->is_v2 ? "v2" : "v1");
	if (cgroup_write(dir->path, file, value, err) == 0)
		return 0;
	/* The weights of v1 are under another name with the scheduler that has them today. */
	if (err->code != ENOENT || !str_starts(file, "blkio.weight"))
		return -1;
	error_release(err);
	snprintf(bfq, sizeof(bfq), "blkio.bfq.%s", file + strlen("blkio."));
	return cgroup_write(dir->path, bfq, value, err);
}

/*
 * Limits that bound each other (memory and memory+swap, period and quota) have
 * an order that depends on their old values: those that are refused in the
 * first round are tried once more in the second.
 */
int cgroup_set_limits(const struct cgroup *cgroup, const struct spec_resources *resources,
                      struct error *err)
{
	cleanup_free bool *is_done = xcalloc(resources->limits.len + 1, sizeof(bool));

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < resources->limits.len; i++) {
			const struct spec_limit *limit = &resources->limits.items[i];
			const struct cgroup_dir *dir = dir_of(cgroup, limit);

			if (!dir)
				return error_set(err, ERR_UNSUPPORTED,
				                 "linux.resources.%s: the container has no `%s` "
				                 "controller",
				                 limit->what, limit->controller);
			if (is_done[i])
				continue;
			is_done[i] = set_limit(dir, limit, err) == 0;
			if (!is_done[i] && round == 1)
				return error_wrap(err, "linux.resources.%s", limit->what);
		}
	}
	error_release(err);
	return 0;
}

int cgroup_open_v2(const struct cgroup *cgroup)
{
	array_foreach(dir, &cgroup->dirs)
		if (dir->is_v2)
			return open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return -1;
}

static int check_sub(const char *sub, struct error *err)
{
	for (const char *at = sub; at; at = strchr(at, '/')) {
		at += strspn(at, "/");
		if (str_starts(at, "..") && (at[2] == '/' || !at[2]))
			return error_set(err, ERR_USAGE,
			                 "--cgroup %s: `..` components are not allowed", sub);
	}
	return 0;
}

int cgroup_join(const struct cgroup *cgroup, const char *sub, pid_t pid, bool skip_v2,
                struct error *err)
{
	bool is_found = !sub;
	char text[16];

	if (check_sub(sub, err) < 0)
		return -1;
	snprintf(text, sizeof(text), "%d", pid);
	array_foreach(dir, &cgroup->dirs) {
		cleanup_free char *path = sub ? path_join(dir->path, sub) : xstrdup(dir->path);
		bool is_there = !sub || fs_is_dir(path);

		is_found = is_found || is_there;
		if (!(dir->is_v2 && skip_v2) &&
		    cgroup_write(is_there ? path : dir->path, "cgroup.procs", text, err) < 0)
			return -1;
	}
	return is_found ? 0 : error_set(err, ENOENT, "--cgroup %s: the container has none", sub);
}
