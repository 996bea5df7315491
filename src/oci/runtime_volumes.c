#include "oci/runtime_volumes.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "oci/container_dir.h"
#include "oci/merged_tree.h"
#include "oci/owned_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* --- a new one --- */

struct filling {
	const struct merged_layers *layers;
	const struct container_mount *mount;
	const struct container_user *user;
	int dir;
};

/* As root of the namespace. */
static int fill(void *data, struct error *err)
{
	const struct filling *filling = data;
	int has = 0;

	if (!filling->mount->no_copy)
		has = merged_tree_copy(filling->layers, filling->mount->target, filling->dir, err);
	/* With one id only there is nobody else it could belong to. */
	if (has == 0 && fchown(filling->dir, filling->user->uid, filling->user->gid) < 0 &&
	    errno != EPERM && errno != EINVAL)
		return error_errno(err, errno, "chown");
	return has < 0 ? -1 : 0;
}

static int make_at(const char *path, const struct container_request *request,
                   const struct container_mount *mount, const struct container_user *user,
                   struct error *err)
{
	cleanup(merged_layers_release) struct merged_layers layers = {0};
	cleanup_close int dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct filling filling = {&layers, mount, user, dir};
	struct userns_map map;

	if (dir < 0 || userns_map_for_caller(&map, err) < 0 ||
	    merged_layers_open(request->store, request->image, &layers, err) < 0)
		return dir < 0 ? error_errno(err, errno, "%s", path) : -1;
	if (fchown(dir, map.uid[0].outside, map.gid[0].outside) < 0 || fchmod(dir, 0755) < 0)
		return error_errno(err, errno, "%s", path);
	return userns_run(&map, fill, &filling, err);
}

static int remove_at(const char *path, struct error *err)
{
	cleanup_free char *parent = path_dir(path);
	cleanup_close int dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "%s", parent);
	return owned_tree_remove(dir, path_base(path), err);
}

static int make(const struct container_request *request, const struct container_mount *mount,
                const struct container_user *user, struct error *err)
{
	cleanup_free char *parent = path_dir(mount->source);
	cleanup_free char *temporary = path_join(parent, ".new-XXXXXX");
	cleanup(error_release) struct error ignored = ERROR_INIT;
	int result;

	if (fs_mkdirs_private(parent, err) < 0)
		return -1;
	if (!mkdtemp(temporary))
		return error_errno(err, errno, "make a volume in %s", parent);
	result = make_at(temporary, request, mount, user, err);
	if (result == 0 &&
	    renameat2(AT_FDCWD, temporary, AT_FDCWD, mount->source, RENAME_NOREPLACE) == 0)
		return 0;
	/* Another service of the project was first. */
	if (result == 0 && errno != EEXIST)
		result = error_errno(err, errno, "%s", mount->source);
	remove_at(temporary, &ignored);
	return result;
}

int runtime_volumes_make(const struct container_request *request, const struct container_user *user,
                         struct error *err)
{
	array_foreach(mount, &request->mounts) {
		if (mount->type != CONTAINER_VOLUME || fs_is_dir(mount->source))
			continue;
		if (str_empty(mount->source) || *mount->source != '/' || str_empty(mount->target) ||
		    *mount->target != '/')
			return error_set(err, ERR_USAGE, "a volume's paths are not absolute");
		if (make(request, mount, user, err) < 0)
			return error_wrap(err, "volume %s", path_base(mount->source));
	}
	return 0;
}

/* --- folders of the host --- */

static bool can_write(const struct stat *st, const struct container_user *user,
                      const struct userns_map *map)
{
	int64_t uid = userns_host_uid(map, user->uid), gid = userns_host_gid(map, user->gid);
	bool is_root = user->uid == 0;

	if (st->st_mode & 0002 || (st->st_mode & 0200 && uid == st->st_uid) ||
	    (st->st_mode & 0020 && gid == st->st_gid))
		return true;
	/* Root inside may write what belongs to any id inside. */
	for (size_t i = 0; i < map->uids && is_root; i++)
		if (st->st_uid >= map->uid[i].outside &&
		    st->st_uid - map->uid[i].outside < map->uid[i].count)
			return true;
	return false;
}

