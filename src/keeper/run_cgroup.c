#include "keeper/run_cgroup.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "keeper/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#define FILE_LIMIT (16UL * 1024 * 1024)
#define DEPTH_MAX  32

/* "36 35 0:38 /root /point options … - cgroup2 …"; false when the line is of another kind. */
static bool parse_mount(char *line, char **ret_root, char **ret_point)
{
	char *save = NULL, *dash = strstr(line, " - ");
	char *field[5] = {NULL};

	if (!dash || !str_starts(dash, " - cgroup2 "))
		return false;
	*dash = '\0';
	for (size_t i = 0; i < ARRAY_LEN(field); i++)
		field[i] = strtok_r(i == 0 ? line : NULL, " ", &save);
	/* One whose name the kernel had to escape is none that anybody mounts. */
	if (!field[4] || strchr(field[3], '\\') || strchr(field[4], '\\'))
		return false;
	*ret_root = field[3];
	*ret_point = field[4];
	return true;
}

/* Our own cgroup, as a path of the hierarchy; NULL: in none of version 2. */
static char *own_path(void)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;
	char *line;

	if (fs_read_file("/proc/self/cgroup", FILE_LIMIT, &text, &err) < 0)
		return NULL;
	line = str_starts(text.buf, "0::") ? text.buf : strstr(text.buf, "\n0::");
	if (!line)
		return NULL;
	line = strstr(line, "0::") + 3;
	return xstrndup(line, strcspn(line, "\n"));
}

char *run_cgroup_parent(void)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *own = own_path();
	char *save = NULL, *root, *point;

	if (!own || fs_read_file("/proc/self/mountinfo", FILE_LIMIT, &text, &err) < 0)
		return NULL;
	for (char *line = strtok_r(text.buf, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		const char *below = own;
		cleanup_free char *path = NULL;

		if (!parse_mount(line, &root, &point))
			continue;
		/* What is mounted may be a part of the hierarchy. */
		if (!str_eq(root, "/") && !str_starts(own, root))
			return NULL;
		below += str_eq(root, "/") ? 0 : strlen(root);
		path = xasprintf("%s%s", point, str_eq(below, "/") ? "" : below);
		return access(path, W_OK) == 0 ? take_ptr(path) : NULL;
	}
	return NULL;
}

/* <log folder>/<run> as locald-<FNV-1a of the folder>.<run>: names must differ, nothing more. */
static char *name_of(const char *run_mark)
{
	const char *run = path_base(run_mark);
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (const char *at = run_mark; at < run - 1; at++)
		sum = (sum ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
	return xasprintf("locald-%016" PRIx64 ".%s", sum, run);
}

void run_cgroup_open(struct run_cgroup *ret, const char *run_mark, bool find)
{
	cleanup_free char *parent = run_cgroup_parent();
	cleanup_free char *name = name_of(run_mark);
	cleanup_free char *path = NULL;
	int dir;

	if (!parent)
		return;
	path = path_join(parent, name);
	if (!find && mkdir(path, 0755) < 0)
		return;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0)
		return;
	ret->dir = dir;
	ret->path = take_ptr(path);
	/* Linux 5.14. */
	if (!find && faccessat(dir, "cgroup.kill", W_OK, 0) < 0)
		run_cgroup_remove(ret);
}

void run_cgroup_release(struct run_cgroup *cgroup)
{
	close_fd(&cgroup->dir);
	free(cgroup->path);
	*cgroup = (struct run_cgroup)RUN_CGROUP_INIT;
}

int run_cgroup_entrance(const struct run_cgroup *cgroup)
{
	return cgroup->dir < 0 ? -1 : openat(cgroup->dir, "cgroup.procs", O_WRONLY | O_CLOEXEC);
}

bool run_cgroup_is_empty(const struct run_cgroup *cgroup)
{
	cleanup_close int fd =
		cgroup->dir < 0 ? -1 : openat(cgroup->dir, "cgroup.events", O_RDONLY | O_CLOEXEC);
	char text[256];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return true;
	text[n] = '\0';
	return !strstr(text, "populated 1");
}

/* Those right in it; what is in cgroups below is killed, too, and counted when it is found
 * otherwise. */
static void note_members(const struct run_cgroup *cgroup, struct tree_killed *killed)
{
	int fd = openat(cgroup->dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	cleanup_file FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	int pid;

	/* NOLINTNEXTLINE(cert-err34-c): the kernel writes these numbers. */
	while (file && fscanf(file, "%d", &pid) == 1)
		tree_note_killed(killed, pid);
}

void run_cgroup_kill(const struct run_cgroup *cgroup, struct tree_killed *killed)
{
	cleanup_close int fd =
		cgroup->dir < 0 ? -1 : openat(cgroup->dir, "cgroup.kill", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	note_members(cgroup, killed);
	(void)!write(fd, "1", 1);
}

static void remove_below(int parent, const char *name, int depth)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir && depth < DEPTH_MAX && (entry = readdir(dir)))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			remove_below(dirfd(dir), entry->d_name, depth + 1);
	if (dir)
		closedir(dir);
	(void)unlinkat(parent, name, AT_REMOVEDIR);
}

void run_cgroup_remove(struct run_cgroup *cgroup)
{
	if (cgroup->dir >= 0)
		remove_below(AT_FDCWD, cgroup->path, 0);
	run_cgroup_release(cgroup);
}
