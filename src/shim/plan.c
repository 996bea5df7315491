#include "shim/plan.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/proc.h"
#include "shim/filter.h"
#include "shim/idmap.h"
#include "shim/label.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define PROC_ROOT_INODE 1

/* "/a:/b\:c" to its directories; a backslash protects a colon. */
static void split_lower(struct strv *out, const char *value)
{
	cleanup_free char *word = xmalloc(strlen(value) + 1);
	size_t len = 0;

	for (const char *at = value;; at++) {
		if (*at == '\\' && at[1]) {
			word[len++] = *++at;
		} else if (*at && *at != ':') {
			word[len++] = *at;
		} else {
			word[len] = '\0';
			if (len > 0)
				strv_add(out, word);
			len = 0;
			if (!*at)
				return;
		}
	}
}

/* What its program cannot be told, or would do with more power than the container has. */
static int check_fuse(const struct plan_overlay *overlay, struct error *err)
{
	cleanup_free char *upper = overlay->upper ? path_dir(overlay->upper) : NULL;
	cleanup_free char *work = overlay->work ? path_dir(overlay->work) : NULL;

	if (str_empty(overlay->program) || *overlay->program != '/')
		return error_set(err, ERR_CONFIG,
		                 "mounts[0]: source must be the absolute path of fuse-overlayfs");
	if (upper && !str_eq(upper, work))
		return error_set(err, ERR_CONFIG,
		                 "mounts[0]: upperdir and workdir must lie in one directory");
	if (upper && (strpbrk(path_base(overlay->upper), ",:\\") ||
	              strpbrk(path_base(overlay->work), ",:\\")))
		return error_set(err, ERR_CONFIG,
		                 "mounts[0]: the names of upperdir and workdir may not have `,`, "
		                 "`:` or `\\`");
	return 0;
}

static int take_overlay(struct plan_overlay *overlay, const struct spec_mount *mount,
                        struct error *err)
{
	if (str_eq_null(mount->type, "fuse-overlayfs"))
		overlay->program = mount->source;
	else if (!str_eq_null(mount->type, "overlay"))
		return error_set(err, ERR_UNSUPPORTED,
		                 "mounts[0]: a root file system of type `%s` is not supported yet",
		                 mount->type ? mount->type : "bind");
	for (size_t i = 0; i < mount->options.data.len; i++) {
		const char *word = mount->options.data.items[i];

		if (str_starts(word, "lowerdir="))
			split_lower(&overlay->lower, word + strlen("lowerdir="));
		else if (str_starts(word, "upperdir="))
			overlay->upper = word + strlen("upperdir=");
		else if (str_starts(word, "workdir="))
			overlay->work = word + strlen("workdir=");
		else
			strv_add(&overlay->rest, word);
	}
	if (overlay->lower.len == 0)
		return error_set(err, ERR_CONFIG, "mounts[0]: overlay needs lowerdir");
	if (!overlay->upper != !overlay->work)
		return error_set(err, ERR_CONFIG,
		                 "mounts[0]: overlay needs both upperdir and workdir, or none");
	if (str_eq_null(mount->type, "fuse-overlayfs") && check_fuse(overlay, err) < 0)
		return -1;
	overlay->fds = xmalloc((overlay->lower.len + 3) * sizeof(int));
	for (size_t i = 0; i < overlay->lower.len + 3; i++)
		overlay->fds[i] = -1;
	overlay->is_set = true;
	return 0;
}

/* devpts with gid=5 where group 5 is not mapped: the kernel would refuse it. */
static void drop_unmapped_gids(struct spec *spec)
{
	array_foreach(mount, &spec->mounts) {
		struct strv *data = &mount->options.data;
		size_t kept = 0;

		if (!str_eq_null(mount->type, "devpts") || !data->items)
			continue;
		for (size_t i = 0; i < data->len; i++) {
			cleanup(error_release) struct error ignored = ERROR_INIT;
			int64_t gid = -1;

			if (str_starts(data->items[i], "gid=") &&
			    str_to_int(data->items[i] + 4, 0, UINT32_MAX, &gid, &ignored) == 0 &&
			    !idmap_has(&spec->gid_map, (uint32_t)gid))
				free(data->items[i]);
			else
				data->items[kept++] = data->items[i];
		}
		data->len = kept;
		data->items[kept] = NULL;
	}
}

/* A vector of its own: entries are borrowed, and one more fits. */
static char **vector_of(const struct strv *v, size_t extra)
{
	char **vector = xcalloc(v->len + extra + 1, sizeof(char *));

	if (v->len > 0)
		memcpy(vector, v->items, v->len * sizeof(char *));
	return vector;
}

int plan_exec_init(struct plan_exec *exec, const struct spec_process *process,
                   const struct spec_seccomp *seccomp, unsigned preserve_fds, struct error *err)
{
	*exec = (struct plan_exec){
		.process = process,
		.seccomp = seccomp,
		.preserve_fds = preserve_fds,
		.can_set_groups = true,
		.proc = -1,
		.parent = -1,
	};
	exec->argv = vector_of(&process->args, 0);
	exec->envp = vector_of(&process->env, 1);
	exec->env_len = process->env.len;
	exec->home = xmalloc(PLAN_HOME_SIZE);
	exec->ignored = proc_ignored_signals();
	if (listener_init(&exec->listener, seccomp, err) < 0)
		return -1;
	return filter_compile(seccomp, &exec->filter, err);
}

