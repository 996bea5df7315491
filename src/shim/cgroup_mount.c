#include "shim/mounts.h"

#include "base/error.h"
#include "base/str.h"
#include "shim/plan.h"
#include "shim/rootfs.h"
#include "shim/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define SAFE_ATTR (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

/* The container's part of a hierarchy on the host: where it was put, else where we are. */
static void host_path(const struct plan *plan, const struct cgroup_tree *tree, char *path)
{
	size_t skip = str_eq(tree->root, "/") ? 0 : strlen(tree->root);

	array_foreach(dir, &plan->cgroup->dirs) {
		if (dir->is_v2 == tree->is_v2 &&
		    (tree->is_v2 || str_eq(dir->controllers, tree->controllers))) {
			str_copy(path, PATH_MAX, dir->path);
			return;
		}
	}
	if (strncmp(tree->own, tree->root, skip) != 0)
		skip = 0;
	snprintf(path, PATH_MAX, "%s%s", tree->point, tree->own + skip);
}

static int bind_hierarchy(const struct plan *plan, const struct cgroup_tree *tree,
                          struct error *err)
{
	char path[PATH_MAX];
	int clone;

	host_path(plan, tree, path);
	clone = tree_clone(AT_FDCWD, path, true, err);
	if (clone >= 0 &&
	    tree_set_attr(clone, MOUNT_ATTR_RDONLY | SAFE_ATTR, 0, 0, true, err) < 0) {
		close(clone);
		return -1;
	}
	return clone;
}

/* "cpu,cpuacct" or "name=systemd" as parameters of a new mount of that hierarchy. */
static int new_v1(const struct cgroup_tree *tree, struct error *err)
{
	cleanup_close int context = tree_begin("cgroup", err);
	char word[64];

	if (context < 0)
		return -1;
	for (const char *at = tree->controllers; *at;) {
		size_t len = strcspn(at, ",");
		char *equals;

		if (len >= sizeof(word))
			return error_set(err, EINVAL, "controller `%s` is too long", at);
		memcpy(word, at, len);
		word[len] = '\0';
		equals = strchr(word, '=');
		if (equals)
			*equals = '\0';
		if (tree_param(context, word, equals ? equals + 1 : NULL, err) < 0)
			return -1;
		at += len + (at[len] == ',');
	}
	return tree_finish(context, MOUNT_ATTR_RDONLY | SAFE_ATTR, err);
}

/*
 * Inside a cgroup namespace a new mount shows only the container's part.  A v1
 * hierarchy is read-only always: its release_agent runs on the host.
 */
static int hierarchy(const struct plan *plan, const struct cgroup_tree *tree, uint64_t attr,
                     struct error *err)
{
	cleanup(error_release) struct error why = ERROR_INIT;
	int mounted = -1;

	if (plan->spec->ns[NS_CGROUP].is_set)
		mounted = tree->is_v2
		                  ? tree_make("cgroup2", "cgroup2", NULL, attr | SAFE_ATTR, &why)
		                  : new_v1(tree, &why);
	return mounted >= 0 ? mounted : bind_hierarchy(plan, tree, err);
}

static int attach_at(int tree, int root, const char *path, struct error *err)
{
	cleanup_close int target = rootfs_make_dir(root, path, err);

	return target < 0 ? -1 : tree_attach(tree, target, err);
}

/* Where controllers share a hierarchy each has its own name too. */
static int add_names(const struct cgroup_tree *tree, const char *base, int root, struct error *err)
{
	cleanup_close int dir = rootfs_make_dir(root, base, err);
	char name[64];

	if (dir < 0)
		return -1;
	for (const char *at = tree->controllers; strchr(tree->controllers, ',') && *at;) {
		size_t len = strcspn(at, ",");

		snprintf(name, sizeof(name), "%.*s", (int)len, at);
		if (symlinkat(tree->controllers, dir, name) < 0 && errno != EEXIST)
			return error_errno(err, errno, "make symlink `%s/%s`", base, name);
		at += len + (at[len] == ',');
	}
	return 0;
}

static int add_hierarchy(const struct plan *plan, const struct cgroup_tree *tree, const char *base,
                         int root, struct error *err)
{
	const char *name = tree->is_v2 ? "unified" : tree->controllers;
	cleanup_close int mounted = hierarchy(plan, tree, MOUNT_ATTR_RDONLY, err);
	char path[PATH_MAX];

	if (mounted < 0)
		return -1;
	if (!tree->is_v2 && str_starts(name, "name="))
		name += strlen("name=");
	if (snprintf(path, sizeof(path), "%s/%s", base, name) >= (int)sizeof(path))
		return error_errno(err, ENAMETOOLONG, "%s", base);
	if (attach_at(mounted, root, path, err) < 0)
		return -1;
	return tree->is_v2 ? 0 : add_names(tree, base, root, err);
}

int cgroup_mount(const struct plan *plan, const struct spec_mount *mount, int root,
                 struct error *err)
{
	cleanup_close int tree = -1;
	char mode[] = "mode=755";
	char *words[] = {mode, NULL};
	const struct strv mode_only = {.items = words, .len = 1};
	bool is_owner = plan->has_new_userns || geteuid() == 0;
	uint64_t attr = mount->options.attr_set;

	if (cgroup_host_mode(plan->cgroups) == CGROUP_NONE)
		return 0;
	if (cgroup_host_mode(plan->cgroups) == CGROUP_V2) {
		/* Writable only when it is asked for and the directory is the container's own. */
		if (!is_owner || !plan->spec->ns[NS_CGROUP].is_set || plan->cgroup->dirs.len == 0)
			attr |= MOUNT_ATTR_RDONLY;
		tree = hierarchy(plan, &plan->cgroups->trees.items[0], attr, err);
		return tree < 0 ? -1 : attach_at(tree, root, mount->destination, err);
	}
	tree = tree_make("tmpfs", "tmpfs", &mode_only, SAFE_ATTR, err);
	if (tree < 0 || attach_at(tree, root, mount->destination, err) < 0)
		return -1;
	array_foreach(hierarchy_tree, &plan->cgroups->trees)
		if (add_hierarchy(plan, hierarchy_tree, mount->destination, root, err) < 0)
			return error_wrap(err, "%s", hierarchy_tree->controllers);
	return mounts_finish_one(plan, &(struct mount_options){.attr_set = MOUNT_ATTR_RDONLY}, tree,
	                         err);
}
