#include "daemon/container_begun.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "daemon/daemon.h"
#include "loop/file_watch.h"
#include "oci/container_dir.h"

#include <errno.h>

#define MARK "config.json"

struct container_begun {
	struct file_watch *files;
	struct watched_folder *all, *own; /* the runtime's folder, and the container's in it */
	char *dir, *mark;                 /* the container's, and the file that comes into it */
	container_begun_fn *fn;
	void *data;
};

static void on_own(struct watched_folder *folder unused_arg, const char *name,
                   uint32_t events unused_arg, void *data)
{
	const struct container_begun *begun = data;

	if (name && str_eq(name, MARK))
		begun->fn(begun->data);
}

/* The container's folder has come; what it had before it was watched is looked at. */
static void look(struct container_begun *begun)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	watched_folder_free(begun->own);
	begun->own =
		file_watch_add(begun->files, begun->dir, FILE_WATCH_ARRIVAL, on_own, begun, &err);
	/* Over already: its end tells. */
	if (!begun->own && err.code == ENOENT)
		return;
	if (!begun->own)
		log_warn("%s", err.text);
	/* Where it cannot be told, that the runtime was started must do. */
	if (!begun->own || fs_exists(begun->mark))
		begun->fn(begun->data);
}

/* NULL: events were lost. */
static void on_any(struct watched_folder *folder unused_arg, const char *name,
                   uint32_t events unused_arg, void *data)
{
	struct container_begun *begun = data;

	if (!name || str_eq(name, path_base(begun->dir)))
		look(begun);
}

struct container_begun *container_begun_watch(struct daemon *daemon, const char *id,
                                              container_begun_fn *fn, void *data, struct error *err)
{
	cleanup_free char *root = paths_runtime_root(&daemon->paths);
	struct container_begun *begun;

	if (!daemon->files) {
		error_set(err, ENOSYS, "there is no inotify");
		return NULL;
	}
	if (fs_mkdirs_private(root, err) < 0)
		return NULL;
	begun = xcalloc(1, sizeof(*begun));
	begun->files = daemon->files;
	begun->dir = path_join(root, id);
	begun->mark = path_join(begun->dir, MARK);
	begun->fn = fn;
	begun->data = data;
	begun->all = file_watch_add(begun->files, root, FILE_WATCH_ARRIVAL, on_any, begun, err);
	if (begun->all)
		return begun;
	container_begun_free(begun);
	return NULL;
}

void container_begun_free(struct container_begun *begun)
{
	if (!begun)
		return;
	watched_folder_free(begun->own);
	watched_folder_free(begun->all);
	free(begun->dir);
	free(begun->mark);
	free(begun);
}

bool container_has_begun(const struct paths *paths, const char *project, const char *service)
{
	cleanup_free char *dir = paths_container_dir(paths, project, service);
	cleanup_free char *path = container_dir_pid(dir);

	return fs_exists(path);
}