void plan_exec_release(struct plan_exec *exec)
{
	free(exec->argv);
	free(exec->envp);
	free(exec->home);
	free(exec->filter.filter);
	if (exec->process)
		listener_release(&exec->listener);
	*exec = (struct plan_exec){0};
}

static int open_proc(struct error *err)
{
	cleanup_close int fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;
	struct stat st;

	if (fd < 0 || fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
		return error_errno(err, errno, "/proc");
	/* Nor is a part of one that is mounted there. */
	if (fs.f_type != PROC_SUPER_MAGIC || st.st_ino != PROC_ROOT_INODE)
		return error_set(err, ENODEV, "/proc is not a proc file system");
	return take_fd(fd);
}

static int check_process(const struct plan *plan, const struct plan_options *options,
                         struct error *err)
{
	const struct spec *spec = plan->spec;

	if (!spec->process.is_set && !options->is_waiting)
		return error_set(err, ERR_CONFIG, "process: is required to start a container");
	if (options->has_init && (!spec->ns[NS_PID].is_set || spec->ns[NS_PID].path))
		return error_set(err, ERR_CONFIG,
		                 "--init: needs a new pid namespace in linux.namespaces");
	if (!plan->owns_mounts && plan->has_new_userns)
		return error_set(err, ERR_CONFIG,
		                 "linux.namespaces: a new user namespace needs a new mount "
		                 "namespace, since it may not use another's");
	return 0;
}

/* crun's annotation, which `podman run --group-add keep-groups` sets. */
static bool keeps_groups(const struct spec *spec)
{
	return str_eq(json_get_str(spec->annotations, "run.oci.keep_original_groups", "0"), "1");
}

static int check_mapped(const struct plan *plan, struct error *err)
{
	const struct spec *spec = plan->spec;

	if (!plan->has_new_userns)
		return 0;
	if (!idmap_has(&spec->uid_map, spec->process.uid))
		return error_set(err, ERR_CONFIG,
		                 "process.user.uid: %u is not in linux.uidMappings",
		                 spec->process.uid);
	if (!idmap_has(&spec->gid_map, spec->process.gid))
		return error_set(err, ERR_CONFIG,
		                 "process.user.gid: %u is not in linux.gidMappings",
		                 spec->process.gid);
	return 0;
}

int plan_init(struct plan *plan, struct spec *spec, const struct plan_options *options,
              struct error *err)
{
	const struct spec_namespace *user = &spec->ns[NS_USER];

	*plan = (struct plan){
		.spec = spec,
		.id = options->id,
		.bundle = options->bundle,
		.has_init = options->has_init,
		.no_pivot = options->no_pivot,
		.no_new_keyring = options->no_new_keyring,
		.is_waiting = options->is_waiting,
		.has_new_userns = user->is_set && !user->path,
		.owns_mounts = spec->ns[NS_MOUNT].is_set && !spec->ns[NS_MOUNT].path,
		.sync = -1,
		.start_socket = -1,
		.console_socket = -1,
		.proc = -1,
		.exe = -1,
		.hook_state = -1,
	};
	if (check_process(plan, options, err) < 0 || check_mapped(plan, err) < 0 ||
	    label_check(&spec->process, spec->mount_label, err) < 0)
		return -1;
	plan->maps_root = idmap_has(&spec->uid_map, 0) && idmap_has(&spec->gid_map, 0);
	for (size_t i = 0; i < NS_COUNT; i++)
		plan->is_joining = plan->is_joining || spec->ns[i].path;
	plan->rootfs = path_absolute(options->bundle, spec->root_path);
	plan->trees = xcalloc(spec->mounts.len + 1, sizeof(int));
	for (size_t i = 0; i < spec->mounts.len; i++)
		plan->trees[i] = -1;
	plan->nodes = xcalloc(spec->devices.len + 1, sizeof(int));
	for (size_t i = 0; i < spec->devices.len; i++)
		plan->nodes[i] = -1;
	if (plan->has_new_userns)
		drop_unmapped_gids(spec);
	if (plan_exec_init(&plan->exec, &spec->process, &spec->seccomp, options->preserve_fds,
	                   err) < 0)
		return -1;
	plan->exec.can_set_groups = idmap_can_set_groups(spec);
	plan->exec.keeps_groups = keeps_groups(spec);
	if (spec->mounts.len > 0 && str_eq(spec->mounts.items[0].destination, "/") &&
	    take_overlay(&plan->overlay, &spec->mounts.items[0], err) < 0)
		return -1;
	if (plan->overlay.program && !plan->has_new_userns)
		return error_set(err, ERR_CONFIG,
		                 "mounts[0]: fuse-overlayfs needs a new user namespace");
	plan->proc = plan->exec.proc = open_proc(err);
	if (plan->proc < 0)
		return -1;
	if (plan->has_init && (plan->exe = open("/proc/self/exe", O_PATH | O_CLOEXEC)) < 0)
		return error_errno(err, errno, "/proc/self/exe");
	return 0;
}

void plan_release(struct plan *plan)
{
	plan_exec_release(&plan->exec);
	strv_release(&plan->overlay.lower);
	strv_release(&plan->overlay.rest);
	free(plan->overlay.fds);
	free(plan->rootfs);
	for (size_t i = 0; plan->trees && i < plan->spec->mounts.len; i++)
		close_fd(&plan->trees[i]);
	free(plan->trees);
	for (size_t i = 0; plan->nodes && i < plan->spec->devices.len; i++)
		close_fd(&plan->nodes[i]);
	free(plan->nodes);
	close_fd(&plan->proc);
	close_fd(&plan->exe);
}