static bool can_write_mapped(const struct container_mount *mount, struct stat st,
                             const struct container_user *user, const struct userns_map *map)
{
	if (mount->is_mapped && st.st_uid == geteuid())
		st.st_uid = map->uid[0].outside;
	if (mount->is_mapped && st.st_gid == getegid())
		st.st_gid = map->gid[0].outside;
	return can_write(&st, user, map);
}

void runtime_volumes_warn(const struct container_request *request,
                          const struct container_user *user, struct strv *out)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	struct userns_map map;
	struct stat st;

	/* Without a map nothing will start, and that will be said. */
	if (runtime_config_map(user, &map, &ignored) < 0)
		return;
	array_foreach(mount, &request->mounts) {
		if (mount->type != CONTAINER_BIND || mount->is_readonly ||
		    stat(mount->source, &st) < 0 || !(S_ISDIR(st.st_mode) || S_ISREG(st.st_mode)) ||
		    can_write_mapped(mount, st, user, &map))
			continue;
		strv_addf(
			out,
			"user %u of the container cannot write %s, which is the host's uid %u%s%s; "
			"use a named volume, or `chown %lld %s`",
			user->uid, mount->source, st.st_uid,
			mount->unmapped_because ? " and cannot be mapped: " : "",
			mount->unmapped_because ? mount->unmapped_because : "",
			(long long)userns_host_uid(&map, user->uid), mount->source);
	}
}

/* --- those that are there --- */

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static int list_project(const char *top, const char *project, struct volume_entries *ret,
                        struct error *err)
{
	cleanup_free char *path = path_join(top, project);
	cleanup(close_dir) DIR *dir = opendir(path);
	const struct dirent *entry;
	struct stat st;

	if (!dir)
		return errno == ENOENT || errno == ENOTDIR ? 0
		                                           : error_errno(err, errno, "%s", path);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.' ||
		    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISDIR(st.st_mode))
			continue;
		*array_add(&ret->items) = (struct volume_entry){
			.project = xstrdup(project),
			.name = xstrdup(entry->d_name),
			.path = path_join(path, entry->d_name),
			.created_ns = st.st_ctim.tv_sec * INT64_C(1000000000) + st.st_ctim.tv_nsec,
		};
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct volume_entry *x = a, *y = b;

	return strcmp(x->path, y->path);
}

int runtime_volumes_list(const char *top, struct volume_entries *ret, struct error *err)
{
	cleanup(close_dir) DIR *dir = opendir(top);
	const struct dirent *entry;

	if (!dir)
		return errno == ENOENT ? 0 : error_errno(err, errno, "%s", top);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && list_project(top, entry->d_name, ret, err) < 0)
			return -1;
	array_sort(&ret->items, compare);
	return 0;
}

void volume_entries_release(struct volume_entries *entries)
{
	array_foreach(entry, &entries->items) {
		free(entry->project);
		free(entry->name);
		free(entry->path);
	}
	array_release(&entries->items);
}

int runtime_volumes_remove(const char *path, const char *containers, struct error *err)
{
	cleanup(strv_release) struct strv users = STRV_INIT;
	cleanup_free char *parent = path_dir(path);

	if (!fs_is_dir(path))
		return error_set(err, ERR_NOT_FOUND, "no volume %s", path_base(path));
	if (container_dirs_with_mount(containers, path, &users, err) < 0)
		return -1;
	if (users.len > 0) {
		error_set(err, ERR_CONFLICT, "volume %s is in use by %s", path_base(path),
		          users.items[0]);
		return error_hint(err, "locald stop %s", users.items[0]);
	}
	if (remove_at(path, err) < 0)
		return -1;
	(void)rmdir(parent);
	return 0;
}
