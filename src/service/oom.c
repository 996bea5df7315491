#include "service/oom.h"

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TOP "/sys/fs/cgroup"
/* What v1 says where there is no limit is about 2^63, rounded to pages. */
#define NO_LIMIT (UINT64_MAX >> 2)

/* Where each hierarchy may be mounted. */
static const struct place {
	const char *mount;
	bool is_v2;
} places[] = {
	{TOP "/memory", false},
	{TOP, true},
	{TOP "/unified", true},
};

/* The path of the process in the hierarchy that has the memory controller; NULL: none. */
static char *path_in(pid_t pid, bool is_v2)
{
	char name[64], line[4096];
	cleanup_file FILE *file = NULL;

	snprintf(name, sizeof(name), "/proc/%d/cgroup", (int)(pid ? pid : getpid()));
	file = fopen(name, "re");
	while (file && fgets(line, sizeof(line), file)) {
		const char *kind = strchr(line, ':');
		const char *path = kind ? strchr(kind + 1, ':') : NULL;
		bool is_wanted;

		line[strcspn(line, "\n")] = '\0';
		if (!path)
			continue;
		is_wanted = is_v2 ? str_starts(line, "0::") : str_starts(kind, ":memory:");
		if (is_wanted)
			return xstrdup(path + 1);
	}
	return NULL;
}

/* "oom_kill 3", a line of both kinds of file */
static bool read_kills(const struct oom_watch *watch, uint64_t *ret)
{
	cleanup_free char *path = xasprintf("%s/%s", watch->dir,
	                                    watch->is_v2 ? "memory.events" : "memory.oom_control");
	cleanup_file FILE *file = fopen(path, "re");
	char line[128];

	while (file && fgets(line, sizeof(line), file)) {
		if (!str_starts(line, "oom_kill "))
			continue;
		*ret = strtoull(line + strlen("oom_kill "), NULL, 10);
		return true;
	}
	return false;
}

void oom_watch_begin(struct oom_watch *watch, pid_t pid)
{
	oom_watch_release(watch);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		cleanup_free char *path = path_in(pid, places[i].is_v2);

		if (!path)
			continue;
		watch->is_v2 = places[i].is_v2;
		watch->dir = xasprintf("%s%s", places[i].mount, str_eq(path, "/") ? "" : path);
		if (read_kills(watch, &watch->kills))
			return;
		/* In a container the path may begin where the mount does. */
		free(watch->dir);
		watch->dir = xstrdup(places[i].mount);
		if (read_kills(watch, &watch->kills))
			return;
		oom_watch_release(watch);
	}
}

void oom_watch_release(struct oom_watch *watch)
{
	free(watch->dir);
	*watch = (struct oom_watch){0};
}

bool oom_watch_look(const struct oom_watch *watch)
{
	uint64_t now;

	return watch->dir && read_kills(watch, &now) && now > watch->kills;
}

void oom_watch_took(struct oom_watch *watch, const struct oom_watch *to)
{
	if (str_eq_null(watch->dir, to->dir) && oom_watch_look(watch))
		watch->kills++;
}

static uint64_t read_limit(const char *dir, bool is_v2)
{
	cleanup_free char *path =
		xasprintf("%s/%s", dir, is_v2 ? "memory.max" : "memory.limit_in_bytes");
	cleanup_file FILE *file = fopen(path, "re");
	char line[64];

	if (!file || !fgets(line, sizeof(line), file) || line[0] == 'm')
		return UINT64_MAX;
	return strtoull(line, NULL, 10);
}

uint64_t oom_watch_limit(const struct oom_watch *watch)
{
	cleanup_free char *dir = xstrdup_null(watch->dir);
	uint64_t limit = UINT64_MAX;

	/* Those of the cgroups above hold, too. */
	while (dir && strlen(dir) > strlen(TOP)) {
		uint64_t here = read_limit(dir, watch->is_v2);
		char *above = path_dir(dir);

		if (here < limit)
			limit = here;
		free(dir);
		dir = above;
	}
	return limit < NO_LIMIT ? limit : 0;
}
